"""The statistics of the peers benchmark: best so far, regret, and paired differences. Pure.

All values are taken as larger is better; turn the sign of a loss before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

Values = Sequence[float | None]
"""The objective of each trial in order; None for a failed one."""
Traces = Mapping[str, Sequence[Values]]
"""Method -> one series per seed, in the same order of seeds for every method."""


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean with its two-sided 95 % interval (Student's t; infinite for a single number)."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, numbers: Sequence[float]) -> Mean:
        """Estimate from at least one number.

        >>> estimate = Mean.of([1.0, 2.0, 3.0])
        >>> round(estimate.mean, 3), round(estimate.low, 3), round(estimate.high, 3)
        (2.0, -0.484, 4.484)
        """
        mean = float(np.mean(numbers))
        if len(numbers) < 2:
            return cls(mean, -math.inf, math.inf)
        half = float(stats.t.ppf(0.975, len(numbers) - 1) * stats.sem(numbers))
        return cls(mean, mean - half, mean + half)

    @property
    def positive(self) -> bool:
        """Whether the interval lies above 0."""
        return self.low > 0


def best_so_far(values: Values, *, worst: float) -> list[float]:
    """Return the running best; `worst` stands for "nothing yet" before the first value.

    >>> best_so_far([None, 0.5, 0.4, 0.7], worst=0.0)
    [0.0, 0.5, 0.5, 0.7]
    """
    best, running = -math.inf, []
    for value in values:
        if value is not None:
            best = max(best, value)
        running.append(best if math.isfinite(best) else worst)
    return running


@dataclass(frozen=True, slots=True)
class Scale:
    """What regret is measured on: 0 at the best value that anyone saw, 1 where chance begins."""

    best: float
    chance: float
    """The mean first value of `random`."""
    worst: float

    @classmethod
    def of(cls, traces: Traces, *, baseline: str = "random") -> Scale:
        """Read the scale off all traces of one task; `baseline` must be among them."""
        seen = [v for runs in traces.values() for run in runs for v in run if v is not None]
        worst = min(seen)
        firsts = [best_so_far(run[:1], worst=worst)[0] for run in traces[baseline]]
        return cls(best=max(seen), chance=float(np.mean(firsts)), worst=worst)

    @property
    def width(self) -> float:
        """The range that counts as 1; never 0."""
        return (self.best - self.chance) or 1.0

    def regret(self, values: Values, trials: int) -> float:
        """Return the regret of the best of the first `trials` trials."""
        return (self.best - best_so_far(values[:trials], worst=self.worst)[-1]) / self.width


def regrets(traces: Traces, scale: Scale, trials: int) -> dict[str, list[float]]:
    """Return the regret after `trials` trials per method, one per seed."""
    return {method: [scale.regret(run, trials) for run in runs] for method, runs in traces.items()}


def lead(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Return by how much our regret is smaller, seed by seed."""
    return [their - our for our, their in zip(ours, theirs, strict=True)]


def over_tasks(leads: Sequence[Sequence[float]]) -> Mean:
    """Estimate the mean lead over tasks from one list per task, each with one lead per seed.

    The tasks are fixed, the seeds are the sample: leads are averaged over tasks first.

    >>> over_tasks([[0.1, 0.3], [0.3, 0.1]]).low
    0.2
    """
    return Mean.of([float(np.mean(per_seed)) for per_seed in zip(*leads, strict=True)])


@dataclass(frozen=True, slots=True)
class Default:
    """How good a task's default configuration is, beside the best ones that were found."""

    value: float
    """Mean over seeds."""
    best: float
    """Mean over seeds of the best configuration found, trained anew under every seed."""
    noise_sd: float
    """Of one training about the mean of its configuration, pooled."""

    @classmethod
    def of(cls, default: Sequence[float], found: Sequence[Sequence[float]]) -> Default:
        """Estimate from values per seed: of the default, and of each of the best found."""
        deviations = [v - float(np.mean(runs)) for runs in found for v in runs]
        degrees = len(deviations) - len(found)
        spread = math.sqrt(math.fsum(d * d for d in deviations) / degrees) if degrees else 0.0
        best = max(float(np.mean(runs)) for runs in found)
        return cls(float(np.mean(default)), best, spread)

    @property
    def is_optimum(self) -> bool:
        """Whether nothing that anyone found beats the default by more than one training's noise."""
        return self.best - self.value <= self.noise_sd
