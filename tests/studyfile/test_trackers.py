"""Which trackers a study file names, and that no password comes into one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from trialwright.edits import edits
from trialwright.errors import StudyFileError
from trialwright.studyfile import dump, parse
from trialwright.task import TASK, Task
from trialwright.tracker import Tracker

SMALL = """\
goal: maximize val_f1
command: [python, train.py, "{config}"]
space: {lr: {float: [0.1, 1.0]}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the script that the study names."""
    (tmp_path / "train.py").write_text("")
    return tmp_path


def read(trackers: str, folder: Path) -> Task:
    """The task of a study file that says `trackers`."""
    return parse(f"{SMALL}trackers: {trackers}\n", path=folder / "study.yaml")


MLFLOW, BOARD = Tracker(kind="mlflow"), Tracker(kind="tensorboard")


@pytest.mark.parametrize(
    ("text", "trackers"),
    [
        ("mlflow", (MLFLOW,)),
        ("[mlflow, tensorboard]", (MLFLOW, BOARD)),
        ("{tensorboard: }", (BOARD,)),
        (
            "[{mlflow: {uri: 'http://h:5000', experiment: e}}, {tensorboard: {folder: tb}}]",
            (
                Tracker(kind="mlflow", uri="http://h:5000", experiment="e"),
                Tracker(kind="tensorboard", folder="tb"),
            ),
        ),
        ("{mlflow: {uri: $STORE}, tensorboard: }", (Tracker(kind="mlflow", uri="$STORE"), BOARD)),
    ],
)
def test_trackers_alone_and_with_more(
    text: str, trackers: tuple[Tracker, ...], folder: Path
) -> None:
    """Every way to write them gives the same trackers, which are written back, and recorded."""
    task = read(text, folder)
    assert task.trackers == trackers
    assert parse(dump(task), path=folder / "study.yaml") == task
    assert TASK.validate_json(TASK.dump_json(task)).trackers == trackers
    (change,) = edits(task, replace(task, trackers=()))
    assert change.startswith("trackers: ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("wandb", "allowed: mlflow, tensorboard"),
        ("[mlflo]", "did you mean mlflow?"),
        ("[mlflow, mlflow]", "twice"),
        ("{mlflow: {folder: x}}", "folder"),
        ("{mlflow: {uri: 'https://me:secret@h/x'}}", r"write \$NAME"),
        ("{mlflow: {uri: mlruns}}", "sqlite:///FILE"),
        ("{mlflow: {uri: 'http://'}}", "names no host"),
        ("[[mlflow]]", "unknown"),
    ],
)
def test_what_is_wrong_is_told(text: str, said: str, folder: Path) -> None:
    """Unknown words, doubles and addresses with passwords are refused, with what to write."""
    with pytest.raises(StudyFileError, match=said) as caught:
        read(text, folder)
    assert "secret" not in str(caught.value)
