"""Readings of runs: each shape is called by its name, numbers are right, nothing makes it raise."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trialwright.analysis.curves import diagnose, dips, is_test, overfits, shape_of, told
from trialwright.records import Cause, Curve, Diagnosis, Observation, Outcome, RunKey
from trialwright.task import Objective

ACCURACY = Objective(metric="val_acc")
LOSS = Objective(metric="val_loss", direction="minimize")
STEPS = np.arange(1, 41)
RISE = 1 - np.exp(-STEPS / 6)


def noise(sd: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, sd, len(STEPS))


def read(
    objective: Objective = ACCURACY,
    *,
    outcome: Outcome = "done",
    cause: Cause | None = None,
    detail: str = "",
    **series: object,
) -> Diagnosis:
    columns = {name: tuple(float(v) for v in values) for name, values in series.items()}  # type: ignore[attr-defined]
    longest = max((len(values) for values in columns.values()), default=0)
    curve = Curve(steps=tuple(float(s) for s in range(1, longest + 1)), series=columns)
    last = columns.get(objective.metric, ())
    value = last[-1] if last and math.isfinite(last[-1]) and outcome == "done" else None
    observation = Observation(
        run=RunKey(3, 0, 0), outcome=outcome, value=value, curve=curve, cause=cause, detail=detail
    )
    return diagnose(observation, objective)


def test_rising_to_the_end_is_still_improving() -> None:
    """A steady climb is still improving, and the slope is that of the line."""
    found = read(val_acc=0.3 + 0.01 * STEPS)
    assert found.findings == ("still_improving",)
    assert found.numbers["slope"] == pytest.approx(0.01)
    assert found.numbers["best_step"] == 40
    assert "0.01 per step" in found.sentence


def test_noise_alone_is_no_improvement() -> None:
    """A flat noisy curve is neither still improving nor collapsed, whatever its last point."""
    for seed in range(20):
        found = read(val_acc=0.7 + noise(0.02, seed))
        assert "still_improving" not in found.findings
        assert "late_collapse" not in found.findings
        assert found.numbers["noise_sd"] == pytest.approx(0.02, rel=0.6)


def test_levelling_off_is_a_plateau() -> None:
    """A curve whose second half brings nothing is plateaued, and the sentence says since when."""
    found = read(val_acc=0.2 + 0.6 * (1 - np.exp(-STEPS / 3)))
    assert found.findings == ("plateaued",)
    assert "since about step" in found.sentence


def test_validation_that_turns_while_training_goes_on_is_overfitting() -> None:
    """The classical picture, for losses and for accuracies, with the step of the turn."""
    held = 0.9 - 0.5 * RISE + 0.01 * np.maximum(STEPS - 12, 0)
    found = read(LOSS, train_loss=0.9 - 0.8 * RISE, val_loss=held + noise(0.003))
    assert found.findings[0] == "overfitting"
    assert 8 <= found.numbers["best_step"] <= 16
    assert found.numbers["gap"] > 0.3
    rising = read(train_acc=0.5 + 0.5 * RISE, val_acc=0.5 + 0.3 * RISE - 0.4 * (1 - held))
    assert "train_acc" in rising.sentence or "overfitting" not in rising.findings


def test_a_wide_gap_is_overfitting_even_without_a_turn() -> None:
    """Training far ahead of a held-out series that has merely stopped is overfitting."""
    found = read(train_acc=0.5 + 0.5 * RISE, val_acc=0.5 + 0.12 * RISE)
    assert found.findings[0] == "overfitting"
    assert found.numbers["gap"] == pytest.approx(0.38, abs=0.01)
    # But the words claim no turn: a run at its best is not said to overfit.
    assert found.numbers["turned"] == 0
    assert "train_acc is ahead of val_acc by 0.38" in found.sentence
    assert "overfits" not in found.sentence


def test_training_far_ahead_is_not_told_as_underfitting() -> None:
    """A held-out series that hardly moves beside it tells of no weak model: the words leave it."""
    found = read(val_acc=0.56 + noise(0.005) - 0.0003 * STEPS, train_acc=0.55 + 0.4 * RISE)
    assert {"overfitting", "underfitting"} <= {*found.findings}
    assert "underfitting" not in told(found.findings)
    assert "underfits" not in found.sentence


def test_only_what_turned_overfits() -> None:
    """Training that is merely ahead is a number; worse after its best is overfitting."""
    peak = 0.7 - 0.0006 * (STEPS - 12) ** 2 / 10
    assert overfits(read(val_acc=peak, train_acc=0.5 + 0.49 * RISE))
    ahead = read(val_acc=0.3 + 0.2 * RISE + 0.001 * STEPS, train_acc=0.3 + 0.7 * RISE)
    assert "overfitting" in ahead.findings
    assert not overfits(ahead)


def test_a_small_gap_is_no_overfitting() -> None:
    """A percent between training and validation is nothing to act on."""
    found = read(train_acc=0.3 + 0.56 * RISE, val_acc=0.3 + 0.55 * RISE)
    assert "overfitting" not in found.findings


@pytest.mark.parametrize(
    ("train", "held_out"),
    [("loss", "val_loss"), ("train/loss", "eval/loss"), ("train-loss", "valid_loss")],
)
def test_pairs_are_found_by_their_names(train: str, held_out: str) -> None:
    """Keras', transformers' and other habits of naming pair up; `loss` alone is the training's."""
    held = 0.9 - 0.5 * RISE + 0.02 * np.maximum(STEPS - 12, 0)
    found = read(
        Objective(metric=held_out, direction="minimize"),
        **{train: 0.9 - 0.8 * RISE, held_out: held},
    )
    assert found.findings[0] == "overfitting"
    assert train in found.sentence


