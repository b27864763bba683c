"""A coding agent's command line as a member: it edits a copy of the code, and is then read.

It is trusted with nothing. It works in a copy, in the sandbox of runs; what it leaves there is
read as the work of a stranger (`research.harvest`), and only changes of editable files become a
proposal.
"""

from __future__ import annotations

import math
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psutil
from pydantic import BaseModel, ConfigDict, ValidationError

from trialwright.editable import CodingAgent, Research
from trialwright.errors import ProposerError, TrialwrightError
from trialwright.expression import Scalar
from trialwright.history import History
from trialwright.llm.program import objects
from trialwright.process import errand, tree
from trialwright.process.below import remove
from trialwright.process.checkout import Checkout, lay_links, lay_out
from trialwright.process.sandbox import Confinement, confined
from trialwright.propose import codebrief, fence
from trialwright.records import Category, Edit, Hypothesis, Interval, Proposal
from trialwright.research import rules
from trialwright.research.harvest import Harvest, harvest, read_small, with_history
from trialwright.research.workshop import LARGEST_PATCH, Workshop, workshop
from trialwright.task import Task

AGENTS = "agents"
"""In a study's folder: what agents read, and what they printed."""

ANSWER = "proposal.json"
"""What an agent may write beside the code, with its reasons."""

PROMPT = "{prompt}"
"""Stands in a command for the file that holds the prompt."""

STATE = 16_000
"""Characters of the prompt on the state of the search."""

LOG_BEGIN, LOG_END = 50_000, 200_000
"""Bytes of an agent's output that are kept: the first, and the last."""

LONGEST_RATIONALE, LONGEST_CLAIM = 1_500, 600
"""Characters of an agent's words that are kept."""

SHORTEST_SECRET = 6
"""Characters from which on a variable's value is struck from what is kept."""

MARK = "TRIALWRIGHT_AGENT"
"""Environment variable that tells which study's agent a process belongs to."""

HOW = """\
The code of {whose} is in the current folder, a git repository of its own, to be edited in place.
Make one change, an experiment that you expect to improve the goal. Only {editable} may be changed,
added or removed; all other files stay as they are, or the whole edit is refused. Run nothing long:
the experiment itself is run and judged by others, and you are ended after {minutes}. What you leave
in the files is the experiment: commit nothing, and leave no other files behind.

At the end write {answer} in the current folder, all of it optional:
{{"rationale": "what the results say, so what was changed", "category": "{categories}",
 "claim": "one sentence on the goal's metric that the result can contradict",
 "expects": "better, worse, no_worse or same", "low": lowest, "high": highest value of the metric}}
low and high hold the metric with 90 %. Without that file, what you say last counts as the reason.
"""

_CATEGORIES = "hyperparameter, architecture, optimizer, schedule, data, regularization or systems"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """What an agent is given besides its task."""

    folder: Path
    """Of the study."""
    environment: Mapping[str, str]
    """The whole environment of its command."""
    secrets: tuple[str, ...] = ()
    """Values that are kept nowhere."""
    stopping: Callable[[], bool] = lambda: False
    """Whether the study is to end now, asked a few times a second."""


class Said(BaseModel):
    """What an agent says of its edit."""

    model_config = ConfigDict(extra="ignore")
    rationale: str = ""
    category: Category | None = None
    claim: str = ""
    expects: Literal["better", "worse", "no_worse", "same"] = "better"
    low: float | None = None
    high: float | None = None


