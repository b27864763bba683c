"""How far beliefs about a space have stood up to what was seen, parameter by parameter.

A belief says that values near its centre do better. A linear model of the results on the log
densities of the beliefs, with the expectation that they are right, tells which of them are: one
that results contradict is given up long before it would have faded. It knows no candidates.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Array = NDArray[np.float64]

EXPECTED = 0.3
"""Standard scores of the result per unit of a belief's log density, before any result."""
SPREAD = 0.3
"""Standard deviation of the same over tasks, all of whose parameters share it."""
APART = 0.3
"""Standard deviation of one parameter's from that."""
NOISE = 0.7
"""Standard deviation of what beliefs do not tell, in standard scores."""
LEAST = 3
"""Results below which nothing is concluded."""


def trust(terms: Array, utilities: Array) -> Array:
    """Return, per parameter, the share of its belief that is left: 1 untouched, 0 given up.

    `terms`, shape (n, d): log density of each belief at each result; `utilities`, shape (n,):
    results, larger better. Only their order counts, so that one that diverged weighs no more.

    >>> terms = np.array([[0.0, -1.0], [-1.0, -2.0], [-2.0, 0.0], [-3.0, -3.0]])
    >>> trust(terms, np.array([0.1, 0.2, 0.3, 0.4])).round(1).tolist()
    [0.0, 0.0]
    >>> trust(terms, np.array([0.4, 0.3, 0.2, 0.1])).round(1).tolist()
    [1.0, 0.8]
    """
    count, width = terms.shape
    if count < LEAST:
        return np.ones(width)
    scores = ndtri((_ranks(utilities) + 0.5) / count)
    centred = terms - terms.mean(axis=0)
    # A belief that is wrong makes the others suspect: slopes are drawn about a common one.
    shared = np.eye(width) * APART**2 + SPREAD**2
    gain = shared @ centred.T
    surprise = scores - centred @ np.full(width, EXPECTED)
    known = centred @ gain + np.eye(count) * NOISE**2
    slopes = EXPECTED + gain @ np.linalg.solve(known, surprise)
    return np.asarray(np.clip(slopes / EXPECTED, 0.0, 1.0))


def _ranks(values: Array) -> Array:
    """Ranks from 0, ties shared."""
    below = (values[:, None] > values[None, :]).sum(axis=1)
    equal = (values[:, None] == values[None, :]).sum(axis=1) - 1
    return np.asarray(below + equal / 2.0, dtype=np.float64)
