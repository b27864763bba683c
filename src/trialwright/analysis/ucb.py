"""The trials of a study as a tree, and how much each deserves another child. Pure.

A trial hangs on the one that it changes (`Proposal.parent`); one that names none, on the best that
was known when it was proposed. Both are read off the ledger, so the tree outlives every process.

    score = reward + bonus          bonus = c * sqrt(ln N / n)     `documented`
                                            c * sqrt(N) / (1 + n)  `variant`

N counts all trials, n those of the subtree, both with those that are still going on. It proposes
nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from trialwright.analysis.ranking import ranked
from trialwright.history import History, Run, Trial
from trialwright.robust import Robust
from trialwright.task import FRESH, Ucb


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A trial's place in the tree, and its score."""

    number: int
    parent: int | None
    reward: float | None
    """In [0, 1], see `rewards`; None while the trial goes on."""
    visits: int
    """Trials of the subtree: itself and all below it."""
    bonus: float
    """For having been tried rarely."""

    @property
    def score(self) -> float | None:
        """Reward and bonus; None while the trial goes on."""
        return None if self.reward is None else self.reward + self.bonus


def bonus(ucb: Ucb, *, total: int, visits: int) -> float:
    """Return what a node gains by having `visits` of `total` trials in its subtree; both >= 1.

    >>> round(bonus(Ucb(c=1.414), total=20, visits=5), 4)
    1.0945
    >>> round(bonus(Ucb(c=1.414, rule="variant"), total=20, visits=5), 4)
    1.0539
    """
    match ucb.rule:
        case "documented":
            return ucb.c * math.sqrt(math.log(total) / visits)
        case "variant":
            return ucb.c * math.sqrt(total) / (1 + visits)


def nodes(history: History, ucb: Ucb, *, planned: Sequence[int | None] = ()) -> list[Node]:
    """Return every trial's node, by number.

    `planned`: parents of proposals that are not yet in the history, and count as going on.
    """
    parents = lineage(history)
    visits = [1] * len(parents)
    for parent in planned:
        if parent is not None:
            visits[parent] += 1
    # A parent is always older: from the latest on, each subtree is complete when it is added.
    for number in range(len(parents) - 1, -1, -1):
        parent = parents[number]
        if parent is not None:
            visits[parent] += visits[number]
    total = len(parents) + len(planned)
    reward = rewards(history)
    return [
        Node(
            number=number,
            parent=parent,
            reward=reward.get(number),
            visits=visits[number],
            bonus=bonus(ucb, total=total, visits=visits[number]),
        )
        for number, parent in enumerate(parents)
    ]


def rewards(history: History) -> dict[int, float]:
    """Return the reward of each trial that has ended or has a value, by number; in [0, 1].

    The share of the results under the same code that a trial is at least as good as, ties shared:
    the best has 1. A trial without a value, failed or stopped, has 0. Ranks are what the metric's
    unit and its outliers can't distort.
    """
    found = dict.fromkeys((trial.number for trial in history.finished()), 0.0)
    groups: dict[str, list[Trial]] = {}
    for trial in history.done():
        groups.setdefault(trial.code, []).append(trial)
    for trials in groups.values():
        sign = history.task.objective.sign
        ranks = ranked([sign * (trial.value or 0.0) for trial in trials])
        found |= {
            trial.number: float(rank) / len(trials)
            for trial, rank in zip(trials, ranks, strict=True)
        }
    return found


def lineage(history: History) -> list[int | None]:
    """Return the parent of each trial, by number; None for those that nothing stands above."""
    found = [trial.proposal.parent for trial in history.trials]
    orphans = [trial for trial in history.trials if trial.proposal.parent is None]
    if len(orphans) < 2:
        return found
    ended = [
        (run.ended_at, trial.number, run)
        for trial in history.trials
        for run in trial.runs
        if run.ended_at is not None
    ]
    ended.sort(key=lambda item: item[:2])
    leader = _Leader(history.task.objective.sign, history.task.seeds.objective)
    seen = 0
    for trial in orphans:
        while seen < len(ended) and ended[seen][0] <= trial.admitted_at:
            _, number, run = ended[seen]
            leader.take(history.trials[number], run)
            seen += 1
        if leader.number is not None and leader.number < trial.number:
            found[trial.number] = leader.number
    return found


def children(parents: Sequence[int | None]) -> dict[int | None, list[int]]:
    """Return the children of each node in order; under None, those that nothing stands above.

    >>> children([None, 0, 0, 1])
    {None: [0], 0: [1, 2], 1: [3]}
    """
    found: dict[int | None, list[int]] = {}
    for number, parent in enumerate(parents):
        found.setdefault(parent, []).append(number)
    return found


def ancestry(parents: Sequence[int | None], number: int) -> list[int]:
    """Return the way from the root to a node, both included.

    >>> ancestry([None, 0, 0, 1], 3)
    [0, 1, 3]
    """
    way: list[int] = []
    at: int | None = number
    while at is not None:
        way.append(at)
        at = parents[at]
    return way[::-1]


State = Literal["done", "infeasible", "failed", "pruned", "going"]


def state_of(trial: Trial) -> State:
    """Say how a trial stands in the tree.

    `infeasible`: it ended well, and has no value that counts all the same.
    """
    if trial.value is not None:
        return "done"
    match trial.state:
        case "failed" | "pruned" as state:
            return state
        case "done":
            return "infeasible"
    return "going"


@dataclass(slots=True)
class _Leader:
    """The best trial as it was known at some moment, run by run."""

    sign: int
    objective: Robust
    number: int | None = None
    _code: str = ""
    _values: dict[int, dict[int, float]] = field(default_factory=dict)
    """Per trial and seed; of the code that last gave a value."""

    def take(self, trial: Trial, run: Run) -> None:
        """Take in how a run ended."""
        assert run.observation is not None
        number, value = trial.number, run.observation.value
        code = run.launch.code or trial.admission.code
        if run.observation.outcome == "cancelled" or run.key.seed >= FRESH:
            return
        if run.observation.outcome != "done" or value is None:
            self._values.pop(number, None)
        else:
            if code != self._code:
                self._values, self._code = {}, code
            self._values.setdefault(number, {})[run.key.seed] = value
        self._lead(number)

    def _lead(self, changed: int) -> None:
        """Let the best lead, of equals the earlier; look at all only if the leader changed."""
        if self.number is None or changed == self.number or self.number not in self._values:
            self.number = max(sorted(self._values), key=self._worth, default=None)
        elif changed in self._values and self._worth(changed) > self._worth(self.number):
            self.number = changed

    def _worth(self, number: int) -> float:
        value = self.objective.value(list(self._values[number].values()), sign=self.sign)
        return -math.inf if value is None else self.sign * value
