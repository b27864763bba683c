"""Measures along a campaign: how mixed changes were, how far agents went apart, what was new."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from trialwright.insight.measured import Cell, Measured
from trialwright.report.pictures import looks
from trialwright.report.pictures.chart import (
    Axis,
    Band,
    Chart,
    Line,
    Mark,
    Points,
    Rule,
    Sheet,
    axis,
)
from trialwright.report.pictures.course import Course
from trialwright.report.pictures.looks import Look
from trialwright.report.pictures.picture import Picture

CHANCE = 0.05
"""A probability below which a window's divergence is drawn as more than chance."""


def entropy(found: Measured, course: Course) -> Picture | None:
    """Return the entropy of the kinds of change, per window; None with fewer than two windows."""
    rows = _rows(found, "corrected_bits")
    if len(rows) < 2:
        return None
    x, plain, corrected = (_column(rows, key) for key in ("at", "bits", "corrected_bits"))
    kinds = _column(rows, "breadth")
    whole = float(found.values.get("corrected_bits") or 0.0)
    most = [math.log2(count) if count else 0.0 for count in kinds]
    chart = Chart(
        x=_along(course),
        y=axis("entropy, bits", [0.0, whole, *corrected, *most],
               within=(0.0, math.inf)),
        marks=(
            Rule(at=whole, upright=False, look=looks.DISCARDED, name="whole campaign"),
            Line(x=x, y=most, look=Look(looks.GREY, "dot", "triangle-down"), marked=True, width=1.3,
                 name="most for the kinds in the window"),
            Line(x=x, y=plain, look=Look(looks.SKY, "longdash", "square"), marked=True, width=1.3,
                 name="of a window"),
            Line(x=x, y=corrected, look=looks.SERIES[0], marked=True, name="corrected for few"),
        ),
    )  # fmt: skip
    return _picture(found, chart)


def innovation(found: Measured, course: Course) -> Picture | None:
    """Return the share of first-ever cells, per window; None with fewer than two windows."""
    rows = _rows(found, "rate")
    if len(rows) < 2:
        return None
    x, rate, low, high = (_column(rows, key) for key in ("at", "rate", "rate_low", "rate_high"))
    chart = Chart(
        x=_along(course),
        y=axis("first of their cell", [0.0, *high], within=(0.0, 1.04), percent=True),
        marks=(
            Band(x=x, low=low, high=high, look=looks.KEPT, name="95 % interval"),
            Line(x=x, y=rate, look=looks.KEPT, marked=True, name="share of a window"),
        ),
    )
    return _picture(found, chart)


def specialisation(found: Measured, course: Course) -> Picture | None:
    """Return how far agents are apart, per window, beside chance; None with fewer than two."""
    rows = _rows(found, "bits")
    if len(rows) < 2:
        return None
    x, bits, chance, p = (_column(rows, key) for key in ("at", "bits", "by_chance", "p"))
    marks: list[Mark] = [
        Line(x=x, y=chance, look=Look(looks.GREY, "dash"), name="what chance brings"),
        Line(x=x, y=bits, look=Look(looks.BLUE), width=1.5),
    ]
    for symbol, name, chosen in (
        (
            "circle",
            f"apart beyond chance (p below {CHANCE:g})",
            [i for i in range(len(x)) if p[i] < CHANCE],
        ),
        ("circle-open", "not beyond chance", [i for i in range(len(x)) if not p[i] < CHANCE]),
    ):
        if chosen:
            marks.append(
                Points(x=[x[i] for i in chosen], y=[bits[i] for i in chosen], size=9, name=name,
                       look=Look(looks.BLUE, symbol=symbol))
            )  # fmt: skip
    chart = Chart(
        x=_along(course),
        y=axis("divergence, bits", [0.0, *bits, *chance], within=(0.0, math.inf)),
        marks=tuple(marks),
    )
    return _picture(found, chart)


DRAWN: Mapping[str, Callable[[Measured, Course], Picture | None]] = {
    "entropy": entropy,
    "specialisation": specialisation,
    "innovation": innovation,
}
"""What draws a measure, by its name."""


def _picture(found: Measured, chart: Chart) -> Picture:
    return Picture(
        name=found.name, title=found.title, sentence=found.sentence,
        sheet=Sheet(charts=(chart,), height=340),
    )  # fmt: skip


def _along(course: Course) -> Axis:
    return course.along("experiment in the middle of a window")


def _rows(found: Measured, needed: str) -> list[Mapping[str, Cell]]:
    """The windows of a measure, each with its middle as `at`; those without the figure left out."""
    if found.refused or found.table is None:
        return []
    rows: list[Mapping[str, Cell]] = []
    for one in found.table.records:
        first, _, last = str(one["experiments"]).partition("-")
        if one.get(needed) is not None:
            rows.append({**one, "at": (int(first) + int(last)) / 2})
    return rows


def _column(rows: Sequence[Mapping[str, Cell]], key: str) -> list[float]:
    cells = (row.get(key) for row in rows)
    return [float(one) if isinstance(one, int | float) else math.nan for one in cells]
