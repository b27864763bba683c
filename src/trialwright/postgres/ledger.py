"""The ledger of one study among many in a PostgreSQL database."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

from psycopg.errors import UniqueViolation

from trialwright.errors import LeaseLost, LedgerError, StaleSequence
from trialwright.ledger import entry_of, no_collection, written
from trialwright.postgres.lease import Lease
from trialwright.postgres.server import Connection, Server
from trialwright.postgres.tables import study_row
from trialwright.records import SCHEMA, Entry, Record

_APPEND = """
{held}
INSERT INTO trialwright.record (study, sequence, at, kind, body, batch)
SELECT %(study)s, %(expected)s + n, %(at)s, kind, body::json, %(batch)s
FROM {source} unnest(%(kinds)s::text[], %(bodies)s::text[]) WITH ORDINALITY AS new (kind, body, n)
WHERE %(expected)s = (
  SELECT coalesce(max(sequence), 0) FROM trialwright.record WHERE study = %(study)s
)
"""
_DOOR = _APPEND.format(held="", source="")
# The row's lock makes a takeover wait for the append, and an append see a takeover.
_COORDINATOR = _APPEND.format(
    held="""WITH held AS MATERIALIZED (
  SELECT id FROM trialwright.study WHERE id = %(study)s AND token = %(token)s FOR SHARE
)""",
    source="held,",
)

_FOUND = """
SELECT
  (SELECT coalesce(max(sequence), 0) FROM trialwright.record WHERE study = %(study)s),
  EXISTS (
    SELECT 1 FROM trialwright.record
    WHERE study = %(study)s AND sequence = %(expected)s + 1 AND batch = %(batch)s
  ),
  (SELECT token FROM trialwright.study WHERE id = %(study)s)
"""

_READ = """
SELECT sequence, at, body::text FROM trialwright.record
WHERE study = %s AND sequence > %s ORDER BY sequence
"""


class PostgresLedger:
    """A study's ledger on a server, safe for several processes on several machines.

    With a `lease`, every `append` is a coordinator's, and is refused once another has the lease;
    without, it is a door's. For one thread at a time.

    Raises:
        LedgerError: the server can't be used, holds something else, or is of a newer version.
    """

    def __init__(
        self,
        url: str,
        study: str,
        *,
        lease: Lease | None = None,
        clock: Callable[[], float] = time.time,
        create: bool = True,
    ) -> None:
        self._clock = clock
        self._lease = lease
        self._server = Server(url)
        try:
            row = study_row(self._server, study, create=create)
        except BaseException:
            self._server.close()
            raise
        self._study, self._version = row.id, row.version
        self.name = f"the study {study!r} at {self._server.name}"
        """What it is, as it may be printed."""

    def append(
        self, records: Sequence[Record], expected_sequence: int, *, at: float | None = None
    ) -> list[Entry]:
        """Add `records` behind `expected_sequence`, all or none; see `Ledger.append`.

        Raises:
            LeaseLost: another coordinator took the study over.
        """
        at = self._clock() if at is None else at
        values = {
            "study": self._study,
            "expected": expected_sequence,
            "at": at,
            "kinds": [record.kind for record in records],
            "bodies": [written(record, self.name) for record in records],
            # By this a batch is known again whose connection was lost before its answer.
            "batch": uuid4(),
            "token": self._lease.token if self._lease else None,
        }
        self._server.do(lambda connection: self._append(connection, values))
        return [
            Entry(sequence, at, record)
            for sequence, record in enumerate(records, start=expected_sequence + 1)
        ]

    def read(self, after_sequence: int = 0) -> list[Entry]:
        """Return every entry behind `after_sequence`; see `Ledger.read`.

        Raises:
            LeaseLost: another coordinator took the study over.
        """
        if self._lease is not None and self._lease.lost:
            raise self._taken_over()
        rows = self._server.do(
            lambda connection: connection.execute(_READ, (self._study, after_sequence)).fetchall()
        )
        with no_collection():
            return [entry_of(*row, place=self.name) for row in rows]

    def sync(self) -> None:
        """Do nothing: the server has it on its disk before `append` returns."""

    def close(self) -> None:
        """Let go of the connection."""
        self._server.close()

    def _append(self, connection: Connection, values: dict[str, Any]) -> None:
        """Add a batch unless it is there already; safe to do again after a lost connection."""
        if self._version < SCHEMA:
            # From here on an older version would come across what it does not know.
            connection.execute(
                "UPDATE trialwright.study SET version = greatest(version, %s) WHERE id = %s",
                (SCHEMA, self._study),
            )
            self._version = SCHEMA
        try:
            if connection.execute(_COORDINATOR if self._lease else _DOOR, values).rowcount:
                return
        except UniqueViolation:
            pass  # somebody else was first, or we were, unheard
        found = connection.execute(_FOUND, values).fetchone()
        assert found is not None
        last, mine, token = found
        if mine:
            return
        if token is None:
            raise LedgerError(f"{self.name} was deleted")
        if self._lease is not None and token != self._lease.token:
            raise self._taken_over()
        if last != values["expected"] or values["kinds"]:
            raise StaleSequence(
                f"{self.name} is at {last}, not {values['expected']}: read it again"
            )

    def _taken_over(self) -> LeaseLost:
        return LeaseLost(
            f"another coordinator took over {self.name}, since this one was silent for too long:"
            " this one has stopped, with its runs; nothing it found out before is lost"
        )
