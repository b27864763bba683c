"""A metric that nobody is shown before the study is over: taken out of all that is read meanwhile.

It is taken out where results come in, so that nothing behind has it to show; and out of what
scripts print, before a model reads that. What it was is told once the study is over.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from trialwright.history import History, Trial
from trialwright.records import Curve, Observation
from trialwright.task import MetricRoute, Task

VEIL = "#"
"""What stands for a number that is not shown."""

_NUMBER = re.compile(r"(?<![A-Za-z_])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?%?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """What a trial showed on the metric that decided, and on the one that was held out."""

    trial: int
    selected: float
    """Mean of the goal's metric over the seeds that told both."""
    heldout: float
    """Mean of the metric that was held out, over the same seeds."""
    seeds: int

    @property
    def gap(self) -> float:
        """How far the metric held out lies above the goal's; negative: below."""
        return self.heldout - self.selected


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """What the metric that was held out says, once the study is over."""

    metric: str
    best: Gap
    first: Gap | None
    """The first trial's, where that is another one."""


def withhold(observation: Observation, task: Task) -> Observation:
    """Return an observation with the metric that is held out taken aside, out of all one may read.

    >>> from trialwright.records import RunKey
    >>> seen = Observation(run=RunKey(0, 0, 0), outcome="done", metrics={"f1": 0.8, "test_f1": 0.7})
    >>> from trialwright.space import Float, Space
    >>> from trialwright.task import Objective
    >>> task = Task(name="t", objective=Objective(metric="f1"), heldout="test_f1",
    ...             space=Space((Float("x", 0, 1),)))
    >>> found = withhold(seen, task)
    >>> found.metrics, found.withheld
    ({'f1': 0.8}, 0.7)
    """
    name = task.heldout
    if name is None:
        return observation
    value = observation.metrics.get(name, math.nan)
    series = observation.curve.series
    return replace(
        observation,
        metrics=without(observation.metrics, task),
        curve=Curve(
            steps=observation.curve.steps,
            series={key: values for key, values in series.items() if key != name},
        ),
        withheld=value if math.isfinite(value) else observation.withheld,
        detail=veiled(observation.detail, task),
        log_tail=veiled(observation.log_tail, task),
        warnings=tuple(veiled(text, task) for text in observation.warnings),
    )


def without(metrics: Mapping[str, float], task: Task) -> dict[str, float]:
    """Return metrics without the one that is held out."""
    return {name: value for name, value in metrics.items() if name != task.heldout}


def veiled(text: str, task: Task) -> str:
    r"""Return what a script printed, with the numbers hidden in each line that tells of the metric.

    A line tells of it if it holds the metric's name, however that is spelt, or if a pattern of the
    study file reads the metric there.

    >>> from trialwright.space import Float, Space
    >>> from trialwright.task import Objective
    >>> task = Task(name="t", objective=Objective(metric="f1"), heldout="test_f1",
    ...             space=Space((Float("x", 0, 1),)))
    >>> veiled("val 0.81\nTest F1: 0.7431", task)
    'val 0.81\nTest F1: #'
    """
    if task.heldout is None or not text:
        return text
    named = _spelling(task.heldout, task.metrics)
    patterns = _patterns(task.metrics, task.heldout)
    lines = text.split("\n")
    for index, line in enumerate(lines):
        if named.search(line) or any(pattern.search(line) for pattern in patterns):
            lines[index] = _hidden(line, named)
    return "\n".join(lines)


def told(history: History) -> HeldOut | None:
    """Return what the metric held out says of the best and of the first trial; None before the end.

    None too where none is held out, or no run of the best reported it.
    """
    found, best = history.heldout(), history.best()
    metric = history.task.heldout
    if not found or best is None or metric is None:
        return None
    gap = _gap(best, history)
    first = history.done(code=best.code)[0]
    other = None if first is best else _gap(first, history)
    return None if gap is None else HeldOut(metric=metric, best=gap, first=other)


def _gap(trial: Trial, history: History) -> Gap | None:
    found = history.heldout()
    pairs = [
        (run.observation.value, found[run.key])
        for run in trial.latest.values()
        if run.key in found and run.observation is not None and run.observation.value is not None
    ]
    if not pairs:
        return None
    return Gap(
        trial=trial.number,
        selected=math.fsum(value for value, _ in pairs) / len(pairs),
        heldout=math.fsum(value for _, value in pairs) / len(pairs),
        seeds=len(pairs),
    )


def _hidden(line: str, named: re.Pattern[str]) -> str:
    """A line with its numbers hidden, but for those that are part of the metric's name."""
    parts, names = named.split(line), named.findall(line)
    hidden = [_NUMBER.sub(VEIL, part) for part in parts]
    return "".join(part + (names[i] if i < len(names) else "") for i, part in enumerate(hidden))


def _spelling(metric: str, route: MetricRoute) -> re.Pattern[str]:
    """The metric's names, the script's own too, as people write them: any case, words apart."""
    found = []
    for name in (metric, *(own for own, new in route.rename.items() if new == metric)):
        words = [re.escape(word) for word in re.split(r"[\W_]+", name) if word]
        found.append(r"[\W_]{0,2}".join(words) or re.escape(name))
    return re.compile("|".join(found), re.IGNORECASE)


def _patterns(route: MetricRoute, metric: str) -> list[re.Pattern[str]]:
    """The study file's patterns that read the metric."""
    compiled = [re.compile(pattern) for pattern in route.patterns]
    return [
        pattern
        for pattern in compiled
        if any(route.rename.get(name, name) == metric for name in pattern.groupindex)
    ]
