"""`research`, `log` of a study and `show --diff`, as a user has them: real git, real runs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.app.commands import clear, lay_out, ran
from tests.app.test_autoresearch import checkout
from tests.research.conftest import git
from trialwright.studyfile import load

# One study that has ended, made in one worker.
pytestmark = pytest.mark.xdist_group("app-research")

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


def test_export_names_the_commit_of_each_trial(studied: Path) -> None:
    """In the `results.tsv` of a study of code each row has the commit that git has, shortened."""
    assert ran(studied, "export", "--to", "runs/results.tsv").returncode == 0
    rows = [line.split("\t") for line in (studied / "runs/results.tsv").read_text().splitlines()]
    assert rows[0] == ["commit", "val_loss", "memory_gb", "status", "description"]
    found = [git(studied, "rev-parse", f"refs/trialwright/loss/{n:04d}")[:7] for n in range(1, 6)]
    assert [row[0] for row in rows[1:]] == [git(studied, "rev-parse", "main")[:7], *found]
    assert rows[1][3] == "keep"


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


def test_diff_is_coloured_on_a_terminal(studied: Path) -> None:
    """What is added and removed stands out there; elsewhere no escape sequence comes along."""
    colours = {"FORCE_COLOR": "1", "NO_COLOR": "", "TERM": "xterm-256color"}
    text = ran(studied, "show", "1", "--diff", **colours).stdout
    assert "\x1b[32m+" in text
    assert "\x1b[31m-" in text
    assert "\x1b" not in ran(studied, "show", "1", "--diff").stdout


def test_diff_says_what_it_can_not_show(studied: Path) -> None:
    """The first trial has no diff, which is no error; a wrong `--from` is one."""
    first = ran(studied, "show", "0", "--diff")
    assert (first.returncode, first.stdout) == (0, "")
    assert "is that which was found" in first.stderr
    for words in (("--from", "start"), ("--diff", "--from", "99"), ("--diff", "--from", "begin")):
        clear(ran(studied, "show", "1", *words))


def test_research_reads_the_repository_and_runs(tmp_path: Path) -> None:
    """One command in a repository: guesses are told, the dry run proves the metric, the study runs.

    Nothing that git tracks is changed, and only the study file is new to it.
    """
    folder = repository(tmp_path / "project", program_md="Make the loss small.\n")
    head = git(folder, "rev-parse", "HEAD")
    answer = ran(folder, "research", "--trials", "3", "--sandbox", "none")
    assert answer.returncode == 0, answer.stderr
    for told in (
        "editable: train.py (guessed)",
        "frozen: 2 other files that git tracks",
        "goal: minimize val_loss\n  guessed: ",
        "notes for agents: program.md (guessed)",
        "dry run: val_loss = ",
        "wrote study.yaml, which git does not track",
        "all 3 trials of the budget are done",
    ):
        assert told in answer.stdout, told
    assert "--seed={seed}" in answer.stdout
    assert git(folder, "status", "--porcelain") == "?? study.yaml"
    assert git(folder, "rev-parse", "HEAD") == head
    task = load(folder / "study.yaml")
    assert task.research is not None
    assert (task.research.editable, task.research.program) == (("train.py",), "program.md")
    assert (task.name, task.seeds.confirm) == ("project", 3)
    assert git(folder, "rev-parse", "trialwright/project")


def test_research_again_resumes(tmp_path: Path) -> None:
    """The same words go on with the study; a larger budget is taken, other words are refused."""
    folder = repository(tmp_path / "project")
    words = ("research", "--sandbox", "none", "--goal", "minimize val_loss", "--editable",
             "train.py", "--no-dry-run")  # fmt: skip
    assert ran(folder, *words, "--trials", "2").returncode == 0
    written = (folder / "study.yaml").read_bytes()
    again = ran(folder, *words, "--trials", "3")
    assert again.returncode == 0, again.stderr
    assert "trial 2 started" in again.stdout
    assert "trial 0 started" not in again.stdout
    by_file = ran(tmp_path, "research", "project/study.yaml", "--trials", "3")
    assert by_file.returncode == 0, by_file.stderr
    for more in (("--goal", "maximize val_loss"), ("--editable", "*.py"), ("--time-budget", "5m"),
                 ("--metric-regex", "(?P<val_loss>x)"), ("--team", "claude -p")):  # fmt: skip
        refused = ran(folder, "research", *more)
        clear(refused)
        assert "says otherwise" in refused.stderr
        assert more[0] in refused.stderr
    assert (folder / "study.yaml").read_bytes() == written


def test_research_takes_everything_by_option(tmp_path: Path) -> None:
    """Each option stands in the study file, which may lie elsewhere and names the repository."""
    folder = repository(tmp_path / "project", notes_txt="Be brief.\n")
    (tmp_path / "studies").mkdir()
    answer = ran(
        tmp_path, "research", "project", "--editable", "train.py", "--editable", "lib/**",
        "--frozen", "evaluator.py", "--command", "python train.py --seed={seed}",
        "--goal", "minimize bits", "--metric-regex", r"val_loss: (\S+)", "--time-budget", "20s",
        "--from", "first-metric", "--memory", "2GB", "--program", "notes.txt", "--trials", "1",
        "--time", "1h", "--runs", "9", "--team", "editor", "--sandbox", "none", "--name", "bits",
        "--output", "studies/bits.yaml", "--runs-folder", "studies/there", "--limit", "1m",
        "--json",
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert all(json.loads(line) for line in answer.stdout.splitlines())
    assert "wrote studies/bits.yaml" in answer.stderr
    task = load(tmp_path / "studies" / "bits.yaml")
    plan = task.research
    assert plan is not None
    assert (plan.editable, plan.frozen) == (("train.py", "lib/**"), ("evaluator.py",))
    assert (plan.program, plan.sandbox) == ("notes.txt", "none")
    assert (task.name, task.folder) == ("bits", str(folder))
    assert task.metrics.patterns == (r"val_loss: (?P<bits>\S+)",)
    assert (task.limits.budget_s, task.limits.budget_from) == (20, "first_metric")
    assert task.limits.memory_bytes == 2_000_000_000
    assert (task.budget.trials, task.budget.runs, task.budget.time_s) == (1, 9, 3600)
    assert (tmp_path / "studies" / "there" / "ledger.db").is_file()
    assert git(folder, "status", "--porcelain") == ""


def test_research_says_what_is_wrong(tmp_path: Path) -> None:
    """No repository, a dirty one, no metric, no script, a wrong option: one message, status 2.

    Nothing is written.
    """
    folder = repository(tmp_path / "project")
    plain = tmp_path / "plain"
    plain.mkdir()
    alone = ("--sandbox", "none")
    for words, said in (
        ((str(plain), *alone), "research needs a git repository"),
        ((str(tmp_path / "none"), *alone), "is no folder"),
        ((str(tmp_path / "none.yaml"), *alone), "does not exist"),
        ((str(folder), *alone, "--goal", "smaller"), "--goal"),
        ((str(folder), *alone, "--metric-regex", "("), "no regular expression"),
        ((str(folder), *alone, "--metric-regex", "x"), "--goal"),
        ((str(folder), *alone, "--time-budget", "soon"), "--time-budget 'soon' is no duration"),
        ((str(folder), *alone, "--memory", "much"), "--memory 'much' is no size"),
        ((str(folder), *alone, "--from", "start"), "--time-budget"),
        ((str(folder), *alone, "--command", "make train"), "--editable"),
        ((str(folder), *alone, "--goal", "minimize missing"), "missing was not found"),
        ((str(folder), *alone, "--editable", "nothing.py"), "matches no file that is committed"),
        ((str(folder), *alone, "--team", "tpe"), "can't edit code"),
    ):
        answer = ran(tmp_path, "research", *words)
        clear(answer)
        assert said in answer.stderr, answer.stderr
    (folder / "train.py").write_text(TRAIN + "# mine\n")
    dirty = ran(folder, "research", *alone)
    clear(dirty)
    assert "train.py differ from what is committed" in dirty.stderr
    assert sorted(path.name for path in folder.iterdir()) == [".git", "evaluator.py", "train.py"]


def test_research_proves_by_a_run_of_what_is_committed(tmp_path: Path) -> None:
    """A script that fails, or prints no metric, is told with its last lines; nothing is written.

    The dry run works on a copy: what it writes does not come to lie in the checkout.
    """
    broken = repository(tmp_path / "broken", train_py="raise SystemExit('no data here')\n")
    answer = ran(broken, "research", "--sandbox", "none", "--goal", "minimize loss")
    clear(answer)
    assert "no data here" in answer.stderr
    assert not (broken / "study.yaml").exists()
    noisy = repository(
        tmp_path / "noisy", train_py='open("model.bin", "w").close()\nprint("val_loss:", 1.0)\n'
    )
    answer = ran(noisy, "research", "--sandbox", "none", "--trials", "1")
    assert answer.returncode == 0, answer.stderr
    assert "nothing hands the script a seed" in answer.stdout
    assert "nothing is frozen" not in answer.stdout
    assert not (noisy / "model.bin").exists()


def test_research_takes_an_autoresearch_checkout_at_its_word(tmp_path: Path) -> None:
    """Goal, patterns, limit and notes are those of program.md; results.tsv is kept up."""
    folder = tmp_path / "ar"
    checkout(folder)
    answer = ran(folder, "research", "--sandbox", "none", "--trials", "1")
    assert answer.returncode == 0, answer.stderr
    task = load(folder / "study.yaml")
    assert task.research is not None
    assert (task.objective.metric, len(task.metrics.patterns)) == ("val_bpb", 2)
    assert (task.research.editable, task.research.results) == (("train.py",), "results.tsv")
    rows = (folder / "runs" / "ar" / "results.tsv").read_text().splitlines()
    assert rows[0].split("\t")[1] == "val_bpb"
    assert len(rows) == 2


def test_research_warns_of_an_evaluation_that_may_be_edited(tmp_path: Path) -> None:
    """Where git tracks nothing but the script, what evaluates can be edited: that is said."""
    folder = tmp_path / "alone"
    folder.mkdir()
    (folder / "train.py").write_text('print("val_loss:", 1.0)\n')
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "begin")
    answer = ran(folder, "research", "--sandbox", "none", "--trials", "1")
    assert answer.returncode == 0, answer.stderr
    assert "frozen: 0 other files that git tracks" in answer.stdout
    assert "note: nothing is frozen" in answer.stdout


def test_research_leaves_another_study_file_alone(tmp_path: Path) -> None:
    """A study.yaml that tunes a configuration is not taken for a study of code, nor overwritten."""
    folder = repository(tmp_path / "project")
    lay_out(folder)
    (folder / "train.py").write_text(TRAIN)
    answer = ran(folder, "research", "--sandbox", "none")
    clear(answer)
    assert "has no section `research`" in answer.stderr
    assert "--output" in answer.stderr
