"""Where claims stand: by code, from trials that came after they were written down.

A claim is `tentative` when what was compared points its way, `supported` when that would be seen in
at most one case of twenty if it were false, and `established` when it holds beside all the other
claims: at most a twentieth of what is established is false on average, however often and whenever
one looks. See docs/robustness.md for the method.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

from trialwright.analysis.evalues import above, accepted, share_above, student, weight_of
from trialwright.analysis.extents import bare, empty, ordered, said, whole
from trialwright.analysis.matching import Evidence, cells, evidence
from trialwright.analysis.noise import noise
from trialwright.analysis.rates import interval
from trialwright.errors import ExpressionError
from trialwright.expression import evaluate, names
from trialwright.history import Claimed, History
from trialwright.records import FAILURE, Claim, Extent
from trialwright.task import nearest

Status = Literal["open", "tentative", "supported", "established", "contradicted", "undecided"]
"""`open`: nothing was compared yet; `undecided`: what was compared points nowhere."""

ALPHA = 0.05
"""The share of established claims that may be false, on average."""

SEEDS = 2
"""Different seeds that established claims have behind them: one may be a freak."""

LONGEST = 400
"""Characters of a claim's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a claim stands, and by what."""

    number: int
    """From 0, in the order in which claims were written down."""
    claimed: Claimed
    status: Status
    comparisons: int
    """Backgrounds compared; of a rate, trials."""
    estimate: float | None
    """The mean of the comparisons, in the metric's unit; of a rate, the share of failed seeds."""
    evidence: float
    """The e-value for the claim; at least 20 is worth the word."""
    against: float
    """The e-value against it."""
    needed: float
    """The e-value from which on it is established, as things stand."""
    trials: tuple[int, ...]
    """Behind the comparisons."""
    sentence: str

    @property
    def claim(self) -> Claim:
        """What is claimed."""
        return self.claimed.claim


def standings(history: History) -> list[Standing]:
    """Return where every claim stands, in the order of writing."""
    known = history.memo.get("claims")
    if isinstance(known, tuple) and known[0] == history.sequence:
        return cast("list[Standing]", list(known[1]))
    seen = [evidence(history, claimed) for claimed in history.claims]
    weighed = [
        _weighed(claimed.claim, shown, history)
        for claimed, shown in zip(history.claims, seen, strict=True)
    ]
    eligible = [
        pro if len(shown.seeds) >= SEEDS else 0.0
        for (pro, _), shown in zip(weighed, seen, strict=True)
    ]
    taken = accepted(eligible, alpha=ALPHA)
    found = [
        _standing(history, number, seen[number], weighed[number], taken=taken)
        for number in range(len(seen))
    ]
    history.memo["claims"] = (history.sequence, tuple(found))
    return found


def faults(claim: Claim, history: History) -> tuple[str, ...]:
    """Say why a claim can't be tested, and what to do; () if it can."""
    unknown = [
        e.parameter for e in (*claim.region, *claim.contrast) if e.parameter not in history.space
    ]
    if unknown:
        name, known = unknown[0], history.space.names
        return (f"{name} is no parameter{nearest(name, known)}; there are {', '.join(known)}",)
    found = [*_shape(claim), *_extents(claim, history), *_where(claim, history)]
    found += _measure(claim, history)
    if not claim.text.strip() or len(claim.text) > LONGEST:
        found.append(f"a claim says in 1 to {LONGEST} characters what it holds to be true")
    if not found:
        found += _twice(claim, history)
    return tuple(found)


def contradicting(claim: Claim) -> str:
    """Say which later trials could contradict a claim."""
    where = f", where {claim.where}" if claim.where else ""
    within = [said(extent) for extent in claim.region]
    if claim.what == "rate":
        return f"trials with {' and '.join(within)}, over several seeds{where}"
    others = {one.parameter: one for one in claim.contrast}
    beyond = [_other(extent, others.get(extent.parameter)) for extent in claim.region]
    if claim.what == "interaction":
        return (
            f"trials alike but for these: {within[0]} and {within[1]}, {within[0]} alone, and"
            f" {within[1]} alone{where}"
        )
    return (
        f"pairs of trials alike but for one thing: one with {' and '.join(within)}, one with"
        f" {' or '.join(beyond)}{where}"
    )


