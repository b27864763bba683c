"""A study that Optuna itself made, and the script behind it: what a user brings along."""

from __future__ import annotations

import math
from pathlib import Path

import optuna
from optuna.trial import Trial

TRAIN = """\
import argparse, math

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--depth", type=int)
parser.add_argument("--opt")
parser.add_argument("--momentum", type=float, default=0.6)
parser.add_argument("--seed", type=int)
args = parser.parse_args()
for epoch in range(1, 4):
    acc = 1 - 0.1 * (math.log10(args.lr) + 1) ** 2 - 0.01 * abs(args.depth - 5)
    acc -= 0.1 / epoch + 0.02 * abs(args.momentum - 0.8)
    print(f"epoch={epoch} acc={acc:.6f}", flush=True)
"""

COMMAND = """\
command: [python, train.py, "{args}", "--seed={seed}"]
metrics: {regex: ['epoch=(?P<epoch>\\d+) acc=(?P<acc>\\S+)']}
"""
"""What the user adds to the imported study file."""

NAME = "their study"
"""Of the Optuna study: not a name for a folder."""


def objective(trial: Trial) -> float:
    """The same as the script, as Optuna's users write it; every thirteenth trial fails."""
    rate = math.log10(trial.suggest_float("lr", 1e-4, 1.0, log=True))
    depth = trial.suggest_int("depth", 1, 9)
    sgd = trial.suggest_categorical("opt", ["adam", "sgd"]) == "sgd"
    momentum = trial.suggest_float("momentum", 0.0, 0.99) if sgd else 0.6
    if trial.number % 13 == 7:
        raise ValueError("the script crashed")
    value = 0.0
    for epoch in range(1, 4):
        value = 1 - 0.1 * (rate + 1) ** 2 - 0.01 * abs(depth - 5)
        value -= 0.1 / epoch + 0.02 * abs(momentum - 0.8)
        trial.report(value, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return value


def theirs(url: str, *, trials: int = 50) -> optuna.Study:
    """Make the study with Optuna's TPE and median pruner; the last trial repeats the first."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        storage=url,
        study_name=NAME,
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=0),
        pruner=optuna.pruners.MedianPruner(),
    )
    study.optimize(objective, n_trials=trials - 1, catch=(ValueError,))
    # As a value, not by running: whether a pruner stops a repeat is its own affair.
    first = study.trials[0]
    study.add_trial(
        optuna.create_trial(
            value=(first.value or 0.0) - 0.01,
            params=first.params,
            distributions=first.distributions,
        )
    )
    return study


def add_command(folder: Path) -> None:
    """Do what an import asks for: lay the script beside the study file, and name its command."""
    (folder / "train.py").write_text(TRAIN)
    with (folder / "study.yaml").open("a") as file:
        file.write(COMMAND)
