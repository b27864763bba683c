"""The tables of all studies of one database: made where they are missing, checked where not.

A schema of their own, `trialwright`, keeps them apart from whatever else the database holds. Its
table `about` marks it as ours and says how the others are laid out. Each study has the version of
its records, as a SQLite ledger has.
"""

from __future__ import annotations

from dataclasses import dataclass

from trialwright.errors import LedgerError
from trialwright.postgres.server import Connection, Server
from trialwright.records import SCHEMA

MARKER = "Trialwright's ledgers"
LAYOUT = 1
"""Version of the tables, not of the records in them: raised when older programs can't use them."""

_LOCK = 0x54574C47
"""For making the tables: one program at a time."""

_CREATE = f"""
CREATE SCHEMA trialwright;
CREATE TABLE trialwright.about (marker text NOT NULL, layout integer NOT NULL);
INSERT INTO trialwright.about VALUES ('{MARKER.replace("'", "''")}', {LAYOUT});
CREATE TABLE trialwright.study (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE,
  version integer NOT NULL,
  token bigint NOT NULL DEFAULT 0,
  holder text,
  owner uuid,
  step boolean NOT NULL DEFAULT false,
  expires timestamptz
);
CREATE TABLE trialwright.record (
  study integer NOT NULL REFERENCES trialwright.study ON DELETE CASCADE,
  sequence bigint NOT NULL CHECK (sequence > 0),
  at double precision NOT NULL,
  kind text NOT NULL,
  body json NOT NULL,
  batch uuid NOT NULL,
  PRIMARY KEY (study, sequence)
);
"""  # noqa: S608  # constants of ours
# Not `jsonb`: that refuses a NUL in a text, and would not give numbers back as they were.


class NoStudy(LedgerError):
    """The database holds no study of this name."""


@dataclass(frozen=True, slots=True)
class Row:
    """A study's row."""

    id: int
    version: int
    """Of the records that it holds."""


def study_row(server: Server, study: str, *, create: bool) -> Row:
    """Return the row of a study, making it and the tables with `create`.

    Raises:
        NoStudy: it is not there.
        LedgerError: the tables are something else's, or of a newer version.
    """

    def look(connection: Connection) -> Row | None:
        if not _tables(connection, server.name, create=create):
            return None
        row = _find(connection, study)
        if row is None and create:
            connection.execute(
                "INSERT INTO trialwright.study (name, version) VALUES (%s, %s)"
                " ON CONFLICT (name) DO NOTHING",
                (study, SCHEMA),
            )
            row = _find(connection, study)
        return row

    row = server.do(look)
    if row is None:
        raise NoStudy(f"there is no study {study!r} at {server.name}: has it been run?")
    if row.version > SCHEMA:
        raise LedgerError(
            f"the study {study!r} at {server.name} was written by a newer Trialwright (format"
            f" {row.version}; this one reads up to {SCHEMA}): upgrade Trialwright"
        )
    return row


def _find(connection: Connection, study: str) -> Row | None:
    found = connection.execute(
        "SELECT id, version FROM trialwright.study WHERE name = %s", (study,)
    ).fetchone()
    return None if found is None else Row(*found)


def _tables(connection: Connection, place: str, *, create: bool) -> bool:
    """Say whether the tables are there, by now; hold them to their marker and layout."""
    if not _there(connection):
        if not create:
            return False
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            if not _there(connection):
                connection.execute(_CREATE)
    if not _there(connection, "about"):
        raise LedgerError(
            f"the schema `trialwright` at {place} is something else's: name another database"
        )
    about = connection.execute("SELECT marker, layout FROM trialwright.about").fetchone()
    if about is None or about[0] != MARKER:
        raise LedgerError(
            f"the schema `trialwright` at {place} is something else's: name another database"
        )
    if about[1] > LAYOUT:
        raise LedgerError(
            f"the tables at {place} were made by a newer Trialwright (layout {about[1]}; this one"
            f" knows {LAYOUT}): upgrade Trialwright"
        )
    return True


def _there(connection: Connection, table: str | None = None) -> bool:
    """Whether the schema, or a table of it, is there; rights to use it are not needed."""
    found = connection.execute(
        "SELECT 1 FROM pg_namespace n LEFT JOIN pg_class c ON c.relnamespace = n.oid"
        " WHERE n.nspname = 'trialwright' AND (%(table)s::text IS NULL OR c.relname = %(table)s)",
        {"table": table},
    ).fetchone()
    return found is not None
