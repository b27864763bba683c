"""Logs that agents' campaigns left: read in their dialects, told in one form, written again."""
