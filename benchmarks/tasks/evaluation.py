"""Trains one configuration of a task under one seed in this process, and never twice.

A task is any folder here with a study file. Results lie in `benchmarks/.cache`, keyed by task, all
code that the training imports, the versions of its libraries, configuration and seed: every method
sees the same result for the same question, and an interrupted benchmark goes on. It knows no
method.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from pathlib import Path

import yaml

from benchmarks.tasks.data import DataError
from trialwright import studyfile
from trialwright.execute.symptoms import SYMPTOMS
from trialwright.expression import Scalar
from trialwright.records import Cause, Curve, Observation, RunKey
from trialwright.task import Objective, Task

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = HERE.parent / ".cache"
NAMES = tuple(sorted(path.parent.name for path in HERE.glob("*/study.yaml")))
"""Every task there is."""
AGENTHPO = ("water", "house", "cora")
"""Those with the data and the spaces of arXiv 2402.01881."""
CAUSES: tuple[Cause, ...] = ("out_of_memory_host", "out_of_memory_gpu", "diverged")
"""Causes that a failed training is known by; any other one is `other`."""

_APART = {"benchmarks", "trialwright", "yaml"}
"""Imports whose version a training's figures do not depend on."""
_NEEDS = re.compile(r"^#.*\bNeeds (?P<words>[^.\n]+)", re.MULTILINE)

Train = Callable[[Mapping[str, Scalar], int], Iterator[tuple[int, dict[str, float]]]]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one training showed: metrics over steps, and the seconds it took when it really ran."""

    points: tuple[tuple[int, Mapping[str, float]], ...]
    seconds: float
    failure: str = ""
    """The last words of a training that raised, as Python prints them; '' if it ended."""

    @property
    def cause(self) -> Cause | None:
        """Why it raised; None if it ended."""
        if not self.failure:
            return None
        known = (s.cause for s in SYMPTOMS if s.cause in CAUSES and s.pattern.search(self.failure))
        return next(known, "other")

    def value(self, objective: Objective) -> float | None:
        """Reduce the objective's curve to one number; None if it has none, or the training raised.

        >>> Evaluation(((1, {"loss": 0.5}),), 0.1).value(Objective(metric="loss"))
        0.5
        >>> Evaluation(((1, {"loss": 0.5}),), 0.1, "MemoryError").value(Objective(metric="loss"))
        """
        if self.failure:
            return None
        return objective.value([metrics[objective.metric] for _, metrics in self.points])

    def replayed(self) -> Iterator[tuple[int, Mapping[str, float]]]:
        """Yield the points again, and raise in the same words what the training raised."""
        yield from self.points
        if self.failure:
            name, _, words = self.failure.partition(": ")
            raise type(name, (Exception,), {"__module__": "builtins"})(words)

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
            cause=(self.cause or "diverged") if value is None else None,
            detail=(self.failure or "the metric is not a number") if value is None else "",
        )


def task_of(name: str) -> Task:
    """Return the task as its study file states it."""
    return studyfile.load(HERE / name / "study.yaml")


def default_of(name: str) -> dict[str, Scalar]:
    """Return the default configuration that every method may start from."""
    values = yaml.safe_load((HERE / name / "default.yaml").read_text())
    return task_of(name).space.require(values)


def needs_of(name: str) -> frozenset[str]:
    """Return what a task needs, as a comment of its study file says: libraries, and `data`.

    >>> sorted(needs_of("cora"))
    ['data', 'torch']
    """
    said = _NEEDS.search((HERE / name / "study.yaml").read_text())
    words = re.split(r"[,\s]+", said["words"].strip()) if said else []
    return frozenset(words) - {"and", "the"}


def missing(name: str) -> str:
    """Say what keeps a task from being trained here; '' if nothing does."""
    libraries = sorted(needs_of(name) - {"data"})
    absent = [library for library in libraries if not find_spec(library)]
    if absent:
        return f"{', '.join(absent)} is not installed"
    if "data" in needs_of(name):
        try:
            next(iter(_train(name)(default_of(name), 0)))
        except DataError as error:
            return str(error)
    return ""


def evaluate(
    name: str, configuration: Mapping[str, Scalar], seed: int, *, cache: Path = CACHE
) -> Evaluation:
    """Train task `name` under `seed`, or remember from `cache` how that went.

    The seconds are those of the training that really ran, on whatever else the machine was doing.

    Raises:
        DataError: the task's data can't be had.
        ImportError: so with a library.
    """
    path = cache / name / f"{_key(name, configuration, seed)}.json"
    if path.is_file():
        kept = json.loads(path.read_text())
        points = tuple((step, metrics) for step, metrics in kept["points"])
        return Evaluation(points, kept["seconds"], kept.get("failure", ""))
    evaluation = trained(_train(name), configuration, seed)
    kept = {"points": evaluation.points, "seconds": evaluation.seconds}
    store(path, {**kept, "failure": evaluation.failure} if evaluation.failure else kept)
    return evaluation


def trained(train: Train, configuration: Mapping[str, Scalar], seed: int) -> Evaluation:
    """Train once; what raises is a failed training, with what it had told before.

    Raises:
        DataError, ImportError: nothing was trained.
    """
    points: list[tuple[int, Mapping[str, float]]] = []
    failure = ""
    start = time.perf_counter()
    try:
        points.extend(train(configuration, seed))
    except (DataError, ImportError):
        raise
    except Exception as error:  # noqa: BLE001  # around one run: a failed one is a result
        failure = traceback.format_exception_only(error)[0].strip()
    return Evaluation(tuple(points), time.perf_counter() - start, failure)


def one_thread() -> None:
    """Train with one thread: more of them per worker than cores would slow every training down."""
    os.environ["OMP_NUM_THREADS"] = "1"
    if find_spec("torch"):
        import torch

        torch.set_num_threads(1)


def store(path: Path, value: object) -> None:
    """Write JSON under a temporary name and rename it, so that no reader sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(json.dumps(value))
    part.replace(path)


