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


FLOOR = 0.05
"""Share of random's values that may be worse than what counts as worst: one loss of a million
would else be the mean of all tasks."""


@dataclass(frozen=True, slots=True)
class Yardstick:
    """Normalised regret on one task, seed by seed: each has a split, and so an optimum, of its own.

    0 is the best value that anyone saw under the same seed, and 1 is as far from it as a median
    random configuration, on average over seeds. Random search's trials are draws from the whole
    space, so the median is over all of them, not over its first one alone.
    """

    best: tuple[float, ...]
    """Per seed, in order."""
    floor: tuple[float, ...]
    """What a worse value, a failed trial, and no value yet count as."""
    width: float
    """The range that counts as 1."""

    @classmethod
    def of(cls, traces: Traces, *, baseline: str = "random") -> Yardstick:
        """Read it off all traces of one task; `baseline` must be among them.

        >>> traces = {"random": [[1.0, 3.0, None]], "ours": [[3.0, 5.0, 4.0]]}
        >>> yardstick = Yardstick.of(traces)
        >>> yardstick.best, [round(low, 2) for low in yardstick.floor], round(yardstick.width, 2)
        ((5.0,), [1.1], 3.9)
        """
        best, floor, usual = [], [], []
        for seed, run in enumerate(traces[baseline]):
            seen = [v for runs in traces.values() for v in runs[seed] if v is not None]
            finite = [value for value in run if value is not None] or [min(seen)]
            low = float(np.quantile(finite, FLOOR))
            best.append(max(seen))
            floor.append(low)
            usual.append(float(np.median([low if v is None else max(v, low) for v in run])))
        width = float(np.mean(np.array(best) - np.array(usual))) or 1.0
        return cls(tuple(best), tuple(floor), width)

    def regrets(self, runs: Sequence[Values], trials: int) -> list[float]:
        """Return the regret of the best of the first `trials` trials, one per seed."""
        return [
            (best - max(best_so_far(run[:trials], worst=floor)[-1], floor)) / self.width
            for run, best, floor in zip(runs, self.best, self.floor, strict=True)
        ]


def means(runs: Sequence[Values], trials: int, *, worst: float) -> float:
    """Return the mean over seeds of the best of the first `trials` trials."""
    return float(np.mean([best_so_far(run[:trials], worst=worst)[-1] for run in runs]))


def improvement(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return AgentHPO's measure in per cent: relative differences of means, averaged over tasks.

    One number per task each, larger better; theirs must not be 0 (arXiv 2402.01881, table 3).

    >>> improvement([0.6, 0.9], [0.5, 0.6])
    35.0
    """
    relative = [(o - t) / abs(t) for o, t in zip(ours, theirs, strict=True)]
    return round(100 * float(np.mean(relative)), 10)


def first_drawn(runs: Sequence[Values], count: int) -> list[float | None]:
    """Return the first `count` trials of all runs together: each run's first, each second, ...

    >>> first_drawn([[1.0, 2.0], [3.0, None]], 3)
    [1.0, 3.0, 2.0]
    """
    return [value for trials in zip(*runs, strict=True) for value in trials][:count]
