"""Train a variational graph autoencoder on Cora's links, and print its AUC as it goes.

    python train.py --config config.yaml --seed 1

The network is Kipf and Welling's (arXiv 1611.07308). Links without a citation are drawn anew in
each epoch, as many as there are links: the whole table of pairs would take the time of twenty.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import svds
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.tasks import data, nets, script
from trialwright.expression import Scalar

COMPONENTS, HELD_OUT = 64, 0.2


@dataclass(frozen=True, slots=True)
class Links:
    """A graph with part of its links held out; pairs of nodes have the shape (2, n)."""

    adjacency: torch.Tensor
    """Normalised, sparse, of the links to train on alone."""
    train: torch.Tensor
    valid: torch.Tensor
    absent: torch.Tensor
    """As many pairs without a link as there are in `valid`."""


class Encoder(torch.nn.Module):
    """Graph convolutions to the mean and the logarithm of the deviation of each node's place."""

    def __init__(self, settings: Mapping[str, Scalar]) -> None:
        super().__init__()
        hidden = [int(settings["hidden_channels"])] * (int(settings["num_layers"]) - 1)
        self.layers = torch.nn.ModuleList(
            torch.nn.Linear(fan_in, fan_out) for fan_in, fan_out in pairwise([COMPONENTS, *hidden])
        )
        self.place = torch.nn.Linear(hidden[-1], int(settings["out_channels"]))
        self.spread = torch.nn.Linear(hidden[-1], int(settings["out_channels"]))
        self.active = nets.ACTIVATIONS[str(settings["activation"])]()
        self.dropout = torch.nn.Dropout(float(settings["dropout"]))

    def forward(
        self, features: torch.Tensor, adjacency: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map (nodes, COMPONENTS) to two tensors of shape (nodes, out_channels)."""
        hidden = features
        for layer in self.layers:
            hidden = self.active(torch.sparse.mm(adjacency, layer(self.dropout(hidden))))
        mixed = torch.sparse.mm(adjacency, self.dropout(hidden))
        return self.place(mixed), self.spread(mixed).clamp(max=10)


def train(settings: Mapping[str, Scalar], seed: int) -> script.Points:
    """Yield (epoch, metrics): loss in training, AUC of links in training and held out.

    Raises:
        FloatingPointError: the loss is no number.
        DataError: Cora can't be had.
    """
    nets.begin(seed)
    parts, features = links(seed), words()
    recipe = nets.Recipe.of(settings, batch_size=len(features))
    network = Encoder(settings)
    optimizer, told = recipe.make(network), nets.points(recipe.epochs)
    for epoch in range(1, recipe.epochs + 1):
        network.train()
        place, spread = network(features, parts.adjacency)
        nodes = place + spread.exp() * torch.randn_like(place)
        others = torch.randint(len(features), parts.train.shape)
        cost = _reconstruction(nodes, parts.train, others)
        cost = cost + _divergence(place, spread) / len(features)
        number = nets.descend(network, optimizer, cost)
        if epoch in told:
            yield epoch, nets.finite({"train_loss": number, **_measured(network, parts)})


def _scores(nodes: torch.Tensor, pairs: torch.Tensor) -> torch.Tensor:
    return (nodes[pairs[0]] * nodes[pairs[1]]).sum(dim=1)


def _reconstruction(
    nodes: torch.Tensor, present: torch.Tensor, absent: torch.Tensor
) -> torch.Tensor:
    hits, misses = functional.logsigmoid(_scores(nodes, present)), -_scores(nodes, absent)
    return -(hits.mean() + functional.logsigmoid(misses).mean())


def _divergence(place: torch.Tensor, spread: torch.Tensor) -> torch.Tensor:
    """Return the mean divergence from the standard normal distribution (appendix of the paper)."""
    return -0.5 * (1 + 2 * spread - place**2 - (2 * spread).exp()).sum(dim=1).mean()


def _measured(network: Encoder, parts: Links) -> dict[str, float]:
    network.eval()
    with torch.no_grad():
        nodes, _ = network(words(), parts.adjacency)
        found = {
            name: _scores(nodes, pairs).numpy()
            for name, pairs in (("train", parts.train), ("val", parts.valid), ("no", parts.absent))
        }
    return {f"{name}_auc": _area(found[name], found["no"]) for name in ("train", "val")}


def _area(present: NDArray[np.float32], absent: NDArray[np.float32]) -> float:
    hits = np.arange(len(present) + len(absent)) < len(present)
    return nets.area(np.concatenate([present, absent]), hits)


@lru_cache(maxsize=1)
def words() -> torch.Tensor:
    """Return the nodes' words as principal components of unit variance, (nodes, COMPONENTS)."""
    features = data.cora().features
    # svds begins with a random vector, which must be the same in every process.
    left, values, _ = svds(features, k=COMPONENTS, v0=np.ones(min(features.shape)))
    places = left * values
    return torch.from_numpy((places / places.std(axis=0)).astype(np.float32))


@lru_cache(maxsize=16)
def links(seed: int) -> Links:
    """Draw the links that are held out, and pairs without one."""
    rng = np.random.default_rng([seed, 6])
    whole = scipy.sparse.triu(data.cora().adjacency, k=1).tocoo()
    nodes = whole.shape[0]
    pairs = np.stack([whole.row, whole.col]).astype(np.int64)[:, rng.permutation(whole.nnz)]
    held = int(HELD_OUT * whole.nnz)
    valid, kept = pairs[:, :held], pairs[:, held:]
    known = set((pairs[0] * nodes + pairs[1]).tolist())
    drawn = np.sort(rng.integers(0, nodes, size=(2, 3 * held)), axis=0)
    free = [a != b and a * nodes + b not in known for a, b in drawn.T.tolist()]
    absent = drawn[:, np.array(free)][:, :held]
    return Links(_normalised(kept, nodes), *map(torch.from_numpy, (kept, valid, absent)))


def _normalised(pairs: NDArray[np.int64], nodes: int) -> torch.Tensor:
    """Return D^-1/2 (A + I) D^-1/2 as a sparse tensor."""
    rows = np.concatenate([pairs[0], pairs[1], np.arange(nodes)])
    columns = np.concatenate([pairs[1], pairs[0], np.arange(nodes)])
    scale = np.bincount(rows, minlength=nodes) ** -0.5
    values = (scale[rows] * scale[columns]).astype(np.float32)
    indices = torch.from_numpy(np.stack([rows, columns]))
    shape = (nodes, nodes)
    return torch.sparse_coo_tensor(
        indices, torch.from_numpy(values), shape, check_invariants=True
    ).coalesce()


if __name__ == "__main__":
    script.main(train, __doc__)
