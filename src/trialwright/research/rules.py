"""When to leave a kind of change, or a trial, alone: rules over verdicts, reasons in figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from trialwright.analysis.ucb import Node, children, nodes
from trialwright.history import History, Trial
from trialwright.records import Category, Proposal

ABLATION = "ablation"
"""Who takes changes back again: the study itself, which looks for nothing new by it."""

GOOD = 0.5
"""Share of the results that a discarded trial has to reach for the study to go on from it."""


@dataclass(frozen=True, slots=True)
class Pivot:
    """A category that the next change should not be of."""

    category: Category
    reason: str


@dataclass(frozen=True, slots=True)
class Plateau:
    """Small changes of the best trial have brought nothing for a while: what to do instead."""

    what: Literal["branch", "larger"]
    """Go on from another trial; or take larger steps than one change at a time."""
    trial: int
    """The trial to go on from: with `larger` that is the best."""
    reason: str


def kind_shown(proposal: Proposal) -> Category:
    """Return the category that an edit shows; the declared one where it tells none."""
    edit = proposal.edit
    shown = None if edit is None or edit.inferred == "multi" else edit.inferred
    return shown or proposal.category


def category_of(trial: Trial) -> Category:
    """Return the category of a trial's edit: `kind_shown` by what was proposed."""
    return kind_shown(trial.proposal)


def declared(trial: Trial) -> Category:
    """Return the category that whoever proposed a trial gave it."""
    return trial.proposal.category


def pivot(history: History, kind_of: Callable[[Trial], Category] = category_of) -> Pivot | None:
    """Return what to turn away from: the category of the latest changes, if all were discarded.

    As many of them in a row as the study's `research: {pivot: ...}` says. Agents that turn to
    another kind of change after a discarded one do better than those that go on (O'Donnell 2026).
    What a change was declared to be does not count, unless `kind_of` says so.
    """
    plan = history.task.research
    if plan is None:
        return None
    ended = judged(history)
    last = ended[-plan.pivot :]
    kinds = {kind_of(trial) for trial in last}
    if len(last) < plan.pivot or not all(map(_lost, last)) or len(kinds) > 1:
        return None
    (kind,) = kinds
    alike = [trial for trial in ended if kind_of(trial) == kind]
    kept = sum(map(_favoured, alike))
    return Pivot(
        kind,
        f"the last {len(last)} changes, all of the kind {kind}, were discarded ({kept} of"
        f" {len(alike)} of that kind were not): it is time for another kind",
    )


def plateau(history: History) -> Plateau | None:
    """Return what is to change about the search, where nothing new was best for long; else None.

    After as many judged changes in a row as `research: {plateau: ...}` says, the study goes on from
    another trial; after as many again, in larger steps; and so on in turn. Where there is no other
    trial to go on from, larger steps are due at once.
    """
    plan, best = history.task.research, history.best()
    if plan is None or best is None:
        return None
    since = sum(trial.number > best.number for trial in judged(history))
    if since < plan.plateau:
        return None
    value = "" if best.value is None else f" ({history.task.objective.metric} {best.value:.5g})"
    dry = f"{since} changes in a row brought nothing better than trial {best.number}{value}"
    other = _elsewhere(history, best)
    if other is None:
        reason = f"{dry}, and no other trial is worth going on from: larger steps are due"
        return Plateau("larger", best.number, reason)
    if since // plan.plateau % 2 == 0:
        reason = f"{dry}, from other trials neither: larger steps are due"
        return Plateau("larger", best.number, reason)
    return Plateau("branch", other.number, f"{dry}: {_why(history, other)}")


def judged(history: History) -> list[Trial]:
    """Return the changes of code that have ended and tell something, by number.

    What the study took back to see whether it is needed is no new change, and a failure that had
    nothing to do with the code tells nothing.
    """
    return [
        trial
        for trial in history.finished()
        if trial.proposal.edit is not None
        and trial.proposal.by != ABLATION
        and trial.verdict is not None
        and not by_accident(trial)
    ]


def by_accident(trial: Trial) -> bool:
    """Say whether a trial failed for a reason that passes, such as a machine that went away."""
    if trial.state != "failed":
        return False
    seen = [run.observation for run in trial.latest.values() if run.observation]
    return {one.cause for one in seen if one.outcome == "failed"} == {"transient"}


def in_vain(trial: Trial) -> bool:
    """Say whether a change was taken back to no use: nothing to go on from."""
    return trial.proposal.by == ABLATION and not _favoured(trial)


def _elsewhere(history: History, best: Trial) -> Node | None:
    """The best trial to go on from; below the best one, only what was not discarded."""
    tree = nodes(history, history.task.tree)
    below = children([node.parent for node in tree])
    spent, left = {best.number}, [best.number]
    while left:
        found = below.get(left.pop(), [])
        spent.update(found)
        left += found
    worth = [
        node
        for node in tree
        if node.number != best.number and _worth(history, node, exhausted=node.number in spent)
    ]
    return min(worth, key=lambda node: (-(node.score or 0.0), node.number), default=None)


def _worth(history: History, node: Node, *, exhausted: bool) -> bool:
    """Whether a trial is a place to go on from: not discarded, or as good as half of the others."""
    trial = history.trials[node.number]
    if trial.value is None or in_vain(trial):
        return False
    return _favoured(trial) or (not exhausted and (node.reward or 0.0) >= GOOD)


def _why(history: History, node: Node) -> str:
    trial, total = history.trials[node.number], len(history.trials)
    status = trial.verdict.status if trial.verdict is not None else "not judged"
    return (
        f"go on from trial {node.number} ({status}; score {node.score or 0.0:.2f} = reward"
        f" {node.reward or 0.0:.2f} + {node.bonus:.2f} for {node.visits} of {total} trials in its"
        " branch)"
    )


def _lost(trial: Trial) -> bool:
    return trial.verdict is not None and trial.verdict.status in ("discarded", "failed")


def _favoured(trial: Trial) -> bool:
    return trial.verdict is not None and trial.verdict.status in ("kept", "unconfirmed")
