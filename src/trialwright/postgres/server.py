"""A connection to a PostgreSQL server: made again when it is lost, its errors in plain words.

It knows nothing of studies. No message holds a password, wherever libpq found it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from trialwright.errors import LedgerError

Connection = psycopg.Connection[tuple[Any, ...]]

PATIENCE_S = 120.0
"""Seconds that a server may be away, restarting, before this is an error."""

PAUSE_S = 0.2

_USUAL = {
    "connect_timeout": "10",
    "application_name": "trialwright",
    "client_encoding": "UTF8",
    # A machine that is gone without a word is noticed within half a minute.
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}

_PASSING = ("08", "40", "57P01", "57P02", "57P03", "53300")
"""SQLSTATEs after which the same may work: connection lost, conflicts, restarts, too many."""

_SECRETLY = (
    "give the password in PGPASSWORD or ~/.pgpass, or put the whole URL into a variable and write"
    " `ledger: $NAME`"
)
_REMEDIES = (
    ("password authentication failed", _SECRETLY),
    ("no password supplied", _SECRETLY),
    ('database "', "make it on the server, with `createdb`, or correct the URL"),
    ('role "', "make it on the server, with `createuser`, or correct the URL"),
    ("pg_hba.conf", "the server does not let this user in from here: ask whoever runs it"),
    ("could not translate host name", "is the host's name right?"),
    ("failed to resolve host", "is the host's name right?"),
)
"""What stands in a refused connection's message, and what to do."""

T = TypeVar("T")


class Server:
    """One connection, for one thread.

    Raises:
        LedgerError: the URL is none, or the server can't be reached or refuses.
    """

    def __init__(self, url: str, *, patience_s: float = PATIENCE_S) -> None:
        try:
            given = conninfo_to_dict(url)
        except psycopg.Error:
            # What libpq says of it may quote it, and there may be a password in it.
            raise LedgerError(
                "the ledger's URL can't be read: write postgresql://USER@HOST:PORT/DATABASE"
            ) from None
        self._password = str(given.get("password") or "")
        self.name = _shown(given)
        """The database, as it may be printed."""
        self._conninfo = make_conninfo("", **{**_USUAL, **given})
        self._patience_s = patience_s
        self._closing = threading.Event()
        try:
            self._connection: Connection | None = self._connected()
        except psycopg.Error as error:
            raise self._explained(error, connecting=True) from None

    def do(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` returns; after a lost connection it is done again on a new one.

        So `work` is safe to do twice, also where its first time went through unheard.

        Raises:
            LedgerError: the server refuses, or stays away for longer than the patience with it.
        """
        deadline: float | None = None
        while True:
            connecting = self._connection is None
            try:
                if self._connection is None:
                    self._connection = self._connected()
                connecting = False
                return work(self._connection)
            except psycopg.Error as error:
                if not (connecting or self._passing(error)):
                    raise self._explained(error) from None
                deadline = deadline or time.monotonic() + self._patience_s
                if time.monotonic() >= deadline or self._closing.is_set():
                    raise self._explained(error, connecting=connecting) from None
            self._drop()
            self._closing.wait(PAUSE_S)

    def hurry(self) -> None:
        """Have no more patience, from any thread: somebody waits for the end."""
        self._closing.set()

    def close(self) -> None:
        """Let go of the connection."""
        self._closing.set()
        self._drop()

    def _connected(self) -> Connection:
        connection = psycopg.connect(self._conninfo, autocommit=True)
        try:
            # What `append` returned has to survive a crash of the server.
            connection.execute(
                "SELECT set_config('synchronous_commit', 'on', false)"
                " WHERE current_setting('synchronous_commit') = 'off'"
            )
        except BaseException:
            connection.close()
            raise
        return connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _passing(self, error: psycopg.Error) -> bool:
        broken = self._connection is not None and self._connection.broken
        return broken or (error.sqlstate or "").startswith(_PASSING)

    def _explained(self, error: psycopg.Error, *, connecting: bool = False) -> LedgerError:
        """What PostgreSQL says, as what the user can do about it."""
        said = " ".join(str(error).split())
        match error:
            case psycopg.errors.InsufficientPrivilege():
                remedy = "ask the database's owner to grant this user what docs/postgres.md lists"
            case psycopg.errors.ReadOnlySqlTransaction():
                remedy = "is this a standby? name the server that takes writes"
            case psycopg.errors.DiskFull():
                remedy = "the server's disk is full"
            case psycopg.errors.UndefinedTable() | psycopg.errors.UndefinedColumn():
                remedy = "its tables are not whole: restore them from a copy, or drop them"
            case psycopg.errors.UntranslatableCharacter():
                remedy = "the database can't hold every text: make one with `createdb -E UTF8`"
            case psycopg.errors.ForeignKeyViolation():
                remedy = "the study was deleted there"
            case _:
                found = [what for phrase, what in _REMEDIES if connecting and phrase in said]
                remedy = found[0] if found else "is the server running, and reachable from here?"
        if len(self._password) > 3:  # libpq prints none; a short one would blot out other words
            said = said.replace(self._password, "***")
        return LedgerError(f"the ledger at {self.name} can't be used: {said}: {remedy}")


def _shown(given: dict[str, Any]) -> str:
    user = f"{given['user']}@" if given.get("user") else ""
    host = str(given.get("host") or given.get("hostaddr") or "")
    port = f":{given['port']}" if given.get("port") else ""
    return f"postgresql://{user}{host}{port}/{given.get('dbname') or ''}"