def test_both_poor_and_moving_is_underfitting() -> None:
    """Training no better than validation, both still climbing slowly: it fits too little."""
    found = read(train_acc=0.2 + 0.004 * STEPS, val_acc=0.2 + 0.004 * STEPS)
    assert found.findings == ("underfitting", "still_improving")


def test_an_objective_that_hardly_moves_is_underfitting() -> None:
    """A loss that stays at chance level has not learnt."""
    assert "underfitting" in read(LOSS, val_loss=2.3 + noise(0.01)).findings


def test_nan_at_the_end_is_divergence() -> None:
    """A loss that becomes NaN diverged, whether or not the run said so."""
    series = [*(0.9 - 0.01 * STEPS), math.nan]
    assert "diverged" in read(LOSS, val_loss=series).findings
    assert "diverged" in read(val_acc=[0.4, 0.5, 0.6, 0.6], train_loss=[1, 2, 3, math.inf]).findings
    assert "diverged" in read(LOSS, outcome="failed", cause="diverged").findings
    assert "diverged" in read(LOSS, val_loss=[math.nan]).findings


def test_an_exploding_loss_is_divergence() -> None:
    """A loss that ends at many times its start diverged without a NaN."""
    assert read(LOSS, val_loss=[1.0, 0.9, 0.8, 5.0, 60.0, 900.0]).findings == ("diverged",)


def test_losing_most_of_the_gain_at_the_end_is_a_late_collapse() -> None:
    """A curve that falls back to where it began collapsed late."""
    series = [*(0.2 + 0.6 * RISE), 0.3, 0.25, 0.22]
    found = read(val_acc=series)
    assert found.findings[0] == "late_collapse"
    assert found.numbers["drop"] == pytest.approx(0.58, abs=0.02)


def test_jumping_about_is_noisy() -> None:
    """Noise that is a good part of all movement is called so, with its size."""
    found = read(val_acc=0.5 + 0.1 * RISE + noise(0.05))
    assert "noisy" in found.findings


def test_a_quiet_late_gain_is_healthy() -> None:
    """A curve with nothing wrong and nothing to be had is healthy."""
    curve = 0.5 + 0.3 * np.minimum(STEPS / 27, 1.0) + 0.0001 * STEPS
    assert read(val_acc=curve).findings == ("healthy",)


@pytest.mark.parametrize("series", [[], [0.5], [0.5, 0.6]])
def test_too_short_is_no_curve(series: list[float]) -> None:
    """Two points are no curve; the sentence gives the value all the same."""
    found = read(val_acc=series)
    assert found.findings == ("no_curve",)
    assert not series or f"{series[-1]:.5g}" in found.sentence


def test_failure_and_pruning_lead_the_findings() -> None:
    """How a run ended comes first, with cause and detail; its curve is read all the same."""
    failed = read(outcome="failed", cause="out_of_memory_gpu", detail="lower batch_size")
    assert failed.findings == ("failed",)
    assert "out of memory gpu" in failed.sentence
    assert "lower batch_size" in failed.sentence
    assert read(outcome="pruned", val_acc=0.3 + 0.01 * STEPS).findings[0] == "pruned"


def test_ten_thousand_points_are_read_in_an_instant() -> None:
    """A long curve is averaged over blocks; first, last and best are kept."""
    steps = np.arange(10_000)
    series = 0.9 * (1 - np.exp(-steps / 500)) + np.random.default_rng(0).normal(0, 0.01, 10_000)
    began = time.process_time()
    found = read(val_acc=series)
    assert time.process_time() - began < 0.5
    assert "plateaued" in found.findings
    assert found.numbers["last"] == pytest.approx(series[-1])


def test_steps_out_of_order_are_sorted() -> None:
    """A resumed run may report steps again; the curve is read by step."""
    points = [(3.0, 0.3), (1.0, 0.1), (2.0, 0.2), (2.0, 0.2)]
    shape = shape_of(points, sign=1)
    assert shape is not None
    assert list(shape.steps) == sorted(shape.steps)
    assert shape.slope == pytest.approx(0.1)


VALUES = st.floats(allow_nan=True, allow_infinity=True, width=64)


