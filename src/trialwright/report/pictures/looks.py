"""How series are told apart, on screens, in print and by the colour-blind: stated here alone.

Colours are those of Okabe and Ito, but yellow, which white paper swallows. Dash, symbol and hatch
say the same again, so that a grey copy can be read. Where order matters, colours are viridis's,
whose lightness grows evenly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trialwright.report import drawing
from trialwright.report.branches import RAMP

INK, GREY = drawing.INK, drawing.GREY
BLUE, ORANGE, VERMILION = drawing.BLUE, drawing.ORANGE, drawing.VERMILION
GREEN, PURPLE, SKY = "#009E73", "#CC79A7", "#56B4E9"
PALE = "#c4c4c4"


@dataclass(frozen=True, slots=True)
class Look:
    """How one series looks."""

    colour: str
    dash: str = "solid"
    """A key of `DASHES`."""
    symbol: str = "circle"
    """A key of `MARKERS`; with `-open` at its end it is not filled."""
    hatch: str = ""
    """A key of `HATCHES`."""


DASHES = {
    "solid": (0.0, ()),
    "dash": (0.0, (5.0, 2.5)),
    "dot": (0.0, (1.2, 2.0)),
    "dashdot": (0.0, (6.0, 2.0, 1.2, 2.0)),
    "longdash": (0.0, (10.0, 3.0)),
    "longdashdot": (0.0, (10.0, 2.0, 1.2, 2.0)),
    "2px,8px": (0.0, (2.0, 6.0)),
    "12px,3px,2px,3px,2px,3px": (0.0, (9.0, 2.0, 1.2, 2.0, 1.2, 2.0)),
}
"""Plotly's names of dashes, and the same for Matplotlib: an offset, and points on and off."""

MARKERS = {
    "circle": "o",
    "square": "s",
    "diamond": "D",
    "triangle-up": "^",
    "cross": "P",
    "x": "X",
    "star": "*",
    "triangle-down": "v",
}
"""Plotly's names of symbols, and Matplotlib's."""

HATCHES = {
    "": "",
    "/": "///",
    "\\": "\\\\\\",
    "x": "xxx",
    ".": "...",
    "-": "---",
    "|": "|||",
    "+": "+++",
}
"""Plotly's names of patterns, and Matplotlib's, as dense."""

SERIES = (
    Look(BLUE, "solid", "circle", ""),
    Look(VERMILION, "dash", "square", "/"),
    Look(GREEN, "dot", "diamond", "\\"),
    Look(PURPLE, "dashdot", "triangle-up", "x"),
    Look(ORANGE, "longdash", "cross", "."),
    Look(SKY, "longdashdot", "x", "-"),
    Look(INK, "2px,8px", "star", "|"),
    Look(GREY, "12px,3px,2px,3px,2px,3px", "triangle-down", "+"),
)
"""No two share a dash, a symbol or a hatch."""

KEPT = Look(BLUE, "solid", "circle", "")
DISCARDED = Look(GREY, "dash", "circle-open", "/")
CRASHED = Look(VERMILION, "dot", "x", "x")
UNCLEAR = Look(PURPLE, "dashdot", "square-open", ".")
LEADING = Look(ORANGE, "solid", "diamond")
"""The best so far."""
MARKED = Look(INK, "dot", "star")
"""What a reader's eye is led to: a threshold, a change of the code."""
OTHERS = Look(PALE, "solid", "circle-open", "")


def series(count: int) -> Sequence[Look]:
    """Return looks for up to eight series.

    >>> len(series(3))
    3
    """
    assert count <= len(SERIES), "more series than a reader can tell apart"
    return SERIES[:count]


def ramp(share: float) -> str:
    """Return viridis's colour at a share from 0, dark, to 1, light, without its palest end.

    >>> ramp(0.0)
    '#440154'
    """
    place = min(max(share, 0.0), 1.0) * 0.85 * (len(RAMP) - 1)
    low = min(int(place), len(RAMP) - 2)
    ends = [[int(RAMP[low + i][k : k + 2], 16) for k in (1, 3, 5)] for i in (0, 1)]
    mixed = [round(a + (b - a) * (place - low)) for a, b in zip(*ends, strict=True)]
    return "#" + "".join(f"{part:02x}" for part in mixed)
