"""Processes made safe: a guard that outlives the coordinator, and trees of processes as data."""
