"""The ledger on a server: the promises of every ledger, lost connections, foreign databases."""

from __future__ import annotations

import math

import psycopg
import pytest

from tests.ledger_conformance import LedgerConformance
from tests.ledger_records import RECORDS, SINCE_2, SINCE_3, SINCE_4
from tests.postgres.proxy import Moment, Proxy
from tests.postgres.server import PASSWORD, PostgresServer
from trialwright.errors import LedgerError, StaleSequence
from trialwright.history import History
from trialwright.ledger import Ledger
from trialwright.postgres.ledger import PostgresLedger
from trialwright.postgres.tables import LAYOUT, NoStudy
from trialwright.records import SCHEMA, Notice

ALL = (*RECORDS, *SINCE_2, *SINCE_3, *SINCE_4)


class TestPostgresLedger(LedgerConformance):
    """PostgreSQL keeps what every ledger promises."""

    opening = (
        "from trialwright.postgres.ledger import PostgresLedger\n"
        "def open_ledger(place): return PostgresLedger(place, 'study')"
    )

    def open(self, place: str) -> Ledger:
        """Open the study in the database."""
        return PostgresLedger(place, "study")

    @pytest.fixture
    def place(self, database: str) -> str:
        """A fresh database."""
        return database


def refused(url: str, study: str = "study", *, create: bool = True) -> str:
    """What opening a ledger is refused with: one line, without the password."""
    with pytest.raises(LedgerError) as caught:
        PostgresLedger(url, study, create=create)
    said = str(caught.value)
    assert "\n" not in said
    assert PASSWORD not in said
    return said


def name_of(url: str) -> str:
    """The database's name."""
    return url.rpartition("/")[2]


def filled(url: str, study: str = "study") -> None:
    """Put some records into a study."""
    ledger = PostgresLedger(url, study)
    ledger.append(ALL, 0, at=5.0)
    ledger.close()


def test_every_kind_of_record_comes_back_as_it_was(database: str) -> None:
    """Of every version; with text that databases don't like, and numbers that JSON has none for."""
    odd = Notice(level="info", topic="odd", text="a\0b \u00e9 \U0001f600 'quoted' \\u0000")
    ledger = PostgresLedger(database, "study")
    ledger.append([*ALL, odd], 0, at=math.pi)
    entries = ledger.read()
    ledger.close()
    assert [entry.record for entry in entries] == [*ALL, odd]
    assert {entry.at for entry in entries} == {math.pi}


def test_studies_of_one_database_do_not_see_each_other(database: str) -> None:
    """Each has its own sequence."""
    one, two = PostgresLedger(database, "one"), PostgresLedger(database, "two")
    one.append(RECORDS[:3], 0)
    two.append(RECORDS[:1], 0)
    assert len(one.read()) == 3
    assert [entry.sequence for entry in two.read()] == [1]
    with pytest.raises(StaleSequence):
        two.append(RECORDS[:1], 3)
    one.close()
    two.close()


def test_reading_what_is_not_there_makes_nothing(server: PostgresServer, database: str) -> None:
    """Neither tables in an empty database, nor a study among others."""
    with pytest.raises(NoStudy, match=r"no study 'study' at .*has it been run"):
        PostgresLedger(database, "study", create=False)
    there = "SELECT count(*) FROM pg_namespace WHERE nspname = 'trialwright'"
    assert server.sql(there, name_of(database)) == "0"
    filled(database, "other")
    with pytest.raises(NoStudy):
        PostgresLedger(database, "study", create=False)
    assert server.sql("SELECT name FROM trialwright.study", name_of(database)) == "other"


@pytest.mark.parametrize("moment", ["asked", "answered"])
def test_a_connection_that_is_lost_in_an_append_neither_loses_nor_repeats(
    server: PostgresServer, database: str, moment: Moment
) -> None:
    """Cut before the server sees the batch it is sent again; cut after, it is known again."""
    wire = Proxy(server.port)
    ledger = PostgresLedger(database.replace(f":{server.port}/", f":{wire.port}/"), "study")
    ledger.append(RECORDS[:2], 0)
    wire.cut(b"INSERT INTO trialwright.record", moment)
    assert [entry.sequence for entry in ledger.append(RECORDS[2:5], 2)] == [3, 4, 5]
    assert wire.cuts == 1
    assert [entry.record for entry in ledger.read()] == list(RECORDS[:5])
    ledger.append(RECORDS[5:6], 5)
    ledger.close()
    wire.close()
    direct = PostgresLedger(database, "study", create=False)
    assert [entry.record for entry in direct.read()] == list(RECORDS[:6])
    direct.close()


