"""What the results so far let one suspect: claims worth testing, in the order of their promise.

A suspicion may be wrong, since it is picked from many; what came after it is written down decides.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trialwright.analysis.claims import standings
from trialwright.analysis.extents import holds, said
from trialwright.analysis.matching import failed, value_of
from trialwright.expression import Scalar
from trialwright.history import History, Trial
from trialwright.records import FAILURE, Claim, Extent
from trialwright.space import Float, Int, Ordinal, Parameter

Array = NDArray[np.float64]

ENOUGH = 40
"""Trials that test nothing before anything is suspected."""
FAILED = 6
"""Failed seeds, and seeds within, before a region is suspected of failures."""
CUTS = (0.3, 0.4, 0.5, 0.6, 0.7)
"""Where along a range failures are taken to begin or end."""
GAP = 0.15
"""Part of the range on either side of a cut that is left between what is compared."""
TELLING = 16.0
"""Twice the log-likelihood ratio from which on failures are taken to gather in a region."""
JOINT = 6.0
"""By how much two parameters must tell more than the better of them."""
MOST_REGIONS = 3
"""Regions that are suspected of failures in one study."""
SIDE = 3
"""Trials on either side of what is compared, at least."""
MOVING = 14.0
"""Trials times the share of how they rank that goes with a parameter, for it to be suspected."""
STEP = 0.05
"""Share of the variance by which a step must beat a slope to be called one."""


def suspicions(history: History, by: str) -> Iterator[tuple[Claim, ...]]:
    """Yield claims that nobody has made yet, those that share their trials together."""
    best = history.best()
    if best is None:
        return
    # Tests of claims lie close together around the best, two and two: they would say too much.
    trials = [
        t
        for t in history.trials
        if t.code == best.code and t.state in ("done", "failed") and t.proposal.tests is None
    ]
    if len(trials) < ENOUGH:
        return
    yield from _of_failures(history, trials, by)
    yield from _of_values(history, trials, by)


# -- failures


@dataclass(frozen=True, slots=True)
class _Half:
    """One side of a parameter, and the values it is held against."""

    extent: Extent
    contrast: Extent


def _of_failures(history: History, trials: Sequence[Trial], by: str) -> Iterator[tuple[Claim, ...]]:
    claimed = {
        frozenset(extent.parameter for extent in one.claim.region)
        for one in history.claims
        if one.claim.metric == FAILURE and one.claim.by == by
    }
    bad, total = _failures(history, trials)
    if bad.sum() < FAILED or bad.sum() == total.sum() or len(claimed) >= MOST_REGIONS:
        return
    halves = [half for p in history.space.parameters for half in _halves(p)]
    inside = {half: _inside(half.extent, history, trials) for half in halves}
    single = max(halves, key=lambda half: _telling(inside[half], bad, total), default=None)
    if single is None:
        return
    alone = _telling(inside[single], bad, total)
    pairs = [
        (first, second)
        for first, second in combinations(halves, 2)
        if first.extent.parameter != second.extent.parameter
    ]
    pair = max(pairs, key=lambda p: _telling(inside[p[0]] & inside[p[1]], bad, total), default=None)
    joint = 0.0 if pair is None else _telling(inside[pair[0]] & inside[pair[1]], bad, total)
    chosen: tuple[_Half, ...] = (single,)
    if pair is not None and joint >= max(TELLING, alone + JOINT):
        chosen = pair
    elif alone < TELLING:
        return
    if frozenset(half.extent.parameter for half in chosen) not in claimed:
        within = np.all([inside[half] for half in chosen], axis=0)
        yield _failing(chosen, float(bad[within].sum() / total[within].sum()), by)


def _failing(halves: Sequence[_Half], share: float, by: str) -> tuple[Claim, ...]:
    region = tuple(half.extent for half in halves)
    where = " and ".join(said(extent) for extent in region)
    least = max(round(share / 3, 2), 0.05)
    together = len(region) > 1
    why = "only together" if together else "and seldom elsewhere"
    return (
        Claim(
            by=by,
            text=f"Seeds fail with {where}, {why}: {share:.0%} of them did so far.",
            what="interaction" if together else "region",
            region=region,
            contrast=tuple(half.contrast for half in halves),
            metric=FAILURE,
            sense="higher",
        ),
        Claim(
            by=by,
            text=f"More than {least:.0%} of the seeds fail with {where}.",
            what="rate",
            region=region,
            metric=FAILURE,
            sense="higher",
            threshold=least,
        ),
    )


def _failures(history: History, trials: Sequence[Trial]) -> tuple[Array, Array]:
    """Failed seeds and all seeds of each trial, shape (n,)."""
    seen = [
        [v for run in trial.latest.values() if (v := failed(run, history.task)) is not None]
        for trial in trials
    ]
    return np.array([sum(one) for one in seen]), np.array([float(len(one)) for one in seen])


def _telling(inside: NDArray[np.bool_], bad: Array, total: Array) -> float:
    """Twice the log-likelihood ratio of more failures inside; 0 where there are fewer."""
    b1, n1 = float(bad[inside].sum()), float(total[inside].sum())
    b0, n0 = float(bad.sum()) - b1, float(total.sum()) - n1
    if n1 < FAILED or n0 < FAILED or b1 / n1 <= b0 / n0:
        return 0.0
    return 2 * (
        _log_likelihood(b1, n1) + _log_likelihood(b0, n0) - _log_likelihood(b1 + b0, n1 + n0)
    )


def _log_likelihood(bad: float, total: float) -> float:
    p = bad / total
    return sum(k * math.log(q) for k, q in ((bad, p), (total - bad, 1 - p)) if k)


def _halves(parameter: Parameter) -> list[_Half]:
    name = parameter.name
    if not isinstance(parameter, Float | Int):
        options = parameter.levels if isinstance(parameter, Ordinal) else parameter.options
        found = []
        for option in options if len(options) > 1 else ():
            rest = tuple(one for one in options if one != option)
            within, beyond = Extent(parameter=name, values=(option,)), rest
            found.append(_Half(within, Extent(parameter=name, values=beyond)))
        return found
    found = []
    for cut in CUTS:
        at = float(parameter.from_unit(cut))
        below, over = float(parameter.from_unit(cut - GAP)), float(parameter.from_unit(cut + GAP))
        if below < at < over:
            found.append(_Half(Extent(parameter=name, low=at), Extent(parameter=name, high=below)))
            found.append(_Half(Extent(parameter=name, high=at), Extent(parameter=name, low=over)))
    return found


def _inside(extent: Extent, history: History, trials: Sequence[Trial]) -> NDArray[np.bool_]:
    name = extent.parameter
    parameter = history.space[name]
    return np.array(
        [
            name in t.configuration and holds(extent, parameter, t.configuration[name])
            for t in trials
        ],
        dtype=np.bool_,
    )


# -- values


@dataclass(frozen=True, slots=True)
class _Column:
    """One parameter's values over the trials, and how good the trials are."""

    parameter: Parameter
    values: Sequence[Scalar]
    ranks: Array
    """Of the trials' values, in [0, 1], shape (n,)."""


