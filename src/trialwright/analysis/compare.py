"""Is one trial better than another, beyond noise? Numbers and verdicts from recorded runs.

The noise is that of `noise`. It does not decide which trials get more seeds: that is `allocate`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, cast

from scipy.special import stdtrit

from trialwright.analysis import simplicity
from trialwright.analysis.gains import MOST_SEEDS, Side, edge, of_one_seed, seeds_needed
from trialwright.analysis.noise import scatter_of
from trialwright.analysis.simplicity import Equal, Price
from trialwright.history import History, Trial, sides, told_apart
from trialwright.records import Hypothesis, Verdict

HypothesisStatus = Literal["open", "supported", "consistent", "contradicted", "undecided"]
"""`consistent`: it came as claimed, but nothing is known of the noise."""

_NUMBER = r"(\d+(?:\.\d+)?(?:e-?\d+)?)"
_WITHIN = re.compile(rf"\bwithin {_NUMBER} of trial (\d+)\b", re.IGNORECASE)
_AT_LEAST = re.compile(
    rf"\bby (?:at least|more than|over) {_NUMBER}"
    r"(?=[,;:)]|\.?\s*$|\.\s| (?:on|over|against|than)\b)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One trial against another, over the seeds that both have, or all once both are confirmed."""

    means: tuple[float, float]
    """The robust objective of the trial and of the other, over the seeds compared."""
    difference: float
    """In the metric's unit; positive means better, whichever way the objective points."""
    seeds: int
    """Seeds compared; of the trial that has fewer of them."""
    over: str
    """Which seeds, in words."""
    error: float | None
    """Standard error of the difference; None without an estimate of the noise."""
    degrees: float
    """Degrees of freedom behind `error`."""
    deviation: float | None
    """By how much a single seed scatters (sd); None without an estimate of the noise."""
    probability: float | None
    """That the difference is truly beyond `least`; None without an estimate of the noise."""
    seeds_needed: int | None
    """More seeds per side after which a difference of this size would be told from noise."""
    exact: bool
    """Whether no seed has made a difference so far: then there is no noise to be told from."""


def shift(difference: float, *, sign: int) -> str:
    """Say a difference as the metric shows it, whose `sign` is that of its objective.

    `difference` is positive where it is for the better.

    >>> shift(0.12, sign=1), shift(0.12, sign=-1), shift(-0.0, sign=-1)
    ('0.12 higher', '0.12 lower', 'no different')
    """
    if difference == 0:
        return "no different"
    return f"{abs(difference):.3g} {'higher' if sign * difference > 0 else 'lower'}"


def compare(
    trial: Trial, against: Trial, history: History, *, least: float = 0.0
) -> Comparison | None:
    """Compare two trials by the robust objective over `sides`; None where they share no seed.

    The probability is Student's, of a difference beyond `least`, from each trial's own noise as
    `noise` has it. Where all trials scatter alike, with pooled standard deviation s on v degrees of
    freedom and means over m seeds per side, it is P = T_v((d - least) / (s * sqrt(2 / m))).
    """
    task = history.task
    ours, theirs = sides(trial, against, task)
    if not ours or trial.value is None or against.value is None:
        return None
    scatter = scatter_of(history, code=trial.code)
    both = [
        Side(values, scatter.of(one.number) if scatter else None)
        for values, one in ((ours, trial), (theirs, against))
    ]
    sign, robust = task.objective.sign, task.seeds.objective
    common = scatter.common if scatter else 0.0
    found = edge(both[0], both[1], robust, sign=sign, common=common, least=least)
    return Comparison(
        means=found.values,
        difference=told_apart(found.difference, *found.values),
        seeds=min(len(ours), len(theirs)),
        over=_over(len(ours), len(theirs)),
        error=found.error,
        degrees=found.degrees,
        deviation=of_one_seed(both[0], both[1], robust, sign=sign),
        probability=None if scatter is None else found.probability,
        seeds_needed=seeds_needed(
            both[0],
            both[1],
            robust,
            sign=sign,
            confidence=task.confidence,
            common=common,
            least=least,
        ),
        exact=found.error == 0,
    )


