"""Studies of made-up landscapes whose truth is known, recorded without running anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from trialwright.expression import Scalar
from trialwright.history import History
from trialwright.records import (
    Admission,
    CodeVersion,
    Entry,
    Launch,
    Observation,
    Opened,
    Proposal,
    Record,
    RunKey,
    Verdict,
)
from trialwright.space import Choice, Configuration, Float, Int, Space
from trialwright.task import Objective, Seeds, Task

SPACE = Space(
    (
        Float("learning_rate", 1e-4, 1.0, log=True),
        Choice("augmentation", (True, False)),
        Float("dropout", 0.0, 0.6),
        Int("depth", 1, 8),
        Float("omega", 1.0, 60.0),
    )
)

Truth = Callable[[Configuration, np.random.Generator], float]
"""The value of one run; NaN where it diverges."""


def recorded(
    truth: Truth,
    configurations: Sequence[Configuration],
    *,
    seeds: int | Sequence[int],
    draw: int = 0,
    direction: str = "maximize",
    failure: float | None = None,
    space: Space = SPACE,
) -> History:
    """Record a study in which every configuration ran under `seeds` seeds."""
    task = Task(
        name="planted",
        objective=Objective(metric="r2", direction=direction),  # type: ignore[arg-type]
        space=space,
        command=("python", "train.py"),
        seeds=Seeds(failure=failure),
    )
    records: list[Record] = [
        Opened(task=task, seed=draw, version="0.1.0"),
        CodeVersion(id="c0ffee123456"),
    ]
    rng = np.random.default_rng([draw, 77])
    for number, configuration in enumerate(configurations):
        proposal = Proposal(configuration=configuration, by="random", rationale="planted")
        records.append(Admission(number=number, proposal=proposal, code="c0ffee123456"))
        count = seeds if isinstance(seeds, int) else seeds[number]
        for seed in range(count):
            key = RunKey(number, seed, 0)
            records.append(Launch(run=key, seed=seed, command=("python",), machine="m"))
            records.append(_shown(key, truth(configuration, rng)))
        records.append(Verdict(trial=number, status="unconfirmed", sentence="planted"))
    return History(Entry(i + 1, 1.7e9 + i, record) for i, record in enumerate(records))


def drawn(count: int, *, draw: int = 0, space: Space = SPACE) -> list[dict[str, Scalar]]:
    """Draw configurations at random."""
    rng = np.random.default_rng([draw, 5])
    return [space.sample(rng) for _ in range(count)]


def narrowed(count: int, *, draw: int = 0, space: Space = SPACE) -> list[dict[str, Scalar]]:
    """Draw configurations as a search does: half at random, half near one of them."""
    rng = np.random.default_rng([draw, 6])
    found = [space.sample(rng) for _ in range(count // 2)]
    centre = space.encode([found[int(rng.integers(len(found)))]])[0]
    while len(found) < count:
        near = np.clip(centre + rng.normal(0, 0.12, len(centre)), 0.0, 1.0)
        found.append(space.decode(near))
    return found


def _shown(key: RunKey, value: float) -> Observation:
    if np.isnan(value):
        return Observation(run=key, outcome="failed", cause="diverged", detail="NaN", seconds=1.0)
    return Observation(run=key, outcome="done", value=value, metrics={"r2": value}, seconds=1.0)
