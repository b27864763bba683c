"""The dashboard of a study whose ledger is on a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.app.commands import ran
from tests.app.dashboard.serving import served, text_of
from tests.postgres.server import PASSWORD
from tests.postgres.test_doors import machine


def test_a_study_on_a_server_is_shown_and_steered(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also from a folder that never ran it: its study file says where the ledger is."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    first = machine(tmp_path / "a", database)
    second = machine(tmp_path / "b", database)
    answer = ran(first, "run", "--plain", PGPASSWORD=PASSWORD)
    assert answer.returncode == 0, answer.stderr
    with served(second / "study.yaml") as visitor:
        path = visitor.get("/").headers["location"]
        assert "3 of 3: 3 with a result" in text_of(visitor.get(path).text)
        assert visitor.get(f"{path}trials.json").json["total"] == 3
        with visitor.events(f"{path}events") as events:
            told = next(events)
            steered = visitor.post(f"{path}steer", {"text": "look at small rates"})
            assert steered.status == 303, steered.text
            assert next(events) != told
        assert "look at small rates" in visitor.get(path).text
    with served(first / "runs") as visitor:
        page = visitor.get(f"/s/{visitor.key(first / 'runs' / 'toy')}/").text
        assert "look at small rates" in page
