"""Noise, probabilities and verdicts, held against SciPy's own tests and against simulation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from trialwright.analysis.compare import (
    compare,
    hypothesis_status,
    judge,
    scatter,
    shift,
    yardstick,
)
from trialwright.analysis.noise import noise
from trialwright.history import History
from trialwright.records import (
    Admission,
    CodeVersion,
    Diagnosis,
    Entry,
    Hypothesis,
    Interval,
    Launch,
    Observation,
    Opened,
    Proposal,
    Record,
    Request,
    RunKey,
    Verdict,
)
from trialwright.space import Float, Space
from trialwright.task import Direction, Objective, Task


def history_of(
    *trials: list[float | None],
    direction: Direction = "maximize",
    expects: dict[int, str] | None = None,
) -> History:
    """A history whose trial i has the given value per seed; None is a failed run."""
    records = records_of(*trials, direction=direction, expects=expects)
    history = History(Entry(i + 1, float(i), record) for i, record in enumerate(records))
    for trial in history.trials:
        trial.verdict = None
    return history


def records_of(
    *trials: list[float | None],
    direction: Direction = "maximize",
    expects: dict[int, str] | None = None,
) -> list[Record]:
    """The records behind `history_of`, in which each trial ends with a verdict of no content."""
    task = Task(
        name="t",
        objective=Objective(metric="y", direction=direction),
        space=Space((Float("x", 0, 100),)),
    )
    records: list[Record] = [Opened(task=task, seed=0, version="0")]
    for number, values in enumerate(trials):
        expected = (expects or {}).get(number)
        hypothesis = (
            Hypothesis(claim="c", expects=expected, against=0)  # type: ignore[arg-type]
            if expected
            else None
        )
        proposal = Proposal(configuration={"x": float(number)}, by="p", hypothesis=hypothesis)
        records.append(Admission(number=number, proposal=proposal, code="c"))
        if len(values) > 1:
            records.append(Request(what="replicate", trial=number, seeds=len(values) - 1))
        for seed, value in enumerate(values):
            key = RunKey(number, seed, 0)
            records.append(Launch(run=key, seed=seed, command=("x",), machine="m"))
            outcome = "done" if value is not None else "failed"
            records.append(Observation(run=key, outcome=outcome, value=value))
        records.append(Verdict(trial=number, status="kept", sentence="", against=None))
    return records


def test_noise_is_the_pooled_deviation() -> None:
    """The noise pools squared deviations within trials, whatever their means."""
    rng = np.random.default_rng(0)
    groups = [list(rng.normal(mean, 2.0, size=n)) for mean, n in ((0, 5), (50, 3), (9, 1), (7, 8))]
    estimate = noise(history_of(*groups))
    pooled = sum((len(g) - 1) * np.var(g, ddof=1) for g in groups if len(g) > 1) / 13
    assert estimate is not None
    assert estimate.sd == pytest.approx(np.sqrt(pooled))
    assert estimate.degrees == 13


def test_no_replicates_no_noise() -> None:
    """With one seed per trial there is no estimate, and no probability is invented."""
    history = history_of([1.0], [2.0])
    comparison = compare(history.trials[1], history.trials[0], history)
    assert noise(history) is None
    assert comparison is not None
    assert (comparison.difference, comparison.probability) == (1.0, None)


def test_probability_agrees_with_the_t_test() -> None:
    """Two trials of equal seeds: the probability is one minus SciPy's one-sided p value."""
    rng = np.random.default_rng(1)
    ours, theirs = list(rng.normal(0.4, 1, 6)), list(rng.normal(0.0, 1, 6))
    history = history_of(theirs, ours)
    comparison = compare(history.trials[1], history.trials[0], history)
    assert comparison is not None
    p = stats.ttest_ind(ours, theirs, alternative="greater").pvalue
    assert comparison.probability == pytest.approx(1 - p)


