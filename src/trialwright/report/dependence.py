"""How results depend on the seed, in words and tables: over numbers that `analysis` computed."""

from __future__ import annotations

from dataclasses import dataclass

from trialwright.analysis import dependence as analysis
from trialwright.analysis.dependence import Case, Cliff, Dependence, Divided, Pair
from trialwright.analysis.modes import FEWEST
from trialwright.analysis.outliers import collapses
from trialwright.analysis.rates import interval
from trialwright.analysis.switches import Share
from trialwright.history import History
from trialwright.report import counting, words

NARROW = 0.25
"""Share of a parameter's range up to which a plateau is called narrow."""

MOST = 6
"""Claims of one kind that are told."""

BEST = 6
"""Trials, the best ones, whose share of failures is held against that of all."""

FEWEST_CASES = 8
"""Configurations below which failures are not told apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Failure rates by the values of a parameter."""

    parameter: str
    sentence: str
    rows: tuple[tuple[str, str, str, str], ...]
    """Value, configurations, failed runs, rate with its interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What the report says of seeds."""

    sentences: tuple[str, ...]
    tables: tuple[Table, ...]


def looked(history: History) -> Dependence | None:
    """Return what runs tell of seeds; None of a study that does not ask.

    It asks by saying what a failure is, or by running trials under several seeds.
    """
    failure = history.task.seeds.failure
    several = any(len(trial.values) > 1 for trial in counting.done(history))
    if failure is None and not several:
        return None
    found = analysis.dependence(history, failure=failure)
    return found if found.total.runs else None


def section(history: History) -> Section | None:
    """Say how results depend on the seed; None of a study that does not ask."""
    found = looked(history)
    if found is None:
        return None
    sign = history.task.objective.sign
    return Section(
        sentences=(
            _total(found, history),
            *_apart(found, history),
            *_collapsed(history),
            *_pairs(found),
            *_divided(found, sign=sign),
            *_cliffs(found, sign=sign),
            *_nothing(found),
        ),
        tables=tuple(_tables(found)),
    )


def rate(share: Share) -> str:
    """Say a share with its exact interval.

    >>> rate(Share(label="", failed=1, runs=4, trials=1, low=0.006, high=0.806))
    '1 of 4 (25%, 1% to 81%)'
    """
    if not share.runs:
        return "none tried"
    return f"{share.failed} of {share.runs} ({share.rate:.0%}, {share.low:.0%} to {share.high:.0%})"


def divided(one: Divided, *, sign: int) -> str:
    """Say how a configuration's seeds fall into two groups."""
    seen = one.modes
    worse, better = (seen.low, seen.high)[::sign]
    return (
        f"The seeds of trial {one.trial} fall into two groups: {rate(one.worse)} near"
        f" {words.number(worse)}, the others near {words.number(better)} ({_p(one.p)})."
    )


def pair(one: Pair) -> str:
    """Say which two values switch failure on together."""
    switch = one.switch
    return (
        f"{switch.sides[0]} together with {switch.sides[1]} makes runs fail: {rate(switch.both)};"
        f" the first alone {rate(switch.first)}, the second alone {rate(switch.second)}, neither"
        f" {rate(switch.neither)}. Changing either switches it off ({_p(one.p)})."
    )


def cliff(one: Cliff, *, sign: int) -> str:
    """Say where a plateau lies and breaks off."""
    narrow = "a narrow plateau" if one.width <= NARROW else "a plateau"
    on, off = [], []
    if one.low is not None:
        on.append(f"from {words.value(one.low[1])}")
        off.append(f"from {words.value(one.low[0])} down")
    if one.high is not None:
        on.append(f"up to {words.value(one.high[0])}")
        off.append(f"from {words.value(one.high[1])} up")
    drop = words.moved(sign * (one.beyond - one.level), sign=sign, than="on it")
    return (
        f"Along {one.parameter} there is {narrow} {' '.join(on)} ({one.width:.0%} of the range)"
        f" with mean {words.number(one.level)}, and a cliff: {' and '.join(off)} the mean is"
        f" {words.number(one.beyond)}, {drop} ({_p(one.p)})."
    )


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _total(found: Dependence, history: History) -> str:
    metric = history.task.objective.metric
    way = "below" if history.task.objective.sign > 0 else "above"
    beyond = (
        "that diverged"
        if found.failure is None
        else f"with {metric} {way} {words.number(found.failure)}, or that diverged,"
    )
    return (
        f"Runs {beyond} count as failed: {rate(found.total)},"
        f" of {words.count(found.total.trials, 'configuration')}."
    )


