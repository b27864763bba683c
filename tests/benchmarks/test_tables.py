"""The tasks on small tables: what their files say is so, and their scripts train as a user's do."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.metrics
import yaml
from benchmarks.tasks import tables
from benchmarks.tasks.data import Table
from benchmarks.tasks.evaluation import HERE, default_of, task_of
from sklearn.neural_network import MLPClassifier

from trialwright.emit import TAG
from trialwright.space import Choice, Space

SHAPES = {
    "cancer": (284, 285, 30, 2),
    "diabetes": (221, 221, 30, None),
    "digits_mlp": (300, 1497, 64, 10),
    "digits_svm": (400, 1000, 64, 10),
    "hist_boosting": (1500, 1500, 20, 2),
    "iris": (150, None, 8, 3),
    "noisy": (60, 200, 24, 2),
    "pipeline": (500, 1000, 24, 4),
    "tree": (1000, 2000, 16, 3),
    "wine": (178, None, 53, 3),
}
"""Task -> rows to train on, rows to validate on (None: by several splits), features, classes."""
SMALL = {
    "cancer": {"n_estimators": 20},
    "diabetes": {"n_estimators": 10},
    "digits_mlp": {"epochs": 5},
    "hist_boosting": {"num_iterations": 15, "feature_fraction": 0.5},
    "noisy": {"epochs": 15},
    "pipeline": {"forest_trees": 10},
}
"""Settings that make a training short."""
NAMES = sorted(SHAPES)


def script(task: str) -> Any:
    """Return the module of a task's training script."""
    return import_module(f"benchmarks.tasks.{task}.train")


def small(task: str) -> dict[str, Any]:
    """Return a configuration that trains in no time."""
    return {**default_of(task), **SMALL.get(task, {})}


def whole(task: str, seed: int) -> tuple[Any, Any]:
    """Return features and target of all rows, to train on or to validate on."""
    match script(task).rows(seed):
        case Table() as table:
            return (
                np.vstack([table.train_x, table.valid_x]),
                np.concatenate([table.train_y, table.valid_y]),
            )
        case features, target:
            return features, target


@pytest.mark.parametrize("task", NAMES)
def test_the_default_is_whole_and_its_source_is_named(task: str) -> None:
    """Each parameter that applies has a legal value; the study file itself gives none away."""
    text = (HERE / task / "default.yaml").read_text()
    assert default_of(task) == yaml.safe_load(text)
    assert "https://" in text
    assert all(parameter.default is None for parameter in task_of(task).space.parameters)


@pytest.mark.parametrize("task", NAMES)
def test_the_description_states_the_facts(task: str) -> None:
    """Rows, features and classes are as many as the study file says in words."""
    known, asked, features, classes = SHAPES[task]
    rows = script(task).rows(3)
    x, y = whole(task, 3)
    assert x.shape[1] == features
    if isinstance(rows, Table):
        assert (len(rows.train_y), len(rows.valid_y)) == (known, asked)
    else:
        assert len(y) == known
    if classes is not None:
        assert sorted(set(y)) == list(range(classes))
    said = task_of(task).description
    # Pixels are told as 8x8 where they are no columns yet.
    numbers = [known, None if "8x8" in said and task == "digits_mlp" else features]
    numbers += [classes] if classes is not None else []
    missing = [n for n in numbers if n is not None and f"{n:,}" not in said]
    assert missing == []


def test_the_descriptions_state_the_shares() -> None:
    """A fifth of the wrong labels, the frequencies of classes: measured, and as the words say."""
    cancer = script("cancer").rows(4)
    clean = sum(tables.raw("cancer")[1] == 0)
    assert clean / 569 == pytest.approx(0.37, abs=0.005)
    # Of the flipped, more were benign: malignant ones seem commoner in training than they are.
    seeming = 0.8 * clean / 569 + 0.2 * (1 - clean / 569)
    shares = [script("cancer").rows(seed).train_y.mean() for seed in range(20)]
    assert np.mean(shares) == pytest.approx(seeming, abs=0.02)
    assert set(cancer.valid_y) == {0.0, 1.0}
    leaving = [whole("hist_boosting", seed)[1].mean() for seed in range(5)]
    assert np.mean(leaving) == pytest.approx(0.32, abs=0.02)
    responding = [whole("noisy", seed)[1].mean() for seed in range(20)]
    assert np.mean(responding) == pytest.approx(0.40, abs=0.05)
    states = np.bincount(whole("tree", 4)[1].astype(int)) / 3000
    assert states == pytest.approx([0.7, 0.2, 0.1], abs=0.07)
    digits = np.bincount(script("digits_svm").rows(4).train_y.astype(int))
    assert (digits[0], digits[9]) == (78, 12)


@pytest.mark.parametrize("task", NAMES)
def test_a_seed_fixes_data_and_training(task: str) -> None:
    """The same seed gives the same curve; another one other rows or noise, and another curve."""
    curves = [list(script(task).train(small(task), seed)) for seed in (5, 5, 6)]
    assert curves[0] == curves[1]
    assert curves[0] != curves[2]
    assert [step for step, _ in curves[0]] == [step for step, _ in curves[2]]
    assert not np.array_equal(whole(task, 5)[0], whole(task, 6)[0])


