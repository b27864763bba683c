"""A person ends a trial early: on the command line, while another process runs the study."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.app.commands import clear, command, environment, lay_out, ran
from tests.app.receivers import until
from trialwright.desk import Desk
from trialwright.errors import StudyError
from trialwright.history import History, read
from trialwright.records import Request
from trialwright.study import Study
from trialwright.studyfile import load

RESULTS = Path("runs") / "toy"
LONG_S = 300.0
"""Of a run that only its end by a person can end within the test."""


def known(folder: Path) -> History:
    """What the ledger says; an empty history before there is one."""
    return read(folder) if (folder / "ledger.db").exists() else History()


def test_a_trial_is_ended_and_the_study_goes_on(tmp_path: Path) -> None:
    """Its run ends, as stopped early by the user; the other one goes on until it is ended, too."""
    lay_out(tmp_path, trials=2, sleep=LONG_S)
    folder = tmp_path / RESULTS
    process = subprocess.Popen(
        command("run", "--plain"), cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL
    )
    try:
        until(lambda: known(folder).launches == 2)
        answer = ran(tmp_path, "prune", "0")
        assert answer.returncode == 0, answer.stderr
        assert "asked to end trial 0 early" in answer.stdout
        until(lambda: read(folder).trials[0].verdict)
        history = read(folder)
        assert [trial.state for trial in history.trials] == ["pruned", "running"]
        verdict = history.trials[0].verdict
        assert verdict is not None
        assert (verdict.status, verdict.sentence) == (
            "discarded",
            "stopped early: the user ended it",
        )
        again = ran(tmp_path, "prune", "0")
        clear(again)
        assert "no run of trial 0 is going on" in again.stderr
        assert ran(tmp_path, "prune", "1").returncode == 0
        assert process.wait(60) == 0
        history = read(folder)
        assert [trial.state for trial in history.trials] == ["pruned", "pruned"]
        assert [asked for _, asked in history.requests] == [
            Request(what="prune", trial=0, by="user"),
            Request(what="prune", trial=1, by="user"),
        ]
        assert "the user ended it" in ran(tmp_path, "show", "1").stdout
        assert ran(tmp_path, "notebook").returncode == 0
        reasoning = (folder / "notebook" / "reasoning.log").read_text()
        assert "asked by user: end trial 1 early" in reasoning
    finally:
        process.kill()
        process.wait()


def test_an_agents_run_is_not_ended_here(tmp_path: Path) -> None:
    """What was handed out runs elsewhere: its agent is named, and nothing is asked."""
    lay_out(tmp_path)
    task = load(tmp_path / "study.yaml")
    study = Study(task, tmp_path / RESULTS)
    Desk(study, by="ada").ask()
    with pytest.raises(StudyError, match="handed out to ada"):
        Study(task, tmp_path / RESULTS).prune(0)
    assert not [asked for _, asked in read(tmp_path / RESULTS).requests if asked.what == "prune"]
