"""The points that a run has reported so far, per metric: merged, bounded, thinned for the record.

It knows no source: whoever reads a log or a file adds points here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from trialwright.records import Curve

Point = tuple[float, dict[str, float]]
"""A step, and the metrics reported at it."""

STEP_NAMES = ("step", "global_step", "iteration", "epoch")
"""Names that are a step and no metric; the first of them that a source has counts."""

LONGEST_SERIES = 200_000
"""Points kept per metric; beyond, older ones are thinned, the best and the worst kept."""

MOST_METRICS = 1_000
"""Metrics kept per run: a script that invents names without end must not fill the memory."""

LONGEST_NAME = 200


@dataclass(slots=True)
class _Series:
    """One metric: step -> value, in the order of reporting."""

    values: dict[float, float] = field(default_factory=dict)
    following: float = 1.0
    """The step of the next value that comes without one."""

    def put(self, step: float, value: float) -> bool:
        """Store a value; False if it was known already."""
        known = self.values.pop(step, None)
        # A later value for a step replaces the earlier, and counts as the latest: scripts that
        # start again from step 1 (folds, repeats, a resumed checkpoint) end with their last word.
        self.values[step] = value
        self.following = math.floor(step) + 1.0
        if len(self.values) > LONGEST_SERIES:
            self._thin()
        return known is None or (known != value and not (math.isnan(known) and math.isnan(value)))

    def _thin(self) -> None:
        """Halve the older points: of each four, the smallest and the largest stay."""
        points = list(self.values.items())
        older, newer = points[:-1000], points[-1000:]
        kept: list[tuple[float, float]] = []
        for start in range(0, len(older), 4):
            four = older[start : start + 4]
            ranked = sorted(range(len(four)), key=lambda i: (four[i][1], i))
            kept += [four[i] for i in sorted({ranked[0], ranked[-1]})]
        self.values = dict(kept + newer)


class Points:
    """Everything reported, per metric.

    >>> points = Points()
    >>> points.add({"loss": 0.5}), points.add({"loss": 0.4, "acc": 0.8}, step=2)
    ([(1.0, {'loss': 0.5})], [(2.0, {'loss': 0.4, 'acc': 0.8})])
    >>> points.series("loss")
    [0.5, 0.4]
    """

    def __init__(self) -> None:
        self._series: dict[str, _Series] = {}

    def add(self, metrics: Mapping[str, float], step: float | None = None) -> list[Point]:
        """Take metrics in; return what is new in them, as points.

        Without a step each metric counts on from its own last one.
        """
        if step is not None and not math.isfinite(step):
            step = None
        fresh: dict[float, dict[str, float]] = {}
        for name, value in metrics.items():
            series = self._series.get(name) or self._begin(name)
            if series is None:
                continue
            at = series.following if step is None else float(step)
            if series.put(at, value):
                fresh.setdefault(at, {})[name] = value
        return list(fresh.items())

    def series(self, metric: str) -> list[float]:
        """Return a metric's values in the order of reporting; [] if it was never reported."""
        found = self._series.get(metric)
        return list(found.values.values()) if found else []

    @property
    def reported(self) -> dict[str, list[tuple[float, float]]]:
        """Each metric as (step, value), in the order of reporting."""
        return {name: list(series.values.items()) for name, series in self._series.items()}

    @property
    def last(self) -> dict[str, float]:
        """The latest value of each metric."""
        return {
            name: series.values[next(reversed(series.values))]
            for name, series in self._series.items()
        }

    def curve(self, points: int = 200) -> Curve:
        """Return all metrics over at most `points` steps; the first and the last step stay."""
        present: dict[float, int] = {}
        for series in self._series.values():
            for step in series.values:
                present[step] = present.get(step, 0) + 1
        steps = _chosen(sorted(present), present, points=max(points, 2))
        return Curve(
            steps=tuple(steps),
            series={
                name: tuple(series.values.get(step) for step in steps)
                for name, series in self._series.items()
            },
        )

    def _begin(self, name: str) -> _Series | None:
        if len(self._series) >= MOST_METRICS or not 0 < len(name) <= LONGEST_NAME:
            return None
        return self._series.setdefault(name, _Series())


def _chosen(steps: list[float], present: Mapping[float, int], *, points: int) -> list[float]:
    """Pick the first step, the last, and from each stretch between the one with most metrics.

    Validation is reported at fewer steps than training: picking at even distances would lose it.
    """
    if len(steps) <= points:
        return steps
    inner = steps[1:-1]
    cells = points - 2
    edges = [round(cell * len(inner) / cells) for cell in range(cells + 1)] if cells else [0]
    middle = [
        max(inner[low:high], key=lambda step: (present[step], step))
        for low, high in pairwise(edges)
        if high > low
    ]
    return [steps[0], *middle, steps[-1]]
