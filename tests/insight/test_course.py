"""How a campaign went: rates, streaks, plateaus, repeats, steps, predictions, cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.insight.made import BROAD, FORGETFUL, PERSISTENT, campaign
from trialwright.campaigns.campaign import Campaign, Experiment, Status
from trialwright.expression import Scalar
from trialwright.insight.costs import costs
from trialwright.insight.promises import promises
from trialwright.insight.rates import keeps, success
from trialwright.insight.repeats import repeats
from trialwright.insight.sequence import IMPROVEMENT, progress
from trialwright.insight.streaks import plateaus, streaks
from trialwright.insight.strides import strides


def log(
    metrics: Sequence[float | None],
    words: str = "",
    configurations: Sequence[dict[str, Scalar]] = (),
) -> Campaign:
    """Return a campaign where lower is better; words: k, d, c, or o for undecided.

    b is a baseline that is kept.
    """
    statuses: dict[str, Status] = {"k": "keep", "b": "keep", "d": "discard", "c": "crash",
                                   "o": "other"}  # fmt: skip
    words = words or "d" * len(metrics)
    return Campaign(
        name="log", metric="loss", direction="minimize", dialect="made",
        experiments=tuple(
            Experiment(
                number=n, line=n, metric=metric, status=statuses[words[n - 1]],
                category="baseline" if words[n - 1] == "b" else "data",
                configuration=configurations[n - 1] if configurations else None, seed=0,
            )
            for n, metric in enumerate(metrics, 1)
        ),
    )  # fmt: skip


def test_success_and_crashes_with_their_denominators() -> None:
    """Baselines are left out of both; crashes are out of the success rate; intervals are exact."""
    found = success(log([1.0, 0.9, 0.8, 0.9, None, 0.9], "bkddcd"))
    values = found.values
    assert (values["kept"], values["judged"], values["crashed"], values["n"]) == (1, 4, 1, 5)
    assert values["success_rate_low"] == pytest.approx(0.0063, abs=1e-4)
    assert values["success_rate_high"] == pytest.approx(0.8059, abs=1e-4)
    assert "left out: 1 baseline or replicate" in found.notes[0]


def test_kept_is_not_improved() -> None:
    """What was kept without beating the best is counted apart, as is what beat it and was not."""
    values = keeps(log([1.0, 1.1, 0.9, 0.95, 0.8], "kkkkd")).values
    assert (values["kept"], values["improving"], values["not_improving"]) == (4, 2, 2)
    assert values["improvements_not_kept"] == 1


def test_crashes_improve_nothing() -> None:
    """A crash's number is no result, however good it looks."""
    went = progress(log([1.0, 0.0, 0.9], "kck"))
    assert went is not None
    assert went.improved == (True, False, True)
    assert went.gains == (0.0, 0.0, pytest.approx(0.1))


def test_higher_may_be_better_and_tasks_have_their_own_best() -> None:
    """Directions are turned; an experiment has to beat the best of its own task."""
    one = replace(log([0.5, 0.9, 0.6]), direction="maximize")
    rows = one.experiments
    two = replace(one, experiments=(rows[0], replace(rows[1], task="easy"), rows[2]))
    assert progress(one).improved == (True, True, False)  # type: ignore[union-attr]
    assert progress(two).improved == (True, True, True)  # type: ignore[union-attr]


def test_longest_streak_and_the_censored_last_one() -> None:
    """Streaks lie between improvements; the last one is told as not ended."""
    found = streaks(log([1.0, 1.1, 1.2, 0.9, 0.95, 0.8, 0.9, 0.9, 0.9, 0.9]))
    assert found.table is not None
    assert [tuple(row.values()) for row in found.table.records] == [
        (2, 2, True), (5, 1, True), (7, 4, False)
    ]  # fmt: skip
    values = found.values
    assert (values["longest"], values["longest_ended"], values["running"]) == (4, False, 4)
    assert values["median"] is None
    assert "takes 5 streaks" in found.notes[0]


def test_median_of_streaks_counts_the_censored_one_as_longer() -> None:
    """With the last streak censored the median is larger than that of the ended ones alone."""
    metrics, best = [1.0], 1.0
    for length in (1, 1, 1, 3, 4, 5):
        best -= 0.1
        metrics += [*[2.0] * length, best]
    assert streaks(log(metrics)).values["median"] == 1.0
    assert streaks(log(metrics + [2.0] * 9)).values["median"] == 3.0


def test_plateau_goes_on_through_gains_within_noise() -> None:
    """Gains below twice the noise between seeds end streaks but no plateau."""
    shallow = [1.0 - 0.001 * i for i in range(12)]
    configurations: list[dict[str, Scalar]] = [{"x": i} for i in range(12)] + [{"x": 99}, {"x": 99}]
    one = log([*shallow, 1.20, 1.22], "", configurations)
    rows = one.experiments
    seeded = replace(one, experiments=(*rows[:-1], replace(rows[-1], seed=1)))
    assert plateaus(seeded).values["sigma"] == pytest.approx(0.01414, abs=1e-5)
    assert plateaus(seeded).values["longest"] == 13
    assert plateaus(one).values["longest"] == 0
    assert plateaus(one, delta=0.05).values["longest"] == 13


