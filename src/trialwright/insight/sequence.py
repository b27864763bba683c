"""A campaign as a sequence: what each experiment was, what was best at the time, and windows.

Values are turned so that lower is better, whichever way the metric goes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from trialwright.campaigns.campaign import Campaign, Experiment
from trialwright.campaigns.categories import category_of, declared
from trialwright.insight.factors import level_of, named
from trialwright.records import Category

CATEGORY = "category"
UNDIRECTED = "nothing says which way the metric is better"
"""Why whatever needs to know it is refused."""

IMPROVEMENT = (
    "an improvement is a result that beats the best of its time, whatever became of it; the first"
    " one has none to beat"
)
"""What measures that count improvements mean by them."""

WINDOWS = 10
"""Windows into which a campaign is cut, if it has enough experiments."""
NARROWEST = 10
"""Experiments in a window."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A campaign beside the best of its time; everything is by the experiments' order."""

    values: tuple[float | None, ...]
    """Lower is better; None without a result, and where it crashed."""
    best: tuple[float | None, ...]
    """After the experiment, of its task."""
    gains: tuple[float, ...]
    """By how much it beat the best of its time, at least 0; of a task's first result, 0."""
    improved: tuple[bool, ...]
    """Whether it beat it; a task's first result does, having none to beat."""
    sign: float
    """What turned the metric: 1 if lower was better anyway, else -1."""


def progress(campaign: Campaign) -> Progress | None:
    """Return how the running best of each task went; None where nobody knows which way is better.

    The best is over all results, whatever their status, crashes left out.
    """
    if campaign.direction is None:
        return None
    sign = 1.0 if campaign.direction == "minimize" else -1.0
    best: dict[str | None, float] = {}
    values: list[float | None] = []
    bests: list[float | None] = []
    gains: list[float] = []
    improved: list[bool] = []
    for one in campaign.experiments:
        value = None if one.metric is None or one.status == "crash" else sign * one.metric
        before = best.get(one.task)
        better = value is not None and (before is None or value < before)
        if value is not None and better:
            best[one.task] = value
        values.append(value)
        improved.append(better)
        gains.append(before - value if better and before is not None and value is not None else 0.0)
        bests.append(best.get(one.task))
    return Progress(tuple(values), tuple(bests), tuple(gains), tuple(improved), sign)


def kinds(campaign: Campaign, factor: str = CATEGORY) -> list[str | None]:
    """Return each experiment's level of a factor, in order; None where it is not known.

    Of the category: the declared one, under our name for it, else the one that its description
    speaks of; baselines and replicates are of no kind, they change nothing.
    """
    if factor != CATEGORY:
        factor = named(campaign, factor)
        return [level_of(one, factor) for one in campaign.experiments]
    return [None if planned(one) else _category(one) for one in campaign.experiments]


def planned(experiment: Experiment) -> bool:
    """Whether an experiment is a baseline or a replicate: made to compare, not to improve."""
    return _category(experiment) == "baseline"


def _category(experiment: Experiment) -> str | None:
    if experiment.category:
        return declared(experiment.category) or experiment.category
    return _inferred(experiment.description)


@lru_cache(maxsize=65_536)
def _inferred(description: str) -> Category | None:
    # Each of a dozen measures asks it of each experiment.
    return category_of(description)


def windows(n: int, width: int | None = None) -> list[range]:
    """Cut n experiments into windows of the same width; what is left joins the last one.

    >>> windows(25, 10)
    [range(0, 10), range(10, 25)]
    >>> [len(window) for window in windows(195)], windows(7)
    ([19, 19, 19, 19, 19, 19, 19, 19, 19, 24], [range(0, 7)])
    """
    width = max(1, width or max(NARROWEST, n // WINDOWS))
    number = max(1, n // width)
    return [
        range(place * width, n if place == number - 1 else (place + 1) * width)
        for place in range(number)
    ]


def placed(window: range) -> str:
    """Return which experiments a window holds, by their places in the log.

    >>> placed(range(0, 10))
    '1-10'
    """
    return f"{window.start + 1}-{window.stop}"


def agents(experiments: Sequence[Experiment]) -> list[str]:
    """Return who made experiments, in the order of their first ones."""
    return list(dict.fromkeys(one.agent for one in experiments if one.agent))


def mean(values: Sequence[float]) -> float:
    """Return the mean of at least one value."""
    return math.fsum(values) / len(values)
