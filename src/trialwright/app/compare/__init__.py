"""`compare`: agents on the same task, each in copies of its own, replicate by replicate."""
