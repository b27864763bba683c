"""Charts as Plotly figures: for pages, with hover labels, drawn as SVG."""

from __future__ import annotations

import math
from typing import Any

from plotly import graph_objects as go
from plotly.subplots import make_subplots

from trialwright.report import drawing
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
from trialwright.report.pictures.looks import INK, PALE


def drawn(sheet: Sheet) -> go.Figure:
    """Draw charts. All text is escaped."""
    figure = (
        go.Figure()
        if len(sheet.charts) == 1
        else make_subplots(
            rows=sheet.rows,
            cols=sheet.columns,
            subplot_titles=[drawing.safe(chart.title) for chart in sheet.charts],
            horizontal_spacing=0.11 if sheet.columns > 1 else 0.0,
            vertical_spacing=0.34 / sheet.rows if sheet.rows > 1 else 0.0,
        )
    )
    drawing.lay_out(figure, x="", y="", height=sheet.height)
    figure.update_layout(hovermode="closest", barmode="overlay", bargap=0)
    named: set[str] = set()
    for place, chart in enumerate(sheet.charts):
        _draw(figure, chart, _cell(sheet, place), named)
    if len(sheet.charts) > 1:
        # Room for the legend above the titles of the first row.
        figure.update_layout(margin={"t": 56 if named else 28}, legend={"y": 1.09})
    figure.update_layout(showlegend=bool(named))
    return figure


