"""Coding agents that are scripts: put into the team of a study on a small project."""

from __future__ import annotations

import hashlib
import os
import secrets
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil

from trialwright.crew import Crew
from trialwright.editable import CodingAgent
from trialwright.history import History
from trialwright.records import Proposal
from trialwright.study import Study
from trialwright.task import Budget, Task

STANDINS = Path(__file__).parent / "standins"


def agent(script: str, *arguments: object, **changes: object) -> CodingAgent:
    """A script of `standins` as a coding agent; it may be read where `READABLE` may."""
    command = (sys.executable, "-I", "-S", str(STANDINS / f"{script}.py"), *map(str, arguments))
    plain: dict[str, object] = {"name": script, "command": command, "time_s": 60.0}
    return CodingAgent(**{**plain, **changes})  # type: ignore[arg-type]  # parts as it has them


def begun(task: Task, folder: Path, environ: dict[str, str] | None = None) -> History:
    """The study's first trial, which is the code as it was found."""
    return Study(with_budget(task, 1), folder, environ=environ or os.environ).run()


def with_budget(task: Task, trials: int) -> Task:
    """The task with another budget."""
    return replace(task, budget=Budget(trials=trials))


def offered(task: Task, folder: Path, environ: dict[str, str] | None = None) -> Proposal:
    """What the task's agent makes of one turn, after the first trial."""
    history = begun(task, folder, environ)
    crew = Crew(task, folder, dict(os.environ) if environ is None else environ)
    (proposal,) = crew.proposer(task, history, 1, np.random.default_rng(0))
    return proposal


def log_of(folder: Path, name: str) -> str:
    """What an agent printed in its last turn, as it is kept."""
    logs = sorted((folder / "agents" / name).glob("*.log"))
    return logs[-1].read_text()


def everything(project: Path) -> dict[str, str]:
    """Each file of a repository, .git included, but for what a study adds to it, with its hash."""
    return dict(_hashes(project))


def _hashes(project: Path) -> Iterator[tuple[str, str]]:
    for at, folders, files in os.walk(project):
        folders.sort()
        for name in (*folders, *files):
            path = Path(at, name)
            shown = str(path.relative_to(project))
            if "trialwright" in shown or shown.startswith(".git/objects"):
                continue
            content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            said = os.fsencode(path.readlink()) if path.is_symlink() else content
            yield shown, f"{path.lstat().st_mode:o} {hashlib.sha256(said).hexdigest()}"


def objects(project: Path) -> dict[str, bytes]:
    """The objects of a repository, by their files."""
    top = project / ".git" / "objects"
    return {str(path): path.read_bytes() for path in top.rglob("*") if path.is_file()}


def token_of(kind: str) -> str:
    """A word for one test's agents alone: folders of tests that run at once are named alike."""
    return f"{kind}-{secrets.token_hex(8)}"


def alive(token: str) -> list[int]:
    """The processes that have a text on their command line or in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), *process.environ().values()]
        except (psutil.Error, OSError):
            continue
        if process.pid != os.getpid() and any(token in word for word in words):
            found.append(process.pid)
    return found
