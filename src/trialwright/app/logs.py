"""`trialwright log`: the output of one run, as it is on disk, or as it grows."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import Protocol

from trialwright.analysis.heldout import veiled
from trialwright.app.place import Place
from trialwright.errors import StudyError
from trialwright.execute.runner import run_folder
from trialwright.history import History, Run, Trial
from trialwright.store import locked
from trialwright.task import Task

LOOK_S = 0.2
CHUNK = 1 << 16


class Out(Protocol):
    """Where a log is written to."""

    def write(self, chunk: bytes, /) -> int:
        """Take bytes."""
        ...

    def flush(self) -> None:
        """Pass on what was taken."""
        ...


class Veil:
    """Passes lines on without the metric that is held out; half a line once it is whole."""

    def __init__(self, out: Out, task: Task) -> None:
        self._out, self._task = out, task
        self._rest = b""

    def write(self, chunk: bytes, /) -> int:
        """Take bytes, cut anywhere."""
        whole, end, self._rest = (self._rest + chunk).rpartition(b"\n")
        self._pass(whole + end)
        return len(chunk)

    def flush(self) -> None:
        """Pass on the whole lines."""
        self._out.flush()

    def finish(self) -> None:
        """Pass on the last line, which has no end."""
        self._pass(self._rest)
        self._rest = b""
        self._out.flush()

    def _pass(self, lines: bytes) -> None:
        text = lines.decode("utf-8", "surrogateescape")
        self._out.write(veiled(text, self._task).encode("utf-8", "surrogateescape"))


def trial_of(history: History, number: int) -> Trial:
    """Return a trial.

    Raises:
        StudyError: there is none of this number.
    """
    if not 0 <= number < len(history.trials):
        last = len(history.trials) - 1
        there = f"there are trials 0 to {last}" if history.trials else "there are none yet"
        raise StudyError(f"there is no trial {number}: {there}")
    return history.trials[number]


def run_of(trial: Trial, seed: int, attempt: int | None) -> Run:
    """Return the run of a seed index; without an attempt, the latest.

    Raises:
        StudyError: there is none.
    """
    runs = [run for run in trial.runs if run.key.seed == seed]
    if attempt is not None:
        runs = [run for run in runs if run.key.attempt == attempt]
    if not runs:
        there = ", ".join(f"{run.key.seed}.{run.key.attempt}" for run in trial.runs)
        which = f"{seed}.{attempt}" if attempt is not None else f"{seed}"
        raise StudyError(
            f"trial {trial.number} has no run {which}; its runs, as seed.attempt:"
            f" {there or 'none yet'}"
        )
    return runs[-1]


def log_path(folder: Path, run: Run) -> Path:
    """Return the file that holds a run's output.

    Raises:
        StudyError: it is not there.
    """
    path = run_folder(folder, run.key) / "stdout.log"
    if not path.is_file():
        raise StudyError(f"there is no log {path}: the run has not started, or it was removed")
    return path


def show(path: Path, *, tail: int | None, out: Out) -> int:
    """Write a log, or its last lines, to `out`; return the offset reached."""
    with path.open("rb") as log:
        log.seek(_tail_offset(log, tail) if tail is not None else 0)
        while chunk := log.read(CHUNK):
            out.write(chunk)
        out.flush()
        return log.tell()


def follow(path: Path, offset: int, *, going: Callable[[], bool], out: Out) -> None:
    """Write what a log grows by, until `going` says that nothing more can come."""
    with path.open("rb") as log:
        while True:
            # Asked before the read, so that the last lines are not missed.
            more = going()
            if os.fstat(log.fileno()).st_size < offset:
                offset = 0  # the log was cut to its bound
            log.seek(offset)
            while chunk := log.read(CHUNK):
                out.write(chunk)
            offset = log.tell()
            out.flush()
            if not more:
                return
            time.sleep(LOOK_S)


def print_log(
    place: Place, number: int, *, seed: int, attempt: int | None, tail: int | None, ongoing: bool
) -> None:
    """Print a run's log to standard output; `ongoing`: go on while it grows.

    A metric that is held out is not in it before the study is over.
    """
    folder, history = place.folder, place.history()
    run = run_of(trial_of(history, number), seed, attempt)
    path = log_path(folder, run)
    hidden = history.task.heldout is not None and not history.heldout()
    veil = Veil(sys.stdout.buffer, history.task) if hidden else None
    out = veil or sys.stdout.buffer
    offset = show(path, tail=tail, out=out)
    if ongoing:
        follow(path, offset, going=lambda: _going(folder, path), out=out)
    if veil is not None:
        veil.finish()


def _going(folder: Path, log: Path) -> bool:
    # The run's last file, not the ledger: reading that again and again takes too long.
    return locked(folder) and not (log.parent / "exit.json").exists()


def _tail_offset(log: BufferedReader, lines: int) -> int:
    """The offset at which the last `lines` lines begin."""
    log.seek(0, os.SEEK_END)
    at = end = log.tell()
    if lines <= 0:
        return end
    found = 0
    while at > 0:
        size = min(CHUNK, at)
        at -= size
        log.seek(at)
        chunk = log.read(size)
        position = len(chunk)
        while (position := chunk.rfind(b"\n", 0, position)) >= 0:
            if at + position == end - 1:
                continue  # the end of the last line
            found += 1
            if found == lines:
                return at + position + 1
    return 0
