"""What skeptics doubt and what that is worth: whom they replicate, what they settled. Pure.

A skeptic improves on nothing, and is not to be judged by that. A turn of it is worth what it
settled: `OVERTURNED` for a claim that ended contradicted, or a best trial that did not hold,
`HELD` for a claim that was borne out, or a best trial that held; shared among the trials or seeds
that it took. While nothing is settled it is worth nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from trialwright.analysis.claims import standings
from trialwright.analysis.compare import hypothesis_status
from trialwright.history import History, Trial, lead
from trialwright.records import Promotion
from trialwright.task import Task

OVERTURNED, HELD = 1.0, 0.5
"""What it is worth to find something false, and to find it borne out."""

_SETTLED: Mapping[str, float] = {
    "contradicted": OVERTURNED,
    "supported": HELD,
    "established": HELD,
}

REPLICAS = 3
"""Seeds after which a skeptic leaves the best trial alone, unless `seeds.confirm` asks for more."""

EVERY = 4
"""Ended trials per seed that skeptics give the best, so that its doubts do not eat the search."""


def replication(task: Task, history: History) -> list[Promotion]:
    """Return one more seed for the best trial and for the one that it beat, where doubt is due.

    Both on the same seed, since trials are compared over the seeds that they share. Not for the
    first trial, which beat nothing; not where seeds have never made a difference; and one at a
    time, since each may settle it.
    """
    names = [name for name, role in task.roles.items() if role == "skeptic"]
    best = history.best(code=history.code) if names and history.opened else None
    rival = None if best is None else beaten(history, best)
    if best is None or rival is None or _going(best) or _going(rival) or not _tell(history):
        return []
    seeds = len(best.values) + 1
    given = sum(bool(promotion.by) for promotion in history.promotions)
    if seeds > _enough(task) or given * EVERY >= len(history.finished()):
        return []
    by = names[best.number % len(names)]
    doubt = (
        f"{by} doubts that trial {best.number} is the best, with {_seeds(seeds - 1)} behind it:"
        f" it is wrong if trial {rival.number} is level with it over one more"
    )
    beside = f"a seed beside that of trial {best.number}, which {by} doubts"
    due = [(best, doubt), *([(rival, beside)] if len(rival.values) < seeds else [])]
    return [
        Promotion(trial=trial.number, seeds=seeds, reason=reason, by=by, doubts=best.number)
        for trial, reason in due
    ]


def beaten(history: History, best: Trial) -> Trial | None:
    """Return the trial that the best one took the lead from: by its verdict, else the next best."""
    against = best.verdict.against if best.verdict else None
    if against is not None and history.trials[against].value is not None:
        return history.trials[against]
    sign = history.task.objective.sign
    others = [t for t in history.done(code=best.code) if t.number < best.number]
    return max(others, key=lambda t: (sign * (t.value or 0.0), -t.number), default=None)


def settled(history: History) -> dict[int, float]:
    """Return what trials settled, by number: of claims, and of what a skeptic expected of its own.

    Whoever made them; what settled nothing is left out.
    """
    worth: dict[int, float] = {}
    for standing in standings(history):
        whole = _SETTLED.get(standing.status, 0.0)
        for number in standing.trials if whole else ():
            worth[number] = max(worth.get(number, 0.0), whole / len(standing.trials))
    skeptics = {name for name, role in history.task.roles.items() if role == "skeptic"}
    for trial in history.trials:
        if trial.proposal.by in skeptics and trial.proposal.tests is None:
            whole = _SETTLED.get(hypothesis_status(history, trial), 0.0)
            worth |= {trial.number: whole} if whole else {}
    return worth


def replications(history: History, name: str) -> list[float]:
    """Return what each seed is worth that a skeptic had a trial given, latest first."""
    own = [promotion for promotion in history.promotions if promotion.by == name]
    doubted = [one.trial if one.doubts is None else one.doubts for one in own]
    return [
        _held(history, history.trials[number]) / doubted.count(number)
        for number in reversed(doubted)
    ]


def overturned(history: History, trial: Trial) -> bool:
    """Say whether a trial that was the best is now discarded, or behind one of before it."""
    if trial.verdict is not None and trial.verdict.status in ("discarded", "failed"):
        return True
    sign = history.task.objective.sign
    return trial.value is None or any(
        sign * lead(other, trial, history.task) >= 0
        for other in history.favoured()
        if other.number < trial.number and other.code == trial.code and other.value is not None
    )


def _held(history: History, trial: Trial) -> float:
    if _going(trial):
        return 0.0
    return OVERTURNED if overturned(history, trial) else HELD


def _enough(task: Task) -> int:
    return max(REPLICAS, task.seeds.confirm or 0)


def _going(trial: Trial) -> bool:
    return trial.planned > len(trial.values)


def _tell(history: History) -> bool:
    """Whether seeds of one trial have ever differed, as far as there are any to compare."""
    several = [trial for trial in history.done(code=history.code) if len(trial.values) > 1]
    return not several or any(len(set(trial.values.values())) > 1 for trial in several)


def _seeds(count: int) -> str:
    return f"{count} seed{'' if count == 1 else 's'}"
