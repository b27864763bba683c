"""Claims in a report: what was claimed, where it stands, and what the trials showed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from trialwright.analysis.claims import Status, standings, statement
from trialwright.history import History
from trialwright.report import words

MOST = 60
"""Claims in a report, those that say most."""

_ORDER = ("established", "supported", "contradicted", "tentative", "undecided", "open")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRow:
    """A claim as a reader sees it."""

    number: int
    by: str
    text: str
    tested: str
    """What exactly is tested."""
    status: Status
    shown: str


def claim_rows(history: History) -> list[ClaimRow]:
    """Return the claims, those that say most first."""
    assert set(_ORDER) == set(get_args(Status))
    metric = history.task.objective.metric
    found = sorted(standings(history), key=lambda one: (_ORDER.index(one.status), one.number))
    return [
        ClaimRow(
            number=one.number,
            by=words.line(one.claim.by, most=40),
            text=words.line(one.claim.text),
            tested=words.line(statement(one.claim, metric)),
            status=one.status,
            shown=words.line(one.sentence),
        )
        for one in found[:MOST]
    ]
