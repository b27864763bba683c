"""A small study that changes code, in the repository of a user who has work of their own there.

It knows no fault. `CodeScene.look` holds what git and the ledger show after a kill against what
they showed before; `CodeScene.audit` holds the study's end against the script's own book.
"""

from __future__ import annotations

import hashlib
import math
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.breaking.audit import Counts, booked
from benchmarks.breaking.scene import Scene
from benchmarks.breaking.warm import Process
from trialwright.campaigns.write import history_tsv
from trialwright.errors import RepositoryError, TrialwrightError
from trialwright.history import History, Trial, read
from trialwright.process.repository import Repository
from trialwright.research.naming import branch_of, ref_of

HERE = Path(__file__).parent / "project"
"""The files of the repository."""

GIT_S = 0.2
"""Seconds that proposing a trial and showing it in git take, longer than its run."""

STUDY = """
name: study
goal: minimize loss
command: [{python}, -S, -E, train.py]
research:
  editable: [train.py]
  frozen: [evaluator.py]
  results: results.tsv
  sandbox: {sandbox}
  writable: ["{outside}"]
  smoke: 0s
budget: {{trials: {trials}}}
runner: {{workers: 2}}
limits: {{grace: 0.3s, log: 256KiB}}
seeds: {{study: {seed}}}
environment: {{set: {{BOOK: "{book}", MARK: "{mark}", PACE: "{pace}"}}}}
"""


@dataclass
class Losses(Counts):
    """What went wrong, over all studies of code."""

    fsck_errors: int = 0
    checkout_changed: int = 0


