"""The view on a real terminal: of a study that runs here, and of one that runs elsewhere."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.app.commands import clear, command, environment, lay_out, ran
from tests.app.started import Started

WAIT_S = 120


class Terminal:
    """A pseudo-terminal with a command on it."""

    def __init__(self, folder: Path, words: tuple[str, ...], columns: int) -> None:
        self._main, side = pty.openpty()
        self._written = b""
        self.resize(columns)
        variables = environment(TERM="xterm-256color")
        kept = {k: v for k, v in variables.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
        self.process = subprocess.Popen(
            command(*words), cwd=folder, env=kept, stdin=side, stdout=side, stderr=side,
            start_new_session=True,
        )  # fmt: skip
        os.close(side)

    def resize(self, columns: int) -> None:
        """Make it 24 rows of so many columns."""
        fcntl.ioctl(self._main, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    @property
    def text(self) -> str:
        """All that was written so far, without what moves or colours."""
        text = self._written.decode("utf-8", "replace")
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)

    def until(self, pattern: str, *, after: int = 0) -> int:
        """Wait until something was written behind place `after`; return the place behind it."""
        deadline = time.monotonic() + WAIT_S
        while not (found := re.compile(pattern).search(self.text, after)):
            assert time.monotonic() < deadline, self.text
            assert self._more(), self.text
        return found.end()

    def rest(self) -> str:
        """Wait for the end; return all that was written."""
        while self._more():
            pass
        self.process.wait(timeout=WAIT_S)
        return self.text

    def close(self) -> None:
        """End what is left."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(timeout=WAIT_S)
        os.close(self._main)

    def _more(self) -> bool:
        """Read what there is; say whether there may be more."""
        if not select.select([self._main], [], [], 0.2)[0]:
            return self.process.poll() is None
        try:
            chunk = os.read(self._main, 65536)
        except OSError:
            return False
        self._written += chunk
        return bool(chunk)


@contextmanager
def terminal(folder: Path, *words: str, columns: int = 80) -> Iterator[Terminal]:
    """A command on a terminal, ended with the block."""
    found = Terminal(folder, words, columns)
    try:
        yield found
    finally:
        found.close()


GATED = """\
import argparse, os, time

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--depth", type=int, default=3)
parser.add_argument("--seed")
parser.add_argument("--sleep")
args = parser.parse_args()
print(f"epoch 1 val_acc={1 - args.lr:.4f}", flush=True)
while not os.path.exists("gate"):
    time.sleep(0.05)
print(f"epoch 2 val_acc={1.5 - args.lr:.4f}", flush=True)
"""


def gated(folder: Path, *, trials: int) -> Path:
    """A study whose runs end once `open_gate` was called; return the gate."""
    lay_out(folder, trials=trials)
    (folder / "train.py").write_text(GATED)
    return folder / "gate"


def test_the_view_follows_the_size_of_the_terminal(tmp_path: Path) -> None:
    """A study on 80 columns that become 40: the bar is there in each width, the end is clean."""
    gate = gated(tmp_path, trials=2)
    with terminal(tmp_path, "run") as seen:
        at = seen.until(r"─{20} 0/2 trials")
        seen.until(r"val_acc \S+ @ 1  lr=")
        seen.resize(40)
        at = seen.until(r"[^─]─{10} 0/2 trials", after=at)
        seen.until(r"val_acc \S+ @ 1\s", after=at)
        gate.touch()
        text = seen.rest()
    assert seen.process.returncode == 0
    assert text.rindex("report: ") > text.rindex("▶ trial")
    assert "trial 1 done in" in text


def test_a_model_that_is_waited_for_is_shown(tmp_path: Path) -> None:
    """While a model thinks the view says which, from the first question on, and for how long."""
    file = lay_out(tmp_path, trials=1)
    gate = tmp_path / "gate"
    thinker = tmp_path / "thinker.sh"
    thinker.write_text(f"#!/bin/sh\nwhile [ ! -e {gate} ]; do sleep 0.1; done\nexit 1\n")
    thinker.chmod(0o755)
    team = f"team: [{{name: sage, cli: [{thinker}]}}]"
    file.write_text(file.read_text().replace("team: [random]", team))
    with terminal(tmp_path, "run", columns=150) as seen:
        seen.until(rf"asking {thinker}  \(sage\)  \d+ s")
        gate.touch()
        seen.rest()


def test_status_watch_shows_a_study_that_runs_elsewhere(tmp_path: Path) -> None:
    """It shows what runs, the best once there is one, and ends with the study."""
    gate = gated(tmp_path, trials=2)
    other = Started(tmp_path, "run", file=tmp_path / "said")
    try:
        deadline = time.monotonic() + WAIT_S
        while "running" not in ran(tmp_path, "status").stdout:
            assert time.monotonic() < deadline
        with terminal(tmp_path, "status", "--watch") as seen:
            seen.until(r"0/2 trials")
            seen.until(r"▶ trial 1")
            gate.touch()
            text = seen.rest()
        assert seen.process.returncode == 0
        assert "trial 1 done in" in text
        assert "kept: " in text
        assert text.rstrip().endswith("all 2 trials of the budget are done")
    finally:
        gate.touch()
        other.wait(timeout=WAIT_S)


def test_status_watch_ends_with_ctrl_c_and_leaves_the_study_alone(tmp_path: Path) -> None:
    """A study that was killed is shown as it is; Ctrl-C ends the looking, with status 0."""
    gated(tmp_path, trials=2)
    study = Started(tmp_path, "run")
    assert study.stdout is not None
    while "trial 1 started" not in study.stdout.readline():
        pass
    study.close()
    with terminal(tmp_path, "status", "--watch") as seen:
        seen.until("no process is running this study")
        seen.process.send_signal(signal.SIGINT)
        seen.rest()
    assert seen.process.returncode == 0
    assert b"\x1b[?25h" in seen._written  # the cursor is back


def test_status_watch_prints_plain_lines_without_a_terminal(tmp_path: Path) -> None:
    """Of a study that has ended it says so, and no codes; it has no JSON."""
    lay_out(tmp_path, trials=1)
    assert ran(tmp_path, "run").returncode == 0
    answer = ran(tmp_path, "status", "--watch")
    assert answer.returncode == 0
    assert answer.stdout == "the one trial of the budget is done\n"
    clear(ran(tmp_path, "status", "--watch", "--json"))
    clear(ran(tmp_path, "status", "--plain"))
