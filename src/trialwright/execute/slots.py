"""How many runs fit on this machine at a time, and which cores and GPUs each gets.

It asks the machine; it starts nothing and knows no run.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from trialwright.errors import RunnerError
from trialwright.task import RunnerPlan

VISIBLE = "CUDA_VISIBLE_DEVICES"

THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""Variables that bound the threads of numeric libraries. Without them each run takes all cores."""

NVIDIA_SMI_S = 20.0
"""Seconds that `nvidia-smi -L` may take; it is slow while a driver starts, and can hang."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for one run."""

    index: int
    threads: int
    devices: tuple[str, ...] | None = None
    """GPUs as `CUDA_VISIBLE_DEVICES` names them; () hides them all, None leaves them alone."""

    def environment(self, inherited: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
        """Return what the slot adds to a run's environment `own`.

        What the user set stays: threads that are set at all, and GPUs that differ from those the
        coordinator itself was given in `inherited`.
        """
        added = {name: str(self.threads) for name in THREADS if name not in own}
        if self.devices is not None and own.get(VISIBLE) == inherited.get(VISIBLE):
            added[VISIBLE] = ",".join(self.devices)
        return added


@dataclass(frozen=True, slots=True)
class Machinery:
    """What there is to share."""

    cores: int
    devices: tuple[str, ...] = field(default=())
    memory_bytes: float = math.inf

    @classmethod
    def here(cls, environ: Mapping[str, str] = os.environ) -> Machinery:
        """Look at this machine, as far as this process may use it."""
        return cls(cores(), visible_devices(environ), memory())

    def fitting(self, plan: RunnerPlan) -> float:
        """How many runs the memory holds, at least 1; inf where nothing is set aside for them."""
        if plan.memory_bytes is None:
            return math.inf
        return max(self.memory_bytes // plan.memory_bytes, 1.0)


def plan_slots(plan: RunnerPlan, machinery: Machinery) -> tuple[Slot, ...]:
    """Divide the machine into slots, where all runs need the same.

    Raises:
        RunnerError: a run asks for more GPUs than there are, or for an impossible share.
    """
    devices = machinery.devices
    assert not isinstance(plan.cpus, str)
    assert not isinstance(plan.gpus, str)
    gpus = plan.gpus if plan.gpus is not None else float(bool(devices) and plan.workers is None)
    fitting = fitting_gpus(gpus, devices)
    by_cores = max(int(machinery.cores / plan.cpus), 1)
    count = min(plan.workers or by_cores, fitting or plan.workers or by_cores)
    count = int(min(count, machinery.fitting(plan)))
    threads = max(machinery.cores // count, 1)
    shared = plan.gpus is None and plan.workers is not None
    return tuple(
        Slot(index, threads, _devices_of(index, 1.0 if shared else gpus, devices))
        for index in range(count)
    )


def fitting_gpus(gpus: float, devices: tuple[str, ...]) -> int | None:
    """Return how many runs of `gpus` each fit on the devices; None if GPUs are no bound.

    Raises:
        RunnerError: none does, or it is an impossible share.
    """
    if gpus == 0:
        return None
    if gpus < 0 or (gpus > 1 and gpus != int(gpus)):
        raise RunnerError(f"runner.gpus is {gpus:g}: give a whole number, or a fraction below 1")
    if gpus > len(devices):
        there = f"{len(devices)} ({', '.join(devices)})" if devices else "none"
        raise RunnerError(
            f"runner.gpus is {gpus:g}, but this process sees {there}: set runner.gpus to 0 to run"
            f" without, or make GPUs visible ({VISIBLE}, nvidia-smi)"
        )
    if gpus >= 1:
        return len(devices) // int(gpus)
    # 1 / 0.1 is a hair below 10 for some fractions.
    return math.floor(1 / gpus + 1e-9) * len(devices)


def _devices_of(index: int, gpus: float, devices: tuple[str, ...]) -> tuple[str, ...] | None:
    if not devices:
        return None
    if gpus == 0:
        return ()
    if gpus < 1:
        return (devices[index % len(devices)],)
    first = index * int(gpus) % len(devices)
    return devices[first : first + int(gpus)]


def cores() -> int:
    """Return how many cores this process may use: its affinity, and its container's quota."""
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    quota = cgroup_cores(Path("/sys/fs/cgroup"), Path("/proc/self/cgroup"))
    return max(allowed if quota is None else min(allowed, int(quota)), 1)


def memory() -> float:
    """Return how much memory this process may use, in bytes: the machine's, or its container's."""
    granted = cgroup_memory(Path("/sys/fs/cgroup"), Path("/proc/self/cgroup"))
    return min(float(psutil.virtual_memory().total), granted or math.inf)


def cgroup_cores(root: Path, membership: Path) -> float | None:
    """Return the cores that control groups grant, the tightest of all levels; None if unlimited.

    Understands version 2 (`cpu.max`) and version 1 (`cpu.cfs_quota_us`).
    """
    quotas = [_quota(folder) for folder in _groups("cpu", root, membership)]
    return min((quota for quota in quotas if quota is not None), default=None)


def cgroup_memory(root: Path, membership: Path) -> float | None:
    """Return the bytes that control groups grant, the tightest of all levels; None if unlimited.

    Understands version 2 (`memory.max`) and version 1 (`memory.limit_in_bytes`).
    """
    names = ("memory.max", "memory.limit_in_bytes")
    folders = _groups("memory", root, membership)
    limits = [_text(folder / name).strip() for folder in folders for name in names]
    return min((float(limit) for limit in limits if limit.isdigit()), default=None)


def _groups(controller: str, root: Path, membership: Path) -> Iterator[Path]:
    """The control groups of a process and all above them, as far as they are shown."""
    for line in _text(membership).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        base = root / controller if controllers else root
        folder = base / path.strip().lstrip("/")
        # A container may show its own group at the root, under a path that does not exist in it.
        yield from (level for level in (folder, *folder.parents) if level.is_relative_to(root))


def _quota(folder: Path) -> float | None:
    quota, _, period = _text(folder / "cpu.max").strip().partition(" ")
    if not period:
        quota = _text(folder / "cpu.cfs_quota_us").strip()
        period = _text(folder / "cpu.cfs_period_us").strip()
    if not quota.isdigit() or not period.isdigit() or int(period) == 0:
        return None
    return int(quota) / int(period)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def visible_devices(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` names them.

    What follows an invalid entry (such as -1) is invisible, as CUDA has it.
    """
    listed = environ.get(VISIBLE)
    if listed is None:
        return installed_devices(environ)
    devices: list[str] = []
    for entry in listed.split(","):
        name = entry.strip()
        if not re.fullmatch(r"\d+|(GPU|MIG)-[\w/-]+", name) or name in devices:
            break
        devices.append(name)
    return tuple(devices)


def installed_devices(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the GPUs that `nvidia-smi -L` lists: numbers, or the UUIDs of MIG slices."""
    program = shutil.which("nvidia-smi", path=environ.get("PATH", os.defpath))
    if program is None:
        return ()
    try:
        listed = subprocess.run(
            [program, "-L"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=NVIDIA_SMI_S,
            check=False,
            env=dict(environ),
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    if listed.returncode != 0:
        return ()
    return parse_listing(listed.stdout)


def parse_listing(text: str) -> tuple[str, ...]:
    r"""Return the devices in the output of `nvidia-smi -L`.

    >>> parse_listing("GPU 0: NVIDIA H200 (UUID: GPU-4a)\nGPU 1: NVIDIA H200 (UUID: GPU-7b)\n")
    ('0', '1')
    """
    devices: list[str] = []
    whole: str | None = None
    for line in text.splitlines():
        gpu = re.match(r"GPU (\d+):", line)
        if gpu:
            if whole is not None:
                devices.append(whole)
            whole = gpu[1]
        mig = re.match(r"\s+MIG .*\(UUID: (MIG-[^)]+)\)", line)
        if mig:
            # A GPU that is cut into slices can be used only slice by slice.
            devices.append(mig[1])
            whole = None
    return tuple(devices if whole is None else [*devices, whole])
