"""How the machine is shared out: cores, control groups, GPUs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.execute.orders import ended, script
from trialwright.errors import RunnerError
from trialwright.execute.local import LocalRunner
from trialwright.execute.slots import (
    VISIBLE,
    Machinery,
    Slot,
    cgroup_cores,
    cores,
    parse_listing,
    plan_slots,
    visible_devices,
)
from trialwright.task import RunnerPlan

FOUR = Machinery(8, ("0", "1", "2", "3"))
NONE = Machinery(8)


@pytest.mark.parametrize(
    ("plan", "machinery", "devices"),
    [
        (RunnerPlan(), NONE, [None] * 8),
        (RunnerPlan(cpus=3), NONE, [None] * 2),
        (RunnerPlan(cpus=0.5), NONE, [None] * 16),
        (RunnerPlan(cpus=100), NONE, [None]),
        (RunnerPlan(workers=3), NONE, [None] * 3),
        (RunnerPlan(), FOUR, [("0",), ("1",), ("2",), ("3",)]),
        (RunnerPlan(cpus=4), FOUR, [("0",), ("1",)]),
        (RunnerPlan(gpus=2), FOUR, [("0", "1"), ("2", "3")]),
        (RunnerPlan(gpus=3), FOUR, [("0", "1", "2")]),
        (RunnerPlan(gpus=0.5), FOUR, [("0",), ("1",), ("2",), ("3",)] * 2),
        (RunnerPlan(gpus=0.3, cpus=0.1), Machinery(8, ("7",)), [("7",)] * 3),
        (RunnerPlan(gpus=0.1, cpus=0.1), Machinery(8, ("7",)), [("7",)] * 10),
        (RunnerPlan(gpus=1, workers=9), FOUR, [("0",), ("1",), ("2",), ("3",)]),
        (RunnerPlan(gpus=1, workers=2), FOUR, [("0",), ("1",)]),
        (RunnerPlan(workers=6), FOUR, [("0",), ("1",), ("2",), ("3",), ("0",), ("1",)]),
        (RunnerPlan(gpus=0, workers=2), FOUR, [(), ()]),
        (RunnerPlan(gpus=0, workers=2), NONE, [None] * 2),
    ],
)
def test_slots_follow_from_cores_and_gpus(
    plan: RunnerPlan, machinery: Machinery, devices: list[tuple[str, ...] | None]
) -> None:
    """As many slots as fit, each with its devices; no GPU is given away twice unless shared."""
    assert [slot.devices for slot in plan_slots(plan, machinery)] == devices


@pytest.mark.parametrize(
    ("gpus", "machinery", "said"),
    [(1, NONE, "none: set runner.gpus to 0"), (5, FOUR, r"4 \(0, 1, 2, 3\)"), (1.5, FOUR, "whole")],
)
def test_more_gpus_than_there_are_is_an_error(gpus: float, machinery: Machinery, said: str) -> None:
    """A plan that can't be met is refused with what there is and what to do."""
    with pytest.raises(RunnerError, match=said):
        plan_slots(RunnerPlan(gpus=gpus), machinery)


def test_threads_divide_the_cores() -> None:
    """Slots share all cores evenly, with at least one thread each."""
    assert plan_slots(RunnerPlan(workers=2), NONE)[0].threads == 4
    assert plan_slots(RunnerPlan(workers=20), NONE)[0].threads == 1


def test_the_users_own_choice_of_devices_stays() -> None:
    """A run's environment that names other GPUs than the coordinator's is left as it is."""
    slot = Slot(0, 2, ("1",))
    assert slot.environment({}, {})[VISIBLE] == "1"
    assert slot.environment({VISIBLE: "0,1"}, {VISIBLE: "0,1"})[VISIBLE] == "1"
    assert VISIBLE not in slot.environment({VISIBLE: "0,1"}, {VISIBLE: "0"})
    assert VISIBLE not in Slot(0, 2).environment({}, {})