def test_repeats_exact_and_near_with_their_distance() -> None:
    """The same settings in another order repeat exactly; within 1 % of the scale, nearly."""
    configurations: list[dict[str, Scalar]] = [
        {"lr": 1e-4, "act": "relu"}, {"act": "relu", "lr": 1e-4}, {"lr": 1e-1, "act": "relu"},
        {"lr": 1.05e-4, "act": "relu"}, {"lr": 1.05e-4, "act": "gelu"},
        {"lr": 1.2e-4, "act": "relu"},
    ]  # fmt: skip
    found = repeats(log([1.0] * 6, "", configurations))
    assert (found.values["exact"], found.values["near"], found.values["n"]) == (1, 1, 6)
    assert found.table is not None
    assert [tuple(row.values())[:3] for row in found.table.records] == [
        (2, 1, "exact"), (4, 1, "near")
    ]  # fmt: skip
    assert found.values["near_distance"] == pytest.approx(0.00706, abs=1e-5)


def test_replicates_are_no_repeats() -> None:
    """Another seed, or a row that is declared a baseline, repeats nothing."""
    one = log([1.0] * 3, "ddb", [{"lr": 1.0}] * 3)
    rows = one.experiments
    assert repeats(replace(one, experiments=rows[:2])).values["exact"] == 1
    other = replace(one, experiments=(rows[0], replace(rows[1], seed=7), rows[2]))
    assert repeats(other).values["exact"] == 0


def test_nearest_is_found_across_many_configurations() -> None:
    """Among 1,200 configurations only the planted neighbours are near, wherever they stand."""
    grid: list[dict[str, Scalar]] = [{"a": i // 40 / 30, "b": i % 40 / 40} for i in range(1200)]
    planted: list[dict[str, Scalar]] = [{"a": 0.0, "b": 0.004}, {"a": 0.5, "b": 0.004}]
    found = repeats(log([1.0] * 1202, "", grid + planted))
    assert (found.values["exact"], found.values["near"]) == (0, 2)
    assert found.table is not None
    assert [row["repeats"] for row in found.table.records] == [1, 601]


def test_who_forgets_repeats_itself() -> None:
    """The agent made to repeat itself does, several times as often as the others at least."""
    rates = [repeats(campaign(one, 3)).values["exact_rate"] for one in
             (FORGETFUL, BROAD, PERSISTENT)]  # fmt: skip
    assert float(str(rates[0])) > 0.3
    assert max(float(str(rates[1])), float(str(rates[2]))) < 0.1


def test_steps_that_become_smaller() -> None:
    """Halving gains have a falling trend with an interval below 0; moves are of settings."""
    metrics = [1.0]
    for i in range(8):
        metrics.append(metrics[-1] - 0.2 / 2**i)
    configurations: list[dict[str, Scalar]] = [{"x": 1 - 2.0**-i} for i in range(9)]
    values = strides(log(metrics, "k" * 9, configurations)).values
    assert (values["gains"], values["proposals"]) == (8, 8)
    assert float(str(values["gain_trend_high"])) < 0
    assert float(str(values["move_trend_high"])) < 0
    assert float(str(values["late_median"])) < float(str(values["early_median"]))


@pytest.mark.parametrize("word", ["kdkd", "dddd", "kokk", "koko"])
def test_improvements_are_the_same_for_every_measure(word: str) -> None:
    """Whatever became of it, what beats the best of its time is an improvement, and is said so."""
    one = log([1.0, 0.9, 0.8, 0.7], word)
    rows = tuple(replace(row, seconds=10.0) for row in one.experiments)
    one = replace(one, experiments=rows)
    steps, spent = strides(one), costs(one)
    assert (steps.values["gains"], spent.values["improvements"]) == (3, 3)
    assert steps.sentence.startswith("3 improvements")
    assert IMPROVEMENT in steps.notes
    assert IMPROVEMENT in spent.notes


def test_predictions_that_are_too_sure() -> None:
    """Intervals that hold 2 of 10 results at 90 % are too sure; bias and width are told."""
    one = log([float(i) for i in range(10)])
    rows = tuple(
        replace(row, metrics={"predicted_low": (row.metric or 0) + off, "predicted_high":
                              (row.metric or 0) + off + 1.0})
        for row, off in zip(one.experiments, [-0.5] * 2 + [1.0] * 8, strict=True)
    )  # fmt: skip
    found = promises(replace(one, experiments=rows))
    values = found.values
    assert (values["inside"], values["n"], values["sharpness"]) == (2, 10, 1.0)
    assert values["coverage_high"] == pytest.approx(0.5561, abs=1e-4)
    assert values["bias"] == pytest.approx(-1.2)
    assert "too sure" in found.sentence
    assert promises(one).refused


def test_cost_per_improvement() -> None:
    """Seconds, tokens and dollars per improvement, with the interval of so few improvements."""
    one = log([1.0, 0.9, 0.95, 0.8])
    rows = tuple(
        replace(row, seconds=10.0, metrics={"input_tokens": 90.0, "output_tokens": 10.0})
        for row in one.experiments
    )
    values = costs(replace(one, experiments=rows)).values
    assert (values["improvements"], values["seconds_per_improvement"]) == (2, 20.0)
    assert (values["tokens"], values["tokens_per_improvement"]) == (400.0, 200.0)
    assert values["seconds_per_improvement_low"] == pytest.approx(40 / 7.2247, rel=1e-3)
    assert values["seconds_per_improvement_high"] == pytest.approx(40 / 0.2422, rel=1e-3)
    assert "usd" not in values
    assert costs(one).refused


def test_refused_where_nobody_knows_which_way_is_better() -> None:
    """Without a direction there is no best, and whatever needs one says so."""
    one = replace(log([1.0, 0.9]), direction=None)
    told = [measure(one) for measure in (keeps, streaks, plateaus, strides, costs)]
    assert all(found.refused and "which way" in found.sentence for found in told)