def _apart(found: Dependence, history: History) -> list[str]:
    """Tell what fails by configuration from what fails by seed; nothing where nothing failed."""
    seen = analysis.cases(history, failure=found.failure)
    if not found.total.failed or len(seen) < FEWEST_CASES:
        return []
    every = sum(case.failed == case.runs for case in seen)
    none = sum(not case.failed for case in seen)
    sign = history.task.objective.sign
    ranked = sorted(
        (case for case in seen if case.trial.value is not None),
        key=lambda case: -sign * (case.trial.value or 0.0),
    )[:BEST]
    winner = history.best()
    failed, runs = sum(case.failed for case in ranked), sum(case.runs for case in ranked)
    own = [case for case in seen if case.trial is winner]
    said = (
        f"By configuration: {every} of {len(seen)} failed with every seed,"
        f" {len(seen) - every - none} with some, {none} with none."
        f" Among the best {len(ranked)} trials, {failed} of {words.count(runs, 'run')} failed"
    )
    said += "".join(f"; of trial {one.trial.number}, the best, {_own(one)}" for one in own)
    return [f"{said}."]


def _own(case: Case) -> str:
    low, high = interval(case.failed, case.runs)
    return f"{case.failed} of {case.runs} (exact 95% interval {low:.0%} to {high:.0%})"


def _collapsed(history: History) -> list[str]:
    """Name the seeds that ended at the study's floor where the others of the trial did well."""
    found = collapses(history)
    if not found:
        return []
    listed = [
        f"seed {one.seed} of trial {one.trial} ({words.number(one.value)}, where its others have"
        f" {words.listed([words.number(value) for value in one.others])})"
        for one in found[:MOST]
    ]
    more = len(found) - MOST
    rest = f", and {words.count(more, 'seed')} more" if more > 0 else ""
    noun = "Total collapse of one seed" if len(found) == 1 else "Total collapses of single seeds"
    return [f"{noun}: {'; '.join(listed)}{rest}."]


def _pairs(found: Dependence) -> list[str]:
    return [pair(one) for one in found.pairs[:MOST]]


def _divided(found: Dependence, *, sign: int) -> list[str]:
    more = len(found.divided) - MOST
    rest = [f"So do the seeds of {words.count(more, 'more trial')}."] if more > 0 else []
    return [*(divided(one, sign=sign) for one in found.divided[:MOST]), *rest]


def _cliffs(found: Dependence, *, sign: int) -> list[str]:
    return [cliff(one, sign=sign) for one in found.cliffs[:MOST]]


def _nothing(found: Dependence) -> list[str]:
    """What was looked for and not found, in a sentence; '' of what could not be looked for."""
    said = []
    if not found.divided and found.replicated:
        told = words.count(found.replicated, "configuration")
        said.append(f"no seeds in two groups, of {told} with at least {FEWEST} seeds")
    if not found.pairs and found.looked_at:
        said.append(
            f"no pair that switches failure on, of {words.count(found.looked_at, 'pair')} of"
            " parameters"
        )
    if not found.cliffs and found.along:
        said.append(f"no cliff, along {words.count(found.along, 'parameter')}")
    return [f"Looked for and not found beyond chance: {'; '.join(said)}."] if said else []


def _tables(found: Dependence) -> list[Table]:
    told = [rates for rates in found.rates if rates.told]
    return [
        Table(
            parameter=rates.parameter,
            sentence=f"Failures differ by {rates.parameter} ({_p(rates.p)}).",
            rows=tuple(
                (share.label, str(share.trials), f"{share.failed} of {share.runs}", _rate(share))
                for share in rates.shares
            ),
        )
        for rates in told[:MOST]
    ]


def _rate(share: Share) -> str:
    return f"{share.rate:.0%} ({share.low:.0%} to {share.high:.0%})" if share.runs else "–"
