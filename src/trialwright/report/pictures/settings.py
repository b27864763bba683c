"""What settings did: configurations as lines, and the results along each setting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trialwright.analysis.ranking import ranked
from trialwright.campaigns.campaign import Experiment
from trialwright.expression import Scalar
from trialwright.insight.factors import NO_FACTORS
from trialwright.insight.variance import Share, one_way
from trialwright.knowledge.base import normal
from trialwright.report import drawing, words
from trialwright.report.pictures import looks
from trialwright.report.pictures.chart import (
    Axis,
    Chart,
    Line,
    Mark,
    Note,
    Points,
    Sheet,
    axis,
    named,
)
from trialwright.report.pictures.course import Array, Course, left_out, shown, thinned
from trialwright.report.pictures.looks import Look
from trialwright.report.pictures.picture import Picture

LINES = 160
"""Configurations that are drawn as lines."""
AXES = 9
"""Settings that have an axis."""
SLICES = 6
"""Settings with a slice."""
OPTIONS = 12
"""Options of a setting; one with more is left out."""
PRESENT = 0.5
"""Share of the results that must have a setting."""
BINS = 8
"""Groups of a setting's numbers, of about equally many results."""
CLOUD = 500
"""Results drawn in one slice."""
FEWEST = 3
"""Results of a group that has an interval."""
BANDS = 5
"""Groups by rank, a shade each."""


@dataclass(frozen=True)
class Setting:
    """A setting, its values laid out: numbers, or places of options."""

    name: str
    places: Array
    """Of each result, shape (n,); NaN where it does not have the setting."""
    options: tuple[str, ...] = ()
    """() for numbers."""
    log: bool = False

    @property
    def units(self) -> Array:
        """The places from 0 to 1, as they are drawn."""
        placed = np.log10(self.places) if self.log else self.places
        low, high = np.nanmin(placed), np.nanmax(placed)
        return np.asarray((placed - low) / (high - low))

    def words(self, place: float) -> str:
        """Write the value at a place."""
        return self.options[round(place)] if self.options else words.value(float(place))


def settings_of(course: Course) -> list[Setting]:
    """Return the settings that vary, those first that went along with the results most."""
    names = dict.fromkeys(key for one in course.results for key in one.configuration or {})
    found = [_setting(name, course.results) for name in names]
    told = [(one, explained(one, course)) for one in found if one is not None]
    told.sort(key=lambda pair: -(pair[1].omega2 if pair[1] else -1.0))
    return [one for one, _ in told]


def _setting(name: str, results: Sequence[Experiment]) -> Setting | None:
    if NO_FACTORS.fullmatch(normal(name.rsplit(".", 1)[-1])):
        return None
    values = [(one.configuration or {}).get(name) for one in results]
    known = [value for value in values if value is not None]
    if len(known) < PRESENT * len(values) or len({repr(value) for value in known}) < 2:
        return None
    if all(_is_number(value) for value in known):
        places = np.array([_float(value) for value in values])
        positive = places[np.isfinite(places)]
        if len(np.unique(positive)) < 2:
            return None
        log = bool(positive.min() > 0 and positive.max() / positive.min() >= 30)
        return Setting(name, places, log=log)
    # By type as well: True and 1 are one key, but not one option.
    texts = {(type(value), value): words.value(value) for value in known}
    options = list(dict.fromkeys(texts.values()))
    # A list is no option: nobody could read it at an axis.
    if len(options) > OPTIONS or any(option.startswith(("[", "{")) for option in options):
        return None
    at = {option: float(i) for i, option in enumerate(sorted(options))}
    places = np.array([math.nan if v is None else at[texts[type(v), v]] for v in values])
    return Setting(name, places, options=tuple(sorted(options)))


def _is_number(value: Scalar) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _float(value: Scalar) -> float:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else math.nan


def _groups(setting: Setting) -> list[NDArray[np.intp]]:
    """Results by the setting: one group per option, or of equally many neighbours."""
    known = np.flatnonzero(np.isfinite(setting.places))
    levels = np.unique(setting.places[known])
    if setting.options or len(levels) <= BINS:
        return [known[setting.places[known] == level] for level in levels]
    edges = np.unique(np.quantile(setting.places[known], np.linspace(0, 1, BINS + 1)))
    at = np.clip(np.searchsorted(edges, setting.places[known], side="right") - 1, 0, len(edges) - 2)
    return [known[at == i] for i in range(len(edges) - 1) if (at == i).any()]


def explained(setting: Setting, course: Course) -> Share | None:
    """Return what share of the results' ranks a setting goes along with, by itself.

    None where it has one value, or each result one of its own.
    """
    groups = _groups(setting)
    joined = np.concatenate(groups)
    labels = np.repeat([str(i) for i in range(len(groups))], [len(group) for group in groups])
    return one_way(labels.tolist(), ranked(course.values[joined].tolist()).tolist())


