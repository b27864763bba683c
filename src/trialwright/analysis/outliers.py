"""Seeds that stand apart: one that makes most of a trial's spread, one that collapsed. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median

from scipy.special import stdtr

from trialwright.history import History, Trial
from trialwright.robust import deviation, mean

FEWEST = 5
"""Seeds below which none can be said to stand apart."""

CHANCE = 0.05
"""Probability that any seed of a trial is named where all scatter normally."""

NEAR = 0.02
"""Part of the range of all runs within which a value counts as being at its floor."""

WELL = 1 / 3
"""Part of that range above the floor that every other seed has to reach."""

APART = 4.0
"""Standard deviations, of a usual trial, that it is at least below the worst of the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlier:
    """A seed of a trial that is far from all its others."""

    trial: int
    seed: int
    value: float
    others: tuple[float, float]
    """The least and the greatest of the others."""
    sd: float
    """Of all seeds."""
    without: float
    """Of the others alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collapse:
    """A seed that ended at the floor of the whole study, where the trial's others did well."""

    trial: int
    seed: int
    value: float
    others: tuple[float, ...]


def outlier(trial: Trial) -> Outlier | None:
    """Return the seed that stands apart most; None where none does.

    By its distance from the mean of the others in their standard deviations, which is Student's
    with n - 2 degrees where seeds scatter normally, at `CHANCE` for all n seeds together.
    """
    values = trial.values
    if len(values) < FEWEST:
        return None
    seed = max(values, key=lambda s: abs(values[s] - mean(_but(values, s))))
    others = _but(values, seed)
    without = deviation(others)
    error = without * math.sqrt(1 + 1 / len(others))
    far = abs(values[seed] - mean(others))
    if not far or (error and 2 * len(values) * stdtr(len(others) - 1, -far / error) > CHANCE):
        return None
    return Outlier(
        trial=trial.number,
        seed=seed,
        value=values[seed],
        others=(min(others), max(others)),
        sd=deviation(list(values.values())),
        without=without,
    )


def collapses(history: History) -> list[Collapse]:
    """Return the seeds that collapsed, by trial; of the best trial's code version."""
    best = history.best()
    trials = [one for one in history.trials if best and one.code == best.code and one.values]
    spreads = [deviation(list(one.values.values())) for one in trials if len(one.values) > 1]
    if not spreads:
        return []
    sign = history.task.objective.sign
    every = [sign * value for one in trials for value in one.values.values()]
    floor, reach, usual = min(every), max(every) - min(every), median(spreads)
    found = []
    for trial in trials:
        for seed, value in trial.values.items():
            others = _but(trial.values, seed)
            least = min((sign * other for other in others), default=floor)
            apart = least - sign * value
            at_floor = sign * value <= floor + NEAR * reach
            if at_floor and least >= floor + WELL * reach and apart > APART * usual:
                found.append(
                    Collapse(trial=trial.number, seed=seed, value=value, others=tuple(others))
                )
    return found


def _but(values: dict[int, float], seed: int) -> list[float]:
    return [value for other, value in values.items() if other != seed]
