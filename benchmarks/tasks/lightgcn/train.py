"""Train LightGCN on generated interactions, and print its NDCG as it goes.

    python train.py --config config.yaml --seed 1

He et al. (arXiv 2002.02126): embeddings, spread over the graph of users and items, and the mean of
what they are after each step; BPR loss, with a penalty on the embeddings of the batch.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.tasks import nets, script
from trialwright.expression import Scalar

USERS, ITEMS, TASTES = 400, 300, 6
PER_USER, HELD_OUT, AT = 25, 5, 10
SHARPNESS, POPULARITY = 1.2, 0.8
"""How far taste and fame decide what a user sees."""


@dataclass(frozen=True, slots=True)
class Interactions:
    """Who has seen what."""

    train: torch.Tensor
    """(n, 2): user and item."""
    seen: torch.Tensor
    """(USERS, ITEMS), true for what is in `train`."""
    held: torch.Tensor
    """(USERS, ITEMS), true for what is held out."""
    graph: torch.Tensor
    """Users and items as nodes; D^-1/2 A D^-1/2, sparse."""


class LightGCN(torch.nn.Module):
    """Embeddings of users and items, and what the graph makes of them."""

    def __init__(self, size: int, *, layers: int, graph: torch.Tensor) -> None:
        super().__init__()
        self.nodes = torch.nn.Parameter(0.1 * torch.randn(USERS + ITEMS, size))
        self.layers, self.graph = layers, graph

    def forward(self) -> torch.Tensor:
        """Return (USERS + ITEMS, size)."""
        current = total = self.nodes
        for _ in range(self.layers):
            current = torch.sparse.mm(self.graph, current)
            total = total + current
        return total / (self.layers + 1)


def train(settings: Mapping[str, Scalar], seed: int) -> script.Points:
    """Yield (epoch, metrics): loss in training, NDCG@10 and recall@10 of what is held out."""
    nets.begin(seed)
    known, recipe = interactions(seed), nets.Recipe.of(settings)
    network = LightGCN(
        int(settings["embedding_size"]), layers=int(settings["num_layers"]), graph=known.graph
    )
    optimizer, told = recipe.make(network), nets.points(recipe.epochs)
    penalty = float(settings["reg_weight"])
    for epoch in range(1, recipe.epochs + 1):
        costs = [
            nets.descend(network, optimizer, _cost(network, known.train[rows], penalty))
            for rows in torch.randperm(len(known.train)).split(recipe.batch_size)
        ]
        if epoch in told:
            metrics = {"train_loss": sum(costs) / len(costs), **_measured(network, known)}
            yield epoch, nets.finite(metrics)


def _cost(network: LightGCN, pairs: torch.Tensor, penalty: float) -> torch.Tensor:
    """Return the BPR loss: an item that was seen goes before one drawn at random."""
    users, items = pairs[:, 0], USERS + pairs[:, 1]
    others = USERS + torch.randint(ITEMS, (len(pairs),))
    nodes = network()
    lead = (nodes[users] * (nodes[items] - nodes[others])).sum(dim=1)
    size = sum((network.nodes[part] ** 2).sum() for part in (users, items, others))
    return -functional.logsigmoid(lead).mean() + penalty * size / len(pairs)


def _measured(network: LightGCN, known: Interactions) -> dict[str, float]:
    with torch.no_grad():
        nodes = network()
    scores = (nodes[:USERS] @ nodes[USERS:].T).masked_fill(known.seen, -torch.inf)
    hits = known.held.gather(1, scores.topk(AT).indices).double()
    worth = 1 / torch.log2(torch.arange(AT, dtype=torch.double) + 2)
    ideal = worth[:HELD_OUT].sum()
    return {
        "val_ndcg_at_10": float(((hits * worth).sum(dim=1) / ideal).mean()),
        "val_recall_at_10": float(hits.sum(dim=1).mean() / HELD_OUT),
    }


@lru_cache(maxsize=16)
def interactions(seed: int) -> Interactions:
    """Draw tastes, fame and, from both, what each user has seen, in random order."""
    rng = np.random.default_rng([seed, 8])
    tastes = rng.normal(size=(USERS, TASTES)) @ rng.normal(size=(TASTES, ITEMS)) / TASTES**0.5
    liking = SHARPNESS * tastes + POPULARITY * rng.normal(size=ITEMS)
    # The largest of such sums are a draw without replacement (the Gumbel trick).
    order = np.argsort(-(liking + rng.gumbel(size=liking.shape)), axis=1)[:, :PER_USER]
    order = rng.permuted(order, axis=1)
    marks = [np.zeros((USERS, ITEMS), dtype=bool) for _ in range(2)]
    for mark, items in zip(marks, (order[:, HELD_OUT:], order[:, :HELD_OUT]), strict=True):
        np.put_along_axis(mark, items, values=True, axis=1)
    seen, held = marks
    return Interactions(
        torch.from_numpy(np.argwhere(seen)),
        torch.from_numpy(seen),
        torch.from_numpy(held),
        _graph(seen),
    )


def _graph(seen: NDArray[np.bool_]) -> torch.Tensor:
    users, items = np.nonzero(seen)
    rows, columns = np.concatenate([users, items + USERS]), np.concatenate([items + USERS, users])
    degrees = np.maximum(np.bincount(rows, minlength=USERS + ITEMS), 1)
    values = (degrees[rows] * degrees[columns]).astype(np.float32) ** -0.5
    indices, shape = torch.from_numpy(np.stack([rows, columns])), (USERS + ITEMS, USERS + ITEMS)
    return torch.sparse_coo_tensor(
        indices, torch.from_numpy(values), shape, check_invariants=True
    ).coalesce()


if __name__ == "__main__":
    script.main(train, __doc__)
