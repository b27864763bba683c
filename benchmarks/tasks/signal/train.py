"""Train a convolutional network on signals made by code, and print its accuracy as it goes.

python train.py --config config.yaml --seed 1
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.tasks import nets, script
from trialwright.expression import Scalar

LENGTH, EVENT = 64, 16
TRAIN, VALID = 500, 1000
NOISE, DRIFT = 0.5, 0.5


def train(settings: Mapping[str, Scalar], seed: int) -> script.Points:
    """Yield (epoch, metrics): accuracy and loss, on both splits."""
    nets.begin(seed)
    channels, kernel = int(settings["channels"]), int(settings["kernel_size"])
    network = torch.nn.Sequential(
        torch.nn.Conv1d(1, channels, kernel, padding="same"),
        torch.nn.ReLU(),
        torch.nn.MaxPool1d(2),
        torch.nn.Conv1d(channels, channels, kernel, padding="same"),
        torch.nn.ReLU(),
        torch.nn.MaxPool1d(2),
        torch.nn.AdaptiveMaxPool1d(1),
        torch.nn.Flatten(),
        torch.nn.Dropout(float(settings["dropout"])),
        torch.nn.Linear(channels, len(events())),
    )
    yield from nets.fit(
        network,
        signals(seed),
        nets.Recipe.of(settings),
        loss=functional.cross_entropy,
        score=nets.told_apart,
    )


def events() -> NDArray[np.float64]:
    """Return what is to be told apart, shape (5, EVENT): alike in power, not in form."""
    time = np.linspace(0, 1, EVENT)
    forms = np.array(
        [
            np.sin(2 * np.pi * (time + 2 * time**2)),
            np.sin(2 * np.pi * (3 * time - 0.5 * time**2)),
            np.sin(2 * np.pi * 2 * time) * np.hanning(EVENT),
            np.sign(np.sin(2 * np.pi * 2 * time)),
            2 * ((2 * time) % 1) - 1,
        ]
    )
    centred = forms - forms.mean(axis=1, keepdims=True)
    return np.asarray(centred / centred.std(axis=1, keepdims=True))


@lru_cache(maxsize=16)
def signals(seed: int) -> nets.Split:
    """Return signals of shape (n, 1, LENGTH) with the number of the event in each."""
    rng = np.random.default_rng([seed, 1])
    count = TRAIN + VALID
    kinds = rng.integers(0, len(events()), count)
    made = NOISE * rng.normal(size=(count, LENGTH))
    phases = rng.random((count, 1)) * 2 * np.pi
    made += DRIFT * np.sin(np.linspace(0, np.pi, LENGTH) * rng.uniform(0.5, 2, (count, 1)) + phases)
    strengths = rng.uniform(0.6, 1.2, count)
    for row, start in enumerate(rng.integers(0, LENGTH - EVENT + 1, count)):
        made[row, start : start + EVENT] += strengths[row] * events()[kinds[row]]
    return nets.Split.of(made[:, None].astype(np.float32), kinds, train=TRAIN)


if __name__ == "__main__":
    script.main(train, __doc__)
