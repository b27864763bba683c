"""How much one set of seeds is better than another, and how surely. Pure numbers, no history.

Student's probability for what scatters, exact for shares. Both sides are compared by the robust
objective, or by the mean where their seeds are too few for it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import stdtr, stdtrit

from trialwright.analysis import rates
from trialwright.analysis.noise import Noise
from trialwright.robust import Robust, mean

MOST_SEEDS = 1000
"""More seeds than this are no advice: the difference is as good as none."""


@dataclass(frozen=True, slots=True)
class Side:
    """One trial's seeds in a comparison."""

    values: Sequence[float]
    noise: Noise | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """What one side has over the other."""

    values: tuple[float, float]
    """The robust objective of both."""
    difference: float
    """Positive means better, whichever way the metric points."""
    error: float | None
    """Standard error of the difference; None without an estimate of the noise."""
    degrees: float
    """Degrees of freedom behind `error`."""
    probability: float | None
    """That the difference is truly positive; None without an estimate of the noise."""


def edge(
    ours: Side,
    theirs: Side,
    robust: Robust,
    *,
    sign: int,
    common: float = 0.0,
    least: float = 0.0,
) -> Edge:
    """Compare two sides, each with at least one seed.

    Sides of equal length are taken to be of the same seeds, in the same order: then `common`, the
    part of the noise that seeds bring to all trials alike, cancels. The probability is that of a
    difference beyond `least`.

    With standard errors a and b of the two values, P = T_v(d / sqrt(a^2 + b^2)) by Student's
    distribution, v after Welch. Shares of seeds: the probability under uniform priors, exactly,
    but where `least` is not 0.
    """
    robust = fitting(robust, ours, theirs)
    values = _value(ours, robust, sign=sign), _value(theirs, robust, sign=sign)
    difference = sign * (values[0] - values[1])
    error, degrees = _error(ours, theirs, robust, sign=sign)
    if error is not None:
        error *= _unshared(ours, theirs, common)
    if robust.kind == "success" and not least:
        probability: float | None = _share(ours, theirs, robust, sign=sign)
    elif error is None:
        probability = None
    elif error == 0:
        probability = 1.0 if difference > least else 0.0 if difference < least else 0.5
    else:
        probability = float(stdtr(degrees, (difference - least) / error))
    return Edge(
        values=values,
        difference=difference,
        error=error,
        degrees=degrees,
        probability=probability,
    )


def of_one_seed(ours: Side, theirs: Side, robust: Robust, *, sign: int) -> float | None:
    """Return how much the objective of a single seed scatters (sd), as both sides have it together.

    None without an estimate of the noise.
    """
    if ours.noise is None or theirs.noise is None:
        return None
    errors = _errors((ours, theirs), fitting(robust, ours, theirs), sign=sign, seeds=(1, 1))
    return math.hypot(*errors) / math.sqrt(2)


def seeds_needed(
    ours: Side,
    theirs: Side,
    robust: Robust,
    *,
    sign: int,
    confidence: float,
    common: float = 0.0,
    least: float = 0.0,
) -> int | None:
    """Return how many more seeds per side tell a difference of this size; None: over `MOST_SEEDS`.

    Until the t statistic of what the difference has beyond `least` passes its quantile. None, too,
    where there is nothing to be told.
    """
    robust = fitting(robust, ours, theirs)
    found = edge(ours, theirs, robust, sign=sign, common=common)
    if found.difference <= least or ours.noise is None or theirs.noise is None:
        return None
    if found.error == 0:
        return 0
    seeds = min(len(ours.values), len(theirs.values))

    def told(total: int) -> bool:
        errors = _errors((ours, theirs), robust, sign=sign, seeds=(total, total))
        error = math.hypot(*errors) * math.sqrt(1 - common)
        # Each further pair of seeds brings two degrees of freedom to the estimate of the noise.
        quantile = float(stdtrit(found.degrees + 2 * (total - seeds), confidence))
        return not error or (found.difference - least) / error >= quantile

    # Monotone in the number of seeds: both the statistic and its quantile only get better.
    total = bisect_left(range(MOST_SEEDS + 1), x=True, lo=seeds, key=told)
    return total - seeds if total <= MOST_SEEDS else None


def fitting(robust: Robust, ours: Side, theirs: Side) -> Robust:
    """Return the objective that both sides have seeds enough for: `robust`, else the mean."""
    enough = min(len(ours.values), len(theirs.values)) >= robust.least
    return robust if enough else Robust()


def _unshared(ours: Side, theirs: Side, common: float) -> float:
    return math.sqrt(1 - common) if len(ours.values) == len(theirs.values) else 1.0


def _value(side: Side, robust: Robust, *, sign: int) -> float:
    value = robust.value(side.values, sign=sign)
    assert value is not None  # `fitting` saw to it
    return value


def _error(ours: Side, theirs: Side, robust: Robust, *, sign: int) -> tuple[float | None, float]:
    if ours.noise is None or theirs.noise is None:
        return None, math.inf
    seeds = len(ours.values), len(theirs.values)
    errors = _errors((ours, theirs), robust, sign=sign, seeds=seeds)
    degrees = (ours.noise.degrees, theirs.noise.degrees)
    if ours.noise == theirs.noise:
        return math.hypot(*errors), degrees[0]
    squares = [error**2 for error in errors]
    spread = math.fsum(s**2 / max(d, 1e-9) for s, d in zip(squares, degrees, strict=True))
    welch = math.fsum(squares) ** 2 / spread if spread else max(degrees)
    return math.hypot(*errors), min(welch, max(degrees))


def _errors(
    both: tuple[Side, Side], robust: Robust, *, sign: int, seeds: tuple[int, int]
) -> list[float]:
    found = []
    for side, count in zip(both, seeds, strict=True):
        assert side.noise is not None
        centre = mean(side.values)
        if robust.kind == "success":
            centre = _value(side, robust, sign=sign)
        found.append(robust.error(side.noise.sd, seeds=count, centre=centre))
    return found


def _share(ours: Side, theirs: Side, robust: Robust, *, sign: int) -> float:
    counts = [
        (sum(sign * value > sign * robust.amount for value in side.values), len(side.values))
        for side in (ours, theirs)
    ]
    return rates.better(counts[0], counts[1])
