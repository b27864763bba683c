"""The methods that the peers benchmark compares, each as its trials in order.

Peers run natively, by Optuna's own ask and tell, so that nothing of ours can hold them back. Ours
runs as a study does. It knows no statistics.

Optuna's TPE and GP draw their first ten trials at random, so in ten trials they would be random
search by another name. Here they start modelling after `STARTUP`; `tpe-stock` and `gp-stock` are
Optuna's own settings.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import optuna

import trialwright
from benchmarks.ours import play_expert
from benchmarks.tasks.evaluation import CACHE, code_of, default_of, evaluate, store, task_of
from trialwright.expression import Scalar
from trialwright.space import Choice, Float, Int, Ordinal, Parameter

STARTUP = 4
"""Random trials before a peer's model speaks."""

Make = Callable[[int], optuna.samplers.BaseSampler]
Trial = tuple[Mapping[str, Scalar], float | None]
"""A configuration and its objective; None if the training failed."""


@dataclass(frozen=True, slots=True)
class Peer:
    """An Optuna sampler, and whether its first trial is the task's default."""

    make: Make
    default: bool = False


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
OURS: Mapping[str, bool] = {"expert": True, "expert-blind": False}
"""Whether the space states its defaults; without them the expert has its knowledge alone."""

METHODS = (*OURS, *PEERS)
USUAL = ("expert", "random", "tpe", "gp", "random+default", "tpe+default", "gp+default")


def play(task: str, method: str, seed: int, trials: int) -> list[Trial]:
    """Return the trials of `method`, in order.

    What a method did is remembered under its code, so that an interrupted benchmark goes on.
    """
    path = CACHE / "traces" / task / f"{method}-{seed}-{trials}-{_version(task, method)}.json"
    if path.is_file():
        return [(configuration, value) for configuration, value in json.loads(path.read_text())]
    if method in OURS:
        played = play_expert(task, seed, trials, defaults=OURS[method])
    else:
        played = _play_peer(task, PEERS[method], seed=seed, trials=trials)
    store(path, played)
    return played


def _play_peer(name: str, peer: Peer, *, seed: int, trials: int) -> list[Trial]:
    """Run an Optuna study as Optuna's manual shows it."""
    logging.getLogger("optuna").setLevel(logging.WARNING)
    task = task_of(name)
    study = optuna.create_study(direction=task.objective.direction, sampler=peer.make(seed))
    if peer.default:
        study.enqueue_trial(default_of(name))
    played: list[Trial] = []
    for _ in range(trials):
        trial = study.ask()
        configuration = {p.name: _suggested(trial, p) for p in task.space.parameters}
        value = evaluate(name, configuration, seed).value(task.objective)
        if value is None:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(trial, value)
        played.append((configuration, value))
    return played


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
    """Digest of all that the method's trials depend on."""
    parts = [code_of(task), optuna.__version__, Path(__file__).read_text()]
    if method in OURS:
        root = Path(trialwright.__file__).parent
        parts += [file.read_text() for file in sorted(root.rglob("*.py"))]
        parts += [file.read_text() for file in sorted(root.rglob("*.yaml"))]
        parts.append((Path(__file__).parent / "ours.py").read_text())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
