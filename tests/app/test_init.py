"""`init`: what it writes, what its dry run proves, and how it fails: whole or not at all."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.commands import clear, command, environment, ran
from trialwright.space import Choice, Float, Int, Ordinal
from trialwright.studyfile import load
from trialwright.task import Task

HEAD = """\
import argparse, os, sys
if os.environ.get("STARTS"):
    with open(os.environ["STARTS"], "a") as file:
        file.write("start\\n")
p = argparse.ArgumentParser()
p.add_argument("--lr", type=float, default=0.1)
p.add_argument("--seed", type=int, default=0)
"""


def script(folder: Path, text: str) -> Path:
    """Write a script whose arguments are `lr` and `seed`, and what is given."""
    (folder / "train.py").write_text(HEAD + text)
    return folder / "train.py"


def init(folder: Path, *words: str) -> tuple[subprocess.CompletedProcess[str], int]:
    """Run `init` on the folder's script; return the answer, and how often the script started."""
    starts = folder / "starts"
    answer = ran(folder, "init", "train.py", *words, STARTS=str(starts))
    count = len(starts.read_text().splitlines()) if starts.exists() else 0
    starts.unlink(missing_ok=True)
    return answer, count


def made(folder: Path, *words: str) -> tuple[Task, str]:
    """Run `init` once, with success, and return the task and what was said."""
    answer, count = init(folder, *words)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert count == 1
    return load(folder / "study.yaml"), answer.stdout


def test_study_file_is_proved_and_then_runs(tmp_path: Path) -> None:
    """The file that `init` writes has a proved metric, marks its guesses, and runs as it is."""
    script(
        tmp_path, "a = p.parse_args()\nfor e in range(3):\n    print(f'epoch {e} val_acc={a.lr}')\n"
    )
    task, said = made(tmp_path, "--trials", "2")
    assert task.objective.metric == "val_acc"
    assert task.objective.direction == "maximize"
    assert task.budget.trials == 2
    assert isinstance(task.space["lr"], Float)
    assert "val_acc = 0.1 after" in said
    assert "# guessed:" in (tmp_path / "study.yaml").read_text()
    answer = ran(tmp_path, "run")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.count(" done in ") == 2


def test_output_teaches_what_the_text_hides(tmp_path: Path) -> None:
    """A metric that only the output shows (printed by a library) is found in the dry run."""
    (tmp_path / "library.py").write_text(
        "def report(names, values):\n"
        "    for step in (1, 2):\n"
        "        sys = __import__('sys')\n"
        "        sys.stdout.write('[%d]\\t' % step + '\\t'.join("
        "'%s:%.5f' % pair for pair in zip(names, values)) + '\\n')\n"
    )
    script(
        tmp_path,
        "a = p.parse_args()\nimport library\n"
        "library.report(['train-error', 'eval-error'], [a.lr / 2, a.lr])\n",
    )
    task, said = made(tmp_path)
    assert (task.objective.metric, task.objective.direction) == ("eval_error", "minimize")
    assert "seen in the dry run" in said
    assert "eval_error = 0.1 after" in said


def test_table_that_the_run_writes_is_found(tmp_path: Path) -> None:
    """A metric that stands only in a file under a computed name is found after the dry run."""
    script(
        tmp_path,
        "a = p.parse_args()\nname = 'metr' + 'ics'\n"
        "open(f'{name}.csv', 'w').write('epoch,val_rmse\\n1,0.5\\n2,0.25\\n')\n",
    )
    task, said = made(tmp_path)
    assert task.metrics.file == "metrics.csv"
    assert task.runner.workers == 1
    assert "val_rmse = 0.25 after" in said


def test_switches_and_fixed_arguments_reach_the_script(tmp_path: Path) -> None:
    """Switches are passed or left out, what stands behind `--` always comes along."""
    script(
        tmp_path,
        "p.add_argument('--nesterov', action='store_true')\n"
        "p.add_argument('--data', required=True)\n"
        "a = p.parse_args()\nassert a.data == 'x{y}', a.data\n"
        "print('val_acc', a.lr + a.nesterov)\n",
    )
    answer, count = init(tmp_path)
    clear(answer)
    assert count == 0
    assert "--data=DATA" in answer.stderr
    task, _ = made(tmp_path, "--", "--data", "x{y}")
    assert task.command[-2:] == ("--data", "x{{y}}")
    assert isinstance(task.space["nesterov"], Choice)
    run = ran(tmp_path, "run", "--trials", "3")
    assert run.returncode == 0, run.stdout
    assert " failed in " not in run.stdout


