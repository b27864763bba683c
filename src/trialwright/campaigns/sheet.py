"""A log taken apart: named cells by line, before anybody says what they mean.

Tables and JSON end up as the same records, so that what columns mean is decided in one place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from trialwright.campaigns.campaign import Curve, Malformed, Status
from trialwright.campaigns.vocabulary import Role
from trialwright.expression import Scalar
from trialwright.task import Direction

WIDEST = 200
"""Characters of a malformed line that are kept."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line that could be an experiment."""

    line: int
    text: str
    cells: Mapping[str, str]
    """By column, stripped."""
    configuration: Mapping[str, Scalar] | None = None
    curves: Mapping[str, Curve] = field(default_factory=dict)
    """By metric."""
    repairs: tuple[str, ...] = ()
    doubtful: str = ""
    """Why it is malformed, unless its cells make sense as they are; '': it is whole."""


@dataclass(slots=True)
class Sheet:
    """A log in rows; its columns in order."""

    dialect: str
    columns: tuple[str, ...]
    rows: list[Row] = field(default_factory=list)
    malformed: list[Malformed] = field(default_factory=list)
    why: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    headless: bool = False
    """Whether nothing names the columns: their places do, from 1."""
    hints: Mapping[str, str] = field(default_factory=dict)
    """What the log says of itself, such as `primary_metric`."""
    direction: tuple[Direction, str] | None = None
    """As the log says itself, and where."""
    roles: Mapping[Role, str] = field(default_factory=dict)
    """What columns are for, of a dialect that knows."""
    words: Mapping[str, Status] = field(default_factory=dict)
    """Statuses that the dialect means otherwise than most logs do, in lower case."""


class Refused(Exception):
    """A text is not of a dialect; the message says why. Never leaves this package."""


def malformed(line: int, text: str, why: str) -> Malformed:
    """Return a malformed line, its text cut."""
    return Malformed(line, text if len(text) <= WIDEST else f"{text[:WIDEST]}...", why)


def spans(lines: Iterable[int]) -> str:
    """Return line numbers as people write them.

    >>> spans([4, 5, 6, 9])
    '4-6, 9'
    """
    runs: list[list[int]] = []
    for line in lines:
        if runs and line == runs[-1][-1] + 1:
            runs[-1][1:] = [line]
        else:
            runs.append([line])
    return ", ".join("-".join(map(str, run)) for run in runs)
