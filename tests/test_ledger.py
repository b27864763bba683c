"""The SQLite ledger: the promises of every ledger, foreign and torn files, and past versions."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import get_args

import pytest

from tests.ledger_conformance import LedgerConformance
from tests.ledger_records import RECORDS, SINCE_2, SINCE_3, SINCE_4, TASK
from trialwright.errors import LedgerError
from trialwright.history import History
from trialwright.ledger import APPLICATION, Ledger, SqliteLedger
from trialwright.records import SCHEMA, Record

FIXTURE = Path(__file__).parent / "fixtures" / "ledger_v1.db"
FIXTURE_2 = FIXTURE.with_name("ledger_v2.db")
FIXTURE_3 = FIXTURE.with_name("ledger_v3.db")
FIXTURE_4 = FIXTURE.with_name("ledger_v4.db")


class TestSqliteLedger(LedgerConformance):
    """SQLite keeps what every ledger promises."""

    opening = (
        "from pathlib import Path\n"
        "from trialwright.ledger import SqliteLedger\n"
        "def open_ledger(place): return SqliteLedger(Path(place))"
    )

    def open(self, place: str) -> Ledger:
        """Open the file."""
        return SqliteLedger(Path(place))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger with all kinds of records, closed."""
    path = tmp_path / "ledger.db"
    ledger = SqliteLedger(path)
    ledger.append(RECORDS, 0)
    ledger.close()
    return path


def refused(path: Path) -> str:
    """What opening and reading `path` is refused with."""
    with pytest.raises(LedgerError) as caught:
        SqliteLedger(path).read()
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_ledger_of_schema_version_1_opens(tmp_path: Path) -> None:
    """The fixture was written once and is read by every later version, record by record."""
    path = tmp_path / "ledger.db"
    shutil.copy(FIXTURE, path)
    ledger = SqliteLedger(path, create=False)
    entries = ledger.read()
    ledger.close()
    assert [entry.record for entry in entries] == list(RECORDS)
    assert [entry.at for entry in entries] == [1_700_000_000.0 + i for i in range(len(RECORDS))]
    history = History(entries)
    assert history.task == TASK
    assert [trial.state for trial in history.trials] == ["running", "failed"]


def test_the_fixture_covers_every_kind_of_record() -> None:
    """A kind that is added without a fixture shows here."""
    known = (*RECORDS, *SINCE_2, *SINCE_3, *SINCE_4)
    assert {type(record) for record in known} == set(get_args(Record))
    assert version_of(FIXTURE) == 1
    assert version_of(FIXTURE_2) == 2
    assert version_of(FIXTURE_3) == 3
    assert version_of(FIXTURE_4) == SCHEMA == 4


def version_of(path: Path) -> int:
    """The user_version, where SQLite keeps it."""
    return int.from_bytes(path.read_bytes()[60:64])


def test_a_ledger_of_schema_version_2_opens(tmp_path: Path) -> None:
    """With what came since: exchanges with models, analyses, offers and notes."""
    path = tmp_path / "ledger.db"
    shutil.copy(FIXTURE_2, path)
    ledger = SqliteLedger(path, create=False)
    entries = ledger.read()
    ledger.close()
    assert [entry.record for entry in entries] == [*RECORDS, *SINCE_2]
    history = History(entries)
    assert history.spent == (1620, 0.0125)
    assert history.analysis is not None


def test_a_ledger_of_schema_version_3_opens(tmp_path: Path) -> None:
    """With what came since: promotions, blocks, instructions, claims and wishes."""
    path = tmp_path / "ledger.db"
    shutil.copy(FIXTURE_3, path)
    ledger = SqliteLedger(path, create=False)
    entries = ledger.read()
    ledger.close()
    assert [entry.record for entry in entries] == [*RECORDS, *SINCE_2, *SINCE_3]
    assert History(entries).trials[0].planned == 4


def test_a_ledger_of_schema_version_4_opens(tmp_path: Path) -> None:
    """With what came since: edits of code."""
    path = tmp_path / "ledger.db"
    shutil.copy(FIXTURE_4, path)
    ledger = SqliteLedger(path, create=False)
    entries = ledger.read()
    ledger.close()
    assert [entry.record for entry in entries] == [*RECORDS, *SINCE_2, *SINCE_3, *SINCE_4]
    history = History(entries)
    assert history.trials[2].tree == "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
    assert history.task.research is not None


def test_an_old_ledger_says_so_once_it_is_written_to(tmp_path: Path) -> None:
    """Reading leaves its version alone; what is appended an older version could not read."""
    path = tmp_path / "ledger.db"
    shutil.copy(FIXTURE, path)
    ledger = SqliteLedger(path, create=False)
    ledger.read()
    ledger.close()
    assert version_of(path) == 1
    ledger = SqliteLedger(path, create=False)
    ledger.append(SINCE_2, len(RECORDS))
    ledger.close()
    assert version_of(path) == SCHEMA