def _of_values(history: History, trials: Sequence[Trial], by: str) -> Iterator[tuple[Claim, ...]]:
    claimed = {
        one.claim.region[0].parameter
        for one in standings(history)
        if one.claim.what in ("direction", "region")
        and one.claim.metric != FAILURE
        and (one.claim.by == by or one.status not in ("contradicted", "undecided"))
    }
    read = value_of(_PLAIN, history.task)
    seen = [(t, [v for run in t.latest.values() if (v := read(run)) is not None]) for t in trials]
    known = [(trial, math.fsum(found) / len(found)) for trial, found in seen if found]
    found = []
    for parameter in history.space.parameters:
        rows = [
            (t.configuration[parameter.name], v)
            for t, v in known
            if parameter.name in t.configuration
        ]
        if parameter.name in claimed or len(rows) < ENOUGH:
            continue
        ranks = np.argsort(np.argsort([v for _, v in rows])) / (len(rows) - 1)
        found.append(_moving(_Column(parameter, [v for v, _ in rows], ranks), history, by))
    told = [one for one in found if one is not None and one[0] >= MOVING]
    for _, claim in sorted(told, key=lambda one: -one[0]):
        yield (claim,)


_PLAIN = Claim(by="", text="", what="direction", region=())


def _moving(column: _Column, history: History, by: str) -> tuple[float, Claim] | None:
    """How much a parameter tells of the results, and the claim that they suggest."""
    parameter, ranks = column.parameter, column.ranks
    metric = history.task.objective.metric
    if not isinstance(parameter, Float | Int):
        return _option(column, metric, by)
    places = np.array([parameter.to_unit(value) for value in column.values])
    if np.ptp(places) == 0:
        return None
    at, stepped = _best_step(places, ranks)
    slope = float(np.corrcoef(places, ranks)[0, 1])
    if at is not None and stepped >= slope**2 + STEP:
        return len(ranks) * stepped, _cliff(column, places, at, stepped, metric=metric, by=by)
    sense: Literal["higher", "lower"] = "higher" if slope > 0 else "lower"
    why = _why(parameter.name, slope**2)
    text = f"Larger {parameter.name} makes {metric} {sense}: {why}."
    region = (Extent(parameter=parameter.name),)
    claim = Claim(by=by, text=text, what="direction", region=region, sense=sense)
    return len(ranks) * slope**2, claim


