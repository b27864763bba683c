"""The Author: a language model that edits code, with reasons and predictions that can fail.

It keeps no state. What it reads is made anew from the history at each turn (`codebrief`). Every
edit that it writes is held against the study's rules before anything runs; what is wrong with it
is told, and may be put right a bounded number of times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from trialwright.code.blocks import Block, apply_all
from trialwright.errors import EditError, ProposerError, RepositoryError
from trialwright.history import History
from trialwright.llm.conversation import Line
from trialwright.llm.question import Question, Repair
from trialwright.process.repository import safe_path
from trialwright.propose import codebrief, fence
from trialwright.propose.codelook import CodeLook
from trialwright.propose.creator import (
    FAULTS_SHOWN,
    LONGEST_RATIONALE,
    REPAIRS,
    SLIM,
    Surroundings,
    hypothesis,
    interval,
    left,
    slim,
    turns,
)
from trialwright.records import Edit, Proposal
from trialwright.research.repair import onto_sound
from trialwright.research.rules import kind_shown, pivot
from trialwright.research.workshop import Workshop, examine, workshop
from trialwright.task import Agent, Task

Cause = Literal[
    "not_found", "ambiguous", "scope", "syntax", "size", "idle", "seed_only", "repeat", "parent",
    "pivot", "empty",
]  # fmt: skip
"""Why an edit was sent back."""

GRAVE: frozenset[str] = frozenset({"scope", "seed_only"})
"""What stands in the ledger even where it was put right: attempts at what is not allowed."""

LONGEST_FAULT = 1_500
"""Characters of what is told to be wrong with one edit."""

HOW = """\
How to answer: in each edit of `edits`, `search` is text that stands exactly once in the file, white
space included, and `replace` is what is to stand there instead. A new file has `content`; so has a
file that is rewritten as a whole, which is rarely worth its length. Edits are made one after the
other. `parent` is the trial whose code they are made on; left out, it is the one that is shown. To
repair a trial that crashed, name it as the parent, and change only what was wrong.
Each round of tools sends all this again: make the calls that you need in one round.
"""

Kind = Literal[
    "hyperparameter", "architecture", "optimizer", "schedule", "data", "regularization", "systems",
    "multi",
]  # fmt: skip
"""What a change may be declared to be."""


class Passage(BaseModel):
    """One change of one file."""

    model_config = SLIM
    file: str
    search: Annotated[str, Field(description="occurs exactly once in the file")] = ""
    replace: str = ""
    content: Annotated[str | None, Field(description="the whole file instead")] = None


class Draft(BaseModel):
    """One experiment."""

    model_config = SLIM
    parent: int | None = None
    """The trial whose code is edited; None: the one to go on from."""
    rationale: Annotated[str, Field(description="what the results say, so what to try")] = ""
    category: Kind = "multi"
    edits: list[Passage]
    claim: Annotated[str, Field(description="one sentence, on the goal's metric")] = ""
    expects: Literal["better", "worse", "no_worse", "same"] = "better"
    against: int | None = None
    """The trial that the claim compares with; None: the best."""
    low: Annotated[float | None, Field(description="90 % interval")] = None
    high: float | None = None


class Drafts(BaseModel):
    """The answer of one turn, best first."""

    model_config = ConfigDict(json_schema_extra=slim)
    proposals: list[Draft]


class Author:
    """A member of the team that has a model edit code.

    Raises, when called:
        ProposerError: the cap is reached, or the model gave no answer at all.
    """

    def __init__(self, line: Line, surroundings: Surroundings) -> None:
        self._line = line
        self._around = surroundings

    @property
    def name(self) -> str:
        """What stands in `Proposal.by`."""
        return self._line.agent.name

    def __call__(
        self, task: Task, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """Return up to `n` edits that may be made, and before them those that were sent back.

        The latter have a `fault`, so that the study records them as refused.
        """
        allowance = left(task, history)
        if allowance.spent:
            raise ProposerError("the study's cap for language models is reached")
        reading = Reading(task, history, self.name)
        reply = self._line.ask(
            Question(
                purpose="propose",
                instructions=instructions(task, self._line.agent),
                prompt=prompt(task, history, n, log=self._around.log),
                answer=Drafts,
                check=lambda answer: reading.check(answer, n),
                tools=CodeLook(task, history, self._around.log, rng).tools,
                repairs=REPAIRS,
                turn=turns(history, self.name, "propose"),
                allowance=allowance,
            )
        )
        self._around.told(reply.exchange)
        if reading.usable or reading.refused:
            return [*reading.refused, *reading.usable]
        raise ProposerError(reply.exchange.detail)


def instructions(task: Task, agent: Agent) -> str:
    """Return what stays the same from turn to turn."""
    return f"{codebrief.instructions(task, agent.role)}\n\n{HOW}"


def prompt(task: Task, history: History, n: int, *, log: codebrief.Log | None = None) -> str:
    """Return what changes from turn to turn: the code, the state of the search, what is wanted."""
    wanted = "Propose one edit now." if n == 1 else f"Propose up to {n} different edits now."
    return "\n\n".join(
        [codebrief.code(task, history), codebrief.state(task, history, log=log), wanted]
    )


class _Fault(Exception):
    """Why an edit can't be made, with the proposal as far as it could be made out."""

    def __init__(self, text: str, cause: str, proposal: Proposal) -> None:
        super().__init__(text)
        self.text, self.cause, self.proposal = text, cause, proposal


