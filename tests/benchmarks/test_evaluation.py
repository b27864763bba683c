"""Trainings are remembered under all that they depend on, and failed ones are results, too."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from benchmarks.tasks import data, evaluation
from benchmarks.tasks.evaluation import HERE, NAMES, Evaluation, imported, trained

from trialwright.records import RunKey
from trialwright.task import Objective

LOSS = Objective(metric="loss", direction="minimize")


def test_tasks_are_found_by_their_study_files() -> None:
    """A folder with a study file is a task, and every task has script and default."""
    assert {"water", "house", "cora"} <= set(NAMES)
    for name in NAMES:
        assert (HERE / name / "train.py").is_file()
        assert evaluation.default_of(name)


def test_a_digest_covers_what_a_script_imports_and_nothing_else() -> None:
    """Water's figures depend on the boosting module and XGBoost, Cora's on neither."""
    water, cora = (imported(HERE / name / "train.py") for name in ("water", "cora"))
    assert {path.name for path in water[0]} == {"boosting.py", "data.py", "train.py"}
    assert {path.name for path in cora[0]} == {"data.py", "train.py"}
    assert {"numpy", "xgboost"} <= water[1]
    assert "torch" in cora[1]
    assert not {"xgboost", "yaml", "sys", "trialwright"} & cora[1]


@pytest.mark.parametrize(
    ("raised", "cause"),
    [
        (MemoryError("2.1 GiB asked for"), "out_of_memory_host"),
        (FloatingPointError("overflow in step 3"), "diverged"),
        (ValueError("the loss is nan"), "diverged"),
        (ValueError("no such kernel"), "other"),
    ],
)
def test_a_training_that_raises_is_a_failed_trial(raised: Exception, cause: str) -> None:
    """Its cause, its words and what it had told stay, and it can be lived through again."""

    def train(configuration: Mapping[str, object], seed: int) -> Iterator[tuple[int, dict]]:
        yield 1, {"loss": 0.5}
        raise raised

    failed = trained(train, {}, 0)
    assert failed.points == ((1, {"loss": 0.5}),)
    assert failed.value(LOSS) is None
    assert failed.cause == cause
    shown = failed.observation(RunKey(0, 0, 0), LOSS)
    assert (shown.outcome, shown.cause) == ("failed", cause)
    assert str(raised) in shown.detail
    again = trained(lambda configuration, seed: failed.replayed(), {}, 0)
    assert (again.points, again.failure) == (failed.points, failed.failure)


def test_data_that_is_not_there_is_no_failed_trial() -> None:
    """What keeps every training of a task from running is raised, not remembered."""

    def train(configuration: Mapping[str, object], seed: int) -> Iterator[tuple[int, dict]]:
        raise data.DataError("get it there")
        yield

    with pytest.raises(data.DataError):
        trained(train, {}, 0)


def test_a_curve_that_ends_in_nan_is_a_failed_trial() -> None:
    """Without an exception, too, a value that is none is a divergence."""
    ended = Evaluation(((1, {"loss": 0.5}), (2, {"loss": math.nan})), 0.1)
    assert ended.value(LOSS) is None
    assert ended.observation(RunKey(0, 0, 0), LOSS).cause == "diverged"


def test_a_failed_training_is_remembered(tmp_path: Path) -> None:
    """A second evaluation reads the failure from the cache instead of training again."""
    name = "limits" if "limits" in NAMES else ""
    if not name or evaluation.missing(name):
        pytest.skip("no task here fails on purpose")
    space = evaluation.task_of(name).space
    import numpy as np

    rng = np.random.default_rng(100)
    for _ in range(60):
        configuration = space.sample(rng)
        first = evaluation.evaluate(name, configuration, 100, cache=tmp_path)
        if first.failure:
            break
    assert first.failure
    assert evaluation.evaluate(name, configuration, 100, cache=tmp_path) == first
