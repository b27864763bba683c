"""Fit a field in the plane with a SIREN, from half of the points of a grid.

    python train.py --omega=60 --lr=0.0003 --seed=1

Emits `field_r2` at the other half of the points, which decides, and `train_r2`.
"""

import argparse
import math

import torch
from siren import Siren, field
from torch import Tensor

from trialwright import emit

GRID = 200
"""Points of the grid per side."""

FASTEST = 40.0
"""Periods of the fastest wave from one side to the other."""


def points(seed: int) -> tuple[Tensor, Tensor]:
    """Split a grid at random: places to train on and held-out ones, shape (n, 2) each."""
    side = torch.linspace(-1, 1, GRID)
    grid = torch.cartesian_prod(side, side)
    draw = torch.Generator().manual_seed(seed)
    known, unknown = grid[torch.randperm(len(grid), generator=draw)].chunk(2)
    return known, unknown


def train(args: argparse.Namespace) -> None:
    """Train with Adam, and emit twenty points on the way."""
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    known, unknown = points(args.seed)
    truth = field(known, fastest=FASTEST)
    model = Siren(inputs=2, hidden=args.hidden, layers=args.layers, omega=args.omega)
    adam = torch.optim.Adam(model.parameters(), lr=args.lr, weight_decay=args.weight_decay)
    for step in range(1, args.steps + 1):
        for group in adam.param_groups:
            group["lr"] = args.lr * rate(args.schedule, step / args.steps)
        rows = torch.randint(len(known), (args.batch_size,))
        loss = ((model(known[rows]) - truth[rows]) ** 2).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        if step % max(1, args.steps // 20) == 0 or step == args.steps:
            held_out = r2(model, unknown, field(unknown, fastest=FASTEST))
            emit(step=step, field_r2=held_out, train_r2=r2(model, known, truth))


def rate(schedule: str, done: float) -> float:
    """What the learning rate is multiplied by when a share `done` of the training is over."""
    return 0.5 + 0.5 * math.cos(math.pi * done) if schedule == "cosine" else 1.0


@torch.no_grad()
def r2(model: Siren, places: Tensor, truth: Tensor) -> float:
    """Explained share of the variance; below 0 where the mean would do better."""
    return 1 - float(((model(places) - truth) ** 2).mean() / truth.var(correction=0))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--omega", type=float, default=30.0, help="frequency of the sines")
    parser.add_argument("--lr", type=float, default=1e-4)
    parser.add_argument("--hidden", type=int, default=48)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--batch_size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--schedule", choices=["constant", "cosine"], default="constant")
    parser.add_argument("--weight_decay", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    train(parser.parse_args())
