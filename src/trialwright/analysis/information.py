"""Entropy of shares and counts, and how far shares are from one another, in bits. Pure numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DRAWS = 2000
"""Samples drawn anew for an interval."""


def entropy(counts: Iterable[int]) -> float:
    """Return the entropy of counts in bits: 0 if all are of one kind.

    >>> entropy([2, 2]), entropy([5]), entropy([])
    (1.0, 0.0, 0.0)
    """
    some = [count for count in counts if count]
    total = sum(some)
    return math.fsum(n / total * math.log2(total / n) for n in some)


def corrected(counts: Sequence[int]) -> float:
    """Return the entropy of counts in bits, with what few of them hide added.

    Few counts look less mixed than what they are drawn from, by about (m - 1) / 2n nats with m
    kinds seen among n (Miller 1955, Note on the bias of information estimates).

    >>> round(corrected([2, 2]) - entropy([2, 2]), 4)
    0.1803
    """
    kinds, total = sum(count > 0 for count in counts), sum(counts)
    if not total:
        return 0.0
    return entropy(counts) + (kinds - 1) / (2 * total * math.log(2))


def spread(counts: Sequence[int], *, level: float = 0.95) -> tuple[float, float]:
    """Return the interval of the corrected entropy, by drawing the counts anew.

    The counts are taken for independent draws; the same counts have the same interval.

    >>> spread([7])
    (0.0, 0.0)
    """
    some = np.array([count for count in counts if count])
    total = int(some.sum())
    if len(some) < 2:
        return 0.0, 0.0
    rng = np.random.default_rng([total, len(some)])
    drawn = entropies(rng.multinomial(total, some / total, DRAWS).astype(np.float64))
    ends = np.quantile(drawn - drawn.mean(), [(1 - level) / 2, (1 + level) / 2])
    centre = corrected([int(count) for count in some])
    return max(0.0, centre + float(ends[0])), centre + float(ends[1])


def entropies(weights: Array) -> Array:
    """Return the entropy in bits of each row of weights, shape (..., d), scaled to sum to 1."""
    total = weights.sum(axis=-1, keepdims=True)
    shares = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
    logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    found: Array = -(shares * logs).sum(axis=-1)
    return found


def divergence(one: Array, other: Array) -> float:
    """Return the Jensen-Shannon divergence in bits of two lists of shares, each shape (d,).

    Between 0 and 1 (Lin 1991, IEEE Transactions on Information Theory 37, equation 4.1).

    >>> divergence(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    1.0
    """
    return float(divergences(np.array([one, other]))[()])


def divergences(shares: Array) -> Array:
    """Return the Jensen-Shannon divergence in bits among k lists of shares, shape (..., k, d).

    Each list weighs alike; between 0 and log2 k (Lin 1991, equation 5.1). Rows that need not sum
    to 1 are scaled.
    """
    total = shares.sum(axis=-1, keepdims=True)
    scaled = np.divide(shares, total, out=np.zeros_like(shares), where=total > 0)
    middle = scaled.mean(axis=-2)
    found = entropies(middle) - entropies(scaled).mean(axis=-1)
    most = math.log2(max(shares.shape[-2], 2))
    clipped: Array = np.clip(found, 0.0, most)
    return clipped
