"""Agents side by side over replicates: means with intervals, paired tests, what is too few. Pure.

Replicate k of every agent has the same seeds, so agents are compared replicate by replicate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.special import stdtrit

from trialwright.robust import deviation, mean

LEVEL = 0.95
"""Of every interval; a difference is told where its p is at most 1 - LEVEL."""

EXACT = 14
"""Replicates up to which every pattern of signs is looked at; beyond, `DRAWS` of them."""

DRAWS = 20_000


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of some values, with Student's interval; None of fewer than two."""

    n: int
    mean: float | None
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, values: Sequence[float]) -> Mean:
        """Average.

        >>> Mean.of([1.0, 3.0]).mean, Mean.of([]).mean, Mean.of([2.0]).low
        (2.0, None, None)
        """
        if len(values) < 2:
            return cls(len(values), values[0] if values else None)
        centre, half = mean(values), _half(values)
        return cls(len(values), centre, centre - half, centre + half)


@dataclass(frozen=True, slots=True, kw_only=True)
class Duel:
    """One agent against another, over the replicates that both have ended."""

    agent: str
    against: str
    replicates: int
    difference: float
    """The mean difference; positive means that `agent` is better, whichever way the metric goes."""
    low: float | None
    high: float | None
    """Of the mean difference, by Student's distribution; None of one replicate."""
    p: float
    """Two-sided, by sign flips, corrected for the number of pairs (Holm 1979)."""

    @property
    def told(self) -> bool:
        """Whether the difference is more than chance."""
        return self.p <= 1 - LEVEL


def duels(values: Mapping[str, Mapping[int, float]], *, sign: int) -> list[Duel]:
    """Compare every pair of agents; `values`: by agent and replicate what it came to.

    `sign` is that of the objective. A pair that shares no replicate is left out.
    """
    found = []
    for agent, against in combinations(values, 2):
        ours, theirs = values[agent], values[against]
        common = sorted(ours.keys() & theirs.keys())
        if common:
            found.append((agent, against, [sign * (ours[k] - theirs[k]) for k in common]))
    corrected = holm([flip_test(apart) for _, _, apart in found])
    return [
        Duel(
            agent=agent,
            against=against,
            replicates=len(apart),
            difference=mean(apart),
            low=mean(apart) - _half(apart) if len(apart) > 1 else None,
            high=mean(apart) + _half(apart) if len(apart) > 1 else None,
            p=p,
        )
        for (agent, against, apart), p in zip(found, corrected, strict=True)
    ]


def flip_test(apart: Sequence[float]) -> float:
    """Return the two-sided p of differences having mean 0, by flipping their signs.

    Nothing is assumed but that each difference is as likely to be of either sign where there is
    none between the agents (Fisher 1935, The Design of Experiments, section 21).

    >>> flip_test([1.0, 2.0, 3.0]), flip_test([0.0, 0.0])
    (0.25, 1.0)
    """
    values = np.array(apart, dtype=np.float64)
    n = len(values)
    if n <= EXACT:
        patterns = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    else:
        drawn = np.random.default_rng(n).integers(0, 2, (DRAWS, n))
        patterns = np.vstack([np.zeros((1, n), dtype=np.int64), drawn])
    sums = np.abs((1 - 2 * patterns) @ values)
    seen = abs(float(values.sum()))
    return float(np.mean(sums >= seen - 1e-12 * max(1.0, float(np.abs(values).sum()))))


def holm(ps: Sequence[float]) -> list[float]:
    """Return the p values, corrected for how many there are (Holm 1979).

    >>> holm([0.01, 0.04])
    [0.02, 0.04]
    """
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    corrected, least = [0.0] * len(ps), 0.0
    for place, index in enumerate(order):
        least = max(least, min(ps[index] * (len(ps) - place), 1.0))
        corrected[index] = least
    return corrected


def needed(agents: int) -> int:
    """Return the replicates below which no pair of so many agents can be told apart.

    With n replicates the smallest p of a sign-flip test is 2 / 2^n.

    >>> needed(2), needed(3)
    (6, 7)
    """
    pairs = max(agents * (agents - 1) // 2, 1)
    return math.ceil(math.log2(2 * pairs / (1 - LEVEL)) - 1e-9)


def _half(values: Sequence[float]) -> float:
    """Half of Student's interval of a mean."""
    quantile = float(stdtrit(len(values) - 1, (1 + LEVEL) / 2))
    return quantile * deviation(values) / math.sqrt(len(values))
