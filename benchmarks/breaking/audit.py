"""What was lost or done twice: the script's own book held against the ledger, and a look around.

It knows no fault; it reads what a study left behind.
"""

from __future__ import annotations

import json
import math
import sqlite3
import time
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from trialwright.errors import TrialwrightError
from trialwright.history import History, Trial, read
from trialwright.store import LEDGER

PATIENCE_S = 15.0
"""Seconds that processes may take to go: a busy machine is no orphan."""


@dataclass
class Counts:
    """What went wrong, over all studies."""

    rounds: int = 0
    finished: int = 0
    interrupted: int = 0
    lost: int = 0
    twice: int = 0
    orphans: int = 0
    unreadable: int = 0
    repeated_numbers: int = 0
    notes: list[str] = field(default_factory=list)

    def add(self, other: Counts) -> None:
        """Take in what another count found."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    @property
    def clean(self) -> bool:
        """Whether nothing at all went wrong."""
        return not (
            self.lost
            or self.twice
            or self.orphans
            or self.unreadable
            or self.repeated_numbers
            or self.notes
        )


@dataclass
class Booked:
    """What the script wrote of one trial."""

    events: list[str] = field(default_factory=list)
    values: set[str] = field(default_factory=set)
    pids: list[int] = field(default_factory=list)

    @property
    def ended(self) -> int | None:
        """Where its first ending stands among its events."""
        found = [index for index, event in enumerate(self.events) if event != "start"]
        return found[0] if found else None


def booked(book: Path) -> dict[int, Booked]:
    """Read the book, by trial: studies here have one seed per trial."""
    found: dict[int, Booked] = defaultdict(Booked)
    for line in book.read_text().splitlines() if book.exists() else []:
        event, trial, _, x, pid = json.loads(line)
        found[trial].events.append(event)
        found[trial].values.add(x)
        found[trial].pids.append(pid)
    return found


def lines(book: Path) -> int:
    """How much has happened so far."""
    return len(book.read_bytes().splitlines()) if book.exists() else 0


def marked(mark: str) -> list[int]:
    """Return the living processes that have `mark` in their environment or in their command."""
    return [process.pid for process in psutil.process_iter() if _has(process, mark)]


def _has(process: psutil.Process, mark: str) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        if any(mark in word for word in process.cmdline()[:1]):
            return True
        return any(mark in value for value in process.environ().values())
    except psutil.Error:
        return False


def survivors(mark: str, *, within_s: float = PATIENCE_S) -> list[int]:
    """Return who of a study is still alive after `within_s` seconds."""
    deadline = time.monotonic() + within_s
    while (alive := marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return alive


def audit(name: str, *, folder: Path, book: Path, trials: int) -> Counts:
    """Hold the book against the ledger of the study in `folder`, once it has come to its end."""
    counts = Counts()
    try:
        history = read(folder)
        torn = _torn(folder / LEDGER)
    except (TrialwrightError, sqlite3.Error) as error:
        torn, history = str(error), History()
    if torn:
        counts.unreadable += 1
        counts.notes.append(f"{name}: {torn}")
        return counts
    ended = {t.number: t for t in history.trials if t.state in ("done", "failed", "pruned")}
    if len(ended) != trials:
        counts.lost += abs(trials - len(ended))
        counts.notes.append(f"{name}: {len(ended)} of {trials} trials have their end")
    for number, entry in booked(book).items():
        at = entry.ended
        counts.finished += at is not None
        counts.interrupted += entry.events.count("start") - 1
        counts.repeated_numbers += len(entry.values) > 1
        if at is None:
            continue
        if "start" in entry.events[at + 1 :]:
            counts.twice += 1
            counts.notes.append(f"{name}: trial {number} was run again: {entry.events}")
        if number in ended and not _kept(ended[number], entry, at):
            counts.lost += 1
            trial = ended[number]
            counts.notes.append(f"{name}: trial {number} had ended, and is {trial.state}")
    return counts


def _kept(trial: Trial, entry: Booked, at: int) -> bool:
    """Whether the ledger has what the script had reported when it ended."""
    if entry.events[at] == "nan":
        return trial.state == "failed"
    x = float(min(entry.values))
    return trial.state == "done" and math.isclose(trial.value or 0.0, -x * x, abs_tol=1e-12)


def _torn(ledger: Path) -> str:
    if not ledger.exists():  # on a server
        return ""
    with closing(sqlite3.connect(ledger)) as connection:
        said = connection.execute("PRAGMA integrity_check").fetchone()[0]
    return "" if said == "ok" else str(said)
