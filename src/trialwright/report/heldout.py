"""The metric that was held out, in words: told once, when the study is over."""

from __future__ import annotations

from trialwright.analysis.heldout import Gap, told
from trialwright.history import History
from trialwright.report import words


def sentences(history: History) -> tuple[str, ...]:
    """Say what the metric held out shows; before the end, only that it is held out."""
    metric = history.task.heldout
    if metric is None:
        return ()
    found = told(history)
    if found is None:
        return (_untold(history, metric),)
    goal, sign = history.task.objective.metric, history.task.objective.sign
    said = [_gap(found.best, metric, goal)]
    if found.first is not None:
        said.append(_gap(found.first, metric, goal))
        gain = sign * (found.best.heldout - found.first.heldout)
        chosen = sign * (found.best.selected - found.first.selected)
        than = f"trial {found.first.trial}"
        said.append(
            f"On {metric} trial {found.best.trial} is {words.moved(gain, sign=sign, than=than)};"
            f" on {goal}, over the same seeds, {words.moved(chosen, sign=sign, than=than)}."
        )
    said.append(f"No proposer was shown {metric}, and nothing was decided by it.")
    return tuple(said)


def is_told(history: History) -> bool:
    """Say whether the study is over, and the metric held out is known."""
    return told(history) is not None


def _gap(gap: Gap, metric: str, goal: str) -> str:
    side = "no different from" if gap.gap == 0 else f"{abs(gap.gap):.3g} {_side(gap.gap)}"
    return (
        f"Trial {gap.trial}: {metric} = {words.number(gap.heldout)} over"
        f" {words.count(gap.seeds, 'seed')}, {side} {goal} ({words.number(gap.selected)})."
    )


def _side(gap: float) -> str:
    return "above" if gap > 0 else "below"


def _untold(history: History, metric: str) -> str:
    closed = history.closed
    if closed is None or closed.reason not in ("budget", "exhausted"):
        return f"{metric} is held out, and is told when the study is over."
    return f"{metric} was held out, and no run of the best trial has reported it."