@pytest.mark.parametrize(
    ("listed", "devices"),
    [
        ("0,2", ("0", "2")),
        (" 1 , GPU-8f2a-77", ("1", "GPU-8f2a-77")),
        ("MIG-3c/1/0", ("MIG-3c/1/0",)),
        ("", ()),
        ("-1", ()),
        ("0,-1,1", ("0",)),
        ("NoDevFiles", ()),
        ("0,0", ("0",)),
    ],
)
def test_visible_devices_are_read_as_cuda_reads_them(listed: str, devices: tuple[str, ...]) -> None:
    """What follows an invalid entry is invisible."""
    assert visible_devices({VISIBLE: listed, "PATH": ""}) == devices


def test_slices_stand_for_their_gpu() -> None:
    """A GPU that is cut into MIG slices is listed by its slices, others by number."""
    listing = (
        "GPU 0: NVIDIA A100 (UUID: GPU-aa)\n"
        "  MIG 3g.20gb     Device  0: (UUID: MIG-11)\n"
        "  MIG 3g.20gb     Device  1: (UUID: MIG-22)\n"
        "GPU 1: NVIDIA A100 (UUID: GPU-bb)\n"
    )
    assert parse_listing(listing) == ("MIG-11", "MIG-22", "1")
    assert parse_listing("No devices were found\n") == ()


def _nvidia_smi(folder: Path, body: str) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def test_gpus_are_counted_by_the_driver(tmp_path: Path) -> None:
    """Where nothing is said, `nvidia-smi` says which GPUs there are; a broken driver: none."""
    two = _nvidia_smi(
        tmp_path, 'test "$1" = -L && echo "GPU 0: H (UUID: GPU-a)" && echo "GPU 1: H (UUID: GPU-b)"'
    )
    assert Machinery.here(two).devices == ("0", "1")
    assert Machinery.here({**two, VISIBLE: ""}).devices == ()
    broken = _nvidia_smi(tmp_path, "echo 'GPU 0: H (UUID: GPU-a)'; exit 9")
    assert Machinery.here(broken).devices == ()


def test_runs_see_the_gpus_of_their_slots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs on one of two GPUs each see half of it: `CUDA_VISIBLE_DEVICES` names it."""
    body = 'echo "GPU 0: H (UUID: GPU-a)"; echo "GPU 1: H (UUID: GPU-b)"'
    monkeypatch.setenv("PATH", _nvidia_smi(tmp_path / "bin", body)["PATH"])
    monkeypatch.delenv(VISIBLE, raising=False)
    source = "import os; print(os.environ.get('CUDA_VISIBLE_DEVICES'))"
    with LocalRunner(RunnerPlan(gpus=1, cpus=0.1)) as runner:
        assert runner.slots == 2
        order = script(tmp_path, source)
        ended(runner, order)
    assert (order.folder / "stdout.log").read_text() in ("0\n", "1\n")
    monkeypatch.setenv(VISIBLE, "-1")
    with LocalRunner(RunnerPlan(workers=1)) as runner:
        order = script(tmp_path, source, number=1)
        ended(runner, order)
    assert (order.folder / "stdout.log").read_text() == "-1\n"


def test_cores_are_those_that_may_be_used() -> None:
    """No more cores are counted than the process may run on."""
    assert 1 <= cores() <= len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("membership", "files", "granted"),
    [
        ("0::/job\n", {"job/cpu.max": "150000 100000\n"}, 1.5),
        ("0::/job/run\n", {"job/cpu.max": "200000 100000", "job/run/cpu.max": "max 100000"}, 2.0),
        ("0::/../gone\n", {"cpu.max": "50000 100000"}, 0.5),
        ("0::/\n", {}, None),
        (
            "4:cpu,cpuacct:/box\n3:memory:/box\n",
            {"cpu/box/cpu.cfs_quota_us": "300000", "cpu/box/cpu.cfs_period_us": "100000"},
            3.0,
        ),
        (
            "4:cpu,cpuacct:/box\n",
            {"cpu/box/cpu.cfs_quota_us": "-1", "cpu/box/cpu.cfs_period_us": "100000"},
            None,
        ),
        ("", {}, None),
    ],
)
def test_a_containers_quota_bounds_the_cores(
    tmp_path: Path, membership: str, files: dict[str, str], granted: float | None
) -> None:
    """Quotas of control groups are found, in both versions, at any level."""
    for name, text in files.items():
        (tmp_path / "fs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fs" / name).write_text(text)
    (tmp_path / "membership").write_text(membership)
    assert cgroup_cores(tmp_path / "fs", tmp_path / "membership") == granted
