"""What switches failure on and off: shares of failed runs by parameter, and by pairs of them.

The unit is the configuration: its runs share whatever else it is, so that tests deal out whole
configurations anew, never single runs. It knows counts and groups; it knows no study.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trialwright.analysis.rates import interval

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

FEWEST = 8
"""Configurations below which nothing is tested."""

FAILURES = 3
"""Failed runs below which nothing is tested."""

CELL_TRIALS = 2
CELL_RUNS = 4
"""What a cell of two parameters holds at least, to be looked at."""

STRATA = 4
"""Groups of one parameter within which the other is dealt out anew."""

LARGEST = 400
"""Configurations that are looked at, the latest."""

_STAGES = (200, 2_000, 20_000)
"""Permutations, more of them only while it is open whether there is anything."""
_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Counts:
    """Failed runs and runs of each configuration, both shape (n,)."""

    failed: Array
    runs: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of a cut: which configurations are on it, shape (n,), and how it is called."""

    label: str
    inside: Mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Failed runs of some configurations, with the exact interval of their share."""

    label: str
    failed: int
    runs: int
    trials: int
    low: float
    high: float

    @property
    def rate(self) -> float:
        """The share of runs that failed; 0 without any."""
        return self.failed / self.runs if self.runs else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """A pair of sides whose meeting makes runs fail, while either alone does not."""

    sides: tuple[str, str]
    both: Share
    first: Share
    """With the first side alone."""
    second: Share
    neither: Share
    p: float
    """How often configurations dealt out anew show as strong a one; the larger of both tests."""
    excess: float
    """Lower 95 % bound of what both do beyond the sum of what each does alone."""


def share(counts: Counts, inside: Mask, label: str) -> Share:
    """Count the failures of some configurations."""
    failed, runs = int(counts.failed[inside].sum()), int(counts.runs[inside].sum())
    low, high = interval(failed, runs) if runs else (0.0, 1.0)
    return Share(
        label=label, failed=failed, runs=runs, trials=int(inside.sum()), low=low, high=high
    )


def testable(counts: Counts) -> bool:
    """Say whether there are enough configurations and failures, and any that ran well."""
    total = counts.failed.sum()
    return len(counts.runs) >= FEWEST and FAILURES <= total < counts.runs.sum()


def differs(counts: Counts, groups: NDArray[np.intp], *, rng: np.random.Generator) -> float:
    """Return how often failures differ as much between groups, dealt out anew; `groups` (n,).

    The statistic is chi-square's, of runs; whole configurations are dealt out.
    """
    member = np.equal.outer(groups, np.unique(groups)).astype(np.float64)
    seen = _between(counts.failed[None], counts.runs[None], member)[0]
    n = len(groups)
    beyond = drawn = 0
    for stage in _STAGES:
        while drawn < stage:
            order = np.argsort(rng.random((min(_AT_ONCE, stage), n)), axis=1)
            dealt = _between(counts.failed[order], counts.runs[order], member)
            beyond += int(np.sum(dealt >= seen - 1e-9))
            drawn += len(order)
        if _settled(beyond, drawn):
            break
    return (beyond + 1) / (drawn + 1)


def switch(
    counts: Counts,
    first: Sequence[Side],
    second: Sequence[Side],
    *,
    strata: tuple[NDArray[np.intp], NDArray[np.intp]],
    rng: np.random.Generator,
) -> Switch | None:
    """Look for a pair of sides that fail together, of all cuts of two parameters; None if none do.

    `first` and `second` hold both sides of each cut; `strata`, shape (n,), are coarse groups of
    either parameter. The strongest cell is the one whose failures stand out most against both its
    neighbours, each of which differs from it in one parameter. Two tests must agree: that the
    second parameter matters given the first (it is dealt out anew within strata of the first), and
    the other way around; so a parameter that matters alone makes no pair with every other one.
    """
    masks = tuple(np.array([side.inside for side in sides]) for sides in (first, second))
    order = np.arange(len(counts.runs))[None]
    strengths = _strengths(counts, masks[0], masks[1], order)[0]
    if not np.any(strengths > 0):
        return None
    one, other = np.unravel_index(int(np.argmax(strengths)), strengths.shape)
    cells = _cells(counts, first[int(one)], second[int(other)])
    excess = _excess(*cells)
    if excess <= 0:
        return None
    strength = float(np.max(strengths))
    p = max(
        _chance(counts, masks[0], masks[1], strata[0], strength, rng=rng),
        _chance(counts, masks[1], masks[0], strata[1], strength, rng=rng),
    )
    return Switch(
        sides=(first[int(one)].label, second[int(other)].label), both=cells[0], first=cells[1],
        second=cells[2], neither=cells[3], p=p, excess=excess,
    )  # fmt: skip


def _cells(counts: Counts, first: Side, second: Side) -> tuple[Share, Share, Share, Share]:
    a, b = first.inside, second.inside
    return (
        share(counts, a & b, f"{first.label} and {second.label}"),
        share(counts, a & ~b, f"{first.label} alone"),
        share(counts, ~a & b, f"{second.label} alone"),
        share(counts, ~a & ~b, "neither"),
    )


def _excess(both: Share, first: Share, second: Share, neither: Share) -> float:
    """The lower bound of both - first - second + neither (Zou and Donner's MOVER, 2008)."""
    estimate = both.rate - first.rate - second.rate + neither.rate
    reach = (
        (both.rate - both.low) ** 2
        + (first.high - first.rate) ** 2
        + (second.high - second.rate) ** 2
        + ((neither.rate - neither.low) ** 2 if neither.runs else 0.0)
    )
    return estimate - math.sqrt(reach)


def _between(failed: Array, runs: Array, member: Array) -> Array:
    """Chi-square of failures by group, of rows: (m, n), (m, n), (n, groups) to (m,)."""
    rate = counts_rate(failed, runs)
    seen, of = failed @ member, runs @ member
    expected = of * rate[:, None]
    spread = np.maximum(of * (rate * (1 - rate))[:, None], 1e-12)
    return np.asarray(np.sum((seen - expected) ** 2 / spread, axis=1))


def counts_rate(failed: Array, runs: Array) -> Array:
    """The share of failed runs of each row, shape (m,)."""
    return np.asarray(failed.sum(axis=1) / np.maximum(runs.sum(axis=1), 1.0))


def _strengths(counts: Counts, held: Mask, dealt: Mask, order: NDArray[np.intp]) -> Array:
    """How much each cell stands out against both neighbours: (m, sides of one, of the other).

    `held`, shape (a, n), stays; `dealt`, shape (b, n), is taken in each of the orders, (m, n). The
    strength is the smaller of two z statistics; 0 where a cell has too little in it.
    """
    n_held = held.astype(np.float64)
    columns = [n_held, n_held * counts.runs, n_held * counts.failed]
    plain = [np.ones_like(counts.runs), counts.runs, counts.failed]
    whole = [column.sum(axis=1) for column in columns]
    found = np.empty((len(order), len(held), len(dealt)))
    for index, side in enumerate(dealt):
        there = side[order].astype(np.float64)
        both = [there @ column.T for column in columns]
        second = [
            (there @ column)[:, None] - cell for column, cell in zip(plain, both, strict=True)
        ]
        first = [total[None] - cell for total, cell in zip(whole, both, strict=True)]
        found[:, :, index] = np.minimum(_z(both, first), _z(both, second))
    return found


def _z(cell: Sequence[Array], neighbour: Sequence[Array]) -> Array:
    """The pooled z statistic of a cell against its neighbour, each (trials, runs, failed)."""
    enough = (np.minimum(cell[0], neighbour[0]) >= CELL_TRIALS) & (
        np.minimum(cell[1], neighbour[1]) >= CELL_RUNS
    )
    runs = np.maximum(cell[1], 1.0), np.maximum(neighbour[1], 1.0)
    pooled = (cell[2] + neighbour[2]) / (runs[0] + runs[1])
    spread = np.sqrt(np.maximum(pooled * (1 - pooled), 1e-9) * (1 / runs[0] + 1 / runs[1]))
    apart = (cell[2] / runs[0] - neighbour[2] / runs[1]) / spread
    return np.where(enough, np.maximum(apart, 0.0), 0.0)


def _chance(
    counts: Counts,
    held: Mask,
    dealt: Mask,
    strata: NDArray[np.intp],
    strength: float,
    *,
    rng: np.random.Generator,
) -> float:
    """How often the dealt parameter, anew within strata of the held one, shows such a strength."""
    beyond = drawn = 0
    for stage in _STAGES:
        while drawn < stage:
            order = _within(strata, rng, rows=min(_AT_ONCE, stage))
            strengths = _strengths(counts, held, dealt, order)
            beyond += int(np.sum(strengths.max(axis=(1, 2)) >= strength - 1e-9))
            drawn += len(order)
        if _settled(beyond, drawn):
            break
    return (beyond + 1) / (drawn + 1)


def _within(strata: NDArray[np.intp], rng: np.random.Generator, *, rows: int) -> NDArray[np.intp]:
    """Orders that keep each configuration in its stratum, shape (rows, n)."""
    order = np.tile(np.arange(len(strata)), (rows, 1))
    for stratum in np.unique(strata):
        places = np.flatnonzero(strata == stratum)
        order[:, places] = places[np.argsort(rng.random((rows, len(places))), axis=1)]
    return order


def _settled(beyond: int, drawn: int) -> bool:
    """Whether more permutations would decide nothing: far from rare, or never seen in thousands."""
    return beyond > 0.02 * drawn + 2 or (drawn >= _STAGES[1] and beyond > 0.004 * drawn + 2)


def pairs(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield every pair once."""
    return itertools.combinations(names, 2)