def parallel(course: Course, told: Sequence[Setting]) -> Picture | None:
    """Return configurations as lines over their settings; None with fewer than two settings."""
    settings = told[:AXES]
    if len(settings) < 2 or not course.sign or len(course.results) < 2:
        return None
    order = np.argsort(course.sign * course.values, kind="stable")
    kept = {*order[-20:].tolist(), *order[:5].tolist()}
    chosen = [int(order[i]) for i in drawing.thinned(len(order), LINES - len(kept))]
    picked = [i for i in order.tolist() if i in kept or i in set(chosen)]
    units = np.array([setting.units for setting in settings])
    height = course.height()
    low, high = (float(end) for end in np.clip([height.low, height.high], *_ends(course.values)))
    heights = (np.clip(course.values, low, high) - low) / (high - low)
    rows = np.vstack([np.where(np.isfinite(units), units, -0.12), heights])
    marks = _bands(rows, picked)
    best = int(order[-1])
    marks.append(
        Line(x=[float(i) for i in range(len(rows))], y=rows[:, best].tolist(),
             look=Look(looks.VERMILION, "solid", "square"), width=3, marked=True,
             name=f"best ({course.results[best].number})")
    )  # fmt: skip
    for place, setting in enumerate(settings):
        marks += _ticks(setting, float(place))
    marks += [Note(x=float(len(settings)), y=y, text=words.number(value))
              for y, value in ((0.0, low), (1.0, high))]  # fmt: skip
    names = [_last(one.name) for one in settings] + [named(course.campaign.metric, most=18)]
    ticks = tuple((float(i), name) for i, name in enumerate(names))
    floor = -0.18 if (rows < 0).any() else -0.05
    chart = Chart(
        x=Axis(label="", low=-0.15, high=len(settings) + 0.45, ticks=ticks, slanted=_long(names)),
        y=Axis(label="", low=floor, high=1.06, ticks=(), grid=False),
        marks=tuple(marks),
    )
    return Picture(
        name="parallel",
        title="Configurations",
        sentence=_close(settings, order),
        sheet=Sheet(charts=(chart,), height=430),
        notes=left_out(len(picked), len(course.results), "configurations"),
    )


def _ends(values: Array) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _long(texts: Sequence[str], *, room: int = 78) -> bool:
    """Whether texts at an axis would run into each other."""
    return max(map(len, texts)) * len(texts) > room


def _last(name: str) -> str:
    """A setting's name without what it is nested in."""
    return named(name.rsplit(".", 1)[-1], most=18)


