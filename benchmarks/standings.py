"""Who is ahead over several tasks: mean ranks, and the tests that go with them. Pure.

Every method has one number per task, smaller better. Demsar (JMLR 7, 2006) is followed: tasks are
the sample, and a task's seeds have been averaged before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Standings:
    """Methods ranked over tasks; 1 is the best rank, ties share theirs."""

    ranks: Mapping[str, float]
    """Mean rank of each method, best first."""
    p: float
    """Of Friedman's test that all methods are alike; NaN with fewer than three methods or tasks."""
    critical: float
    """Nemenyi's critical difference of mean ranks; NaN with a single method or task."""

    @classmethod
    def of(cls, scores: Mapping[str, Sequence[float]]) -> Standings:
        """Rank methods by their numbers, one per task, smaller better.

        >>> standings = Standings.of({"a": [1.0, 1.0, 2.0], "b": [2.0, 1.0, 3.0], "c": [3, 3, 1]})
        >>> {name: round(rank, 2) for name, rank in standings.ranks.items()}
        {'a': 1.5, 'b': 2.17, 'c': 2.33}
        """
        table = np.array(list(scores.values()), dtype=np.float64).T
        ranked = np.mean([stats.rankdata(row) for row in table], axis=0)
        order = np.argsort(ranked, kind="stable")
        names = list(scores)
        tasks, methods = table.shape
        tested = tasks > 2 and methods > 2 and bool(np.ptp(table, axis=1).any())
        return cls(
            ranks={names[i]: float(ranked[i]) for i in order},
            p=float(stats.friedmanchisquare(*table.T).pvalue) if tested else math.nan,
            critical=critical_difference(methods, tasks),
        )

    @property
    def groups(self) -> list[tuple[str, ...]]:
        """Largest sets of neighbours in rank that the critical difference does not tell apart."""
        names = list(self.ranks)
        found: list[tuple[str, ...]] = []
        for start, first in enumerate(names):
            group = tuple(
                n for n in names[start:] if self.ranks[n] - self.ranks[first] < self.critical
            )
            if len(group) > 1 and not (found and set(group) <= set(found[-1])):
                found.append(group)
        return found


def critical_difference(methods: int, tasks: int) -> float:
    """Return Nemenyi's difference of mean ranks at `LEVEL` (Demsar 2006, section 3.2.2).

    >>> round(critical_difference(4, 14), 2)
    1.25
    """
    if methods < 2 or tasks < 2:
        return math.nan
    quantile = float(stats.studentized_range.ppf(1 - LEVEL, methods, np.inf)) / math.sqrt(2)
    return quantile * math.sqrt(methods * (methods + 1) / (6 * tasks))


def signed_rank_p(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the two-sided p of Wilcoxon's signed ranks over tasks; 1 where nothing differs.

    >>> signed_rank_p([1, 2, 3, 4, 5, 6], [2, 4, 6, 8, 10, 12])
    0.03125
    >>> signed_rank_p([1.0], [1.0])
    1.0
    """
    differences = np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64)
    if not differences.any():
        return 1.0
    return float(stats.wilcoxon(differences).pvalue)


def best_of(means: Mapping[str, float], among: Sequence[str]) -> str | None:
    """Return the method with the smallest mean, the first of equals; None if none is there."""
    there = [name for name in among if name in means]
    return min(there, key=lambda name: means[name]) if there else None
