"""What goes along with the order of trials: a search that moves makes its results hard to read.

Where a parameter grew while the search went on, and the results got better meanwhile, it goes along
with them whether or not it has anything to do with it. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trialwright.analysis.ranking import ranked
from trialwright.history import History, Trial
from trialwright.space import Choice

FEWEST = 8
"""Trials below which a rank correlation says nothing."""

ALONG = 0.6
"""Rank correlation, up or down, from which on two things count as going along with each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confounded:
    """A parameter that went along with the order of trials, as the results did."""

    parameter: str
    order: float
    """Rank correlation of the parameter with the number of the trial, in [-1, 1]."""
    progress: float
    """Of the number of the trial with the result; positive: later ones are better."""
    result: float
    """Of the parameter with the result; positive: larger values are better."""


def confounded(history: History) -> list[Confounded]:
    """Return the parameters whose trend can't be told from that of the search, strongest first."""
    best = history.best()
    trials = history.done(code=best.code) if best else []
    if len(trials) < FEWEST:
        return []
    sign = history.task.objective.sign
    results = [sign * (trial.value or 0.0) for trial in trials]
    progress = _correlation([trial.number for trial in trials], results)
    if abs(progress) < ALONG:
        return []
    found = []
    for parameter in history.space.parameters:
        having = [one for one in trials if parameter.name in one.configuration]
        if isinstance(parameter, Choice) or len(having) < len(trials):
            continue
        units = [parameter.to_unit(one.configuration[parameter.name]) for one in having]
        order, result = _correlation(_numbers(having), units), _correlation(units, results)
        if abs(order) >= ALONG and abs(result) >= ALONG:
            found.append(
                Confounded(parameter=parameter.name, order=order, progress=progress, result=result)
            )
    return sorted(found, key=lambda one: (-abs(one.result), one.parameter))


def _numbers(trials: Sequence[Trial]) -> list[int]:
    return [trial.number for trial in trials]


def _correlation(left: Sequence[float], right: Sequence[float]) -> float:
    """Spearman's rank correlation; 0 where either never changes."""
    ranks = np.array([ranked(left), ranked(right)])
    if min(np.ptp(ranks, axis=1)) == 0:
        return 0.0
    return float(np.corrcoef(ranks)[0, 1])
