"""The append-only record of a study: `append` and `read`, and nothing else.

A ledger is a sequence of typed records. Appending names the sequence that the writer has read up
to; if somebody else appended first it fails, so two writers can't fork a study. Other stores (a
server) implement the same two calls.
"""

from __future__ import annotations

import gc
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from trialwright.errors import LedgerError, StaleSequence
from trialwright.records import RECORD, SCHEMA, Entry, Record

APPLICATION = 0x54574C47
"""Marks a SQLite file as a ledger ("TWLG"), in its header."""

BUSY_S = 30.0
"""Seconds that another process which has the file open may keep it busy."""

_CREATE = """
CREATE TABLE record (
  sequence INTEGER PRIMARY KEY,
  at REAL NOT NULL,
  kind TEXT NOT NULL,
  body TEXT NOT NULL
) STRICT
"""


class Ledger(Protocol):
    """An append-only sequence of records."""

    def append(
        self, records: Sequence[Record], expected_sequence: int, *, at: float | None = None
    ) -> list[Entry]:
        """Add `records` behind `expected_sequence`, all or none, and return them in place.

        `at` is their time in seconds since the epoch; None: now.

        Raises:
            StaleSequence: the ledger has grown past `expected_sequence`.
            LedgerError: the records can't be written.
        """
        ...

    def read(self, after_sequence: int = 0) -> list[Entry]:
        """Return every entry behind `after_sequence`, in order.

        Raises:
            LedgerError: an entry can't be read.
        """
        ...

    def sync(self) -> None:
        """Make what was appended survive a power cut; without it, it survives the process.

        Raises:
            LedgerError: the store can't be written.
        """
        ...

    def close(self) -> None:
        """Let go of the store; the ledger is not used afterwards."""
        ...


