"""`research`, `log` of a study and `show --diff`, as a user has them: real git, real runs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.app.commands import clear, lay_out, ran
from tests.research.conftest import git

TRAIN = """\
import argparse
import random

import evaluator

LEARNING_RATE = 1e-5
BATCH_SIZE = 64

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)

if __name__ == "__main__":
    seed = parser.parse_args().seed
    noise = random.Random(seed).gauss(0, 0.001)
    print("val_loss:", evaluator.loss(LEARNING_RATE, BATCH_SIZE) + noise)
"""

EVALUATOR = """\
import math


def loss(rate, batch):
    return (math.log10(rate) + 3) ** 2 + 0.01 * math.log2(batch)
"""

STUDY = """\
name: loss
goal: minimize val_loss
command: [python, train.py, "--seed={seed}"]
metrics: {regex: ['val_loss: (?P<val_loss>\\S+)']}
research: {editable: [train.py], sandbox: none}
budget: {trials: 6}
runner: {workers: 1}
"""


def repository(folder: Path, **files: str) -> Path:
    """Make a project with one commit; `files` are by their names, `_` standing for the dot."""
    folder.mkdir()
    given = {name.replace("_", "."): text for name, text in files.items()}
    for name, text in {"train.py": TRAIN, "evaluator.py": EVALUATOR, **given}.items():
        (folder / name).write_text(text)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "begin")
    return folder


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which a study of six trials has ended."""
    folder = repository(tmp_path_factory.mktemp("studied") / "project")
    (folder / "study.yaml").write_text(STUDY)
    answer = ran(folder, "run")
    assert answer.returncode == 0, answer.stderr
    return folder


def test_log_shows_how_the_best_trial_came_about(studied: Path) -> None:
    """From the best back to the first, each step with metric, gain, size, kind and who."""
    answer = ran(studied, "log")
    assert answer.returncode == 0, answer.stderr
    found = json.loads(ran(studied, "log", "--json").stdout)
    way, best = found["way"], found["best"]
    assert way[0] == 0
    assert way[-1] == best != 0
    shown = [line for line in answer.stdout.splitlines() if line.startswith("*")]
    assert [int(line.split()[2].rstrip(",")) for line in shown] == way[::-1]
    assert "val_loss = " in shown[0]
    assert (
        f"(best, {git(studied, 'rev-parse', 'trialwright/loss')[:10]}, trialwright/loss)"
        in (shown[0])
    )
    assert "lower (better) than trial" in answer.stdout
    assert "by editor" in answer.stdout
    assert answer.stdout.splitlines()[-2] == ""
    assert f"{6 - len(way)} other trial" in answer.stdout.splitlines()[-1]


def test_log_of_all_has_every_trial_and_its_commit(studied: Path) -> None:
    """`--all` shows each trial once, the discarded too; JSON names the commit that git has."""
    text = ran(studied, "log", "--all").stdout
    assert all(text.count(f" trial {number}, ") == 1 for number in range(6))
    found = json.loads(ran(studied, "log", "--all", "--json").stdout)
    assert [one["trial"] for one in found["trials"]] == list(range(6))
    for one in found["trials"][1:]:
        assert one["ref"] == f"refs/trialwright/loss/{one['trial']:04d}"
        assert one["commit"] == git(studied, "rev-parse", one["ref"])
        assert one["size"]["added"] == one["size"]["removed"] > 0
    assert found["branch"] == git(studied, "rev-parse", "trialwright/loss")


def test_log_of_a_study_without_code(tmp_path: Path) -> None:
    """A study of configurations has a lineage, too; a number still prints a run's output."""
    lay_out(tmp_path, trials=3)
    (tmp_path / "study.yaml").write_text(
        (tmp_path / "study.yaml").read_text().replace("team: [random]", "team: [expert]")
    )
    assert ran(tmp_path, "run").returncode == 0
    found = json.loads(ran(tmp_path, "log", "--all", "--json").stdout)
    assert [one["size"] for one in found["trials"]] == [None] * 3
    assert "lr" in ran(tmp_path, "log", "--all").stdout
    assert ran(tmp_path, "log", "0", "--tail", "1").stdout.startswith("epoch 3 val_acc=")
    assert ran(tmp_path, "log", "study.yaml").stdout == ran(tmp_path, "log").stdout
    for words in (("log", "0", "--all"), ("log", "--tail", "1"), ("show", "0", "--diff")):
        clear(ran(tmp_path, *words))


def test_diff_of_a_trial_is_a_patch_that_git_applies(studied: Path, tmp_path: Path) -> None:
    """`--diff` leads from the parent's code to the trial's, `--from start` from the first commit.

    Applied, it gives the file that git has under the trial's ref.
    """
    found = json.loads(ran(studied, "log", "--json").stdout)
    best = found["best"]
    combined = ran(studied, "show", str(best), "--diff", "--from", "start").stdout
    target = repository(tmp_path / "copy")
    subprocess.run(["git", "apply", "-"], cwd=target, input=combined, text=True, check=True)
    wanted = git(studied, "show", f"refs/trialwright/loss/{best:04d}:train.py")
    assert (target / "train.py").read_text().strip() == wanted
    parent = found["way"][-2]
    own = ran(studied, "show", str(best), "--diff").stdout
    assert own == ran(studied, "show", str(best), "--diff", "--from", str(parent)).stdout
    told = json.loads(ran(studied, "show", str(best), "--diff", "--json").stdout)
    assert told["patch"] == own
    assert told["ref"] == f"refs/trialwright/loss/{best:04d}"
    shown = " ".join(ran(studied, "show", str(best)).stdout.split())
    assert f"{told['commit']}, {told['ref']}" in shown


def test_diff_says_what_it_can_not_show(studied: Path) -> None:
    """The first trial has no diff, which is no error; a wrong `--from` is one."""
    first = ran(studied, "show", "0", "--diff")
    assert (first.returncode, first.stdout) == (0, "")
    assert "is that which was found" in first.stderr
    for words in (("--from", "start"), ("--diff", "--from", "99"), ("--diff", "--from", "begin")):
        clear(ran(studied, "show", "1", *words))
