"""What the optimiser makes of a history, in the words that a model reads: short, and with doubts.

It asks the expert and the analysis of influence, and adds where they speak of what nobody tried.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from trialwright.analysis.importance import importance
from trialwright.expression import Scalar
from trialwright.history import History, Trial
from trialwright.propose import fence
from trialwright.propose.expert import Expert
from trialwright.propose.sheet import Digits, number
from trialwright.records import Interval, Proposal
from trialwright.space import Choice, Configuration
from trialwright.task import Task

INFLUENCES_FROM = 5
"""Finished trials from which on the parameters' influence is shown."""

LONGEST_REASON = 110
"""Characters of a reason that are shown."""

CHANGES = 12
"""Changes of one suggestion that are shown."""

NAMED = 12
"""Parameters that one list names."""

FAR = 0.25
"""Part of a range beyond all values tried, from which on a value is said to be far out."""


def suggestions(task: Task, history: History, n: int, rng: np.random.Generator) -> list[str]:
    """Return what the optimiser would try next, a line each: changes, reasons, what it expects."""
    return [_suggestion(task, history, one) for one in Expert()(task, history, n, rng)]


def influence(history: History) -> list[str]:
    """Return which parameters matter, which can't be told, and which were never varied."""
    if len(history.done()) < INFLUENCES_FROM:
        return []
    found = importance(history)
    told = [
        f"{one.parameter} {one.share:.0%} ({one.low:.0%} to {one.high:.0%})"
        for one in found
        if one.told and one.varied
    ]
    vague = [one.parameter for one in found if one.varied and not one.told]
    still = [one.parameter for one in found if not one.varied]
    matters = ", ".join(told[:6]) or "none told from chance yet"
    lines = [f"Influence on the objective: {matters}."]
    if told and vague:
        lines[0] += f" Not told from chance: {_listed(vague)}."
    if still:
        lines.append(f"Never varied, so nothing is known of them: {_listed(still)}.")
    return lines


def expected(interval: Interval | None) -> str:
    """Say an interval: its middle and its ends, as finely as it is wide."""
    if interval is None:
        return "nothing yet: too few results"
    width = interval.high - interval.low
    result = Digits(1 - math.floor(math.log10(width))) if 0 < width < math.inf else Digits()
    middle = (interval.low + interval.high) / 2
    ends = f"{result(interval.low)} to {result(interval.high)}"
    return f"{result(middle)} ({interval.level:.0%}: {ends})"


def doubt(history: History, configuration: Configuration) -> str:
    """Say where a prediction is a guess: parameters never varied, or far from what was tried."""
    still, far = [], []
    for name, value in configuration.items():
        tried = [t.configuration[name] for t in _known(history) if name in t.configuration]
        if not tried or any(repr(value) == repr(other) for other in tried):
            continue
        if len({repr(other) for other in tried}) == 1:
            still.append(f"{name} (always {number(tried[0])})")
        elif _is_far(history, name, value, tried):
            far.append(f"{name} = {number(value)}")
    said = []
    if still:
        said.append(f"never varied: {_listed(still)}")
    if far:
        said.append(f"far from all values tried: {_listed(far)}")
    return f"A guess, the truth may lie well outside: {'; '.join(said)}" if said else ""


def _suggestion(task: Task, history: History, proposal: Proposal) -> str:
    best = history.best() if history.opened else None
    base = task.space.complete({}) if best is None else best.configuration
    start = "the defaults" if best is None else f"trial {best.number}"
    changes = "; ".join(_changes(proposal, base)) or "no change"
    if best is None:
        # An interval from no result at all says nothing.
        return f"from {start}: {changes}."
    said = f"from {start}: {changes}. Expects {expected(proposal.predicted)}."
    doubts = doubt(history, proposal.configuration)
    return f"{said} {doubts}." if doubts else said


def _changes(proposal: Proposal, base: Mapping[str, Scalar]) -> Iterator[str]:
    """Changes against a base, grouped by their reason."""
    after = proposal.configuration
    groups: dict[str, list[str]] = {}
    names = [n for n in after if n not in base or repr(after[n]) != repr(base[n])]
    for name in names[:CHANGES]:
        before = f"{number(base[name])} -> " if name in base else "= "
        change = f"{name} {before}{number(after[name])}"
        groups.setdefault(proposal.reasons.get(name, ""), []).append(change)
    for reason, changed in groups.items():
        why = f" ({fence.prose(reason, most=LONGEST_REASON)})" if reason else ""
        yield ", ".join(changed) + why
    if len(names) > CHANGES:
        yield f"{len(names) - CHANGES} more"
    dropped = [name for name in base if name not in after]
    if dropped:
        yield f"without {_listed(dropped)}"


def _known(history: History) -> list[Trial]:
    return history.done()


def _is_far(history: History, name: str, value: Scalar, tried: list[Scalar]) -> bool:
    parameter = history.space[name]
    if isinstance(parameter, Choice):
        return True
    units = [parameter.to_unit(other) for other in tried]
    return min(abs(parameter.to_unit(value) - unit) for unit in units) > FAR


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
