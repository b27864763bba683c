"""Train a support vector machine on noisy digits and print its macro F1.

python train.py --config config.yaml --seed 1
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.tasks import script, tables
from benchmarks.tasks.data import Table

COUNTS = (78, 69, 59, 52, 42, 34, 24, 17, 13, 12)
"""Training images of each digit."""


def train(settings: tables.Settings, seed: int) -> script.Points:
    """Yield (1, metrics) once the machine is trained: F1 and accuracies on both splits."""
    table = rows(seed)
    scaler = StandardScaler().fit(table.train_x)
    kept = {name: value for name, value in settings.items() if name != "class_weight"}
    weight = "balanced" if settings["class_weight"] == "balanced" else None
    model = SVC(**kept, class_weight=weight, random_state=seed % 2**31)
    model.fit(scaler.transform(table.train_x), table.train_y)
    yield (
        1,
        tables.on_both(table, lambda x, y: tables.called(y, model.predict(scaler.transform(x)))),
    )


def rows(seed: int) -> Table:
    """Draw `COUNTS` images to train on and 1,000 of the others; noise of 4 on pixels to 16."""
    rng = tables.draws(seed)
    features, target = tables.raw("digits")
    noisy = (features + 4.0 * rng.normal(size=features.shape)).astype(np.float32)
    order = rng.permutation(len(target))
    known = np.concatenate(
        [order[target[order] == digit][:count] for digit, count in enumerate(COUNTS)]
    )
    asked = order[~np.isin(order, known)][:1000]
    labels = target.astype(np.float32)
    return Table(noisy[known], labels[known], noisy[asked], labels[asked])


if __name__ == "__main__":
    script.main(train, __doc__)
