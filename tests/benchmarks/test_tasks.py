"""The three tasks: their study files, their defaults, and their scripts as a user runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from benchmarks.tasks import data, evaluation
from benchmarks.tasks.evaluation import AGENTHPO, default_of, evaluate, task_of

from trialwright.emit import TAG
from trialwright.records import RunKey
from trialwright.space import Choice, Float, Int, Ordinal

XGBOOST = {
    "max_depth": (3, 11, False),
    "learning_rate": (1e-3, 1.0, True),
    "min_child_weight": (1, 10, False),
    "subsample": (0.5, 1.0, False),
    "colsample_bytree": (0.5, 1.0, False),
    "n_estimators": (100, 500, False),
    "gamma": (0.0, 0.5, False),
    "reg_alpha": (0.0, 1.0, False),
    "reg_lambda": (0.0, 1.0, False),
    "scale_pos_weight": (1, 10, False),
}
GCN = {
    "num_layers": (1, 5, False),
    "learning_rate": (1e-6, 1e-1, True),
    "optimizer": ("adam", "sgd"),
    "epochs": (1, 200, False),
    "hidden_size": (8, 16, 32, 64),
    "activation": ("relu", "elu", "silu"),
    "weight_decay": (1e-6, 1e-1, True),
    "dropout": (0.0, 0.5, False),
}
SMALL = {
    "water": {"n_estimators": 100, "max_depth": 3},
    "house": {"n_estimators": 100, "max_depth": 3},
    "cora": {"epochs": 3, "hidden_size": 8},
}


def needs(task: str) -> None:
    """Skip where the data or the library is not there."""
    if data.VARIABLE not in os.environ:
        pytest.skip(f"{data.VARIABLE} names no folder with the real files")
    library = "torch" if task == "cora" else "xgboost"
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")


@pytest.mark.parametrize(("task", "space"), [("water", XGBOOST), ("house", XGBOOST), ("cora", GCN)])
def test_the_space_is_agenthpos(task: str, space: dict[str, tuple[object, ...]]) -> None:
    """Names, ranges, scales and options are those of its table (arXiv 2402.01881)."""
    found: dict[str, tuple[object, ...]] = {}
    for parameter in task_of(task).space.parameters:
        match parameter:
            case Float() | Int():
                found[parameter.name] = (parameter.low, parameter.high, parameter.log)
            case Choice(options=values) | Ordinal(levels=values):
                found[parameter.name] = values
    assert found == space


@pytest.mark.parametrize("task", AGENTHPO)
def test_the_committed_default_is_the_spaces_own(task: str) -> None:
    """What peers start from is what the expert finds in the study file: no head start."""
    assert default_of(task) == task_of(task).space.defaults


@pytest.mark.parametrize("task", AGENTHPO)
def test_the_script_prints_what_evaluate_returns(task: str, tmp_path: Path) -> None:
    """Run as by a user, the script emits the same metrics; a second evaluation trains nothing."""
    needs(task)
    cache = tmp_path / "cache"
    configuration = {**default_of(task), **SMALL[task]}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(configuration))
    script = Path(evaluation.HERE) / task / "train.py"
    output = subprocess.run(
        [sys.executable, script, "--config", tmp_path / "config.yaml", "--seed", "3"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        cwd=tmp_path,
    ).stdout
    lines = [line for line in output.splitlines() if line.startswith(TAG)]
    evaluated = evaluate(task, configuration, 3, cache=cache)
    assert len(lines) == len(evaluated.points)
    last = yaml.safe_load(lines[-1].removeprefix(TAG))
    assert last["metrics"] == pytest.approx(dict(evaluated.points[-1][1]))
    (kept,) = (cache / task).iterdir()
    kept.write_text('{"points": [[1, {"marked": 1.0}]], "seconds": 0.0}')
    again = evaluate(task, configuration, 3, cache=cache)
    assert again.points[0][1] == {"marked": 1.0}


@pytest.mark.parametrize("task", AGENTHPO)
def test_seeds_change_the_training_and_nothing_else(task: str, tmp_path: Path) -> None:
    """The same seed gives the same curve, another one another curve, each at the same steps."""
    needs(task)
    configuration = {**default_of(task), **SMALL[task]}
    if task != "cora":
        configuration |= {"subsample": 0.5, "colsample_bytree": 0.5}
    curves = [
        evaluate(task, configuration, seed, cache=tmp_path / str(number)).points
        for number, seed in enumerate((0, 0, 1))
    ]
    assert curves[0] == curves[1]
    assert curves[0] != curves[2]
    assert [step for step, _ in curves[0]] == [step for step, _ in curves[2]]


def test_an_evaluation_becomes_the_record_a_runner_would_make() -> None:
    """The objective is reduced from the curve; a curve that ends in NaN is a diverged run."""
    objective = task_of("water").objective
    points = ((1, {"val_f1": 0.4, "val_loss": 0.7}), (2, {"val_f1": 0.5, "val_loss": 0.6}))
    shown = evaluation.Evaluation(points, 1.5).observation(RunKey(0, 0, 0), objective)
    assert (shown.outcome, shown.value, shown.metrics["val_loss"]) == ("done", 0.5, 0.6)
    assert shown.curve.points("val_f1") == [(1.0, 0.4), (2.0, 0.5)]
    broken = evaluation.Evaluation(((1, {"val_f1": float("nan")}),), 1.0)
    assert broken.observation(RunKey(0, 0, 0), objective).cause == "diverged"
