"""How the running best came along: a - b N^-c, what else describes it, jumps where code changed.

arXiv 2603.15916 fits the best so far of N experiments with a - b N^-c and reports c = 0.11 with
R2 = 0.93. Any curve that rises and flattens gives a high R2: a fit whose c goes to 0, or whose
limit no such metric can have, says nothing of where the search would go, and is refused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from trialwright.campaigns.campaign import Campaign, Experiment
from trialwright.insight.factors import strata_of, with_result
from trialwright.insight.fits import PARAMETERS, Fit, Interval, fit, steps_of
from trialwright.insight.measured import Cell, Measured, Table
from trialwright.insight.telling import count, percent
from trialwright.knowledge.base import metric_facts

Array = NDArray[np.float64]

NAME, TITLE = "convergence", "How the best result came along"
FEWEST, FEWEST_STEPS = 20, 7
"""Trials, and values of the running best, below which no law is fitted: three parameters and the
noise take four, and AICc needs more than five."""
JUMP = 5
"""Results after a change of the code within which a gain is its jump."""
BETTER = 2.0
"""AICc lower by more is better, not just as good (Burnham and Anderson 2004)."""
WORDS = {
    "power": "a power law",
    "logarithm": "a straight line in log N",
    "exponential": "an exponential",
    "constant": "a constant",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """The running best of one version of the code, or of all trials."""

    epoch: str
    """'' for all trials."""
    sign: int
    """1 if larger is better, else -1: the fits are of sign x metric."""
    start: int
    """The place of its first result in the campaign, from 1."""
    numbers: Array
    """Trials since its start, from 1, shape (n,)."""
    best: Array
    """The best of them so far, in the metric's own units, shape (n,)."""
    laws: tuple[Fit, ...] = ()
    """The power law with its limit inside the metric's range first; () if none was fitted."""
    free: Fit | None = None
    """The power law with any limit."""
    why: str = ""
    """Why the power law can't be told; '' if it can."""
    before: float | None = None
    """The best result before it began."""
    jump: float | None = None
    """How much better its first `JUMP` results were, 0 if they were not."""

    @property
    def steps(self) -> int:
        """How many values the running best takes."""
        return steps_of(self.best)

    @property
    def power(self) -> Fit | None:
        """The power law, None if it can't be told."""
        return None if self.why or not self.laws else self.laws[0]

    @property
    def leading(self) -> Fit | None:
        """The law that AICc prefers, of those that can be told."""
        told = [
            law for law in self.laws
            if not (law.flat or law.at_bound or (law.law == "power" and self.why))
        ]  # fmt: skip
        return min(told, key=lambda law: law.aicc, default=None)

    def curve(self, law: Fit, n: Array) -> Array:
        """Return a law's values in the metric's units, for drawing."""
        return self.sign * law.at(n)

    def band(self, law: Fit, n: Array) -> tuple[Array, Array]:
        """Return the band of a law in the metric's units, for drawing."""
        ends = law.band(n)
        return (ends[0], ends[1]) if self.sign > 0 else (-ends[1], -ends[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The running best of a campaign, and of each version of the code."""

    whole: Stretch
    stretches: tuple[Stretch, ...]
    """One for each version of the code, in order; () where there is one only."""
    bound: float
    """What the metric can be at its best; infinite where nothing is known."""
    bound_from: str

    @property
    def jumps(self) -> float | None:
        """The share of the whole gain that came within `JUMP` results of a change of the code."""
        gain = abs(float(self.whole.best[-1] - self.whole.best[0]))
        if not self.stretches or gain == 0:
            return None
        return math.fsum(one.jump or 0.0 for one in self.stretches) / gain


def course_of(campaign: Campaign) -> Course | str:
    """Return the course of a campaign's running best, or why there is none."""
    if campaign.direction is None:
        return f"It is not known whether more or less of {campaign.metric} is better."
    experiments = campaign.experiments
    first = next((place for place, one in enumerate(experiments) if with_result([one])), None)
    if first is None:
        return "No experiment has a result."
    sign = 1 if campaign.direction == "maximize" else -1
    bound, source = bound_of(campaign)
    whole = _stretch(experiments[first:], sign=sign, bound=bound, start=first + 1)
    return Course(
        whole=whole,
        stretches=_stretches(experiments, sign=sign, bound=bound),
        bound=bound,
        bound_from=source,
    )


def _stretches(
    experiments: Sequence[Experiment], *, sign: int, bound: float
) -> tuple[Stretch, ...]:
    runs = [list(run) for _, run in groupby(enumerate(experiments), key=lambda at: _epoch(at[1]))]
    found: list[Stretch] = []
    for run in runs if len(runs) > 1 else []:
        own = [one for _, one in run]
        skipped = next((n for n, one in enumerate(own) if with_result([one])), None)
        if skipped is None:
            continue
        stretch = _stretch(own[skipped:], sign=sign, bound=bound, start=run[skipped][0] + 1)
        before = _best(experiments[: run[0][0]], sign)
        early = _best(with_result(own)[:JUMP], sign)
        assert early is not None
        jump = None if before is None else max(sign * (early - before), 0.0)
        found.append(replace(stretch, epoch=_epoch(own[0]), before=before, jump=jump))
    return tuple(found)


def _epoch(one: Experiment) -> str:
    return one.extra.get("epoch", "")


def _best(experiments: Sequence[Experiment], sign: int) -> float | None:
    values = [one.metric for one in with_result(experiments) if one.metric is not None]
    return sign * max(sign * value for value in values) if values else None


def bound_of(campaign: Campaign) -> tuple[float, str]:
    """Return the best that a campaign's metric can be, and how that is known.

    A share is at most 1, or 100 where results are in percent; a loss is not below 0. Of a metric
    of which nothing is known the bound is infinite.
    """
    values = [one.metric for one in with_result(campaign.experiments) if one.metric is not None]
    name = _spoken(campaign)
    facts = metric_facts(name)
    low, high = facts.low, facts.high
    if high == 1 and values and 1 < max(values) <= 100:
        high = 100.0
    end = low if campaign.direction == "minimize" else high
    side = "below" if campaign.direction == "minimize" else "above"
    if end is None:
        return math.inf, f"Nothing says what {name} can be at its best: the limit a is not bounded."
    if any((value < end if side == "below" else value > end) for value in values):
        return math.inf, f"Some results lie {side} {end:g}: the limit a is not bounded."
    return float(end), f"{name} is never {side} {end:g}: nor is the limit a."


def _spoken(campaign: Campaign) -> str:
    """The metric's name, or what the log says that its metric is."""
    for key in ("primary_metric", "metric", "metric_name"):
        said = {(one.configuration or {}).get(key) for one in campaign.experiments}
        said |= {one.extra.get(key) for one in campaign.experiments}
        said -= {None}
        if len(said) == 1:
            return str(said.pop())
    return campaign.metric


def _stretch(experiments: Sequence[Experiment], *, sign: int, bound: float, start: int) -> Stretch:
    """The running best of experiments, the first of which has a result."""
    gains = np.array([sign * one.metric if one.metric is not None and one.status != "crash"
                      else -math.inf for one in experiments])  # fmt: skip
    best = np.maximum.accumulate(gains)
    numbers = np.arange(1.0, len(best) + 1)
    laws, free, why = _laws(numbers, best, bound=sign * bound if math.isfinite(bound) else math.inf)
    return Stretch(
        epoch="", sign=sign, start=start, numbers=numbers, best=sign * best, laws=laws, free=free,
        why=why,
    )  # fmt: skip


def _laws(n: Array, best: Array, *, bound: float) -> tuple[tuple[Fit, ...], Fit | None, str]:
    """Every law, the power law with any limit, and why the power law can't be told."""
    steps = steps_of(best)
    if len(n) < FEWEST:
        return (
            (),
            None,
            f"{count(len(n), 'trial is', 'trials are')} too few: at least {FEWEST} are needed",
        )
    if steps < FEWEST_STEPS:
        return (), None, (
            f"the running best takes {count(steps, 'value')}: at least {FEWEST_STEPS} are needed"
        )  # fmt: skip
    free = fit("power", n, best)
    laws = tuple(fit(law, n, best, bound=bound) for law in PARAMETERS)
    return laws, free, _doubt(free, laws[0])


def _doubt(free: Fit, bounded: Fit) -> str:
    """Why a power law says nothing, though it can be fitted; '' if it does."""
    reasons = []
    if free.flat:
        reasons.append(f"c goes to 0 ({free.c:.4f})")
    elif bounded.c_interval[0] is None and not bounded.at_bound:
        reasons.append(f"c ({bounded.c:.3g}) can't be told from 0")
    if bounded.at_bound:
        reasons.append("its limit leaves the range of the metric")
    return " and ".join(reasons)


def convergence(campaign: Campaign) -> Measured:
    """Return how the running best came along: a - b N^-c, with intervals, or why not.

    The limit a is inside what the metric can be; intervals come from the profile likelihood, with
    the steps of the running best as observations; other laws are compared by AICc. Where the code
    changed, each version has a row of its own, and what its first results gained on all before.
    """
    course = course_of(campaign)
    if isinstance(course, str):
        return Measured(name=NAME, title=TITLE, sentence=course, refused=True)
    whole = course.whole
    rows = [_row(whole, "all"), *(_row(one, one.epoch) for one in course.stretches)]
    return Measured(
        name=NAME,
        title=TITLE,
        sentence=_sentence(whole, campaign.metric),
        values=_values(course),
        table=Table(columns=_COLUMNS, rows=tuple(rows)),
        notes=_notes(course, campaign),
        refused=whole.power is None,
    )


def _sentence(whole: Stretch, metric: str) -> str:
    over = f"over {count(len(whole.best), 'trial')}"
    way = (
        f"The best {metric} went from {whole.best[0]:.4g} to {whole.best[-1]:.4g} {over} in"
        f" {count(whole.steps - 1, 'improvement')}"
        if whole.steps > 1 else f"The best {metric} stayed at {whole.best[-1]:.4g} {over}"
    )  # fmt: skip
    law = whole.power
    if law is None:
        fitted = f", though R2 is {whole.free.r2:.2f}" if whole.free else ""
        return f"{way}; a power law of it means nothing{fitted}: {whole.why}."
    limit, sign = _in_units(law.a, whole.sign), "-" if whole.sign > 0 else "+"
    told = (
        f"{way}; as a power law it is {limit:.4g} {sign} {law.b:.3g} N^-{law.c:.2g}"
        f" (c {_shown(law.c_interval)}, limit {_shown(_turned(law.a_interval, whole.sign))},"
        f" R2 {law.r2:.2f})"
    )
    leading = whole.leading
    if leading is None or leading.law == "power" or leading.aicc > law.aicc - BETTER:
        return f"{told}."
    return f"{told}, but {WORDS[leading.law]} describes it better ({_lead(law, leading)})."


def _lead(law: Fit, leading: Fit) -> str:
    if not math.isfinite(law.aicc):
        return "it has too few steps for more"
    return f"AICc lower by {law.aicc - leading.aicc:.1f}"


def _in_units(value: float, sign: int) -> float:
    return sign * value


def _turned(ends: Interval, sign: int) -> Interval:
    """An interval of the turned metric in the metric's own units."""
    low, high = ends
    if sign > 0:
        return low, high
    return None if high is None else -high + 0.0, None if low is None else -low + 0.0


def _shown(ends: Interval) -> str:
    low, high = ends
    if low is None or high is None:
        return "open" if low is high else f"from {low:.3g}" if high is None else f"up to {high:.3g}"
    return f"{low:.3g} to {high:.3g}"


_COLUMNS = (
    "epoch", "start", "n", "steps", "first", "last", "before", "jump", "law", "a", "a_low",
    "a_high", "b", "b_low", "b_high", "c", "c_low", "c_high", "r2", "aicc", "why_not",
)  # fmt: skip


def _row(one: Stretch, epoch: str) -> tuple[Cell, ...]:
    """One version of the code, with the law that leads there."""
    told = one.power or one.leading
    start: tuple[Cell, ...] = (
        epoch, one.start, len(one.best), one.steps, float(one.best[0]), float(one.best[-1]),
        one.before, one.jump,
    )  # fmt: skip
    if told is None:
        return (*start, *[None] * 12, one.why)
    figures = (
        (_in_units(told.a, one.sign), *_turned(told.a_interval, one.sign)),
        (told.b, *told.b_interval),
        (told.c, *told.c_interval),
    )
    aicc = told.aicc if math.isfinite(told.aicc) else None
    return (*start, told.law, *(cell for part in figures for cell in part), told.r2, aicc, one.why)


def _values(course: Course) -> dict[str, Cell]:
    whole = course.whole
    values: dict[str, Cell] = {
        "n": len(whole.best),
        "steps": whole.steps,
        "first": float(whole.best[0]),
        "last": float(whole.best[-1]),
        "bound": course.bound,
        "jump_share": course.jumps,
    }
    if whole.free is not None:
        values |= {
            "free_a": _in_units(whole.free.a, whole.sign),
            "free_b": whole.free.b,
            "free_c": whole.free.c,
            "free_r2": whole.free.r2,
        }
    for law in whole.laws:
        values |= {f"{law.law}_r2": law.r2, f"{law.law}_aicc": law.aicc}
    if whole.leading is not None:
        values["leading"] = whole.leading.law
    if whole.power is not None:
        law = whole.power
        low, high = _turned(law.a_interval, whole.sign)
        values |= {"a": _in_units(law.a, whole.sign), "a_low": low, "a_high": high}
        values |= {"b": law.b, "b_low": law.b_interval[0], "b_high": law.b_interval[1]}
        values |= {"c": law.c, "c_low": law.c_interval[0], "c_high": law.c_interval[1]}
    return values


def _first(n: int) -> str:
    return "result" if n == 1 else f"{n} results"


def _notes(course: Course, campaign: Campaign) -> tuple[str, ...]:
    notes = [course.bound_from] if course.whole.laws else []
    strata = strata_of(with_result(campaign.experiments))
    tasks = [key for key in strata.by if key != "epoch"]
    if tasks:
        notes.append(
            f"The curve runs over results of different {tasks[0]}, which are not one sample."
        )
    notes += [
        f"From trial {one.start} on the code is {one.epoch or 'another'}: its first"
        f" {_first(min(JUMP, len(one.best)))} gained {one.jump:.3g} on all before."
        for one in course.stretches
        if one.jump
    ]
    if course.jumps is not None:
        notes.append(
            f"{percent(course.jumps)} of the whole gain came within {JUMP} results of a change of"
            " the code: trials before and after one are not one sample."
        )
    if course.whole.power is not None:
        notes.append(
            f"Intervals are the profile likelihood's, with the {course.whole.steps} values that the"
            " running best takes as observations; the curve is one path, not an average."
        )
    return tuple(notes)