def statement(claim: Claim, metric: str) -> str:
    """Say in words what is tested of a claim; `metric` is the objective's."""
    within = " and ".join(said(extent) for extent in claim.region)
    name = claim.metric or metric
    measure = "the share of seeds that fail" if name == FAILURE else name
    least = f" by more than {claim.threshold:g}" if claim.threshold else ""
    match claim.what:
        case "rate":
            more = "more" if claim.sense == "higher" else "fewer"
            text = f"with {within}, {more} than {claim.threshold or 0:.0%} of the seeds fail"
        case "no_effect":
            text = f"{claim.region[0].parameter} moves {measure} by less than {claim.threshold:g}"
        case "direction":
            name = claim.region[0].parameter
            text = f"larger {name} makes {measure} {claim.sense}{least}"
        case "interaction":
            text = f"{within} together make {measure} {claim.sense}{least}, beyond what each does"
        case _:
            text = f"{measure} is {claim.sense}{least} with {within} than without"
    return f"{text}, where {claim.where}" if claim.where else text


# -- what can't be tested


def _shape(claim: Claim) -> list[str]:
    count, found = len(claim.region), []
    names_ = [extent.parameter for extent in claim.region]
    if len(set(names_)) < count:
        found.append("one parameter stands twice in the region: give it one extent")
    needed = {"direction": (1, 1), "no_effect": (1, 1), "interaction": (2, 2)}
    low, high = needed.get(claim.what, (1, 4))
    if not low <= count <= high:
        found.append(
            f"{claim.what} is about {low if low == high else f'{low} to {high}'} parameters,"
            f" not {count}: name them in the region"
        )
    stray = {e.parameter for e in claim.contrast} - set(names_)
    if stray:
        found.append(f"the contrast names {', '.join(sorted(stray))}, which the region does not")
    threshold = claim.threshold
    if threshold is not None and not (math.isfinite(threshold) and threshold >= 0):
        found.append(f"a threshold is a number from 0 on; {threshold} is none")
    if claim.what == "no_effect" and not threshold:
        found.append("say below which threshold an effect counts as none, in the metric's unit")
    if claim.what == "rate" and (threshold is None or not 0 < threshold < 1):
        found.append("say which share of seeds as the threshold, between 0 and 1")
    return found


def _extents(claim: Claim, history: History) -> list[str]:
    found = []
    for extent in claim.region:
        parameter = history.space[extent.parameter]
        simple = bare(extent)
        if simple and claim.what in ("direction", "no_effect") and ordered(parameter):
            if len({parameter.from_unit(0.0), parameter.from_unit(1.0)}) < 2:
                found.append(
                    f"{extent.parameter} has one value: nothing could contradict the claim"
                )
            continue
        if simple:
            found.append(
                f"say which values of {extent.parameter}: its domain is {parameter.allowed}"
            )
        elif extent.values and (extent.low, extent.high) != (None, None):
            found.append(f"{extent.parameter}: give a range or single values, not both")
        elif empty(extent, parameter):
            found.append(f"{said(extent)} holds no value of {parameter.allowed}")
        elif whole(extent, parameter) and claim.what != "rate":
            found.append(
                f"{said(extent)} is all of {parameter.allowed}: nothing could contradict the"
                " claim; name a part of it"
            )
    return found + _contrasts(claim, history)


def _contrasts(claim: Claim, history: History) -> list[str]:
    regions = {extent.parameter: extent for extent in claim.region}
    found = []
    for contrast in claim.contrast:
        parameter = history.space[contrast.parameter]
        region = regions.get(contrast.parameter)
        if bare(contrast) or empty(contrast, parameter):
            found.append(f"{said(contrast)} holds no value of {parameter.allowed}")
        elif region == contrast:
            found.append(f"{said(contrast)} is held against itself: name other values")
    return found


