"""What is drawn: charts of marks over axes. Knows no library that draws.

Marks have numbers for places; names of things stand at an axis as its ticks. Text from logs is
stored as it is, cut to a line: whoever draws escapes it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trialwright.report import words
from trialwright.report.pictures.looks import Look

Numbers = Sequence[float]
"""NaN is a gap in a line."""

NAME_MOST = 28
"""Characters of a name in a legend or at a tick."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One axis, with the range that is drawn."""

    label: str
    """With its unit."""
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...] | None = None
    """None: numbers, as the library sets them; (): none."""
    log: bool = False
    percent: bool = False
    grid: bool = True
    slanted: bool = False
    """Whether the ticks' texts are so long that they have to lie aslant."""

    def __post_init__(self) -> None:
        assert self.low < self.high, f"{self.label}: from {self.low} to {self.high}"
        assert not self.log or self.low > 0, self.label


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line, broken where `y` is NaN."""

    x: Numbers
    y: Numbers
    look: Look
    name: str = ""
    """In the legend; '' for none."""
    width: float = 2.0
    step: bool = False
    """Whether it keeps its height until the next point."""
    marked: bool = False
    """Whether its points have symbols."""
    opacity: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """Points, each a symbol."""

    x: Numbers
    y: Numbers
    look: Look
    name: str = ""
    size: float = 7.0
    """Pixels across."""
    opacity: float = 1.0
    texts: Sequence[str] = ()
    """Of each point, for a hover label."""
    low: Numbers = ()
    """Ends of each point's interval, where it has one."""
    high: Numbers = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """The area between two lines."""

    x: Numbers
    low: Numbers
    high: Numbers
    look: Look
    name: str = ""
    opacity: float = 0.18


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """Bars from `base`, upright or lying."""

    at: Numbers
    length: Numbers
    look: Look
    name: str = ""
    base: Numbers = ()
    """Where each begins; () for 0."""
    lying: bool = False
    width: float = 0.8
    low: Numbers = ()
    """Ends of each bar's interval."""
    high: Numbers = ()
    texts: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A line across the whole chart, at a place on an axis."""

    at: float
    upright: bool
    """Whether it stands on the x axis."""
    look: Look
    name: str = ""
    width: float = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Text at a place, to its right, or below it."""

    x: float
    y: float
    text: str
    below: bool = False


Mark = Line | Points | Band | Bars | Rule | Note


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Marks over two axes, the first ones at the back."""

    x: Axis
    y: Axis
    marks: tuple[Mark, ...]
    title: str = ""
    """Over it, where a picture has several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """Charts side by side, row by row."""

    charts: tuple[Chart, ...]
    columns: int = 1
    height: int = 380
    """Pixels on a screen; papers keep the proportion."""

    @property
    def rows(self) -> int:
        """How many rows they take."""
        return -(-len(self.charts) // self.columns)


def named(text: str, *, most: int = NAME_MOST) -> str:
    """Return text from a log as a name: one line, cut."""
    return words.line(text, most=most) or "(none)"


def axis(
    label: str,
    values: Iterable[float],
    *,
    margin: float = 0.05,
    within: tuple[float, float] | None = None,
    percent: bool = False,
) -> Axis:
    """Return an axis over values, with room at both ends, that does not leave `within`.

    >>> along = axis("h", [0.0, 10.0], within=(0.0, 99.0))
    >>> along.low, along.high
    (0.0, 10.5)
    """
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    if high - low <= 1e-12 * max(abs(low), abs(high), 1e-12):
        room = max(abs(high) * 0.05, 1e-3)
    else:
        room = margin * (high - low)
    low, high = low - room, high + room
    if within is not None:
        low, high = max(low, within[0]), min(high, within[1])
    return Axis(label=label, low=low, high=high, percent=percent)


def within(value: float, along: Axis) -> float:
    """Return a value, or the end of the axis that it lies beyond."""
    return min(max(value, along.low), along.high)


def lanes(label: str, names: Sequence[str]) -> Axis:
    """Return an axis of names, the first one on top: they stand at 0, -1, -2."""
    places = ((-float(place), named(name)) for place, name in enumerate(names))
    return Axis(label=label, low=0.4 - len(names), high=0.6, ticks=tuple(places), grid=False)
