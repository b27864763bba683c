"""Train a network on a device with little memory, and print its R2 as it goes.

    python train.py --config config.yaml --seed 1

The memory is counted from the sizes asked for, and what does not fit raises before the first step,
as torch would when it allocates.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.tasks import nets, script
from trialwright.expression import Scalar

FEATURES, TRAIN, VALID = 12, 600, 1500
NOISE = 0.6
MEMORY_BYTES = 2 * 2**20
COPIES = 3
"""Numbers kept per weight: itself, its gradient and its momentum."""


def train(settings: Mapping[str, Scalar], seed: int) -> script.Points:
    """Yield (epoch, metrics): R2 and squared error, on both splits.

    Raises:
        MemoryError: the device has too little memory for these sizes.
        FloatingPointError: the loss is no number.
    """
    nets.begin(seed)
    hidden, layers = int(settings["hidden_size"]), int(settings["num_layers"])
    widths = [FEATURES, *[hidden] * layers, 1]
    needed = memory_bytes(widths, int(settings["batch_size"]))
    if needed > MEMORY_BYTES:
        raise MemoryError(
            f"out of memory: {needed / 2**20:.1f} MiB are needed, and the device has"
            f" {MEMORY_BYTES / 2**20:.0f} MiB"
        )
    parts: list[torch.nn.Module] = []
    for fan_in, fan_out in pairwise(widths):
        dropout = torch.nn.Dropout(float(settings["dropout"]))
        parts += [torch.nn.Linear(fan_in, fan_out), torch.nn.LeakyReLU(0.1), dropout]
    yield from nets.fit(
        torch.nn.Sequential(*parts[:-2]),
        rows(seed),
        nets.Recipe.of(settings, optimizer="sgd"),
        loss=functional.mse_loss,
        score=explained,
    )


def memory_bytes(widths: list[int], batch: int) -> int:
    """Return what training takes: weights three times, activations and their gradients.

    >>> memory_bytes([20, 8, 1], 4)
    2412
    """
    weights = sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(widths))
    return 4 * (COPIES * weights + 2 * batch * sum(widths[1:]))


def explained(outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
    """Return R2 and the mean squared error."""
    error = float(functional.mse_loss(outputs, targets))
    return {"r2": 1 - error / float(targets.var(correction=0)), "mse": error}


@lru_cache(maxsize=16)
def rows(seed: int) -> nets.Split:
    """Return features, and a strength that depends on seven of them, not linearly."""
    rng = np.random.default_rng([seed, 5])
    x = rng.normal(size=(TRAIN + VALID, FEATURES))
    y = x[:, 0] * x[:, 1] + np.sin(2 * x[:, 2]) + np.abs(x[:, 3]) + 0.5 * x[:, 4] * (x[:, 5] > 0)
    y = y + 0.5 * x[:, 6] + NOISE * rng.normal(size=len(y))
    y = 3 * (y - y.mean()) / y.std()
    return nets.Split.of(x.astype(np.float32), y[:, None].astype(np.float32), train=TRAIN)


if __name__ == "__main__":
    script.main(train, __doc__)
