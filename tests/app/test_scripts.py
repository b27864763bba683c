"""`init` on twelve scripts of strangers: what it guesses, what it misses, and one start each."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.app.commands import ran
from trialwright.studyfile import load

SCRIPTS = Path(__file__).parents[1] / "scripts"


@dataclass(frozen=True)
class Truth:
    """What a person finds in a script, and what `init` is known to miss of it."""

    goal: str
    tuned: str
    missed: str = ""
    """Settings that a person would tune and `init` leaves alone."""
    needs: str = ""
    """Modules that the script imports."""


TRUTHS = {
    "moons_mlp": Truth("maximize val_acc", "lr hidden activation solver alpha batch_size epochs"),
    "digits_svm": Truth(
        "maximize test_accuracy", "standardize kernel C gamma balanced pca degree", ""
    ),
    "forest_click": Truth(
        "maximize val_accuracy",
        "model n_estimators max_depth max_features min_samples_leaf criterion bootstrap",
        needs="click",
    ),
    "sgd_typer": Truth(
        "maximize val_f1", "loss alpha eta0 schedule average epochs batch", "penalty power_t"
    ),
    "ridge_dataclass": Truth(
        "maximize r2",
        "alpha kernel.name kernel.gamma kernel.degree log_target",
        "clip_quantile",
    ),
    "fourier_fire": Truth(
        "minimize test_mse",
        "learning_rate momentum l2 steps batch_size nesterov",
        "num_features bandwidth warmup",
        needs="fire",
    ),
    "yaml_gbm": Truth(
        "maximize valid_acc",
        "model.params.n_estimators model.params.learning_rate model.params.max_depth"
        " model.params.subsample train.early_stopping",
    ),
    "spirals_hydra": Truth(
        "maximize valid_accuracy",
        "model.hidden optim.lr optim.momentum optim.weight_decay batch_size label_smoothing epochs",
        "model.activation",
        needs="hydra",
    ),
    "autoencoder_constants": Truth(
        "minimize test_loss",
        "LEARNING_RATE MOMENTUM HIDDEN_SIZE BATCH_SIZE NUM_EPOCHS L2_REG ACTIVATION USE_BIAS",
        "CORRUPTION",
    ),
    "torch_cnn": Truth(
        "maximize val_acc",
        "batch_size epochs lr weight_decay momentum optimizer width dropout",
        needs="torch",
    ),
    "hgb_json": Truth(
        "maximize valid_auc",
        "learning_rate max_iter max_leaf_nodes min_samples_leaf l2_regularization early_stopping"
        " max_bins",
        "",
    ),
    "torch_tensorboard": Truth(
        "minimize loss/val",
        "cell hidden_size num_layers lr wd scheduler epochs",
        "clip_grad",
        needs="torch tensorboard",
    ),
}


def test_every_script_has_its_truth() -> None:
    """No script is left out."""
    assert {path.stem for path in SCRIPTS.glob("*.py")} == set(TRUTHS)


@pytest.mark.slow
@pytest.mark.parametrize("name", TRUTHS)
def test_init_reads_proves_and_starts_once(name: str, tmp_path: Path) -> None:
    """The metric is found and proved, the settings are the ones stated, the script starts once."""
    truth = TRUTHS[name]
    for module in truth.needs.split():
        if not find_spec(module):
            pytest.skip(f"{module} is not installed")
    shutil.copytree(SCRIPTS, tmp_path / "scripts", ignore=shutil.ignore_patterns("*.md"))
    folder, starts = tmp_path / "scripts", tmp_path / "starts"
    answer = ran(folder, "init", f"{name}.py", SCRIPT_STARTS=str(starts))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert starts.read_text() == f"{name}\n"
    task = load(folder / "study.yaml")
    objective = task.objective
    assert f"{objective.direction} {objective.metric}" == truth.goal
    assert set(task.space.names) == set(truth.tuned.split())
    assert f"{objective.metric} = " in answer.stdout
    for missed in truth.missed.split():
        assert missed in answer.stdout.replace("\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hgb_json", "autoencoder_constants", "digits_svm"])
def test_what_init_writes_runs(name: str, tmp_path: Path) -> None:
    """The study file of `init` runs as it is, by file, constants and switches: no run fails."""
    shutil.copytree(SCRIPTS, tmp_path / "scripts", ignore=shutil.ignore_patterns("*.md"))
    folder = tmp_path / "scripts"
    assert ran(folder, "init", f"{name}.py").returncode == 0
    answer = ran(folder, "run", "--trials", "2")
    assert answer.returncode == 0, answer.stdout
    assert answer.stdout.count(" done in ") == 2, answer.stdout
