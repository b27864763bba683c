"""The quadratic_near task: its training script, study file and default configuration."""
