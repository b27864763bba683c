"""The running best: laws recovered, laws refused, jumps where the code changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from trialwright.campaigns.campaign import Campaign, Experiment
from trialwright.insight.convergence import (
    FEWEST,
    FEWEST_STEPS,
    Course,
    bound_of,
    convergence,
    course_of,
)
from trialwright.insight.fits import fit, steps_of
from trialwright.task import Direction


def search(
    law: Callable[[int], float],
    *,
    trials: int = 300,
    metric: str = "auc",
    direction: Direction = "maximize",
    noise: float = 0.005,
    epoch: Callable[[int], str] = lambda _: "",
) -> Campaign:
    """Return a campaign whose results lie at the law or, by the noise, worse."""
    rng = np.random.default_rng(trials)
    sign = 1 if direction == "maximize" else -1
    experiments = [
        Experiment(
            number=number,
            line=number,
            metric=law(number) - sign * abs(float(rng.normal(0, noise))),
            status="discard",
            extra={"epoch": epoch(number)} if epoch(number) else {},
        )
        for number in range(1, trials + 1)
    ]
    return Campaign(
        name="made", metric=metric, direction=direction, experiments=tuple(experiments),
        dialect="made",
    )  # fmt: skip


def course(campaign: Campaign) -> Course:
    """Return the course of a running best that there is."""
    answer = course_of(campaign)
    assert isinstance(answer, Course), answer
    return answer


def number(value: object) -> float:
    """Return a figure that must be there."""
    assert isinstance(value, int | float)
    return float(value)


def test_an_exact_law_is_recovered_exactly() -> None:
    """Without noise a, b and c are those of the law, and every interval closes around them."""
    n = np.arange(1.0, 301)
    found = fit("power", n, 0.95 - 0.4 * n**-0.5)
    assert (found.a, found.b, found.c) == pytest.approx((0.95, 0.4, 0.5), rel=1e-3)
    assert found.r2 == pytest.approx(1.0, abs=1e-6)
    for (low, high), value in zip(
        (found.a_interval, found.b_interval, found.c_interval), (0.95, 0.4, 0.5), strict=True
    ):
        assert low == pytest.approx(value, rel=0.02)
        assert high == pytest.approx(value, rel=0.02)


def test_a_power_law_is_told_with_its_limit() -> None:
    """A search that follows one: c and the limit in their intervals, the power law leading."""
    measure = convergence(search(lambda n: 0.95 - 0.4 * n**-0.5))
    assert not measure.refused
    assert measure.values["leading"] == "power"
    assert number(measure.values["c"]) == pytest.approx(0.5, abs=0.05)
    assert number(measure.values["a_low"]) <= number(measure.values["a"])
    assert number(measure.values["a"]) == pytest.approx(0.95, abs=0.01)
    assert "as a power law it is 0.9" in measure.sentence


def test_lower_is_better_is_the_mirror_image() -> None:
    """A loss that falls has the c of the gain that rises, and its limit in its own units."""
    up = convergence(search(lambda n: 0.6 - 0.4 * n**-0.5)).values
    down = convergence(
        search(lambda n: 0.2 + 0.4 * n**-0.5, metric="val_loss", direction="minimize")
    ).values
    assert number(down["c"]) == pytest.approx(number(up["c"]), rel=1e-6)
    assert number(down["a"]) == pytest.approx(0.8 - number(up["a"]), abs=1e-6)
    assert number(down["a_low"]) == pytest.approx(0.8 - number(up["a_high"]), abs=1e-4)
    assert number(down["last"]) < number(down["first"])


def test_a_logarithm_is_no_power_law_though_its_r2_is_high() -> None:
    """With c going to 0: refused with the reason, R2 beside it, and what describes it instead."""
    measure = convergence(
        search(lambda n: 5.0 + np.log(n), metric="score", noise=0.1),
    )
    assert measure.refused
    assert number(measure.values["free_r2"]) > 0.9
    assert number(measure.values["free_c"]) < 0.001
    assert measure.values["leading"] == "logarithm"
    assert "means nothing, though R2 is" in measure.sentence
    assert "c goes to 0 (0.000" in measure.sentence
    assert "a" not in measure.values


def test_a_limit_that_no_such_metric_can_have_is_refused() -> None:
    """An accuracy on its way to 1.3: the fit is good, and the limit is out of range."""
    measure = convergence(search(lambda n: 1.3 - 0.7 * n**-0.15, metric="accuracy", trials=200))
    assert measure.refused
    assert number(measure.values["free_a"]) > 1
    assert "its limit leaves the range of the metric" in measure.sentence
    assert "accuracy is never above 1" in measure.notes[0]
    same = convergence(search(lambda n: 1.3 - 0.7 * n**-0.15, metric="whatever", trials=200))
    assert not same.refused
    assert "Nothing says what whatever can be at its best" in same.notes[0]


@pytest.mark.parametrize(
    ("metric", "direction", "values", "bound"),
    [
        ("val_accuracy", "maximize", (0.5, 0.9), 1.0),
        ("val_accuracy", "maximize", (50.0, 90.0), 100.0),
        ("rmse", "minimize", (22.0, 25.0), 0.0),
        ("r2", "minimize", (0.1, 0.2), np.inf),
        ("val_loss", "minimize", (-3.0, 1.0), np.inf),
        ("whatever", "maximize", (0.1, 0.2), np.inf),
    ],
)
def test_the_range_is_the_metrics(
    metric: str, direction: Direction, values: tuple[float, ...], bound: float
) -> None:
    """Shares end at 1, percentages at 100, losses at 0; what is not known is not bounded."""
    one = search(lambda n: values[n - 1], trials=2, noise=0.0, metric=metric, direction=direction)
    assert bound_of(one)[0] == bound


def test_the_log_says_what_its_metric_is() -> None:
    """A column called `val_primary` is an rmse where the configuration says so."""
    one = search(lambda n: 1.0 / n, trials=3, metric="val_primary", direction="minimize")
    told = tuple(replace(e, configuration={"primary_metric": "rmse"}) for e in one.experiments)
    assert bound_of(one)[0] == np.inf
    assert bound_of(replace(one, experiments=told))[0] == 0.0


def test_too_few_trials_or_steps_are_refused() -> None:
    """Below the fewest trials, or values of the running best, no law is fitted at all."""
    few = convergence(search(lambda n: 1 - 1 / n, trials=FEWEST - 1, noise=0.0))
    assert few.refused
    assert f"at least {FEWEST} are needed" in few.sentence
    flat = convergence(search(lambda n: min(n, FEWEST_STEPS - 1) / 10, trials=100, noise=0.0))
    assert flat.refused
    assert f"the running best takes {FEWEST_STEPS - 1} values" in flat.sentence
    assert flat.table is not None
    assert flat.table.records[0]["c"] is None


def test_without_a_direction_there_is_no_best() -> None:
    """Whether more or less is better has to be known."""
    one = replace(search(lambda n: 1 - 1 / n), direction=None)
    assert convergence(one).refused
    assert "not known whether more or less of auc" in convergence(one).sentence


def test_crashes_cost_trials_and_set_no_best() -> None:
    """A crash with a result leaves the running best as it was, and N goes on."""
    one = search(lambda n: n / 100, trials=30, noise=0.0)
    wild = replace(one.experiments[9], metric=0.99, status="crash")
    none = replace(one.experiments[20], metric=None, status="crash")
    kept = (*one.experiments[:9], wild, *one.experiments[10:20], none, *one.experiments[21:])
    whole = course(replace(one, experiments=kept)).whole
    assert len(whole.best) == 30
    assert (whole.best[9], whole.best[20], whole.best[-1]) == (0.09, 0.20, 0.30)
    assert whole.steps == 28


def test_each_version_of_the_code_has_its_own_curve_and_jump() -> None:
    """A fix that lifts every result: a jump at its place, and a law for each side of it."""
    one = search(
        lambda n: (0.6 if n <= 150 else 0.8) - 0.2 * ((n - 1) % 150 + 1) ** -0.4,
        noise=0.002,
        epoch=lambda n: "v1" if n <= 150 else "v2",
    )
    found = course(one)
    assert [(s.epoch, s.start, len(s.best)) for s in found.stretches] == [
        ("v1", 1, 150), ("v2", 151, 150),
    ]  # fmt: skip
    first, second = found.stretches
    assert first.jump is None
    early = max(e.metric or 0.0 for e in one.experiments[150:155])
    assert second.jump == pytest.approx(early - first.best[-1])
    assert second.jump is not None
    assert second.jump > 0.1
    for stretch in found.stretches:
        assert stretch.power is not None
        assert stretch.power.c == pytest.approx(0.4, abs=0.08)
    assert second.best[0] < second.best[-1]
    measure = convergence(one)
    assert any(note.startswith("From trial 151 on the code is v2") for note in measure.notes)
    assert number(measure.values["jump_share"]) == pytest.approx(
        second.jump / (found.whole.best[-1] - found.whole.best[0])
    )


def test_a_change_that_gains_nothing_is_no_jump() -> None:
    """A version whose first results are no better than the best before jumps by 0."""
    one = search(lambda n: 0.6 - 0.2 * ((n - 1) % 150 + 1) ** -0.4,
                 epoch=lambda n: "v1" if n <= 150 else "v2")  # fmt: skip
    assert course(one).stretches[1].jump == 0.0
    assert course(one).jumps == 0.0


def test_the_band_holds_the_curve_in_the_metrics_units() -> None:
    """For drawing: the law between the lowest and the highest curve that its c allows."""
    one = search(lambda n: 0.3 + 0.4 * n**-0.5, metric="val_loss", direction="minimize")
    whole = course(one).whole
    assert whole.power is not None
    n = np.array([1.0, 10.0, 300.0, 3000.0])
    low, high = whole.band(whole.power, n)
    middle = whole.curve(whole.power, n)
    assert np.all(low <= middle + 1e-4)
    assert np.all(middle <= high + 1e-4)
    assert np.all(low < high)
    assert middle[0] > middle[-1]


def test_intervals_allow_for_a_path_that_hangs_together() -> None:
    """Random search over a landscape whose best falls short by N^-0.3: c's interval holds 0.3.

    Of 60 searches the interval of 95 % may miss in 9; with trials for observations, as if each
    were news, it would miss in most of them.
    """
    missed = 0
    for seed in range(60):
        results = 1 - 0.5 * np.random.default_rng(seed).random(300) ** 0.3
        best = np.maximum.accumulate(results)
        if steps_of(best) < 4:
            continue
        low, high = fit("power", np.arange(1.0, 301), best, bound=1.0).c_interval
        missed += not (low or 0.0) <= 0.3 <= (np.inf if high is None else high)
    assert missed <= 9
