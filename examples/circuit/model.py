"""The graph network that is trained: every neuron an embedding, every contact a weight.

    dv_i/dt = update(v_i, a_i, sum_j W_ij message(v_j, a_j), stimulus_i)

Both functions are learned, and so are the embeddings `a` and the weights `W`: nothing tells the
network what a type, a time constant or a firing rate is.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Shape:
    """The sizes of the network."""

    embedding: int
    hidden: int
    layers: int
    message_hidden: int
    message_layers: int
    weights_scale: float  # standard deviation of the weights before training
    embedding_scale: float


class GraphNetwork(nn.Module):
    """Voltages and stimuli to the slopes of the voltages."""

    def __init__(self, shape: Shape, contacts: Tensor) -> None:
        super().__init__()
        neurons = len(contacts)
        self.register_buffer("contacts", contacts)
        self.weights = nn.Parameter(shape.weights_scale * torch.randn(neurons, neurons))
        self.embedding = nn.Parameter(shape.embedding_scale * torch.randn(neurons, shape.embedding))
        self.message = mlp(1 + shape.embedding, shape.message_hidden, shape.message_layers)
        self.update = mlp(3 + shape.embedding, shape.hidden, shape.layers)

    def wiring(self) -> Tensor:
        """Weights, shape (n, n), with zeros where neurons don't touch."""
        return self.weights * self.contacts

    def sent(self, voltage: Tensor) -> Tensor:
        """Give what each neuron sends, (..., n): squared, so that a weight's sign has a meaning."""
        return self.message(self._with_embedding(voltage)).squeeze(-1) ** 2

    def changed(self, voltage: Tensor, arriving: Tensor, stimulus: Tensor) -> Tensor:
        """Give dv/dt, shape (..., n), from what arrives at each neuron."""
        return self.update(self._with_embedding(voltage, arriving, stimulus)).squeeze(-1)

    def forward(self, voltage: Tensor, stimulus: Tensor) -> Tensor:
        """Give dv/dt, shape (..., n)."""
        return self.changed(voltage, self.sent(voltage) @ self.wiring().T, stimulus)

    def _with_embedding(self, *inputs: Tensor) -> Tensor:
        shared = self.embedding.expand(*inputs[0].shape, -1)
        return torch.cat([torch.stack(inputs, -1), shared], -1)


def mlp(inputs: int, hidden: int, layers: int) -> nn.Sequential:
    """A network of `layers` layers, the last of them linear, to one output."""
    sizes = [inputs, *[hidden] * (layers - 1)]
    stack: list[nn.Module] = []
    for size, following in pairwise(sizes):
        stack += [nn.Linear(size, following), nn.SiLU()]
    return nn.Sequential(*stack, nn.Linear(sizes[-1], 1))
