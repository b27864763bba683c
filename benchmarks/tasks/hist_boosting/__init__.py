"""The hist_boosting task: its training script, study file and default configuration."""
