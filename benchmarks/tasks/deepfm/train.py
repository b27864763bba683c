"""Train DeepFM on a generated log of clicks, and print its AUC as it goes.

    python train.py --config config.yaml --seed 1

Guo et al. (arXiv 1703.04247): what each feature adds, what each pair of them does by the product of
their embeddings, and what a multi-layer perceptron makes of all embeddings.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.tasks import nets, script
from trialwright.expression import Scalar

SIZES = (200, 150, 60, 30, 20, 12, 7, 4)
"""Values of each feature: users and items first."""
TRAIN, VALID, EPOCHS = 6000, 6000, 4
LATENT, SINGLE, JOINT = 3, 0.6, 0.5
"""What decides a click: dimensions, and the weight of features alone and of pairs of them."""


class DeepFM(torch.nn.Module):
    """The logit of a click."""

    def __init__(self, settings: Mapping[str, Scalar]) -> None:
        super().__init__()
        width = int(settings["embedding_size"])
        self.single, self.places = (torch.nn.Embedding(sum(SIZES), n) for n in (1, width))
        torch.nn.init.normal_(self.single.weight, std=0.01)
        torch.nn.init.normal_(self.places.weight, std=0.1)
        layers = int(settings["num_mlp_layers"])
        widths = [width * len(SIZES), *[int(settings["mlp_hidden_size"])] * layers]
        dense: list[torch.nn.Module] = []
        for fan_in, fan_out in pairwise(widths):
            dropout = torch.nn.Dropout(float(settings["dropout_prob"]))
            dense += [torch.nn.Linear(fan_in, fan_out), torch.nn.ReLU(), dropout]
        self.dense = torch.nn.Sequential(*dense, torch.nn.Linear(widths[-1], 1))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Map values of features, (n, features), to logits, (n,)."""
        places = self.places(rows)
        # The sum over all pairs of products is half of this difference (equation 2 of the paper).
        pairs = (places.sum(dim=1) ** 2 - (places**2).sum(dim=1)).sum(dim=1) / 2
        logits: torch.Tensor = self.single(rows).sum(dim=(1, 2)) + pairs
        return logits + self.dense(places.flatten(1)).squeeze(1)


def train(settings: Mapping[str, Scalar], seed: int) -> script.Points:
    """Yield (epoch, metrics): AUC and log loss, on both splits."""
    nets.begin(seed)
    yield from nets.fit(
        DeepFM(settings),
        log(seed),
        nets.Recipe.of(settings, epochs=EPOCHS, weight_decay=settings["reg_weight"]),
        loss=functional.binary_cross_entropy_with_logits,
        score=clicked,
    )


def clicked(outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
    """Return the area under the ROC curve, and the log loss."""
    return {
        "auc": nets.area(outputs.numpy(), targets.numpy() > 0.5),
        "loss": float(functional.binary_cross_entropy_with_logits(outputs, targets)),
    }


@lru_cache(maxsize=16)
def log(seed: int) -> nets.Split:
    """Return rows of features, numbered throughout, and whether there was a click."""
    rng = np.random.default_rng([seed, 9])
    count = TRAIN + VALID
    logits = np.zeros(count)
    columns, places = [], []
    for size in SIZES:
        # A few users and items make most of the log.
        fame = 1 / (1 + np.arange(size)) ** 0.7
        column = rng.choice(size, size=count, p=fame / fame.sum())
        columns.append(column)
        places.append(rng.normal(size=(size, LATENT))[column])
        logits += SINGLE * rng.normal(size=size)[column]
    for one, other in combinations(places, 2):
        logits += JOINT * (one * other).sum(axis=1) / LATENT**0.5
    starts = np.concatenate([[0], np.cumsum(SIZES)[:-1]])
    chances = 1 / (1 + np.exp(-(logits - np.quantile(logits, 0.6))))
    clicks = (rng.random(count) < chances).astype(np.float32)
    return nets.Split.of(np.stack(columns, axis=1) + starts, clicks, train=TRAIN)


if __name__ == "__main__":
    script.main(train, __doc__)
