"""Train gradient boosting on breast cancer and print F1 on the validation split as it goes.

python train.py --config config.yaml --seed 1
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from sklearn.ensemble import GradientBoostingClassifier

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.tasks import script, tables
from benchmarks.tasks.data import Table


def train(settings: tables.Settings, seed: int) -> script.Points:
    """Yield (tree, metrics): F1, accuracy and log loss on both splits."""
    table = rows(seed)
    model = GradientBoostingClassifier(**settings, random_state=seed % 2**31)
    model.fit(table.train_x, table.train_y)
    yield from tables.staged(model, table)


def rows(seed: int) -> Table:
    """Half of the patients to train on, a fifth of their labels wrong; malignant is 1."""
    rng = tables.draws(seed)
    features, benign = tables.raw("cancer")
    rough = tables.blurred(features, 0.5, rng)
    table = tables.split((rough, 1 - benign), rng, train=284)
    return replace(table, train_y=tables.mislabelled(table.train_y, 0.2, rng))


if __name__ == "__main__":
    script.main(train, __doc__)