def test_direction_is_respected() -> None:
    """When smaller is better, a smaller value is a positive difference."""
    history = history_of([2.0, 2.1], [1.0, 1.1], direction="minimize")
    comparison = compare(history.trials[1], history.trials[0], history)
    assert comparison is not None
    assert comparison.difference == pytest.approx(1.0)
    assert comparison.probability > 0.95


def test_seeds_needed_are_enough_on_average() -> None:
    """With the seeds asked for, a gain of that size is found in about half of the cases."""
    rng = np.random.default_rng(2)
    history = history_of(list(rng.normal(0, 1, 20)), [0.0], [0.5])
    comparison = compare(history.trials[2], history.trials[1], history)
    assert comparison is not None
    assert comparison.seeds_needed is not None
    total = comparison.seeds + comparison.seeds_needed
    estimate = noise(history)
    assert estimate is not None
    found = 0
    for _ in range(400):
        difference = rng.normal(0.5, estimate.sd * np.sqrt(2 / total))
        found += difference / (estimate.sd * np.sqrt(2 / total)) >= stats.t.ppf(0.95, 19)
    assert 0.35 < found / 400 < 0.65


def test_only_common_seeds_are_compared() -> None:
    """A lucky extra seed of one side does not count."""
    history = history_of([1.0, 1.0], [2.0, 2.0, 99.0])
    comparison = compare(history.trials[1], history.trials[0], history)
    assert comparison is not None
    assert comparison.seeds == 2
    assert comparison.difference == pytest.approx(1.0)


def test_a_failed_seed_fails_the_trial() -> None:
    """A trial with a failed run has no value and is judged failed."""
    history = history_of([1.0, None])
    assert judge(history.trials[0], history).status == "failed"


def test_deterministic_gain_is_certain() -> None:
    """When seeds make no difference at all, any gain is real."""
    history = history_of([1.0, 1.0], [1.1, 1.1])
    comparison = compare(history.trials[1], history.trials[0], history)
    assert comparison is not None
    assert comparison.probability == 1.0
    assert comparison.seeds_needed == 0


@pytest.mark.parametrize(
    ("value", "expects", "status"),
    [
        (2.0, "better", "consistent"),
        (0.5, "better", "contradicted"),
        (0.5, "worse", "consistent"),
        (1.0, "no_worse", "consistent"),
        (0.5, "no_worse", "contradicted"),
        (1.0, "same", "consistent"),
        (1.5, "same", "undecided"),
    ],
)
def test_hypotheses_without_noise(value: float, expects: str, status: str) -> None:
    """With one seed each nothing is supported: what came as claimed is consistent, no more."""
    history = history_of([1.0], [value], expects={1: expects})
    assert hypothesis_status(history, history.trials[1]) == status


def test_hypothesis_within_the_noise_is_undecided() -> None:
    """A difference smaller than the noise supports nothing and contradicts nothing."""
    history = history_of([1.0, 3.0, 2.0], [2.1, 3.1, 1.3], expects={1: "better"})
    assert hypothesis_status(history, history.trials[1]) == "undecided"


def claiming(records: list[Record], claim: str, expects: str) -> History:
    """The history of records whose second trial claims this against the first."""
    at = [i for i, record in enumerate(records) if isinstance(record, Admission)][1]
    hypothesis = Hypothesis(claim=claim, expects=expects, against=0)  # type: ignore[arg-type]
    proposal = replace(records[at].proposal, hypothesis=hypothesis)  # type: ignore[union-attr]
    records[at] = Admission(number=1, proposal=proposal, code="c")
    return History(Entry(i + 1, float(i), record) for i, record in enumerate(records))


