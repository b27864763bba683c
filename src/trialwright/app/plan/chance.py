"""One possible truth about a study: how each of its runs would go.

Drawn from a `Ground`: each draw has landscape, times and failures of its own, as far apart from
others as what is known leaves them. The same number gives the same truth for every team.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from functools import cached_property

import numpy as np

from trialwright.analysis.worlds import drawn
from trialwright.app.plan.ground import Ground
from trialwright.execute.runner import Order
from trialwright.execute.simulate import Course, Point
from trialwright.history import History
from trialwright.space import Configuration

PASSES = "Connection reset by peer"
"""Last words of a run whose failure passes when it is tried again."""

FAILS = "it failed, as runs of this study do"

OFTEN = 0.5
"""Probability of a failure from which on a configuration can't be the best."""

SEARCHED = 200
"""Best places of a landscape among which one that runs is looked for."""


class Chance:
    """A truth that what is known leaves possible."""

    def __init__(self, ground: Ground, number: int) -> None:
        self._ground = ground
        self._number = number
        self._world = drawn(ground.model, np.random.default_rng([number, 1]))
        # The first is the likeliest, and the others lie in pairs on both sides of it: so few of
        # them are together about right.
        side = 0 if number == 0 else 1 if number % 2 else -1
        rng = np.random.default_rng([(number + 1) // 2, 4])
        place = 0.5 + side * (rng.uniform(0.05, 0.95) - 0.5)
        self._risk = ground.failing.draw(place)
        self._pace = ground.durations.draw(rng, side=side) if ground.durations else None

    def course(self, order: Order) -> Course:
        """Return how a run goes; asked again, the same."""
        key = zlib.crc32(self._ground.task.space.key(order.configuration).encode())
        seed = [self._number, 2, key, order.seed, order.run.attempt]
        rng = np.random.default_rng(seed)
        seconds = self._seconds(order.configuration, rng)
        failed = rng.random() < self.risk(order.configuration)
        value = None if failed else self._shown(order.configuration, rng)
        if value is None:
            passes = rng.random() < self._ground.passing
            share = float(rng.choice(self._ground.shares))
            return Course(seconds=seconds * share, failure=PASSES if passes else FAILS)
        points = self._points(order, value, rng)
        return Course(points=points, seconds=seconds)

    def risk(self, configuration: Configuration) -> float:
        """Return the probability that a run fails."""
        if self._ground.rate is not None:
            return self._ground.rate
        if self._ground.table is not None:
            return 0.0
        return self._risk.of(configuration)

    def worth(self, configuration: Configuration) -> float:
        """Return what a configuration is worth, noise left out."""
        if self._ground.table is not None:
            worth = self._ground.table.truth(configuration)
            return math.nan if worth is None else worth
        return self._world.value(configuration)

    @cached_property
    def best(self) -> float:
        """What the best configuration is worth, as far as a search finds it."""
        if self._ground.table is not None:
            return self._ground.table.best
        task, rng = self._ground.task, np.random.default_rng([self._number, 3])
        tried = [task.space.complete(t.configuration) for t in self._ground.history.done()]
        found = self._world.best(task.space, tried[-SEARCHED:], rng)
        runs = (one for one in found[:SEARCHED] if self.risk(one) < OFTEN)
        return self.worth(next(runs, found[0]))

    def reached(self, history: History) -> tuple[float, float] | None:
        """Return what the best trial is really worth, and by how much it misses the best."""
        best = history.best()
        if best is None:
            return None
        worth = self.worth(best.configuration)
        if math.isnan(worth):
            return None
        return worth, max(self._ground.task.objective.sign * (self.best - worth), 0.0)

    def _seconds(self, configuration: Configuration, rng: np.random.Generator) -> float:
        if self._pace is not None:
            return self._pace.seconds(configuration, rng)
        if self._ground.run_s is not None:
            return self._ground.run_s
        assert self._ground.table is not None
        rows = self._ground.table.near(configuration)
        return rows[int(rng.integers(len(rows)))].seconds or 0.0

    def _shown(self, configuration: Configuration, rng: np.random.Generator) -> float | None:
        """What a run shows; None: the table says that it fails."""
        if self._ground.table is None:
            return self._world.seen(configuration, rng)
        rows = self._ground.table.near(configuration)
        return rows[int(rng.integers(len(rows)))].value

    def _points(self, order: Order, value: float, rng: np.random.Generator) -> tuple[Point, ...]:
        metric = order.objective.metric
        rest = self._beside(order.configuration)
        if not self._ground.shapes:
            return ((None, {**rest, metric: value}),)
        shape = self._ground.shapes[int(rng.integers(len(self._ground.shapes)))]
        return tuple(
            (step, {**rest, metric: value + gap})
            for step, gap in zip(shape.steps, shape.gaps, strict=True)
        )

    def _beside(self, configuration: Configuration) -> Mapping[str, float]:
        """Further metrics, as the trial nearest to it showed them."""
        if not self._ground.others:
            return {}
        space = self._ground.task.space
        points = space.encode([one for one, _ in self._ground.others])
        apart = np.abs(points - space.encode([configuration])).sum(axis=1)
        return self._ground.others[int(np.argmin(apart))][1]
