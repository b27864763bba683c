"""Counts in prose: how many trials there are, failed, were pruned, or had a value."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from trialwright.history import Trial
from trialwright.report import numerals
from trialwright.report.known import Known, State
from trialwright.report.mentions import Mention

_WORDS = (*numerals.WORDS, "none", "all", "every", "each", "both")
_N = rf"(?:\d+|{'|'.join(_WORDS)})"
_NOUN = (
    r"(?:trials?|runs?|configurations?|results?|failures?|attempts?|crashes|candidates?|settings?)"
)
_KIND = (
    r"(?:failed|failing|pruned|finished|completed|successful|further|more|other|remaining|different"
    r"|distinct|single|valid|diverged|usable|early)"
)
_OF = re.compile(
    rf"(?<![\w.])(?P<n>{_N})\s(?:out\s)?of\s(?:the\s|all\s|its\s|our\s)*(?P<m>{_N})(?!\w|\.\d|\s?%)"
    rf"(?:\s{_KIND})?(?:\s(?P<noun>{_NOUN}))?",
    re.IGNORECASE,
)
_PLAIN = re.compile(
    rf"(?<![\w.])(?P<n>{_N})(?:\s(?P<kind>{_KIND}))*\s(?P<noun>{_NOUN}|of\s(?:them|these))\b",
    re.IGNORECASE,
)
_STATES: tuple[tuple[State, str], ...] = (
    ("out_of_memory", r"out[ -]of[ -]memory|OOM"),
    ("timed_out", r"timed out|time[ -]?outs?|hit the time limit"),
    ("diverged", r"diverged|diverg(?:e|es|ing)|NaN"),
    ("pruned", r"pruned|stopped early|early[ -]stopped"),
    ("failed", r"fail(?:ed|s|ing|ures?)?(?!\sto\b)|crash(?:ed|es)"),
    ("better", r"improv\w+|beat(?!\s\d)|better than|outperform\w*"),
    ("done", r"succeeded|successful|completed|gave a (?:result|value)|results?|valid|usable"),
    ("ended", r"finished|ended|ran|were run"),
    ("kept", r"kept"),
)
_CUT = re.compile(r"[;:,()]|\b(?:and|but|while|whereas|of which)\b")
_BARE = re.compile(
    rf"(?<![\w.])(?P<n>\d+|{'|'.join(_WORDS)})(?=\s(?:(?:was|were|have|has)\s)?"
    r"(?:failed|crashed|pruned|completed|succeeded|diverged|timed out|stopped early"
    r"|ran out of memory)\b)",
    re.IGNORECASE,
)
_BEYOND = re.compile(
    r"\b(?P<way>above|over|below|under|within)\s(?P<number>\d*\.\d+)(?![\w%]|\s%)", re.IGNORECASE
)
_BOUND = re.compile(
    r"(at least|more than|over|at most|fewer than|less than|up to)\s$", re.IGNORECASE
)
_PART = re.compile(
    r"\b(first|last|latest|top|best|next|other|within|every|single)\s$", re.IGNORECASE
)

Values = Callable[[Trial, int, int], bool]
"""Whether a trial has the parameter's value that is said in a part of the sentence."""


@dataclass(frozen=True, slots=True)
class Tally:
    """A place in which something is counted, and whether the record has as many."""

    start: int
    end: int
    held: bool


def tallies(
    sentence: str, found: list[Mention], known: Known, values: Values, authors: list[str]
) -> list[Tally]:
    """Return every count of a sentence: digits and small numbers in words."""
    checked: list[Tally] = []
    taken: list[tuple[int, int]] = [(one.start, one.end) for one in found]
    patterns = (_OF, _PLAIN, _BARE)
    for match in (match for pattern in patterns for match in pattern.finditer(sentence)):
        if any(start < match.end() and match.start() < end for start, end in taken):
            continue
        if match["n"].lower() == "no" and (match.groupdict().get("noun") or "")[:6] == "result":
            continue
        # More of them than there are trials: of trees, or of units.
        them = (match.groupdict().get("noun") or "").lower().startswith("of")
        if (match.re is _BARE or them) and _read(match["n"], 0) > len(known.trials):
            continue
        if "m" in match.re.groupindex and match["noun"] is None and _of_others(match["m"], known):
            continue
        taken.append(match.span())
        checked += _checked(match, sentence, known, values, authors)
    return checked


