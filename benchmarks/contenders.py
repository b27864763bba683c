"""The methods that the benchmarks compare, each as its trials in order.

Peers run natively, by their own ask and tell, so that nothing of ours can hold them back: Optuna's
samplers in this process, SMAC3 and HEBO in environments of their own (`rivals`). Ours runs as a
study does. It knows no statistics.

Optuna's TPE and GP draw their first ten trials at random, so in ten trials they would be random
search by another name. Here they start modelling after `STARTUP`; `tpe-stock` and `gp-stock` are
Optuna's own settings.
"""

from __future__ import annotations

import ast
import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import optuna

import trialwright
from benchmarks.ours import LACKING, Lacking, Step, play_expert
from benchmarks.rivals import client
from benchmarks.tasks.evaluation import (
    CACHE,
    HERE,
    code_of,
    default_of,
    evaluate,
    imported,
    store,
    task_of,
)
from trialwright.expression import Scalar
from trialwright.space import Choice, Configuration, Float, Int, Ordinal, Parameter
from trialwright.task import Task

STARTUP = 4
"""Trials before a peer's model speaks; a default that it is given is one of them."""
ASKED_AGAIN = 100
"""Suggestions in a row that may break a constraint before one counts as a failed trial."""

Make = Callable[[int], optuna.samplers.BaseSampler]
Trial = tuple[Mapping[str, Scalar], float | None]
"""A configuration and its objective; None if the training failed."""


@dataclass(frozen=True, slots=True)
class Peer:
    """An Optuna sampler, and whether its first trial is the task's default."""

    make: Make
    default: bool = False


@dataclass(frozen=True, slots=True)
class Rival:
    """An optimiser with an environment of its own, and whether it is given the default."""

    name: str
    default: bool = False


@dataclass(frozen=True, slots=True)
class Own:
    """The expert: whether the space states the default, and what the expert has to do without."""

    default: bool = False
    lacking: Lacking | None = None


def _tpe(seed: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP)


