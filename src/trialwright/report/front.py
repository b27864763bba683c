"""Several objectives in words, and as a figure: the trials that no other one beats in all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from plotly import graph_objects as go

from trialwright.analysis.pareto import Front, Point, front
from trialwright.history import History
from trialwright.report import drawing, words
from trialwright.report.drawing import Figure
from trialwright.task import Objective

ROWS = 20
"""Trials of the front in a table."""

POINTS = 1500
"""Beaten trials in the figure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The front as a table."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    sentence: str


def section(history: History) -> Section | None:
    """Tell the front; None of a study with one objective, or without a trial that has them all."""
    found = front(history)
    if found is None or not found.front:
        return None
    return Section(
        headings=("trial", *(f"{one.direction} {one.metric}" for one in found.objectives)),
        rows=tuple(
            (str(point.trial), *(words.number(value) for value in point.values))
            for point in found.front[:ROWS]
        ),
        sentence=_sentence(found),
    )


def figure(history: History) -> Figure | None:
    """Draw the first two objectives, the front joined; None without one."""
    found = front(history)
    if found is None or not found.front:
        return None
    drawn = go.Figure()
    one, other = found.objectives[:2]
    beaten = [found.beaten[i] for i in drawing.thinned(len(found.beaten), POINTS)]
    _add(drawn, history, beaten, found, name="beaten")
    _add(drawn, history, found.front, found, name="on the front")
    drawing.lay_out(drawn, x=other.metric, y=one.metric)
    return Figure(
        id="front",
        title="The front of several objectives",
        reading=_sentence(found),
        spec=drawing.spec(drawn),
    )


def _add(
    drawn: go.Figure, history: History, points: Sequence[Point], found: Front, *, name: str
) -> None:
    if not points:
        return
    best = name == "on the front"
    points = sorted(points, key=lambda point: point.values[1])
    # With a third objective the front is a surface: joining its points would draw nothing.
    joined = best and len(found.objectives) == 2
    style = (
        {"symbol": "diamond", "color": drawing.BLUE, "size": 11}
        if best
        else {"symbol": "circle-open", "color": drawing.GREY, "size": 8, "line": {"width": 1.5}}
    )
    drawn.add_scatter(
        x=[point.values[1] for point in points],
        y=[point.values[0] for point in points],
        mode="lines+markers" if joined else "markers",
        line={"shape": "hv" if found.objectives[1].sign < 0 else "vh", "color": drawing.BLUE},
        marker=style,
        name=name,
        hovertext=[_hover(point, history, found.objectives) for point in points],
        hoverinfo="text",
    )


def _hover(point: Point, history: History, objectives: Sequence[Objective]) -> str:
    told = ", ".join(
        f"{drawing.safe(one.metric)} {words.number(value)}"
        for one, value in zip(objectives, point.values, strict=True)
    )
    trial = history.trials[point.trial]
    settings = words.line(words.configuration(trial.configuration), most=400)
    return f"<b>trial {point.trial}</b>: {told}<br>{drawing.wrapped(settings)}"


def _sentence(found: Front) -> str:
    wished = words.listed([f"{one.direction} {one.metric}" for one in found.objectives])
    numbers = words.listed([point.trial for point in found.front], most=12)
    count = len(found.front) + len(found.beaten)
    one = len(found.front) == 1
    said = (
        f"To {wished}: {'trial' if one else 'trials'} {numbers}"
        f" {'is' if one else 'are'} beaten in all by none of"
        f" {words.count(count, 'trial')}."
    )
    if found.incomplete:
        said += f" {words.count(len(found.incomplete), 'more trial')} reported not all of them."
    return said
