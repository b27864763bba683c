"""A study's team, put together: each member with what it needs beside the task and the history.

Proposers keep no state of a study; models need keys, a place for their answers, and logs to read.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from trialwright.analysis.heldout import veiled
from trialwright.analyst import analyse, summarise
from trialwright.editable import CodingAgent
from trialwright.errors import ProposerError
from trialwright.execute.environment import inherited, secret
from trialwright.execute.runner import run_folder
from trialwright.history import History
from trialwright.llm import providers
from trialwright.llm.conversation import Line
from trialwright.llm.tape import Player, Recorder, Tape
from trialwright.propose.author import Author
from trialwright.propose.coder import Coder, Workplace
from trialwright.propose.creator import Creator, Surroundings
from trialwright.propose.executor import Executor, Explained
from trialwright.propose.proposer import Proposer
from trialwright.propose.team import Team, member
from trialwright.records import Analysis, Block, Exchange, Observation, RunKey
from trialwright.task import Agent, Environment, Someone, Task

TAPE = "exchanges.jsonl"
"""In a study's folder: every answer of a model, for a replay."""

LOG_END = 100_000
"""Bytes of a log's end that are read for a model; far fewer are shown."""


@dataclass(frozen=True, slots=True)
class Asking:
    """A model that is waited for."""

    member: str
    model: str
    seconds: float
    """For which it has been waited."""


class Crew:
    """The team of one study.

    `replay`: a recording whose answers are played back, and no model is asked.

    Raises:
        ProposerError: the recording can't be read.
    """

    def __init__(
        self, task: Task, folder: Path, environ: Mapping[str, str], *, replay: Path | None = None
    ) -> None:
        self._folder = folder
        self._told: SimpleQueue[Exchange] = SimpleQueue()
        tape: Tape = Recorder(folder / TAPE) if replay is None else Player(replay)

        self._task = task
        self._around = Surroundings(told=self._told.put, log=self._log)
        self._lines = {
            one.name: Line(one, environ, tape) for one in task.team if isinstance(one, Agent)
        }
        self._environ = environ
        self._replayed = replay is not None
        self.stopping = False
        """Whether who works at length is to end it now; set by signal handlers, so without a lock.
        """
        members = [self._member(one) for one in task.team]
        models = [one.name for one in task.team if isinstance(one, Agent | CodingAgent)]
        self.proposer: Proposer = members[0] if len(members) == 1 else Team(members, models=models)

    @property
    def asks_models(self) -> bool:
        """Whether anybody may have to wait for a model."""
        return bool(self._lines) or any(isinstance(one, CodingAgent) for one in self._task.team)

    def asking(self) -> tuple[Asking, ...]:
        """Return which models are waited for just now; from any thread."""
        return tuple(
            Asking(name, line.agent.model or line.agent.cli[0], seconds)
            for name, line in self._lines.items()
            if (seconds := line.waiting_s) is not None
        )

    def explain(self, history: History, observation: Observation) -> Explained | None:
        """Have a failed run read by the team's first model, where code can't tell its cause."""
        line = self._first()
        if line is None:
            return None
        return Executor(line, self._around).explain(self._task, history, observation)

    def analyse(self, history: History) -> Analysis | None:
        """Have the study's final analysis written by the team's first model, if it has one."""
        line = self._first()
        return None if line is None else analyse(line, self._task, history, self._around.told)

    def summarise(self, history: History, block: Block) -> Analysis | None:
        """Have a block summed up by the team's first model, if it has one."""
        line = self._first()
        if line is None:
            return None
        return summarise(line, self._task, history, block, told=self._around.told)

    def told(self) -> list[Exchange]:
        """Return the conversations since the last call, to be recorded."""
        found: list[Exchange] = []
        while True:
            try:
                found.append(self._told.get_nowait())
            except Empty:
                return found

    def _member(self, one: Someone) -> Proposer:
        if not isinstance(one, CodingAgent):
            return member(one, self._task, self._creator)
        if self._replayed:
            raise ProposerError(
                f"team: {one.name} is a coding agent, whose turns can't be played back"
            )
        return Coder(one, workplace(one, self._folder, self._environ, lambda: self.stopping))

    def _creator(self, agent: Agent) -> Proposer:
        asks = Creator if self._task.research is None else Author
        return asks(self._lines[agent.name], self._around)

    def _first(self) -> Line | None:
        return next(iter(self._lines.values()), None)

    def _log(self, run: RunKey) -> str:
        path = run_folder(self._folder, run) / "stdout.log"
        try:
            with path.open("rb") as file:
                file.seek(max(path.stat().st_size - LOG_END, 0))
                text = file.read().decode(errors="replace")
                # Where it was cut, the first line is a part of one.
                whole = text.partition("\n")[2] if len(text) >= LOG_END and "\n" in text else text
                return veiled(whole, self._task)
        except OSError:
            return ""


def workplace(
    agent: CodingAgent, folder: Path, environ: Mapping[str, str], stopping: Callable[[], bool]
) -> Workplace:
    """Return what a coding agent works with: no secrets of `environ` but those passed to it."""
    kept = inherited(environ, Environment(passed=agent.passed))
    return Workplace(
        folder=folder,
        environment={name: text for name, text in kept.items() if not name.startswith("GIT_")},
        secrets=tuple(
            value for name, value in environ.items() if secret(name, value) or name in agent.passed
        ),
        stopping=stopping,
    )


def problems(task: Task, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return one sentence for everything that would keep a member from working; () if nothing."""
    agents = [one for one in task.team if isinstance(one, Agent)]
    found = [
        f"team: {agent.name}: {problem}"
        for agent in agents
        if (problem := providers.problem(agent, environ))
    ]
    found += [
        f"team: {agent.name}: {problem}"
        for agent in task.team
        if isinstance(agent, CodingAgent)
        for problem in _coder_problems(agent, task, environ)
    ]
    if task.budget.usd is not None:
        found += [
            f"budget: usd can't be held: nobody knows the price of {agent.name}; give the member"
            " a `price: [read, written]` in US dollars per million tokens, or a budget of `tokens`"
            for agent in agents
            if providers.price(agent, 1, 1) is None
        ]
    return tuple(found)


def _coder_problems(agent: CodingAgent, task: Task, environ: Mapping[str, str]) -> Iterator[str]:
    """Everything that would keep a coding agent from working here, a sentence each."""
    if task.research is None:
        yield "it edits code: the study needs a section `research`"
    program = agent.command[0]
    if "/" in program:
        if not Path(program).is_absolute() or not os.access(program, os.X_OK):
            yield f"{program} is no program: write its whole path, or a name that is on PATH"
    elif shutil.which(program, path=environ.get("PATH")) is None:
        yield f"the program {program!r} is not found on PATH: install it, or write its whole path"
    for name in agent.passed:
        if name not in environ:
            yield f"{name} is to be passed to it and is not set here: set it, or take it out"
    for path in agent.writable:
        if not (Path(task.folder) / Path(path).expanduser()).exists():
            yield f"{path} is to be writable for it and is not there: make it, or take it out"
