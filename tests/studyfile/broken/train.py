"""Stands for a training script: no broken study file gets as far as to run it."""
