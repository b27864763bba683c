"""The editor: improves code without a language model.

It does two things. It tunes: literals with names make a space, and the expert searches it, over the
trials whose code differs in those literals alone. And it rewrites: it makes one named change of the
structure, such as another optimizer, on the best code so far; what comes of it is tuned in turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from trialwright import __version__
from trialwright.code.literals import Literal, literals, set_literals, tunable
from trialwright.code.rewrites import Rewrite, applicable
from trialwright.code.skeleton import fingerprint, skeleton
from trialwright.errors import ProposerError, SpaceError
from trialwright.expression import Scalar
from trialwright.history import History, Trial
from trialwright.propose.expert import Expert
from trialwright.records import (
    UNKNOWN_SEED,
    Admission,
    CodeVersion,
    Edit,
    Entry,
    Hypothesis,
    Launch,
    Observation,
    Opened,
    Proposal,
    Record,
    RunKey,
)
from trialwright.research.rules import declared, pivot
from trialwright.research.workshop import Workshop, workshop
from trialwright.space import Space
from trialwright.task import Task

PATIENCE = 3
"""Tunings of one structure in a row without a gain, after which a rewrite is tried."""

REWRITE = "rewrite"
"""In a proposal's reasons: the name of the rewrite that it makes."""

_CODE = CodeVersion(id="skeleton")
_SKELETONS: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class _Knob:
    """A literal as a parameter."""

    file: str
    literal: Literal


