"""The command line as a user has it: a real process, and what it said."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

LIMIT_S = 120

TRAIN = """\
import argparse, os, sys, time

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--depth", type=int, default=3)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--sleep", type=float, default=0.0)
args = parser.parse_args()
if os.environ.get("STARTS"):
    with open(os.environ["STARTS"], "a") as file:
        file.write(f"start {os.getpid()}\\n")
for epoch in range(1, 4):
    time.sleep(args.sleep / 3)
    value = 1 - (args.lr - 0.3) ** 2 - 0.01 * abs(args.depth - 5) - 0.1 / epoch
    print(f"epoch {epoch} val_acc={value:.4f}", flush=True)
if os.environ.get("STARTS"):
    with open(os.environ["STARTS"], "a") as file:
        file.write(f"end {os.getpid()}\\n")
"""

STUDY = """\
name: toy
goal: maximize val_acc
command: [python3, train.py, "{{args}}", "--seed={{seed}}", --sleep={sleep}]
space:
  lr: {{float: [0.001, 1.0], log: true, default: 0.1}}
  depth: {{int: [1, 9], default: 3}}
metrics: {{regex: ['epoch (?P<epoch>\\d+) val_acc=(?P<val_acc>\\S+)']}}
budget: {{trials: {trials}}}
runner: {{workers: 2}}
team: [random]
"""


def command(*words: str) -> list[str]:
    """Return the argument list of a command."""
    return [sys.executable, "-m", "trialwright.app.cli", *words]


def environment(**more: str) -> dict[str, str]:
    """Return the variables of a terminal, 100 columns wide, without colours."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TRIALWRIGHT_", "FORCE_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    plain = {"PATH": path, "COLUMNS": "100", "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}
    return {**kept, **plain, **more}


def ran(folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder to its end."""
    return subprocess.run(
        command(*words),
        cwd=folder,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def lay_out(folder: Path, *, sleep: float = 0.0, trials: int = 3) -> Path:
    """Write a small study into a folder, and return its file."""
    (folder / "train.py").write_text(TRAIN)
    (folder / "study.yaml").write_text(STUDY.format(sleep=sleep, trials=trials))
    return folder / "study.yaml"


def clear(answer: subprocess.CompletedProcess[str]) -> None:
    """Hold an error to what every error promises: status 2, words on stderr, no traceback of ours.

    A script's own traceback may be quoted.
    """
    assert answer.returncode == 2, answer.stdout + answer.stderr
    assert "trialwright/app/cli.py" not in answer.stderr
    assert answer.stderr.strip()