def _why(name: str, share: float) -> str:
    return f"{share:.0%} of how the results rank goes with {name}"


def _cliff(
    column: _Column,
    places: Array,
    at: tuple[float, float],
    share: float,
    *,
    metric: str,
    by: str,
) -> Claim:
    parameter, (low, high) = column.parameter, at
    assert isinstance(parameter, Float | Int)
    rises = column.ranks[places >= high].mean() > column.ranks[places <= low].mean()
    region = Extent(parameter=parameter.name, high=_value(parameter, low))
    contrast = Extent(parameter=parameter.name, low=_value(parameter, high))
    way = "rises" if rises else "drops"
    text = f"With {said(contrast)}, {metric} {way}: {_why(parameter.name, share)}, as a step."
    return Claim(
        by=by,
        text=text,
        what="region",
        region=(region,),
        contrast=(contrast,),
        sense="lower" if rises else "higher",
    )


def _value(parameter: Float | Int, place: float) -> float:
    return float(parameter.from_unit(min(max(place, 0.0), 1.0)))


def _best_step(places: Array, ranks: Array) -> tuple[tuple[float, float] | None, float]:
    """The places beside the best single step, and the share of the variance that it explains."""
    order = np.argsort(places, kind="stable")
    x, y = places[order], ranks[order]
    least = max(len(x) // 6, 3)
    total = float(np.sum((y - y.mean()) ** 2))
    best: tuple[tuple[float, float] | None, float] = (None, 0.0)
    for cut in range(least, len(x) - least + 1):
        if x[cut] <= x[cut - 1] or not total:
            continue
        left = sum(float(np.sum((part - part.mean()) ** 2)) for part in (y[:cut], y[cut:]))
        if 1 - left / total > best[1]:
            best = ((float(x[cut - 1]), float(x[cut])), 1 - left / total)
    return best


def _option(column: _Column, metric: str, by: str) -> tuple[float, Claim] | None:
    """The claim that one option differs from the others: the one that stands out most."""
    name, ranks = column.parameter.name, column.ranks
    scored: list[tuple[float, str, Scalar, bool]] = []
    for option in {repr(value): value for value in column.values}.values():
        chosen = np.array([value == option for value in column.values])
        if not SIDE <= chosen.sum() <= len(ranks) - SIDE:
            continue
        gap = float(ranks[chosen].mean() - ranks[~chosen].mean())
        between = float(chosen.mean() * (1 - chosen.mean())) * gap**2
        scored.append((between / max(float(ranks.var()), 1e-12), repr(option), option, gap > 0))
    if not scored:
        return None
    share, _, option, above = max(scored)
    sense: Literal["higher", "lower"] = "higher" if above else "lower"
    region = Extent(parameter=name, values=(option,))
    text = f"With {said(region)}, {metric} is {sense} than with the others: {_why(name, share)}."
    claim = Claim(by=by, text=text, what="region", region=(region,), sense=sense)
    return len(ranks) * share, claim
