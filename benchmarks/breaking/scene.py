"""Where one study is broken: its folder, its file, its sessions, and what was seen of them."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from benchmarks.breaking.audit import Counts, audit, booked, lines, marked, survivors
from benchmarks.breaking.warm import ROOT, Process, Starter, kill, wait

TRAIN = Path(__file__).with_name("train.py")

HANGS_S = 300.0
"""Seconds after which a session that neither ends nor gets on is one that hangs."""

RESUMED = 6
"""Times that a study is resumed at most."""

SESSION = ("benchmarks.breaking.session", "study.yaml", "runs/study")

STUDY = """
name: study
goal: maximize y
command: [{python}, -S, -E, train.py, "{{x}}"]
space:
  x: {{float: [-1, 1]}}
budget: {budget}
team: {team}
runner: {runner}
limits: {limits}
seeds: {{study: {seed}}}
environment: {{set: {{BOOK: "{book}", MARK: "{mark}", PACE: "{pace}", NAUGHTY: "{naughty}"}}}}
"""


class Scene:
    """A small study in a folder of its own. Its book is `outside`, where no disk is filled."""

    def __init__(
        self, outside: Path, *, rng: random.Random, starter: Starter | None = None
    ) -> None:
        self.name = outside.name
        self.folder = outside
        """Of the study file; a fault may put it elsewhere before `write`."""
        self.book = outside / "book.jsonl"
        self.said = outside / "said"
        self.mark = str(outside)
        self.trials = rng.randint(5, 12)
        self.counts = Counts(rounds=1)
        self.rng = rng
        self.pace = rng.choice((0.005, 0.03, 0.15))
        self._starter = starter
        self._words = self._chosen()
        outside.mkdir()

    @property
    def study(self) -> Path:
        """The study's own folder."""
        return self.folder / "runs" / "study"

    def write(self, *, more: str = "", naughty: str = "", **changes: str) -> None:
        """Write the study file."""
        usual = {
            "budget": f"{{trials: {self.trials}}}",
            "team": "[random]",
            "runner": "{workers: 2}",
            "limits": "{grace: 0.3s, log: 256KiB}",
        }
        text = STUDY.format(
            python=sys.executable, book=self.book, mark=self.mark, naughty=naughty,
            pace=self.pace, seed=self.rng.randrange(10**6), **{**usual, **changes},
        )  # fmt: skip
        (self.folder / "study.yaml").write_text(text + more)
        shutil.copy(TRAIN, self.folder)

    def start(self) -> Process:
        """Start or resume the study."""
        environment = {**os.environ, "MARK": self.mark, "PYTHONDONTWRITEBYTECODE": "1"}
        assert self._starter is not None
        return self._starter.start(
            self._words, folder=self.folder, environment=environment, said=self.said
        )

    def start_cold(self, *words: str, **more: str) -> Process:
        """Start or resume it in a fresh interpreter: a module with its arguments, and variables."""
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        ours = {"MARK": self.mark, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        with self.said.open("ab") as said:
            return subprocess.Popen(
                [sys.executable, "-m", *(words or SESSION)],
                cwd=self.folder, env={**os.environ, **ours, **more}, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=said,
            )  # fmt: skip

    def _chosen(self) -> list[str]:
        """The whole command line once in a while: its reports cost as much as three rounds."""
        if self.rng.random() < 1 / 12:
            return ["run", "study.yaml", "--plain"]
        return ["study.yaml", "runs/study"]

    def until_random_moment(self, process: Process, *, start_s: float = 0.2) -> None:
        """Wait for a moment that falls anywhere in a session, however fast the machine is.

        One in six lies in the start-up; the others some events further in the book, and some
        milliseconds on. Returns early if the process ends.
        """
        if self.rng.random() < 1 / 6:
            time.sleep(self.rng.uniform(0.0, start_s))
            return
        wanted = lines(self.book) + self.rng.randint(1, 2 * self.trials - 2)
        while process.poll() is None and lines(self.book) < wanted:
            time.sleep(0.002)
        time.sleep(self.rng.uniform(0.0, 0.03))

    def guard(self, process: Process) -> psutil.Process | None:
        """The guard of a session's runs, if it is there yet."""
        with suppress(psutil.Error):
            for child in psutil.Process(process.pid).children():
                if "trialwright.process.parent" in " ".join(child.cmdline()):
                    return child
        return None

    def going(self) -> list[int]:
        """The processes of runs that have begun and not ended, by the book."""
        return [
            entry.pids[-1] for entry in booked(self.book).values() if entry.events[-1] == "start"
        ]

    def gone(self) -> None:
        """Count who is left of a study that nobody runs any more."""
        left = survivors(self.mark)
        if left:
            self.counts.orphans += len(left)
            self.counts.notes.append(f"{self.name}: {len(left)} processes are left")

    def finish(self, process: Process | None = None) -> None:
        """Wait for a session and resume the study until it has come to its end; then audit it."""
        status = self.ended(process) if process else None
        resumed = 0
        while status != 0 and resumed < RESUMED:
            status = self.ended(self.start())
            resumed += 1
        if status != 0:
            self.counts.notes.append(f"{self.name}: status {status} at last: {self.tail()}")
        if self.said.exists() and "Traceback" in (said := self.said.read_text()):
            self.counts.notes.append(f"{self.name}: {said[said.index('Traceback') :][-1500:]}")
        self.gone()
        self.counts.add(audit(self.name, folder=self.study, book=self.book, trials=self.trials))

    def ended(self, process: Process) -> int | None:
        """Wait for a session; one that does not end by itself is a fault, and is killed."""
        status = wait(process, within_s=HANGS_S)
        if status is None:
            self.counts.notes.append(f"{self.name}: a session hangs: {self.tail()}")
            kill(process)
        return status

    def tail(self) -> str:
        """The end of what its sessions said."""
        return self.said.read_text()[-500:] if self.said.exists() else ""

    def clear(self) -> None:
        """End whatever is left, so that the next round does not suffer from it."""
        for pid in marked(self.mark):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
