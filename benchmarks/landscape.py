"""108,000 cells of known shares: architecture x loss x training x data, on two tasks.

The space that two agents searched in arXiv 2603.15916 has as many cells, and there architecture
accounted for 94 % of the variance on one data set, for 75 % on a second one with another winner.
Here every value is drawn from a seed, and scaled so that each part's share of the variance over
the whole grid is exactly what `SHARES` says: what an analysis finds can be held against it.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from trialwright.campaigns.campaign import Campaign, Experiment
from trialwright.expression import Scalar
from trialwright.space import Choice, Space
from trialwright.task import Objective, Task

Array = NDArray[np.float64]

BACKBONES = ("convnext", "dinov2", "siglip", "videomae", "vjepa2")
ENCODERS = ("gru", "transformer", "zipformer")
LOSSES = ("bce", "asymmetric", "focal-1", "focal-2", "focal-3", "smoothed")
PACES = ("3e-5", "1e-4", "3e-4", "1e-3", "3e-3")
WINDOWS = ("1s", "2s", "4s", "8s", "16s")

SPACE = Space(
    (
        Choice("architecture", tuple(f"{a}+{b}" for a, b in product(BACKBONES, ENCODERS))),
        Choice("loss", LOSSES),
        Choice(
            "training",
            tuple("/".join(p) for p in product(("adamw", "sgd"), PACES, ("8", "16", "32", "64"))),
        ),
        Choice(
            "data",
            tuple(
                "/".join(p) for p in product(WINDOWS, ("none", "flip", "mixup"), ("all", "even"))
            ),
        ),
    )
)
SHAPE = (15, 6, 40, 30)
CELLS = 108_000

SHARES: Mapping[str, Mapping[str, float]] = {
    "dashcam": {
        "architecture": 0.94, "loss": 0.02, "training": 0.02, "data": 0.01,
        "architecture x training": 0.01,
    },
    "street": {
        "architecture": 0.75, "loss": 0.07, "training": 0.10, "data": 0.05,
        "architecture x training": 0.03,
    },
}  # fmt: skip
"""Of the variance over the cells of a task; noise comes on top of it."""

TASKS = tuple(SHARES)
BEST: Mapping[str, float] = {"dashcam": 0.9245, "street": 0.62}
"""What the best cell of each task is worth, before noise; the first figure is the paper's."""
SPREAD: Mapping[str, float] = {"dashcam": 0.08, "street": 0.06}
"""Standard deviation over the cells."""
NOISE = 0.004
"""Standard deviation between seeds of one cell."""


def task_of(name: str, *, landscape: int = 0) -> Task:
    """Return one of the two tasks, to be searched."""
    return Task(
        name=name,
        objective=Objective(metric="ap"),
        space=SPACE,
        function=lambda configuration, seed: value(name, configuration, seed, landscape=landscape),
    )


@cache
def grid(name: str, landscape: int = 0) -> Array:
    """Return every cell's value before noise, shape (15, 6, 40, 30)."""
    rng = np.random.default_rng([landscape, zlib.crc32(name.encode())])
    # The second task has the first one's architectures in reverse: never the same winner.
    levels = np.random.default_rng([landscape, 0]).normal(size=SHAPE[0])
    order = 1 if name == TASKS[0] else -1
    shares = SHARES[name]
    cells = _scaled(np.sort(levels)[_order(landscape)][::order], shares["architecture"])
    cells = cells[:, None, None, None] + np.zeros(SHAPE)
    for axis, part in enumerate(("loss", "training", "data"), start=1):
        effect = _scaled(rng.normal(size=SHAPE[axis]), shares[part])
        cells = cells + np.expand_dims(effect, [one for one in range(4) if one != axis])
    joint = rng.normal(size=(SHAPE[0], SHAPE[2]))
    joint = joint - joint.mean(axis=0) - joint.mean(axis=1, keepdims=True) + joint.mean()
    cells = cells + _scaled(joint, shares["architecture x training"])[:, None, :, None]
    cells = cells * SPREAD[name]
    return np.asarray(cells - cells.max() + BEST[name])


def _order(landscape: int) -> NDArray[np.intp]:
    return np.random.default_rng([landscape, 1]).permutation(SHAPE[0])


def _scaled(effects: Array, share: float) -> Array:
    centred = effects - effects.mean()
    return np.asarray(centred * np.sqrt(share / np.mean(centred**2)))


def shares(name: str) -> dict[str, float]:
    """Return each part's share of the variance of results, noise among them; they sum to 1."""
    noise = NOISE**2 / (NOISE**2 + SPREAD[name] ** 2)
    return {**{part: share * (1 - noise) for part, share in SHARES[name].items()}, "noise": noise}


def value(
    name: str, configuration: Mapping[str, Scalar], seed: int, *, landscape: int = 0
) -> float:
    """Return the metric of one run: the cell's value and the seed's noise; higher is better."""
    cell = tuple(
        parameter.options.index(configuration[parameter.name])
        for parameter in SPACE.parameters
        if isinstance(parameter, Choice)
    )
    drawn = np.random.default_rng([landscape, seed, zlib.crc32(name.encode()), *cell])
    return float(grid(name, landscape)[cell] + NOISE * drawn.normal())


def campaign(
    counts: Mapping[str, int], *, seed: int = 0, landscape: int = 0, favour: float = 0.0
) -> Campaign:
    """Return a campaign over so many random cells of each task.

    With `favour` above 0 the tasks are not searched alike: it is the share of the first task's
    trials that go to the first half of the architectures on top of their due, and of the second
    task's to the other half.
    """
    rng = np.random.default_rng([seed, landscape])
    found: list[Experiment] = []
    for name, count in counts.items():
        odds = np.full(SHAPE[0], (1 - favour) / SHAPE[0])
        half = slice(None, 7) if name == TASKS[0] else slice(7, None)
        odds[half] += favour / len(odds[half])
        for _ in range(count):
            places = [int(rng.choice(SHAPE[0], p=odds)), *(int(rng.integers(n)) for n in SHAPE[1:])]
            number = len(found) + 1
            found.append(_experiment(name, places, number, landscape=landscape))
    return Campaign(
        name="landscape",
        metric="ap",
        direction="maximize",
        direction_from="it is average precision",
        experiments=tuple(found),
        dialect="landscape",
    )


def _experiment(name: str, places: list[int], number: int, *, landscape: int) -> Experiment:
    configuration = {
        parameter.name: parameter.options[place]
        for parameter, place in zip(SPACE.parameters, places, strict=True)
        if isinstance(parameter, Choice)
    }
    return Experiment(
        number=number,
        line=number,
        metric=value(name, configuration, number, landscape=landscape),
        status="discard",
        task=name,
        configuration=configuration,
    )
