"""What the variance goes to, and which settings went along with the results."""

from __future__ import annotations

import math
from collections.abc import Sequence

from trialwright.insight.measured import Cell, Measured
from trialwright.insight.variance import Share
from trialwright.report import words
from trialwright.report.pictures import looks
from trialwright.report.pictures.chart import Axis, Bars, Chart, Mark, Sheet, lanes, named
from trialwright.report.pictures.course import Course
from trialwright.report.pictures.looks import Look
from trialwright.report.pictures.picture import Picture
from trialwright.report.pictures.settings import Setting, explained

FACTORS = 8
"""Factors with bars of their own."""
SETTINGS = 14
"""Settings with a bar."""
CHANCE = 0.05
"""Probability that any setting without influence is drawn as told."""


def variance_shares(found: Measured) -> Picture | None:
    """Return each factor's share of the variance, pooled and within tasks and code epochs."""
    if found.refused or found.table is None:
        return None
    rows = [row for row in found.table.records if _scope(row) != "stratum"]
    factors = list(dict.fromkeys(str(row["factor"]) for row in rows))[:FACTORS]
    scopes = [scope for scope in ("pooled", "within") if any(_scope(row) == scope for row in rows)]
    marks: list[Mark] = []
    both = len(scopes) > 1
    for place, scope in enumerate(scopes):
        own = {str(row["factor"]): row for row in rows if _scope(row) == scope}
        chosen = [(i, own[factor]) for i, factor in enumerate(factors) if factor in own]
        shift = (0.2 - 0.4 * place) if both else 0.0
        by = next(str(row["scope"]) for row in own.values())
        name = (
            ("all results pooled" if scope == "pooled" else by) if both else "share of the variance"
        )
        marks.append(
            Bars(
                at=[shift - i for i, _ in chosen],
                length=[_number(row["eta2"]) for _, row in chosen],
                low=[_number(row["low"]) for _, row in chosen],
                high=[_number(row["high"]) for _, row in chosen],
                look=(looks.SERIES[0], looks.SERIES[1])[place],
                lying=True, width=0.36 if both else 0.6, name=name,
                texts=[f"{row['factor']} ({row['scope']}): {_number(row['eta2']):.1%},"
                       f" {_number(row['low']):.1%} to {_number(row['high']):.1%}"
                       for _, row in chosen],
            )
        )  # fmt: skip
    ends = "bars: eta squared, and the 95 % interval of the share"
    chart = Chart(
        x=Axis(label=f"share of the variance ({ends})", low=0.0, high=1.0, percent=True),
        y=lanes("", factors),
        marks=tuple(marks),
    )
    rest = len({str(row["factor"]) for row in rows}) - len(factors)
    return Picture(
        name=found.name, title=found.title, sentence=found.sentence,
        sheet=Sheet(charts=(chart,), height=130 + 44 * len(factors)),
        notes=(*found.notes[:1], *((f"{rest} further factors are not drawn.",) if rest else ())),
    )  # fmt: skip


def _scope(row: dict[str, Cell]) -> str:
    """What of the campaign a row is about: all of it, within its parts, or one part."""
    scope = str(row["scope"])
    if scope in ("all", "pooled"):
        return "pooled"
    return "within" if scope.startswith("within ") else "stratum"


def _number(cell: Cell) -> float:
    return float(cell) if isinstance(cell, int | float) else math.nan


def influence(course: Course, settings: Sequence[Setting]) -> Picture | None:
    """Return what share of the results' ranks each setting goes along with, taken by itself.

    Omega squared of the ranks over the setting's values, or groups of them, with the noncentral F's
    interval of the share (`insight.variance`). Settings that were tried together share what they
    explain: this ranks suspects, it shows no effects.
    """
    told = [(one, share) for one in settings if (share := explained(one, course)) is not None]
    told = told[:SETTINGS]
    if len(told) < 2:
        return None
    sure = [share.p < CHANCE / len(told) for _, share in told]
    marks: list[Mark] = []
    for wanted, look, name in (
        (True, looks.KEPT, "beyond chance"),
        (False, Look(looks.PALE, hatch="/"), "can't be told from chance"),
    ):
        chosen = [i for i in range(len(told)) if sure[i] == wanted]
        if chosen:
            shares = [told[i][1] for i in chosen]
            marks.append(
                Bars(at=[-float(i) for i in chosen], length=[max(s.omega2, 0.0) for s in shares],
                     low=[s.low for s in shares], high=[s.high for s in shares], look=look,
                     lying=True, width=0.62, name=name)
            )  # fmt: skip
    top = max(share.high for _, share in told)
    chart = Chart(
        x=Axis(label="share of the variance of the results' ranks, alone (bars: 95 % interval)",
               low=0.0, high=min(1.02, max(1.08 * top, 0.05)), percent=True),
        y=lanes("", [_short(one) for one, _ in told]),
        marks=tuple(marks),
    )  # fmt: skip
    return Picture(
        name="influence", title="Which settings went along with the results",
        sentence=_influence_sentence(told, sure, course),
        sheet=Sheet(charts=(chart,), height=130 + 27 * len(told)),
    )  # fmt: skip


def _short(setting: Setting) -> str:
    return named(setting.name.rsplit(".", 1)[-1], most=22)


def _influence_sentence(told: list[tuple[Setting, Share]], sure: list[bool], course: Course) -> str:
    count = words.count(len(course.results), "result")
    known = [
        f"{_short(one)} ({share.low:.0%} to {share.high:.0%})"
        for (one, share), passed in zip(told, sure, strict=True)
        if passed
    ]
    if not known:
        return f"Over {count}, no setting's influence can be told from chance."
    rest = len(told) - len(known)
    tail = f"; {rest} more can't be told from chance" if rest else ""
    return f"Over {count}, these went along with the results: {words.listed(known, most=4)}{tail}."
