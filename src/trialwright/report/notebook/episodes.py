"""Blocks in words: what was tried in each, what came of it, and what a model made of it."""

from __future__ import annotations

from collections.abc import Iterator

from trialwright.analysis.blocks import Course, course
from trialwright.history import History, Trial
from trialwright.records import Block, Cause
from trialwright.report import words

VARIED = 4
"""Parameters that a block is said to have varied."""

LISTED = 6
"""Changes of a trial up to which they are listed."""

LED = 2
"""Trials of a block that led for a time, whose reasons are told."""

REASON = 240
"""Characters of a reason."""


def facts(history: History, block: Block) -> list[str]:
    """Return what happened in a block, a sentence each: for readers, and for a model to sum up."""
    happened = course(history, block)
    return [
        *_who(happened),
        *_what(happened),
        *_which_failed(history, block),
        *_best(history, happened),
        *_reasons(history, happened),
        *_expectations(happened),
    ]


def row(history: History, block: Block) -> tuple[str, ...]:
    """Return a block as a row: its number, trials, results, best so far, gain, what was varied."""
    happened = course(history, block)
    best = "none yet" if block.best is None else f"trial {block.best}"
    gained = happened.gained
    return (
        str(block.number),
        f"{block.first} to {block.last}",
        f"{happened.done} of {block.last - block.first + 1}",
        best,
        words.number(block.value),
        "–" if gained is None else f"{gained:+.3g}" if gained else "none",
        words.listed(list(happened.varied)[:VARIED]) or "–",
    )


HEADINGS = ("block", "trials", "with a result", "best so far", "its value", "moved by", "varied")


def difference(history: History, trial: Trial) -> str:
    """Say what a trial changes in its parent, in full or by number; '' if it has none."""
    parent = trial.proposal.parent
    if parent is None:
        return ""
    before = history.trials[parent].configuration
    found = words.changes(before, trial.configuration)
    if len(found) > LISTED:
        return f"{len(found)} parameters of trial {parent}, told in reasoning.log"
    return f"{words.listed(found)} of trial {parent}" if found else ""


def _who(happened: Course) -> Iterator[str]:
    block = happened.block
    count = block.last - block.first + 1
    members = [f"{number} by {words.line(by, most=40)}" for by, number in happened.by.items()]
    whose = f" by {words.line(next(iter(happened.by)), most=40)}" if len(members) == 1 else ""
    listed = "" if whose else f", {words.listed(members)}"
    results = (
        "all of them gave a result" if happened.done == count else f"{happened.done} gave a result"
    )
    stopped = f", {happened.pruned} were stopped early" if happened.pruned else ""
    yield f"{words.count(count, 'trial')}{whose}{listed}; {results}{stopped}."


def _what(happened: Course) -> Iterator[str]:
    if happened.varied:
        (first, number), *more = happened.varied.items()
        often = "once" if number == 1 else f"in {number} trials"
        listed = [f"{first} ({often})", *(f"{name} ({number})" for name, number in more)]
        yield f"They changed {words.listed(listed, most=VARIED)}."


def _which_failed(history: History, block: Block) -> Iterator[str]:
    failed: dict[Cause, list[int]] = {}
    for trial in history.trials[block.first : block.last + 1]:
        if trial.state == "failed":
            seen = [run.observation for run in trial.latest.values() if run.observation]
            cause = next((o.cause for o in seen if o.outcome == "failed"), None)
            failed.setdefault(cause or "other", []).append(trial.number)
    for cause, numbers in failed.items():
        noun = "Trial" if len(numbers) == 1 else "Trials"
        yield f"{noun} {words.listed(numbers)} failed ({cause.replace('_', ' ')})."


def _best(history: History, happened: Course) -> Iterator[str]:
    block, before = happened.block, happened.before
    metric, sign = words.line(history.task.objective.metric), history.task.objective.sign
    if block.best is None or block.value is None:
        yield "No result yet."
        return
    value = words.number(block.value)
    if before is None:
        yield f"The best so far is trial {block.best}: {metric} = {value}."
    elif block.best == before[0]:
        changed = block.value != before[1]
        now = f": {value} by now, after {words.number(before[1])}" if changed else f" with {value}"
        yield f"None was better than trial {block.best}, which stays the best{now}."
    else:
        gain = words.moved(sign * (block.value - before[1]), sign=sign, than=f"trial {before[0]}")
        yield f"The best is now trial {block.best}: {metric} = {value}, {gain}."


def _reasons(history: History, happened: Course) -> Iterator[str]:
    for number in happened.records[-LED:]:
        trial = history.trials[number]
        step = difference(history, trial)
        shared: dict[str, list[str]] = {}
        for name, reason in trial.proposal.reasons.items():
            shared.setdefault(reason, []).append(name)
        reasons = [f"{words.listed(names)}: {one}" for one, names in shared.items() if one]
        said = "; ".join(reasons) or trial.proposal.rationale
        why = words.line(said, most=REASON)
        if step:
            because = f" Why it was tried: {why.rstrip('.')}." if why else ""
            yield f"Trial {number} took the lead by {step}.{because}"


def _expectations(happened: Course) -> Iterator[str]:
    counts = happened.expectations
    true = counts.get("supported", 0) + counts.get("consistent", 0)
    told = {
        "came true": counts.get("supported", 0),
        "came true as far as single runs tell": counts.get("consistent", 0),
        "did not": counts.get("contradicted", 0),
        "can't be told from noise": counts.get("undecided", 0),
        "are open": counts.get("open", 0),
    }
    total = sum(told.values())
    if total:
        parts = [f"{number} {what}" for what, number in told.items() if number]
        none = [] if true else ["none came true"]
        yield f"Of {words.count(total, 'expectation')}, {words.listed([*none, *parts])}."