@given(
    st.lists(VALUES, max_size=40),
    st.lists(VALUES | st.none(), max_size=40),
    st.sampled_from(["done", "failed", "pruned", "cancelled"]),
    st.sampled_from([ACCURACY, LOSS, Objective(metric="absent")]),
)
@settings(deadline=None)
def test_no_curve_makes_it_raise(
    held: list[float], train: list[float | None], outcome: Outcome, objective: Objective
) -> None:
    """Whatever the numbers: at least one finding, a sentence, finite numbers."""
    series = {"val_acc": tuple(held), "train_acc": tuple(train), "val_loss": tuple(held[::-1])}
    observation = Observation(
        run=RunKey(0, 0, 0),
        outcome=outcome,
        curve=Curve(steps=tuple(float(s) for s in range(40)), series=series),
        cause="other" if outcome == "failed" else None,
    )
    found = diagnose(observation, objective)
    assert found.findings
    assert found.sentence.strip()
    assert all(math.isfinite(number) for number in found.numbers.values())


@given(st.floats(0.01, 100), st.integers(0, 5))
@settings(deadline=None)
def test_the_reading_does_not_depend_on_the_metrics_unit(scale: float, seed: int) -> None:
    """The same curve in percent, or in thousandths, is read the same."""
    curve = 0.3 + 0.4 * RISE + noise(0.01, seed)
    assert read(val_acc=curve).findings == read(val_acc=scale * curve).findings


def test_swinging_last_points_are_unstable() -> None:
    """A curve whose end goes up and down by 0.05 is not healthy, and the swing is told."""
    end = np.tile([0.0, 0.05], len(STEPS))[: len(STEPS)]
    curve = 0.2 + 0.6 * np.minimum(STEPS / 27, 1.0) + 0.0002 * STEPS + np.where(STEPS > 32, end, 0)
    found = read(val_acc=curve)
    assert "unstable" in found.findings
    assert "healthy" not in found.findings
    assert found.numbers["swing"] == pytest.approx(0.05, abs=0.001)
    assert "swings by 0.05 between its last steps" in found.sentence
    assert 0.015 < found.numbers["end_sd"] < 0.035


def test_a_climb_does_not_swing() -> None:
    """Large steps in one direction are no swing."""
    found = read(val_acc=0.3 + 0.6 * (1 - np.exp(-STEPS / 3)))
    assert found.numbers["swing"] == 0.0
    assert "unstable" not in found.findings


def test_a_plateau_says_what_was_gained_on_it() -> None:
    """What is flat beside the whole curve may still differ by more than trials do: it is said."""
    found = read(val_acc=0.2 + 0.6 * (1 - np.exp(-STEPS / 3)))
    assert found.numbers["since"] > 0
    assert f"{found.numbers['since']:.2g} gained since" in found.sentence


def test_test_metrics_are_known_by_their_names() -> None:
    """Names of test metrics are told from those that only look like them."""
    assert all(is_test(name) for name in ("test_accuracy", "loss/test", "test", "eval.test.f1"))
    assert not any(is_test(name) for name in ("latest_loss", "val_accuracy", "contest", "loss"))


def test_a_fall_from_the_best_is_told_beside_flat() -> None:
    """A curve that lost more than its noise since its best is not just called flat."""
    peak = np.where(STEPS == 13, 0.03, 0)
    found = read(val_acc=0.2 + 0.6 * (1 - np.exp(-STEPS / 3)) + noise(0.004) + peak)
    assert "plateaued" in found.findings
    assert f"{found.numbers['drop']:.2g} lost from its best" in found.sentence
    flat = read(val_acc=0.2 + 0.6 * (1 - np.exp(-STEPS / 3)))
    assert "lost" not in flat.sentence


def test_a_best_point_that_stands_alone_is_a_spike() -> None:
    """Only a point above both neighbours by more than the scatter is one; no turn."""
    base = 0.7 + noise(0.005)
    points = [*base[:20], 0.8, *base[21:]]
    shape = shape_of(list(zip(STEPS.tolist(), points, strict=True)), sign=1)
    assert shape is not None
    assert shape.spike == (points[19], points[21])
    for smooth in (0.8 - 0.001 * abs(STEPS - 13), 0.3 + 0.01 * STEPS, 0.8 - (STEPS - 13) ** 2):
        turned = shape_of(list(zip(STEPS.tolist(), smooth.tolist(), strict=True)), sign=1)
        assert turned is not None
        assert turned.spike is None


def test_the_deepest_points_between_shown_ones_are_found() -> None:
    """The deepest comes first; what is no deeper than the scatter is left out."""
    gain = [0.1, 0.8, 0.75, 0.8, 0.4, 0.8, 0.9]
    assert dips(gain, [0, 1, 3, 5, 6], least=0.01) == [4, 2]
    assert dips(gain, [0, 1, 3, 5, 6], least=0.1) == [4]
    assert dips(sorted(gain), [0, 6], least=0.0) == []
