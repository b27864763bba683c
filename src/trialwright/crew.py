"""A study's team, put together: each member with what it needs beside the task and the history.

Proposers keep no state of a study; models need keys, a place for their answers, and logs to read.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from queue import Empty, SimpleQueue

from trialwright.analysis.heldout import veiled
from trialwright.analyst import analyse, summarise
from trialwright.execute.runner import run_folder
from trialwright.history import History
from trialwright.llm import providers
from trialwright.llm.conversation import Line
from trialwright.llm.tape import Player, Recorder, Tape
from trialwright.propose.creator import Creator, Surroundings
from trialwright.propose.executor import Executor, Explained
from trialwright.propose.proposer import Proposer
from trialwright.propose.team import Team, member
from trialwright.records import Analysis, Block, Exchange, Observation, RunKey
from trialwright.task import Agent, Task

TAPE = "exchanges.jsonl"
"""In a study's folder: every answer of a model, for a replay."""

LOG_END = 100_000
"""Bytes of a log's end that are read for a model; far fewer are shown."""


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
        members = [member(one, task, self._creator) for one in task.team]
        models = [one.name for one in task.team if isinstance(one, Agent)]
        self.proposer: Proposer = members[0] if len(members) == 1 else Team(members, models=models)

    @property
    def asks_models(self) -> bool:
        """Whether anybody may have to wait for a model."""
        return bool(self._lines)

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

    def _creator(self, agent: Agent) -> Proposer:
        return Creator(self._lines[agent.name], self._around)

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


def problems(task: Task, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return one sentence for everything that would keep a member from working; () if nothing."""
    agents = [one for one in task.team if isinstance(one, Agent)]
    found = [
        f"team: {agent.name}: {problem}"
        for agent in agents
        if (problem := providers.problem(agent, environ))
    ]
    if task.budget.usd is not None:
        found += [
            f"budget: usd can't be held: nobody knows the price of {agent.name}; give the member"
            " a `price: [read, written]` in US dollars per million tokens, or a budget of `tokens`"
            for agent in agents
            if providers.price(agent, 1, 1) is None
        ]
    return tuple(found)
