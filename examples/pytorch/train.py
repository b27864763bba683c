"""Forecast the next sample of noisy waves with a small recurrent network, in plain PyTorch.

    python train.py base.yaml

The best weights so far lie in `model.pt` of the folder that `--out` names.
"""

import argparse
from pathlib import Path

import torch
import yaml
from torch import Tensor, nn

from trialwright import emit

Settings = dict[str, dict[str, float]]


class Forecaster(nn.Module):
    """A recurrent network with a linear head on its last state."""

    def __init__(self, *, cell: str, hidden: int, layers: int, dropout: float) -> None:
        super().__init__()
        kind = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell]
        between = dropout if layers > 1 else 0.0
        self.cell = kind(1, hidden, layers, dropout=between, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, waves: Tensor) -> Tensor:
        """Map waves, shape (n, length, 1), to the next samples, shape (n,)."""
        states, _ = self.cell(waves)
        return self.head(states[:, -1]).squeeze(1)


def waves(count: int, *, length: int, noise: float, seed: int) -> tuple[Tensor, Tensor]:
    """Draw sums of two sines, shape (count, length, 1), and the sample that follows each."""
    draw = torch.Generator().manual_seed(seed)
    time = torch.arange(length + 1)
    clean = torch.zeros(count, length + 1)
    for _ in range(2):
        frequency = 0.1 + 0.9 * torch.rand(count, 1, generator=draw)
        phase = 6.28 * torch.rand(count, 1, generator=draw)
        clean += torch.sin(frequency * time + phase)
    seen = clean + noise * torch.randn(clean.shape, generator=draw)
    return seen[:, :-1, None], clean[:, -1]


def train(settings: Settings, *, seed: int, out: Path) -> None:
    """Train with AdamW, emit both losses per epoch, and keep the best weights."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    data, optimizer, plan = settings["data"], settings["optimizer"], settings["train"]
    train_x, train_y = waves(1000, **data, seed=1)
    val_x, val_y = waves(500, **data, seed=2)
    model = Forecaster(**settings["model"])
    adam = torch.optim.AdamW(
        model.parameters(), lr=optimizer["lr"], weight_decay=optimizer["weight_decay"]
    )
    best = float("inf")
    for epoch in range(1, plan["epochs"] + 1):
        model.train()
        total = 0.0
        for rows in torch.randperm(len(train_x)).split(plan["batch_size"]):
            loss = nn.functional.mse_loss(model(train_x[rows]), train_y[rows])
            adam.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), optimizer["clip"])
            adam.step()
            total += loss.item() * len(rows)
        model.eval()
        with torch.no_grad():
            val_loss = nn.functional.mse_loss(model(val_x), val_y).item()
        if val_loss < best:
            best = val_loss
            torch.save(model.state_dict(), out / "model.pt")
        emit(step=epoch, train_loss=total / len(train_x), val_loss=val_loss)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path())
    args = parser.parse_args()
    train(yaml.safe_load(args.config.read_text()), seed=args.seed, out=args.out)