def test_a_text_file_is_not_a_ledger(tmp_path: Path) -> None:
    """Nor is it written to."""
    path = tmp_path / "ledger.db"
    path.write_text("goal: maximize val_f1\n" * 100)
    assert "is not a ledger, or is torn" in refused(path)
    assert path.read_text().startswith("goal")


def test_a_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    """A foreign SQLite file keeps its tables, its header and its journal mode."""
    path = tmp_path / "ledger.db"
    foreign = sqlite3.connect(path)
    foreign.execute("CREATE TABLE people (name TEXT)")
    foreign.commit()
    foreign.close()
    before = path.read_bytes()
    assert "is a database of something else" in refused(path)
    assert path.read_bytes() == before


def test_a_ledger_of_a_newer_version_says_upgrade(path: Path) -> None:
    """An older reader could misread it."""
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    connection.close()
    assert "upgrade Trialwright" in refused(path)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_a_torn_file_is_refused(path: Path, kept: float) -> None:
    """Cut off at any length, it is told from a whole one, and not read in part."""
    size = path.stat().st_size
    os.truncate(path, int(size * kept))
    assert "torn" in refused(path) or "can't be read" in refused(path)


def test_a_file_with_its_middle_overwritten_is_refused(path: Path) -> None:
    """Garbage in a page is an error with the file's name, not a traceback of SQLite's."""
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)
    assert "torn" in refused(path)


def test_a_record_that_does_not_validate_is_named(path: Path) -> None:
    """Which record, which field, and what to do."""
    connection = sqlite3.connect(path)
    row = connection.execute("SELECT body FROM record WHERE sequence = 5").fetchone()
    body = json.loads(row[0])
    body["number"] = "five"
    connection.execute("UPDATE record SET body = ? WHERE sequence = 5", (json.dumps(body),))
    connection.commit()
    connection.close()
    message = refused(path)
    assert "record 5 can't be read" in message
    assert "number" in message


def test_a_missing_record_is_a_gap(path: Path) -> None:
    """A history is not folded over a hole."""
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM record WHERE sequence = 4")
    connection.commit()
    connection.close()
    ledger = SqliteLedger(path)
    with pytest.raises(LedgerError, match="entry 5 follows 3"):
        History(ledger.read())
    ledger.close()


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    """So is a path in a folder that is not there."""
    (tmp_path / "ledger.db").mkdir()
    assert "can't be used" in refused(tmp_path / "ledger.db")
    assert "can't be used" in refused(tmp_path / "none" / "ledger.db")


def test_reading_what_is_not_there_makes_nothing(tmp_path: Path) -> None:
    """`status` on the wrong folder leaves no half-made study behind."""
    path = tmp_path / "ledger.db"
    with pytest.raises(LedgerError, match="does not exist: has the study been run"):
        SqliteLedger(path, create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_marked_file_without_its_table_is_refused(tmp_path: Path) -> None:
    """Whatever emptied it, it is no empty ledger: it was one, and is not whole."""
    path = tmp_path / "ledger.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE other (x)")
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.commit()
    connection.close()
    assert "no such table" in refused(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_an_error_with_a_remedy(path: Path) -> None:
    """What can't be written is said before anything runs."""
    path.chmod(0o444)
    path.parent.chmod(0o555)
    try:
        with pytest.raises(LedgerError, match="read-only"):
            SqliteLedger(path).append(RECORDS[:1], len(RECORDS))
    finally:
        path.parent.chmod(0o755)


def test_a_full_disk_is_an_error_and_the_ledger_stays_whole(path: Path) -> None:
    """SQLite is told that it may not grow: the batch is refused, all earlier ones stay."""
    ledger = SqliteLedger(path)
    pages = ledger._connection.execute("PRAGMA page_count").fetchone()[0]
    ledger._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(LedgerError, match="is the disk full"):
        ledger.append(RECORDS * 20, len(RECORDS))
    assert len(ledger.read()) == len(RECORDS)
    ledger.close()


def test_many_may_make_the_same_ledger_at_once(tmp_path: Path) -> None:
    """Whoever opens a new file while others do waits for them, and finds a ledger."""

    def opened(path: Path) -> int:
        ledger = SqliteLedger(path)
        try:
            return len(ledger.read())
        finally:
            ledger.close()

    with ThreadPoolExecutor(6) as pool:
        for round_ in range(60):
            assert list(pool.map(opened, [tmp_path / f"{round_}.db"] * 6)) == [0] * 6
