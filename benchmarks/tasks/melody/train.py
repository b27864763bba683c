"""Train a recurrent network to foretell melodies made by code, and print its loss as it goes.

python train.py --config config.yaml --seed 1
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.tasks import nets, script
from trialwright.expression import Scalar

NOTES, MOTIF, TIMES = 14, 4, 3
TRAIN, VALID = 300, 600
IMPROVISED = 0.1


class Melodist(torch.nn.Module):
    """Notes as vectors, a GRU, and scores of the next note."""

    def __init__(self, settings: Mapping[str, Scalar]) -> None:
        super().__init__()
        width, layers = int(settings["embedding_dim"]), int(settings["num_layers"])
        hidden, dropout = int(settings["hidden_size"]), float(settings["dropout"])
        self.notes = torch.nn.Embedding(NOTES, width)
        # torch warns where there is no layer to put dropout after.
        between = dropout if layers > 1 else 0.0
        self.memory = torch.nn.GRU(width, hidden, layers, dropout=between, batch_first=True)
        self.dropout, self.head = torch.nn.Dropout(dropout), torch.nn.Linear(hidden, NOTES)

    def forward(self, melodies: torch.Tensor) -> torch.Tensor:
        """Map notes (n, length) to scores (n, length, NOTES)."""
        hidden, _ = self.memory(self.dropout(self.notes(melodies)))
        scores: torch.Tensor = self.head(self.dropout(hidden))
        return scores


def train(settings: Mapping[str, Scalar], seed: int) -> script.Points:
    """Yield (epoch, metrics): loss in nats per note and accuracy, on both splits."""
    nets.begin(seed)
    yield from nets.fit(
        Melodist(settings),
        melodies(seed),
        nets.Recipe.of(settings),
        loss=nets.next_token,
        score=nets.foretold,
    )


@lru_cache(maxsize=16)
def melodies(seed: int) -> nets.Split:
    """Return melodies of MOTIF x TIMES notes: all but the last, and all but the first."""
    rng = np.random.default_rng([seed, 2])
    count = TRAIN + VALID
    steps = rng.choice([-2, -1, 1, 2], size=(count, 1, MOTIF), p=[0.15, 0.35, 0.35, 0.15])
    steps[:, :, 0] = 0
    moves = rng.choice([-1, 1, 2], size=(count, TIMES, 1), p=[0.25, 0.5, 0.25]).cumsum(axis=1)
    starts = rng.integers(3, NOTES - 3, size=(count, 1, 1))
    notes = (starts + moves + steps.cumsum(axis=2)).reshape(count, -1)
    improvised = rng.random(notes.shape) < IMPROVISED
    played = np.where(improvised, rng.integers(0, NOTES, notes.shape), notes % NOTES)
    return nets.Split.of(played[:, :-1].copy(), played[:, 1:].copy(), train=TRAIN)


if __name__ == "__main__":
    script.main(train, __doc__)
