"""What a sentence claims of a study, held against the record.

A number has a place, and only there it counts. Behind a trial it has to be of that trial: a metric,
a parameter, a time, a point of its curve. Behind a parameter's name it has to be a value that was
tried, by the trial if one is named. With "of", "trials" or "runs" it is a count. With "better",
"gain" or "drop" it is a difference that two trials show, in that direction. With "probability" or
"share" it has to stand in what code has computed. Elsewhere the record must know it at all.
Superlatives and "failed", "pruned" and the like have to be true of the trial that they are said of.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from trialwright.history import Trial
from trialwright.report import gains, ranks
from trialwright.report.known import Known
from trialwright.report.mentions import Mention, carried, directly, mentions, owner
from trialwright.report.numerals import Numeral, numerals
from trialwright.report.tallies import tallies

_ORDINAL = re.compile(r"^\s*(\d{1,2})[.)]\s")
"""The number of an item in a list."""

_ALIASES = {"lr": "learning rate", "wd": "weight decay", "bs": "batch size"}
_LINK = re.compile(
    r"[=:,()%\-\u2013\u2192><]|->|'s|\d.*|"
    r"of|at|was|is|to|from|around|about|near|roughly|approximately|between"
    r"|and|or|set|raised|lowered|increased|decreased|reduced|dropped|kept"
    r"|changed|changing|moved|went|raising|lowering|moving|value|values|with"
    r"|below|above|under|over|than|up|down|the|a|in|range|ranging|stayed"
    r"|only|just|equal|equals|both|beyond|smaller|larger|higher|lower"
    r"|greater|less|more|tried|used|were|had|fixed|default|size|sizes|unit"
    r"|units|rate|its|best|optimum|as|high|low|by"
)
"""What may stand between a parameter's name and its value."""

_TOKEN = re.compile(r"'s|[^\W\d]+|[\d.]+(?:[eE][-+]?\d+)?|->|\S")
_FORMER = re.compile(
    r"\b(?:from|instead of|rather than|than|against|versus|vs\.?|over|\(was)\s$", re.IGNORECASE
)
_RANGE = re.compile(
    r"\b(?:between|range|ranging|bounds?|limits?|from|up to|allowed|domain|space"
    r"|searched|down to|at"
    r" (?:the|its)|upper|lower end)\b",
    re.IGNORECASE,
)
_STATISTIC = re.compile(
    r"\b(?:probabilit\w+|chance|likel\w+|confiden\w+|share|influence\w*|importance"
    r"|variation|variance"
    r"|explain\w*|accounts?|calibrat\w+|interval|noise|sd|deviation|claimed|more seeds)\b",
    re.IGNORECASE,
)
_STRICT = re.compile(r"probab|chance|likel|confid|share|influen|import|varia|explain|account", re.I)
_OTHERS = re.compile(
    r"\b(?:others?|the rest|everything else|average|median|mean|parent|previous"
    r"|next best|runner-up|second"
    r"|anything|every|typical|most)\b",
    re.IGNORECASE,
)
_AGAIN = re.compile(r"^\W*(?:(?:or|that is|i\.e\.|about|a|some|of the)\W+)+$", re.IGNORECASE)
_ADVICE = re.compile(
    r"^\s*(?:lower|raise|try|use|keep|run|consider|reduce|increase|set|train|add)\b"
    r"|\b(?:should|could|would|next|suggest\w*|recommend\w*|worth|try|trying|advise)\b",
    re.IGNORECASE,
)
_TRY = re.compile(r"\b(?:try|consider|suggest\w*|recommend\w*|next|worth|should|could)\b", re.I)
_BRACKET = re.compile(r"\s[a-z]+\s\(", re.IGNORECASE)
_BREAK = re.compile(r"[;:,()]|\b(?:and|but|while|whereas)\b")


@dataclass(frozen=True, slots=True)
class Fault:
    """What the record does not bear out, and where it stands."""

    start: int
    end: int
    number: bool
    """Whether it is a number; else words."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A sentence as far as it was understood."""

    text: str
    mentions: list[Mention]
    numerals: list[Numeral]
    carried: tuple[int, ...]
    names: list[tuple[int, int, str]]
    """Where parameters are named."""


def faults(sentence: str, known: Known, last: list[Mention]) -> tuple[list[Fault], list[Mention]]:
    """Return what a sentence says against the record, and whom it mentions.

    `last` are the mentions of the sentence before, for an `It` at the beginning.
    """
    text = sentence.replace("*", " ").replace("`", " ").replace('"', " ")
    found, nobody = mentions(text, known)
    numbers = [
        one
        for one in numerals(text)
        if not any(m.start < one.end and one.start < m.end for m in found)
    ]
    read = Reading(text, found, numbers, carried(text, last), _names(text, known))
    wrong = [Fault(*place, number=True) for place in nobody]
    counted = tallies(
        text,
        found,
        known,
        partial(_has, read=read),
        [*known.authors],
    )
    wrong += [Fault(one.start, one.end, number=True) for one in counted if not one.held]
    taken = [(one.start, one.end) for one in counted] + [(one.start, one.end) for one in found]
    taken += nobody
    item = _ORDINAL.match(text)
    if item:
        taken.append(item.span(1))
    for numeral in read.numerals:
        if any(start < numeral.end and numeral.start < end for start, end in taken):
            continue
        if not _held(numeral, read, known):
            wrong.append(Fault(numeral.start, numeral.end, number=True))
    wrong += [Fault(*place, number=False) for place in _options(read, known)]
    wrong += [
        Fault(*place, number=False) for place in ranks.wrong(text, found, known, read.carried)
    ]
    return sorted(wrong, key=lambda fault: fault.start), found


