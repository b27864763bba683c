"""Shares of seeds: exact intervals, and how many clean seeds rule a failure rate out. Pure."""

from __future__ import annotations

import math

from scipy.special import bdtr, betaincinv

LEVEL = 0.95
"""Of every interval, two-sided."""

MOST_CLEAN = 10_000
"""More clean seeds than this are no advice."""


def interval(count: int, total: int, *, level: float = LEVEL) -> tuple[float, float]:
    """Return the exact binomial interval of a share (Clopper and Pearson 1934).

    >>> [round(end, 3) for end in interval(0, 4)]
    [0.0, 0.602]

    Raises:
        ValueError: `count` is not between 0 and `total`, or `total` is not above 0.
    """
    if not 0 <= count <= total or total < 1:
        raise ValueError(f"{count} of {total} is no share")
    tail = (1 - level) / 2
    low = float(betaincinv(count, total - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, total - count, 1 - tail)) if count < total else 1.0
    return low, high


def clean_needed(rate: float, *, sides: int = 2, level: float = LEVEL) -> int:
    """Return how many seeds without any failure rule out that a share of `rate` fails.

    >>> clean_needed(0.25), clean_needed(0.25, sides=1)
    (13, 11)

    Raises:
        ValueError: `rate` is not between 0 and 1.
    """
    if not 0 < rate < 1:
        raise ValueError(f"a failure rate lies between 0 and 1; {rate} does not")
    needed = math.log((1 - level) / sides) / math.log1p(-rate)
    return math.ceil(needed - 1e-9)


def still_needed(failures: int, total: int, rate: float, *, level: float = LEVEL) -> int | None:
    """Return how many more seeds, all clean, rule out a failure rate of `rate`, two-sided.

    0: what was seen does so. None: more than `MOST_CLEAN`.
    """
    tail = (1 - level) / 2

    def ruled_out(more: int) -> bool:
        return float(bdtr(failures, total + more, rate)) <= tail

    if ruled_out(0):
        return 0
    low, high = 0, 1
    while not ruled_out(high):
        low, high = high, 2 * high
        if high > MOST_CLEAN:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if ruled_out(middle) else (middle, high)
    return high


def better(ours: tuple[int, int], theirs: tuple[int, int]) -> float:
    """Return the probability that our share is truly the larger one: (count, total) of each.

    Each share is believed to be anything at first (a uniform prior); the sum is exact.

    >>> round(better((1, 1), (0, 1)), 4)
    0.8333
    """
    won, lost = ours[0] + 1, ours[1] - ours[0] + 1
    beaten, unbeaten = theirs[0] + 1, theirs[1] - theirs[0] + 1
    total = 0.0
    for i in range(won):
        total += math.exp(
            _log_beta(beaten + i, unbeaten + lost)
            - math.log(lost + i)
            - _log_beta(1 + i, lost)
            - _log_beta(beaten, unbeaten)
        )
    return min(max(total, 0.0), 1.0)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
