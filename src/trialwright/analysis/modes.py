"""Do the seeds of one configuration fall into two groups? A test that is honest with few of them.

It knows values of one configuration, and nothing of parameters or studies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FEWEST = 6
"""Runs of one configuration below which nothing is said of their groups."""

LARGEST = 60
"""Runs that are looked at: more tell no more."""

SMALLEST = 2
"""Runs that make a group: one alone is an outlier."""

_DRAWS = 20_000
_SHAPES = ("uniform", "normal", "exponential", "student", "laplace")
"""What one group may look like: flat, bell-shaped, skewed, with heavy tails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Modes:
    """Two groups of values, the lower first."""

    low: float
    """Mean of the lower group."""
    high: float
    lower: int
    """Runs in the lower group."""
    total: int
    cut: float
    """Halfway between the groups."""
    p: float
    """How often one group of the same size would look as divided as this, at most."""


def modes(values: Sequence[float], *, grain: float = 0.0) -> Modes | None:
    """Divide values into two groups, and say how surprising the division is.

    The statistic is the distance of the groups' means in units of the deviation within them, at the
    best division into groups of at least two. It does not depend on place and scale, so its
    distribution for one group is found by simulation, exactly for each number of values; of all
    shapes that one group may have, the least surprised counts. `grain` is the step in which
    the metric is measured: differences within it are none.

    None with fewer than `FEWEST` values, or without any spread.

    >>> modes([0.95, 0.31, 0.96, 0.94, 0.30, 0.95, 0.33, 0.95]).lower
    3
    """
    found = np.sort(np.asarray(values, dtype=np.float64)[:LARGEST])
    if len(found) < FEWEST or not np.all(np.isfinite(found)) or found[-1] - found[0] <= grain:
        return None
    statistics = _statistics(found[None, :], floor=grain / math.sqrt(12))[0]
    best = int(np.argmax(statistics))
    lower = best + SMALLEST
    reference = _reference(len(found))
    beyond = np.sum(reference >= statistics[best], axis=1)
    return Modes(
        low=float(np.mean(found[:lower])),
        high=float(np.mean(found[lower:])),
        lower=lower,
        total=len(found),
        cut=float(found[lower - 1] + found[lower]) / 2,
        p=float(np.max(beyond) + 1) / (_DRAWS + 1),
    )


def _statistics(rows: Array, *, floor: float = 0.0) -> Array:
    """The statistic at each division of sorted rows, shape (m, n) to (m, n - 3)."""
    n = rows.shape[1]
    centred = rows - rows.mean(axis=1, keepdims=True)
    sums, squares = np.cumsum(centred, axis=1), np.cumsum(centred**2, axis=1)
    lower = np.arange(SMALLEST, n - SMALLEST + 1)
    left, left_squares = sums[:, lower - 1], squares[:, lower - 1]
    right, right_squares = sums[:, -1:] - left, squares[:, -1:] - left_squares
    upper = n - lower
    within = left_squares - left**2 / lower + right_squares - right**2 / upper
    deviation = np.sqrt(np.maximum(within / (n - 2), 1e-24 * squares[:, -1:]) + floor**2)
    return np.asarray((right / upper - left / lower) / deviation)


@lru_cache(maxsize=64)
def _reference(n: int) -> Array:
    """The largest statistic of one group of `n`, by shape and draw, shape (shapes, draws)."""
    rng = np.random.default_rng([n, 20])
    drawn = []
    for shape in _SHAPES:
        match shape:
            case "uniform":
                values = rng.random((_DRAWS, n))
            case "normal":
                values = rng.standard_normal((_DRAWS, n))
            case "exponential":
                values = rng.standard_exponential((_DRAWS, n))
            case "student":
                values = rng.standard_t(3, (_DRAWS, n))
            case _:
                values = rng.laplace(size=(_DRAWS, n))
        drawn.append(np.max(_statistics(np.sort(values, axis=1)), axis=1))
    return np.stack(drawn)