def _of_others(whole: str, known: Known) -> bool:
    """Whether a whole can't be of trials or runs: it is a word, or more than there are."""
    return not whole.isdigit() or int(whole) > max(len(known.trials), *known.totals)


def _checked(
    match: re.Match[str], sentence: str, known: Known, values: Values, authors: list[str]
) -> list[Tally]:
    groups = match.groupdict()
    start, end = _clause(sentence, match)
    clause = sentence[start:end]
    state = _state(sentence, match, clause, start)
    by = [name for name in authors if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", clause)]

    def chosen(trial: Trial, of: State | None = None) -> bool:
        return (
            (not by or trial.proposal.by in by)
            and (of is None or known.state(trial.number, of))
            and values(trial, start, end)
        )

    bare = known.count(chosen)
    total = len(known.trials)
    narrowed = bool(by) or bare != total
    if state is None:
        right = {bare} if narrowed else {*known.totals}
    else:
        right = {known.count(lambda trial: chosen(trial, state))}
        if state == "done":
            right.add(len(known.done))
        if state == "ended":
            right |= {known.count(lambda trial: chosen(trial, "done")), bare}
    lead = sentence[: match.start()]
    beyond = _beyond(clause, known)
    tests = []
    if beyond is not None:
        right = {beyond[0]}
        tests.append(Tally(start + beyond[1], start + beyond[2], _read(match["n"], 0) == beyond[0]))
    noun = (groups.get("noun") or "").lower()
    if noun.startswith("run"):
        right.add(known.history.launches)
    if (groups.get("kind") or "").lower() in ("other", "further", "remaining", "more"):
        right |= {count - 1 for count in right} | {count - 1 for count in known.totals}
    literal = groups.get("m") is not None and not narrowed and match[0] in known.facts
    whole = known.totals | {bare}
    most = int(groups["m"]) if (groups.get("m") or "").isdigit() else total
    said = _read(match["n"], most)
    loose = _PART.search(lead) is not None and said <= total
    loose |= match["n"].lower() == "one" and state is None
    tests += [Tally(*match.span("n"), literal or loose or _fits(said, right, lead))]
    if groups.get("m") is not None:
        tests.append(Tally(*match.span("m"), literal or _read(match["m"], total) in whole))
    return [one for one in tests if one.start >= 0]


def _beyond(clause: str, known: Known) -> tuple[int, int, int] | None:
    """How many results lie beyond a value that a clause names, and where it does."""
    match = _BEYOND.search(clause)
    if match is None or known.best is None:
        return None
    said, way = float(match["number"]), match["way"].lower()
    values = [trial.value for trial in known.done if trial.value is not None]
    if way == "within":
        top = known.trials[known.best].value or 0.0
        count = sum(abs(value - top) <= said for value in values)
    else:
        count = sum(value > said if way in ("above", "over") else value < said for value in values)
    return count, *match.span("number")


def _read(word: str, most: int) -> int:
    word = word.lower()
    if word.isdigit():
        return int(word)
    if word in ("all", "every", "each"):
        return most
    return {"none": 0, "both": 2}.get(word, numerals.WORDS.get(word, 0))


def _fits(said: int, right: set[int], lead: str) -> bool:
    bound = _BOUND.search(lead)
    match bound and bound[1].lower():
        case "at least":
            return any(said <= one for one in right)
        case "more than" | "over":
            return any(said < one for one in right)
        case "at most" | "up to":
            return any(said >= one for one in right)
        case "fewer than" | "less than":
            return any(said > one for one in right)
    return said in right


def _clause(sentence: str, match: re.Match[str]) -> tuple[int, int]:
    """The part of the sentence in which a count stands."""
    starts = [cut.end() for cut in _CUT.finditer(sentence, 0, match.start())]
    after = _CUT.search(sentence, match.end())
    return (starts[-1] if starts else 0), (after.start() if after else len(sentence))


def _state(sentence: str, match: re.Match[str], clause: str, start: int) -> State | None:
    """What is said of those that are counted: in the count, behind it, or before it."""
    inside = sentence[match.start() : match.end()]
    after = sentence[match.end() : start + len(clause)]
    before = sentence[start : match.start()]
    for part in (after, inside, before):
        for state, words in _STATES:
            if re.search(rf"\b(?:{words})\b", part, re.IGNORECASE):
                return state
    return None
