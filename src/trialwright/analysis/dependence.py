"""How results depend on the seed: two groups of seeds, failure rates, pairs that switch failure on.

And where along a parameter a plateau breaks off. Each kind of claim is tested at a quarter of
`LEVEL`, corrected by Holm for all that was looked at, so that a study in which nothing depends on
anything is told so in 19 of 20 cases. It reads a history; words and figures are the report's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from trialwright.analysis import cliffs, modes, switches
from trialwright.analysis.modes import Modes
from trialwright.analysis.switches import Counts, Share, Side, Switch
from trialwright.expression import Scalar
from trialwright.history import History, Trial
from trialwright.space import Choice, Float, Parameter

Array = NDArray[np.float64]
Index = NDArray[np.intp]

LEVEL = 0.05
"""How often anything at all is named where there is nothing."""

KINDS = 4
"""Kinds of claims that share the level."""

FEW = 5
"""Values of a parameter up to which each stands for itself; beyond, they are grouped."""

GROUPS = 4
"""Groups of a parameter with many values."""

INACTIVE = "not set"


@dataclass(frozen=True, slots=True, kw_only=True)
class Divided:
    """A configuration whose seeds fall into two groups."""

    trial: int
    modes: Modes
    worse: Share
    """The runs of the worse group."""
    p: float
    """Corrected for the configurations that were looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Failures by the values of a parameter."""

    parameter: str
    shares: tuple[Share, ...]
    p: float
    """That they differ so much by chance, corrected for the parameters that were looked at."""
    told: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two parameters whose values switch failure on together."""

    parameters: tuple[str, str]
    switch: Switch
    p: float
    """Corrected for the pairs that were looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cliff:
    """A plateau along a parameter, and where it breaks off."""

    parameter: str
    low: tuple[Scalar, Scalar] | None
    """The last value tried below the plateau, and the first on it; None: it has no lower end."""
    high: tuple[Scalar, Scalar] | None
    """The last value tried on the plateau, and the first above it."""
    level: float
    """Mean of the metric on the plateau."""
    beyond: float
    """Mean of the metric past the cliffs."""
    width: float
    """The share of the parameter's range, as it is searched, that the plateau takes."""
    p: float
    """Corrected for the parameters that were looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependence:
    """What the runs of a study tell of seeds, of one code version."""

    failure: float | None
    """Beyond which a run counts as failed; None: only one that diverged."""
    total: Share
    """Of all runs."""
    replicated: int
    """Configurations with enough seeds to look for two groups."""
    divided: tuple[Divided, ...]
    rates: tuple[Rates, ...]
    """By parameter, the surest first."""
    pairs: tuple[Pair, ...]
    looked_at: int
    """Pairs of parameters."""
    cliffs: tuple[Cliff, ...]
    along: int
    """Parameters along which a cliff was looked for."""

    @property
    def found(self) -> bool:
        """Whether anything is named."""
        told = any(rates.told for rates in self.rates)
        return bool(self.divided or self.pairs or self.cliffs or told)


@dataclass(frozen=True, slots=True)
class Case:
    """A configuration with what its runs showed."""

    trial: Trial
    values: tuple[float, ...]
    """Of the seeds that are done."""
    failed: int
    runs: int
    """That are done, or diverged."""


def dependence(history: History, *, failure: float | None = None) -> Dependence:
    """Look at all runs of the best trial's code version. Deterministic.

    `failure` is the value beyond which a run counts as failed; without it, only runs that diverged.
    """
    memo = ("dependence", failure)
    known = history.memo.get(memo)
    if isinstance(known, tuple) and known[0] == history.sequence:
        return cast("Dependence", known[1])
    found = _dependence(history, failure)
    history.memo[memo] = (history.sequence, found)
    return found


def cases(history: History, *, failure: float | None) -> list[Case]:
    """Return the configurations that have runs which count, by number."""
    best = history.best()
    code = best.code if best else history.code
    found = [_case(trial, history, failure) for trial in history.trials if trial.code == code]
    return [case for case in found if case.runs]


def _case(trial: Trial, history: History, failure: float | None) -> Case:
    values, diverged = [], 0
    for run in trial.latest.values():
        seen = run.observation
        if seen is None:
            continue
        if seen.outcome == "done" and seen.value is not None and math.isfinite(seen.value):
            values.append(seen.value)
        elif seen.outcome == "failed" and seen.cause == "diverged":
            diverged += 1
    better = history.task.objective.better
    beyond = 0 if failure is None else sum(better(failure, value) for value in values)
    return Case(trial, tuple(values), diverged + beyond, diverged + len(values))


def _dependence(history: History, failure: float | None) -> Dependence:
    found = cases(history, failure=failure)[-switches.LARGEST :]
    rng = np.random.default_rng([history.seed, len(found), 4])
    counts = Counts(
        np.array([case.failed for case in found], dtype=np.float64),
        np.array([case.runs for case in found], dtype=np.float64),
    )
    varied = [p for p in history.space.parameters if len(set(_values(p, found))) > 1]
    looked, pairs = _pairs(varied, found, counts, rng=rng)
    sign = history.task.objective.sign
    least = math.inf if failure is None else sign * failure
    along, steep = _cliffs(varied, found, sign=sign, least=least, rng=rng)
    replicated, divided = _divided(found, sign=sign)
    return Dependence(
        failure=failure,
        total=switches.share(counts, np.ones(len(found), dtype=bool), "all runs"),
        replicated=replicated,
        divided=divided,
        rates=_rates(varied, found, counts, rng=rng),
        pairs=pairs,
        looked_at=looked,
        cliffs=steep,
        along=along,
    )


def _divided(found: Sequence[Case], *, sign: int) -> tuple[int, tuple[Divided, ...]]:
    every = np.unique([value for case in found for value in case.values])
    grain = float(np.min(np.diff(every))) if len(every) > 1 else 0.0
    tested = [(case, seen) for case in found if (seen := modes.modes(case.values, grain=grain))]
    adjusted = holm([seen.p for _, seen in tested])
    told = []
    for (case, seen), p in zip(tested, adjusted, strict=True):
        if p <= LEVEL / KINDS:
            bad = seen.lower if sign > 0 else seen.total - seen.lower
            worse = switches.share(
                Counts(np.array([float(bad)]), np.array([float(seen.total)])),
                np.array([True]),
                "the worse group",
            )
            told.append(Divided(trial=case.trial.number, modes=seen, worse=worse, p=p))
    return len(tested), tuple(sorted(told, key=lambda one: (one.p, one.trial)))


def _rates(
    varied: Sequence[Parameter], found: Sequence[Case], counts: Counts, *, rng: np.random.Generator
) -> tuple[Rates, ...]:
    if not switches.testable(counts):
        return ()
    tables = []
    for parameter in varied:
        groups, labels = grouped(parameter, _values(parameter, found))
        p = switches.differs(counts, groups, rng=rng)
        shares = [switches.share(counts, groups == i, label) for i, label in enumerate(labels)]
        tables.append((parameter.name, tuple(shares), p))
    adjusted = holm([p for *_, p in tables])
    rates = [
        Rates(parameter=name, shares=shares, p=p, told=p <= LEVEL / KINDS)
        for (name, shares, _), p in zip(tables, adjusted, strict=True)
    ]
    return tuple(sorted(rates, key=lambda one: one.p))


def _pairs(
    varied: Sequence[Parameter], found: Sequence[Case], counts: Counts, *, rng: np.random.Generator
) -> tuple[int, tuple[Pair, ...]]:
    if not switches.testable(counts):
        return 0, ()
    sides = {p.name: sides_of(p, _values(p, found)) for p in varied}
    strata = {p.name: coarse(p, _values(p, found)) for p in varied}
    every = list(switches.pairs([p.name for p in varied]))
    tested = []
    for one, other in every:
        seen = switches.switch(
            counts, sides[one], sides[other], strata=(strata[one], strata[other]), rng=rng
        )
        tested.append(((one, other), seen))
    adjusted = holm([1.0 if seen is None else seen.p for _, seen in tested])
    told = [
        Pair(parameters=names, switch=seen, p=p)
        for (names, seen), p in zip(tested, adjusted, strict=True)
        if seen is not None and p <= LEVEL / KINDS
    ]
    return len(every), tuple(sorted(told, key=lambda pair: (pair.p, -pair.switch.excess)))


def _cliffs(
    varied: Sequence[Parameter],
    found: Sequence[Case],
    *,
    sign: int,
    least: float,
    rng: np.random.Generator,
) -> tuple[int, tuple[Cliff, ...]]:
    valued = [case for case in found if case.values]
    if not valued:
        return 0, ()
    means = [sign * math.fsum(case.values) / len(case.values) for case in valued]
    worst = min(*means, least, math.inf)
    utilities = np.array([_utility(case, sign=sign, worst=worst) for case in found])
    tested = []
    for parameter in varied:
        if isinstance(parameter, Choice):
            continue
        values = _values(parameter, found)
        there = np.array([value is not None for value in values])
        places = np.array([0.0 if v is None else parameter.to_unit(v) for v in values])
        tested.append((parameter, cliffs.steps(places[there], utilities[there], rng=rng)))
    adjusted = holm([1.0 if seen is None else seen.p for _, seen in tested])
    told = [
        _cliff(parameter, seen, sign=sign, p=p)
        for (parameter, seen), p in zip(tested, adjusted, strict=True)
        if seen is not None and p <= LEVEL / KINDS
    ]
    return len(tested), tuple(sorted(told, key=lambda one: one.p))


def _cliff(parameter: Parameter, seen: cliffs.Steps, *, sign: int, p: float) -> Cliff:
    def ends(edge: tuple[float, float] | None) -> tuple[Scalar, Scalar] | None:
        return (
            None
            if edge is None
            else cast("tuple[Scalar, Scalar]", tuple(parameter.from_unit(place) for place in edge))
        )

    return Cliff(
        parameter=parameter.name,
        low=ends(seen.left),
        high=ends(seen.right),
        level=sign * seen.level,
        beyond=sign * seen.beyond,
        width=seen.width,
        p=p,
    )


def _utility(case: Case, *, sign: int, worst: float) -> float:
    """The mean over seeds; those that diverged count as the worst seen, or as just failed."""
    diverged = case.runs - len(case.values)
    return (sign * math.fsum(case.values) + diverged * worst) / case.runs


def holm(ps: Sequence[float]) -> list[float]:
    """Correct p-values for their number, step by step (Holm 1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    adjusted, highest = [0.0] * len(ps), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(ps[index] * (len(ps) - rank), 1.0))
        adjusted[index] = round(highest, 12)
    return adjusted


