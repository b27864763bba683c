"""The command line as a user has it: a real process, and what it said."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from functools import lru_cache
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
    """Run a command in a folder to its end, in a process of its own."""
    with tempfile.TemporaryDirectory() as place:
        out, err = Path(place, "out"), Path(place, "err")
        wish = {
            "folder": str(folder),
            "environment": environment(**more),
            "out": str(out),
            "err": str(err),
            "words": words,
            "loaded": str(Path(place, "loaded")),
        }
        status = ask(wish)
        assert status is not None
        return subprocess.CompletedProcess(
            command(*words), status, out.read_text(), err.read_text()
        )


def ask(wish: Mapping[str, object]) -> int | None:
    """Ask the process that commands are forked from; see `tests.app.warm.answered`."""
    with _WARMING:
        try:
            return _warm().serve(json.dumps(wish))
        except BaseException:
            # Its answer may come later, and must not be taken for the next wish's.
            _warm().end()
            _warm.cache_clear()
            raise


_WARMING = threading.Lock()


class _Warm:
    """The process that commands are forked from; see `tests.app.warm`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.app.warm"],
            cwd=Path(__file__).parents[2],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        atexit.register(self.close)

    def serve(self, wish: str) -> int | None:
        """Have one wish answered."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(wish + "\n")
        self._process.stdin.flush()
        answer: int | None = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        """Let the process end."""
        self._process.communicate()

    def end(self) -> None:
        """Kill the process."""
        self._process.kill()


@lru_cache(maxsize=1)
def _warm() -> _Warm:
    return _Warm()


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
