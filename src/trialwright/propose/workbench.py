"""What can be done to the code of a trial without a language model: literals tuned, named rewrites.

Literals with names make a space, which the expert or the tree of trials searches, over the trials
whose code differs in those literals alone. A rewrite is one named change of the structure, such as
another optimizer; what comes of it is tuned in turn. Who chooses the trial is not decided here.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

import numpy as np

from trialwright import __version__
from trialwright.analysis.ucb import ancestry, lineage
from trialwright.code.literals import Literal, literals, set_literals, tunable
from trialwright.code.promise import promising, rank_of
from trialwright.code.rewrites import Rewrite, applicable, rewrite
from trialwright.code.skeleton import fingerprint, skeleton
from trialwright.errors import ProposerError, SpaceError
from trialwright.expression import Scalar
from trialwright.history import History, Trial
from trialwright.propose import words
from trialwright.propose.evidence import Evidence
from trialwright.propose.expert import Expert, far
from trialwright.propose.mutations import Steps
from trialwright.records import (
    UNKNOWN_SEED,
    Admission,
    Category,
    CodeVersion,
    Edit,
    Entry,
    Hypothesis,
    Launch,
    Observation,
    Opened,
    Proposal,
    Record,
    Refusal,
    RunKey,
)
from trialwright.research.naming import REWRITE
from trialwright.research.repair import crashed
from trialwright.research.rules import Plateau, category_of, declared, pivot
from trialwright.research.workshop import Workshop, workshop
from trialwright.space import Space
from trialwright.task import Task

PATIENCE = 3
"""Tunings of one structure in a row without a gain, after which a rewrite is tried."""

SPARE = 4
"""Tunings that are looked at beside those wanted, where what was offered can't be made."""

OWN = frozenset({"editor", "tree"})
"""Who works at this bench, as it stands in `Proposal.by`."""

_CODE = CodeVersion(id="skeleton")
_SKELETONS: dict[tuple[str, str | None], str] = {}
_KNOBS: dict[tuple[str, str | None], dict[str, _Knob]] = {}


@dataclass(frozen=True, slots=True)
class _Knob:
    """A literal as a parameter."""

    file: str
    literal: Literal


