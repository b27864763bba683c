"""Prose that a model wrote about a study, held against the record sentence by sentence.

A model may phrase and connect; it may not measure. What the record does not bear out is struck out,
and counted. What a sentence claims, and when it is borne out, `claims` knows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from trialwright.history import History
from trialwright.report.claims import Fault, faults
from trialwright.report.known import Known
from trialwright.report.mentions import Mention

STRUCK = "[unsupported number]"
"""What stands in the place of a number that the record does not bear out."""

STRUCK_WORDS = "[unsupported claim]"
"""What stands in the place of words that the record contradicts."""

_SENTENCE = re.compile(
    r"\S(?:.{0,599}?(?:[.!?](?=\s+[^a-z\s])|(?=\n)|\Z)|.{0,599}(?=\s)|.{0,599})", re.DOTALL
)
"""A sentence, or 600 characters of one: reading takes the longer the more there is to relate."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Prose that says nothing that the record does not bear out, as far as it can be read."""

    text: str
    struck: tuple[str, ...]
    """The numbers and words that were taken out, in their order."""


def check(prose: str, history: History, facts: str = "") -> Checked:
    """Strike what a study's record does not bear out; `facts` are lines that code has computed."""
    known = Known(history, facts)
    kept: list[str] = []
    struck: list[str] = []
    last: list[Mention] = []
    at = 0
    for match in _SENTENCE.finditer(prose):
        found, last = faults(match[0], known, last)
        # Who quotes what code wrote says nothing of its own.
        for fault in [] if match[0].strip() in facts else found:
            start, end = match.start() + fault.start, match.start() + fault.end
            if start < at:
                continue
            kept += [prose[at:start], _mark(fault)]
            struck.append(prose[start:end])
            at = end
    return Checked("".join([*kept, prose[at:]]), tuple(struck))


def _mark(fault: Fault) -> str:
    return STRUCK if fault.number else STRUCK_WORDS