def _gp(seed: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.GPSampler(
        seed=seed, n_startup_trials=STARTUP, warn_independent_sampling=False
    )


def _cmaes(seed: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False)


PEERS: Mapping[str, Peer] = {
    "random": Peer(lambda seed: optuna.samplers.RandomSampler(seed=seed)),
    "tpe": Peer(_tpe),
    "gp": Peer(_gp),
    "cmaes": Peer(_cmaes),
    "tpe-stock": Peer(lambda seed: optuna.samplers.TPESampler(seed=seed)),
    "gp-stock": Peer(
        lambda seed: optuna.samplers.GPSampler(seed=seed, warn_independent_sampling=False)
    ),
    "random+default": Peer(lambda seed: optuna.samplers.RandomSampler(seed=seed), default=True),
    "tpe+default": Peer(_tpe, default=True),
    "gp+default": Peer(_gp, default=True),
    "cmaes+default": Peer(_cmaes, default=True),
}
RIVALS: Mapping[str, Rival] = {
    f"{name}{'+default' * default}": Rival(name, default)
    for default in (False, True)
    for name in client.NAMES
}
OURS: Mapping[str, Own] = {
    "expert": Own(default=True),
    "expert-blind": Own(),
    **{f"expert-blind-no-{lacking}": Own(lacking=lacking) for lacking in LACKING},
}
"""Without defaults the expert has its knowledge alone; ablations are without them."""

METHODS = (*OURS, *PEERS, *RIVALS)
USUAL = ("expert", "random", "tpe", "gp", "random+default", "tpe+default", "gp+default")


def given_default(method: str) -> bool:
    """Say whether a method is given the task's default configuration."""
    return ({**PEERS, **RIVALS, **OURS})[method].default


def missing(method: str) -> str:
    """Say what keeps a method from running here; '' if nothing does."""
    if method in RIVALS:
        return client.missing(RIVALS[method].name)
    if method.startswith("gp") and not find_spec("torch"):
        return "torch is not installed (`make torch`)"
    return ""


def play(task: str, method: str, seed: int, trials: int) -> list[Trial]:
    """Return the trials of `method`, in order."""
    return [(s.configuration, s.value) for s in trace(task, method, seed, trials)]


def trace(task: str, method: str, seed: int, trials: int, *, cache: Path = CACHE) -> list[Step]:
    """Return what `method` did, step by step.

    It is remembered under the method's code, so that an interrupted benchmark goes on.
    """
    path = trace_file(task, method, seed, trials, cache=cache)
    if path.is_file():
        return [Step(*row) for row in json.loads(path.read_text())]
    if method in OURS:
        own = OURS[method]
        steps = play_expert(
            task, seed, trials, defaults=own.default, lacking=own.lacking, cache=cache
        )
    else:
        stated = task_of(task)
        with _opened(stated, method, seed=seed, trials=trials) as asked:
            steps = list(_play_peer(stated, asked, seed=seed, trials=trials, cache=cache))
    store(path, [(dict(s.configuration), s.value, s.seconds) for s in steps])
    return steps


def trace_file(task: str, method: str, seed: int, trials: int, *, cache: Path = CACHE) -> Path:
    """Return where the trajectory of a method is remembered."""
    name = f"{method}-{seed}-{trials}-{_version(task, method)}.json"
    return cache / "traces" / task / name


class Asked(Protocol):
    """A peer at work: asked for a configuration, told what came of it."""

    def ask(self) -> dict[str, Scalar]:
        """Return what to train next."""

    def tell(self, value: float | None) -> None:
        """Take the objective of what was asked last; None: the training failed."""


class _Sampled:
    """An Optuna study, led as its manual shows it: failed trials are those that it leaves out."""

    def __init__(self, task: Task, sampler: optuna.samplers.BaseSampler) -> None:
        logging.getLogger("optuna").setLevel(logging.ERROR)
        self._space = task.space
        self._study = optuna.create_study(direction=task.objective.direction, sampler=sampler)
        self._trial: optuna.Trial | None = None

    def start_from(self, default: Configuration) -> None:
        """Have the default tried first."""
        self._study.enqueue_trial(dict(default))

    def ask(self) -> dict[str, Scalar]:
        """Suggest value by value, so that a condition is known before what depends on it."""
        self._trial = self._study.ask()
        values: dict[str, Scalar] = {}
        while missing := [name for name in self._space.active(values) if name not in values]:
            values |= {name: _suggested(self._trial, self._space[name]) for name in missing}
        return self._space.canonical(values)

    def tell(self, value: float | None) -> None:
        """End the trial."""
        assert self._trial is not None
        if value is None:
            self._study.tell(self._trial, state=optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(self._trial, value)


@dataclass(frozen=True, slots=True)
class _Minimising:
    """A rival, which is told losses."""

    rival: client.Rival
    sign: int

    def ask(self) -> dict[str, Scalar]:
        """Ask the rival."""
        return self.rival.ask()

    def tell(self, value: float | None) -> None:
        """Turn the objective into a loss."""
        self.rival.tell(None if value is None else -self.sign * value)


@contextmanager
def _opened(task: Task, method: str, *, seed: int, trials: int) -> Iterator[Asked]:
    """Start a peer on a task."""
    default = default_of(task.name) if given_default(method) else None
    if method in PEERS:
        sampled = _Sampled(task, PEERS[method].make(seed))
        if default is not None:
            sampled.start_from(default)
        yield sampled
        return
    with client.Rival(
        RIVALS[method].name,
        task.space,
        seed=seed,
        trials=trials,
        startup=STARTUP,
        default=default,
    ) as rival:
        yield _Minimising(rival, task.objective.sign)


def _play_peer(task: Task, asked: Asked, *, seed: int, trials: int, cache: Path) -> Iterator[Step]:
    """Lead a peer through its trials.

    What breaks a constraint is told as failed and asked anew, as it costs no training.
    """
    for _ in range(trials):
        value, seconds = None, 0.0
        for _ in range(ASKED_AGAIN):
            start = time.perf_counter()
            configuration = asked.ask()
            seconds += time.perf_counter() - start
            if not task.space.check(configuration):
                value = evaluate(task.name, configuration, seed, cache=cache).value(task.objective)
                break
            asked.tell(None)
        asked.tell(value)
        yield Step(configuration, value, seconds)


def _suggested(trial: optuna.Trial, parameter: Parameter) -> Scalar:
    match parameter:
        case Float(name=name, low=low, high=high, log=log, step=step):
            return trial.suggest_float(name, low, high, log=log, step=step)
        case Int(name=name, low=low, high=high, log=log, step=step):
            return trial.suggest_int(name, low, high, log=log, step=step)
        case Choice(name=name, options=values) | Ordinal(name=name, levels=values):
            return trial.suggest_categorical(name, values)


@lru_cache
def _version(task: str, method: str) -> str:
    """Digest of all that the method's trials depend on: the task, and the method's own code."""
    here = Path(__file__).parent
    stated = [(HERE / task / name).read_text() for name in ("study.yaml", "default.yaml")]
    parts = [code_of(task), *stated, _code(Path(__file__))]
    if method in PEERS:
        parts.append(optuna.__version__)
    elif method in RIVALS:
        name = RIVALS[method].name
        parts += [
            _code(here / "rivals" / file) for file in ("client.py", "server.py", f"{name}.py")
        ]
        parts.append((here / "rivals" / f"{name}.txt").read_text())
    else:
        parts += [_code(here / "ours.py"), _ours()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


@lru_cache
def _ours() -> str:
    """The code that the expert's proposals depend on, and what it knows."""
    package = Path(trialwright.__file__).parent
    modules, _ = imported(
        package / "propose" / "expert.py", package="trialwright", root=package.parent
    )
    known = sorted((package / "knowledge").glob("*.yaml"))
    return "\0".join([*map(_code, modules), *(path.read_text() for path in known)])


def _code(path: Path) -> str:
    """A module without its comments."""
    return ast.dump(ast.parse(path.read_text()))