class Workbench:
    """The code of one trial, and what was tried with its structure.

    `trial`: None for the code as it was found, before anything has a result. `due`: what is to
    change about the search, where it has come to a plateau.
    """

    def __init__(
        self, task: Task, history: History, trial: int | None, *, due: Plateau | None = None
    ) -> None:
        self._task = task
        self._history = history
        self._shop: Workshop = workshop(task)
        self._trial = trial
        self._due = due
        self._tree = self._shop.tree(history, trial)
        self._skeleton = skeleton_of(self._shop, self._tree, family=task.model)
        self._alike = self._of_structure({self._skeleton})
        self._texts = _python(self._shop.texts(self._tree))
        self._pivot = pivot(history, kind_of)

    def _of_structure(self, skeletons: Container[str]) -> list[Trial]:
        """The trials whose code has one of these structures."""
        shop, history, family = self._shop, self._history, self._task.model
        return [
            trial
            for trial in history.trials
            if skeleton_of(shop, shop.tree(history, trial.number), family=family) in skeletons
        ]

    @property
    def turned(self) -> bool:
        """Whether it is time for another kind of change than tuning."""
        return self._pivot is not None and self._pivot.category == "hyperparameter"

    @property
    def stuck(self) -> bool:
        """Whether tuning this structure has brought nothing for a while."""
        tried = [t for t in self._alike if t.proposal.by in OWN and t.number != self._trial]
        since = [t for t in tried if self._trial is None or t.number > self._trial]
        ended = [t for t in since if t.verdict is not None]
        return len(ended) >= PATIENCE * (1 + self.rewrites)

    @property
    def rewrites(self) -> int:
        """How many rewrites were made of this very trial."""
        children = [t for t in self._history.trials if t.proposal.parent == self._trial]
        return sum(REWRITE in t.proposal.reasons for t in children)

    # -- tuning

    def tuned(self, n: int, rng: np.random.Generator) -> list[Proposal]:
        """Return what the expert would change of the literals."""
        found: list[Proposal] = []
        mirror = self._mirrored
        for wanted in (n, n + SPARE):
            if mirror is not None and len(found) < n:
                found = self._edits(Expert()(mirror.task, mirror, wanted, rng))
        return found[:n]

    def far(self, n: int, rng: np.random.Generator) -> list[Proposal]:
        """Return what lies far from all that was tried: literals anew from their usual ranges."""
        mirror = self._mirrored
        return [] if mirror is None else self._edits(far(mirror.task, mirror, n + SPARE, rng))[:n]

    def stepped(self) -> Proposal | None:
        """Return the step in literals from this very trial that promises most."""
        mirror = self._mirrored
        if mirror is None or self._trial is None:
            return None
        evidence = Evidence.of(mirror.task, mirror)
        if self._trial not in evidence.values:
            return None
        steps = Steps(evidence, lineage(mirror), [])
        move = steps.best(mirror.trials[self._trial], most=self._task.tree.mutate)
        if move is None:
            return None
        found = self._edits([words.proposal(evidence, move.configuration, move=move)])
        return found[0] if found else None

    def _edits(self, offered: Sequence[Proposal]) -> list[Proposal]:
        found = [self._edited(proposal, self._knobs) for proposal in offered]
        return [proposal for proposal in found if proposal is not None]

    @cached_property
    def _knobs(self) -> Mapping[str, _Knob]:
        """The literals as parameters: of the first code of this structure, so that they stay."""
        if not self._alike:
            return {}
        return self._knobs_of(self._alike[0].number)

    @cached_property
    def _mirrored(self) -> History | None:
        """The trials of this structure as a study of its literals; None if it has none."""
        knobs = self._knobs
        try:
            space = Space(tuple(k.literal.domain for k in knobs.values() if k.literal.domain))
        except SpaceError:
            return None
        return self._mirror(space, knobs) if space.parameters else None

    def _mirror(self, space: Space, knobs: Mapping[str, _Knob]) -> History:
        """The trials of this structure as a study of its literals, under their own numbers.

        So do those of the structures that it came from, where they are no better than the best of
        this one: what a literal did there it mostly does here. The others stand there as runs that
        were interrupted, which nobody holds against anything.
        """
        task = replace(
            self._task, space=space, research=None, start=(), grid=None, team=("expert",)
        )
        history = History()
        _note(history, Opened(task=task, seed=self._history.seed, version=__version__), _CODE)
        told: dict[int, dict[str, Scalar]] = {}
        keys: set[str] = set()
        for trial in (*self._alike, *self._forebears()):
            values = self._values(trial, knobs)
            if values is None or space.check(values) or space.key(values) in keys:
                continue
            keys.add(space.key(values))
            told[trial.number] = values
        for trial in self._history.trials:
            values = told.get(trial.number)
            _note(history, *(_stand_in(trial) if values is None else _retold(trial, values)))
        return history

    def _forebears(self) -> list[Trial]:
        """The trials of the structures that this one came from, but for those that are better."""
        best = max((self._worth(t) for t in self._alike), default=-math.inf)
        if self._trial is None or best == -math.inf:
            return []
        line = ancestry(lineage(self._history), self._trial)
        trees = [self._shop.tree(self._history, number) for number in line]
        came_from = {skeleton_of(self._shop, one, family=self._task.model) for one in trees}
        return [
            trial
            for trial in self._of_structure(came_from - {self._skeleton})
            if trial.verdict is not None and self._worth(trial) < best
        ]

    def _worth(self, trial: Trial) -> float:
        """A trial's value, such that more is better; the least of all where it has none."""
        value = trial.value
        return -math.inf if value is None else self._task.objective.sign * value

    def _values(self, trial: Trial, knobs: Mapping[str, _Knob]) -> dict[str, Scalar] | None:
        """A trial's literals; those that its structure does not have are as they are here."""
        there = self._knobs_of(trial.number)
        if there.keys().isdisjoint(knobs):
            return None
        return {name: there.get(name, knob).literal.value for name, knob in knobs.items()}

    def _knobs_of(self, trial: int) -> dict[str, _Knob]:
        tree = self._shop.tree(self._history, trial)
        key = (tree, self._task.model)
        if key not in _KNOBS:
            _KNOBS[key] = _knobs(_python(self._shop.texts(tree)), family=self._task.model)
        return _KNOBS[key]

    def _edited(self, proposal: Proposal, knobs: Mapping[str, _Knob]) -> Proposal | None:
        """What the expert proposes as an edit of the code of a trial."""
        alike = {trial.number for trial in self._alike}
        parent = proposal.parent if proposal.parent in alike else self._trial
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
        if not self._may(edit, before=tree):
            return None
        hypothesis = proposal.hypothesis
        if hypothesis is not None:
            # What the literal is called is no parameter of the study.
            hypothesis = replace(hypothesis, parameter=None)
        return replace(
            proposal,
            configuration=self._configuration(parent),
            by="editor",
            rationale=f"{self._lead}{proposal.rationale}",
            parent=parent,
            edit=edit,
            hypothesis=hypothesis,
            category="hyperparameter",
            claims=(),
            tests=None,
        )

    # -- rewriting

    def rewritten(self) -> Iterator[Proposal]:
        """Yield each rewrite of this code not yet tried on it, in the order of `_ranked`."""
        tried = self._tried()
        for file, one in self._ranked():
            if one.name not in tried:
                yield from self._made(file, one)

    def doubled(self) -> Iterator[Proposal]:
        """Yield two rewrites of different categories at once, as long steps out of a plateau."""
        tried, failed = self._tried(), self._failed()
        ranked = [(file, one) for file, one in self._ranked() if one.name not in failed]
        for (file, one), (other_file, other) in combinations(ranked, 2):
            names = {f"{one.name} + {other.name}", f"{other.name} + {one.name}"}
            if file == other_file and one.category != other.category and not tried & names:
                yield from self._made(file, one, other)

    def _ranked(self) -> list[tuple[str, Rewrite]]:
        """The rewrites that apply, with their files: what helps most often before the rest.

        What the study turns away from comes last; a category goes back for each time it was tried.
        """
        if self._trial is None:
            return []
        often = Counter(
            trial.proposal.category
            for trial in self._history.trials
            if REWRITE in trial.proposal.reasons
        )
        barred = self._pivot.category if self._pivot is not None else None
        metric, undone = self._task.objective.metric, self._undone()
        found = [
            (file, one)
            for file, text in self._texts.items()
            for one in _applicable(text)
            if one.name not in undone and promising(one.name, metric)
        ]
        return sorted(
            found,
            key=lambda pair: (
                pair[1].category == barred,
                rank_of(pair[1].name) + often[pair[1].category],
            ),
        )

    def _undone(self) -> set[str]:
        """What would take back a rewrite that this code is built on: to ask is an ablation's."""
        numbers = ancestry(lineage(self._history), self._trial or 0)
        made = [self._history.trials[n].proposal.reasons.get(REWRITE, "") for n in numbers]
        names = [name for text in made for name in text.split(" + ") if name]
        return {inverse for name in names if (inverse := rewrite(name).inverse)}

    def _tried(self) -> set[str]:
        """The rewrites that were made of code with this structure."""
        return {one.proposal.reasons[REWRITE] for one in self._rewritten_before()}

    def _failed(self) -> set[str]:
        """Those of them that did not run."""
        return {one.proposal.reasons[REWRITE] for one in self._rewritten_before() if crashed(one)}

    def _rewritten_before(self) -> list[Trial | Refusal]:
        """As trials, or for a moment: what crashed then is no trial, and crashes again."""
        alike = {trial.number for trial in self._alike}
        return [
            one
            for one in self._history.attempts
            if REWRITE in one.proposal.reasons and one.proposal.parent in alike
        ]

    def _made(self, file: str, *rewrites: Rewrite) -> Iterator[Proposal]:
        """The proposal that makes one or several rewrites of a file, if all of them can be made."""
        text = self._texts[file]
        for one in rewrites:
            before, text = text, one.apply(text)
            if text == before:
                return
        edit = self._shop.edit(self._tree, {file: text})
        if self._may(edit, before=self._tree):
            yield self._proposed(rewrites, edit=edit)

    def _proposed(self, rewrites: Sequence[Rewrite], *, edit: Edit) -> Proposal:
        assert self._trial is not None
        named = " and ".join(one.name.replace("-", " ") for one in rewrites)
        why = "; ".join(one.why for one in rewrites)
        return Proposal(
            configuration=self._configuration(self._trial),
            by="editor",
            rationale=f"{named}: {why}. {self._why}",
            reasons={REWRITE: " + ".join(one.name for one in rewrites)},
            hypothesis=Hypothesis(
                claim=f"{named} is better than trial {self._trial}",
                expects="better",
                against=self._trial,
            ),
            parent=self._trial,
            edit=edit,
            category=rewrites[0].category if len(rewrites) == 1 else "multi",
        )

    def _may(self, edit: Edit, *, before: str) -> bool:
        """Whether an edit may be made, and is not what an earlier trial had but for trifles."""
        if self._shop.faults(edit, before=before):
            return False
        configuration, code = self._configuration(self._trial or 0), self._history.code
        if self._history.seen(configuration, code=code, tree=edit.tree) is not None:
            return False
        proposal = Proposal(configuration=configuration, by="editor", edit=edit)
        return not self._shop.repeats(proposal, self._history)

    @property
    def _lead(self) -> str:
        """What is said before anything else, on a plateau."""
        return f"{_sentence(self._due.reason)} " if self._due is not None else ""

    @property
    def _why(self) -> str:
        if self._due is not None:
            return _sentence(self._due.reason)
        if self._pivot is not None:
            return _sentence(self._pivot.reason)
        return "Tuning what is there has brought nothing lately."

    def _configuration(self, parent: int) -> Mapping[str, Scalar]:
        return self._history.trials[parent].configuration


def kind_of(trial: Trial) -> Category:
    """Return the kind of a change: all tunings of ours are one, whichever literals they move."""
    return declared(trial) if trial.proposal.by in OWN else category_of(trial)


def skeleton_of(shop: Workshop, tree: str, *, family: str | None) -> str:
    """Return what all trees share that differ from `tree` in tunable literals alone."""
    key = (tree, family)
    if key not in _SKELETONS:
        parts = []
        texts = shop.texts(tree)
        for path in sorted(shop.editable(tree)):
            text = texts.get(path, "")
            if path.endswith(".py"):
                parts.append(f"{path} {skeleton(text, family=family)}")
            else:
                parts.append(f"{path} {shop.files(tree)[path].blob}")
        _SKELETONS[key] = "\n".join(parts)
    return _SKELETONS[key]


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


def _sentence(reason: str) -> str:
    return f"{reason[0].upper()}{reason[1:]}."


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
