"""When to leave a kind of change alone: rules over verdicts, reasons in the study's figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from trialwright.history import History, Trial
from trialwright.records import Category


@dataclass(frozen=True, slots=True)
class Pivot:
    """A category that the next change should not be of."""

    category: Category
    reason: str


def category_of(trial: Trial) -> Category:
    """Return the category that a trial's edit shows; the declared one where it has none."""
    edit = trial.proposal.edit
    return trial.proposal.category if edit is None else edit.inferred


def declared(trial: Trial) -> Category:
    """Return the category that whoever proposed a trial gave it."""
    return trial.proposal.category


def pivot(history: History, kind_of: Callable[[Trial], Category] = category_of) -> Pivot | None:
    """Return what to turn away from: the category of the latest changes, if all were discarded.

    As many of them in a row as the study's `research: {pivot: ...}` says. Agents that turn to
    another kind of change after a discarded one do better than those that go on (O'Donnell 2026).
    """
    plan = history.task.research
    if plan is None:
        return None
    ended = [t for t in history.finished() if t.proposal.edit is not None and t.verdict is not None]
    last = ended[-plan.pivot :]
    kinds = {kind_of(trial) for trial in last}
    lost = all(t.verdict is not None and t.verdict.status in ("discarded", "failed") for t in last)
    if len(last) < plan.pivot or not lost or len(kinds) > 1:
        return None
    (kind,) = kinds
    alike = [trial for trial in ended if kind_of(trial) == kind]
    kept = sum(t.verdict is not None and t.verdict.status in ("kept", "unconfirmed") for t in alike)
    return Pivot(
        kind,
        f"the last {len(last)} changes, all of the kind {kind}, were discarded ({kept} of"
        f" {len(alike)} of that kind were not): it is time for another kind",
    )
