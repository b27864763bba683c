"""The first lines of a notebook: what is asked for, what decides, and how far the study is."""

from __future__ import annotations

import re
from collections.abc import Iterator

from trialwright.analysis.compare import compare
from trialwright.history import History, Trial
from trialwright.report import seeds, words
from trialwright.task import Task

DESCRIBED = 1_200
"""Characters of a description; of a longer one, the sentences that fit."""

REASON = 240
"""Characters of why a study stopped: it may quote a log."""

_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\"'(`<])")

_OVER = ("budget", "exhausted")
"""Why a study is over, and not only stopped."""


def described(task: Task, *, most: int = DESCRIBED) -> str:
    """Return a task's description on one line: in full, or as many whole sentences as fit."""
    said = words.line(task.description)
    if len(said) <= most:
        return said
    kept = ""
    for sentence in _END.split(said):
        if len(kept) + len(sentence) + 1 > most - 4:
            break
        kept = f"{kept} {sentence}".strip()
    return f"{kept} (…)" if kept else words.plain(said, most=most)


def decides(history: History) -> str:
    """Say what decides between trials: the number in words, and which way is better."""
    task = history.task
    better = "larger" if task.objective.sign > 0 else "smaller"
    measured = words.line(seeds.measure(task))
    over = f" over the seeds of a trial ({policy})" if (policy := seeds.policy(task)) else ""
    failure = task.seeds.failure
    side = "below" if task.objective.sign > 0 else "above"
    said = f"{measured}{over}; {better} is better."
    if failure is not None:
        metric = words.line(task.objective.metric)
        said += f" A run with {metric} {side} {failure:g} counts as failed."
    return said


def stage(history: History) -> str:
    """Say whether the study is over and why, how much was done, and what it may use."""
    closed = history.closed
    if closed is None:
        where = "The study is going on."
    elif closed.reason in _OVER:
        where = f"The study is over: {words.line(closed.sentence).rstrip('.')}."
    else:
        why = words.line(closed.sentence, most=REASON).rstrip(".")
        where = f"The study has stopped, and may go on: {why}."
    did = [
        words.count(len(history.trials), "trial"),
        words.count(history.launches, "run"),
        words.seconds(history.seconds),
    ]
    may = list(_budget(history.task))
    return f"{where} So far: {', '.join(did)}. Budget: {', '.join(may) or 'none set'}."


def over(history: History) -> bool:
    """Say whether the study has used up its budget or its space."""
    return history.closed is not None and history.closed.reason in _OVER


def rivalry(history: History) -> str:
    """Say how sure it is that the best trial beats the one before it; '' where nothing is to say.

    Confirmed against the first trial is not confirmed against the next best.
    """
    best = history.best()
    rival = _rival(best, history) if best else None
    found = compare(best, rival, history) if best and rival else None
    if rival is None or found is None or found.probability is None or found.exact:
        return ""
    confidence = history.task.confidence
    sign = history.task.objective.sign
    sure = words.probability(found.probability)
    said = words.moved(found.difference, sign=sign, than=f"trial {rival.number}")
    if best is not None and best.verdict is not None and best.verdict.simpler:
        return f"{said}, the best before it, and as good within noise: kept for having less code."
    if found.probability >= confidence and found.difference > 0:
        return f"{said}, the best before it: confirmed, real with probability {sure}."
    return (
        f"{said}, the best before it: not confirmed, real with probability {sure} where"
        f" {confidence:g} is asked for."
    )


def _rival(best: Trial, history: History) -> Trial | None:
    """Whom the best trial was judged against, unless that is the first one."""
    verdict = best.verdict
    first = history.done(code=best.code)[0].number
    if verdict is None or verdict.against is None or verdict.against == first:
        return None
    return history.trials[verdict.against]


def _budget(task: Task) -> Iterator[str]:
    budget = task.budget
    if budget.trials is not None:
        yield words.count(budget.trials, "trial")
    if budget.runs is not None:
        yield words.count(budget.runs, "run")
    if budget.time_s is not None:
        yield words.seconds(budget.time_s)
    if budget.usd is not None:
        yield f"${budget.usd:g} for models"
    if budget.tokens is not None:
        yield f"{budget.tokens:,} tokens for models"