def _bands(rows: Array, picked: Sequence[int]) -> list[Mark]:
    """Lines in groups by rank, a shade of viridis each: the best are dark and thick."""
    marks: list[Mark] = []
    names = {0: "worst fifth", BANDS - 1: "best fifth"}
    axes = np.arange(len(rows), dtype=float)
    dashes = ("2px,8px", "dot", "dash", "longdash", "solid")
    for band in range(BANDS):
        chosen = picked[len(picked) * band // BANDS : len(picked) * (band + 1) // BANDS]
        if not chosen:
            continue
        gap = np.full((1, len(chosen)), math.nan)
        x = np.tile(np.append(axes, math.nan), len(chosen))
        y = np.vstack([rows[:, chosen], gap]).T.ravel()
        colour = looks.ramp(1 - band / (BANDS - 1))
        marks.append(
            Line(x=x.tolist(), y=y.tolist(), look=Look(colour, dashes[band]),
                 name=names.get(band, ""), width=1.0 + 0.3 * band, opacity=0.75)
        )  # fmt: skip
    return marks


def _ticks(setting: Setting, at: float) -> list[Mark]:
    units, places = setting.units, setting.places
    known = np.flatnonzero(np.isfinite(units))
    ends = known[np.argsort(units[known], kind="stable")]
    picked = [int(ends[0]), int(ends[-1])]
    if setting.options:
        first = {float(places[i]): int(i) for i in ends[::-1]}
        every = [first[place] for place in sorted(first)]
        picked = every if len(every) <= 6 else [every[0], every[len(every) // 2], every[-1]]
    notes = [
        Note(x=at, y=float(units[i]), text=named(setting.words(float(places[i])), most=11))
        for i in dict.fromkeys(picked)
    ]
    absent = [Note(x=at, y=-0.12, text="none")] if len(known) < len(units) else []
    return [*notes, *absent]


def _close(settings: Sequence[Setting], order: NDArray[np.intp]) -> str:
    """Say in what the best agree: the settings in which they lie closest together."""
    top = [int(i) for i in order[-max(len(order) // 20, 3) :]]
    spans = []
    for setting in settings:
        own = setting.units[top]
        if not np.isfinite(own).all():
            continue
        ends = [
            setting.words(float(setting.places[top[int(pick(own))]]))
            for pick in (np.argmin, np.argmax)
        ]
        span = float(np.ptp(own))
        said = _last(setting.name)
        spans.append(
            (span, f"{said} at {ends[0]}" if span == 0 else f"{said} from {ends[0]} to {ends[1]}")
        )
    close = [said for span, said in sorted(spans, key=lambda one: one[0]) if span <= 0.4][:3]
    lead = f"The best {len(top)} of {words.count(len(order), 'result')}"
    return (
        f"{lead} have {words.listed(close)}."
        if close
        else f"{lead} share no narrow range of a setting."
    )


def slices(course: Course, told: Sequence[Setting]) -> Picture | None:
    """Return the results along each of the settings that went along with them most.

    Means of groups with 95 % intervals (Student's t); other settings vary along with each, so that
    this is no effect of the setting alone.
    """
    settings = told[:SLICES]
    if not settings or len(course.results) < 2 * FEWEST:
        return None
    low, high = drawing.window(course.values.tolist(), keep=[])
    height = axis(course.metric, (low, high))
    charts, leads = [], []
    for place, setting in enumerate(settings):
        chart, ends = _slice(course, setting, height)
        label = course.metric if place % 3 == 0 else ""
        charts.append(replace(chart, y=replace(height, label=label)))
        leads.append((ends, setting))
    columns = min(len(charts), 3)
    found, setting = leads[0]
    (worse, worst), (better, best) = found
    sentence = (
        f"{_last(setting.name)} went along with the results most: a mean of {shown(better)} around"
        f" {best} against {shown(worse)} around {worst}; other settings varied with it."
    )
    rows = -(-len(charts) // columns)
    return Picture(
        name="slices", title="Results along single settings", sentence=sentence,
        sheet=Sheet(charts=tuple(charts), columns=columns, height=90 + 270 * rows),
    )  # fmt: skip


Ends = tuple[tuple[float, str], tuple[float, str]]
"""The worst and the best mean of a group, each with a value that stands for the group."""


def _slice(course: Course, setting: Setting, height: Axis) -> tuple[Chart, Ends]:
    from scipy.special import stdtrit

    values = np.clip(course.values, height.low, height.high)
    rng = np.random.default_rng(0)
    spread = rng.uniform(-0.28, 0.28, len(values)) if setting.options else np.zeros(len(values))
    known = np.flatnonzero(np.isfinite(setting.places))
    cloud = [int(known[i]) for i in thinned(values[known].tolist(), CLOUD)]
    centres, means, lows, highs = [], [], [], []
    for group in _groups(setting):
        own = course.values[group]
        mean = float(own.mean())
        half = 0.0
        if len(own) >= FEWEST:
            half = float(stdtrit(len(own) - 1, 0.975) * own.std(ddof=1) / math.sqrt(len(own)))
        centres.append(float(np.median(setting.places[group])))
        means.append(mean)
        lows.append(mean - half)
        highs.append(mean + half)
    drawn = np.clip(np.array([means, lows, highs]), height.low, height.high).tolist()
    marks = (
        Points(x=[float(setting.places[i] + spread[i]) for i in cloud], y=values[cloud].tolist(),
               look=looks.OTHERS, name="a result", size=4, opacity=0.7),
        Points(x=centres, y=drawn[0], low=drawn[1], high=drawn[2],
               look=Look(looks.BLUE, symbol="diamond"), size=9,
               name="mean of a group, 95 % interval"),
    )  # fmt: skip
    sure = [i for i in range(len(means)) if highs[i] > lows[i]] or list(range(len(means)))
    ranked = sorted(sure, key=lambda i: (course.sign or 1) * means[i])
    ends = tuple((means[i], setting.words(centres[i])) for i in (ranked[0], ranked[-1]))
    return Chart(x=_along(setting), y=height, marks=marks), (
        ends[0],
        ends[1],
    )


def _along(setting: Setting) -> Axis:
    name = named(setting.name.rsplit(".", 1)[-1], most=24)
    if setting.options:
        ticks = tuple((float(i), named(text, most=9)) for i, text in enumerate(setting.options))
        return Axis(label=name, low=-0.6, high=len(ticks) - 0.4, ticks=ticks, grid=False,
                    slanted=_long([text for _, text in ticks], room=24))  # fmt: skip
    known = setting.places[np.isfinite(setting.places)]
    low, high = float(known.min()), float(known.max())
    if setting.log:
        room = (high / low) ** 0.05
        return Axis(
            label=f"{name} (log scale)", low=low / room, high=high * room, log=True, grid=False
        )
    return replace(axis(name, (low, high)), grid=False)
