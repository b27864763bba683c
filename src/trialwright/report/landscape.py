"""Figures of how results depend on the seed: divided seeds, failure rates, pairs, cliffs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import numpy as np
from plotly import graph_objects as go

from trialwright.analysis.dependence import (
    INACTIVE,
    Case,
    Cliff,
    Dependence,
    Divided,
    Pair,
    cases,
)
from trialwright.history import History
from trialwright.report import drawing, words
from trialwright.report.dependence import cliff as cliff_words
from trialwright.report.dependence import divided as divided_words
from trialwright.report.dependence import looked, rate
from trialwright.report.dependence import pair as pair_words
from trialwright.report.drawing import Figure
from trialwright.space import Choice, Float, Int, Ordinal, Parameter

CONFIGURATIONS = 40
"""Configurations whose seeds are drawn: those that divide, and the best."""

CASES = 600
"""Configurations drawn over parameters."""

MOST = 2
"""Figures of each kind."""

TABLES = 4
"""Parameters in the figure of failure rates."""

UPRIGHT = 20
"""Trials whose numbers fit beside each other below the figure of seeds."""

_SHADES = ((0.0, drawing.BLUE), (0.5, drawing.ORANGE), (1.0, drawing.VERMILION))


def landscapes(history: History) -> list[Figure]:
    """Return the figures that there is material for; none of a study that does not ask."""
    found = looked(history)
    if found is None:
        return []
    shown = cases(history, failure=found.failure)[-CASES:]
    figures = [
        *(_pair(one, i, shown, history) for i, one in enumerate(found.pairs[:MOST])),
        _seeds(found, shown, history),
        *(_cliff(one, i, shown, history) for i, one in enumerate(found.cliffs[:MOST])),
        _rates(found),
    ]
    return [figure for figure in figures if figure is not None]


def _seeds(found: Dependence, shown: Sequence[Case], history: History) -> Figure | None:
    """The values of each configuration with several seeds, worse means to the right."""
    several = [case for case in shown if len(case.values) > 1]
    if not several or not (found.divided or found.failure is not None):
        return None
    named = {one.trial: one for one in found.divided}
    sign = history.task.objective.sign
    ranked = sorted(several, key=lambda case: -sign * math.fsum(case.values) / len(case.values))
    # Who is divided shows most, then those of which some seeds failed, then the best.
    torn = {case.trial.number for case in several if 0 < case.failed < case.runs}
    first = sorted(
        ranked,
        key=lambda case: (case.trial.number not in named, case.trial.number not in torn),
    )[:CONFIGURATIONS]
    chosen = [case for case in ranked if case in first]
    places = {case.trial.number: place for place, case in enumerate(chosen)}
    figure = go.Figure()
    for divided, symbol, colour, name in (
        (False, "circle-open", drawing.GREY, "one group, or too few to tell"),
        (True, "circle", drawing.VERMILION, "two groups"),
    ):
        points = [
            (places[case.trial.number], value, case.trial.number)
            for case in chosen
            if (case.trial.number in named) == divided
            for value in case.values
        ]
        if points:
            figure.add_scatter(
                x=[x for x, _, _ in points], y=[y for _, y, _ in points], mode="markers", name=name,
                marker={"symbol": symbol, "color": colour, "size": 8, "opacity": 0.75},
                hovertext=[f"trial {n}: {words.number(y)}" for _, y, n in points], hoverinfo="text",
            )  # fmt: skip
    _add_groups(figure, [one for one in found.divided if one.trial in places], places)
    _add_threshold(figure, found.failure)
    drawing.lay_out(figure, x="trial, the best mean first", y=history.task.objective.metric)
    figure.update_xaxes(
        tickvals=list(places.values()),
        ticktext=[str(number) for number in places],
        tickangle=0 if len(places) <= UPRIGHT else -90,
    )
    reading = (
        divided_words(found.divided[0], sign=sign)
        if found.divided
        else f"Each point is a seed. Failed: {rate(found.total)}."
    )
    if len(chosen) < len(several):
        reading += (
            f" Of {len(several)} configurations {len(chosen)} are drawn: whose seeds differ most,"
            " then the best."
        )
    return Figure(
        id="seeds", title="Seeds of each configuration", reading=reading, spec=drawing.spec(figure)
    )


def _add_groups(figure: go.Figure, found: Sequence[Divided], places: dict[int, int]) -> None:
    """Both means of a divided configuration, as short lines."""
    xs: list[float | None] = []
    ys: list[float | None] = []
    for one in found:
        for level in (one.modes.low, one.modes.high):
            xs += [places[one.trial] - 0.35, places[one.trial] + 0.35, None]
            ys += [level, level, None]
    if xs:
        figure.add_scatter(
            x=xs, y=ys, mode="lines", line={"color": drawing.INK, "width": 2},
            name="mean of a group", hoverinfo="skip",
        )  # fmt: skip


def _add_threshold(figure: go.Figure, failure: float | None) -> None:
    if failure is not None:
        figure.add_hline(
            y=failure, line={"color": drawing.VERMILION, "dash": "dash", "width": 1.5},
            annotation_text="failed beyond", annotation_position="bottom left",
        )  # fmt: skip


def _pair(one: Pair, index: int, shown: Sequence[Case], history: History) -> Figure:
    """Configurations over two parameters, coloured by the share of their runs that failed."""
    across, up = (history.space[name] for name in one.parameters)
    rng = np.random.default_rng(0)
    points = [(_place(across, case, rng), _place(up, case, rng), case) for case in shown]
    figure = go.Figure()
    figure.add_scatter(
        x=[x for x, _, _ in points],
        y=[y for _, y, _ in points],
        mode="markers",
        marker={
            "color": [case.failed / case.runs for _, _, case in points],
            "colorscale": [list(shade) for shade in _SHADES],
            "cmin": 0, "cmax": 1, "size": 11, "line": {"color": "white", "width": 1},
            "symbol": ["x" if case.failed else "circle" for _, _, case in points],
            "colorbar": {"title": {"text": "failed"}, "tickformat": ".0%", "thickness": 12},
        },
        hovertext=[
            f"trial {case.trial.number}: {case.failed} of {case.runs} runs failed"
            for _, _, case in points
        ],
        hoverinfo="text",
        showlegend=False,
    )  # fmt: skip
    drawing.lay_out(figure, x=across.name, y=up.name, height=420)
    _label(figure.update_xaxes, across)
    _label(figure.update_yaxes, up)
    figure.update_yaxes(showgrid=False)
    return Figure(
        id=f"pair-{index}",
        title=f"{' and '.join(one.parameters)}: what switches failure on",
        reading=pair_words(one),
        spec=drawing.spec(figure),
    )


def _cliff(one: Cliff, index: int, shown: Sequence[Case], history: History) -> Figure:
    """Means of configurations along a parameter, with the plateau and its cliffs."""
    parameter, sign = history.space[one.parameter], history.task.objective.sign
    there = [case for case in shown if case.values and _active(parameter, case)]
    figure = go.Figure()
    figure.add_scatter(
        x=[parameter.to_unit(case.trial.configuration[one.parameter]) for case in there],
        y=[math.fsum(case.values) / len(case.values) for case in there],
        mode="markers",
        name="a configuration",
        marker={"symbol": "circle-open", "color": drawing.GREY, "size": 8, "line": {"width": 1.5}},
        hovertext=[drawing.hover(case.trial) for case in there],
        hoverinfo="text",
    )
    left = _middle(parameter, one.low, otherwise=0.0)
    right = _middle(parameter, one.high, otherwise=1.0)
    steps = [
        *([(0.0, one.beyond), (left, one.beyond)] if one.low else []),
        (left, one.level),
        (right, one.level),
        *([(right, one.beyond), (1.0, one.beyond)] if one.high else []),
    ]
    figure.add_scatter(
        x=[x for x, _ in steps], y=[y for _, y in steps], mode="lines", name="plateau and cliffs",
        line={"color": drawing.ORANGE, "width": 3}, hoverinfo="skip",
    )  # fmt: skip
    figure.add_vrect(x0=left, x1=right, fillcolor=drawing.BLUE, opacity=0.08, line_width=0)
    drawing.lay_out(figure, x=parameter.name, y=history.task.objective.metric)
    _label(figure.update_xaxes, parameter)
    return Figure(
        id=f"cliff-{index}",
        title=f"The plateau along {parameter.name}",
        reading=cliff_words(one, sign=sign),
        spec=drawing.spec(figure),
    )


def _rates(found: Dependence) -> Figure | None:
    """Failure rates by value with exact intervals, of the parameters where they differ."""
    told = [rates for rates in found.rates if rates.told][:TABLES]
    if not told:
        return None
    rows = [
        (f"{rates.parameter}: {share.label}", share)
        for rates in told
        for share in rates.shares
        if share.runs
    ][::-1]
    figure = go.Figure()
    figure.add_scatter(
        x=[share.rate for _, share in rows],
        y=[drawing.safe(label) for label, _ in rows],
        mode="markers",
        marker={"color": drawing.VERMILION, "size": 10, "symbol": "diamond"},
        error_x={
            "type": "data",
            "array": [share.high - share.rate for _, share in rows],
            "arrayminus": [share.rate - share.low for _, share in rows],
            "color": drawing.INK,
            "thickness": 1.5,
        },
        hovertext=[drawing.wrapped(f"{label}: {rate(share)}") for label, share in rows],
        hoverinfo="text",
        showlegend=False,
    )
    drawing.lay_out(figure, x="share of runs that failed", y="", height=120 + 30 * len(rows))
    figure.update_xaxes(tickformat=".0%", range=[-0.02, 1.02])
    figure.update_yaxes(showgrid=True)
    named = words.listed([rates.parameter for rates in told])
    return Figure(
        id="rates",
        title="Failed runs by value",
        reading=f"Failures differ by {named} beyond chance; bars are exact 95% intervals.",
        spec=drawing.spec(figure),
    )


def _active(parameter: Parameter, case: Case) -> bool:
    return parameter.admits(case.trial.configuration.get(parameter.name))


def _middle(parameter: Parameter, edge: tuple[object, object] | None, *, otherwise: float) -> float:
    if edge is None:
        return otherwise
    low, high = (parameter.to_unit(cast("float", end)) for end in edge)
    return (low + high) / 2


def _place(parameter: Parameter, case: Case, rng: np.random.Generator) -> float:
    """A place along an axis; options are spread a little, so that none hides another."""
    if not _active(parameter, case):
        return -0.1
    place = parameter.to_unit(case.trial.configuration[parameter.name])
    if isinstance(parameter, Float | Int):
        return place
    return place + float(rng.uniform(-0.3, 0.3)) / parameter.count


def _label(update: object, parameter: Parameter) -> None:
    """Name places of the unit range by the values that stand there."""
    match parameter:
        case Choice(options=values) | Ordinal(levels=values):
            ticks = [(parameter.to_unit(value), words.value(value)) for value in values]
        case Float() | Int():
            ends = [parameter.from_unit(i / 4) for i in range(5)]
            ticks = [(parameter.to_unit(value), words.value(value)) for value in ends]
    assert callable(update)
    low = -0.04
    if parameter.when is not None:
        ticks, low = [(-0.1, INACTIVE), *ticks], -0.16
    update(
        tickvals=[place for place, _ in ticks],
        ticktext=[drawing.safe(text) for _, text in ticks],
        range=[low, 1.04],
    )
