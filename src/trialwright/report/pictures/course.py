"""A campaign laid out for drawing: its results in order, the best so far, what is thinned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from trialwright.campaigns.campaign import Campaign, Experiment
from trialwright.insight.factors import category_level
from trialwright.report import drawing, words
from trialwright.report.pictures.chart import Axis, Rule, axis, named
from trialwright.report.pictures.looks import MARKED

Array = NDArray[np.float64]

POINTS = 1600
"""Points of one kind that are drawn."""
EPOCHS = 12
"""Changes of the code that are marked: of more, none."""
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Course:
    """A campaign in the order of its log; what is needed twice is computed once."""

    campaign: Campaign

    @cached_property
    def sign(self) -> int:
        """1 where more is better, -1 where less is; 0: not known."""
        return {"maximize": 1, "minimize": -1, None: 0}[self.campaign.direction]

    @cached_property
    def results(self) -> tuple[Experiment, ...]:
        """Experiments with a result that did not crash."""
        return tuple(
            one for one in self.campaign.experiments
            if one.metric is not None and one.status != "crash"
        )  # fmt: skip

    @cached_property
    def numbers(self) -> Array:
        """Of the results, shape (n,)."""
        return np.array([one.number for one in self.results], dtype=np.float64)

    @cached_property
    def values(self) -> Array:
        """Of the results, shape (n,)."""
        return np.array([one.metric for one in self.results], dtype=np.float64)

    @cached_property
    def best(self) -> Array:
        """The best so far at each result, shape (n,)."""
        return leading(self.values, self.sign)

    @cached_property
    def improving(self) -> list[int]:
        """Places of results that were better than all before."""
        return improvements(self.values, self.sign)

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """The kind of change of every experiment, in order."""
        return tuple(category_level(one) or UNKNOWN for one in self.campaign.experiments)

    @cached_property
    def agents(self) -> tuple[str, ...]:
        """Who proposed, as far as it is known: who did most first."""
        found: dict[str, int] = {}
        for one in self.campaign.experiments:
            if one.agent:
                found[one.agent] = found.get(one.agent, 0) + 1
        return tuple(sorted(found, key=lambda agent: -found[agent]))

    @property
    def last(self) -> int:
        """The number of the last experiment; 0 of an empty log."""
        return self.campaign.experiments[-1].number if self.campaign.experiments else 0

    @property
    def metric(self) -> str:
        """The metric's name with the direction, for an axis."""
        name = named(self.campaign.metric, most=40)
        return {1: f"{name} (higher is better)", -1: f"{name} (lower is better)", 0: name}[
            self.sign
        ]

    def along(self, label: str = "experiment") -> Axis:
        """Return the axis of experiments."""
        return axis(label, (0.0, float(self.last + 1)), margin=0.01)

    def height(self) -> Axis:
        """Return the axis of the metric, so that the best so far shows: far worse ones lie beyond.

        On the worse side it goes to three times the median's distance from the best.
        """
        values = self.values
        if not self.sign:
            return axis(self.metric, drawing.window(values.tolist(), keep=[]))
        best, middle = float(self.best[-1]), float(np.median(values))
        reach = middle - 3 * (best - middle)
        worst = float(values.min() if self.sign > 0 else values.max())
        end = max(reach, worst) if self.sign > 0 else min(reach, worst)
        return axis(self.metric, (best, end if end != best else worst))

    @cached_property
    def changes(self) -> tuple[int, ...]:
        """Numbers of the experiments with which the code changed."""
        epochs = [one.extra.get("epoch", "") for one in self.campaign.experiments]
        experiments = self.campaign.experiments
        return tuple(
            experiments[i].number for i in range(1, len(epochs)) if epochs[i] != epochs[i - 1]
        )

    def rules(self) -> tuple[Rule, ...]:
        """Return a mark for each change of the code, unless they are too many to be read."""
        if len(self.changes) > EPOCHS:
            return ()
        return tuple(
            Rule(at=number - 0.5, upright=True, look=MARKED, name="the code changed", width=1.3)
            for number in self.changes
        )


def leading(values: Array, sign: int) -> Array:
    """Return the best so far at each value.

    >>> leading(np.array([3.0, 4.0, 1.0]), -1).tolist()
    [3.0, 3.0, 1.0]
    """
    if sign < 0:
        return np.minimum.accumulate(values)
    return np.maximum.accumulate(values) if sign else values


def improvements(values: Array, sign: int) -> list[int]:
    """Return the places of values better than all before, the first one with them."""
    if not sign or not len(values):
        return []
    signed = sign * leading(values, sign)
    return np.flatnonzero(np.diff(signed, prepend=-np.inf) > 0).tolist()


def thinned(
    values: Sequence[float], most: int = POINTS, *, always: Iterable[int] = ()
) -> list[int]:
    """Return places of at most about `most` values, none of their extremes lost.

    Half are the lowest and the highest of each stretch, so that the outline stays as it is; half
    are spread evenly, so that it is filled as it was. Places in `always` are kept besides.

    >>> thinned([0, 1, 9, 1, 0, 1, -9, 1], most=4)
    [0, 2, 6, 7]
    """
    if len(values) <= most:
        return list(range(len(values)))
    array = np.asarray(values, dtype=np.float64)
    edges = np.linspace(0, len(array), max(most // 4, 1) + 1).astype(int)
    kept = {int(place) for place in always}
    kept |= set(np.linspace(0, len(array) - 1, max(most // 2, 2)).astype(int).tolist())
    for start, stop in pairwise(edges):
        if start < stop:
            part = array[start:stop]
            kept |= {int(start + np.argmin(part)), int(start + np.argmax(part))}
    return sorted(kept)


def left_out(drawn: int, total: int, what: str = "experiments") -> tuple[str, ...]:
    """Say how many are drawn, where not all are; none of the extremes is missing."""
    if drawn >= total:
        return ()
    return (f"Of {total} {what}, {drawn} are drawn, the extremes among them.",)


def shown(value: float) -> str:
    """Write a value of the metric."""
    return words.number(value)
