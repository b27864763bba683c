"""`trialwright noise`: the defaults under several seeds, before a study and within it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.app.commands import ran
from trialwright.history import read

TRAIN = """
import os, random
from trialwright.emit import emit
emit(y=0.8 + random.Random(int(os.environ["TRIALWRIGHT_SEED"])).gauss(0, 0.02))
"""
STUDY = """
goal: maximize y
command: ["{python}", train.py, "{{n}}"]
space: {{n: {{int: [0, 9], default: 2}}}}
budget: {{trials: 2}}
team: [random]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A study that was never run."""
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "study.yaml").write_text(STUDY.format(python=sys.executable))
    return tmp_path


def test_the_noise_is_measured_before_a_study_and_belongs_to_it(folder: Path) -> None:
    """One trial with six seeds and nothing else; more on top; then the study goes on with it."""
    told = json.loads(ran(folder, "noise", "--runs", "6", "--json").stdout.splitlines()[-1])
    history = read(next((folder / "runs").iterdir()))
    (trial,) = history.trials
    assert dict(trial.configuration) == {"n": 2}
    assert sorted(trial.values) == list(range(6))
    noise = told["noise"]
    assert noise["values"] == pytest.approx(list(trial.values.values()))
    assert noise["sd"] == pytest.approx(np.std(list(trial.values.values()), ddof=1))
    assert noise["interval"][0] < noise["sd"] < noise["interval"][1]
    assert noise["tells"]["4"] == pytest.approx(noise["tells"]["1"] / 2)
    said = ran(folder, "noise", "--runs", "8", "--plain")
    assert "Over 8 seeds the defaults (trial 0) give y" in said.stdout
    assert "The least gain that is told from this noise" in said.stdout
    assert ran(folder, "run", "--plain").returncode == 0
    history = read(next((folder / "runs").iterdir()))
    assert [len(t.values) for t in history.trials] == [8, 1]


def test_too_few_runs_are_refused(folder: Path) -> None:
    """One run has no spread."""
    refused = ran(folder, "noise", "--runs", "1")
    assert refused.returncode == 2
    assert "--runs" in refused.stderr
