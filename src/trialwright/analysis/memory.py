"""A study's memory: what it believes, in few lines at any length of the study. Pure.

An established principle is never dropped: where lines run short, several share one. Of everything
else what says least goes first, and how much went is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from trialwright.analysis.beliefs import Belief, beliefs
from trialwright.analysis.steps import Trend, trends
from trialwright.history import History

LONGEST = 300
"""Characters of a claim that is not established; those that are stand whole."""

TRIALS = 4
"""Trials that a line names."""


def remembered(history: History) -> tuple[list[Belief], list[Trend]]:
    """Return beliefs and trends, those that say most first; computed once per state."""
    known = history.memo.get("remembered")
    if isinstance(known, tuple) and known[0] == history.sequence:
        return cast("tuple[list[Belief], list[Trend]]", known[1])
    found = beliefs(history), trends(history)
    history.memo["remembered"] = (history.sequence, found)
    return found


def brief(history: History, *, lines: int, characters: int) -> list[str]:
    """Return the few lines of memory that say most: for whoever has little room.

    Principles and contradicted claims first, then trends; none is cut in two.
    """
    held, seen = remembered(history)
    sure = ("established", "supported", "contradicted")
    told = [one for one in held if one.level in sure and not one.single]
    found = [line(one) for one in told] + [trend(one) for one in seen]
    kept: list[str] = []
    for text in found[:lines]:
        if sum(map(len, kept)) + len(text) > characters:
            break
        kept.append(text)
    return kept


def principles(held: Sequence[Belief], *, room: int) -> list[str]:
    """Return what is established or supported in at most `room` lines, at least 1.

    Every established principle is in it, word for word.
    """
    sure = [one for one in held if one.level == "established"]
    rest = [line(one) for one in held if one.level == "supported"]
    lines = [line(one) for one in sure]
    if len(lines) > room:
        return _shared(_by_parameter(sure), room)
    return lines + fitted(rest, room=room - len(lines), what="supported claim")


def fitted(lines: Sequence[str], *, room: int, what: str) -> list[str]:
    """Return the first lines; where not all fit, the last line says how many are left out."""
    if len(lines) <= room:
        return list(lines)
    if room <= 0:
        return []
    left = len(lines) - room + 1
    return [*lines[: room - 1], f"- ({left} more {what}{'s' if left > 1 else ''} that say less)"]


def line(belief: Belief) -> str:
    """Return a belief with its evidence in a line."""
    return f"- {belief.level}: {_said(belief)}"


def trend(found: Trend) -> str:
    """Return a trend in a line."""
    return f"- {found.sentence} ({_trials(found.bearing)})"


def _said(belief: Belief) -> str:
    text = belief.text.rstrip(".")
    if belief.level != "established" and len(text) > LONGEST:
        text = f"{text[: LONGEST - 4].rstrip()} ..."
    counted = len(belief.bearing) + len(belief.against)
    if belief.evidence:
        seen = f"; {_trials((*belief.bearing, *belief.against))}" if counted else ""
        return f"{text} ({belief.evidence.rstrip('.')}{seen}; by {belief.by})"
    if not counted:
        return f"{text} (by {belief.by}; no trial yet)"
    evidence = f"{len(belief.bearing)} for, {len(belief.against)} against"
    return f"{text} ({evidence}: {_trials((*belief.bearing, *belief.against))}; by {belief.by})"


def _trials(numbers: Sequence[int]) -> str:
    """Name the latest of some trials."""
    if not numbers:
        return "no trial"
    shown = ", ".join(map(str, sorted(numbers)[-TRIALS:]))
    more = f" and {len(numbers) - TRIALS} earlier" if len(numbers) > TRIALS else ""
    return f"trial{'s' if len(numbers) > 1 else ''} {shown}{more}"


def _by_parameter(sure: Sequence[Belief]) -> list[str]:
    """Join what is established about the same parameters, in the order of the first of each."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for belief in sure:
        groups.setdefault(belief.parameters, []).append(_said(belief))
    return [
        f"{', '.join(parameters) or 'in general'}: {'; '.join(texts)}"
        for parameters, texts in groups.items()
    ]


def _shared(groups: Sequence[str], room: int) -> list[str]:
    """Spread groups over `room` lines, neighbours sharing one."""
    room = max(room, 1)
    size = -(-len(groups) // room)
    parts = [groups[at : at + size] for at in range(0, len(groups), size)]
    return [f"- established: {' | '.join(part)}" for part in parts]
