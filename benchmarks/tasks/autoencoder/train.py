"""Train an autoencoder that cleans digits from noise, and print its error as it goes.

python train.py --config config.yaml --seed 1
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.tasks import nets, script
from trialwright.expression import Scalar

PIXELS, TRAIN, VALID = 64, 400, 1000
NOISE = 0.3


class Autoencoder(torch.nn.Module):
    """Dense layers to a code and back; noise of its own in training."""

    def __init__(self, settings: Mapping[str, Scalar]) -> None:
        super().__init__()
        wide = [int(settings["hidden_size"])] * int(settings["num_layers"])
        widths = [PIXELS, *wide, int(settings["code_size"]), *wide, PIXELS]
        active = nets.ACTIVATIONS[str(settings["activation"])]
        parts = [part for a, b in pairwise(widths) for part in (torch.nn.Linear(a, b), active())]
        self.layers, self.noise = torch.nn.Sequential(*parts[:-1]), float(settings["noise"])

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Map (n, PIXELS) to the same shape."""
        if self.training:
            pictures = pictures + self.noise * torch.randn_like(pictures)
        cleaned: torch.Tensor = self.layers(pictures)
        return cleaned


def train(settings: Mapping[str, Scalar], seed: int) -> script.Points:
    """Yield (epoch, metrics): mean squared error, on both splits."""
    nets.begin(seed)
    yield from nets.fit(
        Autoencoder(settings),
        pictures(seed),
        nets.Recipe.of(settings),
        loss=functional.mse_loss,
        score=error,
    )


def error(outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
    """Return the mean squared error per pixel."""
    return {"mse": float(functional.mse_loss(outputs, targets))}


@lru_cache(maxsize=16)
def pictures(seed: int) -> nets.Split:
    """Return clean pictures to train on, and noisy ones with their clean form to validate on."""
    rng = np.random.default_rng([seed, 4])
    clean = (load_digits().data / 16).astype(np.float32)
    clean = clean[rng.permutation(len(clean))[: TRAIN + VALID]]
    shown = clean.copy()
    shown[TRAIN:] += (NOISE * rng.normal(size=(VALID, PIXELS))).astype(np.float32)
    return nets.Split.of(shown, clean, train=TRAIN)


if __name__ == "__main__":
    script.main(train, __doc__)
