"""The peers run as Optuna means them to, and the benchmark says what stands in its way."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from benchmarks.contenders import METHODS, OURS, PEERS, RIVALS, STARTUP, USUAL
from benchmarks.tasks.evaluation import task_of

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "peers.py"


def test_the_usual_methods_are_all_known() -> None:
    """Every peer runs from scratch and from the default, beside the expert."""
    assert set(USUAL) <= set(METHODS)
    assert set(METHODS) == {*PEERS, *OURS, *RIVALS}
    for name in ("random", "tpe", "gp"):
        assert not PEERS[name].default
        assert PEERS[f"{name}+default"].default


def test_a_peers_model_speaks_after_its_startup() -> None:
    """TPE draws like chance before `STARTUP` results, and no longer afterwards."""
    space = task_of("water").space

    def draws(sampler: optuna.samplers.BaseSampler) -> list[float]:
        study = optuna.create_study(sampler=sampler, direction="maximize")
        drawn = []
        for number in range(STARTUP + 2):
            trial = study.ask()
            for parameter in space.parameters[:2]:
                trial.suggest_float(parameter.name, 0.0, 1.0)
            drawn.append(trial.params[space.names[0]])
            study.tell(trial, float(number))
        return drawn

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    tpe, chance = draws(PEERS["tpe"].make(3)), draws(PEERS["random"].make(3))
    assert tpe[:STARTUP] == chance[:STARTUP]
    assert tpe[STARTUP:] != chance[STARTUP:]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tasks", "fire"], "there is no task 'fire': choose among "),
        (["--methods", "luck"], "there is no method 'luck'"),
        (["--trials", "0"], "at least one seed and one trial"),
    ],
)
def test_what_can_not_be_compared_is_said_at_once(arguments: list[str], said: str) -> None:
    """A wrong name ends with status 2, one clear line, and a JSON line that is not ok."""
    ended = subprocess.run(
        [sys.executable, SCRIPT, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert json.loads(ended.stdout.splitlines()[-1])["ok"] is False
