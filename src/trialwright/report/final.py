"""The final analysis: what was best and why, what mattered, what failed, what to do next.

Written from statistics alone, at any stage of a study; it never says more than the runs show. It
makes records of numbers and sentences; how they look is the renderers' business.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from trialwright.analysis.compare import (
    Comparison,
    HypothesisStatus,
    compare,
    hypothesis_status,
    yardstick,
)
from trialwright.analysis.importance import Influence, importance
from trialwright.expression import Scalar
from trialwright.history import History, Trial
from trialwright.records import Interval
from trialwright.report import counting, seeds, words
from trialwright.report.advice import Advice, advice
from trialwright.report.failures import FailureGroup, failures
from trialwright.report.words import Change

FEWEST = 5
"""Predictions below which nothing is said of how wide they were."""

TELLING = 0.2
"""Width of a coverage's interval up to which being in keeping with a claim says something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BestTrial:
    """The best trial, and why it came about."""

    number: int
    by: str
    value: float
    values: tuple[float, ...]
    """Of each seed that is done."""
    configuration: Mapping[str, Scalar]
    rationale: str
    reasons: Mapping[str, str]
    """Of every value: its own, else that of the trial from which it was taken over."""
    parent: int | None
    from_parent: tuple[Change, ...]
    first: int
    """The first trial with a value under the same code."""
    from_first: tuple[Change, ...]
    claim: str
    """Of its hypothesis; '' if it has none."""
    hypothesis: HypothesisStatus | None
    yardstick: str
    """What decides it; '' where that is not a measured difference."""
    verdict: str
    diagnosis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """The best trial against the first one."""

    first: int
    difference: float
    """Over the seeds that both have; positive means better."""
    seeds: int
    probability: float | None
    """That the gain is real; None without an estimate of the noise."""
    seeds_needed: int | None
    confirmed: bool
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How often results fell into the intervals predicted for them."""

    inside: int
    total: int
    level: float
    """That was claimed, on average."""
    sentence: str
    width: str = ""
    """How wide the intervals were, in a sentence; '' of few results."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalAnalysis:
    """All that a reader wants to know first."""

    headline: str
    best: BestTrial | None
    gain: Gain | None
    influences: tuple[Influence, ...]
    failures: tuple[FailureGroup, ...]
    advice: tuple[Advice, ...]
    calibration: Calibration | None
    hypotheses: Mapping[HypothesisStatus, int]
    """How many hypotheses stand where."""
    warnings: tuple[str, ...]


def final_analysis(history: History) -> FinalAnalysis:
    """Analyse a study as it stands, whether it is finished, going on, or has no result yet."""
    trial = history.best()
    gain = _gain(trial, history) if trial else None
    influences = tuple(importance(history))
    groups = failures(history)
    return FinalAnalysis(
        headline=_headline(history, gain),
        best=_best(trial, history) if trial else None,
        gain=gain,
        influences=influences,
        failures=groups,
        advice=advice(history, influences, groups),
        calibration=calibration(history),
        hypotheses=_hypotheses(history),
        warnings=counting.warnings(history),
    )


def calibration(history: History) -> Calibration | None:
    """Hold predicted intervals against results; None if none can be held.

    The results are those of the code version that counts, and the intervals were predicted for it.
    """
    held = [
        (trial.proposal.predicted, value)
        for trial in counting.done(history)
        if trial.proposal.predicted
        and trial.admission.code == trial.code
        and (value := trial.values.get(0, trial.value)) is not None
    ]
    if not held:
        return None
    inside = sum(interval.low <= value <= interval.high for interval, value in held)
    level = sum(interval.level for interval, _ in held) / len(held)
    from scipy import stats  # takes a second to import: not for who only looks

    range_ = stats.binomtest(inside, len(held)).proportion_ci(0.95, method="exact")
    return Calibration(
        inside=inside,
        total=len(held),
        level=level,
        sentence=f"{inside} of {words.count(len(held), 'result')} fell into the interval predicted"
        f" for it ({inside / len(held):.0%}, exact 95% interval {range_.low:.0%} to"
        f" {range_.high:.0%}), where {level:.0%} was claimed:"
        f" {_fit(level, low=range_.low, high=range_.high, results=len(held))}.",
        width=_width(held),
    )


def _width(held: Sequence[tuple[Interval, float]]) -> str:
    """Say how wide intervals were: those that hold any result at all foretell nothing."""
    if len(held) < FEWEST:
        return ""
    values = sorted(value for _, value in held)
    width = median(interval.high - interval.low for interval, _ in held)
    # Counted in the sorted values, since every interval meets every result.
    others = sum(
        bisect_right(values, interval.high)
        - bisect_left(values, interval.low)
        - (interval.low <= own <= interval.high)
        for interval, own in held
    )
    any_ = others / (len(held) * (len(held) - 1))
    return (
        f"Half of the intervals were at most {width:.3g} wide, where all results lie within"
        f" {values[-1] - values[0]:.3g} of each other; {any_:.0%} of the results of other trials"
        " would have fallen into them, too."
    )


def _fit(level: float, *, low: float, high: float, results: int) -> str:
    """Say what the exact interval of a coverage makes of the level that was claimed."""
    if high < level:
        return "the predicted intervals are too narrow"
    if low > level:
        return "the predicted intervals are wider than they need to be"
    if high - low > TELLING:
        return f"in keeping, but n is small: {words.count(results, 'result')} can tell little"
    return "in keeping"


def first_with_value(trial: Trial, history: History) -> Trial:
    """Return the first trial with a value under the code version of `trial`."""
    return history.done(code=trial.code)[0]


