"""What a search tried: the kinds of change along the way, and their shares."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from trialwright.report import words
from trialwright.report.pictures import looks
from trialwright.report.pictures.chart import Bars, Chart, Mark, Points, Sheet, axis, lanes, named
from trialwright.report.pictures.course import UNKNOWN, Array, Course
from trialwright.report.pictures.picture import Picture
from trialwright.report.pictures.progress import OUTCOMES, Outcome

LANES = 14
"""Kinds that have a lane."""
LIFTS: dict[Outcome, float] = {"keep": 0.24, "discard": 0.0, "crash": -0.24, "other": -0.12}
"""How far above its lane an outcome stands."""
SLOTS = 220
"""Places along a lane: one point of each outcome stands at each."""
SHARES = len(looks.SERIES) - 1
"""Kinds with a share of their own; the rest are `others`."""
WINDOWS = 20
"""Windows over the whole campaign."""
FEWEST = 5
"""Experiments in a window."""


def category_timeline(course: Course) -> Picture | None:
    """Return the kind of change of each experiment along the campaign; None if none is known."""
    counts = Counter(kind for kind in course.kinds if kind != UNKNOWN)
    if not counts:
        return None
    rows = [kind for kind, _ in counts.most_common(LANES)]
    rows += ["others"] if len(counts) > LANES else []
    rows += [UNKNOWN] if UNKNOWN in course.kinds else []
    place = {kind: -float(i) for i, kind in enumerate(rows)}
    marks: list[Mark] = []
    width = max(course.last / SLOTS, 1.0)
    drawn = 0
    for status, (name, look) in OUTCOMES.items():
        slots: dict[tuple[float, int], int] = {}
        for one, kind in zip(course.campaign.experiments, course.kinds, strict=True):
            if one.status == status:
                lane = place.get(kind, place.get("others", 0.0))
                slots.setdefault((lane, int(one.number / width)), one.number)
        if slots:
            drawn += len(slots)
            marks.append(
                Points(x=[float(n) for n in slots.values()],
                       y=[lane + LIFTS[status] for lane, _ in slots],
                       look=look, name=name, size=8 if status == "keep" else 6,
                       opacity=1.0 if status == "keep" else 0.75)
            )  # fmt: skip
    total = len(course.kinds)
    thin = (f"Neighbours of one kind and outcome share a point ({drawn} points of {total}).",)
    chart = Chart(
        x=course.along(), y=lanes("kind of change", rows), marks=(*course.rules(), *marks)
    )
    return Picture(
        name="category_timeline",
        title="What was tried, in order",
        sentence=_timeline_sentence(course, counts),
        sheet=Sheet(charts=(chart,), height=150 + 27 * len(rows)),
        notes=thin if drawn < total else (),
    )


def _timeline_sentence(course: Course, counts: Counter[str]) -> str:
    kind, number = counts.most_common(1)[0]
    longest, stays, start = 0, "", 0
    for place in range(1, len(course.kinds) + 1):
        if place == len(course.kinds) or course.kinds[place] != course.kinds[start]:
            if place - start > longest and course.kinds[start] != UNKNOWN:
                longest, stays = place - start, course.kinds[start]
            start = place
    known = sum(counts.values())
    lead = (
        f"{words.count(len(counts), 'kind')} of change in {words.count(known, 'experiment')};"
        f" {named(kind)} most often ({number}), and {named(stays)} the longest without a break"
        f" ({words.count(longest, 'experiment')})"
    )
    rest = len(course.kinds) - known
    return f"{lead}; of {rest} the kind is not known." if rest else f"{lead}."


def category_shares(course: Course) -> Picture | None:
    """Return the shares of the kinds of change over windows; None with a kind or window only."""
    known = [
        (one.number, kind)
        for one, kind in zip(course.campaign.experiments, course.kinds, strict=True)
        if kind != UNKNOWN
    ]
    counts = Counter(kind for _, kind in known)
    windows = min(WINDOWS, len(known) // FEWEST)
    if len(counts) < 2 or windows < 2:
        return None
    rows = [kind for kind, _ in counts.most_common(SHARES)]
    rows += ["others"] if len(counts) > SHARES else []
    parts = np.array_split(np.arange(len(known)), windows)
    table = np.zeros((len(rows), windows))
    for column, part in enumerate(parts):
        for i in part:
            kind = known[i][1]
            table[rows.index(kind) if kind in rows else -1, column] += 1 / len(part)
    starts = [known[part[0]][0] for part in parts] + [known[-1][0] + 1]
    marks = []
    for row, look in enumerate(looks.series(len(rows))):
        ends = [f"{named(rows[row])}, {starts[i]} to {starts[i + 1] - 1}: {table[row, i]:.0%}"
                for i in range(windows)]  # fmt: skip
        marks.append(
            Bars(at=[i + 0.5 for i in range(windows)], length=table[row].tolist(),
                 base=table[:row].sum(axis=0).tolist(), look=look, name=named(rows[row]),
                 width=1.0, texts=ends)
        )  # fmt: skip
    step = max(windows // 8, 1)
    ticks = tuple((float(i), str(starts[i])) for i in range(0, windows + 1, step))
    along = axis("experiment with which a window begins", (0.0, float(windows)), margin=0.005)
    chart = Chart(
        x=replace(along, ticks=ticks, grid=False),
        y=axis("share of the changes", (0.0, 1.0), within=(0.0, 1.0), percent=True),
        marks=tuple(marks),
    )
    return Picture(
        name="category_shares",
        title="Shares of the kinds of change",
        sentence=_shares_sentence(rows, table, per=len(parts[0])),
        sheet=Sheet(charts=(chart,), height=420),
    )


def _shares_sentence(rows: list[str], table: Array, *, per: int) -> str:
    moved = table[:, -1] - table[:, 0]
    grew, fell = int(np.argmax(moved)), int(np.argmin(moved))
    lead = f"From the first window to the last, of about {per} changes each,"
    if moved[grew] <= 0:
        return f"{lead} the shares of the kinds stayed the same."
    return (
        f"{lead} {named(rows[grew])} grew most, from {table[grew, 0]:.0%} to"
        f" {table[grew, -1]:.0%}, and {named(rows[fell])} fell most, from {table[fell, 0]:.0%} to"
        f" {table[fell, -1]:.0%}."
    )
