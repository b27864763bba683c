"""Wilcoxon's signed ranks: exact, with ties, and the shift with its interval. Pure numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from trialwright.analysis.ranking import ranked

EXACT = 60
"""Differences up to which the distribution is computed; beyond, it is normal."""


def signed_rank(apart: Sequence[float]) -> float:
    """Return the two-sided p of differences lying around 0, by Wilcoxon's signed ranks.

    Differences of 0 are left out, ties share a rank, and the distribution is that of these very
    ranks, exact up to `EXACT` of them (Wilcoxon 1945, Biometrics Bulletin 1).

    >>> signed_rank([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), signed_rank([0.0, 0.0])
    (0.03125, 1.0)
    """
    some = np.array([value for value in apart if value != 0.0], dtype=np.float64)
    if not len(some):
        return 1.0
    doubled = np.rint(2 * ranked(np.abs(some).tolist())).astype(np.int64)
    total = int(doubled.sum())
    seen = int(doubled[some > 0].sum())
    outer = min(seen, total - seen)
    if len(some) > EXACT:
        deviation = math.sqrt(float((doubled.astype(np.float64) ** 2).sum()) / 4)
        return min(1.0, 2 * float(ndtr((outer + 0.5 - total / 2) / deviation)))
    return min(1.0, 2 * float(_distribution(doubled)[: outer + 1].sum()))


def shift(
    apart: Sequence[float], *, level: float = 0.95
) -> tuple[float, float | None, float | None]:
    """Return the middle of the differences (Hodges and Lehmann 1963) and its interval.

    The median of all averages of two differences; the interval's ends are such averages too, of
    Wilcoxon's distribution. (middle, None, None) where so few can't reach the level.

    >>> shift([1.0, 2.0, 3.0])
    (2.0, None, None)
    """
    values = np.array(apart, dtype=np.float64)
    first, second = np.triu_indices(len(values))
    averages = np.sort((values[first] + values[second]) / 2)
    middle = float(np.median(averages))
    tail = (1 - level) / 2
    chances = _distribution(2 * np.arange(1, len(values) + 1))[::2].cumsum()
    outside = int(np.searchsorted(chances, tail + 1e-12, side="right"))
    if outside == 0:
        return middle, None, None
    return middle, float(averages[outside - 1]), float(averages[len(averages) - outside])


def _distribution(doubled: NDArray[np.int64]) -> NDArray[np.float64]:
    """The probability of each sum of doubled ranks, each rank in it or not as likely."""
    chances = np.zeros(int(doubled.sum()) + 1)
    chances[0] = 1.0
    for rank in doubled:
        moved = np.zeros_like(chances)
        moved[int(rank) :] = chances[: len(chances) - int(rank)]
        chances = (chances + moved) / 2
    return chances
