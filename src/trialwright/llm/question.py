"""What is asked of a model, and what comes back: the words of this package.

It knows no provider and no study.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel

from trialwright.records import Exchange

Answer = TypeVar("Answer", bound=BaseModel)

Purpose = Literal["propose", "diagnose", "analyse", "describe"]


class Repair(Exception):
    """An answer that can't be used: the model is told why, and may put it right.

    `cause` is a word to count by: `outside`, `repeat`, `parent`, ...
    """

    def __init__(self, text: str, *, cause: str) -> None:
        super().__init__(text)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a conversation may still cost. None is no bound."""

    tokens: int | None = None
    usd: Decimal | None = None
    seconds: float | None = None

    def less(self, cost: Allowance) -> Allowance:
        """Return what is left after `cost`, in which None is nothing.

        >>> Allowance(tokens=100).less(Allowance(tokens=30, usd=Decimal("0.1")))
        Allowance(tokens=70, usd=None, seconds=None)
        """
        return Allowance(
            tokens=None if self.tokens is None else self.tokens - (cost.tokens or 0),
            usd=None if self.usd is None else self.usd - (cost.usd or 0),
            seconds=None if self.seconds is None else self.seconds - (cost.seconds or 0),
        )

    @property
    def spent(self) -> bool:
        """Whether nothing is left."""
        return any(part is not None and part <= 0 for part in (self.tokens, self.usd, self.seconds))


@dataclass(frozen=True, slots=True, kw_only=True)
class Question(Generic[Answer]):
    """One conversation: what the model reads, may call, and must answer."""

    purpose: Purpose
    instructions: str
    """The part that stays the same from question to question, so that providers can cache it."""
    prompt: str
    answer: type[Answer]
    check: Callable[[Answer], None] = field(default=lambda _: None)
    """Raises `Repair` for an answer that can't be used."""
    tools: tuple[Callable[..., Any], ...] = ()
    """Functions with docstrings, which the model may call."""
    repairs: int = 2
    """Times that the model may put an answer right."""
    turn: int = 0
    """How many conversations for this purpose the member has had before: its place on a tape."""
    calls: int = 6
    """Times that it may call a tool."""
    allowance: Allowance = field(default_factory=Allowance)


@dataclass(frozen=True, slots=True)
class Reply(Generic[Answer]):
    """What came of a question."""

    answer: Answer | None
    """None if the conversation failed; why is in the exchange."""
    exchange: Exchange