@pytest.mark.parametrize(
    ("claim", "expects", "value", "status"),
    [
        ("gains by at least 0.1", "better", 1.2, "consistent"),
        ("gains by at least 0.1", "better", 1.05, "contradicted"),
        ("gains by more than 0.1, as depth did", "better", 1.05, "contradicted"),
        ("gains by at least 10 %", "better", 1.05, "consistent"),
        ("gains by at least 3 epochs", "better", 1.05, "consistent"),
        ("falls by at least 0.1", "worse", 0.95, "contradicted"),
        ("stays within 0.01 of trial 0: the plateau", "no_worse", 1.005, "consistent"),
        ("stays within 0.01 of trial 0: the plateau", "no_worse", 1.02, "contradicted"),
        ("stays within 0.01 of trial 0", "same", 1.005, "consistent"),
        ("stays within 0.01 of trial 7", "no_worse", 1.02, "consistent"),
    ],
)
def test_a_claim_is_held_to_the_size_that_it_states(
    claim: str, expects: str, value: float, status: str
) -> None:
    """A gain that is smaller than promised contradicts; what can't be read as a size is left."""
    history = claiming(records_of([1.0], [value]), claim, expects)
    assert hypothesis_status(history, history.trials[1]) == status


def test_a_size_within_the_noise_is_undecided() -> None:
    """Where the noise is known and larger than what is missing, nothing is decided."""
    records = records_of([1.0, 3.0, 2.0], [2.1, 3.1, 1.3])
    history = claiming(records, "gains by at least 0.5", "better")
    assert hypothesis_status(history, history.trials[1]) == "undecided"


def test_what_curves_scatter_by_decides_nothing() -> None:
    """Without a second seed, a difference within the scatter of the curves' ends is undecided."""
    records = records_of([1.0], [1.01])
    history = claiming(records, "gains", "better")
    assert hypothesis_status(history, history.trials[1]) == "consistent"
    numbers = {"end_sd": 0.02}
    for number in (0, 1):
        run = RunKey(number, 0, 0)
        take(history, Diagnosis(run=run, findings=("unstable",), sentence="", numbers=numbers))
    assert scatter(history.trials[0], history.trials[1]) == pytest.approx(0.02)
    assert hypothesis_status(history, history.trials[1]) == "undecided"
    # 1.645 times the root of 2, times 0.02: the sentence names what decided.
    assert yardstick(history, history.trials[1]).startswith("a difference below 0.047 decides")


def judged(*trials: list[float | None], direction: Direction = "minimize") -> History:
    """A history whose trials were judged one after the other, as a session judges them."""
    history = History()
    for record in records_of(*trials, direction=direction):
        ended = isinstance(record, Verdict)
        take(history, judge(history.trials[record.trial], history) if ended else record)
    return history


def take(history: History, *records: Record) -> None:
    """Take further records into a history."""
    for record in records:
        history.extend([Entry(history.sequence + 1, float(history.sequence), record)])


def run_again(history: History, trial: int, *, code: str, value: float) -> None:
    """Run a trial once more under another code version, and judge it."""
    key = RunKey(trial, 0, history.trials[trial].attempts(0))
    take(history, CodeVersion(id=code))
    take(history, Launch(run=key, seed=0, command=("x",), machine="m", code=code))
    take(history, Observation(run=key, outcome="done", value=value))
    take(history, judge(history.trials[trial], history))


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_a_verdict_says_which_way_the_metric_moved(direction: Direction) -> None:
    """Up and down are the metric's own, better and worse the objective's; equal is neither."""
    history = judged([1.0], [0.75], direction=direction)
    verdict = history.trials[1].verdict
    assert verdict is not None
    assert "0.75 against 1 of trial 0 (0.25 lower over 1 seed): " in verdict.sentence
    better = direction == "minimize"
    assert verdict.sentence.endswith("no trial has several seeds, so the noise is unknown")
    assert verdict.sentence.split("): ")[1].startswith("better" if better else "worse")
    assert verdict.status == ("unconfirmed" if better else "discarded")
    same = judged([1.0], [1.0], direction=direction).trials[1].verdict
    assert same is not None
    assert same.sentence.endswith("(no different over 1 seed): not better")


@given(
    st.floats(-1e9, 1e9).filter(bool),
    st.sampled_from([1, -1]),
)
def test_a_shift_never_shows_a_sign(difference: float, sign: int) -> None:
    """A difference is said without plus or minus: it is higher where the metric's own value is."""
    said = shift(difference, sign=sign)
    assert not said.startswith(("+", "-"))
    assert said.endswith("higher" if sign * difference > 0 else "lower")


