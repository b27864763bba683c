"""Influence of parameters: what is found where there is something, and what is not made up."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.histories import Recorder, study_history
from trialwright.analysis.importance import importance
from trialwright.history import History
from trialwright.records import Observation, Proposal
from trialwright.space import Choice, Float, Int, Space
from trialwright.task import Budget, Objective, Task

SPACE = Space(
    (
        Float("rate", 1e-4, 1.0, log=True),
        Int("depth", 1, 10),
        Choice("kind", ("a", "b", "c")),
        Float("spare", 0.0, 1.0),
        Float("drop", 0.0, 0.5, when="kind == 'c'"),
        Int("fixed", 1, 5),
    )
)


def drawn(
    folder: Path,
    score: Callable[[dict, np.random.Generator], float],
    *,
    n: int,
    seed: int = 0,
    direction: str = "maximize",
) -> History:
    """A study of `n` random trials of `SPACE` with `fixed` at 3, scored by a function."""
    objective = Objective(metric="y", direction=direction)  # type: ignore[arg-type]
    task = Task(name="t", objective=objective, space=SPACE, budget=Budget(trials=n))
    recorder = Recorder(folder, task)
    rng = np.random.default_rng(seed)
    for _ in range(n):
        configuration = {**SPACE.sample(rng), "fixed": 3}
        trial = recorder.admit(Proposal(configuration=configuration, by="random"))
        key = recorder.launch(trial)
        value = score(configuration, rng)
        recorder.observe(
            Observation(run=key, outcome="done", value=value, metrics={"y": value}, seconds=1.0)
        )
    return recorder.close()


def by_rate(configuration: dict, rng: np.random.Generator) -> float:
    """A value with a best at rate 0.01, noise, and nothing else."""
    return -((np.log10(configuration["rate"]) + 2) ** 2) + 0.05 * rng.normal()


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_the_parameter_that_matters_is_found(tmp_path: Path, direction: str) -> None:
    """At 40 trials the one parameter behind the result has most of the variation, told so."""
    sign = 1 if direction == "maximize" else -1
    history = drawn(tmp_path, lambda c, rng: sign * by_rate(c, rng), n=40, direction=direction)
    found = {influence.parameter: influence for influence in importance(history)}
    assert importance(history)[0].parameter == "rate"
    assert found["rate"].told
    assert found["rate"].share > 0.6
    assert found["rate"].low > 0.3
    assert not found["spare"].told
    assert found["spare"].low == 0.0


def test_a_choice_that_matters_is_found_and_counted(tmp_path: Path) -> None:
    """An option that is better is told, and the sentence counts it among the best trials."""
    history = drawn(tmp_path, lambda c, rng: float(c["kind"] == "b") + 0.05 * rng.normal(), n=40)
    first = importance(history)[0]
    assert first.parameter == "kind"
    assert first.told
    assert "with b" in first.sentence


def test_noise_is_not_told_as_influence(tmp_path: Path) -> None:
    """Over 12 studies of pure noise, hardly a parameter is told: about one in twenty, not more."""
    told = [
        influence.told
        for seed in range(12)
        for influence in importance(
            drawn(tmp_path / str(seed), lambda c, rng: float(rng.normal()), n=10, seed=seed)
        )
        if influence.varied
    ]
    # 60 tests at 5 percent: more than 8 has a probability below one in a hundred.
    assert sum(told) <= 8


def test_what_may_be_nothing_is_neither_told_nor_given_a_direction(tmp_path: Path) -> None:
    """Whatever is told has an interval above zero; of what is not told no way is called better."""
    found = [
        influence
        for seed in range(24)
        for influence in importance(
            drawn(tmp_path / str(seed), lambda c, rng: float(rng.normal()), n=5, seed=seed)
        )
        if influence.varied
    ]
    assert all(influence.low > 0 for influence in found if influence.told)
    assert not any("was better" in influence.sentence for influence in found if not influence.told)
    assert any(influence.told for influence in found)


def test_at_ten_trials_intervals_are_wide(tmp_path: Path) -> None:
    """With ten trials of noise the interval of some parameter spans more than half."""
    history = drawn(tmp_path, lambda c, rng: float(rng.normal()), n=10)
    found = [influence for influence in importance(history) if influence.varied]
    assert max(influence.high - influence.low for influence in found) > 0.5
    assert any("Can't be told from chance" in influence.sentence for influence in found)


def test_a_parameter_that_never_varied_is_said_to_be_unknown(tmp_path: Path) -> None:
    """A constant parameter gets no share, the widest interval, and a sentence that says why."""
    history = drawn(tmp_path, by_rate, n=20)
    last = importance(history)[-1]
    assert (last.parameter, last.share, last.low, last.high) == ("fixed", 0.0, 0.0, 1.0)
    assert not last.varied
    assert last.sentence.startswith("It was 3 in all 20 trials")


def test_a_conditional_parameter_is_judged_where_it_applies(tmp_path: Path) -> None:
    """What matters only under a condition is told, and the sentence says how often it applied."""
    history = drawn(
        tmp_path, lambda c, rng: 10.0 * c.get("drop", 0.25) + 0.02 * rng.normal(), n=120
    )
    found = {influence.parameter: influence for influence in importance(history)}
    assert found["drop"].told
    assert "of 120 trials" in found["drop"].sentence
    assert "Larger was better" in found["drop"].sentence


@pytest.mark.parametrize("n", [0, 1, 4])
def test_too_few_trials_say_nothing(tmp_path: Path, n: int) -> None:
    """Below five results no parameter gets a share, and each sentence says so."""
    found = importance(drawn(tmp_path, by_rate, n=n))
    assert {influence.parameter for influence in found} == set(SPACE.names)
    assert all((i.share, i.low, i.high) == (0.0, 0.0, 1.0) for i in found)


def test_shares_sum_to_one_and_repeat(tmp_path: Path) -> None:
    """Shares are fractions of one whole, inside their intervals, the same on every call."""
    history = drawn(tmp_path, by_rate, n=30)
    found = importance(history)
    assert sum(influence.share for influence in found) == pytest.approx(1.0)
    history.memo.clear()
    assert importance(history) == found
    assert all(0 <= i.low <= i.share <= i.high <= 1 or not i.varied for i in found)


def test_the_same_result_everywhere_is_no_influence(tmp_path: Path) -> None:
    """A metric that never changes gives no parameter a share, and no error."""
    found = importance(drawn(tmp_path, lambda c, rng: 0.5, n=12))
    assert all(influence.share == 0.0 and not influence.told for influence in found)


def test_time_is_bounded(tmp_path: Path) -> None:
    """The time at 3,000 trials is at most a few times that at 100: only some are looked at."""
    small = study_history(tmp_path / "small", trials=100)
    large = study_history(tmp_path / "large", trials=3000)
    importance(study_history(tmp_path / "first", trials=10))  # scikit-learn is imported here
    seconds = []
    for history in (small, large):
        start = time.process_time()
        importance(history)
        seconds.append(time.process_time() - start)
    assert seconds[1] < 4 * seconds[0]