def _headline(history: History, gain: Gain | None) -> str:
    trial = history.best()
    if trial is None or trial.value is None:
        return _empty(history)
    metric = seeds.measure(history.task)
    count = words.count(len(counting.done(history)), "result")
    if trial.code != history.code:
        count += " of earlier code"
    elif len(history.done()) > len(counting.done(history)):
        count += " of the newest code"
    lead = f"Trial {trial.number} is the best of {count}:"
    lead += f" {metric} = {words.number(trial.value)}"
    if gain is None:
        return lead + ", the first result."
    sure = "confirmed" if gain.confirmed else "unconfirmed"
    sign, first = history.task.objective.sign, f"trial {gain.first}"
    return f"{lead}, {words.moved(gain.difference, sign=sign, than=first)}, {sure}."


def _empty(history: History) -> str:
    """Say how a study without any result stands."""
    if not history.trials:
        return "No trial has been started yet."
    ended = len(history.finished())
    if ended:
        broken = sum(bool(trial.breach) for trial in history.trials)
        least = f"; {broken} did not meet what is required" if broken else ""
        return f"None of {words.count(ended, 'finished trial')} gave a result{least}."
    how = "going on" if history.closed is None else "interrupted"
    return f"{words.count(len(history.trials), 'trial')} {how}; no result yet."


def _best(trial: Trial, history: History) -> BestTrial:
    assert trial.value is not None
    proposal = trial.proposal
    first = first_with_value(trial, history)
    parent = None if proposal.parent is None else history.trials[proposal.parent]
    return BestTrial(
        number=trial.number,
        by=words.line(proposal.by, most=40),
        value=trial.value,
        values=tuple(trial.values.values()),
        configuration=trial.configuration,
        rationale=words.line(proposal.rationale),
        reasons=_reasons(trial, history, first=first.number),
        parent=proposal.parent,
        from_parent=words.changes(parent.configuration, trial.configuration) if parent else (),
        first=first.number,
        from_first=words.changes(first.configuration, trial.configuration),
        claim=words.claimed(proposal.hypothesis.claim) if proposal.hypothesis else "",
        hypothesis=hypothesis_status(history, trial) if proposal.hypothesis else None,
        yardstick=yardstick(history, trial),
        verdict=words.line(trial.verdict.sentence) if trial.verdict else "",
        diagnosis=words.line(trial.run.diagnosis.sentence)
        if trial.run and trial.run.diagnosis
        else "",
    )


def _reasons(trial: Trial, history: History, *, first: int) -> dict[str, str]:
    """Why each value is what it is: as said by the trial, or by those that it came from.

    A reason tells of a step from the trial's parent: where that is not the `first`, which the
    value stands beside, the step is named.
    """
    found = {}
    for name, value in trial.configuration.items():
        step: Trial | None = trial
        while step is not None and repr(step.configuration.get(name)) == repr(value):
            reason = step.proposal.reasons.get(name)
            if reason:
                since = [] if step is trial else [f"trial {step.number}"]
                origin = step.proposal.parent
                before = None if origin is None else history.trials[origin].configuration.get(name)
                if origin != first and before is not None and before != value:
                    since.append(f"from {words.value(before)} in trial {origin}")
                found[name] = words.line(reason) + (f" ({', '.join(since)})" if since else "")
                break
            parent = step.proposal.parent
            step = None if parent is None else history.trials[parent]
    return found


def _gain(trial: Trial, history: History) -> Gain | None:
    first = first_with_value(trial, history)
    comparison = None if first is trial else compare(trial, first, history)
    if comparison is None:
        return None
    confidence = history.task.confidence
    probability = comparison.probability
    confirmed = probability is not None and probability >= confidence and comparison.difference > 0
    sign, than = history.task.objective.sign, f"trial {first.number}"
    common = words.count(comparison.seeds, "common seed")
    facts = (
        f"{words.moved(comparison.difference, sign=sign, than=than)} over"
        f" {comparison.over if ' and ' in comparison.over else common}"
    )
    ending = _sureness(comparison, confirmed=confirmed, seeded=not counting.unseeded(history))
    return Gain(
        first=first.number,
        difference=comparison.difference,
        seeds=comparison.seeds,
        probability=probability,
        seeds_needed=comparison.seeds_needed,
        confirmed=confirmed,
        sentence=f"{facts}: {ending}.{_luck(trial, history)}",
    )


def _sureness(comparison: Comparison, *, confirmed: bool, seeded: bool) -> str:
    """Say how far a gain can be believed."""
    if comparison.probability is None:
        why = "no trial has several seeds yet" if seeded else "nothing hands the script a seed"
        return f"unconfirmed, since {why}: how much of it is noise can't be told"
    if comparison.exact:
        return "exact, since no seed has made any difference so far: there is no noise to be seen"
    sure = words.probability(comparison.probability)
    if confirmed:
        return f"beyond noise, real with probability {sure}"
    if comparison.seeds_needed:
        return (
            f"unconfirmed, real with probability {sure}; about"
            f" {words.count(comparison.seeds_needed, 'more seed')} each would tell"
        )
    return (
        f"unconfirmed, real with probability {sure}; too small to be told from"
        " noise with any reasonable number of seeds"
    )


def _luck(trial: Trial, history: History) -> str:
    """A warning where the best was picked on one seed among several."""
    tried = len(history.done(code=trial.code))
    if len(trial.values) > 1 or tried < 3 or counting.identical(history):
        return ""
    return f" The best of {tried} single runs tends to look better than it is."


def _hypotheses(history: History) -> dict[HypothesisStatus, int]:
    """Where the hypotheses stand, of the trials of the code version that counts."""
    found: dict[HypothesisStatus, int] = {}
    code = counting.version(history)
    for trial in history.trials:
        if trial.proposal.hypothesis is not None and trial.code == code:
            status = hypothesis_status(history, trial)
            found[status] = found.get(status, 0) + 1
    return found
