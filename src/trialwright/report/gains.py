"""Differences in prose: which number says by how much something changed, and whether it did.

A difference is between two trials that are named, or between one and those that it is commonly held
against, or between two numbers of the same sentence. Its direction has to be right, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from trialwright.report.known import Known
from trialwright.report.mentions import Mention
from trialwright.report.numerals import Numeral

Way = Literal["better", "worse", "higher", "lower", "faster", "slower", "either"]

_WAYS: tuple[tuple[Way, str], ...] = (
    ("better", r"better|improv\w*|gain\w*|ahead|beat\w*|outperform\w*"),
    ("worse", r"worse|behind|costs?|short of|los(?:t|es|ing)|deteriorat\w*|degrad\w*"),
    ("faster", r"faster|quicker|shorter|less time"),
    ("slower", r"slower|longer|more time"),
    ("higher", r"higher|above|rose|rises|increas\w*|grew|rais\w*|up|more|over|larger"),
    (
        "lower",
        r"lower\w*|below|fell|falls|decreas\w*|reduc\w*|drop(?:s|ped)?|cuts?|down|less|smaller",
    ),
    ("either", r"difference|differ\w*|gap|margin|apart|change\w*|points?"),
)
_POINTS = r"(?:percentage\s)?points?"
_AFTER = re.compile(
    rf"^\s*(?:{_POINTS}\s)?(?:of\s)?(?:\w+\s)?(?P<word>better|worse|higher|lower|ahead"
    rf"|behind|above|below"
    r"|faster|slower|quicker|shorter|longer|more|less|larger|smaller|improvement|gain|increase"
    r"|decrease|reduction|drop|difference|gap|margin|points?|short of)\b",
    re.IGNORECASE,
)
_BEFORE = re.compile(
    r"\b(?P<word>improv\w*|gain\w*|differ\w*|gap|margin|increas\w*|decreas\w*"
    r"|reduc\w*|drop(?:s|ped)?|rose|rises"
    r"|fell|falls|cuts?|beat\w*|outperform\w*|rais\w*|lower\w*|ahead|behind|better"
    r"|worse|higher|grew"
    r"|los(?:t|es)|up|down|change\w*|faster|slower)"
    r"(?:\s(?:of|by|is|was))?(?:\s[\w]+){0,8}?\s(?:by|of|is|was)\s"
    r"(?:only\s|about\s|just\s|some\s|around\s|roughly\s|nearly\s|almost\s|over\s|a\s)*$"
    r"|\b(?P<short>improv\w*|gain\w*|brought|costs?|of|by|up|down)\s(?:only\s|about\s"
    r"|just\s|some\s)?$",
    re.IGNORECASE,
)
_WORD = re.compile("|".join(rf"\b(?:{words})\b" for _, words in _WAYS), re.IGNORECASE)
_FACTOR = re.compile(r"^\s?(?:times|-?\s?fold)\b", re.IGNORECASE)
_AGAINST = re.compile(
    r"\b(?:than|against|over|versus|vs\.?|from|compared (?:with|to)|relative to"
    r"|beats?|of)\s(?:the\s)?$",
    re.IGNORECASE,
)
_TIME = re.compile(r"(?:ms|s|sec|min|h)\w*$")
_FROM_TO = re.compile(r"\bfrom\s$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Gain:
    """That something is said to have changed, and how."""

    way: Way
    factor: bool = False
    weak: bool = False
    """Whether the word may as well stand before a plain value: `cost 48 s`."""


def reading(sentence: str, numeral: Numeral) -> Gain | None:  # noqa: PLR0911  # a line per form
    """Return how a number says a difference; None if it says none."""
    rest, lead = sentence[numeral.stop :], sentence[: numeral.start]
    if numeral.unit in ("x", "\u00d7") or _FACTOR.match(rest):
        return Gain("either", factor=True)
    after = _AFTER.match(rest)
    if after is not None:
        word = after["word"].lower()
        if not (word.startswith("point") or (word in ("more", "less") and numeral.unit == "")):
            return Gain(way(word))
        if word.startswith("point"):
            return Gain(_nearest(sentence, numeral))
    before = _BEFORE.search(lead)
    if before is None or re.search(r"\b(?:to|at|than|from)\s$", lead):
        return None
    word = (before["word"] or before["short"]).lower()
    if word == "of":
        return None
    if word != "by":
        return Gain(way(word), weak=word.startswith(("cost", "brought")))
    return Gain(_nearest(sentence, numeral)) if _WORD.search(lead) else None


def way(word: str) -> Way:
    """Return the direction that a word says."""
    for one, words in _WAYS:
        if re.fullmatch(words, word, re.IGNORECASE):
            return one
    return "either"


def borne_out(
    numeral: Numeral,
    gain: Gain,
    sentence: str,
    *,
    known: Known,
    mentions: list[Mention],
    numerals: list[Numeral],
) -> bool:
    """Say whether some two values of the record differ by what is said, in that direction."""
    for after, before in _stated(numeral, sentence, numerals):
        right = _agrees(gain.way, after - before, "objective", known.sign)
        if right and _matches(numeral, gain, after, before, sentence):
            return True
    for ours, theirs in _pairs(numeral, sentence, mentions, known):
        for way_, after, before in _values(ours, theirs, numeral, sentence, gain=gain, known=known):
            if _agrees(gain.way, after - before, way_, known.sign) and _matches(
                numeral, Gain("either", gain.factor), after, before, sentence
            ):
                return True
    return False


def _stated(
    numeral: Numeral, sentence: str, numerals: list[Numeral]
) -> Iterator[tuple[float, float]]:
    """Pairs `from A to B` of the sentence, B first."""
    for one, other in pairwise(numerals):
        between = sentence[one.stop : other.start]
        if numeral in (one, other):
            continue
        if _FROM_TO.search(sentence[: one.start]) and re.fullmatch(r"[^.;,]{0,30}\bto\s", between):
            yield other.said, one.said


def _pairs(
    numeral: Numeral, sentence: str, mentions: list[Mention], known: Known
) -> Iterator[tuple[int, int]]:
    """Pairs of trials that may be compared, who is spoken of first."""
    names = [name for name in known.history.space.names if says(sentence, name)]
    ours, theirs = _sides(numeral, sentence, mentions)
    if not ours and (theirs or not names):
        ours = [known.best] if known.best is not None else []
    if ours and theirs:
        yield from ((one, other) for one in ours for other in theirs)
    elif ours:
        yield from ((one, other) for one in ours for other in known.references(one))
    for name in names:
        for pair in known.steps(name):
            if not theirs or {*theirs} & {*pair}:
                yield from (pair, pair[::-1])
    yield from ((one, other) for one in ours for other in ours if one != other)
    if names and not ours and known.best is not None:
        yield from ((known.best, other) for other in known.references(known.best))


def _sides(numeral: Numeral, sentence: str, mentions: list[Mention]) -> tuple[list[int], list[int]]:
    """Who has changed, and against whom."""
    before = [one for one in mentions if one.end <= numeral.start]
    subjects = [one for one in before if one.subject][-1:]
    if not subjects:
        free = [one for one in mentions if not _AGAINST.search(sentence[: one.start])]
        subjects = [one for one in free if one in before][:1] or free[:1]
    ours = [number for one in subjects for number in one.trials]
    named = [number for one in mentions for number in one.trials]
    return ours, [number for number in named if number not in ours]


def _values(
    ours: int, theirs: int, numeral: Numeral, sentence: str, *, gain: Gain, known: Known
) -> Iterator[tuple[str, float, float]]:
    """What of two trials can be compared: quantity, ours, theirs."""
    objective = known.history.task.objective.metric
    timed = gain.way in ("faster", "slower") or _TIME.match(numeral.unit) is not None
    if timed or gain.factor:
        for one in known.seconds(ours):
            yield from (("seconds", one, other) for other in known.seconds(theirs))
    if timed:
        return
    others = [name for name in known.metrics if name != objective and says(sentence, name)]
    named = [name for name in others if not any(name in one for one in [objective])]
    for metric in named or [objective]:
        kind = "objective" if metric == objective else "metric"
        for one in known.metric(metric, ours):
            yield from ((kind, one, other) for other in known.metric(metric, theirs))
    ahead = known.ahead(ours, theirs)
    mean = known.trials[theirs].value
    if not named and ahead is not None and mean is not None:
        yield "objective", mean + known.sign * ahead, mean
    for name in known.history.space.names:
        if says(sentence, name):
            for one in known.values_of(name, [ours]):
                yield from (("parameter", one, two) for two in known.values_of(name, [theirs]))


def says(sentence: str, name: str) -> bool:
    """Say whether a sentence has a name, with blanks or underscores."""
    pattern = re.escape(name).replace("_", r"[\s_-]")
    return re.search(rf"(?<!\w){pattern}(?!\w)", sentence, re.IGNORECASE) is not None


def _agrees(way: Way, change: float, quantity: str, sign: int) -> bool:
    match way:
        case "better" | "worse":
            if quantity != "objective":
                return True
            return (sign * change > 0) == (way == "better")
        case "higher" | "slower":
            return change > 0
        case "lower" | "faster":
            return change < 0
    return True


def _matches(numeral: Numeral, gain: Gain, after: float, before: float, sentence: str) -> bool:
    change = after - before
    if gain.factor:
        ratios = [a / b for a, b in ((after, before), (before, after)) if b]
        return any(abs(numeral.said - abs(ratio)) <= numeral.reach for ratio in ratios)
    rest = sentence[numeral.end : numeral.end + 24]
    shown = [change]
    points = numeral.percent or re.match(rf"\s*{_POINTS}\b", rest) is not None
    if points:
        shown.append(100 * change)
    if numeral.percent:
        shown += [100 * change / base for base in (before, after) if base]
        if "error" in sentence.lower() and 0 < before < 1:
            shown.append(100 * change / (1 - before))
    return any(abs(numeral.said - abs(one)) <= numeral.reach for one in shown)


def _nearest(sentence: str, numeral: Numeral) -> Way:
    """The direction that the sentence says nearest before a number."""
    lead = sentence[: numeral.start]
    found = [
        (match.start(), one)
        for one, words in _WAYS
        for match in re.finditer(rf"\b(?:{words})\b", lead, re.IGNORECASE)
        if one != "either"
    ]
    return max(found)[1] if found else "either"
