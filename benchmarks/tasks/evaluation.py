"""Trains one configuration under one seed in this process, and never twice.

Results lie in `benchmarks/.cache`, keyed by task, code, library version, configuration and seed:
every method sees the same result for the same question, and an interrupted benchmark goes on. It
knows no method.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import yaml

from trialwright import studyfile
from trialwright.expression import Scalar
from trialwright.records import Curve, Observation, RunKey
from trialwright.task import Objective, Task

NAMES = ("water", "house", "cora")
HERE = Path(__file__).resolve().parent
CACHE = HERE.parent / ".cache"
LIBRARY = {"water": "xgboost-cpu", "house": "xgboost-cpu", "cora": "torch"}

Train = Callable[[Mapping[str, Scalar], int], Iterator[tuple[int, dict[str, float]]]]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one training showed: metrics over steps, and the seconds it took when it really ran."""

    points: tuple[tuple[int, Mapping[str, float]], ...]
    seconds: float

    def value(self, objective: Objective) -> float | None:
        """Reduce the objective's curve to one number; None if it has none."""
        return objective.value([metrics[objective.metric] for _, metrics in self.points])

    def observation(self, run: RunKey, objective: Objective) -> Observation:
        """Return the record that a runner would have made of this training."""
        value = self.value(objective)
        names = self.points[-1][1] if self.points else {}
        return Observation(
            run=run,
            outcome="failed" if value is None else "done",
            value=value,
            metrics=dict(names),
            curve=Curve(
                steps=tuple(float(step) for step, _ in self.points),
                series={name: tuple(m.get(name) for _, m in self.points) for name in names},
            ),
            seconds=self.seconds,
            cause="diverged" if value is None else None,
            detail="the metric is not a number" if value is None else "",
        )


def task_of(name: str) -> Task:
    """Return the task as its study file states it."""
    return studyfile.load(HERE / name / "study.yaml")


def default_of(name: str) -> dict[str, Scalar]:
    """Return the default configuration that every method may start from."""
    values = yaml.safe_load((HERE / name / "default.yaml").read_text())
    return task_of(name).space.require(values)


def evaluate(
    name: str, configuration: Mapping[str, Scalar], seed: int, *, cache: Path = CACHE
) -> Evaluation:
    """Train task `name` under `seed`, or remember from `cache` how that went.

    The seconds are those of the training that really ran, on whatever else the machine was doing.

    Raises:
        DataError: the task's data can't be had.
    """
    path = cache / name / f"{_key(name, configuration, seed)}.json"
    if path.is_file():
        kept = json.loads(path.read_text())
        return Evaluation(
            tuple((step, metrics) for step, metrics in kept["points"]), kept["seconds"]
        )
    train = _train(name)
    start = time.perf_counter()
    points = tuple(train(configuration, seed))
    evaluation = Evaluation(points, time.perf_counter() - start)
    store(path, {"points": points, "seconds": evaluation.seconds})
    return evaluation


def store(path: Path, value: object) -> None:
    """Write JSON under a temporary name and rename it, so that no reader sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(json.dumps(value))
    part.replace(path)


@lru_cache
def code_of(name: str) -> str:
    """Return a digest of whatever a result depends on: the scripts and the training library."""
    files = [HERE / "data.py", HERE / name / "train.py"]
    files += [HERE / "boosting.py"] * (name != "cora")
    content = b"\0".join(file.read_bytes() for file in files)
    return hashlib.sha256(content + version(LIBRARY[name]).encode()).hexdigest()[:16]


def _train(name: str) -> Train:
    # Lazily: torch takes two seconds to import, and water needs none of it.
    train: Train = import_module(f"benchmarks.tasks.{name}.train").train
    return train


def _key(name: str, configuration: Mapping[str, Scalar], seed: int) -> str:
    text = json.dumps([code_of(name), sorted(configuration.items()), seed])
    return hashlib.sha256(text.encode()).hexdigest()[:32]
