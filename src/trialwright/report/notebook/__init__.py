"""A study's notebook: what was tried, what was learnt, and why each decision was taken."""
