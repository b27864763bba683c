"""Train a multi-layer perceptron on noisy digits and print its accuracy as it goes.

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
    """Yield (epoch, metrics): loss in training, accuracy on both splits."""
    table = rows(seed)
    epochs = int(settings["epochs"])
    model = MLPClassifier(
        hidden_layer_sizes=(int(settings["hidden_units"]),) * int(settings["layers"]),
        activation=settings["activation"],
        solver=settings["solver"],
        learning_rate_init=settings["learning_rate_init"],
        momentum=settings.get("momentum", 0.9),
        alpha=settings["alpha"],
        batch_size=int(settings["batch_size"]),
        random_state=seed % 2**31,
    )
    told = tables.marks(epochs)
    for epoch in range(1, epochs + 1):
        if not tables.one_pass(model, table, classes=np.arange(10.0)):
            yield epoch, {"train_loss": float("nan"), "val_accuracy": float("nan")}
            return
        if epoch in told:
            accuracy = tables.on_both(table, lambda x, y: {"accuracy": model.score(x, y)})
            yield epoch, {"train_loss": float(model.loss_), **accuracy}


def rows(seed: int) -> Table:
    """300 images to train on; normal noise of 6 on pixels from 0 to 16, then both by 16."""
    rng = tables.draws(seed)
    features, target = tables.raw("digits")
    noisy = features + 6.0 * rng.normal(size=features.shape)
    return tables.split((noisy / 16, target), rng, train=300)


if __name__ == "__main__":
    script.main(train, __doc__)
