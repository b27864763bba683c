"""From a trial to an observation: orders, runs, metrics, limits, causes of failure."""