class Coder:
    """A member of the team that has a command edit a copy of the code.

    Raises, when called:
        ProposerError: the study changes no code.
    """

    def __init__(self, agent: CodingAgent, workplace: Workplace) -> None:
        self._agent = agent
        self._mark = f"{workplace.folder}#{agent.name}"
        self._at = replace(workplace, environment={**workplace.environment, MARK: self._mark})
        self._place = workplace.folder / AGENTS / _file_name(agent.name)
        self._swept = False

    @property
    def name(self) -> str:
        """What stands in `Proposal.by`."""
        return self._agent.name

    def __call__(
        self,
        task: Task,
        history: History,
        n: int,  # noqa: ARG002  # one edit per start of the command
        rng: np.random.Generator,  # noqa: ARG002  # chance is the agent's own
    ) -> list[Proposal]:
        """Return the edit that the agent made, or one that says why its turn was lost.

        Nothing, where it was ended since the study stops.
        """
        if task.research is None:
            raise ProposerError(f"{self.name} edits code: the study needs a section `research`")
        turn = _Turn(self._agent, self._at, task, history)
        try:
            with self._scratch() as scratch:
                return [turn.taken(self._place, scratch)]
        except (TrialwrightError, OSError) as error:
            if self._at.stopping():
                return []
            return [turn.lost(f"it could not be set to work: {error}")]

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        """A folder for one turn, gone afterwards, with what an earlier turn left if it was killed.

        Such a turn's processes are gone by its guard; where that was killed as well, by this.
        """
        if not self._swept:
            tree.sweep(MARK, self._mark)
            self._swept = True
        self._place.mkdir(parents=True, exist_ok=True)
        for left in self._place.glob(".work-*"):
            remove(left)
        scratch = Path(tempfile.mkdtemp(prefix=".work-", dir=self._place))
        try:
            yield scratch
        finally:
            remove(scratch)