def _cell(sheet: Sheet, place: int) -> dict[str, int]:
    """The row and the column of a chart, from 1; none for a chart that is alone."""
    if len(sheet.charts) == 1:
        return {}
    return {"row": place // sheet.columns + 1, "col": place % sheet.columns + 1}


def _draw(figure: go.Figure, chart: Chart, cell: dict[str, int], named: set[str]) -> None:
    for mark in chart.marks:
        for trace in _traces(mark, chart):
            name = trace.name or ""
            trace.showlegend = bool(name) and name not in named
            trace.legendgroup = name
            named |= {name} - {""}
            figure.add_trace(trace, **cell)
        if isinstance(mark, Note):
            figure.add_annotation(**_note(mark, chart), **cell)
    figure.update_xaxes(**_axis(chart.x), **cell)
    figure.update_yaxes(**_axis(chart.y), **cell)


def _axis(axis: Axis) -> dict[str, Any]:
    low, high = (_placed(axis, end) for end in (axis.low, axis.high))
    settings: dict[str, Any] = {
        "title": {"text": drawing.safe(axis.label), "standoff": 8},
        "range": [low, high],
        "type": "log" if axis.log else "linear",
        "showgrid": axis.grid,
        "exponentformat": "none",
    }
    if axis.slanted:
        settings["tickangle"] = -35
    if axis.ticks is not None:
        settings["tickvals"] = [place for place, _ in axis.ticks]
        settings["ticktext"] = [drawing.safe(text) for _, text in axis.ticks]
    elif axis.percent:
        settings["tickformat"] = ".0%"
    elif axis.log:
        settings |= {"dtick": 1 if high - low > 2 else "D2", "tickformat": "~g"}
    return settings


def _placed(axis: Axis, value: float) -> float:
    """A value as Plotly wants it for ranges and annotations: on a log axis, its power of ten."""
    return math.log10(value) if axis.log else value


def _note(note: Note, chart: Chart) -> dict[str, Any]:
    return {
        "x": _placed(chart.x, note.x),
        "y": _placed(chart.y, note.y),
        "text": drawing.safe(note.text),
        "showarrow": False,
        "xanchor": "center" if note.below else "left",
        "yanchor": "top" if note.below else "middle",
        "xshift": 0 if note.below else 5,
        "yshift": -4 if note.below else 0,
        "font": {"size": 10, "color": drawing.INK},
        "bgcolor": "rgba(255,255,255,0.75)",
    }


def _traces(mark: Mark, chart: Chart) -> list[Any]:
    match mark:
        case Line():
            return [_line(mark)]
        case Points():
            return [_points(mark)]
        case Band():
            return _band(mark)
        case Bars():
            return [_bars(mark)]
        case Rule():
            return [_rule(mark, chart)]
    return []


def _gaps(values: Any) -> list[float | None]:
    """Values for JSON, which has no NaN."""
    return [float(value) if math.isfinite(value) else None for value in values]


def _line(mark: Line) -> Any:
    look = mark.look
    return go.Scatter(
        x=_gaps(mark.x),
        y=_gaps(mark.y),
        name=drawing.safe(mark.name),
        mode="lines+markers" if mark.marked else "lines",
        line={
            "color": look.colour,
            "dash": look.dash,
            "width": mark.width,
            "shape": "hv" if mark.step else "linear",
        },
        marker={"symbol": look.symbol, "size": 7},
        opacity=mark.opacity,
        hoverinfo="x+y+name" if mark.name else "skip",
    )


def _points(mark: Points) -> Any:
    ends = {}
    if mark.low:
        ends = {"error_y": _ends(mark.y, mark.low, mark.high)}
    return go.Scatter(
        x=_gaps(mark.x),
        y=_gaps(mark.y),
        name=drawing.safe(mark.name),
        mode="markers",
        marker={
            "symbol": mark.look.symbol,
            "color": mark.look.colour,
            "size": mark.size,
            "line": {"width": 1.5 if mark.look.symbol.endswith("-open") else 0},
        },
        opacity=mark.opacity,
        hovertext=[drawing.wrapped(text) for text in mark.texts] or None,
        hoverinfo="text" if mark.texts else "x+y+name",
        cliponaxis=False,
        **ends,
    )


def _ends(at: Any, low: Any, high: Any) -> dict[str, Any]:
    return {
        "type": "data",
        "array": [max(end - value, 0.0) for value, end in zip(at, high, strict=True)],
        "arrayminus": [max(value - end, 0.0) for value, end in zip(at, low, strict=True)],
        "color": drawing.INK,
        "thickness": 1.5,
    }


def _band(mark: Band) -> list[Any]:
    colour = tuple(int(mark.look.colour[i : i + 2], 16) for i in (1, 3, 5))
    edge = {"width": 0.8, "color": mark.look.colour, "dash": mark.look.dash}
    shared = {"x": _gaps(mark.x), "mode": "lines", "line": edge, "hoverinfo": "skip"}
    fill = f"rgba({colour[0]},{colour[1]},{colour[2]},{mark.opacity})"
    return [
        go.Scatter(y=_gaps(mark.low), **shared),
        go.Scatter(
            y=_gaps(mark.high),
            fill="tonexty",
            fillcolor=fill,
            name=drawing.safe(mark.name),
            **shared,
        ),
    ]


def _bars(mark: Bars) -> Any:
    along, across = ("y", "x") if mark.lying else ("x", "y")
    ends = {}
    if mark.low:
        ends = {f"error_{across}": _ends(mark.length, mark.low, mark.high)}
    return go.Bar(
        **{along: _gaps(mark.at), across: _gaps(mark.length)},
        base=_gaps(mark.base) if mark.base else None,
        width=mark.width,
        orientation="h" if mark.lying else "v",
        name=drawing.safe(mark.name),
        marker={
            "color": mark.look.colour,
            "line": {"width": 0.5, "color": drawing.INK},
            "pattern": {
                "shape": mark.look.hatch,
                "fgcolor": PALE if mark.look.colour == INK else INK,
                "fillmode": "overlay",
                "solidity": 0.12,
                "size": 7,
            },
        },
        hovertext=[drawing.wrapped(text) for text in mark.texts] or None,
        hoverinfo="text" if mark.texts else "x+y+name",
        **ends,
    )


def _rule(mark: Rule, chart: Chart) -> Any:
    across = chart.y if mark.upright else chart.x
    along, places = [mark.at, mark.at], [across.low, across.high]
    x, y = (along, places) if mark.upright else (places, along)
    return go.Scatter(
        x=x,
        y=y,
        name=drawing.safe(mark.name),
        mode="lines",
        line={"color": mark.look.colour, "dash": mark.look.dash, "width": mark.width},
        hoverinfo="skip",
    )
