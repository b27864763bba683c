"""For Optuna's users: our team as a sampler, studies in and out.

Nothing else of the package imports this one, so Optuna is loaded only where it is asked for.
"""

from trialwright.optuna.sampler import Sampler

__all__ = ["Sampler"]
