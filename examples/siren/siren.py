"""A network of sines, and a field to be fitted: both of coordinates between -1 and 1.

Sitzmann et al. 2020, "Implicit neural representations with periodic activation functions". Here
every layer has the same `omega`, and the first one is drawn as the others would be at `omega` 1.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

WAVES = 24
"""Plane waves that the field is a sum of."""


class Siren(nn.Module):
    """Coordinates, shape (..., inputs), to one value each, shape (...)."""

    def __init__(self, *, inputs: int, hidden: int, layers: int, omega: float) -> None:
        super().__init__()
        self.omega = omega
        sizes = [inputs, *[hidden] * (layers - 1)]
        self.stack = nn.ModuleList([nn.Linear(*pair) for pair in pairwise(sizes)])
        self.last = nn.Linear(sizes[-1], 1)
        with torch.no_grad():
            for index, layer in enumerate([*self.stack, self.last]):
                fan = layer.weight.shape[1]
                width = math.sqrt(6 / fan) / omega if index else 1 / fan
                layer.weight.uniform_(-width, width)

    def forward(self, place: Tensor) -> Tensor:
        """Give the field's value at each place."""
        for layer in self.stack:
            place = torch.sin(self.omega * layer(place))
        return self.last(place).squeeze(-1)


def field(place: Tensor, *, fastest: float, seed: int = 0) -> Tensor:
    """A sum of plane waves, of variance 1, at places of shape (..., d); gives shape (...).

    The waves have between 0.5 and `fastest` periods from -1 to 1.
    """
    draw = torch.Generator().manual_seed(seed)
    direction = torch.randn(WAVES, place.shape[-1], generator=draw)
    direction /= direction.norm(dim=1, keepdim=True)
    periods = 0.5 * (2 * fastest) ** torch.rand(WAVES, generator=draw)
    phase = 2 * math.pi * torch.rand(WAVES, generator=draw)
    waves = torch.cos(math.pi * (place @ direction.T) * periods + phase)
    return waves.sum(-1) / math.sqrt(WAVES / 2)
