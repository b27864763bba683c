"""Train a graph convolutional network on Cora and print its validation accuracy as it goes.

    python train.py --config config.yaml --seed 1

The network is Kipf and Welling's (arXiv 1609.02907): each layer multiplies by the normalised
adjacency; dropout before every layer, the input's included.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import scipy.sparse
import torch
import yaml
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.tasks import data
from trialwright.emit import emit

POINTS = 40
"""Points of a curve, at most."""
ACTIVATIONS = {"relu": functional.relu, "elu": functional.elu, "silu": functional.silu}
OPTIMIZERS = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}


class GCN(torch.nn.Module):
    """Graph convolutions with Glorot weights; one layer maps words straight to classes."""

    def __init__(self, widths: list[int], *, activation: str, dropout: float) -> None:
        super().__init__()
        self.weights = torch.nn.ParameterList(
            torch.nn.init.xavier_uniform_(torch.empty(fan_in, fan_out))
            for fan_in, fan_out in pairwise(widths)
        )
        self.biases = torch.nn.ParameterList(torch.zeros(width) for width in widths[1:])
        self.activation, self.dropout = ACTIVATIONS[activation], dropout

    def forward(self, features: torch.Tensor, adjacency: torch.Tensor) -> torch.Tensor:
        """Map sparse features (nodes, words) to class scores (nodes, classes)."""
        kept = functional.dropout(features.values(), self.dropout, self.training)
        sparse = torch.sparse_coo_tensor(
            features.indices(), kept, features.shape, is_coalesced=True, check_invariants=False
        )
        hidden = torch.sparse.mm(adjacency, torch.sparse.mm(sparse, self.weights[0]))
        hidden = hidden + self.biases[0]
        for weight, bias in zip(self.weights[1:], self.biases[1:], strict=True):
            hidden = functional.dropout(self.activation(hidden), self.dropout, self.training)
            hidden = torch.sparse.mm(adjacency, hidden @ weight) + bias
        return hidden


def train(
    settings: Mapping[str, float | str], seed: int, folder: str | None = None
) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield (epoch, metrics): loss and accuracy in training and validation, and test accuracy."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    graph = data.cora(folder, split=seed)
    features, adjacency = _tensors(folder)
    labels, nodes = torch.from_numpy(graph.labels), torch.from_numpy(graph.train)
    network = _network(settings, features.shape[1], int(labels.max()) + 1)
    optimizer = OPTIMIZERS[str(settings["optimizer"])](
        network.parameters(),
        lr=float(settings["learning_rate"]),
        weight_decay=float(settings["weight_decay"]),
    )
    epochs = int(settings["epochs"])
    told = {max(round(epochs * (i + 1) / POINTS), 1) for i in range(POINTS)}
    for epoch in range(1, epochs + 1):
        network.train()
        optimizer.zero_grad()
        loss = functional.cross_entropy(network(features, adjacency)[nodes], labels[nodes])
        loss.backward()
        optimizer.step()
        if epoch in told:
            yield epoch, {"train_loss": float(loss.detach()), **_measured(network, graph, folder)}


def _network(settings: Mapping[str, float | str], words: int, classes: int) -> GCN:
    hidden = [int(settings["hidden_size"])] * (int(settings["num_layers"]) - 1)
    return GCN(
        [words, *hidden, classes],
        activation=str(settings["activation"]),
        dropout=float(settings["dropout"]),
    )


def _measured(network: GCN, graph: data.Graph, folder: str | None) -> dict[str, float]:
    network.eval()
    with torch.no_grad():
        scores = network(*_tensors(folder))
    labels = torch.from_numpy(graph.labels)
    right = (scores.argmax(dim=1) == labels).double()
    return {
        "train_accuracy": float(right[graph.train].mean()),
        "val_accuracy": float(right[graph.valid].mean()),
        "val_loss": float(functional.cross_entropy(scores[graph.valid], labels[graph.valid])),
        "test_accuracy": float(right[graph.test].mean()),
    }


@lru_cache(maxsize=4)
def _tensors(folder: str | None) -> tuple[torch.Tensor, torch.Tensor]:
    graph = data.cora(folder)
    return _sparse(graph.features), _sparse(graph.adjacency)


def _sparse(matrix: scipy.sparse.csr_matrix) -> torch.Tensor:
    entries = matrix.tocoo()
    indices = torch.stack([torch.from_numpy(entries.row), torch.from_numpy(entries.col)]).long()
    values = torch.from_numpy(entries.data)
    return torch.sparse_coo_tensor(indices, values, entries.shape, check_invariants=True).coalesce()


def main() -> None:
    """Read the configuration, train, and print the metrics."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="YAML file of GCN settings")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", help="folder with the ind.cora files")
    arguments = parser.parse_args()
    settings = yaml.safe_load(arguments.config.read_text())
    for epoch, metrics in train(settings, arguments.seed, arguments.data):
        emit(step=epoch, **metrics)


if __name__ == "__main__":
    main()
