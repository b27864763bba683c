"""Charts as Matplotlib figures: for papers, 6.5 inches wide, as SVG or else."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from trialwright.errors import TrialwrightError
from trialwright.report.pictures.chart import (
    Axis,
    Band,
    Bars,
    Chart,
    Line,
    Mark,
    Note,
    Points,
    Rule,
    Sheet,
)
from trialwright.report.pictures.looks import DASHES, HATCHES, INK, MARKERS, PALE, Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 6.5
"""Inches: what a page of a paper has between its margins."""
PIXELS = 125.0
"""Of a screen to an inch of paper."""
STYLE: dict[str, Any] = {
    "font.size": 8.5,
    "axes.labelsize": 8.5,
    "axes.titlesize": 8.5,
    "axes.edgecolor": "#999999",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.5,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "text.color": INK,
    # A dollar sign in a name begins no formula.
    "text.parse_math": False,
    "svg.hashsalt": "trialwright",
    "svg.fonttype": "path",
}


def drawn(sheet: Sheet) -> Figure:
    """Draw charts.

    Raises:
        TrialwrightError: Matplotlib is not there.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise TrialwrightError(
            "pictures for papers need Matplotlib, which is not installed:"
            " pip install 'trialwright[plots]'"
        ) from None
    with _style():
        figure = Figure(figsize=(WIDTH, sheet.height / PIXELS), layout="constrained")
        grid = figure.subplots(sheet.rows, sheet.columns, squeeze=False)
        handles: dict[str, Any] = {}
        for place, axes in enumerate(grid.flat):
            if place < len(sheet.charts):
                _draw(axes, sheet.charts[place], handles)
            else:
                axes.set_visible(False)
        if handles:
            figure.legend(
                list(handles.values()),
                list(handles),
                loc="outside upper left",
                ncols=_columns(list(handles)),
                handlelength=3,
                columnspacing=1.2,
            )
        return figure


def svg(sheet: Sheet) -> str:
    """Return charts as SVG: the same charts, the same text.

    Raises:
        TrialwrightError: Matplotlib is not there.
    """
    figure = drawn(sheet)
    text = io.StringIO()
    with _style(), warnings.catch_warnings():
        # Names from logs may have characters that the font lacks: they show as boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


@contextmanager
def _style() -> Iterator[None]:
    import matplotlib as mpl

    style: Any = STYLE  # its type lists every setting there is
    with mpl.rc_context(style):
        yield


def _columns(names: list[str]) -> int:
    """How many entries of a legend stand side by side: as many as the widest leave room for."""
    return max(1, min(len(names), int(105 / (max(map(len, names)) + 9))))


def _draw(axes: Axes, chart: Chart, handles: dict[str, Any]) -> None:
    for order, mark in enumerate(chart.marks):
        handle = _mark(axes, mark, order=2 + order * 0.01)
        name = "" if isinstance(mark, Note) else mark.name
        if name and handle is not None:
            handles.setdefault(name, handle)
    if chart.title:
        axes.set_title(chart.title)
    _axis(axes, chart.x, upright=False)
    _axis(axes, chart.y, upright=True)


def _axis(axes: Axes, axis: Axis, *, upright: bool) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter, PercentFormatter

    own = axes.yaxis if upright else axes.xaxis
    if axis.log:
        (axes.set_yscale if upright else axes.set_xscale)("log")
    (axes.set_ylabel if upright else axes.set_xlabel)(axis.label)
    (axes.set_ylim if upright else axes.set_xlim)(axis.low, axis.high)
    if axis.ticks is not None:
        aslant: dict[str, Any] = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}
        own.set_ticks(
            [place for place, _ in axis.ticks],
            [text for _, text in axis.ticks],
            **(aslant if axis.slanted else {}),
        )
    elif axis.percent:
        own.set_major_formatter(PercentFormatter(1.0, decimals=0))
    elif axis.log:
        own.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        own.set_minor_formatter(NullFormatter())
    if axis.grid:
        axes.grid(visible=True, axis="y" if upright else "x")