def _where(claim: Claim, history: History) -> list[str]:
    if not claim.where:
        return []
    try:
        mentioned = names(claim.where)
        evaluate(claim.where, history.space.complete({}))
    except ExpressionError as error:
        unknown = [n for n in _mentioned(claim.where) if n not in history.space]
        if unknown or "inactive" not in str(error):
            return [f"where: {error}"]
        return []
    unknown = [name for name in mentioned if name not in history.space]
    return [f"where: {', '.join(unknown)} is no parameter"] if unknown else []


def _mentioned(where: str) -> Sequence[str]:
    try:
        return sorted(names(where))
    except ExpressionError:
        return []


def _measure(claim: Claim, history: History) -> list[str]:
    task = history.task
    metric = claim.metric or task.objective.metric
    if claim.what == "rate":
        if claim.metric not in ("", FAILURE):
            return [f"a rate is of seeds that fail: leave the metric out, or say {FAILURE}"]
        return []
    if metric in (FAILURE, task.objective.metric):
        over = metric == FAILURE and claim.threshold is not None and claim.threshold >= 1
        return ["the threshold is a share of seeds, below 1"] if over else []
    if metric == task.heldout:
        return [f"{metric} is held out: nobody is shown it before the study is over"]
    last = history.done()[-1:]
    known = sorted({name for trial in last for name in trial.measures})
    if known and metric not in known:
        return [f"{metric} is no metric that runs report{nearest(metric, known)}"]
    return []


def _twice(claim: Claim, history: History) -> list[str]:
    number = same(claim, history)
    if number is None:
        return []
    return [f"claim {number} says the same already: its trials count for both"]


def same(claim: Claim, history: History) -> int | None:
    """Return the number of the claim that is tested alike, if there is one."""
    for number, claimed in enumerate(history.claims):
        one = claimed.claim
        if replace(claim, by=one.by, text=one.text) == one:
            return number
    return None


# -- what was seen


def _weighed(claim: Claim, shown: Evidence, history: History) -> tuple[float, float]:
    """The e-values for a claim and against it."""
    sign = 1.0 if claim.sense == "higher" else -1.0
    bound = claim.threshold or 0.0
    columns = [list(column) for column in zip(*shown.units, strict=True)]
    if not columns:
        return 1.0, 1.0
    if claim.what == "rate":
        return _sides(columns[0], sign, sign * bound, low=0.0, high=1.0)
    if claim.metric == FAILURE:
        pairs = [_sides(column, sign, bound, low=-1.0, high=1.0) for column in columns]
        if claim.what == "no_effect":
            return _within(columns[0], bound, low=-1.0, high=1.0)
        return min(p for p, _ in pairs), math.fsum(c for _, c in pairs) / len(pairs)
    floor = _floor(claim, history)
    values = [sign * value for value in columns[0]]
    if claim.what == "no_effect":
        mirrored = [-value for value in values]
        inside = min(above(values, -bound, floor=floor), above(mirrored, -bound, floor=floor))
        beyond = (above(values, bound, floor=floor) + above(mirrored, bound, floor=floor)) / 2
        return inside, beyond
    return above(values, bound, floor=floor), above([-v for v in values], -bound, floor=floor)


def _sides(
    values: Sequence[float], sign: float, bound: float, *, low: float, high: float
) -> tuple[float, float]:
    """The e-values of a bounded mean lying beyond `bound` the way of `sign`, and of its not."""
    ends = (low, high) if sign > 0 else (-high, -low)
    turned = [sign * value for value in values]
    back = [-value for value in turned]
    return (
        share_above(turned, bound, low=ends[0], high=ends[1]),
        share_above(back, -bound, low=-ends[1], high=-ends[0]),
    )


def _within(
    values: Sequence[float], bound: float, *, low: float, high: float
) -> tuple[float, float]:
    back = [-value for value in values]
    inside = [share_above(one, -bound, low=low, high=high) for one in (values, back)]
    beyond = [share_above(one, bound, low=low, high=high) for one in (values, back)]
    return min(inside), math.fsum(beyond) / 2


def _floor(claim: Claim, history: History) -> float:
    """The least deviation of one comparison: half of what the study's noise would make of it.

    Half, since the estimate of the noise is uncertain itself, and failures may have swollen it.
    """
    if claim.metric not in ("", history.task.objective.metric):
        return 0.0
    known = noise(history)
    seeds = max(history.task.seeds.screen, 1)
    return known.sd / 2 * math.sqrt(len(cells(claim)) / seeds) if known else 0.0