class Reading:
    """Turns what a model answered into edits, or into what is wrong with them."""

    def __init__(self, task: Task, history: History, by: str) -> None:
        self._task = task
        self._history = history
        self._by = by
        self._shop: Workshop = workshop(task)
        self._pivot = pivot(history)
        self._turned = False
        self._grave: dict[str, Proposal] = {}
        self._failed: list[Proposal] = []
        self.usable: list[Proposal] = []
        """Of the last answer, whatever could be used."""

    @property
    def refused(self) -> list[Proposal]:
        """What was sent back: of the last answer all, of those before it what was not allowed."""
        last = {_key(one) for one in self._failed}
        return [*(one for key, one in self._grave.items() if key not in last), *self._failed]

    def check(self, answer: Drafts, n: int) -> None:
        """Accept an answer if all of its first `n` proposals can be used.

        Raises:
            Repair: with every fault, in words that say what was allowed.
        """
        self.usable, self._failed = [], []
        found: list[str] = []
        causes: list[str] = []
        for index, draft in enumerate(answer.proposals[:n]):
            try:
                self.usable.append(self._distinct(self._proposal(draft)))
            except _Fault as fault:
                found.append(f"proposal {index + 1}: {fence.prose(fault.text, most=LONGEST_FAULT)}")
                causes.append(fault.cause)
                self._refuse(fault)
        if not answer.proposals:
            raise Repair("the list of proposals is empty: give at least one", cause="empty")
        if found:
            raise Repair("; ".join(found[:FAULTS_SHOWN]), cause=causes[0])
        self._turn()

    def _refuse(self, fault: _Fault) -> None:
        said = f"sent back ({fault.cause})" if fault.proposal.edit else fault.text
        kept = replace(fault.proposal, fault=said[:LONGEST_FAULT])
        self._failed.append(kept)
        if fault.cause in GRAVE:
            self._grave.setdefault(_key(kept), kept)

    def _turn(self) -> None:
        """Send edits of a kind back that is to be left alone: once, and then they may be made.

        Raises:
            Repair: as said.
        """
        barred = self._pivot
        if barred is None or self._turned:
            return
        if any(kind_shown(one) == barred.category for one in self.usable):
            self._turned = True
            raise Repair(
                f"it is a change of the kind {barred.category}, and {barred.reason}. Give"
                " an edit of another kind; the same one again is taken, if you have a reason why"
                " this time is different",
                cause="pivot",
            )

    def _distinct(self, proposal: Proposal) -> Proposal:
        if any(_key(proposal) == _key(other) for other in self.usable):
            raise _Fault("it stands twice in your answer", "repeat", proposal)
        return proposal

    # -- one proposal

    def _proposal(self, draft: Draft) -> Proposal:
        plain = self._plain(draft)
        count = len(self._history.trials)
        for what, number in (("parent", draft.parent), ("against", draft.against)):
            if number is not None and not 0 <= number < count:
                there = f"0 to {count - 1}" if count else "none yet"
                text = f"{what} {number} is no trial; there are {there}"
                raise _Fault(text, "parent", replace(plain, parent=None, hypothesis=None))
        on = codebrief.start(self._history) if draft.parent is None else draft.parent
        proposal = replace(plain, parent=on, configuration=self._configuration(on))
        edited = replace(proposal, edit=self._edit(draft, on, proposal))
        # What is then wrong with it is found again, with its cause.
        sound, _ = onto_sound(edited, self._history)
        self._hold(sound, before=self._shop.tree(self._history, sound.parent))
        return sound

    def _plain(self, draft: Draft) -> Proposal:
        """What a draft says besides its edit."""
        return Proposal(
            configuration=self._configuration(None),
            by=self._by,
            rationale=draft.rationale[:LONGEST_RATIONALE],
            hypothesis=hypothesis(draft, self._history, parameter=None),
            predicted=interval(draft.low, draft.high),
            category=draft.category,
        )

    def _configuration(self, parent: int | None) -> dict[str, bool | int | float | str | None]:
        if parent is None:
            return self._history.space.complete({})
        return dict(self._history.trials[parent].configuration)

    def _edit(self, draft: Draft, on: int | None, proposal: Proposal) -> Edit:
        """The edit that a draft makes of the code of trial `on`."""
        if not draft.edits:
            raise _Fault("it has no edits", "empty", proposal)
        wrong = [one.file for one in draft.edits if not safe_path(one.file)]
        if wrong:
            raise _Fault(f"{wrong[0]!r} is no path within the repository", "scope", proposal)
        tree = self._shop.tree(self._history, on)
        blocks = [
            Block(
                codebrief.within(self._shop, tree, one.file), one.search, one.replace, one.content
            )
            for one in draft.edits
        ]
        try:
            texts = apply_all(self._texts(tree, blocks), blocks)
        except EditError as error:
            barred = [one.file for one in blocks if not self._shop.allows(one.file)]
            if barred:
                raise _Fault(f"{barred[0]} may not be edited", "scope", proposal) from None
            raise _Fault(str(error), error.cause, proposal) from None
        try:
            return self._shop.edit(tree, texts)
        except (RepositoryError, UnicodeError) as error:
            raise _Fault(f"the files can't be written: {error}", "scope", proposal) from None

    def _texts(self, tree: str, blocks: Sequence[Block]) -> dict[str, str]:
        """The files that may be edited, and of others those that are named all the same."""
        there = self._shop.files(tree)
        named = [one.file for one in blocks if one.file in there and there[one.file].regular]
        found = {path: self._shop.content(tree, path).decode("utf-8", "replace") for path in named}
        return {**self._shop.texts(tree), **found}

    def _hold(self, proposal: Proposal, *, before: str) -> None:
        """Hold an edit against the rules, as the study will.

        Raises:
            _Fault: it can't be used.
        """
        edit, history = proposal.edit, self._history
        assert edit is not None
        wrong = self._shop.faults(edit, before=before)
        if wrong:
            raise _Fault("; ".join(wrong), self._cause(edit, before), proposal)
        _, wrong = examine(proposal, history)
        if wrong:
            raise _Fault("; ".join(wrong), "repeat", proposal)
        seen = history.seen(proposal.configuration, code=history.code, tree=edit.tree)
        if seen is not None:
            raise _Fault(f"it is the code of trial {seen}: change it", "repeat", proposal)

    def _cause(self, edit: Edit, before: str) -> Cause:
        if not all(self._shop.allows(path) for path in edit.files):
            return "scope"
        if edit.added + edit.removed > self._shop.plan.lines:
            return "size"
        change = self._shop.change(before, edit.tree)
        if change.broken:
            return "syntax"
        return "seed_only" if change.seed_only else "idle"


def _key(proposal: Proposal) -> str:
    """What tells two edits apart: the code that they lead to."""
    return proposal.edit.tree if proposal.edit else proposal.fault or proposal.rationale
