"""How surely two things go together over few pairs: the correlation, its interval, its p. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr

LEVEL = 0.95
"""Of every interval."""
EXACT = 7
"""Pairs up to which every order is looked at: 5,040 of them; beyond, `DRAWS` of them."""
DRAWS = 9_999
PERMUTED = 500
"""Pairs beyond which p is Student's: permutations would say the same, at length."""
LEAST = 4
"""Pairs below which a correlation has no interval."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Correlation:
    """Pearson's correlation over n pairs.

    The interval is Fisher's (1921, Metron 1): atanh r is normal with variance 1 / (n - 3). `p` is
    two-sided, by handing the second values out anew, which assumes no distribution; of more than
    `PERMUTED` pairs by Student's.
    """

    n: int
    r: float
    low: float | None
    high: float | None
    """None of fewer than `LEAST` pairs."""
    p: float
    least_p: float
    """The smallest p that so many pairs with these ties could have had."""


def correlation(
    first: Sequence[float], second: Sequence[float], *, strata: Sequence[str] = ()
) -> Correlation | None:
    """Correlate pairs; None where one side does not vary.

    With `strata` (one word per pair) each stratum's mean is taken away first, values are handed out
    within strata only, and each stratum beyond the first costs a pair.

    >>> found = correlation([5, 5, 5, 3, 2], [0.5757, 0.5794, 0.5802, 0.5848, 0.5923])
    >>> round(found.r, 3), round(found.low, 2), round(found.high, 2), found.p
    (-0.946, -1.0, -0.38, 0.05)
    """
    kinds = list(strata) or [""] * len(first)
    x, y = centred(first, kinds), centred(second, kinds)
    norm = float(np.linalg.norm(x) * np.linalg.norm(y))
    if len(x) < 2 or norm < 1e-300 or not _varies(x, first) or not _varies(y, second):
        return None
    r = min(max(float(x @ y) / norm, -1.0), 1.0)
    effective = len(x) - len(set(kinds)) + 1
    low, high = interval(r, effective)
    if len(x) > PERMUTED:
        odds = abs(r) * math.sqrt(max(effective - 2, 1) / max(1 - r * r, 1e-12))
        return Correlation(
            len(x), r, low, high, 2 * float(stdtr(max(effective - 2, 1), -odds)), 0.0
        )
    seen = np.abs(orders(y, kinds) @ x) / norm
    p = float(np.mean(seen >= abs(r) - 1e-9))
    least = float(np.mean(seen >= float(seen.max()) - 1e-9))
    return Correlation(len(x), r, low, high, p, least)


def interval(r: float, n: int, *, level: float = LEVEL) -> tuple[float | None, float | None]:
    """Return Fisher's interval of a correlation of n pairs; (None, None) of too few.

    >>> interval(0.5, 3)
    (None, None)
    >>> [round(end, 3) for end in interval(0.5, 28)]
    [0.156, 0.736]
    """
    if n < LEAST:
        return None, None
    centre = math.atanh(min(max(r, -1 + 1e-12), 1 - 1e-12))
    half = float(ndtri((1 + level) / 2)) / math.sqrt(n - 3)
    return math.tanh(centre - half), math.tanh(centre + half)


def _varies(apart: Array, values: Sequence[float]) -> bool:
    scale = max((abs(value) for value in values), default=0.0)
    return float(np.abs(apart).max()) > 1e-12 * max(scale, 1e-300)


def centred(values: Sequence[float], kinds: Sequence[str]) -> Array:
    """Return the values less the mean of their stratum, shape (n,)."""
    found = np.array(values, dtype=np.float64)
    for kind in set(kinds):
        own = np.array([one == kind for one in kinds])
        found[own] -= found[own].mean()
    return found


def orders(values: Array, kinds: Sequence[str]) -> Array:
    """Return the values in every order, or in many drawn ones behind their own; a row each.

    With strata, values change places within their stratum only. The same values have the same rows.
    """
    if len(values) <= EXACT and len(set(kinds)) == 1:
        return np.array(list(permutations(values)))
    rng = np.random.default_rng(len(values))
    drawn = np.tile(values, (DRAWS + 1, 1))
    for kind in sorted(set(kinds)):
        own = np.flatnonzero([one == kind for one in kinds])
        drawn[1:, own] = rng.permuted(drawn[1:, own], axis=1)
    return drawn