def _adjusted(claim: Claim, shown: Evidence) -> float:
    """The e-value of what a regression makes of trials without a match."""
    if shown.adjusted is None:
        return 1.0
    difference, error, free = shown.adjusted
    gain = (1 if claim.sense == "higher" else -1) * difference - (claim.threshold or 0.0)
    return student(gain / max(error, 1e-12), degrees=free, weight=shown.weight)


def _standing(
    history: History,
    number: int,
    shown: Evidence,
    weighed: tuple[float, float],
    *,
    taken: frozenset[int],
) -> Standing:
    claimed = history.claims[number]
    claim = claimed.claim
    pro, contra = weighed
    estimate = _estimate(claim, shown)
    others = len(taken | {number})
    status = _status(claim, shown, weighed, established=number in taken)
    return Standing(
        number=number,
        claimed=claimed,
        status=status,
        comparisons=len(shown.units),
        estimate=estimate,
        evidence=pro,
        against=contra,
        needed=1 / (ALPHA * weight_of(number) * others),
        trials=tuple(sorted(set(shown.trials))),
        sentence=_sentence(claim, shown, status),
    )


def _status(
    claim: Claim, shown: Evidence, weighed: tuple[float, float], *, established: bool
) -> Status:
    pro, contra = weighed
    adjusted = _adjusted(claim, shown)
    if contra >= 1 / ALPHA:
        return "contradicted"
    if established:
        return "established"
    if pro >= 1 / ALPHA or (adjusted >= 1 / ALPHA and contra <= 1):
        return "supported"
    estimate = _estimate(claim, shown)
    if estimate is None and shown.adjusted is None:
        return "open"
    if estimate is None:
        return "tentative" if adjusted > 1 else "undecided"
    return "tentative" if _as_claimed(claim, estimate) else "undecided"


def _estimate(claim: Claim, shown: Evidence) -> float | None:
    """The mean of the comparisons; of a failing interaction, of the lesser difference."""
    if not shown.units:
        return None
    means = [math.fsum(column) / len(column) for column in zip(*shown.units, strict=True)]
    return min(means) if claim.sense == "higher" else max(means)


def _as_claimed(claim: Claim, estimate: float) -> bool:
    bound = claim.threshold or 0.0
    if claim.what == "no_effect":
        return abs(estimate) < bound
    if claim.what == "rate":
        return estimate > bound if claim.sense == "higher" else estimate < bound
    return (estimate if claim.sense == "higher" else -estimate) > bound


def _sentence(claim: Claim, shown: Evidence, status: Status) -> str:
    """Say what later trials showed."""
    if not shown.units:
        if shown.adjusted is not None:
            difference, error, _ = shown.adjusted
            return (
                f"no trials differ in this alone; adjusted for the rest, {difference:+.3g}"
                f" (standard error {error:.2g})"
            )
        return f"nothing compared yet; it takes {contradicting(claim)}"
    if claim.what == "rate":
        bad, total = shown.failures
        low, high = interval(bad, total)
        share = f"{bad / total:.0%}; exact 95 %: {low:.0%} to {high:.0%}"
        return f"{bad} of {total} seeds failed ({share})"
    estimate = _estimate(claim, shown) or 0.0
    unit = f"{estimate:+.0%} of the seeds" if claim.metric == FAILURE else f"{estimate:+.3g}"
    count, seeds = len(shown.units), len(shown.seeds)
    each = "" if seeds == 1 else "s"
    text = f"{unit} over {count} matched comparison{'' if count == 1 else 's'}, {seeds} seed{each}"
    if shown.left_out:
        text += f"; {shown.left_out} left out, since a side failed"
    if status == "supported" and seeds < SEEDS:
        text += "; a second seed is needed to establish it"
    return text


def _other(extent: Extent, contrast: Extent | None) -> str:
    if contrast is not None:
        return said(contrast)
    if bare(extent):
        return f"{extent.parameter} in the lower half"
    return f"another {extent.parameter}"
