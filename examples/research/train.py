"""A small network that predicts the next symbol of a text. This file is the one to improve.

python train.py --seed 0
"""

from __future__ import annotations

import argparse

import evaluate
import torch
from torch import nn

WINDOW = 32
EMBEDDING = 16
HIDDEN = 256
BATCH_SIZE = 128
LEARNING_RATE = 1e-3
PARTS = 40


class Predictor(nn.Module):
    """Looks at the last symbols, and scores what may come next."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(evaluate.SYMBOLS, EMBEDDING)
        self.layers = nn.Sequential(
            nn.Linear(WINDOW * EMBEDDING, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, evaluate.SYMBOLS),
        )

    def forward(self, contexts: torch.Tensor) -> torch.Tensor:
        """Return a score for each symbol `(n, SYMBOLS)`, from contexts `(n, length)`."""
        seen = self.embedding(contexts[:, -WINDOW:])
        return self.layers(seen.flatten(1))


def batch(data: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw contexts, and what came next."""
    places = torch.randint(len(data) - WINDOW, (BATCH_SIZE,))
    windows = data[places[:, None] + torch.arange(WINDOW + 1)]
    return windows[:, :-1], windows[:, -1]


def train_until(
    seconds: float, model: nn.Module, optimizer: torch.optim.Optimizer, data: torch.Tensor
) -> None:
    """Train until so many processor seconds are spent."""
    model.train()
    while evaluate.spent() < seconds:
        contexts, following = batch(data)
        loss = nn.functional.cross_entropy(model(contexts), following)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def main(seed: int) -> None:
    """Train within the budget, a part at a time, and have the model evaluated."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    data = evaluate.encoded("train")
    model = Predictor()
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    for part in range(PARTS):
        seconds = evaluate.CPU_SECONDS * (part + 1) / PARTS
        train_until(seconds, model, optimizer, data)
        model.eval()
        bits = evaluate.bits(model, "validation", points=1000)
        print(f"step {part + 1}: val_bits {bits:.4f}", flush=True)
    evaluate.report(model)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    main(parser.parse_args().seed)