def test_a_batch_that_another_writer_was_ahead_of_is_stale_also_after_a_cut(
    server: PostgresServer, database: str
) -> None:
    """What was lost unseen is not taken for what somebody else wrote meanwhile."""
    wire = Proxy(server.port)
    ledger = PostgresLedger(database.replace(f":{server.port}/", f":{wire.port}/"), "study")
    other = PostgresLedger(database, "study")
    other.append(RECORDS[:1], 0)
    wire.cut(b"INSERT INTO trialwright.record", "answered")
    with pytest.raises(StaleSequence):
        ledger.append(RECORDS[:1], 0)
    assert wire.cuts == 1
    assert len(other.read()) == 1
    for one in (ledger, other, wire):
        one.close()


def test_a_server_that_crashes_and_comes_back_has_everything(
    server: PostgresServer, database: str
) -> None:
    """What `append` returned is there, and the same ledger goes on."""
    ledger = PostgresLedger(database, "study")
    for number, record in enumerate(RECORDS[:4]):
        ledger.append([record], number)
        server.restart()
    assert [entry.record for entry in ledger.read()] == list(RECORDS[:4])
    server.restart()
    ledger.append(RECORDS[4:5], 4)
    assert len(ledger.read(3)) == 2
    ledger.close()


def test_a_server_told_not_to_wait_for_its_disk_is_told_to(
    server: PostgresServer, database: str
) -> None:
    """Else what `append` returned could be lost in a crash."""
    name = name_of(database)
    server.sql(f"ALTER DATABASE {name} SET synchronous_commit = off")
    with psycopg.connect(database) as plain:
        assert plain.execute("SHOW synchronous_commit").fetchone() == ("off",)
    ledger = PostgresLedger(database, "study")
    shown = ledger._server.do(lambda c: c.execute("SHOW synchronous_commit").fetchone())
    ledger.close()
    assert shown == ("on",)


def test_records_of_a_newer_version_say_upgrade(server: PostgresServer, database: str) -> None:
    """An older reader could misread them; other studies of the database are not concerned."""
    filled(database)
    server.sql(f"UPDATE trialwright.study SET version = {SCHEMA + 1}", name_of(database))
    assert "upgrade Trialwright" in refused(database)
    filled(database, "other")


def test_tables_of_a_newer_version_say_upgrade(server: PostgresServer, database: str) -> None:
    """Whatever the study."""
    filled(database)
    server.sql(f"UPDATE trialwright.about SET layout = {LAYOUT + 1}", name_of(database))
    assert "upgrade Trialwright" in refused(database, create=False)


def test_an_old_study_says_so_once_it_is_written_to(server: PostgresServer, database: str) -> None:
    """Reading leaves its version alone; what is appended an older program could not read."""
    version = "SELECT version FROM trialwright.study"
    filled(database)
    server.sql("UPDATE trialwright.study SET version = 1", name_of(database))
    ledger = PostgresLedger(database, "study")
    ledger.read()
    assert server.sql(version, name_of(database)) == "1"
    ledger.append(SINCE_2, len(ALL))
    ledger.close()
    assert server.sql(version, name_of(database)) == str(SCHEMA)


@pytest.mark.parametrize(
    "there",
    [
        "CREATE SCHEMA trialwright",
        "CREATE SCHEMA trialwright; CREATE TABLE trialwright.people (name text)",
        "CREATE SCHEMA trialwright; CREATE TABLE trialwright.about (marker text, layout integer)",
    ],
)
def test_a_schema_of_something_else_is_left_alone(
    server: PostgresServer, database: str, there: str
) -> None:
    """Nothing is added to it."""
    tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'trialwright'::regnamespace"
    server.sql(there, name_of(database))
    before = server.sql(tables, name_of(database))
    assert "something else's" in refused(database)
    assert server.sql(tables, name_of(database)) == before