class CodeScene(Scene):
    """A study of code in a folder of its own."""

    def __init__(self, outside: Path, *, rng: random.Random, sandbox: str) -> None:
        super().__init__(outside, rng=rng)
        self.folder = outside / "project"
        # In a folder of its own: that alone may be written from within the sandbox.
        self.book = outside / "book" / "book.jsonl"
        self.losses = Losses()
        self._sandbox = sandbox
        self._judged: dict[int, tuple[str, str, float | None]] = {}
        self._refs: dict[str, str] = {}
        self._user: dict[str, str] = {}

    def write(self, **_: str) -> None:  # type: ignore[override]  # nothing in it is to be changed
        """Make the repository, its study, and the user's unfinished work."""
        shutil.copytree(HERE, self.folder)
        (self.folder / "study.yaml").write_text(
            STUDY.format(
                python=sys.executable, sandbox=self._sandbox, outside=self.book.parent,
                trials=self.trials, seed=self.rng.randrange(10**6), book=self.book, mark=self.mark,
                pace=self.pace,
            )
        )  # fmt: skip
        self.book.parent.mkdir(exist_ok=True)
        self._git("init", "-q", "-b", "main")
        self._git("add", "-A")
        self._git("commit", "-qm", "begin")
        self._git("branch", "other")
        notes = self.folder / "notes.md"
        notes.write_text("set aside\n")
        self._git("stash")
        notes.write_text("staged\n")
        self._git("add", "notes.md")
        notes.write_text("not staged\n")
        (self.folder / "scribble.txt").write_text("not tracked\n")
        self._user = self._seen()

    def until_random_moment(self, process: Process, *, start_s: float = 0.2) -> None:
        """Wait for a moment as for any study; then up to a trial's time in git."""
        super().until_random_moment(process, start_s=start_s)
        if process.poll() is None:
            time.sleep(self.rng.uniform(0.0, GIT_S))

    def look(self) -> None:
        """Hold the repository and the ledger against what they were at the last look."""
        now = self._seen()
        changed = sorted(
            name for name in {*now, *self._user} if now.get(name) != self._user.get(name)
        )
        if changed:
            self.losses.checkout_changed += 1
            self._note(f"the user's {', '.join(changed)} changed")
        faults = self._fsck()
        if faults:
            self.losses.fsck_errors += len(faults)
            self._note(f"git fsck: {'; '.join(faults[:3])}")
        try:
            history = read(self.study)
        except TrialwrightError:
            if self._judged:
                self._lose("the ledger can't be read any more")
            return
        except sqlite3.Error as error:
            self._lose(str(error))
            return
        self._hold(history)

    def _hold(self, history: History) -> None:
        """Nothing that was judged, and nothing that a ref showed, may be gone or another."""
        judged = {
            trial.number: (_patch(trial), trial.tree, trial.value)
            for trial in history.trials
            if trial.verdict is not None
        }
        for number, before in self._judged.items():
            if judged.get(number) != before:
                self._lose(f"trial {number} is not what it was")
        refs = Repository(self.folder).refs("refs/trialwright/study")
        trees = {
            name: self._git("rev-parse", f"{commit}^{{tree}}") for name, commit in refs.items()
        }
        for name, tree in self._refs.items():
            if not name.endswith("/branch") and trees.get(name) != tree:
                self._lose(f"{name} is gone, or shows other code")
        self._judged, self._refs = judged, trees

    def audit(self) -> None:
        """Hold the study's end against the book, git and the rows."""
        self.look()
        history = read(self.study)
        ended = {trial.number: trial for trial in history.trials if trial.verdict is not None}
        if len(ended) != self.trials:
            self.losses.lost += abs(self.trials - len(ended))
            self._note(f"{len(ended)} of {self.trials} trials have their end")
        for number, entry in booked(self.book).items():
            at = entry.ended
            self.losses.finished += at is not None
            self.losses.interrupted += entry.events.count("start") - 1
            self.losses.repeated_numbers += len(entry.values) > 1
            if at is None:
                continue
            self.losses.twice += "start" in entry.events[at + 1 :]
            value = ended[number].value if number in ended else None
            if value is None or not math.isclose(value, float(min(entry.values)), abs_tol=1e-12):
                self._lose(f"trial {number} had ended with {entry.values}, and is {value}")
        try:
            self._audit_git(history)
        except RepositoryError as error:
            self._lose(str(error))

    def _audit_git(self, history: History) -> None:
        store = Repository(self.folder)
        root = next(version.commit for version in history.codes.values() if version.commit)
        refs, commits = store.refs("refs/trialwright/study"), {}
        for trial in history.trials:
            commits[trial.number] = root
            if not trial.tree:
                continue
            commit = refs.get(ref_of("study", trial.number), "")
            commits[trial.number] = commit
            parent = trial.proposal.parent
            before = commits[parent] if parent is not None else root
            if not commit or self._git("rev-parse", f"{commit}^") != before:
                self._lose(f"trial {trial.number} has no commit behind its parent's")
            elif store.patch(f"{before}^{{tree}}", f"{commit}^{{tree}}") != _patch(trial):
                self._lose(f"the commit of trial {trial.number} is not its patch")
        best = history.best()
        branch = branch_of("study")
        if best is None or store.refs(branch).get(branch) != commits[best.number]:
            self._lose("the branch is not at the best trial")
        if (self.study / "results.tsv").read_text() != history_tsv(history, commits):
            self._lose("results.tsv has not the rows of the ledger")

    def _lose(self, what: str) -> None:
        self.losses.lost += 1
        self._note(what)

    def _note(self, what: str) -> None:
        self.losses.notes.append(f"{self.name}: {what}")

    def _fsck(self) -> list[str]:
        done = subprocess.run(
            ["git", "fsck", "--strict", "--full", "--no-dangling", "--no-progress"],
            cwd=self.folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        return said or ([f"status {done.returncode}"] if done.returncode else [])

    def _seen(self) -> dict[str, str]:
        """Everything in the repository that is the user's, by what it is called."""
        git = self.folder / ".git"
        files = [
            path
            for path in self.folder.rglob("*")
            if path.is_file() and git not in path.parents and self.study not in path.parents
        ]
        ours = ("refs/trialwright/", branch_of("study"))
        refs = self._git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        return {
            "status": self._git("status", "--porcelain"),
            "branches": "\n".join(ref for ref in refs if not ref.startswith(ours)),
            **{name: _digest(git / name) for name in ("HEAD", "index", "config")},
            **{str(path.relative_to(self.folder)): _digest(path) for path in files},
        }

    def _git(self, *words: str) -> str:
        plain = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
        done = subprocess.run(
            ["git", *plain, *words], cwd=self.folder, capture_output=True, text=True, check=False,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )  # fmt: skip
        return done.stdout.rstrip("\n")


def _patch(trial: Trial) -> str:
    return trial.proposal.edit.patch if trial.proposal.edit else ""


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
