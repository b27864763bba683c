"""Single trials: who descends from whom, the curves of runs, and how far seeds scatter."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from trialwright.campaigns.campaign import Experiment
from trialwright.history import History
from trialwright.report import drawing, words
from trialwright.report.pictures import looks
from trialwright.report.pictures.chart import Axis, Chart, Line, Mark, Points, Sheet, axis, within
from trialwright.report.pictures.course import Course, left_out, shown, thinned
from trialwright.report.pictures.looks import Look
from trialwright.report.pictures.picture import Picture

Curve = Sequence[tuple[float, float]]
"""Steps with the value at each."""

CURVES = 80
"""Runs whose curves are drawn."""
STEPS = 100
"""Points of a curve."""
NODES = 1200
"""Experiments in the tree."""
CONFIGURATIONS = 40
"""Configurations whose seeds are drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """What a campaign does not hold of its experiments: their runs."""

    curves: Mapping[int, Curve] = field(default_factory=dict)
    """Of the first run, by the experiment's number."""
    values: Mapping[int, Sequence[float]] = field(default_factory=dict)
    """Per seed, by the experiment's number."""


def runs_of(history: History) -> Runs:
    """Return the runs of a study, under the numbers of `insight.ours.campaign_of`."""
    judged = [trial for trial in history.trials if trial.verdict is not None]
    metric = history.task.objective.metric
    curves = {
        place + 1: trial.run.observation.curve.points(metric)
        for place, trial in enumerate(judged)
        if trial.run is not None and trial.run.observation is not None
    }
    return Runs(
        curves={number: curve for number, curve in curves.items() if len(curve) > 1},
        values={place + 1: tuple(trial.values.values()) for place, trial in enumerate(judged)},
    )


def tree(course: Course) -> Picture | None:
    """Return who descends from whom, at the height of its result; None without parents."""
    labels = {one.label or str(one.number): one for one in course.campaign.experiments}
    parents = {
        one.number: parent
        for one in course.results
        if (parent := labels.get(_parent(one))) is not None and parent.metric is not None
    }
    if len(parents) < 2 or not course.sign:
        return None
    best = course.results[course.improving[-1]]
    way = _way(best, parents)
    on_way = {one.number for one in way}
    places = thinned(
        course.values.tolist(), NODES,
        always=[i for i, one in enumerate(course.results) if one.number in on_way],
    )  # fmt: skip
    nodes = [course.results[i] for i in places]
    height = course.height()
    xs: list[float] = []
    ys: list[float] = []
    for one in nodes:
        parent = parents.get(one.number)
        if parent is not None and one.number not in on_way:
            xs += [float(parent.number), float(one.number), math.nan]
            ys += [_at(parent, height), _at(one, height), math.nan]
    others = [one for one in nodes if one.number not in on_way]
    marks: tuple[Mark, ...] = (
        Line(x=xs, y=ys, look=Look(looks.PALE), width=0.8, opacity=0.6,
             name="from parent to child"),
        Points(x=[float(one.number) for one in others], y=[_at(one, height) for one in others],
               look=looks.DISCARDED, size=5, name="experiment",
               texts=[_told(one) for one in others]),
        Line(x=[float(one.number) for one in way], y=[_at(one, height) for one in way],
             look=Look(looks.BLUE, symbol="diamond"), width=2.6, marked=True,
             name="way to the best"),
    )  # fmt: skip
    depth = len(way) - 1
    sentence = (
        f"The best, {best.number} at {shown(best.metric or 0.0)}, came by"
        f" {words.count(depth, 'step')} from {way[0].number} at {shown(way[0].metric or 0.0)};"
        f" {words.count(len(parents), 'experiment')} descend from another,"
        f" from {len({one.number for one in parents.values()})} different parents."
    )
    return Picture(
        name="tree", title="Who descends from whom", sentence=sentence,
        sheet=Sheet(charts=(Chart(x=course.along(), y=height, marks=marks),)),
        notes=left_out(len(nodes), len(course.results)),
    )  # fmt: skip


def _parent(one: Experiment) -> str:
    """The label of the parent, which a log may have as a number; '' if it has none."""
    number = one.metrics.get("parent")
    return one.extra.get("parent", "") if number is None else f"{number:g}"


def _way(best: Experiment, parents: Mapping[int, Experiment]) -> list[Experiment]:
    """From the root to the best one. A log may have a loop: nobody comes twice."""
    way, seen = [best], {best.number}
    while (parent := parents.get(way[-1].number)) is not None and parent.number not in seen:
        way.append(parent)
        seen.add(parent.number)
    return way[::-1]


def _at(one: Experiment, height: Axis) -> float:
    return within(one.metric or 0.0, height)


def _told(one: Experiment) -> str:
    return f"{one.number}: {words.number(one.metric)}; {words.line(one.description, most=120)}"


