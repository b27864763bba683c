"""Further objectives, requirements and a metric held out, in a study file and between sessions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from trialwright.edits import edits
from trialwright.errors import StudyError
from trialwright.studyfile import parse
from trialwright.studyfile.dump import dump
from trialwright.task import Objective, Task, unmet

TEXT = """\
goal: maximize val_f1
also: [minimize seconds, "maximize recall"]
require: ["memory_gb <= 4", "train_loss - val_loss < 0.1"]
heldout: test_f1
command: ["true"]
space:
  lr: {float: [0.001, 1.0], log: true}
"""


@pytest.fixture
def task(tmp_path: Path) -> Task:
    """The task of `TEXT`."""
    return parse(TEXT, path=tmp_path / "study.yaml")


def test_all_three_are_read(task: Task) -> None:
    """Objectives with their directions, expressions as written, the metric's name."""
    assert task.also == (
        Objective(metric="seconds", direction="minimize"),
        Objective(metric="recall", direction="maximize"),
    )
    assert [one.metric for one in task.goals] == ["val_f1", "seconds", "recall"]
    assert task.require == ("memory_gb <= 4", "train_loss - val_loss < 0.1")
    assert task.heldout == "test_f1"


def test_what_is_written_reads_back(task: Task, tmp_path: Path) -> None:
    """A dumped task is the same task; one that asks for none of them says nothing of them."""
    assert parse(dump(task), path=tmp_path / "again.yaml") == task
    bare = dump(replace(task, also=(), require=(), heldout=None))
    assert not any(line.startswith(("also", "require", "heldout")) for line in bare.splitlines())


def test_a_single_text_is_a_list_of_one(tmp_path: Path) -> None:
    """As elsewhere in a study file."""
    text = TEXT.replace('[minimize seconds, "maximize recall"]', "minimize seconds")
    assert len(parse(text, path=tmp_path / "study.yaml").also) == 1


def test_what_is_asked_for_besides_may_change_what_is_held_out_may_not(task: Task) -> None:
    """Another requirement leaves results comparable; what was shown can't be held out later."""
    eased = edits(task, replace(task, require=("memory_gb <= 8",), also=()))
    assert any(change.startswith("require:") for change in eased)
    assert any(change.startswith("also:") for change in eased)
    with pytest.raises(StudyError, match="heldout is no metric; it was test_f1"):
        edits(task, replace(task, heldout=None))
    with pytest.raises(StudyError, match="heldout is auc; it was none"):
        edits(replace(task, heldout=None), replace(task, heldout="auc"))


def test_requirements_are_told_with_the_numbers_that_miss_them() -> None:
    """The first that is missed, with the values; what can't be told or computed is missed too."""
    require = ("memory_gb <= 4", "loss / gap < 2")
    assert unmet(require, {"memory_gb": 3.0, "loss": 1.0, "gap": 1.0}) == ""
    assert unmet(require, {"memory_gb": 5.0}) == "memory_gb <= 4 is not met (memory_gb = 5)"
    assert "no gap was reported" in unmet(require, {"memory_gb": 3.0, "loss": 1.0})
    assert "can't be computed" in unmet(require, {"memory_gb": 3.0, "loss": 1.0, "gap": 0.0})
    assert unmet(("loss < 1",), {"loss": float("nan")}).startswith("loss < 1 is not met")
