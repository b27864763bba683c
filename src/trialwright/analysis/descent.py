"""How the best trial came about: its line of descent, step by step, and pairs that differ little.

A step that changes many parameters says that they did it together. What one of them did is only to
be seen where little else moved: `clean` finds those pairs, and `ablations` says which are missing.
Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise, takewhile

from trialwright.analysis.paired import Paired, differing, paired
from trialwright.analysis.ucb import ancestry, lineage
from trialwright.expression import Scalar
from trialwright.history import History, Trial

FEW = 3
"""Parameters up to which a pair of trials counts as differing in few."""

LOOKED = 80
"""Trials, the best ones, among which such pairs are looked for."""

MOST = 5
"""Ablations that are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leap:
    """One trial of the line of descent against the one before it in it."""

    trial: int
    before: int
    changed: tuple[str, ...]
    paired: Paired | None
    """None where the two share no seed."""
    built: bool = True
    """Whether it was built on another; else `before` is what was best when it came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """Leaps in a row that gained although a parameter which is said to matter stood still."""

    parameter: str
    value: Scalar
    trials: tuple[int, ...]
    moved: tuple[str, ...]
    """Parameters that moved in each of the leaps."""
    whole: Paired
    """The last of the trials against the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ablation:
    """A trial that is missing: the best one with a single parameter put back."""

    parameter: str
    value: Scalar
    source: int
    """The trial that the value is of."""


def descent(history: History) -> tuple[Leap, ...]:
    """Return the way from the first trial with a value to the best one, in its order.

    Where the best one's line does not begin with the first trial, its first step leads there.
    """
    best = history.best()
    if best is None:
        return ()
    line = [history.trials[n] for n in ancestry(lineage(history), best.number)]
    line = [one for one in line if one.value is not None and one.code == best.code]
    first, sign = history.done(code=best.code)[0], history.task.objective.sign
    line = line if line[0] is first else [first, *line]
    return tuple(
        Leap(
            trial=after.number,
            before=before.number,
            changed=differing(after, before),
            paired=paired(after, before, sign=sign),
            built=after.proposal.parent is not None,
        )
        for before, after in pairwise(line)
    )


def clean(history: History, *, few: int = FEW) -> list[tuple[Paired, tuple[str, ...]]]:
    """Return pairs that differ in at most `few` parameters, each with what it differs in.

    Those that differ in the fewest first, then those that are surest. The later trial is held
    against the earlier one.
    """
    best = history.best()
    if best is None:
        return []
    sign = history.task.objective.sign
    trials = sorted(history.done(code=best.code), key=lambda t: -sign * (t.value or 0.0))[:LOOKED]
    found = []
    for before, after in combinations(sorted(trials, key=lambda t: t.number), 2):
        names = differing(after, before)
        if 0 < len(names) <= few and before.tree == after.tree:
            seen = paired(after, before, sign=sign)
            found += [(seen, names)] if seen is not None else []
    return sorted(found, key=lambda one: (len(one[1]), -one[0].weight, one[0].trial))


def rests(history: History, leaps: Sequence[Leap], telling: Sequence[str]) -> list[Rest]:
    """Return where the line of descent gained while one of the parameters `telling` stood still.

    At the end of the line, where its last trial is beyond noise better than the first of those
    that share the parameter's value: what the parameter can't have brought.
    """
    found = []
    for name in telling:
        still = list(takewhile(lambda leap: name not in leap.changed, reversed(leaps)))[::-1]  # noqa: B023
        if not still:
            continue
        first, last = history.trials[still[0].before], history.trials[still[-1].trial]
        whole = paired(last, first, sign=history.task.objective.sign)
        if whole is not None and whole.gained:
            found.append(
                Rest(
                    parameter=name,
                    value=last.configuration.get(name),
                    trials=(first.number, *(leap.trial for leap in still)),
                    moved=moved_in_all(leap.changed for leap in still),
                    whole=whole,
                )
            )
    return found


def ablations(history: History, leaps: Sequence[Leap], telling: Sequence[str]) -> list[Ablation]:
    """Return the trials that would tell which of many changes made the best one.

    Each puts one parameter of the best trial back: those that are said to matter to their value
    before the line of descent began; then those that moved where the line gained, or where it
    seems to have gained most, the most often moved first, to their value before it did. What is
    not allowed, or was tried, is left out.
    """
    best = history.best()
    if best is None or not leaps:
        return []
    gained = [leap for leap in leaps if leap.paired is not None and leap.paired.likely]
    most = max(leaps, key=lambda leap: leap.paired.difference if leap.paired else -math.inf)
    often: dict[str, list[Leap]] = {}
    for leap in reversed(gained or [most]):
        for name in leap.changed:
            often.setdefault(name, []).append(leap)
    order = sorted(often, key=lambda name: -len(often[name]))
    wanted = [(name, leaps[0].before) for name in telling]
    wanted += [(name, often[name][-1].before) for name in order if name not in telling]
    found = [_ablation(best, name, history.trials[source], history) for name, source in wanted]
    return [one for one in found if one is not None][:MOST]


def moved_in_all(changes: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the parameters that each of some sets of changes holds, in the order of the first."""
    first, *more = changes
    return tuple(name for name in first if all(name in names for names in more))


def _ablation(best: Trial, name: str, source: Trial, history: History) -> Ablation | None:
    if name not in best.configuration or name not in source.configuration:
        return None
    value = source.configuration[name]
    changed = {**best.configuration, name: value}
    if changed == dict(best.configuration) or history.space.check(changed):
        return None
    if history.seen(changed, code=best.code, tree=best.tree) is not None:
        return None
    return Ablation(parameter=name, value=value, source=source.number)
