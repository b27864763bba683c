"""Train XGBoost on water potability and print F1 on the validation split as it goes.

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
    """Yield (round, metrics): F1 at the threshold 0.5 and log loss, on both splits."""
    return boosting.rounds(
        settings,
        data.water(folder, split=seed),
        objective="binary:logistic",
        seed=seed,
        score=score,
    )


def score(target: NDArray[np.float32], chance: NDArray[np.float32]) -> dict[str, float]:
    """Return F1 and log loss of predicted chances, shape (n,)."""
    positive, called = target > 0.5, chance > 0.5
    hits = float(np.sum(positive & called))
    clipped = np.clip(chance.astype(np.float64), 1e-7, 1 - 1e-7)
    return {
        "f1": 2 * hits / max(float(positive.sum() + called.sum()), 1.0),
        "loss": -float(np.mean(np.where(positive, np.log(clipped), np.log1p(-clipped)))),
    }


def main() -> None:
    """Read the configuration, train, and print the metrics."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="YAML file of XGBoost settings")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", help="folder with water_potability.csv")
    arguments = parser.parse_args()
    settings = yaml.safe_load(arguments.config.read_text())
    for number, metrics in train(settings, arguments.seed, arguments.data):
        emit(step=number, **metrics)


if __name__ == "__main__":
    main()
