"""The studies that a dashboard shows: where they are, and what their ledgers say now.

Ledgers are only read, and of them only what is new. A study that appears below the folder is found;
one whose ledger was replaced is read anew.
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, cast

from trialwright.app.place import FILE, Place, to_read
from trialwright.errors import LedgerError, StudyError, TrialwrightError
from trialwright.execute.runner import run_folder
from trialwright.history import History, Run
from trialwright.records import Entry
from trialwright.store import begun, store_in

DEPTH = 3
"""Levels below the folder at which studies are looked for."""
MOST = 500
"""Studies that are shown."""
FOLDERS = 5000
"""Folders that are looked into, at most."""
SEARCH_S = 1.5
"""Seconds between two searches for new studies."""
ASK_S = 1.0
"""Seconds between two questions to a server that has a ledger."""
SETTLED_S = 0.1
"""Age of a file below which it may change once more without a new time."""

Told = TypeVar("Told")


@dataclass(slots=True)
class Watched:
    """A study that is shown: where it is, and its history, read as far as it goes."""

    key: str
    """Names it in addresses."""
    place: Place
    _history: History = field(default_factory=History)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _signature: tuple[object, ...] = ()
    _last: tuple[float, str] | None = None
    _asked: float = float("-inf")
    _going: str = ""
    _known: dict[str, tuple[int, object]] = field(default_factory=dict)

    @contextmanager
    def reading(self) -> Iterator[History]:
        """Hold the history as it is now; nobody extends it meanwhile.

        Raises:
            LedgerError: the ledger can't be read.
        """
        with self._lock:
            self._refresh()
            yield self._history

    def known(self, name: str, made: Callable[[History], Told]) -> Told:
        """Return what `made` makes of the history, worked out once per state of it.

        Raises:
            LedgerError: the ledger can't be read.
        """
        with self.reading() as history:
            at, told = self._known.get(name, (-1, None))
            if at != history.sequence:
                told = made(history)
                self._known[name] = (history.sequence, told)
            return cast("Told", told)

    def going(self) -> str:
        """Say who is running the study; '' if nobody is.

        Raises:
            LedgerError: the server can't be asked.
        """
        now = time.monotonic()
        if not self.place.store.plan.url or now - self._asked > ASK_S:
            self._going, self._asked = self.place.store.going(), now
        return self._going

    def version(self) -> str:
        """Return a text that changes whenever a page of the study would."""
        try:
            with self.reading() as history:
                sizes = [_size(self.log(run)) for run in under_way(history)]
                return f"{id(history)}.{history.sequence}.{self.going()}.{sizes}"
        except LedgerError as error:
            return f"unreadable: {error}"

    def log(self, run: Run) -> Path:
        """Return where the output of a run is."""
        return run_folder(self.place.folder, run.key) / "stdout.log"

    def _refresh(self) -> None:
        """Take in what the ledger has got since."""
        signature, settled = self._state()
        if signature == self._signature:
            return
        known = self._history.sequence
        with closing(self.place.store.open()) as ledger:
            # With the last entry that is known: another one in its place is of another ledger.
            entries = ledger.read(max(known - 1, 0))
            if known and [_mark(entry) for entry in entries[:1]] != [self._last]:
                self._history, self._known, known = History(), {}, 0
                entries = ledger.read()
        self._history.extend(entries[1:] if known else entries)
        self._last = _mark(entries[-1]) if entries else None
        self._signature = signature if settled else ()

    def _state(self) -> tuple[tuple[object, ...], bool]:
        """What tells whether the ledger has changed; whether its file rests."""
        if self.place.store.plan.url:
            return (time.monotonic() // ASK_S,), True
        path = self.place.store.path
        told: list[object] = []
        newest = 0.0
        for file in (path, path.with_name(path.name + "-wal")):
            try:
                found = file.stat()
            except OSError:
                told.append(None)
                continue
            told += [found.st_ino, found.st_mtime_ns, found.st_size]
            newest = max(newest, found.st_mtime)
        return tuple(told), abs(time.time() - newest) > SETTLED_S


class Shelf:
    """All studies in a folder, or the one that is named."""

    def __init__(self, given: Path) -> None:
        """Look for studies.

        Raises:
            StudyError: `given` is no folder and no study.
        """
        self._given = given
        self._studies: dict[str, Watched] = {}
        self._lock = threading.Lock()
        self._searched = float("-inf")
        self.single = self._single()
        """The one study that was named; None: a folder of studies was."""

    def studies(self) -> list[Watched]:
        """Return the studies, by their folders' names."""
        with self._lock:
            if self.single is None and time.monotonic() - self._searched > SEARCH_S:
                self._search()
            return list(self._studies.values())

    def study(self, key: str) -> Watched | None:
        """Return the study that an address names; None if there is none."""
        return next((study for study in self.studies() if study.key == key), None)

    def version(self) -> str:
        """Return a text that changes whenever the list of studies would."""
        told = " ".join(f"{study.key} {study.version()}" for study in self.studies())
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def _single(self) -> Watched | None:
        if self._given.is_dir() and not begun(self._given) and not (self._given / FILE).is_file():
            return None
        if not self._given.exists():
            raise StudyError(f"{self._given} does not exist: name a folder of studies, or a study")
        try:
            place = to_read(self._given)
        except TrialwrightError:
            if self._given.is_dir():
                return None  # of a study file that was not run yet: its results may appear
            raise
        study = Watched(key_of(place.folder, place.folder.parent), place)
        self._studies = {study.key: study}
        return study

    def _search(self) -> None:
        """Find new studies, and forget those that are gone."""
        found = {}
        for folder in _folders(self._given):
            key = key_of(folder, self._given)
            known = self._studies.get(key)
            try:
                found[key] = known or Watched(key, Place(folder / FILE, folder, store_in(folder)))
            except LedgerError:
                continue  # a note that is torn, or just being written
        self._studies = found
        self._searched = time.monotonic()


def under_way(history: History) -> list[Run]:
    """Return the runs that were started and have not ended."""
    return [
        run
        for trial in history.pending()
        for run in trial.every.values()
        if run.observation is None
    ]


def key_of(folder: Path, root: Path) -> str:
    """Return the name of a study in addresses: its folder's, and what tells it from others.

    >>> key_of(Path("runs/a b"), Path("runs")).startswith("a-b-")
    True
    """
    relative = folder.absolute().relative_to(root.absolute()).as_posix()
    digest = hashlib.sha256(relative.encode("utf-8", "surrogateescape")).hexdigest()[:6]
    return f"{re.sub(r'[^A-Za-z0-9_-]+', '-', folder.name)[:40]}-{digest}"


def _folders(root: Path) -> list[Path]:
    """The folders of studies below `root`; what lies within a study is not looked into."""
    found: list[Path] = []
    level, looked = [root], 0
    for _ in range(DEPTH + 1):
        below: list[Path] = []
        for folder in level:
            looked += 1
            if begun(folder):
                found.append(folder)
            elif looked < FOLDERS:
                below += _inner(folder)
        level = below
    return sorted(found, key=lambda path: path.as_posix())[:MOST]


def _inner(folder: Path) -> list[Path]:
    try:
        return [
            path
            for path in folder.iterdir()
            if path.is_dir() and not path.is_symlink() and not path.name.startswith(".")
        ]
    except OSError:
        return []


def _mark(entry: Entry) -> tuple[float, str]:
    """What tells an entry from one that has its place in another ledger."""
    return entry.at, entry.record.kind


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
