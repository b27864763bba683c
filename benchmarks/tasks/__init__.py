"""Real tasks: each folder has a training script, a study file, and a default with its source.

Water, house and cora are AgentHPO's, with its spaces (arXiv 2402.01881). `evaluation.evaluate`
trains in this process and remembers; `data` finds the files.
"""
