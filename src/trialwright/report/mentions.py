"""Who a sentence speaks of: trials by number or by rank, and which of them a word or number is of.

A mention is a subject where a clause begins with it, else it is something that the subject is held
against. What follows belongs to the latest subject or to what it was held against.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from trialwright.report.known import Known

_LIST = r"\d+(?:\s*(?:,\s*(?:and\s|or\s)?|\s(?:and|or|to|through)\s|[-\u2013])\s*\d+)*"
_TRIALS = re.compile(
    rf"(?<!\w)(?:[Tt]rials\s#?(?P<list>{_LIST})|(?:[Tt]rial\s(?:number\s|no\.?\s)?#?|#)(?P<one>\d+))"
    r"(?!\w|\.\d|\s?%)"
)
_RANKED = re.compile(
    r"\b(?P<rank>best|first|worst|default)\s(?:trial|run|configuration|result)\b"
    r"|\b(?P<defaults>defaults|baseline|default(?=['\u2019]s))\b",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    r"(?:^|[;:,(]|\b(?:and|but|while|whereas|then|so|because|since|that|although|though|when|if|or))"
    r"\s*(?:(?:in|with|for|by|the|our|only|even|both)\s*){0,2}$",
    re.IGNORECASE,
)
_OF = re.compile(
    r"^\W{0,2}\s*(?:(?:was|were|came|comes|reached|is|achieved|set|obtained)\s){0,2}(?:in|of|by|from|for)\s+(?:the\s+)?$",
    re.IGNORECASE,
)
_ENCLOSED = re.compile(r"^[^()]*\)")
"""What is behind a mention that stands in brackets, once they are closed."""
_CLOSED = re.compile(r"trials?\s[^()]*\)", re.IGNORECASE)
HELD_AGAINST = re.compile(
    r"\b(?:than|against|over|to|versus|vs\.?|beats?|beating|with|of)\s(?:the\s)?$", re.IGNORECASE
)
_OWNS = re.compile(
    r"^(?:['\u2019]s)?\s*(?:\(|=|:|reached|had|got|scored|gave|which had|with its|at only)?\s*$"
)


@dataclass(frozen=True, slots=True)
class Mention:
    """Trials that are named in one place."""

    start: int
    end: int
    trials: tuple[int, ...]
    subject: bool
    numbered: bool
    """Whether by number; else by rank, and any of them may be meant."""


def mentions(sentence: str, known: Known) -> tuple[list[Mention], list[tuple[int, int]]]:
    """Return the mentions of trials in a sentence, and the places of numbers of no trial."""
    found, wrong = [], []
    for match in _TRIALS.finditer(sentence):
        numbers = _numbers(match["list"] or match["one"])
        if all(number < len(known.trials) for number in numbers):
            found.append(_mention(sentence, match, numbers, numbered=True))
        else:
            wrong.append(match.span("list" if match["list"] else "one"))
    for match in _RANKED.finditer(sentence):
        numbers = _ranked((match["rank"] or "default").lower(), known)
        if numbers:
            found.append(_mention(sentence, match, numbers, numbered=False))
    found.sort(key=lambda one: one.start)
    return _joined(sentence, found), wrong


def owner(
    sentence: str, place: tuple[int, int], found: list[Mention], carried: tuple[int, ...]
) -> tuple[int, ...]:
    """Return the trials to one of which what stands at `place` belongs; () where to any."""
    start = place[0]
    said = directly(sentence, place, found)
    if said:
        return said
    before = [one for one in found if one.end <= start]
    before = [one for one in before if not _ENCLOSED.search(sentence[one.start : start])]
    held: list[int] = []
    for one in reversed(before):
        held += one.trials
        if one.subject:
            return tuple(held)
    if not before and not carried and not _CLOSED.search(sentence[:start]):
        alone = all(HELD_AGAINST.search(sentence[: one.start]) for one in found)
        return () if alone else tuple(number for one in found for number in one.trials)
    return (*held, *carried)


def directly(sentence: str, place: tuple[int, int], found: list[Mention]) -> tuple[int, ...]:
    """Return the trials beside a place, as in `0.9 in trial 3` or `trial 3 (0.9)`; else ()."""
    start, end = place
    after = next((one for one in found if one.start >= end), None)
    if (
        after is not None
        and _OF.match(sentence[end : after.start])
        and not _possessive(sentence, after)
    ):
        return after.trials
    before = [one for one in found if one.end <= start]
    if before and _OWNS.match(sentence[before[-1].end : start]):
        return before[-1].trials
    return ()


def subject(
    place: tuple[int, int], found: list[Mention], carried: tuple[int, ...]
) -> Mention | None:
    """Return the mention that a word at `place` says something of."""
    before = [one for one in found if one.end <= place[0]]
    subjects = [one for one in before if one.subject]
    if subjects:
        return subjects[-1]
    if before:
        return before[0]
    return Mention(0, 0, carried, subject=True, numbered=True) if carried else None


def carried(sentence: str, last: list[Mention]) -> tuple[int, ...]:
    """Return whom `It` at the beginning of a sentence stands for: who began the last one."""
    if not re.match(r"\W*It\b", sentence) or not last:
        return ()
    return last[0].trials if last[0].subject and last[0].start < 12 else ()


def _mention(sentence: str, match: re.Match[str], numbers: list[int], *, numbered: bool) -> Mention:
    return Mention(
        match.start(),
        match.end(),
        tuple(numbers),
        subject=bool(_CLAUSE.search(sentence[: match.start()])),
        numbered=numbered,
    )


def _numbers(text: str) -> list[int]:
    """Read `1, 2 and 4`, `0 to 3`."""
    found: list[int] = []
    for part in re.split(r"\s*,\s*(?:and\s|or\s)?|\s(?:and|or)\s", text):
        ends = [int(end) for end in re.findall(r"\d+", part)]
        if len(ends) == 2:
            found += [*ends, *range(ends[0] + 1, min(ends[1], ends[0] + 10_000))]
        else:
            found += ends
    return found


def _ranked(rank: str, known: Known) -> list[int]:
    match rank:
        case "best":
            return [] if known.best is None else [known.best]
        case "first":
            return known.first()
        case "default":
            return known.defaults()
    return sorted(known.extreme(lambda trial: trial.value, highest=known.sign < 0))


def _joined(sentence: str, found: list[Mention]) -> list[Mention]:
    """Make one of neighbours that are listed: `trial 1 and trial 3`."""
    joined: list[Mention] = []
    for one in found:
        gap = sentence[joined[-1].end : one.start] if joined else "?"
        if joined and re.fullmatch(r"\s*(?:,|and|or|&|, and|, or)\s*", gap):
            joined.append(_both(joined.pop(), one))
        else:
            joined.append(one)
    return joined


def _both(one: Mention, other: Mention) -> Mention:
    return Mention(
        one.start,
        other.end,
        (*one.trials, *other.trials),
        subject=one.subject,
        numbered=one.numbered and other.numbered,
    )


def _possessive(sentence: str, mention: Mention) -> bool:
    return sentence[mention.end : mention.end + 2] in ("'s", "\u2019s")