def test_a_wrong_password_is_one_clear_error(server: PostgresServer, database: str) -> None:
    """It says where passwords come from, and prints none; with the right one it goes on."""
    guarded = server.url(name_of(database), user="guarded")
    for password in ("", f":{PASSWORD}x", ":x"):
        said = refused(guarded.replace("guarded@", f"guarded{password}@"))
        assert "PGPASSWORD" in said
        assert f"guarded@127.0.0.1:{server.port}" in said
    # Let in, it may not make tables here: another error.
    assert "permission denied" in refused(guarded.replace("guarded@", f"guarded:{PASSWORD}@"))


def test_a_password_from_the_environment_is_taken(
    server: PostgresServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As every program of PostgreSQL does."""
    server.sql(f"GRANT CREATE ON DATABASE {name_of(database)} TO guarded")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    filled(server.url(name_of(database), user="guarded"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("127.0.0.1:", "127.0.0.1:1"), "can't be"),
        (("/db", "/none"), "createdb"),
        (("postgres@", "nobody@"), "can't be used"),
        (("127.0.0.1", "no-such-host.invalid"), "the host's name"),
        (("postgresql://", "mysql://"), "can't be read: write postgresql://"),
        (("postgres@", f"postgres:{PASSWORD}@[::"), "can't be read: write postgresql://"),
        (("/db", f"/db?sesame={PASSWORD}&db"), "can't be read: write postgresql://"),
    ],
)
def test_a_wrong_url_is_one_clear_error(database: str, change: tuple[str, str], words: str) -> None:
    """No server, no database, no user, no host, no URL: each says what to do, none the password."""
    assert words in refused(database.replace(*change))


def test_a_server_that_is_down_is_one_clear_error(server: PostgresServer, database: str) -> None:
    """At once where it was never up; else once it has been away for long enough."""
    ledger = PostgresLedger(database, "study")
    ledger.append(RECORDS[:1], 0)
    ledger._server._patience_s = 0.5
    server.stop()
    try:
        assert "is the server running" in refused(database)
        with pytest.raises(LedgerError, match="is the server running"):
            ledger.append(RECORDS[1:2], 1)
    finally:
        server.start()
    assert len(ledger.append(RECORDS[1:2], 1)) == 1
    ledger.close()


def test_who_may_only_read_reads(server: PostgresServer, database: str) -> None:
    """And is told what is missing for more."""
    filled(database)
    name = name_of(database)
    reader = server.url(name, user="reader")
    assert "permission denied" in refused(reader, create=False)
    server.sql("GRANT USAGE ON SCHEMA trialwright TO reader", name)
    server.sql("GRANT SELECT ON ALL TABLES IN SCHEMA trialwright TO reader", name)
    ledger = PostgresLedger(reader, "study", create=False)
    assert len(ledger.read()) == len(ALL)
    with pytest.raises(LedgerError, match=r"permission denied.*docs/postgres\.md"):
        ledger.append(RECORDS[:1], len(ALL))
    ledger.close()


def test_a_record_that_does_not_validate_is_named(server: PostgresServer, database: str) -> None:
    """Which record, of which study, and what to do."""
    filled(database)
    bad = 'UPDATE trialwright.record SET body = \'{"kind": "note"}\' WHERE sequence = 5'
    server.sql(bad, name_of(database))
    ledger = PostgresLedger(database, "study")
    with pytest.raises(LedgerError, match=r"the study 'study' at .*: record 5 can't be read"):
        ledger.read()
    ledger.close()


def test_a_missing_record_is_a_gap(server: PostgresServer, database: str) -> None:
    """A history is not folded over a hole."""
    filled(database)
    server.sql("DELETE FROM trialwright.record WHERE sequence = 4", name_of(database))
    ledger = PostgresLedger(database, "study")
    with pytest.raises(LedgerError, match="entry 5 follows 3"):
        History(ledger.read())
    ledger.close()


def test_a_study_that_was_deleted_takes_no_more(server: PostgresServer, database: str) -> None:
    """Nor does it come back half, or as another one's."""
    filled(database)
    ledger = PostgresLedger(database, "study")
    server.sql("DELETE FROM trialwright.study", name_of(database))
    for expected in (0, len(ALL)):
        with pytest.raises(LedgerError, match="deleted"):
            ledger.append(RECORDS[:1], expected)
    assert ledger.read() == []
    ledger.close()
    assert server.sql("SELECT count(*) FROM trialwright.record", name_of(database)) == "0"
