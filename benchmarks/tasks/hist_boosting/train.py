"""Train histogram-based gradient boosting on customers and print its log loss as it goes.

python train.py --config config.yaml --seed 1
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.tasks import script, tables
from benchmarks.tasks.data import Table

NAMES = {
    "num_iterations": "max_iter",
    "learning_rate": "learning_rate",
    "num_leaves": "max_leaf_nodes",
    "min_data_in_leaf": "min_samples_leaf",
    "feature_fraction": "max_features",
    "lambda_l2": "l2_regularization",
    "max_bin": "max_bins",
}
"""LightGBM's name -> scikit-learn's."""


def train(settings: tables.Settings, seed: int) -> script.Points:
    """Yield (iteration, metrics): log loss, accuracies and F1 on both splits."""
    table = rows(seed)
    named = {NAMES[name]: value for name, value in settings.items()}
    model = HistGradientBoostingClassifier(**named, early_stopping=False, random_state=seed % 2**31)
    model.fit(table.train_x, table.train_y)
    yield from tables.staged(model, table)


def rows(seed: int) -> Table:
    """3,000 customers: who leaves is drawn from chances; ten columns say nothing."""
    rng = tables.draws(seed)
    x = rng.normal(size=(3000, 20))
    log_odds = 1.5 * np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2] + 0.8 * x[:, 3] - 0.8 * x[:, 4]
    log_odds += 1.5 * (x[:, 5] > 1) * (x[:, 6] > 0) + 0.5 * x[:, 7] ** 2 + 0.6 * x[:, 8] * x[:, 9]
    leaves = rng.random(3000) < 1 / (1 + np.exp(2.5 * (1.6 - log_odds)))
    return tables.split((x, leaves.astype(np.float64)), rng, train=1500)


if __name__ == "__main__":
    script.main(train, __doc__)
