"""How runs whose needs differ share a machine: cores, GPUs, memory; nothing is given away twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.execute.orders import Heard, command, script
from trialwright.errors import RunnerError, StudyError
from trialwright.execute.local import LocalRunner
from trialwright.execute.order import check_command, make_order
from trialwright.execute.room import Packed, room_for
from trialwright.execute.runner import Order
from trialwright.execute.slots import Machinery, Slot, cgroup_memory, plan_slots
from trialwright.records import RunKey
from trialwright.space import Choice, Float, Int, Space
from trialwright.task import Objective, RunnerPlan, Task

BY_SIZE = "1 if model == 'large' else 0.5"
SPACE = Space(
    (
        Choice("model", ("small", "large")),
        Int("width", 1, 4),
        Float("drop", 0.0, 0.5, when="model == 'large'"),
    )
)


def wants(gpus: float | None = None, *, cpus: float = 1.0) -> Order:
    """An order that takes so much."""
    return replace(command(Path(), "true"), gpus=gpus, cpus=cpus)


def task(folder: Path, **plan: object) -> Task:
    """A task over `SPACE` whose runs take what the plan says."""
    return Task(
        name="t",
        objective=Objective(metric="y"),
        space=SPACE,
        command=("true",),
        folder=str(folder),
        runner=RunnerPlan(**plan),  # type: ignore[arg-type]
    )


def test_needs_follow_from_the_configuration(tmp_path: Path) -> None:
    """Each run's order says what it takes, by the expressions of the study file."""
    wanted = task(tmp_path, gpus=BY_SIZE, cpus="width * 2")

    def order(**values: object) -> Order:
        return make_order(
            wanted,
            run=RunKey(0, 0, 0),
            seed=1,
            configuration=values,  # type: ignore[arg-type]
            study_folder=tmp_path,
            environ={},
        )

    assert (order(model="small", width=1).gpus, order(model="large", width=1).gpus) == (0.5, 1.0)
    assert order(model="small", width=3).cpus == 6.0


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ({"gpus": "1 if modell == 'large' else 0"}, "did you mean model"),
        ({"gpus": "1 if model == 'large' else 1.5"}, "1.5 for"),
        ({"gpus": "'all'"}, "no number"),
        ({"gpus": "1 if model == 'large' else -1"}, "whole number, or a fraction"),
        ({"cpus": "width - 1"}, "0 for"),
        ({"cpus": "1 / (4 - width)"}, "can't be computed"),
        ({"cpus": "width +"}, "not an expression"),
    ],
)
def test_a_wrong_need_is_found_before_any_run(
    tmp_path: Path, plan: dict[str, str], said: str
) -> None:
    """Unknown names and impossible values at any domain's end are problems of the task."""
    (problem,) = check_command(task(tmp_path, **plan))
    assert problem.startswith(f"runner.{next(iter(plan))}: ")
    assert said in problem


def test_a_need_that_fails_between_the_ends_is_told(tmp_path: Path) -> None:
    """Where no check at the start could see it, the study ends with the expression."""
    wanted = task(tmp_path, cpus="1 / (width - 2) ** 2")
    with pytest.raises(StudyError, match="width - 2"):
        make_order(
            wanted,
            run=RunKey(0, 0, 0),
            seed=1,
            configuration={"model": "small", "width": 2},
            study_folder=tmp_path,
            environ={},
        )


def test_large_runs_wait_for_a_whole_gpu() -> None:
    """Two small runs share a GPU; a large one waits until both are gone, and has it alone."""
    room = Packed(RunnerPlan(gpus=BY_SIZE), Machinery(8, ("0",)))
    first, second = room.take(wants(0.5)), room.take(wants(0.5))
    assert first.devices == second.devices == ("0",)
    assert not room.fits(wants(0.5))
    room.give(first)
    assert (room.fits(wants(0.5)), room.fits(wants(1))) == (True, False)
    with pytest.raises(RunnerError, match="slots"):
        room.take(wants(1))
    room.give(second)
    assert room.take(wants(1)).devices == ("0",)
    assert not room.fits(wants(0.1))
    assert room.fits(wants(0))


