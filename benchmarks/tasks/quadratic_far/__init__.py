"""The quadratic_far task: its training script, study file and default configuration."""
