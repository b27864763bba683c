"""Intervals of effect sizes by the bootstrap, made for few seeds. Pure."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from trialwright.analysis.gains import Side, fitting
from trialwright.robust import Robust

Array = NDArray[np.float64]

DRAWS = 2000
ENOUGH = 8
"""Seeds from which on a trial's own residuals are drawn from; below, normal ones."""


def effect(
    ours: Side,
    theirs: Side,
    robust: Robust,
    *,
    sign: int,
    common: float = 0.0,
    level: float = 0.95,
    draws: int = DRAWS,
) -> tuple[float, float] | None:
    """Return the interval of how much better our side is; None without an estimate of the noise.

    Seeds are drawn anew `draws` times: a side's residuals from its mean, made larger by
    sqrt(n / (n - 1)), or normal ones scaled by its noise where there are few; each draw divided by
    the root of a chi-square over its degrees, since the noise is itself estimated (so that a mean's
    interval is Student's where seeds scatter normally). The ends are quantiles of the drawn
    differences (Efron and Tibshirani 1993, chapters 12 and 13). Of sides with the same seeds,
    which `edge` says how to tell, seeds are drawn for both at once, as far as noise is `common` to
    them. The same sides give the same interval. For `worst` and `quantile` it is rough below some
    20 seeds.
    """
    if ours.noise is None or theirs.noise is None:
        return None
    robust = fitting(robust, ours, theirs)
    rng = np.random.default_rng([len(ours.values), len(theirs.values), draws])
    paired = common > 0 and len(ours.values) == len(theirs.values)
    luck = _Luck(rng, draws, common if paired else 0.0, len(ours.values))
    drawn = [_drawn(side, robust, luck, sign=sign) for side in (ours, theirs)]
    differences = sign * (drawn[0] - drawn[1])
    tail = (1 - level) / 2
    low, high = np.quantile(differences, [tail, 1 - tail])
    return float(low), float(high)


class _Luck:
    """What is drawn, and what both sides share of it."""

    def __init__(self, rng: np.random.Generator, draws: int, common: float, seeds: int) -> None:
        self.rng, self.draws, self.common = rng, draws, common
        self._picked = rng.integers(0, seeds, (draws, seeds))
        self._normal = rng.normal(0.0, 1.0, (draws, seeds))

    def picked(self, n: int) -> NDArray[np.int64]:
        """Which residual each seed gets, shape (draws, n)."""
        return self._picked if self.common else self.rng.integers(0, n, (self.draws, n))

    def normal(self, n: int) -> Array:
        """Standard normal steps, shape (draws, n)."""
        own = self.rng.normal(0.0, 1.0, (self.draws, n))
        if not self.common:
            return own
        return math.sqrt(self.common) * self._normal + math.sqrt(1 - self.common) * own


def _drawn(side: Side, robust: Robust, luck: _Luck, *, sign: int) -> Array:
    """Values of the objective in worlds where the seeds had fallen otherwise, shape (draws,)."""
    assert side.noise is not None
    values = np.array(side.values, dtype=np.float64)
    n, centre = len(values), float(np.mean(values))
    if n >= ENOUGH:
        residuals = (values - centre) * math.sqrt(n / (n - 1))
        steps, degrees = residuals[luck.picked(n)], n - 1.0
    else:
        steps, degrees = side.noise.sd * luck.normal(n), side.noise.degrees
    if robust.kind != "success":
        # Both sides by the same quantiles, so that what they share cancels.
        ranks = np.random.default_rng([n, luck.draws]).uniform(size=(luck.draws, 1))
        unsure = chdtri(degrees, ranks) if luck.common else _chi(luck, degrees)
        steps = steps / np.sqrt(unsure / degrees)
    found = [robust.value(world, sign=sign) for world in (centre + steps).tolist()]
    return np.array(found, dtype=np.float64)


def _chi(luck: _Luck, degrees: float) -> Array:
    return luck.rng.chisquare(degrees, (luck.draws, 1))