def judge(trial: Trial, history: History) -> Verdict:
    """Decide what a trial that has ended is worth, against the incumbent of its code version.

    A trial that already has a verdict is compared with the same trial as before, and keeps its
    verdict if only that one has been run again under changed code. What was taken back is judged
    against the code that had it.
    """
    verdict = _judged(trial, history)
    return simplicity.answered(verdict, trial, history)


def _judged(trial: Trial, history: History) -> Verdict:
    if trial.state == "pruned" or trial.breach:
        out = f"{_mean(trial):.6g}, but infeasible: {trial.breach}" if trial.breach else ""
        return Verdict(trial=trial.number, status="discarded", sentence=out or _pruned(trial))
    if trial.value is None:
        return Verdict(trial=trial.number, status="failed", sentence=_failure(trial))
    if trial.verdict is not None and _left_behind(trial, history):
        return trial.verdict
    against = _rival(trial, history)
    if against is None:
        return Verdict(
            trial=trial.number,
            status="kept",
            sentence=f"{trial.value:.6g}: the first result, which the others have to beat",
        )
    comparison = compare(trial, against, history)
    if comparison is None:
        return Verdict(
            trial=trial.number,
            status="unconfirmed",
            against=against.number,
            sentence=f"no seed in common with trial {against.number}: replicate one of them",
        )
    return _verdict(trial, against, comparison=comparison, history=history)


def renewed(changed: Trial, history: History) -> Iterator[Verdict]:
    """Yield the verdicts that a replicate or a rerun of `changed` alters, each once it is due."""
    for trial in history.trials:
        if trial is changed or trial.verdict is None or trial.value is None:
            continue
        favoured = trial.verdict.status in ("kept", "unconfirmed")
        if favoured or trial.verdict.against == changed.number:
            verdict = judge(trial, history)
            if verdict != trial.verdict:
                yield verdict


def hypothesis_status(history: History, trial: Trial) -> HypothesisStatus:
    """Hold a trial's hypothesis against its result.

    With an estimate of the noise a difference counts from a two-sided 90 % interval on. Without
    one nothing is surer than `consistent`, and what the ends of the two curves scatter by counts
    as no difference. A size that the claim states ("by at least 0.01", "within 0.01 of trial 3")
    is held to as well. A claim against no trial is held to the interval that was predicted with
    it. Who is held against a trial that failed does better by having a value. Nothing is decided
    across code versions, unless the claim was made across them.
    """
    hypothesis = trial.proposal.hypothesis
    going = trial.state in ("queued", "running", "cancelled")
    if hypothesis is None or going:
        return "open" if hypothesis else "undecided"
    if hypothesis.against is None:
        return _alone(trial)
    against = history.trials[hypothesis.against]
    if against.state == "failed" and hypothesis.expects in ("better", "no_worse"):
        return "supported" if trial.value is not None else "contradicted"
    comparison = compare(trial, against, history)
    if comparison is None or _mixed(trial, against):
        return "undecided"
    estimate, margin = comparison.error, _margin(comparison, trial, against)
    found = _status(hypothesis.expects, comparison.difference, margin=margin)
    if estimate is None and hypothesis.expects == "same" and found == "contradicted":
        # What curves scatter by is the least that the noise may be.
        found = "undecided"
    found = _both(found, _sized(hypothesis, comparison.difference, margin=margin), hypothesis)
    return "consistent" if found == "supported" and estimate is None else found


def yardstick(history: History, trial: Trial) -> str:
    """Say from which difference on a trial's hypothesis is decided; '' where none is measured."""
    hypothesis = trial.proposal.hypothesis
    if hypothesis is None or hypothesis.against is None or trial.value is None:
        return ""
    against = history.trials[hypothesis.against]
    comparison = compare(trial, against, history)
    if comparison is None or _mixed(trial, against):
        return ""
    margin = _margin(comparison, trial, against)
    if not margin:
        return ""
    by = "by how the ends of the two curves scatter"
    if comparison.error is not None:
        by = "by the noise over seeds, with 90% two-sided"
    return f"a difference below {margin:.2g} decides nothing, {by}"


