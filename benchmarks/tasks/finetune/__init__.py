"""The finetune task: its training script, study file and default configuration."""
