"""Several proposers as one: who takes the next trial.

It keeps no state: turns are shared out by `credit`, which reads the history each time. It knows
members as callables only; what they think is theirs. What a member draws depends on the study's
seed and on its own turns alone: what others do does not change its luck.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from trialwright.errors import ProposerError
from trialwright.history import History
from trialwright.propose.baselines import Random
from trialwright.propose.codetree import CodeTree
from trialwright.propose.credit import JUDGES, PRIOR, Standing, in_line, standings
from trialwright.propose.editor import Editor
from trialwright.propose.expert import Expert
from trialwright.propose.inquiry import Inquirer
from trialwright.propose.posts import Posted
from trialwright.propose.proposer import Proposer, draws
from trialwright.propose.skeptic import Skeptic
from trialwright.propose.tree import TreeSearch
from trialwright.records import Proposal
from trialwright.space import Configuration
from trialwright.task import Agent, Delegate, Someone, Task

SPARE = 10
"""Proposals that are looked at per one asked for."""

LONGEST_FAULT = 200
"""Characters that are told of why a turn was lost, where its member says so."""

MEASURE = 3
"""Trials that go to others than models, where there is a judge: theirs are to be measured by."""

GOLDEN = (math.sqrt(5) - 1) / 2
"""Its multiples, modulo 1, fill [0, 1) evenly: turns follow the shares without chance or memory."""


_PLAIN: Mapping[str, Callable[[], Proposer]] = {
    "expert": Expert,
    "tree": TreeSearch,
    "inquirer": Inquirer,
    "editor": Editor,
    "random": Random,
}


def member(
    name: Someone,
    task: Task,
    creator: Callable[[Agent], Proposer] | None = None,
) -> Proposer:
    """Return the proposer of this name, for this task; `creator` makes one of a model.

    Raises:
        ProposerError: there is none of this name.
    """
    match name:
        case Agent() if creator is not None:
            return creator(name)
        case Delegate():
            if name.role == "skeptic":
                return Skeptic(name.name, name.area)
            return Posted(member(name.member, task), name)
        case "tree" if task.research is not None:
            return CodeTree()
        case "expert" | "tree" | "inquirer" | "editor" | "random":
            return _PLAIN[name]()
        case "tpe" | "gp" | "cmaes":
            # Optuna takes half a second to import, and most teams need none of it.
            from trialwright.propose.optuna_samplers import CmaEs, Gp, Tpe

            modelled: dict[str, Proposer] = {"tpe": Tpe(), "gp": Gp(), "cmaes": CmaEs()}
            return modelled[name]
    raise ProposerError(
        f"{task.name}: no proposer is called {name!r}; a team may have {', '.join(PRIOR)}"
    )


class Team:
    """A proposer over several members; proposals carry the name of the member that made them.

    A member that raises, or offers nothing usable, loses its turn to the next; the proposal that
    takes the turn says so. What a member offered and can't be used is handed on before the usable,
    so that the study records why it was refused, and the turn counts against the member.

    `models`: the names of the members that are language models.

    Raises:
        ProposerError: no members, or two of one name.

    >>> Team([Random()]).name
    'team'
    """

    def __init__(self, members: Sequence[Proposer], *, models: Collection[str] = ()) -> None:
        names = [member.name for member in members]
        if not names or len(set(names)) < len(names):
            raise ProposerError(f"a team needs members of different names, not {names}")
        self._members = dict(zip(names, members, strict=True))
        self._models = frozenset(models)

    @property
    def name(self) -> str:
        """What stands in notices about the team as a whole."""
        return "team"

    @property
    def members(self) -> tuple[Proposer, ...]:
        """Who is in the team."""
        return tuple(self._members.values())

    def standings(self, history: History) -> list[Standing]:
        """Return where each member stands."""
        return standings(tuple(self._members), history, models=self._models)

    def __call__(
        self,
        task: Task,
        history: History,
        n: int,
        rng: np.random.Generator,  # noqa: ARG002  # members have draws of their own
    ) -> list[Proposal]:
        """Return what can't be used, one per lost turn, and behind it up to `n` usable proposals.

        Raises:
            ProposerError: no member offered anything; with each one's reason.
        """
        batch = _Batch(task, history)
        standing = self.standings(history)
        order = [one.name for one in sorted(standing, key=lambda one: -one.share)]
        wanted = self._shared_out(standing, history, n)
        for name in order:
            if wanted.get(name):
                self._ask(name, wanted[name], batch)
        # Turns that were lost go to the others, largest share first.
        for name in order:
            if len(batch.usable) < n and name not in batch.lost:
                self._ask(name, n - len(batch.usable), batch)
        if batch.empty and any(batch.lost.values()):
            reasons = "; ".join(f"{name}: {why}" for name, why in batch.lost.items() if why)
            raise ProposerError(f"no member can propose ({reasons})")
        return [*batch.unusable[: (SPARE - 1) * n], *batch.noted()]

    def turns(
        self, history: History, n: int, *, busy: Mapping[str, int] | None = None
    ) -> dict[str, int]:
        """Return how many of the next `n` trials each member is to make; who has none is left out.

        `busy`: who can't be asked now, and how many proposals each is at. Those count as made; the
        turns of the busy go to the others.
        """
        return self._shared_out(self.standings(history), history, n, busy=busy)

    def _shared_out(
        self,
        standing: Sequence[Standing],
        history: History,
        n: int,
        *,
        busy: Mapping[str, int] | None = None,
    ) -> dict[str, int]:
        busy, by_name = busy or {}, {one.name: one for one in standing}
        lined_up = [by_name[name] for name in in_line([*by_name])]
        first = len(history.trials) + sum(busy.values())
        names: list[str] = []
        for turn in range(first, first + n):
            free = [one for one in self._candidates(lined_up, turn) if one.name not in busy]
            names += [_at(free, turn)] if free else []
        return {name: names.count(name) for name in dict.fromkeys(names)}

    def _candidates(self, lined_up: list[Standing], turn: int) -> list[Standing]:
        """Who may have a turn: at first none of the models, where a judge can go before them."""
        if turn >= MEASURE or JUDGES.isdisjoint(self._members):
            return lined_up
        return [one for one in lined_up if one.name not in self._models]

    def _ask(self, name: str, wanted: int, batch: _Batch) -> None:
        try:
            offered = self._members[name](batch.task, batch.history, wanted, batch.rng(name))
        except ProposerError as error:
            batch.lost[name] = str(error)
        except Exception as error:  # noqa: BLE001  # a member's fault must not cost others their turns
            batch.lost[name] = f"{type(error).__name__}: {error}"
            batch.refuse(name)
        else:
            batch.take(name, offered, wanted)


class _Batch:
    """The proposals of one call, sifted as they come."""

    def __init__(self, task: Task, history: History) -> None:
        self.task, self.history = task, history
        self.usable: list[Proposal] = []
        self.unusable: list[Proposal] = []
        self.lost: dict[str, str] = {}
        """Why members lost their turns, by name; '' for one that had nothing left to try."""
        self._keys: set[str] = set()
        self._rngs: dict[str, np.random.Generator] = {}

    def rng(self, name: str) -> np.random.Generator:
        """The draws of member `name` in its present turn; asked again, it goes on with them."""
        if name not in self._rngs:
            self._rngs[name] = draws(name, self.history)
        return self._rngs[name]

    @property
    def empty(self) -> bool:
        """Whether nobody has offered any configuration or edit."""
        return not self.usable and not any(
            p.configuration or p.edit or p.fault for p in self.unusable
        )

    def take(self, name: str, offered: object, wanted: int) -> None:
        """Sift what member `name` offered; at most `wanted` of it become usable."""
        items = offered[: SPARE * wanted] if isinstance(offered, list | tuple) else []
        proposals = [replace(item, by=name) for item in items if isinstance(item, Proposal)]
        before = len(self.usable)
        for proposal in proposals:
            if len(self.usable) - before < wanted:
                self._sort(proposal)
        got = len(self.usable) - before
        if not got:
            known = next((one.fault[:LONGEST_FAULT] for one in proposals if one.fault), "")
            unusable = known or "nothing that it offered is usable"
            self.lost[name] = "" if offered == [] else unusable
        known_bad = [p for p in proposals if p.fault]
        bad = [p for p in proposals if not p.fault and self._key(p) is None]
        # What a member says itself was refused is for the record, whatever else it offered.
        self.unusable += [*known_bad, *bad[: max(wanted - got - len(known_bad), 0)]]
        if offered != [] and not proposals:
            self.refuse(name)

    def refuse(self, name: str) -> None:
        """Hand on an empty proposal of a member that offered none: its turn is lost."""
        why = self.lost[name]
        self.unusable.append(Proposal(configuration={}, by=name, rationale=why))

    def noted(self) -> list[Proposal]:
        """Return the usable proposals; the first says whose turns were lost, and why."""
        why = "; ".join(f"{name} lost its turn: {why}" for name, why in self.lost.items() if why)
        if not why or not self.usable:
            return self.usable
        first = self.usable[0]
        return [replace(first, rationale=f"{first.rationale} ({why})"), *self.usable[1:]]

    def _sort(self, proposal: Proposal) -> None:
        key = self._key(proposal)
        if key is not None and key not in self._keys:
            self._keys.add(key)
            self.usable.append(proposal)

    def _key(self, proposal: Proposal) -> str | None:
        """The key of a legal configuration and its code, if not tried; None for any other."""
        if proposal.fault:
            return None
        space = self.task.space
        try:
            values = space.canonical(proposal.configuration)
            tree = self.history.tree_of(proposal)
            if space.check(values) or self._tried(values, tree):
                return None
            return f"{space.key(values)}\n{tree}"
        except (TypeError, ValueError, AttributeError):
            return None  # not even names with values: the study says what is wrong with it

    def _tried(self, values: Configuration, tree: str) -> bool:
        if not self.history.trials:
            return False
        return self.history.seen(values, code=self.history.code, tree=tree) is not None


def _at(candidates: Sequence[Standing], turn: int) -> str:
    """Whose turn it is: the candidate whose part of all shares holds the turn's point."""
    point = turn * GOLDEN % 1.0 * math.fsum(one.share for one in candidates)
    passed = 0.0
    for one in candidates:
        passed += one.share
        if point < passed:
            return one.name
    return candidates[-1].name
