"""Answers of models on disk: recorded as they come, played back in their order.

One line of JSON per answer, so that what a killed study had recorded stays readable. An answer
belongs to a turn: a conversation that failed leaves its turn empty, and does so in a replay. A turn
that a killed session had begun is asked again by the next one, whose answers then count. How long a
conversation took is kept, too: a cap on time ends the models' part in a replay where it did before.
"""

from __future__ import annotations

import json
import os
import threading
import uuid
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from trialwright.errors import ProposerError
from trialwright.records import Exchange

FAILED = "failed"
"""Key of an answer that did not come: why."""


class Turn(NamedTuple):
    """Whose answers: conversation `number` of member `by` for this purpose, from 0."""

    by: str
    purpose: str
    number: int


class Recorder:
    """Writes every answer behind those that are there.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tape = Path(folder) / "exchanges.jsonl"
    ...     Recorder(tape).keep(Turn("gpt", "propose", 0), {"parts": []})
    ...     Player(tape).next(Turn("gpt", "propose", 0))
    {'parts': []}
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing = threading.Lock()
        self._session = uuid.uuid4().hex[:12]
        self._begun = False

    def keep(self, turn: Turn, answer: dict[str, Any]) -> None:
        """Record one answer.

        Raises:
            ProposerError: it can't be written.
        """
        self._write(turn, {"answer": answer})

    def took(self, turn: Turn, seconds: float) -> None:
        """Record how long a conversation took.

        Raises:
            ProposerError: it can't be written.
        """
        self._write(turn, {"seconds": seconds})

    def _write(self, turn: Turn, what: Mapping[str, Any]) -> None:
        # ASCII alone: a model's text may hold what is no legal UTF-8.
        record = {**turn._asdict(), "session": self._session, **what}
        line = json.dumps(record) + "\n"
        try:
            with self._writing, self._path.open("ab") as file:
                if not self._begun:
                    _drop_cut_line(self._path)
                    self._begun = True
                file.write(line.encode())
        except OSError as error:
            raise ProposerError(f"{self._path} can't be written: {error.strerror}") from None


class Player:
    """Gives recorded answers back, per turn in their order.

    Raises:
        ProposerError: there is no recording, or it can't be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._left: dict[Turn, deque[dict[str, Any]]] = {}
        self._took: dict[Turn, float] = {}
        sessions: dict[Turn, str] = {}
        try:
            lines = path.read_bytes().split(b"\n")
        except OSError as error:
            raise ProposerError(
                f"there is no recording to replay in {path} ({error.strerror}): run the study"
                " with a model first"
            ) from None
        # What stands behind the last line's end was cut off by a kill.
        for number, line in enumerate(lines[:-1], start=1):
            try:
                found = json.loads(line)
                turn = Turn(found["by"], found["purpose"], found["number"])
                session = found["session"]
                if "seconds" in found:
                    self._took[turn] = float(found["seconds"])
                    continue
                answer = found["answer"]
            except (ValueError, KeyError, TypeError):
                raise ProposerError(f"{path}:{number} is no recorded answer") from None
            if sessions.get(turn) != session:
                sessions[turn], self._left[turn] = session, deque()
            self._left[turn].append(answer)

    def next(self, turn: Turn) -> dict[str, Any]:
        """Return the next answer of a turn.

        Raises:
            ProposerError: there are no more.
        """
        if not self._left.get(turn):
            raise ProposerError(f"{self._path} holds no further answer to {turn.by}")
        return self._left[turn].popleft()

    def took(self, turn: Turn) -> float | None:
        """Return how many seconds a turn took; None if it was cut off."""
        return self._took.get(turn)


Tape = Recorder | Player


def timed(exchange: Exchange, turn: Turn, tape: Tape | None) -> Exchange:
    """Record how long a conversation took; from a replay it is returned as it was recorded."""
    match tape:
        case Recorder():
            # What was spent has to reach the ledger all the same.
            with suppress(ProposerError):
                tape.took(turn, exchange.seconds)
        case Player():
            return replace(exchange, seconds=tape.took(turn) or exchange.seconds)
    return exchange


def _drop_cut_line(path: Path) -> None:
    """Remove what a kill has left half written at the end."""
    written = path.read_bytes()
    end = written.rfind(b"\n") + 1
    if end < len(written):
        os.truncate(path, end)
