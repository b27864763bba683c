"""What the tasks on small tables share: data, noise and splits by seed, and scores.

Under one seed rows, noise and split are fixed; another seed draws all of them anew. It knows no
model and no parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Protocol, TypeVar

import numpy as np
import sklearn.datasets
import sklearn.metrics
from numpy.typing import NDArray

from benchmarks.tasks.data import SPLIT_SEED, Table
from benchmarks.tasks.script import Points

Settings = Mapping[str, Any]
"""A configuration, as a YAML file holds it."""
Rows = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Features, shape (n, d), and target, shape (n,)."""

Real = TypeVar("Real", np.float32, np.float64)


class Staged(Protocol):
    """A boosted classifier: its chances after each stage, of shape (n, classes)."""

    def staged_predict_proba(self, x: NDArray[np.float32], /) -> Iterator[NDArray[np.float64]]:
        """Yield chances of shape (n, classes)."""


class Stepped(Protocol):
    """A model that is trained an epoch at a time."""

    def partial_fit(
        self,
        x: NDArray[np.float32],
        y: NDArray[np.float32],
        /,
        *,
        classes: NDArray[np.float64],
    ) -> object:
        """Train on each row once."""


POINTS = 12
"""Points of a curve, at most: enough to read it, few enough not to slow the training down."""

_READERS: Mapping[str, Callable[..., Rows]] = {
    "cancer": sklearn.datasets.load_breast_cancer,
    "diabetes": sklearn.datasets.load_diabetes,
    "digits": sklearn.datasets.load_digits,
    "iris": sklearn.datasets.load_iris,
    "wine": sklearn.datasets.load_wine,
}


@lru_cache
def raw(name: str) -> Rows:
    """Return one of the tables that come with scikit-learn, as it is; not to be written to.

    >>> raw("wine")[0].shape
    (178, 13)
    """
    features, target = _READERS[name](return_X_y=True)
    features.flags.writeable = target.flags.writeable = False
    return features, target


def draws(seed: int) -> np.random.Generator:
    """Return the source of a seed's noise and splits, apart from the trainings' own draws."""
    return np.random.default_rng([SPLIT_SEED, seed])


def blurred(
    features: NDArray[np.float64], share: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Add normal noise to each column, `share` times the column's own deviation."""
    spread: NDArray[np.float64] = features.std(axis=0)
    return features + share * spread * rng.normal(size=features.shape)


def beside(features: NDArray[np.float64], noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Append columns that say nothing: shapes (n, d) and (n, k) to (n, d + k)."""
    return np.hstack([features, noise])


def mislabelled(target: NDArray[Real], share: float, rng: np.random.Generator) -> NDArray[Real]:
    """Give a share of the labels to another class, drawn at random; classes count from 0."""
    classes = int(target.max()) + 1
    shift = np.where(rng.random(len(target)) < share, rng.integers(1, classes, len(target)), 0)
    return ((target + shift) % classes).astype(target.dtype)


def split(rows: Rows, rng: np.random.Generator, *, train: int, valid: int | None = None) -> Table:
    """Draw `train` rows to train on, and `valid` others, or all others, to validate on."""
    features, target = rows
    order = rng.permutation(len(target))
    known, asked = order[:train], order[train : None if valid is None else train + valid]
    narrow = features.astype(np.float32), target.astype(np.float32)
    return Table(narrow[0][known], narrow[1][known], narrow[0][asked], narrow[1][asked])


def marks(count: int) -> set[int]:
    """Return the steps of `count` at which a curve has its points; the last step always is one."""
    return {max(round(count * (i + 1) / POINTS), 1) for i in range(POINTS)}


def called(target: NDArray[np.float32], predicted: NDArray[np.float32]) -> dict[str, float]:
    """Score predicted classes; F1 is the positive class's if there are two, else the macro mean."""
    average = "binary" if target.max() <= 1 else "macro"
    return {
        "accuracy": float(np.mean(target == predicted)),
        "balanced_accuracy": float(
            np.mean([np.mean(predicted[target == label] == label) for label in np.unique(target)])
        ),
        "f1": float(
            sklearn.metrics.f1_score(target, predicted, average=average, zero_division=0.0)
        ),
    }


def log_loss(target: NDArray[np.float32], chances: NDArray[np.float64]) -> float:
    """Return the mean log loss of predicted chances, shape (n, classes)."""
    own = chances[np.arange(len(target)), target.astype(np.int64)]
    return -float(np.mean(np.log(np.clip(own.astype(np.float64), 1e-9, 1.0))))


def probable(target: NDArray[np.float32], chances: NDArray[np.float64]) -> dict[str, float]:
    """Score predicted chances, shape (n, classes): their log loss, and the likeliest classes."""
    return {"log_loss": log_loss(target, chances), **called(target, chances.argmax(axis=1))}


def staged(model: Staged, table: Table) -> Points:
    """Yield (stage, metrics) of a boosted classifier that is trained already."""
    stages = list(
        zip(
            model.staged_predict_proba(table.train_x),
            model.staged_predict_proba(table.valid_x),
            strict=True,
        )
    )
    for number in sorted(marks(len(stages))):
        known, asked = stages[number - 1]
        scored = (("train", table.train_y, known), ("val", table.valid_y, asked))
        yield (
            number,
            {
                f"{part}_{name}": value
                for part, target, chances in scored
                for name, value in probable(target, chances).items()
            },
        )


def one_pass(model: Stepped, table: Table, *, classes: NDArray[np.float64]) -> bool:
    """Train for an epoch; False if the weights are no numbers any more."""
    with np.errstate(all="ignore"):
        try:
            model.partial_fit(table.train_x, table.train_y, classes=classes)
        except ValueError as error:
            if "non-finite" in str(error):
                return False
            raise
    return True


def on_both(
    table: Table, score: Callable[[NDArray[np.float32], NDArray[np.float32]], Mapping[str, float]]
) -> dict[str, float]:
    """Apply `score` to (features, target) of both parts: names begin with `train_` and `val_`."""
    parts = (("train", table.train_x, table.train_y), ("val", table.valid_x, table.valid_y))
    return {
        f"{part}_{name}": value
        for part, features, target in parts
        for name, value in score(features, target).items()
    }