# -- numbers


def _held(numeral: Numeral, read: Reading, known: Known) -> bool:
    if math.isnan(numeral.said):  # beyond all floats
        return False
    clause = _clause(read.text, numeral)
    statistic = _STATISTIC.search(clause)
    if statistic is not None and _computed(numeral, read, known):
        return True
    gain = _gain(numeral, read)
    if gain is not None and gains.borne_out(
        numeral, gain, read.text, known=known, mentions=read.mentions, numerals=read.numerals
    ):
        return statistic is None or not _STRICT.match(statistic[0])
    if statistic is not None and _STRICT.match(statistic[0]):
        return False
    name = _parameter(numeral, read)
    if name is not None:
        return _tried(numeral, name, read, known)
    plain = gain is None or gain.weak
    return (plain and _owned(numeral, clause, read, known)) or (
        gain is not None and _within(numeral, gain, read, known)
    )


def _owned(numeral: Numeral, clause: str, read: Reading, known: Known) -> bool:
    """Whether a number belongs to the trial that it is said of, or to any where none is."""
    if known.described(numeral.said, read.text[numeral.stop :]):
        return True
    trials = owner(read.text, (numeral.start, numeral.stop), read.mentions, read.carried)
    trials = trials or _bracketed(numeral, read)
    if not trials or _elsewhere(numeral, read) or _ADVICE.search(clause):
        return numeral.among(known.everything)
    if _former(numeral, read):
        trials = (*trials, *(other for number in trials for other in known.references(number)))
    return any(numeral.among(known.of_trial(number)) for number in trials)


def _bracketed(numeral: Numeral, read: Reading) -> tuple[int, ...]:
    """Return the trials in brackets behind what a number counts: `260 trees (trial 8)`."""
    found = (
        one.trials
        for one in read.mentions
        if _BRACKET.fullmatch(read.text[numeral.stop : max(one.start, numeral.stop)])
    )
    return next(found, ())


def _within(numeral: Numeral, gain: gains.Gain, read: Reading, known: Known) -> bool:
    """Whether a number is a difference of one trial's numbers: `0.03 above its 0.56 at step 9`."""
    trials = set(owner(read.text, (numeral.start, numeral.stop), read.mentions, read.carried))
    if len(trials) != 1 or gain.factor:
        return False
    trial = known.trials[trials.pop()]
    beside = [
        one
        for one in read.numerals
        if one is not numeral and one.among(known.of_trial(trial.number))
    ]
    ends = [one.said for one in beside if one.start < numeral.start]
    ends += [] if trial.value is None else [trial.value]
    up = {"higher": 1, "lower": -1, "better": known.sign, "worse": -known.sign}.get(gain.way)
    for one in beside:
        for change in (end - one.said for end in ends if end != one.said):
            right = up is None or up * change > 0
            if right and abs(abs(change) - numeral.said) <= numeral.reach + one.reach:
                return True
    return False


def _gain(numeral: Numeral, read: Reading) -> gains.Gain | None:
    """How a number says a difference, itself or as the one before it: `by 0.05, or 6 %`."""
    gain = gains.reading(read.text, numeral)
    index = read.numerals.index(numeral)
    if gain is not None or index == 0:
        return gain
    last = read.numerals[index - 1]
    if _AGAIN.match(read.text[last.stop : numeral.start]):
        return gains.reading(read.text, last)
    return None


def _computed(numeral: Numeral, read: Reading, known: Known) -> bool:
    """Whether code has computed a number for what it is said of."""
    names = {name for start, _, name in read.names}
    stated = known.stated_of(names.pop()) if len(names) == 1 else known.stated
    return numeral.among([*stated, *(one / 100 for one in stated if one <= 100)])


def _elsewhere(numeral: Numeral, read: Reading) -> bool:
    """Whether a number is said of others than the trial before it."""
    before = [one.end for one in read.mentions if one.end <= numeral.start]
    return _OTHERS.search(read.text[max(before, default=0) : numeral.start]) is not None


def _former(numeral: Numeral, read: Reading) -> bool:
    """Whether a number may be of another trial than its owner: `from 0.9`, `against 0.9`."""
    place = (numeral.start, numeral.stop)
    if re.match(r"\s(?:at|in|after)\s(?:step|epoch)", read.text[numeral.stop :]):
        return False
    beside = directly(read.text, place, read.mentions)
    return not beside and _FORMER.search(read.text[: numeral.start]) is not None


