"""What the optimiser makes of a history, in the words that a model reads: short, and with doubts.

It asks the expert and the analysis of influence, and adds where they speak of what nobody tried.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from trialwright.analysis.importance import Influence, importance
from trialwright.expression import Scalar
from trialwright.history import History, Trial
from trialwright.propose import fence
from trialwright.propose.evidence import Evidence
from trialwright.propose.expert import Expert
from trialwright.propose.moves import DRAWN
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
    evidence = Evidence.of(task, history)
    return [_suggestion(evidence, one) for one in Expert()(task, history, n, rng)]


def influence(history: History) -> list[str]:
    """Return which parameters matter, which can't be told, and which were never varied."""
    if not history.done():
        return []
    found = importance(history)
    still = [one.parameter for one in found if not one.varied]
    if len(still) == len(found):
        return ["No parameter was varied yet: what is expected of any change is a guess."]
    lines = [_influence(found)] if len(history.done()) >= INFLUENCES_FROM else []
    if still:
        lines.append(f"Never varied, so nothing is known of them: {_listed(still)}.")
    return lines


def _influence(found: Sequence[Influence]) -> str:
    """Which parameters matter, and which can't be told."""
    told = [
        f"{one.parameter} {one.share:.0%} ({one.low:.0%} to {one.high:.0%})"
        for one in found
        if one.told and one.varied
    ]
    vague = [one.parameter for one in found if one.varied and not one.told]
    matters = ", ".join(told[:6]) or "none told from chance yet"
    rest = f" Not told from chance: {_listed(vague)}." if told and vague else ""
    return f"Influence on the objective: {matters}.{rest}"


def expected(evidence: Evidence, configuration: Configuration, interval: Interval | None) -> str:
    """Say what the model expects and an interval's ends, as finely as it is wide.

    What is expected is the model's median: the middle of the interval is not, where results lie
    closer together on one side.
    """
    if interval is None:
        return "nothing yet: too few results"
    width = interval.high - interval.low
    result = Digits(1 - math.floor(math.log10(width))) if 0 < width < math.inf else Digits()
    ends = f"{result(interval.low)} to {result(interval.high)}"
    model = evidence.model
    if model is None:
        return f"{ends} ({interval.level:.0%})"
    mean, _ = model.utility(model.features.of([configuration]))
    median = float(model.scale.to_value(mean)[0])
    within = min(max(median, interval.low), interval.high)
    return f"{result(within)} ({interval.level:.0%}: {ends})"


def doubt(history: History, configuration: Configuration) -> str:
    """Say where a prediction is a guess: parameters never varied, or far from what was tried."""
    still, far = _unseen(history, configuration)
    said = [f"never varied: {_listed(still)}"] if still else []
    said += [f"far from all values tried: {_listed(far)}"] if far else []
    return f"A guess, the truth may lie well outside: {'; '.join(said)}" if said else ""


def _unseen(history: History, configuration: Configuration) -> tuple[list[str], list[str]]:
    """Which values no trial foretells: of parameters never varied, and far from those tried."""
    still, far = [], []
    for name, value in configuration.items():
        tried = [t.configuration[name] for t in _known(history) if name in t.configuration]
        if not tried or any(repr(value) == repr(other) for other in tried):
            continue
        if len({repr(other) for other in tried}) == 1:
            still.append(f"{name} (always {number(tried[0])})")
        elif _is_far(history, name, value, tried):
            far.append(f"{name} = {number(value)}")
    return still, far


def _suggestion(evidence: Evidence, proposal: Proposal) -> str:
    """A suggestion in a line; what was never varied is named once, beside all of them."""
    task, history = evidence.task, evidence.history
    best = history.best() if history.opened else None
    base = task.space.complete({}) if best is None else best.configuration
    start = "the defaults" if best is None else f"trial {best.number}"
    changes = "; ".join(_changes(proposal, base)) or "no change"
    if best is None:
        # An interval from no result at all says nothing.
        return f"from {start}: {changes}."
    said = expected(evidence, proposal.configuration, proposal.predicted)
    still, far = _unseen(history, proposal.configuration)
    where = f", far from all values tried: {_listed(far)}" if far else ""
    guess = f" A guess{where}." if still or far else ""
    return f"from {start}: {changes}. Expects {said}.{guess}"


def _changes(proposal: Proposal, base: Mapping[str, Scalar]) -> Iterator[str]:
    """Changes against a base, grouped by their reason; a fresh draw is its values alone."""
    after = proposal.configuration
    groups: dict[str, list[str]] = {}
    names = [n for n in after if n not in base or repr(after[n]) != repr(base[n])]
    for name in names[:CHANGES]:
        reason = proposal.reasons.get(name, "")
        before = f"{number(base[name])} -> " if name in base else "= "
        change = f"{name} {'' if reason == DRAWN else before}{number(after[name])}"
        groups.setdefault(reason, []).append(change)
    for reason, changed in groups.items():
        if reason == DRAWN:
            yield f"a fresh draw: {', '.join(changed)}"
            continue
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
