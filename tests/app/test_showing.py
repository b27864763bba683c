"""`status` on real studies: whose it is, what a second Ctrl-C leaves, what changed code means."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

from tests.app.commands import clear, lay_out, ran
from tests.app.test_interrupt import WAIT_S, going, until, words


def squeezed(text: str) -> str:
    """What was printed, as one line."""
    return " ".join(text.split())


def test_another_study_is_not_shown_for_this_one(tmp_path: Path) -> None:
    """Beside another study's results, `status` on a study that was never run says so."""
    file = lay_out(tmp_path, trials=1)
    assert ran(tmp_path, "run").returncode == 0
    assert "goal" in ran(tmp_path, "status").stdout
    file.write_text(file.read_text().replace("name: toy", "name: other"))
    for where in ((), ("--study", "study.yaml"), ("--study", ".")):
        answer = ran(tmp_path, "status", *where)
        clear(answer)
        assert "has not been run" in answer.stderr
        assert "val_acc" not in answer.stdout


def test_a_study_is_named_as_an_argument_too(tmp_path: Path) -> None:
    """What reads a study takes its file or folder as `run` does; two that differ are refused."""
    lay_out(tmp_path, trials=1)
    assert ran(tmp_path, "run").returncode == 0
    away = tmp_path / "away"
    away.mkdir()
    for where in ("../study.yaml", "../runs/toy"):
        assert "val_acc" in ran(away, "status", where).stdout
        assert "Trial 0" in ran(away, "show", "0", where).stdout
    assert "epoch 3" in ran(away, "log", "0", "../study.yaml").stdout
    assert "--lr=" in ran(away, "best", "../study.yaml", "--as", "args").stdout
    assert "report.html" in ran(away, "report", "../study.yaml").stdout
    answer = ran(away, "status", "../study.yaml", "--study", "../runs/toy")
    clear(answer)
    assert "two studies are named" in answer.stderr


def test_a_second_interrupt_leaves_interrupted_trials(tmp_path: Path) -> None:
    """After Ctrl-C twice nothing is said to run or wait: it is to be run again on resume."""
    lay_out(tmp_path, sleep=40, trials=2)
    starts = tmp_path / "starts"
    with going(tmp_path, "run", STARTS=str(starts)) as process:
        until(lambda: words(starts).count("start") == 2)
        assert process.stderr is not None
        os.killpg(process.pid, signal.SIGINT)
        while "press Ctrl-C again" not in process.stderr.readline():
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, err
    assert len(re.findall(r"trial \d interrupted after .*: to be run again on resume", out)) == 2
    said = squeezed(ran(tmp_path, "status").stdout)
    assert "interrupted trials 0 and 1: to be run again on resume" in said
    assert "waiting" not in said
    assert "cancelled" not in said
    assert "`trialwright run` resumes it" in said


def test_a_change_of_the_code_is_told_before_what_runs_under_it(tmp_path: Path) -> None:
    """The warning comes ahead of the first run and of the summary, which counts the new results."""
    lay_out(tmp_path, trials=2)
    assert ran(tmp_path, "run").returncode == 0
    train = tmp_path / "train.py"
    train.write_text(train.read_text().replace("value = 1 -", "value = 0.5 -"))
    said = ran(tmp_path, "run", "--trials", "3").stdout
    assert said.index("the task's files changed") < said.index("trial 2 started")
    counted = said.index("the code has changed: 1 result of its newest version")
    assert counted < said.index("Trial 2 is the best of 1 result of the newest code")
    assert "the code has changed" not in said[:counted]
