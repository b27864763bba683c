"""Three real tasks with AgentHPO's spaces (arXiv 2402.01881): water, house, cora.

Each is a folder with a training script, a study file and a default configuration with its source.
`evaluation.evaluate` trains in this process and remembers; `data` finds the files.
"""