def _clause(text: str, numeral: Numeral) -> str:
    starts = [cut.end() for cut in _BREAK.finditer(text, 0, numeral.start)]
    after = _BREAK.search(text, numeral.stop)
    return text[starts[-1] if starts else 0 : after.start() if after else len(text)]


# -- parameters


def _names(text: str, known: Known) -> list[tuple[int, int, str]]:
    found = []
    if not known.history.opened:
        return []
    for name in known.history.space.names:
        forms = [re.escape(name).replace("_", r"[\s_-]")]
        if name in _ALIASES:
            forms.append(_ALIASES[name].replace(" ", r"[\s_-]"))
        forms += [short for short, long in _ALIASES.items() if long == name.replace("_", " ")]
        pattern = rf"(?<![\w.])(?:{'|'.join(forms)})s?(?!\w)"
        found += [(*match.span(), name) for match in re.finditer(pattern, text, re.IGNORECASE)]
    return sorted(found)


def _parameter(numeral: Numeral, read: Reading) -> str | None:
    """The parameter whose value a number is said to be: `lr = 0.1`, `0.1 for the lr`."""
    after = next((one for one in read.names if one[0] >= numeral.stop), None)
    if after and re.fullmatch(
        r"\s(?:for|as)\s(?:the\s|its\s)?", read.text[numeral.stop : after[0]]
    ):
        return after[2]
    before = [one for one in read.names if one[1] <= numeral.start]
    if not before or not _linked(read.text[before[-1][1] : numeral.start]):
        return None
    rest = read.text[numeral.stop :]
    earlier = [n for n in read.numerals if before[-1][1] <= n.start < numeral.start]
    if earlier and re.search(r"\bwith\b", read.text[earlier[-1].stop : numeral.start]):
        return None
    unit = re.match(r"\s(?:s|seconds?|epochs?|steps?|seeds?|accuracy|loss|val\w*)\b", rest)
    if (
        (unit and earlier)
        or (numeral.percent and earlier)
        or re.match(r"\s(?:trials?|runs?)\b", rest)
    ):
        return None
    return before[-1][2]


def _linked(gap: str) -> bool:
    tokens = _TOKEN.findall(gap.lower())
    return all(_LINK.fullmatch(token) for token in tokens)


def _tried(numeral: Numeral, name: str, read: Reading, known: Known) -> bool:
    """Whether a parameter had a value, in the trial that is named if one is."""
    lead = read.text[: numeral.start]
    trials = owner(read.text, (numeral.start, numeral.stop), read.mentions, read.carried)
    everyone = range(len(known.trials))
    clause = _clause(read.text, numeral)
    if _ADVICE.search(clause):
        trials, bounds = (), known.bounds(name)
        if _TRY.search(clause) and bounds and min(bounds) <= numeral.said <= max(bounds):
            return True
    if trials and _former(numeral, read):
        trials = (*trials, *(other for number in trials for other in known.references(number)))
        trials = (*trials, *(number for one in read.mentions for number in one.trials))
    if numeral.among(known.values_of(name, trials or everyone)):
        return True
    if trials:
        return numeral.among(known.of_trial(trials[0])) and not _direct(numeral, read)
    clause = clause if "between" not in lead else lead
    if _RANGE.search(clause) and numeral.among(known.bounds(name)):
        return True
    return numeral.among(known.stated_of(name))


def _direct(numeral: Numeral, read: Reading) -> bool:
    """Whether no other number stands between a parameter's name and this one."""
    before = [one for one in read.names if one[1] <= numeral.start]
    return not any(before[-1][1] <= one.start < numeral.start for one in read.numerals)


def _has(trial: Trial, start: int, end: int, *, read: Reading) -> bool:
    """Whether a trial has every parameter's value that is said in a part of a sentence."""
    for numeral in read.numerals:
        if start <= numeral.start < end:
            name = _parameter(numeral, read)
            value = trial.configuration.get(name) if name else None
            if name and not (isinstance(value, int | float) and numeral.says(float(value))):
                return False
    return True


def _options(read: Reading, known: Known) -> Iterator[tuple[int, int]]:
    """Yield options that are said of a parameter and that were not tried, or not by that trial."""
    for start, end, name in read.names:
        for place in _words_of(read.text, start, end, known.allowed(name)):
            trials = owner(read.text, place, read.mentions, read.carried)
            tried = known.options_of(name, trials or range(len(known.trials)))
            if read.text[place[0] : place[1]].lower() not in tried:
                yield place


def _words_of(text: str, start: int, end: int, allowed: set[str]) -> Iterator[tuple[int, int]]:
    """Yield the options that stand before or behind a parameter's name."""
    behind = re.match(r"\s*(?:=|:|of|was|is|set to|)\s*'?(?P<word>[\w.-]*\w)", text[end:], re.I)
    if behind is not None and behind["word"].lower() in allowed:
        yield end + behind.start("word"), end + behind.end("word")
    before = re.search(r"(?P<word>[\w.-]*\w)'?\s(?:as\s)?(?:the\s)?$", text[:start])
    if before is not None and before["word"].lower() in allowed:
        yield before.span("word")
