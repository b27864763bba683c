"""Trialwright tunes a training script: proposes with reasons, runs, judges, explains.

The public names load on first use, so that a training script's `from trialwright import emit`
costs the standard library alone.

>>> import trialwright
>>> trialwright.Objective(metric="val_f1").direction
'maximize'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

# At once: a submodule of the same name would hide a function that is bound later.
from trialwright.emit import emit

# Type checkers and editors don't follow `__getattr__`; at run time none of this is imported.
if TYPE_CHECKING:
    from trialwright.app.analyze.measuring import analyze
    from trialwright.errors import TrialwrightError
    from trialwright.space import Choice, Float, Int, Ordinal, Space
    from trialwright.study import Study
    from trialwright.studyfile import load
    from trialwright.task import (
        Budget,
        Delivery,
        Environment,
        Keep,
        Limits,
        MetricRoute,
        Objective,
        Prune,
        RunnerPlan,
        Seeds,
        Task,
    )

__version__ = "0.1.0"

__all__ = [
    "Budget",
    "Choice",
    "Delivery",
    "Environment",
    "Float",
    "Int",
    "Keep",
    "Limits",
    "MetricRoute",
    "Objective",
    "Ordinal",
    "Prune",
    "RunnerPlan",
    "Seeds",
    "Space",
    "Study",
    "Task",
    "TrialwrightError",
    "analyze",
    "emit",
    "load",
]

_ELSEWHERE = {
    "TrialwrightError": "errors",
    "Choice": "space",
    "Float": "space",
    "Int": "space",
    "Ordinal": "space",
    "Space": "space",
    "Study": "study",
    "analyze": "app.analyze.measuring",
    "load": "studyfile",
}


def __getattr__(name: str) -> object:
    """Load a public name on first use."""
    if name not in __all__:
        raise AttributeError(f"module 'trialwright' has no attribute {name!r}")
    value = getattr(import_module(f"trialwright.{_ELSEWHERE.get(name, 'task')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
