"""Arguments that depend on a parameter: `{name?yes:no}` in a command."""

from __future__ import annotations

from pathlib import Path

import pytest

from trialwright.execute.order import check_command, make_order
from trialwright.expression import Scalar
from trialwright.records import RunKey
from trialwright.space import Choice, Float, Space
from trialwright.task import Objective, Task


def task(folder: Path, *command: str) -> Task:
    """A task whose command has the given elements behind `true`."""
    parameters = (
        Choice("bias", (True, False), default=True),
        Choice("clip", (None, 0.5)),
        Float("decay", 0.0, 1.0, when="bias"),
    )
    return Task(
        name="t",
        objective=Objective(metric="y"),
        space=Space(parameters),
        command=("true", *command),
        folder=str(folder),
    )


def arguments(made: Task, folder: Path, **configuration: Scalar) -> list[str]:
    """What a run of this configuration gets."""
    order = make_order(
        made,
        run=RunKey(0, 0, 0),
        seed=1,
        configuration=configuration,
        study_folder=folder,
        environ={},
    )
    return list(order.command[1:])


@pytest.mark.parametrize(
    ("element", "given", "expected"),
    [
        ("{bias?--bias}", {"bias": True}, ["--bias"]),
        ("{bias?--bias}", {"bias": False}, []),
        ("{bias?--bias:--no-bias}", {"bias": False}, ["--no-bias"]),
        ("{bias?:--no-bias}", {"bias": True}, []),
        ("{bias?:--no-bias}", {"bias": False}, ["--no-bias"]),
        ("{clip?--clip={clip}}", {"clip": 0.5}, ["--clip=0.5"]),
        ("{clip?--clip={clip}}", {"clip": None}, []),
        ("{decay?--decay={decay}:--plain}", {"bias": False}, ["--plain"]),
    ],
)
def test_switch_chooses_its_argument(
    element: str, given: dict[str, Scalar], expected: list[str], tmp_path: Path
) -> None:
    """True chooses the first part; false, None and inactive the second; empty is no argument."""
    assert arguments(task(tmp_path, element), tmp_path, **given) == expected


def test_zero_is_a_value_and_no_absence(tmp_path: Path) -> None:
    """A number that happens to be 0 is passed, not left out."""
    made = task(tmp_path, "{decay?--decay={decay}}")
    assert arguments(made, tmp_path, bias=True, decay=0.0) == ["--decay=0.0"]


def test_unknown_name_in_a_switch_is_a_problem(tmp_path: Path) -> None:
    """A misspelt name is found before anything runs, with the nearest one."""
    problems = check_command(task(tmp_path, "{bais?--bias}"))
    assert len(problems) == 1
    assert "did you mean bias?" in problems[0]


def test_inactive_parameter_in_a_switch_needs_no_default(tmp_path: Path) -> None:
    """A switch says itself what happens without a value, so nothing is asked for."""
    assert check_command(task(tmp_path, "{decay?--decay={decay}}"))[1:] == ()