def grouped(parameter: Parameter, values: Sequence[Scalar]) -> tuple[Index, tuple[str, ...]]:
    """Put values into groups: each its own where they are few, else by quartiles of those tried.

    Returns the group of each, shape (n,), and the groups' labels. An inactive value is a group.
    """
    tried = sorted({_key(parameter, value) for value in values})
    if len(tried) <= FEW or isinstance(parameter, Choice):
        labels = {key: text(parameter, key) for key in tried}
        index = {key: i for i, key in enumerate(tried)}
        groups = np.array([index[_key(parameter, value)] for value in values])
        return groups, tuple(labels[key] for key in tried)
    places = np.array([_key(parameter, value) for value in values])
    there = places[places >= 0]
    edges = np.unique(np.quantile(there, np.linspace(0, 1, GROUPS + 1)[1:-1], method="lower"))
    groups = np.where(places < 0, len(edges) + 1, np.searchsorted(edges, places, side="left"))
    kept = np.unique(groups)
    labels_of = [_range(parameter, places[groups == group]) for group in kept]
    return np.searchsorted(kept, groups), tuple(labels_of)


def sides_of(parameter: Parameter, values: Sequence[Scalar]) -> list[Side]:
    """Return both sides of each cut of a parameter: option against the rest, or below and above."""
    places = np.array([_key(parameter, value) for value in values])
    tried = np.unique(places)
    if isinstance(parameter, Choice):
        sides = [Side(label=f"{parameter.name} = {text(parameter, key)}", inside=places == key)
                 for key in tried]  # fmt: skip
        others = [
            Side(label=f"{parameter.name} other than {text(parameter, key)}", inside=places != key)
            for key in (tried if len(tried) > 2 else ())
        ]
        return [*sides, *others]
    there = np.unique(places[places >= 0])
    cuts = there[1:] if len(there) <= FEW else np.unique(
        np.quantile(places[places >= 0], [0.25, 0.5, 0.75], method="higher")
    )  # fmt: skip
    sides = []
    for cut in cuts[cuts > there[0]]:
        below = float(np.max(there[there < cut]))
        above = places >= cut
        under = (places >= 0) & ~above
        low, high = text(parameter, below), text(parameter, float(cut))
        sides.append(Side(label=f"{parameter.name} >= {high}", inside=above))
        sides.append(Side(label=f"{parameter.name} <= {low}", inside=under))
    return sides


