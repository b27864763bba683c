"""When a study is over: its budget is used up, or its runs all fail alike. Pure.

It reads a task, a history and failures; what follows from an answer is the session's. `now` is in
seconds since the epoch, by the clock that gave the entries their times.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from trialwright.analysis.promote import reserved, usual_seconds
from trialwright.execute.runner import run_folder
from trialwright.history import History
from trialwright.records import Cause, Observation
from trialwright.task import Budget, Task

SETUP: frozenset[Cause] = frozenset(
    {
        "command_not_found",
        "import_error",
        "syntax_error",
        "bad_argument",
        "missing_file",
        "no_metric",
    }
)
"""Causes that lie in the set-up and not in a configuration: two runs are proof enough."""


def spent(budget: Budget, history: History, *, now: float) -> str:
    """Return which part of the budget is used up, in words; '' if none is."""
    if budget.trials is not None and len(history.trials) >= budget.trials:
        return _all(budget.trials, "trial")
    if budget.runs is not None and history.launches >= budget.runs:
        return _all(budget.runs, "run")
    if budget.time_s is not None and _seconds(history, now) >= budget.time_s:
        return f"the time budget of {budget.time_s:g} s is used up"
    return ""


def blocked(budget: Budget, history: History, *, now: float) -> bool:
    """Say whether nothing more may be launched, not even what is due."""
    runs = budget.runs is not None and history.launches >= budget.runs
    return runs or (budget.time_s is not None and _seconds(history, now) >= budget.time_s)


def runs_left(budget: Budget, history: History, *, slots: int, now: float) -> tuple[float, float]:
    """Return how many runs the budget has left, and how many it is in all; inf without a bound.

    A budget of time is counted in runs as long as the latest ones.
    """
    left = whole = math.inf
    if budget.runs is not None:
        left, whole = budget.runs - history.launches, budget.runs
    if budget.time_s is not None and (usual_s := usual_seconds(history)):
        rate = slots / usual_s
        left = min(left, (budget.time_s - _seconds(history, now)) * rate)
        whole = min(whole, budget.time_s * rate)
    return left, whole


def searched(task: Task, history: History, *, slots: int, now: float) -> bool:
    """Say whether no further trial is to come: what is left of the budget is for the best of them.

    At most half of a budget is kept for that.
    """
    if spent(task.budget, history, now=now):
        return True
    if not reserved(task):
        return False
    left, whole = runs_left(task.budget, history, slots=slots, now=now)
    return left <= min(reserved(task), whole / 2)


def hopeless(failures: Sequence[Observation]) -> bool:
    """Say whether a session's first runs, none of which gave a metric, all failed the same way."""
    causes = {failure.cause for failure in failures}
    if len(failures) < 2 or len(causes) != 1:
        return False
    # A script that reports other metrics than the goal's will do so for ever.
    if causes != {"no_metric"} and any(failure.metrics for failure in failures):
        return False
    return len(failures) >= (2 if causes <= SETUP else 3)


def advice(failures: Sequence[Observation], folder: Path) -> str:
    """Say how the runs failed, with the last one's log; `folder` is the study's."""
    last = failures[-1]
    return (
        f"the first {len(failures)} runs all failed the same way"
        f" ({(last.cause or 'other').replace('_', ' ')}): {last.detail}\n{last.log_tail}\n"
        f"log: {run_folder(folder, last.run) / 'stdout.log'}"
    )


def _all(count: int, noun: str) -> str:
    if count == 1:
        return f"the one {noun} of the budget is done"
    return f"all {count} {noun}s of the budget are done"


def _seconds(history: History, now: float) -> float:
    return history.seconds + max(now - history.counted_at, 0.0)
