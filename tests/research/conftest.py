"""A small project in a real repository: an evaluator, and a script that may be edited."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from trialwright.editable import Research
from trialwright.task import Budget, Limits, Objective, RunnerPlan, Space, Task

TRAIN = """\
import evaluator

RATE = 0.5
WIDTH = 4


def answer():
    return RATE * WIDTH


if __name__ == "__main__":
    print(f"@trialwright {{\\"loss\\": {evaluator.loss(answer())}}}")
"""

EVALUATOR = """\
def loss(x):
    return (x - 3.0) ** 2
"""


def git(folder: Path, *words: str) -> str:
    """Run git as a person would, and return what it says."""
    plain = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
    done = subprocess.run(
        ["git", *plain, *words], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with one commit."""
    return begin(tmp_path / "project")


def begin(folder: Path, **files: str) -> Path:
    """Make a repository with one commit in a new folder; `files` come with it, by their names."""
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    (folder / "train.py").write_text(TRAIN)
    (folder / "evaluator.py").write_text(EVALUATOR)
    (folder / "notes.md").write_text("Make the loss small.\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "begin")
    return folder


@pytest.fixture
def task_of(project: Path) -> Callable[..., Task]:
    """Make a task over the project, parts of it exchanged."""
    return partial(task_in, project)


def task_in(project: Path, **changes: object) -> Task:
    """Return a task over a project, parts of it exchanged."""
    plain: dict[str, object] = {
        "name": "loss",
        "objective": Objective(metric="loss", direction="minimize"),
        "space": Space(()),
        "command": (sys.executable, "train.py"),
        "folder": str(project),
        "research": Research(editable=("train.py",), sandbox="none"),
        "team": ("editor",),
        "budget": Budget(trials=4),
        "runner": RunnerPlan(workers=1),
        "limits": Limits(run_s=60),
    }
    return Task(**{**plain, **changes})  # type: ignore[arg-type]  # parts as Task has them
