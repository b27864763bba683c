"""What the report's figures share: their colours, their look, and how much of a study is drawn.

Colours are those of Okabe and Ito, which the colour-blind tell apart; shapes say the same again.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from plotly import graph_objects as go

from trialwright.history import Trial
from trialwright.report import words
from trialwright.report.rows import standing

BLUE, ORANGE, VERMILION, GREY = "#0072B2", "#E69F00", "#D55E00", "#767676"
INK = "#1a1a1a"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure, ready to be drawn in a browser."""

    id: str
    title: str
    reading: str
    """What it shows, in one sentence, from numbers."""
    spec: str
    """Plotly's JSON, without a character that could end the element it stands in."""


def thinned(count: int, most: int, *, always: Iterable[int] = ()) -> list[int]:
    """Return at most about `most` of `count` indices, evenly spread, with those in `always`."""
    if count <= most:
        return list(range(count))
    spread = {round(i * (count - 1) / (most - 1)) for i in range(most)}
    kept = [int(i) % count for i in always]
    return sorted(spread | set(kept[-most:]))


def window(values: Sequence[float], *, keep: Sequence[float]) -> tuple[float, float]:
    """Return the range to draw: all values, unless some lie so far out that the rest goes flat."""
    array = np.asarray([v for v in values if math.isfinite(v)] or [0.0])
    q1, middle, q3 = np.quantile(array, [0.1, 0.5, 0.9])
    reach = 3 * max(q3 - q1, 1e-9 * max(abs(middle), 1e-9))
    low = max(float(array.min()), float(q1 - reach))
    high = min(float(array.max()), float(q3 + reach))
    low, high = min([low, *keep]), max([high, *keep])
    if high - low <= 1e-12 * max(abs(high), 1e-12):
        low, high = low - max(abs(low) * 0.05, 1e-3), high + max(abs(high) * 0.05, 1e-3)
    return low, high


def lay_out(figure: go.Figure, *, x: str, y: str, height: int = 380) -> None:
    """Give a figure the common look."""
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": 60, "r": 16, "t": 8, "b": 48},
        font={"family": "system-ui, sans-serif", "size": 13, "color": INK},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left"},
        hoverlabel={"align": "left", "bgcolor": "white", "font": {"color": INK, "size": 12}},
        paper_bgcolor="white",
        plot_bgcolor="white",
        dragmode=False,
    )
    axis = {"gridcolor": "#e4e4e4", "zeroline": False, "automargin": True, "linecolor": "#999"}
    figure.update_xaxes(title=safe(x), showgrid=False, **axis)
    figure.update_yaxes(title=safe(y), **axis)


def hover(trial: Trial) -> str:
    """Describe a trial for a hover label, in Plotly's HTML."""
    parts = [
        f"<b>trial {trial.number}</b> ({safe(trial.proposal.by)}): {words.number(trial.value)}"
        f", {standing(trial)}"
    ]
    settings = words.line(words.configuration(trial.configuration), most=400)
    parts += [
        wrapped(settings),
        f"<i>{wrapped(words.line(trial.proposal.rationale, most=300))}</i>",
    ]
    return "<br>".join(parts)


def wrapped(text: str, *, width: int = 60) -> str:
    """Break text into lines for a hover label, which does not do it by itself."""
    lines, current = [], ""
    for word in words.line(text).split():
        if current and len(current) + len(word) >= width:
            lines.append(current)
            current = ""
        current = f"{current} {word[:200]}".strip()
    return "<br>".join(safe(part) for part in [*lines, current])


def safe(text: str) -> str:
    """Plotly reads some HTML in texts; this keeps text text."""
    return html.escape(words.line(text), quote=False)


def spec(figure: go.Figure) -> str:
    """Return Plotly's JSON of a figure without < > &, so that it can stand in a page."""
    text: str = figure.to_json()
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
