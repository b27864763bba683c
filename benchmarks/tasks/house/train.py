"""Train XGBoost on house prices and print R2 on the validation split as it goes.

python train.py --config config.yaml --seed 1
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.tasks import boosting, data
from trialwright.emit import emit


def train(
    settings: Mapping[str, float], seed: int, folder: str | None = None
) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield (round, metrics): R2, and the mean squared error in units of the variance."""
    return boosting.rounds(
        settings,
        data.house(folder, split=seed),
        objective="reg:squarederror",
        seed=seed,
        score=score,
    )


def score(target: NDArray[np.float32], predicted: NDArray[np.float32]) -> dict[str, float]:
    """Return R2, and the share of the variance that is left, of predictions of shape (n,)."""
    wanted = target.astype(np.float64)
    left = float(np.mean((wanted - predicted) ** 2) / np.var(wanted))
    return {"r2": 1 - left, "loss": left}


def main() -> None:
    """Read the configuration, train, and print the metrics."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="YAML file of XGBoost settings")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", help="folder with housing_price_dataset.csv")
    arguments = parser.parse_args()
    settings = yaml.safe_load(arguments.config.read_text())
    for number, metrics in train(settings, arguments.seed, arguments.data):
        emit(step=number, **metrics)


if __name__ == "__main__":
    main()