def text(parameter: Parameter, place: float) -> str:
    """Return the value at a place of the unit range, in words; `place` below 0: inactive."""
    if place < 0:
        return INACTIVE
    value = parameter.from_unit(place)
    if isinstance(value, bool) or value is None:
        return "null" if value is None else str(value).lower()
    return f"{value:.3g}" if isinstance(parameter, Float) else str(value)


def _range(parameter: Parameter, places: Array) -> str:
    low, high = text(parameter, float(places.min())), text(parameter, float(places.max()))
    return low if low == high else f"{low} to {high}"


def coarse(parameter: Parameter, values: Sequence[Scalar]) -> Index:
    """Return strata of a parameter, shape (n,): its options, or quarters of the values tried."""
    places = np.array([_key(parameter, value) for value in values])
    if isinstance(parameter, Choice):
        return np.unique(places, return_inverse=True)[1]
    there = places[places >= 0]
    shares = np.arange(1, switches.STRATA) / switches.STRATA
    edges = np.unique(np.quantile(there, shares, method="higher"))
    return np.where(places < 0, len(edges) + 1, np.searchsorted(edges, places, side="right"))


def _values(parameter: Parameter, found: Sequence[Case]) -> list[Scalar]:
    return [case.trial.configuration.get(parameter.name) for case in found]


def _key(parameter: Parameter, value: Scalar) -> float:
    """A place of the unit range; -1 of an inactive value."""
    if value is None and not parameter.admits(None):
        return -1.0
    return parameter.to_unit(value)