class _Turn:
    """One edit, from the prompt to the proposal."""

    def __init__(
        self, agent: CodingAgent, workplace: Workplace, task: Task, history: History
    ) -> None:
        assert task.research is not None
        self._agent, self._at, self._task, self._history = agent, workplace, task, history
        self._plan: Research = task.research
        self._shop: Workshop = workshop(task)
        self._parent = _parent(history)
        self._tree = self._shop.tree(history, self._parent)

    def taken(self, place: Path, scratch: Path) -> Proposal:
        """Have the agent work in `scratch`, and read what it did; its words are kept in `place`."""
        number = _next(place)
        prompt = place / f"{number:04d}.prompt.md"
        prompt.write_text(self.prompt(), encoding="utf-8", errors="replace")
        top = scratch / "code"
        links = self._lay_out(top)
        raw = scratch / "output"
        done = errand.run(self._errand(top, links, prompt, scratch), self._at.stopping)
        printed = _printed(raw)
        log = place / f"{number:04d}.log"
        log.write_text(_struck(printed, self._at.secrets), encoding="utf-8")
        if done.stopped == "cancelled":
            raise ProposerError("it was ended, as the study stops")
        why = self._why_lost(done, printed)
        if why:
            return self.lost(f"{why} (its words: {log})")
        return self._read(top, links, printed)

    def prompt(self) -> str:
        """Return what the agent reads."""
        parent = "the study's beginning" if self._parent is None else f"trial {self._parent}"
        best = self._history.best()
        if best is not None and best.number == self._parent:
            parent += ", the best so far,"
        how = HOW.format(
            whose=parent,
            editable=", ".join(self._plan.editable),
            minutes=f"{self._agent.time_s:.4g} seconds",
            answer=ANSWER,
            categories=_CATEGORIES,
        )
        return "\n\n".join(
            part
            for part in (
                codebrief.instructions(self._task, self._agent.role),
                codebrief.state(self._task, self._history, most=STATE),
                self._advice(),
                how,
            )
            if part
        )

    def _advice(self) -> str:
        """What became of its last turn, if that was lost."""
        mine = [one for one in self._history.refusals if one.proposal.by == self._agent.name]
        last = max((t.number for t in self._history.trials if self._made(t.number)), default=-1)
        if not mine or not self._history.lost.get(self._agent.name):
            return ""
        said = fence.clean("; ".join(mine[-1].faults), most=1000)
        since = "" if last < 0 else f", after trial {last}"
        return f"Your last turn{since} was lost:\n{fence.fenced(said, most=1000)}"

    def _made(self, number: int) -> bool:
        return self._history.trials[number].proposal.by == self._agent.name

    # -- at work

    def _lay_out(self, top: Path) -> tuple[str, ...]:
        """Lay the parent's code out, frozen files read-only; return the links in it."""
        prefix = self._shop.repository.prefix
        links = tuple(prefix + path for path in self._plan.links)
        checkout = Checkout(repository=self._shop.folder, tree=self._tree, into=top)
        lay_out(checkout)
        with_history(top, dict(self._at.environment))
        lay_links(Checkout(repository=self._shop.folder, tree=self._tree, into=top, links=links))
        for path in self._shop.frozen(self._tree):
            place = top / path
            if place.is_file() and not place.is_symlink():
                place.chmod(place.stat().st_mode & ~0o222)
        return links

    def _errand(
        self, top: Path, links: tuple[str, ...], prompt: Path, scratch: Path
    ) -> errand.Errand:
        named = any(PROMPT in word for word in self._agent.command)
        argv = tuple(word.replace(PROMPT, str(prompt)) for word in self._agent.command)
        environment = self._at.environment
        workdir = top / self._shop.repository.prefix
        if self._plan.sandbox != "none":
            argv = confined(argv, environment, self._confinement(top, links, prompt), workdir)
        return errand.Errand(
            argv=argv,
            environment=environment,
            workdir=workdir,
            output=scratch / "output",
            exit=scratch / "exit.json",
            stdin=None if named else prompt,
            time_s=self._agent.time_s,
            memory_bytes=self._task.limits.memory_bytes or psutil.virtual_memory().total // 2,
        )

    def _confinement(self, top: Path, links: tuple[str, ...], prompt: Path) -> Confinement:
        """What it may see and write: as a run of the code, and what the user lets it besides."""
        root, folder = self._shop.repository.root, self._shop.folder
        own = tuple(_elsewhere(path, folder) for path in self._agent.writable)
        return Confinement(
            writable=(top, *own),
            readable=(
                prompt,
                *(root / path for path in links),
                *(_elsewhere(path, folder) for path in self._plan.readable),
            ),
            frozen=tuple(top / path for path in self._shop.mounts(self._tree)),
            network=self._agent.network,
            processes=self._plan.processes,
            disk_bytes=self._plan.disk_bytes,
            home=own,
        )

    # -- afterwards

    def _why_lost(self, done: errand.Done, printed: str) -> str:
        """Why what it did is not looked at; '' if it ended well."""
        program = self._agent.command[0]
        match done.stopped:
            case "timed_out":
                return f"{program} was ended after its {self._agent.time_s:.4g} s"
            case "memory":
                return f"{program} was ended, as it took too much memory"
            case "output":
                return f"{program} was ended, as it printed over {errand.LARGEST_OUTPUT >> 20} MiB"
        if done.status is None:
            return f"{program} can't be started: {done.error}"
        if done.status:
            last = fence.clean(printed, most=300).strip().splitlines()[-1:] or ["it said nothing"]
            said = _struck(last[0], self._at.secrets)
            return f"{program} ended with status {done.status}: {said}"
        return ""

    def _read(self, top: Path, links: tuple[str, ...], printed: str) -> Proposal:
        prefix = self._shop.repository.prefix
        own = prefix + ANSWER
        tracked = own in self._shop.files(self._tree)
        given = "" if tracked else read_small(top / own)
        said = _said(_struck(given, self._at.secrets), _struck(printed, self._at.secrets))
        found = harvest(self._shop, self._tree, top, ours=(*links, *(() if tracked else (own,))))
        edit, faults = self._edit(found)
        return self._proposal(said, edit, fault="; ".join(faults))

    def _edit(self, found: Harvest) -> tuple[Edit | None, list[str]]:
        """The edit that the changes amount to, if they can be one; and all that is wrong."""
        faults = list(found.faults)
        if self._holds_secret(found.changes):
            # Before git has it.
            return None, [*faults, "the edit holds a secret of the environment"]
        if len(found.changes) > self._plan.lines:
            return None, [*faults, "it changed more files than one edit may have lines"]
        if not found.changes:
            return None, faults or ["it changed nothing"]
        edit = self._shop.edit(self._tree, found.changes)
        faults += self._faults(edit)
        return (edit if len(edit.patch) <= LARGEST_PATCH else None), faults

    def _faults(self, edit: Edit) -> tuple[str, ...]:
        """What is wrong with an edit, or a repeat in it."""
        faults = self._shop.faults(edit, before=self._tree)
        seen = self._history.seen(self._configuration(), code=self._history.code, tree=edit.tree)
        if faults or seen is None:
            return faults
        return (f"the same code as trial {seen}",)

    def _holds_secret(self, changes: Mapping[str, str | None]) -> bool:
        before = self._shop.texts(self._tree)
        return any(
            secret in text and secret not in before.get(path, "")
            for path, text in changes.items()
            for secret in self._at.secrets
            if text and len(secret) >= SHORTEST_SECRET
        )

    def lost(self, why: str) -> Proposal:
        """Return what stands for a turn that came to nothing."""
        return self._proposal(Said(), None, fault=why)

    def _proposal(self, said: Said, edit: Edit | None, *, fault: str) -> Proposal:
        claim = fence.prose(said.claim, most=LONGEST_CLAIM)
        inferred: Category = "multi" if edit is None else edit.inferred
        return Proposal(
            configuration=self._configuration(),
            by=self._agent.name,
            rationale=fence.prose(said.rationale, most=LONGEST_RATIONALE),
            hypothesis=Hypothesis(claim=claim, expects=said.expects, against=self._parent)
            if claim
            else None,
            predicted=_interval(said),
            parent=self._parent,
            edit=edit,
            category=said.category or inferred,
            fault=fence.prose(fault, most=4000),
        )

    def _configuration(self) -> Mapping[str, Scalar]:
        if self._parent is None:
            return self._history.space.complete({})
        return self._history.trials[self._parent].configuration