def test_small_runs_fill_a_gpu_before_they_break_another() -> None:
    """Shares go where least is left, so that whole GPUs stay for whoever needs one."""
    room = Packed(RunnerPlan(gpus=BY_SIZE), Machinery(8, ("0", "1")))
    assert [room.take(wants(0.3)).devices for _ in range(3)] == [("0",)] * 3
    assert room.fits(wants(1))
    assert not room.fits(wants(2))


def test_slots_follow_what_runs_take() -> None:
    """As many slots as runs like the latest fit, so that nobody proposes far ahead; at least 1."""
    room = Packed(RunnerPlan(cpus="width"), Machinery(8))
    assert room.slots == 8
    wide = room.take(wants(cpus=4))
    assert room.slots == 2
    room.give(wide)
    huge = room.take(wants(cpus=100))
    assert (room.slots, room.fits(wants())) == (1, False)
    room.give(huge)
    assert room.fits(wants(cpus=100))


def test_threads_are_shared_by_runs_alike() -> None:
    """A run gets the threads that are its when the machine is full of runs like it."""
    room = Packed(RunnerPlan(gpus=BY_SIZE), Machinery(8, ("0", "1")))
    assert room.take(wants(1)).threads == 4
    assert room.take(wants(0.5)).threads == 2


def test_more_gpus_than_there_are_is_an_error() -> None:
    """A run that can never start ends the study with what there is."""
    room = Packed(RunnerPlan(gpus=BY_SIZE), Machinery(8, ("0",)))
    with pytest.raises(RunnerError, match="sees 1"):
        room.take(wants(2))


def test_memory_set_aside_bounds_the_runs() -> None:
    """No more runs go on than the memory holds, whatever the cores; one always may."""
    machinery = Machinery(8, memory_bytes=10 * 2**30)
    assert len(plan_slots(RunnerPlan(memory_bytes=4 * 2**30), machinery)) == 2
    assert len(plan_slots(RunnerPlan(memory_bytes=40 * 2**30), machinery)) == 1
    room = room_for(RunnerPlan(cpus="width", memory_bytes=4 * 2**30), machinery)
    room.take(wants()), room.take(wants())
    assert not room.fits(wants())


def test_memory_is_what_the_container_grants(tmp_path: Path) -> None:
    """Control groups bound the memory, the tightest of all levels."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "memory.max").write_text("1073741824\n")
    (tmp_path / "a" / "b" / "memory.max").write_text("max\n")
    (tmp_path / "self").write_text("0::/a/b\n")
    assert cgroup_memory(tmp_path, tmp_path / "self") == 2**30


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0, 2.0]),
            st.sampled_from([0.5, 1.0, 2.0, 3.0]),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_nothing_is_given_away_twice(steps: list[tuple[float, float, bool]]) -> None:
    """Whatever comes and goes: no core and no GPU is promised to more runs than it can carry."""
    room = Packed(RunnerPlan(gpus=BY_SIZE), Machinery(8, ("0", "1", "2")))
    going: list[tuple[Slot, float, float]] = []
    for gpus, cpus, leaves in steps:
        if leaves and going:
            room.give(going.pop(0)[0])
        if room.fits(wants(gpus, cpus=cpus)):
            going.append((room.take(wants(gpus, cpus=cpus)), gpus, cpus))
        assert sum(cpus for _, _, cpus in going) <= 8
        assert len({slot.index for slot, _, _ in going}) == len(going)
        assert room.slots >= len(going)
        for name in ("0", "1", "2"):
            parts = [min(gpus, 1.0) for slot, gpus, _ in going if name in (slot.devices or ())]
            assert sum(parts) <= 1 + 1e-6


def test_the_local_runner_packs(tmp_path: Path) -> None:
    """A second run of 2 cores does not fit beside one that takes the machine, and starts after."""
    with LocalRunner(RunnerPlan(cpus="width")) as runner:
        heard = Heard()
        wide = replace(script(tmp_path, "print('y=1')", number=0), cpus=10_000.0)
        narrow = replace(script(tmp_path, "print('y=1')", number=1), cpus=1.0)
        assert runner.fits(wide)
        runner.start(wide, heard)
        with pytest.raises(RunnerError, match="slots"):
            runner.start(narrow, heard)
        heard.observation(wide.run)
        assert runner.fits(narrow)
        runner.start(narrow, heard)
        heard.observation(narrow.run)
