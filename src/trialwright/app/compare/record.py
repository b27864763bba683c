"""What is written of a comparison: `compare.json`, and of each campaign its rows."""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path
from threading import Lock

from trialwright import __version__
from trialwright.analysis.contest import needed
from trialwright.app.compare.arena import Leg, name_of
from trialwright.app.compare.tallies import Tally, compared, sums
from trialwright.app.documents import Document, dumps, plain
from trialwright.campaigns.write import history_tsv
from trialwright.editable import CodingAgent
from trialwright.errors import RepositoryError
from trialwright.execute.runlog import write_atomically
from trialwright.history import History
from trialwright.insight.ours import campaign_of
from trialwright.llm.providers import context_tokens
from trialwright.process.repository import Repository
from trialwright.propose import briefing, codebrief, coder
from trialwright.research.naming import ref_of
from trialwright.task import Agent, Someone, Task

FILE = "compare.json"
PACKAGES = ("libcst", "optuna", "pydantic-ai-slim", "scikit-learn", "torch")
"""Whose versions are noted where they are installed."""


@dataclass(slots=True)
class Record:
    """The comparison as it is known so far; `write` may be called from any thread."""

    folder: Path
    task: Task
    terms: str
    base: str
    members: Sequence[Someone]
    prompts: Mapping[str, str]
    """The part of each agent's prompt that stays the same."""
    legs: Sequence[Leg]
    tallies: dict[str, Tally] = field(default_factory=dict)
    """Of campaigns that have begun, by the name of their leg."""
    states: dict[str, str] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def write(self) -> Document:
        """Write the file, and return what is in it."""
        with self._lock:
            document = self.document()
            write_atomically(self.folder / FILE, f"{dumps(document)}\n".encode())
            return document

    def ended(self) -> list[Tally]:
        """Return the campaigns that came to their end."""
        names = [leg.name for leg in self.legs if self.states.get(leg.name) == "ended"]
        return [self.tallies[name] for name in names]

    def document(self) -> Document:
        """Return all that is known as one JSON document."""
        task, agents = self.task, [name_of(one) for one in self.members]
        return {
            "study": task.name,
            "goal": f"{task.objective.direction} {task.objective.metric}",
            "terms": self.terms,
            "base": self.base or None,
            "command": list(task.command),
            "budget": plain(task.budget),
            "versions": _versions(),
            "agents": [_agent(one, self.prompts.get(name_of(one), "")) for one in self.members],
            "campaigns": [self._campaign(leg) for leg in self.legs],
            "summary": {
                "agents": [plain(one) for one in sums(self.ended(), agents)],
                "pairs": [
                    {**_object(one), "told": one.told}
                    for one in compared(self.ended(), agents, task.objective)
                ],
                "replicates_needed": needed(len(agents)),
            },
        }

    def _campaign(self, leg: Leg) -> Document:
        found = self.tallies.get(leg.name)
        return {
            "agent": leg.agent,
            "replicate": leg.replicate,
            "seed": leg.seed,
            "folder": str(leg.folder.relative_to(self.folder)),
            "state": self.states.get(leg.name, "to come"),
            **(_object(found) if found else {}),
        }


def prompt_of(member: Someone, task: Task) -> str:
    """Return what a member is told at every turn; '' for one that is told nothing."""
    match member:
        case CodingAgent(role=role):
            return f"{codebrief.instructions(task, role)}\n\n{coder.HOW}"
        case Agent() if task.research is not None:
            return codebrief.instructions(task, member.role)
        case Agent():
            return briefing.instructions(task, member)
    return ""


def keep_rows(leg: Leg, history: History, task: Task) -> None:
    """Write a campaign's rows: `results.tsv` in autoresearch's format, and the same as JSON lines.

    Raises:
        OSError: they can't be written.
    """
    commits = _commits(history, task)
    metric = task.objective.metric
    lines = [
        dumps(
            {
                "number": one.number,
                "commit": commits.get(one.line, ""),
                metric: plain(one.metric),
                "memory_gb": plain(one.memory_gb),
                "status": one.status,
                "verdict": one.word,
                "category": one.category,
                "declared": one.extra["declared"],
                "agent": one.agent,
                "description": one.description,
                "parent": one.extra["parent"] or None,
                "seconds": plain(one.seconds),
                "at": plain(one.at),
                "seed": leg.seed,
                **({"configuration": plain(one.configuration)} if one.configuration else {}),
            },
            indent=None,
        )
        for one in campaign_of(history).experiments
    ]
    write_atomically(leg.folder / "trials.jsonl", "".join(f"{line}\n" for line in lines).encode())
    write_atomically(leg.folder / "results.tsv", history_tsv(history, commits).encode())


def _commits(history: History, task: Task) -> dict[int, str]:
    """The commit of each trial, where trials change code."""
    if task.research is None:
        return {}
    try:
        store = Repository(Path(task.folder))
        refs = store.refs(f"refs/trialwright/{task.name}")
    except RepositoryError:
        return {}
    base = task.research.base
    return {
        trial.number: refs.get(ref_of(task.name, trial.number), "") if trial.tree else base
        for trial in history.trials
    }


def _agent(member: Someone, prompt: str) -> Document:
    """What is known of an agent before it begins."""
    document: Document = {"name": name_of(member), **_object(member)}
    match member:
        case Agent():
            document |= {"kind": "model", "context_tokens": context_tokens(member)}
        case CodingAgent(command=command):
            document |= {"kind": "coding agent", "context_tokens": None, **_program(command)}
        case _:
            document |= {"kind": "built in"}
    if prompt:
        digest = hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()
        document |= {"prompt_sha256": digest, "prompt": prompt}
    return document


def _program(command: Sequence[str]) -> Document:
    """Which files a command names, with digests: what its own version is, only it could say."""
    found = [shutil.which(command[0]), *(word for word in command[1:] if Path(word).is_file())]
    paths = dict.fromkeys(Path(path).resolve() for path in found if path)
    return {"programs": {str(path): _digest(path) for path in paths}}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _versions() -> Document:
    found: Document = {"trialwright": __version__, "python": platform.python_version()}
    git = subprocess.run(["git", "--version"], capture_output=True, text=True, check=False)
    found["git"] = git.stdout.strip().removeprefix("git version ")
    for name in PACKAGES:
        try:
            found[name] = installed(name)
        except PackageNotFoundError:
            continue
    return found


def _object(value: object) -> Document:
    document = plain(value)
    return document if isinstance(document, dict) else {}
