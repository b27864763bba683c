"""What is known of the service of a study: `service.json`, and a lock as long as it lives."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from trialwright.errors import StudyBusy
from trialwright.store import locked

NAME = "service.json"
LOCK = "service.lock"

State = Literal["starting", "running", "waiting", "ended", "failed", "abandoned"]
"""`waiting`: for the next start, after a crash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A service: its processes, since when, how often its coordinator was started again."""

    pid: int
    """Of the supervisor."""
    coordinator: int | None = None
    host: str = ""
    since: float = 0.0
    """Seconds since the epoch."""
    state: State = "starting"
    restarts: int = 0
    alive: bool = False
    """Whether the supervisor is there; known to whoever reads it, and not written."""


def write(folder: Path, card: Card) -> None:
    """Put a card into a study's folder; a disk that is full is no reason to end."""
    known = {name: value for name, value in asdict(card).items() if name != "alive"}
    temporary = folder / f".{NAME}.{os.getpid()}.tmp"
    try:
        temporary.write_text(json.dumps(known) + "\n", encoding="utf-8")
        temporary.replace(folder / NAME)
    except OSError:
        return


def read(folder: Path) -> Card | None:
    """Return the card of a study's service, the present one's or the last one's; None without."""
    try:
        known = json.loads((folder / NAME).read_text(encoding="utf-8"))
        return Card(**known, alive=alive(folder))
    except (OSError, ValueError, TypeError):
        return None


def alive(folder: Path) -> bool:
    """Say whether a service of the study is alive on this machine."""
    return locked(folder, LOCK)


@contextmanager
def held(folder: Path) -> Iterator[Card]:
    """Be the service of a study while the block runs; its first card is what is given.

    Raises:
        StudyBusy: there is one.
    """
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StudyBusy(busy(folder, read(folder))) from None
        card = Card(pid=os.getpid(), host=socket.gethostname(), since=time.time())
        write(folder, card)
        yield card
    finally:
        os.close(descriptor)


def busy(folder: Path, card: Card | None) -> str:
    """Say that a study has a service, and what can be done."""
    process = f" (process {card.pid})" if card is not None else ""
    return (
        f"the study in {folder} runs as a service already{process}: look with `trialwright"
        f" status {folder}`, stop it with `trialwright stop {folder}`"
    )
