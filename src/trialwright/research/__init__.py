"""Trials that change code: what may be edited, what an edit does, and where git keeps it."""
