"""Evidence that may be looked at at any time: e-values against what a claim would have to beat.

An e-value is at most 1 on average if the null is true, whenever one stops and looks; so it exceeds
20 in at most one case of twenty, however often it was looked at. Large ones speak against the null.
It knows numbers alone, no trials and no claims.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, log_ndtr, logsumexp

Array = NDArray[np.float64]

SPREAD = 1.0
"""Standard deviation of the effects that are expected, in units of the noise of one comparison."""

BETS = np.linspace(0.05, 0.95, 19)
"""Shares of the largest bet that is allowed; all are made at once."""

_NODES = 400


def above(values: Sequence[float], bound: float, *, floor: float = 0.0) -> float:
    """Return the e-value of the mean of `values` being above `bound`, against its being at most so.

    For normal values of unknown variance; see `student`. `floor` is the least standard deviation
    that is believed: a few values may agree by chance. 1 of fewer than two values.

    >>> above([1.0, 1.2, 0.9, 1.1], 0.0) > 20 > above([0.3, -0.2, 0.4, -0.5], 0.0)
    True
    """
    n = len(values)
    if n < 2:
        return 1.0
    found = np.asarray(values, dtype=np.float64)
    sd = max(float(np.std(found, ddof=1)), floor)
    gain = float(np.mean(found)) - bound
    if sd == 0:
        sd = max(abs(gain), 1e-300) * 1e-9
    return student(gain / (sd / math.sqrt(n)), degrees=n - 1, weight=n)


def student(t: float, *, degrees: float, weight: float) -> float:
    """Return the e-value of a t statistic's being above 0 in truth.

    `weight` is the inverse of the statistic's variance in units of the noise's: n for a mean of n.
    The likelihood ratio of the invariant t statistic, with a half-normal prior of standard
    deviation `SPREAD` on the effect size: a martingale under optional stopping (Lai 1976; Perez-
    Ortiz, Lardy, de Heide and Grunwald 2024; for regressions Lindon, Ham, Tingley and Bojinov
    2022). With r = t / sqrt(degrees + t^2) and k = w SPREAD^2 / (1 + w SPREAD^2) it is
    E[2 Phi(sqrt(k) r U) exp(k r^2 U^2 / 2)] / sqrt(1 + w SPREAD^2), U chi-distributed on
    degrees + 1.
    """
    spread = weight * SPREAD**2
    k = spread / (1 + spread)
    r = t / math.sqrt(degrees + t * t)
    chi = degrees + 1.0
    # U^2 is gamma-distributed; the factor exp(k r^2 U^2 / 2) turns its rate from 1/2 into this.
    rate = (1 - k * r * r) / 2
    end = math.sqrt((chi + 12 * math.sqrt(2 * chi) + 60) / (2 * rate))
    u = np.linspace(0.0, end, _NODES + 1)[1:]
    density = (chi - 1) * np.log(u) - rate * u**2 - (chi / 2 - 1) * math.log(2) - gammaln(chi / 2)
    logs = density + math.log(2) + log_ndtr(math.sqrt(k) * r * u)
    total = float(logsumexp(logs)) + math.log(end / _NODES) - 0.5 * math.log1p(spread)
    return math.exp(min(total, 700.0))


def share_above(values: Sequence[float], bound: float, *, low: float, high: float) -> float:
    """Return the e-value of the mean of `values` in [low, high] being above `bound`. Exact.

    Whatever the distribution: the capital of who bets on it, averaged over `BETS` (Waudby-Smith
    and Ramdas 2024). 1 if nothing lies below `bound`, since no value could speak against it.

    >>> share_above([1.0] * 8, 0.25, low=0.0, high=1.0) > 20
    True
    """
    if not len(values) or bound <= low or bound >= high:
        return 1.0
    gains = np.asarray(values, dtype=np.float64) - bound
    capital = np.sum(np.log1p(np.outer(BETS / (bound - low), gains)), axis=1)
    return math.exp(min(float(logsumexp(capital)) - math.log(len(BETS)), 700.0))


def weight_of(order: int) -> float:
    """Return the part of the error that the claim written down as number `order`, from 0, has.

    The parts of all claims that there may ever be sum to 1, so later ones take nothing from it.
    """
    return 1.0 / ((order + 1) * (order + 2))


def accepted(evidence: Sequence[float], *, alpha: float) -> frozenset[int]:
    """Return which of the claims, with their e-values in the order of writing, are accepted.

    At most a share of `alpha` of what is accepted is false on average, whenever one looks, however
    the claims depend on each other (e-BH with weights: Wang and Ramdas 2022): claim j is among the
    R accepted ones if its e-value is at least 1 / (alpha * R * its weight).

    >>> sorted(accepted([50.0, 3.0, 150.0], alpha=0.05))
    [0, 2]
    """
    needed = [1 / (alpha * weight_of(order)) for order in range(len(evidence))]
    for count in range(len(evidence), 0, -1):
        found = [j for j, e in enumerate(evidence) if e >= needed[j] / count]
        if len(found) >= count:
            return frozenset(found)
    return frozenset()