@pytest.mark.parametrize("task", NAMES)
def test_every_option_can_be_trained(task: str) -> None:
    """Whatever is chosen, with the parameters that then apply, the objective is a number."""
    space, metric = task_of(task).space, task_of(task).objective.metric
    for configuration in options(space, small(task)):
        points = list(script(task).train(configuration, 7))
        assert all(np.isfinite(metrics[metric]) for _, metrics in points), configuration
        assert any(name.startswith("train_") for name in points[-1][1])


def options(space: Space, start: dict[str, Any]) -> list[dict[str, Any]]:
    """Return `start` with each option of each choice in turn."""
    return [
        space.complete({**start, parameter.name: option})
        for parameter in space.parameters
        if isinstance(parameter, Choice)
        for option in parameter.options
    ] or [space.complete(start)]


@pytest.mark.parametrize("task", NAMES)
def test_the_script_runs_as_a_user_runs_it(task: str, tmp_path: Path) -> None:
    """By the study file's own command it prints the points that `train` yields."""
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(small(task)))
    words = {"python": sys.executable, "{config}": str(tmp_path / "config.yaml"), "{seed}": "8"}
    command = [words.get(word, word) for word in yaml.safe_load(study(task))["command"]]
    printed = subprocess.run(
        command, cwd=HERE / task, capture_output=True, text=True, check=True, timeout=150
    )
    lines = [line for line in printed.stdout.splitlines() if line.startswith(TAG)]
    points = list(script(task).train(small(task), 8))
    assert len(lines) == len(points)
    for line, (step, metrics) in zip(lines, points, strict=True):
        told = yaml.safe_load(line.removeprefix(TAG))
        assert told["step"] == step
        assert told["metrics"] == pytest.approx(metrics)
    assert printed.stderr == ""


def study(task: str) -> str:
    """Return the text of a task's study file."""
    return (HERE / task / "study.yaml").read_text()


def test_curves_of_boosting_and_of_networks_end_at_the_last_step() -> None:
    """About a dozen points, train and validation beside each other, the last one at the end."""
    for task, steps in (("cancer", 20), ("hist_boosting", 15), ("digits_mlp", 5), ("noisy", 15)):
        points = list(script(task).train(small(task), 9))
        assert points[-1][0] == steps
        assert 5 <= len(points) <= tables.POINTS
        told = {name.partition("_")[2] for name in points[-1][1] if name.startswith("val_")}
        assert told <= {name.partition("_")[2] for name in points[-1][1] if name[0] == "t"}


def test_labels_go_wrong_as_often_as_asked() -> None:
    """A share of them is another class, never the own one again."""
    rng = np.random.default_rng(1)
    target = rng.integers(0, 4, 10_000).astype(np.float64)
    wrong = tables.mislabelled(target, 0.25, rng)
    assert np.mean(wrong != target) == pytest.approx(0.25, abs=0.02)
    assert set(wrong) == {0.0, 1.0, 2.0, 3.0}
    assert np.array_equal(tables.mislabelled(target, 0.0, rng), target)


def test_no_row_is_on_both_sides() -> None:
    """A split draws rows without replacement: together they are the table."""
    features = np.arange(50.0)[:, None]
    table = tables.split((features, features[:, 0]), tables.draws(2), train=20)
    both = np.concatenate([table.train_x[:, 0], table.valid_x[:, 0]])
    assert sorted(both) == list(range(50))
    assert np.array_equal(table.valid_x[:, 0], table.valid_y)
    few = tables.split((features, features[:, 0]), tables.draws(2), train=20, valid=10)
    assert len(few.valid_y) == 10


def test_scores_are_scikit_learns() -> None:
    """Accuracies, F1 and log loss by our arithmetic and by the library's own functions."""
    rng = np.random.default_rng(3)
    chances = rng.dirichlet(np.ones(3), 200)
    target = rng.integers(0, 3, 200).astype(np.float32)
    predicted = chances.argmax(axis=1)
    scored = tables.probable(target, chances)
    assert scored == pytest.approx(
        {
            "accuracy": sklearn.metrics.accuracy_score(target, predicted),
            "balanced_accuracy": sklearn.metrics.balanced_accuracy_score(target, predicted),
            "f1": sklearn.metrics.f1_score(target, predicted, average="macro"),
            "log_loss": sklearn.metrics.log_loss(target, chances),
        }
    )


def test_a_network_that_blows_up_is_told_apart() -> None:
    """Weights that are no numbers end the training; any other error is not hidden."""
    table = script("noisy").rows(1)
    wild = MLPClassifier(solver="sgd", learning_rate_init=1e150, random_state=0)
    passes = [tables.one_pass(wild, table, classes=np.arange(2.0)) for _ in range(3)]
    assert not all(passes)
    broken = replace(table, train_x=table.train_x * np.float32("nan"))
    with pytest.raises(ValueError, match="NaN"):
        tables.one_pass(MLPClassifier(), broken, classes=np.arange(2.0))
