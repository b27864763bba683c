"""What the user says of a log: which column is what, which words mean what."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import get_args

from trialwright.campaigns.campaign import Status
from trialwright.campaigns.vocabulary import Role
from trialwright.errors import CampaignError
from trialwright.task import Direction

WORDS: tuple[Status, ...] = ("keep", "discard", "crash")
SAYABLE = (*get_args(Role), *WORDS, "missing", "direction")


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The user's word, which goes before every guess."""

    columns: Mapping[Role, str] = field(default_factory=dict)
    """A column by what it is for: its name, a path with dots, or its place from 1."""
    words: Mapping[str, Status] = field(default_factory=dict)
    """Words of the status column, in lower case."""
    missing: frozenset[str] = frozenset()
    """Cells that stand for no result."""
    direction: Direction | None = None


def given(pairs: Iterable[str]) -> Given:
    """Read `column=what` pairs as the command line takes them.

    >>> given(["metric=loss", "keep=PASS,BEST", "direction=minimize"]).words
    {'pass': 'keep', 'best': 'keep'}

    Raises:
        CampaignError: a pair is none, or says what can't be said.
    """
    columns: dict[Role, str] = {}
    words: dict[str, Status] = {}
    missing: set[str] = set()
    direction: Direction | None = None
    for pair in pairs:
        what, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or not value:
            raise CampaignError(f"--map {pair!r} must be WHAT=COLUMN, such as metric=val_loss")
        match what:
            case "keep" | "discard" | "crash":
                words |= dict.fromkeys(_listed(value.casefold()), what)
            case "missing":
                missing |= set(_listed(value))
            case "direction":
                direction = _direction(value)
            case _:
                columns[_role(what)] = value
    return Given(columns=columns, words=words, missing=frozenset(missing), direction=direction)


def _listed(value: str) -> list[str]:
    return [part.strip() for part in value.split(",")]


def _direction(value: str) -> Direction:
    for direction in get_args(Direction):
        if value == direction:
            return direction  # type: ignore[no-any-return]  # get_args knows no literals
    raise CampaignError(f"--map direction={value} must be direction=minimize or direction=maximize")


def _role(what: str) -> Role:
    for role in get_args(Role):
        if what == role:
            return role  # type: ignore[no-any-return]  # get_args knows no literals
    close = difflib.get_close_matches(what, SAYABLE, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise CampaignError(f"--map can't say {what!r}, but {', '.join(SAYABLE)}{hint}")
