"""Train a chain of scaling, selection and one of three models; print its accuracy.

python train.py --config config.yaml --seed 1
"""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.tasks import script, tables
from benchmarks.tasks.data import Table

SCALERS = {"none": "passthrough", "standard": StandardScaler(), "minmax": MinMaxScaler()}


def train(settings: tables.Settings, seed: int) -> script.Points:
    """Yield (1, metrics) once the chain is trained: accuracies and F1 on both splits."""
    table = rows(seed)
    chain = Pipeline(
        [
            ("scale", SCALERS[str(settings["scaling"])]),
            ("select", SelectKBest(k=int(settings["features"]))),
            ("classify", _model(settings, seed)),
        ]
    )
    chain.fit(table.train_x, table.train_y)
    yield 1, tables.on_both(table, lambda x, y: tables.called(y, chain.predict(x)))


def _model(settings: tables.Settings, seed: int) -> BaseEstimator:
    match settings["model"]:
        case "forest":
            return RandomForestClassifier(
                n_estimators=int(settings["forest_trees"]),
                max_depth=int(settings["forest_max_depth"]),
                min_samples_leaf=int(settings["forest_min_samples_leaf"]),
                max_features=settings["forest_max_features"],
                random_state=seed % 2**31,
            )
        case "svm":
            return SVC(C=settings["svm_c"], gamma=settings["svm_gamma"])
        case _:
            return KNeighborsClassifier(
                int(settings["knn_neighbors"]), weights=settings["knn_weights"]
            )


def rows(seed: int) -> Table:
    """500 samples to train on, 1,000 to validate on, of a population of 3,000."""
    return tables.split(_population(), tables.draws(seed), train=500, valid=1000)


@lru_cache
def _population() -> tables.Rows:
    features, target = make_classification(
        n_samples=3000,
        n_features=24,
        n_informative=6,
        n_redundant=4,
        n_classes=4,
        flip_y=0.05,
        random_state=11,
    )
    units = np.geomspace(0.1, 10, features.shape[1])
    return features * np.random.default_rng(11).permutation(units), target


if __name__ == "__main__":
    script.main(train, __doc__)
