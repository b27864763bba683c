"""The digits_svm task: its training script, study file and default configuration."""
