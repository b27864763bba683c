"""The tasks in torch, those that fail by design, and those that need no training."""

from __future__ import annotations

import importlib
import math
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from benchmarks.tasks.evaluation import default_of, evaluate, task_of, trained

from benchmarks import landscape
from trialwright.expression import Scalar
from trialwright.space import Choice

torch_only = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")

SMALL: dict[str, dict[str, Scalar]] = {
    "signal": {"epochs": 2, "channels": 4},
    "melody": {"epochs": 3, "hidden_size": 8},
    "tokens": {"d_model": 16, "num_layers": 1, "batch_size": 64},
    "autoencoder": {"epochs": 3, "hidden_size": 16, "batch_size": 64},
    "limits": {"epochs": 3, "hidden_size": 8},
    "lightgcn": {"epochs": 5, "embedding_size": 8},
    "deepfm": {"mlp_hidden_size": 32},
}
"""Nearly the defaults, but quick."""


@torch_only
@pytest.mark.parametrize("task", SMALL)
def test_the_same_seed_gives_the_same_curve(task: str) -> None:
    """Data, first weights, order and dropout come from the seed, and another seed changes them."""
    train = importlib.import_module(f"benchmarks.tasks.{task}.train").train
    configuration = task_of(task).space.require({**default_of(task), **SMALL[task]})
    first, again, other = (list(train(configuration, seed)) for seed in (100, 100, 101))
    assert first == again
    assert first != other
    assert [step for step, _ in first] == [step for step, _ in other]
    assert task_of(task).objective.metric in first[-1][1]


@torch_only
@pytest.mark.parametrize("task", SMALL)
def test_the_default_learns(task: str) -> None:
    """A few epochs of the default make the training loss smaller: gradients reach the weights."""
    train = importlib.import_module(f"benchmarks.tasks.{task}.train").train
    configuration = task_of(task).space.require({**default_of(task), **SMALL[task]})
    curve = [metrics for _, metrics in train(configuration, 100)]
    name = "train_loss" if "train_loss" in curve[0] else "train_mse"
    assert curve[-1][name] < curve[0][name]


@torch_only
def test_too_large_a_network_ends_before_its_first_step() -> None:
    """Memory is counted from the sizes; what exceeds it is a failed training with its cause."""
    from benchmarks.tasks.limits.train import train

    large = {**default_of("limits"), "hidden_size": 2048, "num_layers": 6}
    shown = trained(train, large, 100)
    assert shown.points == ()
    assert shown.cause == "out_of_memory_host"
    assert "the device has 2 MiB" in shown.failure


@torch_only
def test_a_rate_that_is_too_high_diverges() -> None:
    """The loss becomes no number, which raises, and is told from other failures."""
    from benchmarks.tasks.limits.train import train

    shown = trained(train, {**default_of("limits"), "learning_rate": 10.0}, 100)
    assert shown.cause == "diverged"
    assert shown.value(task_of("limits").objective) is None


@torch_only
def test_a_good_third_of_the_space_fails_for_each_reason() -> None:
    """Of random configurations a fifth to a half has too little memory, whatever the seed."""
    from benchmarks.tasks.limits.train import FEATURES, MEMORY_BYTES, memory_bytes

    rng = np.random.default_rng(100)
    needed = []
    for _ in range(400):
        c = task_of("limits").space.sample(rng)
        widths = [FEATURES, *[int(c["hidden_size"])] * int(c["num_layers"]), 1]
        needed.append(memory_bytes(widths, int(c["batch_size"])))
    assert 0.2 < np.mean(np.array(needed) > MEMORY_BYTES) < 0.5


@torch_only
def test_finetuning_starts_from_a_model_that_stays_as_it_was() -> None:
    """Pretraining happens once per seed, and fine-tuning changes a copy; freezing tells.

    The first training after pretraining shows what all later ones show.
    """
    import torch
    from benchmarks.tasks.finetune.train import LAYERS, pretrained, train

    brief = {**default_of("finetune"), "epochs": 1, "batch_size": 32}
    first = list(train(brief, 100))
    before = [weight.detach().clone() for weight in pretrained(100).parameters()]
    assert list(train(brief, 100)) == first
    after = list(pretrained(100).parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(weight.requires_grad for weight in after)
    frozen = list(train({**brief, "freeze_layers": LAYERS}, 100))
    assert frozen[-1][1]["val_loss"] != first[-1][1]["val_loss"]


@torch_only
def test_schedules_rise_and_fall_as_they_say() -> None:
    """The rate rises over the warmup, and is near 0 at the end unless it is constant."""
    from benchmarks.tasks.nets import Recipe

    for name, end in (("constant", 1.0), ("linear", 0.0), ("cosine", 0.0)):
        recipe = Recipe.of(
            {"scheduler": name, "warmup": 0.2}, learning_rate=1, epochs=1, batch_size=1
        )
        assert recipe.factor(0.1) == pytest.approx(0.5)
        assert recipe.factor(0.2) == pytest.approx(1.0)
        assert recipe.factor(1 - 1e-9) == pytest.approx(end, abs=1e-6)


@torch_only
def test_the_optimizer_is_the_one_asked_for() -> None:
    """Each name makes its own kind, with the decay and only the weights that may change."""
    import torch
    from benchmarks.tasks.nets import Recipe

    network = torch.nn.Linear(2, 2)
    network.bias.requires_grad_(requires_grad=False)
    kinds = {
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "sgd": torch.optim.SGD,
        "rmsprop": torch.optim.RMSprop,
    }
    for name, kind in kinds.items():
        settings = {"optimizer": name, "weight_decay": 0.25, "learning_rate": 0.5}
        made = Recipe.of(settings, epochs=1, batch_size=1).make(network)
        assert type(made) is kind
        (group,) = made.param_groups
        assert (group["lr"], group["weight_decay"], len(group["params"])) == (0.5, 0.25, 1)


def test_the_landscapes_space_is_that_of_its_cells() -> None:
    """The study file names the options of `landscape.py`, in its order: all 108,000 cells."""
    space = task_of("landscape").space
    assert space == landscape.SPACE
    assert math.prod(len(p.options) for p in space.parameters if isinstance(p, Choice)) == 108_000


def test_a_cell_of_the_landscape_is_looked_up(tmp_path: Path) -> None:
    """What is printed is the cell's value under the seed, noise included."""
    configuration = default_of("landscape")
    shown = [evaluate("landscape", configuration, s, cache=tmp_path) for s in (100, 101)]
    metrics = [evaluation.points[-1][1]["ap"] for evaluation in shown]
    assert metrics == [landscape.value("dashcam", configuration, seed) for seed in (100, 101)]
    assert metrics[0] != metrics[1]


@pytest.mark.parametrize(
    ("task", "optimum", "corner"), [("quadratic_near", (2, 3), 113), ("quadratic_far", (3, 5), 394)]
)
def test_the_quadratics_are_agenthpos(task: str, optimum: tuple[int, int], corner: int) -> None:
    """0 at the optimum, and the formula's value at the lower corner (arXiv 2402.01881, 5.2)."""
    train = importlib.import_module(f"benchmarks.tasks.{task}.train").train
    low = [parameter.low for parameter in task_of(task).space.parameters]
    assert list(train({"x": optimum[0], "y": optimum[1]}, 0)) == [(1, {"value": 0.0})]
    assert list(train({"x": low[0], "y": low[1]}, 0)) == [(1, {"value": corner})]
