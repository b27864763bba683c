"""Studies whose ledger is on a server, analysed and exported from anywhere."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

from tests.app.commands import ran
from tests.histories import study_history
from trialwright.ledger import SqliteLedger
from trialwright.postgres.ledger import PostgresLedger


def test_a_study_on_a_server_is_analysed_by_its_name(database: str, tmp_path: Path) -> None:
    """With `--ledger` a path is a study's name there, or its file; the measures are the same."""
    study_history(tmp_path / "digits", trials=6)
    with closing(SqliteLedger(tmp_path / "digits" / "ledger.db", create=False)) as ledger:
        records = [entry.record for entry in ledger.read()]
    with closing(PostgresLedger(database, "far")) as remote:
        remote.append(records, 0)
    (tmp_path / "study.yaml").write_text("name: far\n")
    here = json.loads(ran(tmp_path, "analyze", "digits", "--json").stdout)["campaigns"][0]
    for source in ("far", "study.yaml"):
        answer = ran(tmp_path, "analyze", source, "--ledger", database, "--json")
        assert answer.returncode == 0, answer.stderr
        there = json.loads(answer.stdout)["campaigns"][0]
        assert there["counts"] == here["counts"]
        told = [one["sentence"] for one in there["measures"] if one["name"] == "success"]
        assert told == [one["sentence"] for one in here["measures"] if one["name"] == "success"]
    missing = ran(tmp_path, "analyze", "near", "--ledger", database)
    assert (missing.returncode, "near" in missing.stderr) == (2, True)
    secret = ran(tmp_path, "analyze", "far", "--ledger", "postgresql://me:hush@host/db")
    assert (secret.returncode, "hush" in secret.stderr) == (2, False)
