"""Train a random forest on diabetes and print R2 on the validation split.

python train.py --config config.yaml --seed 1
"""

from __future__ import annotations

import sys
from pathlib import Path

from sklearn.ensemble import RandomForestRegressor

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.tasks import script, tables
from benchmarks.tasks.data import Table


def train(settings: tables.Settings, seed: int) -> script.Points:
    """Yield (1, metrics) once the forest is grown: R2 on both splits."""
    table = rows(seed)
    model = RandomForestRegressor(**settings, random_state=seed % 2**31)
    model.fit(table.train_x, table.train_y)
    yield 1, tables.on_both(table, lambda features, y: {"r2": model.score(features, y)})


def rows(seed: int) -> Table:
    """Half of the patients to train on; 20 columns of noise beside the ten measurements."""
    rng = tables.draws(seed)
    features, target = tables.raw("diabetes")
    wide = tables.beside(features, features.std() * rng.normal(size=(len(target), 20)))
    return tables.split((wide, target), rng, train=221)


if __name__ == "__main__":
    script.main(train, __doc__)