def test_goal_can_be_given(tmp_path: Path) -> None:
    """`--metric` and `--goal` choose among what the script reports."""
    script(tmp_path, "a = p.parse_args()\nprint(f'val_acc={a.lr} val_cost={2 * a.lr}')\n")
    assert made(tmp_path)[0].objective.metric == "val_acc"
    task, _ = made(tmp_path, "--force", "--metric", "val_cost")
    assert (task.objective.metric, task.objective.direction) == ("val_cost", "minimize")
    task, _ = made(tmp_path, "--force", "--goal", "maximize val_cost")
    assert task.objective.direction == "maximize"


def test_without_a_dry_run_nothing_is_started(tmp_path: Path) -> None:
    """`--no-dry-run` writes what the text tells, and starts nothing."""
    script(tmp_path, "a = p.parse_args()\nprint(f'val_acc={a.lr}')\nraise SystemExit(3)\n")
    answer, count = init(tmp_path, "--no-dry-run")
    assert answer.returncode == 0, answer.stderr
    assert count == 0
    assert load(tmp_path / "study.yaml").objective.metric == "val_acc"


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        ("a = p.parse_args()\nprint('hello')\n", (), "no metric was found"),
        ("a = p.parse_args()\nraise RuntimeError('broken pipe of data')\n", (), "broken pipe of"),
        ("import no_such_module_here\n", (), "no_such_module_here"),
        ("print(f'val_acc={1}')\n", ("--metric", "val_f1"), "val_f1"),
        ("print(f'val_acc={1}')\n", ("--goal", "increase it"), "maximize METRIC"),
        ("print(f'val_acc={1}')\n", ("--limit", "soon"), "no duration"),
        ("print(f'val_acc={1}')\n", ("--output", "nowhere/study.yaml"), "no folder"),
        ("print(f'val_acc={1}')\n", ("--output", "."), "is a folder"),
        ("import wandb\nwandb.log({'val/acc': 1})\n", ("--no-dry-run",), "Weights & Biases"),
    ],
)
def test_failure_leaves_nothing(
    text: str, words: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    """What can't work ends with 2 and the reason, and leaves the folder as it was."""
    script(tmp_path, text)
    answer, _ = init(tmp_path, *words)
    clear(answer)
    assert said in answer.stderr
    left = {path.name for path in tmp_path.iterdir() if path.name != "__pycache__"}
    assert left == {"train.py"}


def test_script_without_settings_says_how_to_add_some(tmp_path: Path) -> None:
    """A script that lets nobody set anything is refused with what to do."""
    (tmp_path / "train.py").write_text("print('val_acc', 0.5)\n")
    answer, _ = init(tmp_path)
    clear(answer)
    assert "argparse" in answer.stderr


def test_existing_file_is_kept(tmp_path: Path) -> None:
    """A study file is overwritten only with `--force`."""
    script(tmp_path, "p.parse_args()\nprint(f'val_acc={1}')\n")
    (tmp_path / "study.yaml").write_text("mine")
    answer, count = init(tmp_path)
    clear(answer)
    assert count == 0
    assert "--force" in answer.stderr
    assert (tmp_path / "study.yaml").read_text() == "mine"


def test_long_script_is_stopped_and_still_proved(tmp_path: Path) -> None:
    """A script that outlasts the limit, but has shown its metric, gets its file."""
    script(tmp_path, "import time\nprint(f'val_acc={0.5}', flush=True)\ntime.sleep(60)\n")
    _, said = made(tmp_path, "--limit", "3s")
    assert "stopped at the time limit" in said


def test_interrupt_ends_the_dry_run(tmp_path: Path) -> None:
    """Ctrl-C during the dry run leaves no file and no process."""
    script(
        tmp_path,
        "import time\nopen('pid', 'w').write(str(os.getpid()))\nprint(f'val_acc={1}')\n"
        "time.sleep(60)\n",
    )
    # What a shell starts in the background ignores Ctrl-C, and so would all that it starts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        command("init", "train.py"), cwd=tmp_path, env=environment(),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    signal.signal(signal.SIGINT, before)
    try:
        pid = tmp_path / "pid"
        while process.poll() is None and not (pid.exists() and pid.read_text()):
            pass
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    assert process.returncode == 130, err
    assert "nothing was written" in err
    assert not (tmp_path / "study.yaml").exists()
    assert not Path(f"/proc/{pid.read_text()}").exists()


def test_other_interpreter_is_named_where_it_is_needed(tmp_path: Path) -> None:
    """Where `python` on the PATH lacks a module that ours has, the command names ours."""
    fake = tmp_path / "bin"
    fake.mkdir()
    for name in ("python", "python3"):
        (fake / name).write_text("#!/bin/sh\necho '[\"numpy\"]'\n")
        (fake / name).chmod(0o755)
    script(tmp_path, "import numpy\na = p.parse_args()\nprint(f'val_acc={a.lr}')\n")
    answer = subprocess.run(
        command("init", "train.py"), cwd=tmp_path, env=environment(PATH=f"{fake}:/usr/bin:/bin"),
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert sys.executable in answer.stdout
    assert f"- {sys.executable}" in (tmp_path / "study.yaml").read_text()


def test_domains_respect_the_script(tmp_path: Path) -> None:
    """Choices of numbers are ordinal, counts whole; negative defaults, unknown names stay."""
    script(
        tmp_path,
        "p.add_argument('--batch-size', type=int, default=64, choices=[128, 32, 64])\n"
        "p.add_argument('--max-depth', type=int, default=-1)\n"
        "p.add_argument('--hidden', type=int, default=16)\n"
        "p.add_argument('--frobnicate', type=float, default=0.5)\n"
        "p.add_argument('--optimizer', default='sgd')\n"
        "p.add_argument('--device', default='cpu', choices=['cpu', 'cuda'])\n"
        "a = p.parse_args()\n"
        "if a.optimizer == 'adam': pass\n"
        "print(f'val_acc={a.lr}')\n",
    )
    task, said = made(tmp_path)
    assert set(task.space.names) == {"lr", "batch_size", "hidden", "optimizer"}
    batch = task.space["batch_size"]
    assert isinstance(batch, Ordinal)
    assert batch.levels == (32, 64, 128)
    assert isinstance(task.space["hidden"], Int)
    optimizer = task.space["optimizer"]
    assert isinstance(optimizer, Choice)
    assert set(optimizer.options) == {"sgd", "adam"}
    assert "frobnicate" in said


@pytest.mark.parametrize(
    ("name", "line", "value"),
    [
        ("acc", "acc: 0.25", 0.25),
        ("score", "Score 0.50", 0.5),
        ("train_acc", "train acc: 0.75", 0.75),
    ],
)
def test_named_metric_is_found_without_the_guessed_split(
    name: str, line: str, value: float, tmp_path: Path
) -> None:
    """`--metric NAME` takes the route of the number so named, though its data set was guessed."""
    script(
        tmp_path,
        "a = p.parse_args()\n"
        "X_train, X_val = [a.lr + 0.65], [a.lr + 0.15]\n"
        "acc_train = sum(X_train)\nprint(f'train acc: {acc_train:.2f}')\n"
        "acc = sum(X_val)\nprint(f'acc: {acc:.2f}')\n"
        "score = 2 * sum(X_val)\nprint(f'Score {score:.2f}')\n",
    )
    answer, _ = init(tmp_path, "--metric", name, "--no-dry-run")
    assert answer.returncode == 0, answer.stderr
    first = load(tmp_path / "study.yaml").metrics.patterns[0]
    found = re.fullmatch(first, line)
    assert found is not None
    assert float(found[name]) == value
    task, said = made(tmp_path, "--metric", name, "--force")
    assert task.objective.metric == name
    assert f"{name} = {value} after" in said
