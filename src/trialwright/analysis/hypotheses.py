"""Hypotheses that agents write down before anybody tries them, and what became of them.

One says how the objective moves when a single parameter of a trial takes another value. In the
ledger it is a note in a fixed form of words, so that every reader shows it; whoever knows the form
holds it against the first trial that differs from the named one in that value alone.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Literal

from trialwright.analysis.compare import HypothesisStatus, hypothesis_status
from trialwright.expression import Scalar
from trialwright.history import History, Note, Trial
from trialwright.records import Hypothesis

Expectation = Literal["better", "worse", "no_worse", "same"]

_WORDS: dict[Expectation, str] = {
    "better": "is better than",
    "worse": "is worse than",
    "no_worse": "is no worse than",
    "same": "is the same as",
}
_FORM = re.compile(
    rf"hypothesis: (?P<parameter>\S+) = (?P<value>.+?) (?P<words>{'|'.join(_WORDS.values())})"
    r" trial (?P<against>\d{1,9}): (?P<claim>.+)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Expected:
    """That trial `against`, with one parameter at another value, would be better, worse, ..."""

    claim: str
    """Why, in words."""
    parameter: str
    value: Scalar
    expects: Expectation
    against: int

    def __str__(self) -> str:
        value = json.dumps(self.value, ensure_ascii=False)
        words = _WORDS[self.expects]
        head = f"hypothesis: {self.parameter} = {value} {words} trial {self.against}"
        return f"{head}: {self.claim}"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a hypothesis stands."""

    expected: Expected
    by: str
    status: HypothesisStatus
    trial: int | None
    """The trial that tests it; None before there is one."""


def parsed(text: str) -> Expected | None:
    """Read a note as a hypothesis; None if it is none.

    >>> str(parsed('hypothesis: lr = 0.2 is no worse than trial 3: it has room'))
    'hypothesis: lr = 0.2 is no worse than trial 3: it has room'
    """
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    try:
        value = json.loads(match["value"])
    except json.JSONDecodeError:
        return None
    if isinstance(value, list | dict):
        return None
    expects = next(one for one, words in _WORDS.items() if words == match["words"])
    return Expected(match["claim"], match["parameter"], value, expects, int(match["against"]))


def standings(history: History) -> list[Standing]:
    """Return every hypothesis that was written down, with what became of it."""
    found = []
    for note in history.notes:
        expected = parsed(note.text)
        if expected is not None and expected.parameter in history.space:
            found.append(_standing(history, note, expected))
    return found


def trying(history: History, expected: Expected, *, since: float = 0.0) -> Trial | None:
    """Return the first trial that tests a hypothesis and has not ended before `since`."""
    if expected.against >= len(history.trials):
        return None
    against = history.trials[expected.against]
    changed = {**against.configuration, expected.parameter: expected.value}
    key = history.space.key(history.space.canonical(changed))
    for trial in history.trials:
        same = trial.number != against.number and history.space.key(trial.configuration) == key
        if same and not _ended_before(trial, since):
            return trial
    return None


def _standing(history: History, note: Note, expected: Expected) -> Standing:
    trial = trying(history, expected, since=note.at)
    if trial is None:
        return Standing(expected, note.by, "open", None)
    hypothesis = Hypothesis(
        claim=expected.claim,
        expects=expected.expects,
        against=expected.against,
        parameter=expected.parameter,
    )
    proposal = replace(trial.proposal, hypothesis=hypothesis)
    claimed = replace(trial, admission=replace(trial.admission, proposal=proposal))
    status = hypothesis_status(history, claimed)
    return Standing(expected, note.by, status, trial.number)


def _ended_before(trial: Trial, since: float) -> bool:
    first = next((run.ended_at for run in trial.runs if run.ended_at is not None), None)
    return first is not None and first < since
