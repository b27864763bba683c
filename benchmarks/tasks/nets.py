"""One way to train small networks in torch: batches, optimizers, schedules, curves by epochs.

One thread, and every draw from the seed: the same configuration gives the same curve. A loss that
is no number raises, as a careful script would. It knows no task.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch.nn import functional

from trialwright.expression import Scalar

POINTS = 20
"""Points of a curve, at most: validation sets are large beside what a network trains on."""

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Turns (output, target) into what is minimised."""
Score = Callable[[torch.Tensor, torch.Tensor], Mapping[str, float]]
"""Turns (output, target) of many cases into metrics."""

ACTIVATIONS: Mapping[str, type[torch.nn.Module]] = {
    "relu": torch.nn.ReLU,
    "elu": torch.nn.ELU,
    "silu": torch.nn.SiLU,
    "gelu": torch.nn.GELU,
    "tanh": torch.nn.Tanh,
}


@dataclass(frozen=True, slots=True)
class Split:
    """What to train on and what to validate on, cases along the first dimension."""

    train_x: torch.Tensor
    train_y: torch.Tensor
    valid_x: torch.Tensor
    valid_y: torch.Tensor

    @classmethod
    def of(cls, x: NDArray[np.generic], y: NDArray[np.generic], *, train: int) -> Split:
        """Take the first `train` cases to train on; they must be in random order."""
        inputs, targets = torch.from_numpy(x), torch.from_numpy(y)
        return cls(inputs[:train], targets[:train], inputs[train:], targets[train:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a network is trained, by the names that configurations use."""

    learning_rate: float
    epochs: int
    batch_size: int
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop"] = "adam"
    momentum: float = 0.0
    """Of `sgd`."""
    weight_decay: float = 0.0
    scheduler: Literal["constant", "linear", "cosine"] = "constant"
    """What becomes of the rate after the warmup; the two others end at 0."""
    warmup: float = 0.0
    """Share of the steps in which the rate rises to its height."""
    clip: float | None = None
    """Largest norm of a gradient."""

    @classmethod
    def of(cls, settings: Mapping[str, Scalar], **fixed: Scalar) -> Recipe:
        """Take from a configuration what is stated there, and `fixed` for the rest.

        >>> Recipe.of({"learning_rate": 0.1, "width": 8}, epochs=2, batch_size=4).epochs
        2
        """
        known = {field.name for field in fields(cls)}
        chosen = {n: v for n, v in {**settings, **fixed}.items() if n in known and v is not None}
        return cls(**chosen)  # type: ignore[arg-type]

    def make(self, network: torch.nn.Module) -> torch.optim.Optimizer:
        """Return the optimizer for the weights that are to be trained."""
        weights = [weight for weight in network.parameters() if weight.requires_grad]
        rate, decay = self.learning_rate, self.weight_decay
        match self.optimizer:
            case "adam":
                return torch.optim.Adam(weights, lr=rate, weight_decay=decay, fused=True)
            case "adamw":
                return torch.optim.AdamW(weights, lr=rate, weight_decay=decay, fused=True)
            case "sgd":
                return torch.optim.SGD(
                    weights, lr=rate, momentum=self.momentum, weight_decay=decay, fused=True
                )
            case "rmsprop":
                return torch.optim.RMSprop(weights, lr=rate, weight_decay=decay)

    def factor(self, done: float) -> float:
        """Return what the rate is multiplied by after this share of the steps, in [0, 1).

        >>> recipe = Recipe(learning_rate=1, epochs=1, batch_size=1, scheduler="linear", warmup=0.5)
        >>> recipe.factor(0.25), recipe.factor(0.5), recipe.factor(0.75)
        (0.5, 1.0, 0.5)
        """
        if done < self.warmup:
            return done / self.warmup
        rest = (done - self.warmup) / max(1 - self.warmup, 1e-9)
        match self.scheduler:
            case "constant":
                return 1.0
            case "linear":
                return 1 - rest
            case "cosine":
                return 0.5 * (1 + math.cos(math.pi * rest))


def fit(
    network: torch.nn.Module, split: Split, recipe: Recipe, *, loss: Loss, score: Score
) -> Iterator[tuple[int, dict[str, float]]]:
    """Train and yield (epoch, metrics), each of `score` as `train_...` and `val_...`.

    The training's are those of the epoch's own batches, dropout included, as scripts log them.

    Raises:
        FloatingPointError: the loss, or a metric, is no finite number.
    """
    optimizer = recipe.make(network)
    told = points(recipe.epochs)
    steps = math.ceil(len(split.train_x) / recipe.batch_size)
    for epoch in range(1, recipe.epochs + 1):
        network.train()
        seen: list[tuple[torch.Tensor, torch.Tensor]] = []
        order = torch.randperm(len(split.train_x))
        for number, rows in enumerate(order.split(recipe.batch_size)):
            done = ((epoch - 1) * steps + number + 0.5) / (recipe.epochs * steps)
            for group in optimizer.param_groups:
                group["lr"] = recipe.learning_rate * recipe.factor(done)
            seen.append(_step(network, optimizer, split, rows, loss=loss, clip=recipe.clip))
        if epoch in told:
            outputs, targets = (torch.cat(parts) for parts in zip(*seen, strict=True))
            yield epoch, _measured(network, split, (outputs, targets), score=score)


def _step(
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    split: Split,
    rows: torch.Tensor,
    *,
    loss: Loss,
    clip: float | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    targets = split.train_y[rows]
    outputs = network(split.train_x[rows])
    descend(network, optimizer, loss(outputs, targets), clip=clip)
    return outputs.detach(), targets


def descend(
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    cost: torch.Tensor,
    *,
    clip: float | None = None,
) -> float:
    """Take one step down, and return the cost before it.

    Raises:
        FloatingPointError: the cost is no finite number.
    """
    number = float(cost.detach())
    if not math.isfinite(number):
        raise FloatingPointError(f"the training loss is {number}")
    optimizer.zero_grad()
    cost.backward()
    if clip is not None:
        torch.nn.utils.clip_grad_norm_(network.parameters(), clip)
    optimizer.step()
    return number


def points(epochs: int) -> frozenset[int]:
    """Return the epochs that are told of: `POINTS` of them at most, and the last.

    >>> sorted(points(3))
    [1, 2, 3]
    """
    return frozenset(max(round(epochs * (i + 1) / POINTS), 1) for i in range(POINTS))


def _measured(
    network: torch.nn.Module,
    split: Split,
    seen: tuple[torch.Tensor, torch.Tensor],
    *,
    score: Score,
) -> dict[str, float]:
    network.eval()
    with torch.no_grad():
        valid = score(network(split.valid_x), split.valid_y)
    metrics = {
        **{f"train_{name}": value for name, value in score(*seen).items()},
        **{f"val_{name}": value for name, value in valid.items()},
    }
    return finite(metrics)


def finite(metrics: dict[str, float]) -> dict[str, float]:
    """Return metrics as they are.

    Raises:
        FloatingPointError: one of them is no finite number.
    """
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise FloatingPointError(f"{name} is {value}")
    return metrics


def area(scores: NDArray[np.float32], hits: NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve of scores, shape (n,); NaN if a score is none.

    >>> area(np.array([0.1, 0.4, 0.35, 0.8], np.float32), np.array([False, False, True, True]))
    0.75
    """
    if not np.isfinite(scores).all():
        return math.nan
    ranks, count = rankdata(scores), int(hits.sum())
    above = float(ranks[hits].sum()) - count * (count + 1) / 2
    return above / (count * (len(hits) - count))


def begin(seed: int) -> None:
    """Take every draw of torch from `seed`, and one thread of the machine."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)


def told_apart(outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
    """Return accuracy and cross-entropy of class scores, shape (n, classes)."""
    return {
        "accuracy": float((outputs.argmax(dim=1) == targets).double().mean()),
        "loss": float(functional.cross_entropy(outputs, targets)),
    }


def next_token(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy in nats of scores (n, length, tokens) for targets (n, length)."""
    return functional.cross_entropy(outputs.flatten(0, 1), targets.flatten())


def foretold(outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
    """Return `next_token` as a metric, and how often the likeliest token comes."""
    return {
        "loss": float(next_token(outputs, targets)),
        "accuracy": float((outputs.argmax(dim=2) == targets).double().mean()),
    }
