"""Which trials get more seeds, as records with their reasons: a pure function of the history."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable

from trialwright.analysis.allocate import Arm, Rules, Step, promotion, settling
from trialwright.analysis.doubts import replication
from trialwright.analysis.noise import scatter_of
from trialwright.analysis.validation import first_of
from trialwright.history import History, Trial
from trialwright.records import Promotion
from trialwright.robust import mean
from trialwright.task import Task

RACERS = 30
"""Trials that are looked at, the best by value: whoever is behind so many is no contender."""


RECENT = 20
"""Runs that tell how long one takes."""


def promotions(
    task: Task, history: History, *, n: int, searched: bool = False, runs_left: float = math.inf
) -> list[Promotion]:
    """Return whom to give more seeds now, for `n` free slots; empty where nobody is due any.

    `searched`: no further trial will come, so that who is best is to be settled, and the winner
    then run on fresh seeds. `runs_left` is what the budget has left for all of that. Until then,
    whoever no rule gives seeds, a skeptic of the team may still doubt.
    """
    if n < 1:
        return []
    due = _due(task, history, n=n, searched=searched, runs_left=runs_left)
    return due if due or searched else replication(task, history)


def _due(
    task: Task, history: History, *, n: int, searched: bool, runs_left: float
) -> list[Promotion]:
    """Whom the study file's own rules give more seeds."""
    seeds = task.seeds
    if not (seeds.confirm or seeds.fresh):
        return []
    arms = _arms(task, history)
    found: list[Promotion] = []
    if seeds.confirm is not None:
        rules = _rules(task, history, seeds.confirm)
        # What is planned already will be launched, and the winner's fresh seeds are spoken for.
        planned = sum(len(trial.missing) for trial in history.pending())
        most = runs_left - planned - 2 * seeds.fresh
        found = _taken(arms, rules, promotion, n=n, most=most)
        if not found and searched:
            found = _taken(arms, rules, settling, n=n, most=most)
    if found or not searched or not seeds.fresh or _going(arms):
        return found
    return _fresh(task, history)


def reserved(task: Task) -> int:
    """Return the runs that belong to settling and to fresh seeds, of a budget without bound."""
    seeds = task.seeds
    settled = 2 * (seeds.most - seeds.confirm) if seeds.most and seeds.confirm else 0
    return 2 * seeds.fresh + settled


def _rules(task: Task, history: History, confirm: int) -> Rules:
    scatter = scatter_of(history, code=history.code)
    return Rules(
        confirm=confirm,
        most=task.seeds.most or confirm,
        confidence=task.confidence,
        robust=task.seeds.objective,
        sign=task.objective.sign,
        common=scatter.common if scatter else 0.0,
    )


def _arms(task: Task, history: History) -> list[Arm]:
    """The best trials of the newest code by value, and the best, by number."""
    code, sign = history.code, task.objective.sign
    scatter = scatter_of(history, code=code)
    done = history.done(code=code)
    racing = {t.number: t for t in heapq.nlargest(RACERS, done, key=lambda t: sign * _worth(t))}
    leading = history.best(code=code)
    if leading is not None:
        racing[leading.number] = leading
    return [
        Arm(
            number,
            trial.values,
            max(trial.planned, len(trial.values)),
            scatter.of(number) if scatter else None,
        )
        for number, trial in sorted(racing.items())
    ]


def _worth(trial: Trial) -> float:
    assert trial.value is not None
    return trial.value


def _taken(
    arms: list[Arm],
    rules: Rules,
    choose: Callable[[list[Arm], Rules], Step | None],
    *,
    n: int,
    most: float,
) -> list[Promotion]:
    """Steps for `n` free slots, each taken to be under way when the next is chosen.

    The first that takes the runs beyond `most` is the end of them.
    """
    found: list[Promotion] = []
    runs = 0
    while runs < n and (step := choose(arms, rules)) is not None:
        at = next(i for i, arm in enumerate(arms) if arm.trial == step.trial)
        runs += step.seeds - arms[at].planned
        if runs > most:
            break
        arms[at] = Arm(step.trial, arms[at].values, step.seeds, arms[at].noise)
        found.append(Promotion(trial=step.trial, seeds=step.seeds, reason=step.reason))
    return found


def _going(arms: list[Arm]) -> bool:
    return any(arm.planned > len(arm.values) for arm in arms)


def _fresh(task: Task, history: History) -> list[Promotion]:
    """Fresh seeds for the winner, and for the first trial, which it is compared with."""
    winner = history.best(code=history.code)
    if winner is None:
        return []
    first, seeds = first_of(winner, history), task.seeds.fresh
    shown = f"{_worth(winner):.6g} over {len(winner.values)}"
    reasons = {winner.number: f"the winner, with {shown}: what it is worth on seeds unseen so far"}
    if first is not winner:
        reasons[first.number] = f"the first trial, to hold trial {winner.number} against"
    return [
        Promotion(trial=number, seeds=seeds, fresh=True, reason=reason)
        for number, reason in reasons.items()
        if history.trials[number].fresh_planned < seeds
    ]


def usual_seconds(history: History) -> float | None:
    """Return the mean wall time of the latest runs; None before any has ended."""
    ended = [
        run.observation.seconds
        for trial in history.trials[-2 * RECENT :]
        for run in trial.runs
        if run.observation is not None and run.observation.outcome == "done"
    ][-RECENT:]
    return mean(ended) if ended else None
