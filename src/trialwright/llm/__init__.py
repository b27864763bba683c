"""Asking language models: conversations with a checked answer, and what they cost."""