def _margin(comparison: Comparison, trial: Trial, against: Trial) -> float:
    """The difference that noise may bring, as far as anything is known of it."""
    if comparison.error is None:
        return float(stdtrit(math.inf, 0.95)) * math.sqrt(2) * scatter(trial, against)
    return float(stdtrit(comparison.degrees, 0.95)) * comparison.error


def _both(
    way: HypothesisStatus, size: HypothesisStatus | None, hypothesis: Hypothesis
) -> HypothesisStatus:
    """Where a claim stands by the way that its result went, and by the size that it states."""
    if size is None:
        return way
    if hypothesis.expects == "same":
        return size
    for status in ("contradicted", "undecided"):
        if status in (way, size):
            return cast("HypothesisStatus", status)
    return way


def scatter(*trials: Trial) -> float:
    """Return how much the ends of runs' curves scatter (sd): a hint of the noise; 0 without any."""
    found = [
        run.diagnosis.numbers.get("end_sd", 0.0)
        for trial in trials
        if (run := trial.run) is not None and run.diagnosis is not None
    ]
    return math.sqrt(math.fsum(sd**2 for sd in found) / len(found)) if found else 0.0


def _sized(hypothesis: Hypothesis, difference: float, *, margin: float) -> HypothesisStatus | None:
    """Where the size stands that a claim states; None where it states none that can be read."""
    within = _WITHIN.search(hypothesis.claim)
    if within is not None and int(within[2]) == hypothesis.against:
        beyond = abs(difference) - float(within[1])
        if beyond > margin:
            return "contradicted"
        return "undecided" if beyond > 0 else "supported"
    least = _AT_LEAST.search(hypothesis.claim)
    if least is None or hypothesis.expects not in ("better", "worse"):
        return None
    missing = float(least[1]) - (difference if hypothesis.expects == "better" else -difference)
    if missing > margin:
        return "contradicted"
    return "undecided" if missing > 0 else "supported"


def _alone(trial: Trial) -> HypothesisStatus:
    """Where a claim stands that is about no other trial: whether what was predicted came."""
    predicted = trial.proposal.predicted
    if trial.value is None:
        return "contradicted"
    if predicted is None:
        return "undecided"
    seen = trial.values.get(0, trial.value)
    return "supported" if predicted.low <= seen <= predicted.high else "contradicted"


def _status(expects: str, difference: float, *, margin: float) -> HypothesisStatus:
    better, worse = difference > margin, difference < -margin
    match expects:
        case "better":
            return "supported" if better else "contradicted" if worse or not margin else "undecided"
        case "worse":
            return "supported" if worse else "contradicted" if better or not margin else "undecided"
        case "no_worse":
            return "contradicted" if worse else "supported"
    if better or worse:
        return "contradicted" if margin else "undecided"
    return "supported"


def _rival(trial: Trial, history: History) -> Trial | None:
    """The trial to beat: as recorded before, else the best of the version apart from `trial`."""
    if trial.proposal.without is not None and trial.proposal.parent is not None:
        whole = history.trials[trial.proposal.parent]
        if whole.value is not None and whole.code == trial.code:
            return whole
    verdict = trial.verdict
    # What was infeasible or failed then was compared with nothing, and led nothing.
    first = verdict is not None and verdict.against is None and verdict.status == "kept"
    if first and trial.code == trial.admission.code:
        return None
    if verdict is not None and verdict.against is not None:
        against = history.trials[verdict.against]
        if against.code == trial.code and not against.breach:
            return against
    best = history.best(code=trial.code)
    return None if best is trial else best


def _mean(trial: Trial) -> float:
    values = list(trial.values.values())
    return math.fsum(values) / len(values)


def _left_behind(trial: Trial, history: History) -> bool:
    """Whether the trial that `trial` was judged against has gone on to other code, alone."""
    if trial.verdict is None or trial.verdict.against is None:
        return False
    against = history.trials[trial.verdict.against]
    return against.code != trial.code == trial.admission.code


def _mixed(trial: Trial, against: Trial) -> bool:
    """Whether a later run has brought two trials of one code version under different ones."""
    return trial.code != against.code and trial.admission.code == against.admission.code