def curves(course: Course, runs: Runs) -> Picture | None:
    """Return the curves of all runs, or of many the outline; None without two curves."""
    drawn = {one.number: runs.curves[one.number] for one in course.campaign.experiments
             if len(runs.curves.get(one.number, ())) > 1}  # fmt: skip
    if len(drawn) < 2:
        return None
    numbers = list(drawn)
    best = course.results[course.improving[-1]].number if course.improving else None
    special = {numbers.index(best)} if best in drawn else set()
    ends = [drawn[number][-1][1] for number in numbers]
    shown_ = [numbers[i] for i in thinned(ends, CURVES, always=special)]
    xs: list[float] = []
    ys: list[float] = []
    for number in shown_:
        if number != best:
            x, y = _thin(drawn[number])
            xs, ys = [*xs, *x, math.nan], [*ys, *y, math.nan]
    marks: list[Mark] = [
        Line(x=xs, y=ys, look=Look(looks.GREY), width=1, opacity=0.45, name="other runs")
    ]
    keep: list[float] = []
    if best in drawn:
        x, keep = _thin(drawn[best])
        look = Look(looks.BLUE, symbol="circle")
        marks.append(Line(x=x, y=keep, look=look, width=3, name=f"best ({best})"))
    low, high = drawing.window(ys, keep=keep)
    steps = [step for curve in drawn.values() for step in (curve[0][0], curve[-1][0])]
    ahead = _ahead(ends, course.sign)
    off = any(math.isfinite(value) and not low <= value <= high for value in ys)
    chart = Chart(x=axis("step", steps, margin=0.01), y=axis(course.metric, (low, high)),
                  marks=tuple(marks))  # fmt: skip
    middle = float(np.median([end for end in ends if math.isfinite(end)] or [math.nan]))
    sentence = (
        f"{words.count(len(drawn), 'run')} with a curve ended at {ahead}, {shown(middle)} in the"
        " middle."
    )
    return Picture(
        name="curves", title="Curves of all runs", sentence=sentence, sheet=Sheet(charts=(chart,)),
        notes=(*(("Values far off run out of the picture.",) if off else ()),
               *left_out(len(shown_), len(drawn), "runs")),
    )  # fmt: skip


def _thin(curve: Curve) -> tuple[list[float], list[float]]:
    finite = [
        (step, value) for step, value in curve if math.isfinite(step) and math.isfinite(value)
    ]
    kept = [
        finite[i]
        for i in thinned([value for _, value in finite], STEPS, always=(0, len(finite) - 1))
    ]
    return [float(step) for step, _ in kept], [float(value) for _, value in kept]


def _ahead(ends: Sequence[float], sign: int) -> str:
    finite = sorted(end for end in ends if math.isfinite(end))
    if not finite:
        return "no finite value"
    low, high = shown(finite[0]), shown(finite[-1])
    return f"{high} at worst and {low} at best" if sign < 0 else f"{low} to {high}"


def seeds_spread(course: Course, runs: Runs) -> Picture | None:
    """Return the values of each configuration under its seeds; None without two such ones."""
    groups = [group for group in _replicates(course, runs) if len(group[1]) > 1]
    if len(groups) < 2:
        return None
    sign = course.sign or 1
    ranked = sorted(groups, key=lambda group: -sign * float(np.mean(group[1])))
    widest = max(ranked, key=lambda group: float(np.std(group[1], ddof=1)))
    chosen = ranked[:CONFIGURATIONS]
    x = [float(i) for i, (_, values) in enumerate(chosen) for _ in values]
    y = [float(value) for _, values in chosen for value in values]
    means = [float(np.mean(values)) for _, values in chosen]
    low, high = drawing.window(y, keep=means)
    ticks = tuple((float(i), str(number)) for i, (number, _) in enumerate(chosen))
    step = max(len(ticks) // 14, 1)
    places = [float(i) for i in range(len(chosen))]
    chart = Chart(
        x=Axis(label="configuration, the best mean first, by its first experiment", low=-0.8,
               high=len(chosen) - 0.2, ticks=ticks[::step], grid=False),
        y=axis(course.metric, (low, high)),
        marks=(
            Points(x=x, y=[min(max(v, low), high) for v in y], look=looks.DISCARDED, size=7,
                   name="a seed"),
            Points(x=places, y=means, look=Look(looks.VERMILION, symbol="diamond"), size=8,
                   name="mean of its seeds"),
        ),
    )  # fmt: skip
    squares = sum(float(np.var(values, ddof=1)) * (len(values) - 1) for _, values in groups)
    pooled = math.sqrt(squares / sum(len(values) - 1 for _, values in groups))
    sentence = (
        f"{words.count(len(groups), 'configuration')} ran more than once, with a standard deviation"
        f" of {words.number(pooled)} between their seeds (pooled); that of {widest[0]} scatters"
        f" most, {words.number(float(np.std(widest[1], ddof=1)))}."
    )
    few = f"Of {len(groups)} configurations, the best {len(chosen)} are drawn."
    return Picture(
        name="seeds_spread", title="Spread of seeds", sentence=sentence,
        sheet=Sheet(charts=(chart,)), notes=(few,) if len(chosen) < len(groups) else (),
    )  # fmt: skip


def _replicates(course: Course, runs: Runs) -> list[tuple[int, Sequence[float]]]:
    """The values of each configuration: of its seeds, or of all experiments that repeat it."""
    if any(len(values) > 1 for values in runs.values.values()):
        return [(number, values) for number, values in runs.values.items() if values]
    groups: dict[tuple[tuple[str, str], ...], list[Experiment]] = defaultdict(list)
    for one in course.results:
        if one.configuration and one.seed is not None:
            own = {k: v for k, v in one.configuration.items() if k.rsplit(".", 1)[-1] != "seed"}
            groups[tuple((key, repr(value)) for key, value in sorted(own.items()))].append(one)
    return [
        (group[0].number, [one.metric or 0.0 for one in group])
        for group in groups.values()
        if len({one.seed for one in group}) > 1
    ]
