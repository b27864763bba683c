"""The final analysis: what was best and why, what mattered, what failed, what to do next.

Written from statistics alone, at any stage of a study; it never says more than the runs show. It
makes records of numbers and sentences; how they look is the renderers' business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trialwright.analysis.compare import HypothesisStatus, compare, hypothesis_status
from trialwright.analysis.importance import Influence, importance
from trialwright.expression import Scalar
from trialwright.history import History, Trial
from trialwright.report import words
from trialwright.report.advice import Advice, advice
from trialwright.report.failures import FailureGroup, failures
from trialwright.report.words import Change


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
    parent: int | None
    from_parent: tuple[Change, ...]
    first: int
    """The first trial with a value under the same code."""
    from_first: tuple[Change, ...]
    claim: str
    """Of its hypothesis; '' if it has none."""
    hypothesis: HypothesisStatus | None
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
        warnings=tuple(words.line(n.text) for n in history.notices if n.level != "info"),
    )


def calibration(history: History) -> Calibration | None:
    """Hold predicted intervals against results; None if none can be held."""
    held = [
        (trial.proposal.predicted, value)
        for trial in history.done()
        if trial.proposal.predicted and (value := trial.values.get(0, trial.value)) is not None
    ]
    if not held:
        return None
    inside = sum(interval.low <= value <= interval.high for interval, value in held)
    level = sum(interval.level for interval, _ in held) / len(held)
    from scipy import stats  # takes a second to import: not for who only looks

    range_ = stats.binomtest(inside, len(held)).proportion_ci(0.95, method="exact")
    fits = range_.low <= level <= range_.high
    verdict = "in keeping with" if fits else "less than" if range_.high < level else "more than"
    return Calibration(
        inside=inside,
        total=len(held),
        level=level,
        sentence=f"{inside} of {words.count(len(held), 'result')} fell into the interval predicted"
        f" for it ({inside / len(held):.0%}, exact 95% interval {range_.low:.0%} to"
        f" {range_.high:.0%}): {verdict} the {level:.0%} that was claimed.",
    )


def first_with_value(trial: Trial, history: History) -> Trial:
    """Return the first trial with a value under the code version of `trial`."""
    return history.done(code=trial.code)[0]


def _headline(history: History, gain: Gain | None) -> str:
    trial = history.best()
    ended = len(history.finished())
    if trial is None or trial.value is None:
        if not history.trials:
            return "No trial has been started yet."
        if not ended:
            return f"{words.count(len(history.trials), 'trial')} going on; no result yet."
        return f"None of {words.count(ended, 'finished trial')} gave a result."
    metric = history.task.objective.metric
    lead = f"Trial {trial.number} is the best of {words.count(len(history.done()), 'result')}:"
    lead += f" {metric} = {words.number(trial.value)}"
    if gain is None:
        return lead + ", the first result."
    sure = "confirmed" if gain.confirmed else "unconfirmed"
    return f"{lead}, {words.signed(gain.difference)} against trial {gain.first} ({sure})."


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
        reasons={name: words.line(reason) for name, reason in proposal.reasons.items()},
        parent=proposal.parent,
        from_parent=words.changes(parent.configuration, trial.configuration) if parent else (),
        first=first.number,
        from_first=words.changes(first.configuration, trial.configuration),
        claim=words.line(proposal.hypothesis.claim) if proposal.hypothesis else "",
        hypothesis=hypothesis_status(history, trial) if proposal.hypothesis else None,
        verdict=words.line(trial.verdict.sentence) if trial.verdict else "",
        diagnosis=words.line(trial.run.diagnosis.sentence)
        if trial.run and trial.run.diagnosis
        else "",
    )


def _gain(trial: Trial, history: History) -> Gain | None:
    first = first_with_value(trial, history)
    comparison = None if first is trial else compare(trial, first, history)
    if comparison is None:
        return None
    confidence = history.task.confidence
    probability = comparison.probability
    confirmed = probability is not None and probability >= confidence and comparison.difference > 0
    facts = (
        f"{words.signed(comparison.difference)} against trial {first.number} over"
        f" {words.count(comparison.seeds, 'common seed')}"
    )
    sure = "" if probability is None else words.probability(probability)
    if probability is None:
        ending = (
            "unconfirmed, since no trial has several seeds yet: how much of it is noise can't be"
            " told"
        )
    elif confirmed:
        ending = f"beyond noise, real with probability {sure}"
    elif comparison.seeds_needed:
        ending = (
            f"unconfirmed, real with probability {sure}; about"
            f" {words.count(comparison.seeds_needed, 'more seed')} for each of the two would tell"
        )
    else:
        ending = (
            f"unconfirmed, real with probability {sure}; too small to be told from"
            " noise with any reasonable number of seeds"
        )
    return Gain(
        first=first.number,
        difference=comparison.difference,
        seeds=comparison.seeds,
        probability=probability,
        seeds_needed=comparison.seeds_needed,
        confirmed=confirmed,
        sentence=f"{facts}: {ending}.{_luck(trial, history)}",
    )


def _luck(trial: Trial, history: History) -> str:
    """A warning where the best was picked on one seed among several."""
    tried = len(history.done(code=trial.code))
    if len(trial.values) > 1 or tried < 3:
        return ""
    return f" The best of {tried} single runs tends to look better than it is."


def _hypotheses(history: History) -> dict[HypothesisStatus, int]:
    found: dict[HypothesisStatus, int] = {}
    for trial in history.trials:
        if trial.proposal.hypothesis is not None:
            status = hypothesis_status(history, trial)
            found[status] = found.get(status, 0) + 1
    return found