def _verdict(trial: Trial, against: Trial, *, comparison: Comparison, history: History) -> Verdict:
    task = history.task
    price = simplicity.price(trial, against, task, deviation=comparison.deviation)
    if price is not None and comparison.difference > 0:
        comparison = compare(trial, against, history, least=price.amount) or comparison
    facts = (
        f"{comparison.means[0]:.6g} against {comparison.means[1]:.6g} of trial {against.number}"
        f" ({shift(comparison.difference, sign=task.objective.sign)} over {comparison.over})"
    )
    status, words = _weighed(comparison, price, confidence=task.confidence)
    equal = None if status == "kept" else _as_good(trial, against, comparison, history)
    if equal is not None:
        status, words = "kept", equal.said(trial, against)
    return Verdict(
        trial=trial.number,
        status=status,
        sentence=f"{facts}: {words}",
        against=against.number,
        probability=comparison.probability,
        seeds_needed=comparison.seeds_needed if status == "unconfirmed" else None,
        simpler=equal is not None,
    )


def _weighed(
    comparison: Comparison, price: Price | None, *, confidence: float
) -> tuple[Literal["kept", "discarded", "unconfirmed"], str]:
    """What a difference, less the price of the code that it takes, is worth, and why."""
    probability, needed = comparison.probability, comparison.seeds_needed
    if comparison.difference <= 0:
        return "discarded", _worse(comparison, confidence=confidence)
    if price is not None and comparison.difference <= price.amount:
        return "discarded", price.too_much(comparison.difference)
    if probability is None:
        return "unconfirmed", f"better, {_UNKNOWN}"
    if comparison.exact:
        return "kept", "better, and no seed has made any difference so far"
    what = "real" if price is None else f"by more than {price.least}"
    if probability >= confidence:
        surely = f"{probability:.3f}" if probability <= 0.999 else "over 0.999"
        return "kept", f"better, {what} with probability {surely}"
    more = f"{needed} more {_plural(needed)} each" if needed else f"over {MOST_SEEDS} seeds each"
    return "unconfirmed", f"better, {what} with probability {probability:.2f}; {more} would tell"


def _as_good(
    trial: Trial, against: Trial, comparison: Comparison, history: History
) -> Equal | None:
    """Whether a trial with less code is as good as `against`, and as all that this stands for."""
    task = history.task
    if not (simplicity.concerns(trial, against, task) and simplicity.smaller(trial, against)):
        return None
    # What is a little worse each time must not add up.
    earlier = [compare(trial, one, history) for one in simplicity.stood_for(against, history)]
    found = simplicity.equal(comparison, task)
    same = all(one is not None and simplicity.equal(one, task) is not None for one in earlier)
    return found if same else None


_UNKNOWN = "going by these values alone: no trial has several seeds, so the noise is unknown"


def _worse(comparison: Comparison, *, confidence: float) -> str:
    """Say how surely a trial is worse, or that it is not better."""
    if comparison.difference == 0:
        return "not better"
    if comparison.probability is None:
        return f"worse, {_UNKNOWN}"
    if comparison.exact or 1 - comparison.probability >= confidence:
        return "worse"
    return f"worse, real with probability {1 - comparison.probability:.2f}"


def _pruned(trial: Trial) -> str:
    seen = [(run, run.observation) for run in trial.latest.values() if run.observation]
    run, observation = next(pair for pair in seen if pair[1].outcome == "pruned")
    steps = observation.curve.steps
    where = f" at step {steps[-1]:g}" if steps else ""
    why = f"the {run.unwanted_by} ended it" if run.unwanted_by else "behind earlier trials there"
    return f"stopped early{where}: {why}"


def _failure(trial: Trial) -> str:
    for run in trial.latest.values():
        if run.observation is not None and run.observation.outcome != "done":
            cause = run.observation.cause or run.observation.outcome
            return f"{cause.replace('_', ' ')}: {run.observation.detail}".rstrip(": ")
    return "no value"


def _over(ours: int, theirs: int) -> str:
    return f"{ours} {_plural(ours)}" if ours == theirs else f"{ours} and {theirs} seeds"


def _plural(count: int) -> str:
    return "seed" if count == 1 else "seeds"
