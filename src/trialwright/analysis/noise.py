"""How much the objective scatters over seeds: pooled, and each trial's own drawn towards the pool.

Where trials scatter alike, one number serves them all. Where they do not, a trial's own variance
is mixed with a typical one by empirical Bayes: a wild trial says much of itself, little of others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, fdtrc, polygamma, psi

from trialwright.history import History

Array = NDArray[np.float64]

LATEST = 1000
"""Replicated trials that are looked at, the newest: so that a verdict's cost does not grow."""

ALIKE = 0.05
"""p of Bartlett's test from which on trials count as scattering alike."""

SHARED = 0.01
"""p of an F test below which seeds count as moving all trials alike: else they count as not."""

ENOUGH = 6
"""Degrees of freedom that it takes to say so: three trials with four seeds, for one."""

MOST_SHARED = 0.99
"""Nothing is shared so wholly that no doubt were left of a difference."""

LEAST_DEGREES = 2.0
"""Of the prior: fewer would leave nothing decidable once a few trials differ much."""

_FLOOR = 1e-4
"""Least variance of a trial, as a part of the pooled one: rounding makes some zero."""


@dataclass(frozen=True, slots=True)
class Noise:
    """The standard deviation of the objective over seeds, in the metric's own unit."""

    sd: float
    degrees: float
    """Degrees of freedom behind `sd`: few mean that it is itself uncertain."""


@dataclass(frozen=True, slots=True)
class Scatter:
    """The noise of a study: what is typical, and of each trial with several seeds."""

    typical: Noise
    """Of a trial that nothing is known of."""
    own: Mapping[int, Noise]
    """By trial: the posterior of its variance."""
    common: float = 0.0
    """Part of the variance that a seed brings to all trials alike: it cancels seed by seed."""

    def of(self, trial: int) -> Noise:
        """Return the noise of a trial."""
        return self.own.get(trial, self.typical)

    @property
    def even(self) -> bool:
        """Whether all trials scatter alike, as far as can be told."""
        return not self.own


def noise(history: History, *, code: str | None = None) -> Noise | None:
    """Return the typical noise of one code version; None if no trial has several seeds.

    None as `code` means that of the best trial.
    """
    found = scatter_of(history, code=code)
    return found.typical if found else None


def scatter_of(history: History, *, code: str | None = None) -> Scatter | None:
    """Return the noise over seeds of one code version; None if no trial has several seeds.

    None as `code` means that of the best trial.
    """
    if code is None:
        best = history.best()
        code = best.code if best else history.code
    key = ("scatter", code)
    known = cast("tuple[int, Scatter | None] | None", history.memo.get(key))
    if known is not None and known[0] == history.spread_changes:
        return known[1]
    found = _estimate(history, code)
    history.memo[key] = (history.spread_changes, found)
    return found


def _estimate(history: History, code: str) -> Scatter | None:
    squares, degrees = history.spread(code=code)
    if not degrees:
        return None
    pooled = Noise(math.sqrt(squares / degrees), degrees)
    groups = sorted(history.spreads(code=code))[-LATEST:]
    if len(groups) < 2 or pooled.sd == 0:
        return Scatter(pooled, {})
    found = shrunk(
        [number for number, _, _ in groups],
        np.array([squares for _, squares, _ in groups]),
        np.array([float(degrees) for _, _, degrees in groups]),
        pooled=pooled,
    )
    return replace(found, common=_common([history.trials[n].values for n, _, _ in groups]))


def _common(trials: list[dict[int, float]]) -> float:
    """The part of a seed's variance that all trials share; 0 where an F test finds none.

    By a two-way analysis of variance over the seeds that every trial has.
    """
    seeds = sorted(set.intersection(*(set(values) for values in trials)))
    k, c = len(trials), len(seeds)
    if (k - 1) * (c - 1) < ENOUGH:
        return 0.0
    table = np.array([[values[seed] for seed in seeds] for values in trials])
    table -= table.mean(axis=1, keepdims=True)
    between = k * float((table.mean(axis=0) ** 2).sum()) / (c - 1)
    left = (float((table**2).sum()) - between * (c - 1)) / ((k - 1) * (c - 1))
    if left <= 1e-12 * between:
        return MOST_SHARED if between > 0 else 0.0
    if float(fdtrc(c - 1, (k - 1) * (c - 1), between / left)) > SHARED:
        return 0.0
    shared = (between - left) / k
    return min(shared / (shared + left), MOST_SHARED)


def shrunk(trials: list[int], squares: Array, degrees: Array, *, pooled: Noise) -> Scatter:
    """Draw each trial's variance towards a typical one, as far as trials scatter alike.

    `squares` and `degrees`, shape (n,), are of each trial. By the moments of log variances, which
    are scaled F (Smyth 2004, section 6.2); the typical variance is thus a geometric kind of mean,
    on which one wild trial has little pull. Where Bartlett's test finds no difference: `pooled`.
    """
    variances = np.maximum(squares / degrees, _FLOOR * pooled.sd**2)
    if _bartlett(variances, degrees) > ALIKE:
        return Scatter(pooled, {})
    logs = np.log(variances) - psi(degrees / 2) + np.log(degrees / 2)
    excess = float(np.var(logs, ddof=1) - np.mean(polygamma(1, degrees / 2)))
    prior = max(2 * _trigamma_inverse(excess), LEAST_DEGREES) if excess > 0 else pooled.degrees
    prior = min(prior, pooled.degrees)
    typical = math.exp(float(np.mean(logs)) + float(psi(prior / 2)) - math.log(prior / 2))
    mixed = (prior * typical + squares) / (prior + degrees)
    own = {
        trial: Noise(math.sqrt(variance), min(prior + own_degrees, pooled.degrees))
        for trial, variance, own_degrees in zip(
            trials, mixed.tolist(), degrees.tolist(), strict=True
        )
    }
    return Scatter(Noise(math.sqrt(typical), prior), own)


def _bartlett(variances: Array, degrees: Array) -> float:
    """The p of all variances being the same (Bartlett 1937)."""
    total = float(degrees.sum())
    pooled = float((degrees * variances).sum()) / total
    statistic = total * math.log(pooled) - float((degrees * np.log(variances)).sum())
    correction = 1 + (float((1 / degrees).sum()) - 1 / total) / (3 * (len(degrees) - 1))
    return float(chdtrc(len(degrees) - 1, max(statistic / correction, 0.0)))


def _trigamma_inverse(value: float) -> float:
    """Solve trigamma(x) = `value` > 0 by Newton's method (Smyth 2004, appendix)."""
    if value > 1e7:
        return 1 / math.sqrt(value)
    x = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(polygamma(1, x))
        step = trigamma * (1 - trigamma / value) / float(polygamma(2, x))
        x += step
        if -step / x < 1e-8:
            break
    return x
