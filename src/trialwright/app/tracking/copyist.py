"""Brings a tracker up to date with a study's ledger: all of it, or what is new since the last time.

What is to be copied stands in the ledger; so nothing is lost if a tracker is slow, or away.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from trialwright.app.tracking.books import Book, Shelf
from trialwright.app.tracking.copies import copied, key_of, study_id
from trialwright.execute.runner import Reported
from trialwright.history import History
from trialwright.records import Admission, Launch, Observation, RunKey, Verdict
from trialwright.store import Store


class Copyist:
    """Brings one tracker up to date with a ledger, as often as it is asked to."""

    def __init__(self, shelf: Shelf, store: Store) -> None:
        self.shelf = shelf
        self._store = store
        self._history = History()
        self._due: dict[int, None] = {}
        """Trials with runs that may have to be written, in order."""
        self._book: Book | None = None
        self.new = self.changed = self.same = 0
        """Runs that were written for the first time, or again, or were found as they are."""

    @property
    def behind(self) -> int:
        """How many trials are still to be looked at."""
        return len(self._due)

    def catch_up(self, points: Sequence[tuple[Reported, float]] = ()) -> None:
        """Write what is new in the ledger, and then points of runs that go on.

        Raises:
            Exception: whatever the tracker raises; what was not written stays due.
        """
        self._read()
        if not self._history.opened:
            return
        study = study_id(self._history)
        if self._book is None:
            self._book = self.shelf.opened(study)
        while self._due:
            number = next(iter(self._due))
            self._write(number, self._book)
            self._due.pop(number)
        by_run: dict[RunKey, list[tuple[Reported, float]]] = {}
        for event, at in points:
            by_run.setdefault(event.run, []).append((event, at))
        for run, found in by_run.items():
            self._book.point(key_of(study, run), found)

    def let_go(self) -> None:
        """Close the tracker; the next `catch_up` opens it again, and looks what it has."""
        book, self._book = self._book, None
        if book is not None:
            book.close()

    def _write(self, number: int, book: Book) -> None:
        trial = self._history.trials[number]
        for run in trial.runs:
            copy = copied(trial, run, self._history)
            before = book.digest(copy.key)
            if before == copy.digest:
                self.same += 1
                continue
            book.put(copy)
            self.new += not before
            self.changed += bool(before)

    def _read(self) -> None:
        with closing(self._store.open()) as ledger:
            entries = ledger.read(self._history.sequence)
        self._history.extend(entries)
        for entry in entries:
            match entry.record:
                case Launch(run=run) | Observation(run=run):
                    self._due[run.trial] = None
                case Verdict(trial=number) | Admission(number=number):
                    self._due[number] = None
                case _:
                    pass
        if entries and self._history.closed is not None:
            # What was going on and has no end is over.
            self._due |= dict.fromkeys(trial.number for trial in self._history.pending())


def brought_up_to_date(shelf: Shelf, store: Store) -> Copyist:
    """Copy all runs of a study to a tracker once; return what was done.

    Raises:
        Exception: whatever the tracker raises.
    """
    copyist = Copyist(shelf, store)
    try:
        copyist.catch_up()
    finally:
        copyist.let_go()
    return copyist