class SqliteLedger:
    """A ledger in one SQLite file, safe for several processes on one machine.

    Write-ahead log. `sync` is a call of its own so that a study can start the next run first: what
    is on its way to the disk meanwhile survives a kill, and a power cut would end the run, too.

    Raises:
        LedgerError: the file is torn, is no ledger, or is of a newer version.
    """

    def __init__(
        self, path: Path, *, clock: Callable[[], float] = time.time, create: bool = True
    ) -> None:
        self.path = path
        self._clock = clock
        self._unsynced = False
        self._version = SCHEMA
        if not create and not path.exists():
            raise LedgerError(f"{path} does not exist: has the study been run?")
        # One writer thread at a time is the study's promise; the runner's thread never writes.
        with _explained(path):
            self._connection = sqlite3.connect(
                path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
            )
        try:
            with _explained(path):
                self._prepare()
        except LedgerError:
            self._connection.close()
            raise

    def append(
        self, records: Sequence[Record], expected_sequence: int, *, at: float | None = None
    ) -> list[Entry]:
        """Add `records` behind `expected_sequence`, all or none; see `Ledger.append`."""
        at = self._clock() if at is None else at
        entries = [
            Entry(sequence, at, record)
            for sequence, record in enumerate(records, start=expected_sequence + 1)
        ]
        rows = [
            (
                entry.sequence,
                entry.at,
                entry.record.kind,
                written(entry.record, self.path),
            )
            for entry in entries
        ]
        with _explained(self.path), self._transaction():
            found = self._last()
            if found != expected_sequence:
                raise StaleSequence(
                    f"{self.path} is at {found}, not {expected_sequence}: read it again"
                )
            self._connection.executemany("INSERT INTO record VALUES (?, ?, ?, ?)", rows)
            if self._version < SCHEMA:
                # From here on an older version would come across what it does not know.
                self._connection.execute(f"PRAGMA user_version = {SCHEMA}")
                self._version = SCHEMA
        self._unsynced = True
        return entries

    def read(self, after_sequence: int = 0) -> list[Entry]:
        """Return every entry behind `after_sequence`; see `Ledger.read`."""
        with _explained(self.path):
            rows = self._connection.execute(
                "SELECT sequence, at, body FROM record WHERE sequence > ? ORDER BY sequence",
                (after_sequence,),
            ).fetchall()
        with no_collection():
            return [entry_of(*row, place=self.path) for row in rows]

    def sync(self) -> None:
        """Force what was appended to the disk; see `Ledger.sync`."""
        if not self._unsynced:
            return
        log = self.path.with_name(self.path.name + "-wal")
        try:
            descriptor = os.open(log, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise LedgerError(f"{log} can't be written ({error}): is the disk full?") from None
        self._unsynced = False

    def close(self) -> None:
        """Close the file; the write-ahead log is folded in."""
        with suppress(LedgerError):
            self.sync()
        self._connection.close()

    def _last(self) -> int:
        row = self._connection.execute("SELECT max(sequence) FROM record").fetchone()
        return row[0] or 0

    def _prepare(self) -> None:
        # In this order: whoever makes the table meanwhile marks the file in the same transaction.
        empty = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        application = self._pragma("application_id")
        if application != APPLICATION and not empty:
            raise LedgerError(
                f"{self.path} is a database of something else, not a ledger: name"
                " another folder for the study"
            )
        if application == APPLICATION:
            self._version = self._checked_version()
        # Order matters: the journal mode can't change within a transaction.
        self._write_ahead()
        # Commits are ordered, not forced to the disk: that is `sync`'s.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        if empty:
            with self._transaction():
                if self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    return
                self._connection.execute(_CREATE)
                self._connection.execute(f"PRAGMA application_id = {APPLICATION}")
                self._connection.execute(f"PRAGMA user_version = {SCHEMA}")

    def _write_ahead(self) -> None:
        """Switch to the write-ahead log. For this SQLite waits for nobody who opens it as well."""
        deadline = time.monotonic() + BUSY_S
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return

    def _checked_version(self) -> int:
        version = self._pragma("user_version")
        if version > SCHEMA:
            raise LedgerError(
                f"{self.path} was written by a newer Trialwright (format {version};"
                f" this one reads up to {SCHEMA}): upgrade Trialwright"
            )
        return version

    def _pragma(self, name: str) -> int:
        value = self._connection.execute(f"PRAGMA {name}").fetchone()[0]
        assert isinstance(value, int)
        return value

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            # Where the disk is full, SQLite may have rolled back by itself.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise


def written(record: Record, place: object) -> str:
    """Return a record as JSON for the ledger at `place`.

    Raises:
        LedgerError: JSON can't hold it.
    """
    try:
        return RECORD.dump_json(record, ensure_ascii=False).decode()
    except PydanticSerializationError as error:
        raise LedgerError(
            f"{place}: a record of kind {record.kind} can't be written: {error}"
        ) from None


def entry_of(sequence: int, at: float, body: str, *, place: object) -> Entry:
    """Return the entry that the ledger at `place` holds as JSON.

    Raises:
        LedgerError: it is no record.
    """
    try:
        return Entry(sequence, at, RECORD.validate_json(body))
    except ValidationError as error:
        fault = error.errors()[0]
        raise LedgerError(
            f"{place}: record {sequence} can't be read ({fault['msg']} at"
            f" {'.'.join(map(str, fault['loc']))}): restore it from a copy"
        ) from None


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what SQLite says into what the user can do about it."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise LedgerError(
            f"{path} can't be used ({error}): is the disk full, the folder read-only,"
            " or on a network file system?"
        ) from None
    except sqlite3.DatabaseError as error:
        raise LedgerError(
            f"{path} is not a ledger, or is torn ({error}): restore it from a copy,"
            " or name another folder for the study"
        ) from None


@contextmanager
def no_collection() -> Iterator[None]:
    """Switch the garbage collector off: 80,000 live records make it walk in vain (1.2 s of 2)."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
