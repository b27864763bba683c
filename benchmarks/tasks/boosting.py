"""One way to train XGBoost for the two tables: round by round, with metrics at about 25 of them.

It knows the ten parameters of AgentHPO's space and nothing of a metric's meaning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import xgboost
from numpy.typing import NDArray

from benchmarks.tasks.data import Table

POINTS = 25
"""Points of a curve: enough to read it, few enough not to slow the training down."""

Score = Callable[[NDArray[np.float32], NDArray[np.float32]], Mapping[str, float]]
"""Turns (target, prediction), each of shape (n,), into metrics."""


def rounds(
    settings: Mapping[str, float], table: Table, *, objective: str, seed: int, score: Score
) -> Iterator[tuple[int, dict[str, float]]]:
    """Train and yield (round, metrics); each metric of `score` as `train_...` and `val_...`."""
    train = xgboost.DMatrix(table.train_x, table.train_y, nthread=1)
    valid = xgboost.DMatrix(table.valid_x, table.valid_y, nthread=1)
    count = int(settings["n_estimators"])
    booster = xgboost.Booster(_parameters(settings, objective, seed), [train, valid])
    told = {max(round(count * (i + 1) / POINTS), 1) for i in range(POINTS)}
    for number in range(1, count + 1):
        booster.update(train, number - 1)
        if number in told:
            yield (
                number,
                {
                    f"{part}_{name}": value
                    for part, matrix, target in (
                        ("train", train, table.train_y),
                        ("val", valid, table.valid_y),
                    )
                    for name, value in score(target, booster.predict(matrix)).items()
                },
            )


def _parameters(settings: Mapping[str, float], objective: str, seed: int) -> dict[str, object]:
    passed = {name: value for name, value in settings.items() if name != "n_estimators"}
    return {
        **passed,
        "objective": objective,
        "tree_method": "hist",
        "seed": seed % 2**31,
        # One thread: a study runs several trainings at a time, and results must not depend on it.
        "nthread": 1,
        "disable_default_eval_metric": True,
        "verbosity": 0,
    }
