"""Train a decision tree on the state of machines and print its balanced accuracy.

python train.py --config config.yaml --seed 1
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from sklearn.tree import DecisionTreeClassifier

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.tasks import script, tables
from benchmarks.tasks.data import Table


def train(settings: tables.Settings, seed: int) -> script.Points:
    """Yield (1, metrics) once the tree is grown: accuracies and F1 on both splits."""
    table = rows(seed)
    kept = {name: value for name, value in settings.items() if name != "class_weight"}
    weight = "balanced" if settings["class_weight"] == "balanced" else None
    model = DecisionTreeClassifier(**kept, class_weight=weight, random_state=seed % 2**31)
    model.fit(table.train_x, table.train_y)
    yield 1, tables.on_both(table, lambda x, y: tables.called(y, model.predict(x)))


def rows(seed: int) -> Table:
    """3,000 machines: what wears them adds up and interacts; six readings say nothing."""
    rng = tables.draws(seed)
    x = rng.uniform(size=(3000, 16))
    strain = 2 * x[:, 0] + x[:, 1] + 2 * (x[:, 2] > 0.7) * (x[:, 3] > 0.4) + x[:, 4] * x[:, 5]
    strain += 1.5 * ((x[:, 6] < 0.3) & (x[:, 7] > 0.5)) + 0.7 * (x[:, 8] - x[:, 9])
    # The tenth and the third most worn: about to fail, worn.
    state = np.digitize(strain, np.quantile(strain, [0.7, 0.9])).astype(np.float64)
    return tables.split((x, tables.mislabelled(state, 0.125, rng)), rng, train=1000)


if __name__ == "__main__":
    script.main(train, __doc__)
