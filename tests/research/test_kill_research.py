"""A killed study of code: the short form of `benchmarks/research_kill9.py`, and that it can see."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from benchmarks.breaking.code import CodeScene

from tests.research.conftest import git
from tests.thoroughness import repeats
from trialwright.study import Study
from trialwright.studyfile import load

ROUNDS = repeats(2, 5)
BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "research_kill9.py"


@pytest.mark.slow
def test_killed_at_random_moments() -> None:
    """`kill -9` loses no commit, patch or row, and leaves the user's checkout as it was."""
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), "--rounds", str(ROUNDS), "--seed", "1"],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    counts = json.loads(done.stdout.splitlines()[-1])
    assert counts["rounds"] == ROUNDS
    assert counts["finished"] >= 15
    assert counts["ok"], done.stdout


@pytest.fixture
def scene(tmp_path: Path) -> CodeScene:
    """A study of four trials that has come to its end, and that was looked at."""
    scene = CodeScene(tmp_path / "study", rng=random.Random(0), sandbox="none")
    scene.trials, scene.pace = 4, 0.0
    scene.write()
    Study(load(scene.folder / "study.yaml"), scene.study).run()
    scene.audit()
    assert scene.losses.clean, scene.losses.notes
    return scene


def _lose_a_ref(scene: CodeScene) -> None:
    git(scene.folder, "update-ref", "-d", "refs/trialwright/study/0002")


def _move_a_ref(scene: CodeScene) -> None:
    git(scene.folder, "update-ref", "refs/trialwright/study/0002", "main")


def _lose_a_row(scene: CodeScene) -> None:
    rows = scene.study / "results.tsv"
    rows.write_text("".join(rows.read_text().splitlines(keepends=True)[:-1]))


def _move_the_branch(scene: CodeScene) -> None:
    made = git(scene.folder, "commit-tree", "-m", "x", "main^{tree}")
    git(scene.folder, "update-ref", "refs/heads/trialwright/study", made)


def _lose_an_object(scene: CodeScene) -> None:
    found = git(scene.folder, "rev-parse", "refs/trialwright/study/0001^{tree}")
    (scene.folder / ".git" / "objects" / found[:2] / found[2:]).unlink()


def _touch_the_index(scene: CodeScene) -> None:
    git(scene.folder, "add", "scribble.txt")


def _edit_the_checkout(scene: CodeScene) -> None:
    (scene.folder / "train.py").write_text("x = 1\n")


def _book_a_result(scene: CodeScene) -> None:
    lines = [json.loads(line) for line in scene.book.read_text().splitlines()]
    booked = [[*line[:3], "123.0" if line[1] == 3 else line[3], line[4]] for line in lines]
    scene.book.write_text("".join(f"{json.dumps(line)}\n" for line in booked))


@pytest.mark.parametrize(
    ("harm", "count"),
    [
        (_lose_a_ref, "lost"),
        (_move_a_ref, "lost"),
        (_lose_a_row, "lost"),
        (_move_the_branch, "lost"),
        (_book_a_result, "lost"),
        (_lose_an_object, "fsck_errors"),
        (_touch_the_index, "checkout_changed"),
        (_edit_the_checkout, "checkout_changed"),
    ],
)
def test_the_audit_sees_what_is_lost(
    scene: CodeScene, harm: Callable[[CodeScene], None], count: str
) -> None:
    """What a kill could cost is counted, and told."""
    harm(scene)
    scene.audit()
    assert getattr(scene.losses, count) > 0
    assert scene.losses.notes
