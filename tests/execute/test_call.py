"""Python functions as tasks: run for real in processes of their own."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.execute.orders import ended
from trialwright.execute.local import LocalRunner
from trialwright.execute.order import make_order
from trialwright.records import Observation, RunKey
from trialwright.space import Float, Space
from trialwright.task import Objective, RunnerPlan, Task

HERE = os.getpid()


@pytest.fixture(scope="module")
def runner() -> Iterator[LocalRunner]:
    """A real runner; the tests give it one run at a time."""
    with LocalRunner(RunnerPlan(workers=1)) as runner:
        yield runner


def module_level(configuration: Mapping[str, Any], seed: int) -> float:
    """A function that its process imports from here."""
    return float(configuration["x"]) + seed


class Model:
    """A callable with state."""

    def __init__(self, offset: float) -> None:
        self.offset = offset

    def __call__(self, configuration: Mapping[str, Any]) -> float:
        """Add the offset."""
        return float(configuration["x"]) + self.offset

    def method(self, configuration: Mapping[str, Any], *, seed: int) -> float:
        """Add offset and seed."""
        return float(configuration["x"]) + self.offset + seed


def called(runner: LocalRunner, folder: Path, function: Callable[..., Any]) -> Observation:
    """Run a function for x = 0.5 and seed 7."""
    task = Task(
        name="t",
        objective=Objective(metric="y"),
        space=Space((Float("x", 0, 1),)),
        function=function,
        folder=str(folder),
    )
    order = make_order(
        task,
        run=RunKey(0, 0, 0),
        seed=7,
        configuration={"x": 0.5},
        study_folder=folder / "study",
        environ=os.environ,
    )
    return ended(runner, order)


OFFSET = 10.0

FUNCTIONS: dict[str, tuple[Callable[..., Any], float]] = {
    "lambda": (lambda configuration, seed: configuration["x"] * seed, 3.5),
    "of the configuration alone": (lambda configuration: configuration["x"], 0.5),
    "closure over a global": (lambda configuration: configuration["x"] + OFFSET, 10.5),
    "of a module": (module_level, 7.5),
    "callable object": (Model(1.0), 1.5),
    "method with a named seed": (Model(1.0).method, 8.5),
    "partial, whose seed is the run's": (functools.partial(module_level, seed=2), 7.5),
    "with an option of its own": (lambda configuration, verbose=False: float(verbose), 0.0),
    "with any arguments": (lambda *args: float(len(args)), 2.0),
    "numpy scalar": (lambda configuration: np.float32(0.25), 0.25),
    "whole number": (lambda configuration: 3, 3.0),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_many_kinds(runner: LocalRunner, tmp_path: Path, name: str) -> None:
    """Whatever can be called with a configuration is, and its number is the objective."""
    function, value = FUNCTIONS[name]
    observation = called(runner, tmp_path, function)
    assert (observation.outcome, observation.value) == ("done", value), observation.log_tail


def test_a_function_of_the_main_module(runner: LocalRunner, tmp_path: Path) -> None:
    """A function that is defined in a script works, though its process can't import it."""
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(
        "FACTOR = 4\ndef train(c):\n    return helper(c)\ndef helper(c): return FACTOR * c['x']",
        space,
    )
    assert called(runner, tmp_path, space["train"]).value == 2.0


def test_a_mapping_names_its_own_metrics(runner: LocalRunner, tmp_path: Path) -> None:
    """Any metrics may be returned; names need not be identifiers."""
    observation = called(runner, tmp_path, lambda c: {"y": 1, "val/acc": np.float64(0.5)})
    assert (observation.value, observation.metrics) == (1.0, {"y": 1.0, "val/acc": 0.5})


def test_a_function_may_emit_its_curve(runner: LocalRunner, tmp_path: Path) -> None:
    """What it emits on the way is the curve; None at the end adds nothing."""

    def train(configuration: Mapping[str, Any]) -> None:
        from trialwright import emit

        for step in (1, 2, 3):
            emit(step=step, y=step * configuration["x"])

    observation = called(runner, tmp_path, train)
    assert observation.curve.points("y") == [(1, 0.5), (2, 1.0), (3, 1.5)]
    assert observation.value == 1.5


def test_it_runs_in_a_process_of_its_own(runner: LocalRunner, tmp_path: Path) -> None:
    """A crash of the interpreter is the function's alone."""
    observation = called(runner, tmp_path, lambda c: os.abort())
    assert observation.outcome == "failed"
    assert "SIGABRT" in observation.detail
    assert called(runner, tmp_path, lambda c: float(os.getpid() != HERE)).value == 1.0


def test_an_exception_is_shown(runner: LocalRunner, tmp_path: Path) -> None:
    """A function that raises has failed, with exit status 1 and its traceback in the log."""
    observation = called(runner, tmp_path, lambda c: c["nope"])
    assert (observation.exit_status, observation.cause) == (1, "other")
    assert "KeyError: 'nope'" in observation.detail
    assert "Traceback" in observation.log_tail


def test_another_type_is_refused(runner: LocalRunner, tmp_path: Path) -> None:
    """A function that returns text is told what it may return."""
    observation = called(runner, tmp_path, lambda c: "high")
    assert observation.outcome == "failed"
    assert "mapping of metric names" in observation.detail


def test_a_nan_is_divergence(runner: LocalRunner, tmp_path: Path) -> None:
    """A function that returns NaN has diverged."""
    assert called(runner, tmp_path, lambda c: float("nan")).cause == "diverged"


def test_its_input_is_empty_and_its_folder_the_tasks(runner: LocalRunner, tmp_path: Path) -> None:
    """The function finds nothing on standard input, and works where the task is."""
    (tmp_path / "json.py").write_text("raise RuntimeError('the folder must not hide modules')")
    observation = called(
        runner, tmp_path, lambda c: len(sys.stdin.read()) + float(Path("json.py").exists())
    )
    assert observation.value == 1.0, observation.log_tail


def test_nothing_pickled_stays_on_disk(runner: LocalRunner, tmp_path: Path) -> None:
    """The call is handed over and forgotten: only the configuration and the log stay."""
    called(runner, tmp_path, Model(1.0))
    kept = {path.name for path in (tmp_path / "study").rglob("*") if path.is_file()}
    assert kept == {"config.yaml", "stdout.log", "exit.json"}
