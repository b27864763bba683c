"""Train a small network on sixty patients and print its balanced accuracy as it goes.

python train.py --config config.yaml --seed 1
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from sklearn.neural_network import MLPClassifier

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.tasks import script, tables
from benchmarks.tasks.data import Table


def train(settings: tables.Settings, seed: int) -> script.Points:
    """Yield (epoch, metrics): loss in training, accuracies and F1 on both splits."""
    table = rows(seed)
    epochs = int(settings["epochs"])
    model = MLPClassifier(
        hidden_layer_sizes=(int(settings["hidden_units"]),),
        learning_rate_init=settings["learning_rate_init"],
        alpha=settings["alpha"],
        random_state=seed % 2**31,
    )
    told = tables.marks(epochs)
    for epoch in range(1, epochs + 1):
        if not tables.one_pass(model, table, classes=np.arange(2.0)):
            yield epoch, {"train_loss": float("nan"), "val_balanced_accuracy": float("nan")}
            return
        if epoch in told:
            scores = tables.on_both(table, lambda x, y: tables.called(y, model.predict(x)))
            yield epoch, {"train_loss": float(model.loss_), **scores}


def rows(seed: int) -> Table:
    """260 patients, 60 to train on: four of 24 features tell how likely they respond."""
    rng = tables.draws(seed)
    x = rng.normal(size=(260, 24))
    log_odds = 2.4 * x[:, 0] - 1.8 * x[:, 1] + 1.5 * np.abs(x[:, 2]) + 1.2 * x[:, 3] - 1.8
    responds = rng.random(260) < 1 / (1 + np.exp(-log_odds))
    return tables.split((x, responds.astype(np.float64)), rng, train=60)


if __name__ == "__main__":
    script.main(train, __doc__)