class Editor:
    """Proposes edits of literals, and named rewrites."""

    @property
    def name(self) -> str:
        """What stands in `Proposal.by`."""
        return "editor"

    def __call__(
        self, task: Task, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """Return up to `n` edits of the best code so far; fewer if there is nothing to try.

        Raises:
            ProposerError: the study changes no code.
        """
        if task.research is None:
            raise ProposerError("the editor changes code: the study needs a section `research`")
        bench = _Bench(task, history)
        first = bench.rewritten() if bench.stuck or bench.turned else []
        tuned = bench.tuned(n - len(first[:n]), rng) if len(first) < n else []
        found = [*first[:n], *tuned]
        return found or bench.rewritten()[:n]


class _Bench:
    """The best code so far, and what was tried with its structure."""

    def __init__(self, task: Task, history: History) -> None:
        self._task = task
        self._history = history
        self._shop: Workshop = workshop(task)
        best = history.best()
        self._best = best.number if best is not None else None
        self._tree = self._shop.tree(history, self._best)
        self._skeleton = skeleton_of(self._shop, self._tree, family=task.model)
        self._alike = [
            trial
            for trial in history.trials
            if skeleton_of(self._shop, self._shop.tree(history, trial.number), family=task.model)
            == self._skeleton
        ]
        self._texts = _python(self._shop.texts(self._tree))
        # Its tunings are one kind to it, whichever literals they move.
        self._pivot = pivot(history, declared)

    @property
    def turned(self) -> bool:
        """Whether it is time for another kind of change than tuning."""
        return self._pivot is not None and self._pivot.category == "hyperparameter"

    @property
    def stuck(self) -> bool:
        """Whether tuning this structure has brought nothing for a while."""
        tried = [t for t in self._alike if t.proposal.by == "editor" and t.number != self._best]
        since = [t for t in tried if self._best is None or t.number > self._best]
        ended = [t for t in since if t.verdict is not None]
        rewrites = [
            t
            for t in self._history.trials
            if REWRITE in t.proposal.reasons and t.proposal.parent == self._best
        ]
        return len(ended) >= PATIENCE * (1 + len(rewrites))

    # -- tuning

    def tuned(self, n: int, rng: np.random.Generator) -> list[Proposal]:
        """Return what the expert would change of the literals."""
        if n < 1 or not self._alike:
            return []
        # Domains are those of the first code of this structure, so that they stay.
        first = self._shop.tree(self._history, self._alike[0].number)
        knobs = _knobs(_python(self._shop.texts(first)), family=self._task.model)
        try:
            space = Space(tuple(k.literal.domain for k in knobs.values() if k.literal.domain))
        except SpaceError:
            return []
        if not space.parameters:
            return []
        mirror = self._mirror(space, knobs)
        offered = Expert()(mirror.task, mirror, n, rng)
        found = [self._edited(proposal, knobs) for proposal in offered]
        return [proposal for proposal in found if proposal is not None]

    def _mirror(self, space: Space, knobs: Mapping[str, _Knob]) -> History:
        """The trials of this structure as a study of its literals, under their own numbers.

        The others stand there as runs that were interrupted, which nobody holds against anything.
        """
        task = replace(
            self._task, space=space, research=None, start=(), grid=None, team=("expert",)
        )
        history = History()
        _note(history, Opened(task=task, seed=self._history.seed, version=__version__), _CODE)
        alike = {trial.number for trial in self._alike}
        for trial in self._history.trials:
            values = self._values(trial, knobs) if trial.number in alike else None
            fits = values is not None and not space.check(values)
            if values is None or not fits or history.seen(values, code=_CODE.id) is not None:
                _note(history, *_stand_in(trial))
            else:
                _note(history, *_retold(trial, values))
        return history

    def _values(self, trial: Trial, knobs: Mapping[str, _Knob]) -> dict[str, Scalar] | None:
        texts = _python(self._shop.texts(self._shop.tree(self._history, trial.number)))
        there = _knobs(texts, family=self._task.model)
        if set(there) < set(knobs):
            return None
        return {name: there[name].literal.value for name in knobs}

    def _edited(self, proposal: Proposal, knobs: Mapping[str, _Knob]) -> Proposal | None:
        """What the expert proposes as an edit of the code of a trial."""
        alike = {trial.number for trial in self._alike}
        parent = proposal.parent if proposal.parent in alike else self._best
        if parent is None:
            # Nothing has a result yet.
            parent = self._alike[0].number
        tree = self._shop.tree(self._history, parent)
        texts = _python(self._shop.texts(tree))
        changes: dict[str, str | None] = {}
        for file in {knob.file for knob in knobs.values()}:
            values = {
                knob.literal.name: proposal.configuration[name]
                for name, knob in knobs.items()
                if knob.file == file and name in proposal.configuration
            }
            changes[file] = set_literals(texts[file], values)
        edit = self._shop.edit(tree, changes)
        if self._shop.faults(edit, before=tree):
            return None
        hypothesis = proposal.hypothesis
        if hypothesis is not None:
            # What the literal is called is no parameter of the study.
            hypothesis = replace(hypothesis, parameter=None)
        return replace(
            proposal,
            configuration=self._configuration(parent),
            by="editor",
            parent=parent,
            edit=edit,
            hypothesis=hypothesis,
            category="hyperparameter",
            claims=(),
            tests=None,
        )

    # -- rewriting

    def rewritten(self) -> list[Proposal]:
        """Return each rewrite of the best code not yet tried on it, least tried kinds first."""
        if self._best is None:
            return []
        tried = self._tried()
        often = {
            category: sum(t.proposal.category == category for t in self._history.trials)
            for category in ("architecture", "optimizer", "schedule", "data", "regularization")
        }
        found: list[tuple[tuple[bool, int], Proposal]] = []
        for file, text in self._texts.items():
            for one in _applicable(text):
                if one.name in tried:
                    continue
                edit = self._shop.edit(self._tree, {file: one.apply(text)})
                if not self._shop.faults(edit, before=self._tree):
                    barred = self._pivot is not None and self._pivot.category == one.category
                    rank = (barred, often.get(one.category, 0))
                    found.append((rank, self._proposed(one, edit=edit)))
        return [proposal for _, proposal in sorted(found, key=lambda pair: pair[0])]

    def _tried(self) -> set[str]:
        """The rewrites that were made of code with this structure."""
        alike = {trial.number for trial in self._alike}
        return {
            trial.proposal.reasons[REWRITE]
            for trial in self._history.trials
            if REWRITE in trial.proposal.reasons and trial.proposal.parent in alike
        }

    def _proposed(self, one: Rewrite, *, edit: Edit) -> Proposal:
        assert self._best is not None
        words = one.name.replace("-", " ")
        return Proposal(
            configuration=self._configuration(self._best),
            by="editor",
            rationale=f"{words}: {one.why}. {self._why}",
            reasons={REWRITE: one.name},
            hypothesis=Hypothesis(
                claim=f"{words} is better than trial {self._best}",
                expects="better",
                against=self._best,
            ),
            parent=self._best,
            edit=edit,
            category=one.category,
        )

    @property
    def _why(self) -> str:
        if self._pivot is not None:
            return self._pivot.reason[0].upper() + self._pivot.reason[1:] + "."
        return "Tuning what is there has brought nothing lately."

    def _configuration(self, parent: int) -> Mapping[str, Scalar]:
        return self._history.trials[parent].configuration


def skeleton_of(shop: Workshop, tree: str, *, family: str | None) -> str:
    """Return what all trees share that differ from `tree` in tunable literals alone."""
    if tree not in _SKELETONS:
        parts = []
        for path in sorted(shop.editable(tree)):
            text = shop.texts(tree).get(path, "")
            if path.endswith(".py"):
                parts.append(f"{path} {skeleton(text, family=family)}")
            else:
                parts.append(f"{path} {shop.files(tree)[path].blob}")
        _SKELETONS[tree] = "\n".join(parts)
    return _SKELETONS[tree]


def _knobs(texts: Mapping[str, str], *, family: str | None) -> dict[str, _Knob]:
    """The tunable literals of files, by the names of their parameters."""
    found: dict[str, _Knob] = {}
    for file, text in texts.items():
        for literal in tunable(literals(text, file, family=family)):
            found.setdefault(literal.parameter, _Knob(file, literal))
    return found


def _applicable(text: str) -> tuple[Rewrite, ...]:
    try:
        return applicable(text)
    except ProposerError:
        return ()


def _python(texts: Mapping[str, str]) -> dict[str, str]:
    return {path: text for path, text in texts.items() if path.endswith(".py") and _parses(text)}


def _parses(text: str) -> bool:
    try:
        fingerprint(text)
    except SyntaxError:
        return False
    return True


def _retold(trial: Trial, values: Mapping[str, Scalar]) -> Iterator[Record]:
    """A trial's records as those of a study of literals."""
    proposal = replace(trial.proposal, configuration=values, edit=None, claims=(), tests=None)
    yield Admission(number=trial.number, proposal=proposal, code=_CODE.id)
    for run in trial.runs:
        yield replace(run.launch, code=None)
        if run.observation is not None:
            yield run.observation
        if run.diagnosis is not None:
            yield run.diagnosis
    if trial.verdict is not None:
        yield trial.verdict


def _stand_in(trial: Trial) -> Iterator[Record]:
    key = RunKey(trial.number, 0, 0)
    proposal = Proposal(configuration={}, by=trial.proposal.by)
    yield Admission(number=trial.number, proposal=proposal, code=_CODE.id)
    yield Launch(run=key, seed=UNKNOWN_SEED, command=(), machine="")
    # A cause that no proposer holds against a configuration.
    yield Observation(run=key, outcome="failed", cause="transient")


def _note(history: History, *records: Record) -> None:
    for record in records:
        history.extend([Entry(history.sequence + 1, 0.0, record)])
