"""Two tasks that cost nothing to train: smooth, noisy, with an optimum that moves with the seed.

They stand in for real ones where a benchmark is to be quick. The best value is known.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np

from trialwright.expression import Scalar
from trialwright.space import Choice, Float, Int, Space
from trialwright.task import Objective, Task

NETWORK = Space(
    (
        Float("learning_rate", 1e-5, 0.1, log=True, default=0.001),
        Float("dropout", 0.0, 0.5, default=0.1),
        Int("epochs", 1, 200, default=20),
        Int("width", 8, 512, log=True, default=64),
        Choice("optimizer", ("adam", "sgd"), default="adam"),
        Float("weight_decay", 1e-6, 0.1, log=True, default=1e-3),
    )
)
FOREST = Space(
    (
        Int("max_depth", 1, 30, default=8),
        Int("n_estimators", 10, 1000, log=True, default=100),
        Float("subsample", 0.1, 1.0, default=1.0),
        Float("learning_rate", 0.001, 1.0, log=True, default=0.1),
    )
)
SPACES: Mapping[str, Space] = {"network": NETWORK, "forest": FOREST}
NAMES = tuple(SPACES)
BEST, NOISE = 0.9, 0.003


def task_of(name: str) -> Task:
    """Return one of the tasks."""
    return Task(
        name=name,
        objective=Objective(metric="accuracy"),
        space=SPACES[name],
        function=lambda configuration, seed: value(name, configuration, seed),
    )


def optimum(name: str, seed: int) -> np.ndarray:
    """Return the place of the best value in the unit cube, shape (d,)."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())]).uniform(
        0.15, 0.85, len(SPACES[name])
    )


def value(name: str, configuration: Mapping[str, Scalar], seed: int) -> float:
    """Return the metric: `BEST` at the optimum, falling with the square of the distance."""
    space, centre = SPACES[name], optimum(name, seed)
    weights = np.random.default_rng([seed, 1]).uniform(0.3, 2.0, len(space))
    gaps = (space.encode([configuration])[0] - centre) ** 2
    shaken = np.random.default_rng([seed, zlib.crc32(space.key(configuration).encode())])
    fall = 1.5 * float(np.average(gaps, weights=weights))
    return BEST - fall + NOISE * float(shaken.normal())


def known(name: str, seed: int, count: int) -> list[dict[str, Scalar]]:
    """Return `count` configurations at and around the optimum, best first."""
    rng, centre = np.random.default_rng([seed, 2]), optimum(name, seed)
    space = SPACES[name]
    points = [centre, *(np.clip(centre + rng.normal(0, 0.03, len(space)), 0, 1) for _ in range(99))]
    found = {space.key(c): c for c in map(space.decode, points)}
    return sorted(found.values(), key=lambda c: -value(name, c, seed))[:count]
