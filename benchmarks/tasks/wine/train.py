"""Train a linear classifier on wines among noise and print its mean log loss.

python train.py --config config.yaml --seed 1
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.tasks import script, tables
from benchmarks.tasks.data import Table

HALVES = 3


def train(settings: tables.Settings, seed: int) -> script.Points:
    """Yield (1, metrics) once all halves are done: mean log loss and accuracy on both splits."""
    features, target = rows(seed)
    rng = tables.draws(seed).spawn(1)[0]
    halves = [
        _half(settings, tables.split((features, target), rng, train=89), seed)
        for _ in range(HALVES)
    ]
    yield 1, {name: float(np.mean([half[name] for half in halves])) for name in halves[0]}


def _half(settings: tables.Settings, table: Table, seed: int) -> dict[str, float]:
    scaler = StandardScaler().fit(table.train_x)
    weight = "balanced" if settings["class_weight"] == "balanced" else None
    model = LogisticRegression(
        C=settings["C"],
        l1_ratio=settings["l1_ratio"],
        max_iter=int(settings["max_iter"]),
        class_weight=weight,
        solver="saga",
        random_state=seed % 2**31,
    )
    with warnings.catch_warnings():
        # How far it gets is what `max_iter` is for.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(scaler.transform(table.train_x), table.train_y)
    return tables.on_both(
        table,
        lambda x, y: tables.probable(y, model.predict_proba(scaler.transform(x))),
    )


def rows(seed: int) -> tables.Rows:
    """The analysis with errors of half its deviation, beside 40 columns of noise."""
    rng = tables.draws(seed)
    features, target = tables.raw("wine")
    blurred = tables.blurred(features, 0.5, rng)
    return tables.beside(blurred, rng.normal(size=(len(target), 40))), target


if __name__ == "__main__":
    script.main(train, __doc__)