@lru_cache
def code_of(name: str) -> str:
    """Return a digest of whatever a result depends on: code of ours, versions of libraries.

    The code is what `train.py` imports from this folder, directly or not; comments don't count.
    """
    modules, libraries = imported(HERE / name / "train.py")
    code = [ast.dump(_tree(path)) for path in modules]
    distributions = packages_distributions()
    known = sorted({d for library in libraries for d in distributions.get(library, [])})
    text = "\0".join([*code, *(f"{d} {version(d)}" for d in known)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def imported(
    script: Path, *, package: str = "benchmarks", root: Path = ROOT
) -> tuple[tuple[Path, ...], frozenset[str]]:
    """Return the files of `package` below `root` that a script runs, and what libraries.

    What the package itself names is not followed: it may load that on demand.
    """
    modules, libraries, left = set[Path](), set[str](), [script]
    while left:
        path = left.pop()
        if path in modules:
            continue
        modules.add(path)
        for name in _imports(_tree(path)):
            if name.startswith(f"{package}."):
                place = root.joinpath(*name.split("."))
                places = (place.with_suffix(".py"), place / "__init__.py")
                left += [place for place in places if place.is_file()]
            libraries.add(name.partition(".")[0])
    # A package that says what it is for, and no more, changes nothing.
    coded = [path for path in modules if len(_tree(path).body) > 1 or path == script]
    return tuple(sorted(coded)), frozenset(libraries - _APART - sys.stdlib_module_names)


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def _imports(tree: ast.Module) -> Iterator[str]:
    """Every name that might be a module, wherever it is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _train(name: str) -> Train:
    # Lazily: torch takes two seconds to import, and water needs none of it.
    train: Train = import_module(f"benchmarks.tasks.{name}.train").train
    return train


def _key(name: str, configuration: Mapping[str, Scalar], seed: int) -> str:
    text = json.dumps([code_of(name), sorted(configuration.items()), seed])
    return hashlib.sha256(text.encode()).hexdigest()[:32]