def test_a_gain_without_any_noise_is_called_exact() -> None:
    """Where no seed makes a difference there is no probability to be quoted."""
    verdict = judged([1.0, 1.0], [0.5, 0.5]).trials[1].verdict
    assert verdict is not None
    assert verdict.status == "kept"
    assert "no seed has made any difference" in verdict.sentence
    assert "probability" not in verdict.sentence


def test_a_trial_run_again_under_changed_code_is_judged_among_its_own() -> None:
    """It is not held against the trial that it was held against under the code before."""
    history = judged([1.0], [2.0], [3.0], direction="maximize")
    run_again(history, 2, code="d", value=0.5)
    first = history.trials[2].verdict
    assert first is not None
    assert (first.status, first.against) == ("kept", None)
    run_again(history, 1, code="d", value=0.25)
    second = history.trials[1].verdict
    assert second is not None
    assert (second.status, second.against) == ("discarded", 2)


def test_a_verdict_stays_when_only_the_other_trial_went_on_to_changed_code() -> None:
    """Judged anew, a trial whose rival now has other code keeps the verdict that it had."""
    history = judged([1.0], [2.0], direction="maximize")
    before = history.trials[1].verdict
    run_again(history, 0, code="d", value=9.0)
    assert judge(history.trials[1], history) == before


def test_a_claim_is_not_decided_across_code_versions() -> None:
    """Run again under other code, a trial no longer tells of its claim against one of before."""
    history = history_of([1.0], [2.0], expects={1: "better"})
    assert hypothesis_status(history, history.trials[1]) == "consistent"
    run_again(history, 1, code="d", value=0.5)
    assert hypothesis_status(history, history.trials[1]) == "undecided"


@pytest.mark.parametrize(("value", "status"), [(0.1, "supported"), (None, "contradicted")])
def test_a_value_is_better_than_a_failure(value: float | None, status: str) -> None:
    """A claim to do better than a trial that failed is decided by whether there is a value."""
    history = history_of([None], [value], expects={1: "better"})
    assert hypothesis_status(history, history.trials[1]) == status


@pytest.mark.parametrize(
    ("value", "low", "status"),
    [(1.0, 0.5, "supported"), (1.0, 1.5, "contradicted"), (None, 0.5, "contradicted")],
)
def test_a_claim_against_no_trial_is_held_to_its_prediction(
    value: float | None, low: float, status: str
) -> None:
    """Inside the interval supports it, outside or a failure contradicts it."""
    records = records_of([value])
    number = next(i for i, record in enumerate(records) if isinstance(record, Admission))
    proposal = replace(
        records[number].proposal,  # type: ignore[union-attr]
        hypothesis=Hypothesis(claim="c", expects="same"),
        predicted=Interval(low=low, high=2.0),
    )
    records[number] = Admission(number=0, proposal=proposal, code="c")
    history = History(Entry(i + 1, float(i), record) for i, record in enumerate(records))
    assert hypothesis_status(history, history.trials[0]) == status


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_a_difference_in_the_last_digits_of_floats_is_none(direction: Direction) -> None:
    """What rounding may make is no gain and no new best; a real gain is, however small."""
    sign = 1 if direction == "maximize" else -1
    tied = history_of([0.568090808289], [0.568090808289 + sign * 1.29e-9], direction=direction)
    found = compare(tied.trials[1], tied.trials[0], tied)
    assert found is not None
    assert found.difference == 0
    verdict = judge(tied.trials[1], tied)
    assert (verdict.status, verdict.sentence.split(": ")[1]) == ("discarded", "not better")
    assert "no different" in verdict.sentence
    assert tied.best() is tied.trials[0]
    for values in (([0.568090], [0.568091]), ([1e-12], [1.1e-12]), ([0.0], [1e-30])):
        real = history_of(*values[::sign], direction="maximize")
        assert real.best() is real.trials[max(sign, 0)]
