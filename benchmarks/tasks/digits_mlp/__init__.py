"""The digits_mlp task: its training script, study file and default configuration."""
