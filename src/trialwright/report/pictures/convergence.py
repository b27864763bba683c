"""How the best result came along, with the law that describes it and its band."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trialwright.insight.convergence import JUMP, NAME, WORDS, Stretch, course_of
from trialwright.insight.fits import Fit
from trialwright.insight.measured import Measured
from trialwright.report import drawing
from trialwright.report.pictures import looks
from trialwright.report.pictures.chart import Axis, Band, Chart, Line, Mark, Sheet, axis
from trialwright.report.pictures.course import EPOCHS, Course
from trialwright.report.pictures.looks import Look
from trialwright.report.pictures.picture import Picture

__all__ = ["NAME", "convergence"]

PLACES = 160
"""Points of a fitted curve."""
FIT = Look(looks.BLUE, "dash", "square")
OWN = Look(looks.GREEN, "dot", "diamond")
"""Of one version of the code."""


def convergence(found: Measured, course: Course) -> Picture | None:
    """Return the running best with its law; None without a direction or a result.

    The law is the power law where it means something, else the one that AICc prefers. Where the
    code changed, each version of it has a law of its own, if it can be told.
    """
    went = course_of(course.campaign)
    if isinstance(went, str) or len(went.whole.best) < 2:
        return None
    whole = went.whole
    marks: list[Mark] = list(course.rules())
    fits: list[tuple[Stretch, Fit, Look, str]] = []
    law = whole.power or whole.leading
    if law is not None:
        fits.append((whole, law, FIT, _called(law, sign=whole.sign, refused=found.refused)))
    if len(went.stretches) <= EPOCHS:
        told = [(one, one.power) for one in went.stretches]
        fits += [(one, power, OWN, "power law of one version of the code")
                 for one, power in told if power is not None]  # fmt: skip
    for stretch, one, look, name in fits:
        marks += _fitted(stretch, one, look, name)
    best = _steps(whole)
    marks.append(best)
    low, high = drawing.window([float(y) for y in whole.best], keep=[float(whole.best[-1])])
    curves = [float(y) for mark in marks if isinstance(mark, Line) for y in mark.y]
    inside = [y for y in curves if low - (high - low) <= y <= high + (high - low)]
    jumps = [note for note in found.notes if f"within {JUMP} results" in note]
    chart = Chart(
        x=Axis(label="experiment (log scale)", low=0.9, high=max(course.last, 2) * 1.1, log=True),
        y=axis(course.metric, [low, high, *inside]),
        marks=tuple(marks),
    )
    return Picture(
        name="convergence", title=found.title, sentence=found.sentence,
        sheet=Sheet(charts=(chart,)), notes=tuple(jumps),
    )  # fmt: skip


def _called(law: Fit, *, sign: int, refused: bool) -> str:
    if law.law == "power":
        return f"a {'-' if sign > 0 else '+'} b N^-c, with the band that c leaves"
    return (
        f"{WORDS[law.law]}: of the laws tried, it describes it best" if refused else WORDS[law.law]
    )


def _steps(whole: Stretch) -> Line:
    changed = [0, *(np.flatnonzero(np.diff(whole.best)) + 1).tolist(), len(whole.best) - 1]
    return Line(
        x=[float(whole.start - 1 + whole.numbers[i]) for i in changed],
        y=[float(whole.best[i]) for i in changed],
        look=looks.LEADING, name="best so far", width=2.5, step=True,
    )  # fmt: skip


def _fitted(stretch: Stretch, law: Fit, look: Look, name: str) -> Sequence[Mark]:
    """The curve of a law over its own trials, and beneath it the band."""
    n = np.unique(np.geomspace(1, len(stretch.best), PLACES))
    x = (stretch.start - 1 + n).tolist()
    curve = Line(x=x, y=stretch.curve(law, n).tolist(), look=look, name=name)
    if not law.band_of:
        return [curve]
    low, high = stretch.band(law, n)
    return [Band(x=x, low=low.tolist(), high=high.tolist(), look=look), curve]