def _mark(axes: Axes, mark: Mark, *, order: float) -> Any:
    match mark:
        case Line():
            return _line(axes, mark, order)
        case Points():
            return _points(axes, mark, order)
        case Band():
            return axes.fill_between(
                mark.x, mark.low, mark.high, facecolor=mark.look.colour, alpha=mark.opacity,
                zorder=order, linewidth=0.0,
            )  # fmt: skip
        case Bars():
            return _bars(axes, mark, order)
        case Rule():
            draw = axes.axvline if mark.upright else axes.axhline
            return draw(
                mark.at, color=mark.look.colour, linestyle=DASHES[mark.look.dash],
                linewidth=0.7 * mark.width, zorder=order,
            )  # fmt: skip
        case Note():
            axes.annotate(
                mark.text, (mark.x, mark.y), xytext=(0, -4) if mark.below else (4, 0),
                textcoords="offset points", fontsize=7, zorder=order + 1,
                ha="center" if mark.below else "left", va="top" if mark.below else "center",
                bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.6},
                annotation_clip=False,
            )  # fmt: skip
    return None


def _line(axes: Axes, mark: Line, order: float) -> Any:
    [handle] = axes.plot(
        mark.x, mark.y, color=mark.look.colour, linestyle=DASHES[mark.look.dash],
        linewidth=0.7 * mark.width, drawstyle="steps-post" if mark.step else "default",
        alpha=mark.opacity, zorder=order, **(_marker(mark.look, size=4.0) if mark.marked else {}),
    )  # fmt: skip
    return handle


def _marker(look: Look, *, size: float) -> dict[str, Any]:
    opened = look.symbol.endswith("-open")
    return {
        "marker": MARKERS[look.symbol.removesuffix("-open")],
        "markersize": size,
        "markeredgecolor": look.colour,
        "markerfacecolor": "none" if opened else look.colour,
        "markeredgewidth": 0.9 if opened else 0.0,
    }


def _points(axes: Axes, mark: Points, order: float) -> Any:
    if mark.low:
        at, low, high = (np.asarray(part) for part in (mark.y, mark.low, mark.high))
        ends = np.vstack([np.maximum(at - low, 0), np.maximum(high - at, 0)])
        axes.errorbar(
            mark.x, mark.y, yerr=ends, fmt="none", ecolor=INK, elinewidth=0.9, capsize=2,
            zorder=order,
        )  # fmt: skip
    [handle] = axes.plot(
        mark.x, mark.y, linestyle="none", color=mark.look.colour, alpha=mark.opacity, zorder=order,
        clip_on=False, **_marker(mark.look, size=0.55 * mark.size),
    )  # fmt: skip
    return handle


def _bars(axes: Axes, mark: Bars, order: float) -> Any:
    looks: dict[str, Any] = {
        "color": mark.look.colour,
        "hatch": HATCHES[mark.look.hatch],
        "edgecolor": PALE if mark.look.colour == INK else INK,
        "linewidth": 0.4,
        "zorder": order,
    }
    base: Any = mark.base or 0.0
    if mark.lying:
        handle = axes.barh(mark.at, mark.length, height=mark.width, left=base, **looks)
    else:
        handle = axes.bar(mark.at, mark.length, width=mark.width, bottom=base, **looks)
    if mark.low:
        tip, low, high = (np.asarray(part) for part in (mark.length, mark.low, mark.high))
        ends = np.vstack([np.maximum(tip - low, 0), np.maximum(high - tip, 0)])
        x, y = (tip, mark.at) if mark.lying else (mark.at, tip)
        error: dict[str, Any] = {"xerr" if mark.lying else "yerr": ends}
        axes.errorbar(
            x, y, fmt="none", ecolor=INK, elinewidth=0.9, capsize=2, zorder=order + 0.005, **error
        )
    return handle
