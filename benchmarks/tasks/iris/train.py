"""Cross-validate nearest neighbours on irises in noise and print the mean accuracy.

python train.py --config config.yaml --seed 1
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA
from sklearn.model_selection import RepeatedStratifiedKFold, cross_validate
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.tasks import script, tables

SCALERS = {"none": "passthrough", "standard": StandardScaler(), "minmax": MinMaxScaler()}


def train(settings: tables.Settings, seed: int) -> script.Points:
    """Yield (1, metrics) once all folds are done: mean accuracy on both parts."""
    features, target = rows(seed)
    model = Pipeline(
        [
            ("scale", SCALERS[str(settings["scaling"])]),
            ("reduce", PCA(int(settings["components"]), random_state=seed % 2**31)),
            (
                "classify",
                KNeighborsClassifier(
                    int(settings["n_neighbors"]), weights=settings["weights"], p=settings["p"]
                ),
            ),
        ]
    )
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=2, random_state=seed % 2**31)
    scores = cross_validate(model, features, target, cv=folds, return_train_score=True)
    means = {"train_accuracy": scores["train_score"], "val_accuracy": scores["test_score"]}
    yield 1, {name: float(np.mean(values)) for name, values in means.items()}


def rows(seed: int) -> tables.Rows:
    """Four blurred measurements, and four readings of other things in other units."""
    rng = tables.draws(seed)
    features, target = tables.raw("iris")
    units = np.array([0.5, 1.0, 2.0, 5.0])
    readings = units * rng.normal(size=(len(target), len(units)))
    return tables.beside(tables.blurred(features, 0.5, rng), readings), target


if __name__ == "__main__":
    script.main(train, __doc__)
