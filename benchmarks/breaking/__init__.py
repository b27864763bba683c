"""What `kill9.py`, `research_kill9.py` and `faults.py` share: studies that are broken on purpose, and their books."""