def _parent(history: History) -> int | None:
    """The trial whose code is worked on: the best, or where the rules say to go on."""
    plateau = rules.plateau(history)
    if plateau is not None:
        return plateau.trial
    best = history.best()
    if best is not None:
        return best.number
    return 0 if history.trials else None


def _said(given: str, printed: str) -> Said:
    """What an agent says of its edit: in its file, or at the end of what it printed."""
    for text in (given, printed[-LOG_END:]):
        for one in reversed(list(objects(text))):
            if isinstance(one, dict) and set(one) & {"rationale", "claim", "category"}:
                return _lenient(one)
    words = printed
    for one in objects(printed[-LOG_END:]):
        # `claude -p --output-format json` prints its last words as a text in an object.
        if isinstance(one, dict) and isinstance(one.get("result"), str):
            words = one["result"]
    return Said(rationale=fence.clean(words, most=LONGEST_RATIONALE))


def _lenient(given: Mapping[str, Any]) -> Said:
    """What can be used of it: a field that makes no sense is left out."""
    try:
        return Said.model_validate(given)
    except ValidationError as error:
        wrong = {one["loc"][0] for one in error.errors()}
        return Said.model_validate({k: v for k, v in given.items() if k not in wrong})


def _interval(said: Said) -> Interval | None:
    low, high = said.low, said.high
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return None
    return Interval(low=low, high=high) if low < high else None


def _printed(path: Path) -> str:
    """What an agent printed: the first of it, and the last."""
    try:
        with path.open("rb") as file:
            begin = file.read(LOG_BEGIN)
            size = os.fstat(file.fileno()).st_size
            file.seek(max(size - LOG_END, len(begin)))
            end = file.read(LOG_END)
    except OSError:
        return ""
    left_out = size - len(begin) - len(end)
    gap = f"\n[{left_out} bytes left out]\n".encode() if left_out > 0 else b""
    return (begin + gap + end).decode("utf-8", "replace")


def _struck(text: str, secrets: tuple[str, ...]) -> str:
    """A text without the values of secrets."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, "[struck]")
    return text


def _next(place: Path) -> int:
    numbers = [int(path.name.partition(".")[0]) for path in place.glob("[0-9]*.md")]
    return max(numbers, default=0) + 1


def _file_name(name: str) -> str:
    """A member's name as that of a folder."""
    return re.sub(r"[^\w-]", "_", name)[:60] or "agent"


def _elsewhere(path: str, folder: Path) -> Path:
    return folder / Path(path).expanduser()
