"""The example of research: its text, its evaluator, its script under every rewrite, its study."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

from tests.app.commands import ran
from tests.research.conftest import git
from tests.thoroughness import repeats
from trialwright.code.literals import literals, tunable
from trialwright.code.rewrites import applicable
from trialwright.process.sandbox import available
from trialwright.study import Study
from trialwright.studyfile.read import load

pytest.importorskip("torch", reason="PyTorch is not installed: `make torch` adds it")

EXAMPLE = Path(__file__).parents[2] / "examples" / "research"
FINAL = re.compile(r"^(val|test)_bits: (\S+)$", re.MULTILINE)
SECONDS = "1"

EVERY = """
import importlib, os, sys
from pathlib import Path
import evaluate
from trialwright.code.rewrites import applicable

source = Path("train.py").read_text()
for one in applicable(source)[:: int(sys.argv[1])]:
    print("rewrite", one.name, flush=True)
    child = os.fork()
    if child == 0:
        importlib.reload(evaluate)  # its meter starts anew
        scope = {"__name__": "rewritten"}
        exec(compile(one.apply(source), "train.py", "exec"), scope)
        scope["main"](0)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, one.name
"""


def copied(folder: Path) -> Path:
    """Copy the example, as a user does before making a repository of it."""
    ignored = shutil.ignore_patterns("runs", "__pycache__")
    shutil.copytree(EXAMPLE, folder, ignore=ignored)
    return folder


def python(folder: Path, *words: str, seconds: str = SECONDS) -> subprocess.CompletedProcess[str]:
    """Run Python in the example's copy, with a small budget."""
    return subprocess.run(
        [sys.executable, "-W", "ignore", *words],
        cwd=folder,
        env={**os.environ, "CPU_SECONDS": seconds},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_text_is_the_same_each_time_and_its_brackets_close(tmp_path: Path) -> None:
    """Two processes make one text, of known symbols alone; whatever opens in a story closes."""
    folder = copied(tmp_path / "bits")
    script = "import corpus; print(corpus.text('validation'), end='')"
    first, second = (python(folder, "-c", script).stdout for _ in range(2))
    assert first == second
    assert len(first) == 60_000
    stories = first.split("\n")[:-1]
    assert len(stories) > 50
    for story in stories:
        assert story.count("(") == story.count(")")
        assert story.count("[") == story.count("]")
        assert story.count('"') % 2 == 0
    other = python(folder, "-c", script.replace("validation", "test")).stdout
    assert not set(stories) & set(other.split("\n")[:-1])


def test_names_come_again_within_a_story_and_seldom_in_another(tmp_path: Path) -> None:
    """What a model has to remember: a cast of three at most, and a hero with most of the lines."""
    script = "import corpus; print(corpus.text('validation'), end='')"
    stories = python(copied(tmp_path / "bits"), "-c", script).stdout.split("\n")[:-1]
    casts = [Counter(_names(story)) for story in stories]
    assert all(1 <= len(cast) <= 3 for cast in casts)
    heroes = [cast.most_common(1)[0] for cast in casts]
    assert sum(count for _, count in heroes) > 0.6 * sum(cast.total() for cast in casts)
    assert len({name for name, _ in heroes}) > 0.8 * len(stories)


def _names(story: str) -> list[str]:
    """The names of a story's people: syllables that no other word ends in."""
    return re.findall(r"\b[a-z]+(?:bel|dor|kin|lis|mor|nax|rut|sel|tan|vix|zam|pod)\b", story)


def test_training_is_held_to_its_budget(tmp_path: Path) -> None:
    """Half as much again is refused, and so is no result; within the budget there is one."""
    folder = copied(tmp_path / "bits")
    honest = python(folder, "train.py", "--seed=1")
    assert honest.returncode == 0, honest.stderr
    bits = {part: float(value) for part, value in FINAL.findall(honest.stdout)}
    assert set(bits) == {"val", "test"}
    assert all(1 < value < 3.5 for value in bits.values())
    longer = (folder / "train.py").read_text().replace("< seconds:", "< 1.5 * seconds:")
    (folder / "train.py").write_text(longer)
    greedy = python(folder, "train.py", "--seed=1")
    assert greedy.returncode != 0
    assert "OverBudgetError" in greedy.stderr
    assert not FINAL.findall(greedy.stdout)


def test_what_the_script_leaves_open_is_found() -> None:
    """Four constants to tune, of which neither the seed nor the parts are one; twenty rewrites."""
    source = (EXAMPLE / "train.py").read_text()
    names = [literal.name for literal in tunable(literals(source, "train.py", family="mlp"))]
    assert names == [
        "train.py:EMBEDDING", "train.py:HIDDEN", "train.py:BATCH_SIZE", "train.py:LEARNING_RATE",
    ]  # fmt: skip
    found = {one.name for one in applicable(source)}
    assert {"schedule-cosine", "clip-gradients", "norm-layer", "dropout", "init-xavier"} <= found
    assert {one.category for one in applicable(source)} >= {
        "optimizer", "schedule", "regularization", "architecture",
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_script_runs_under_every_rewrite_that_applies(tmp_path: Path) -> None:
    """None breaks it: each trains within the budget and is evaluated. At a desk, every third."""
    step = repeats(3, 1)
    folder = copied(tmp_path / "bits")
    answer = python(folder, "-uc", EVERY, str(step), seconds="0.2")
    assert answer.returncode == 0, answer.stdout[-300:] + answer.stderr
    parts = answer.stdout.split("rewrite ")[1:]
    applied = applicable((folder / "train.py").read_text())
    assert len(applied) >= 15
    assert len(parts) == len(applied[::step])
    assert all(len(FINAL.findall(part)) == 2 for part in parts)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_study_improves_the_script_on_a_branch_of_its_own(tmp_path: Path) -> None:
    """From the README's commands to a branch: trials run in the sandbox, and the copy stays."""
    folder = copied(tmp_path / "bits")
    study = yaml.safe_load((folder / "study.yaml").read_text())
    study |= {"budget": {"trials": 4}, "seeds": {"screen": 1}, "runner": {"workers": 1}}
    if available():
        study["research"]["sandbox"] = "none"
    (folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "Begin"]):
        git(folder, *words)
    answer = ran(folder, "run", CPU_SECONDS="0.5")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    history = Study(load(folder / "study.yaml"), folder / "runs" / "bits").history
    assert len(history.trials) == 4
    assert [trial.proposal.by for trial in history.trials] == ["user", *["editor"] * 3]
    best = history.best()
    assert best is not None
    assert best.value is not None
    assert 1 < best.value < 3.5
    tree = git(folder, "rev-parse", "trialwright/bits^{tree}")
    assert tree == (best.tree or git(folder, "rev-parse", "HEAD^{tree}"))
    assert git(folder, "status", "--porcelain") == ""
    # Held out while the study went on, and told at its end.
    assert "test_bits" in answer.stdout
