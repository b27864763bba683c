"""How often a search succeeded along the way, and how long it went without getting further."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from trialwright.analysis.rates import interval
from trialwright.insight.sequence import planned, progress
from trialwright.insight.streaks import Streak
from trialwright.insight.streaks import dry_streaks as streaks_of
from trialwright.report import words
from trialwright.report.pictures import looks
from trialwright.report.pictures.chart import Axis, Band, Bars, Chart, Line, Mark, Rule, Sheet, axis
from trialwright.report.pictures.course import Course
from trialwright.report.pictures.picture import Picture

SHORTEST, LONGEST = 20, 200
"""Changes in a window of the rolling rate."""
WINDOWS = 15
"""Windows that fit side by side, between those bounds."""
CHANCE = 0.05
"""Probability below which the first window is said to differ from the last."""
PLACES = 240
"""Points of the rolling rate that are drawn."""


def rolling_success(course: Course) -> Picture | None:
    """Return kept / (kept + reverted) over a rolling window; None with too few for two windows.

    Baselines and replicates are left out. The band is an exact 95 % interval of each window's rate.
    """
    tried = [
        (one.number, one.status == "keep")
        for one in course.campaign.experiments
        if one.status in ("keep", "discard") and not planned(one)
    ]
    window = min(max(len(tried) // WINDOWS, SHORTEST), LONGEST)
    if len(tried) < 2 * window:
        return None
    kept = np.array([won for _, won in tried])
    sums = np.convolve(kept, np.ones(window, dtype=int), mode="valid").astype(int)
    ends = np.unique(np.linspace(0, len(sums) - 1, PLACES).astype(int))
    bounds = {int(count): interval(int(count), window) for count in np.unique(sums[ends])}
    x = [float(tried[i + window - 1][0]) for i in ends]
    rates = [float(sums[i]) / window for i in ends]
    low, high = ([bounds[int(sums[i])][side] for i in ends] for side in (0, 1))
    overall = float(kept.mean())
    chart = Chart(
        x=course.along("experiment with which a window ends"),
        y=axis("kept / (kept + reverted)", [0.0, *high], within=(0.0, 1.0), percent=True),
        marks=(
            *course.rules(),
            Band(x=x, low=low, high=high, look=looks.KEPT, name="95 % interval of a window"),
            Line(x=x, y=rates, look=looks.KEPT, name=f"last {window} changes"),
            Rule(at=overall, upright=False, look=looks.DISCARDED, name="overall"),
        ),
    )
    first, last = int(sums[0]), int(sums[-1])
    p = alike(first, last, window)
    said = (
        f"more than chance brings (p = {p:.2g})"
        if p < CHANCE
        else f"which can be chance (p = {p:.2g})"
    )
    whole = interval(int(kept.sum()), len(kept))
    sentence = (
        f"{int(kept.sum())} of {words.count(len(kept), 'change')} were kept ({overall:.1%}, 95 %"
        f" interval {whole[0]:.1%} to {whole[1]:.1%}); {first} of the first {window} and {last} of"
        f" the last {window}, {said}."
    )
    return Picture(
        name="rolling_success", title="How often a change was kept", sentence=sentence,
        sheet=Sheet(charts=(chart,)),
    )  # fmt: skip


def alike(first: int, last: int, window: int) -> float:
    """Return the probability of two counts that differ as much, of as many each (Fisher's exact).

    >>> round(alike(7, 0, 200), 3), alike(3, 3, 20)
    (0.015, 1.0)
    """
    total = first + last
    ways = [math.comb(window, k) * math.comb(window, total - k) for k in range(total + 1)]
    return sum(way for way in ways if way <= ways[first]) / sum(ways)


def dry_streaks(course: Course) -> Picture | None:
    """Return the lengths of stretches without a better result; None without a direction.

    The last stretch has not ended: it is drawn apart. Lengths stand in classes that double.
    """
    went = progress(course.campaign)
    found = streaks_of(went.improved) if went is not None else []
    if not found or went is None or not any(went.improved):
        return None
    classes = math.floor(math.log2(max(one.length for one in found))) + 1
    ended, going = np.zeros(classes), np.zeros(classes)
    for one in found:
        (ended if one.ended else going)[int(math.log2(one.length))] += 1
    at = [i + 0.5 for i in range(classes)]
    marks: list[Mark] = [
        Bars(at=at, length=ended.tolist(), look=looks.KEPT, name="ended by a better result",
             width=0.92, texts=[f"{int(n)} of {_class(i)}" for i, n in enumerate(ended)])
    ]  # fmt: skip
    if going.any():
        place = int(np.argmax(going))
        marks.append(
            Bars(at=[at[place]], length=[1.0], base=[float(ended[place])], look=looks.CRASHED,
                 width=0.92, name="still going on at the end",
                 texts=[f"{found[-1].length}, not ended"])
        )  # fmt: skip
    top = int((ended + going).max())
    step = max(1, round(top / 5))
    chart = Chart(
        x=Axis(label="experiments in a row without a better result (classes double)", low=-0.1,
               high=classes + 0.1, ticks=tuple((float(i), str(2**i)) for i in range(classes + 1)),
               grid=False),
        y=Axis(label="dry streaks", low=0.0, high=top * 1.1,
               ticks=tuple((float(n), str(n)) for n in range(0, top + 1, step))),
        marks=tuple(marks),
    )  # fmt: skip
    return Picture(
        name="dry_streaks", title="Dry streaks", sentence=_streaks_sentence(found),
        sheet=Sheet(charts=(chart,), height=320),
    )  # fmt: skip


def _class(place: int) -> str:
    low, high = 2**place, 2 ** (place + 1) - 1
    return str(low) if low == high else f"{low} to {high}"


def _streaks_sentence(found: Sequence[Streak]) -> str:
    lengths = [one.length for one in found if one.ended]
    last = 0 if found[-1].ended else found[-1].length
    if not lengths:
        gone = words.count(last, "experiment")
        return f"No better result ended a streak; the last has gone on for {gone}."
    longest = max(lengths)
    lead = (
        f"{words.count(len(lengths), 'dry streak')} ended, after a median of"
        f" {words.number(float(np.median(lengths)))} experiments, the longest after {longest}"
    )
    if not last:
        return f"{lead}; the last experiment was the best."
    than = "longer than any that ended" if last > longest else "no longer than those"
    return (
        f"{lead}; at the end {words.count(last, 'experiment')} had brought nothing better, {than}."
    )
