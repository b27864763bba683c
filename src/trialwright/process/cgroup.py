"""A bound on the processes below one, by a control group: RLIMIT_NPROC does not hold root.

It knows the kernel's two hierarchies of groups and their files. Standard library only.
"""

from __future__ import annotations

import contextlib
import os

NAME = "trialwright-"
"""Begins the name of each group; the pid of who made it follows."""


def enter(pid: int, most: int) -> str | None:
    """Put a process into a group of at most so many tasks; return its folder, None if not allowed.

    Groups that were left behind are removed.
    """
    for parent in _parents():
        folder = f"{parent}/{NAME}{os.getpid()}"
        try:
            _clear(parent)
            os.mkdir(folder)  # noqa: PTH102
            _write(f"{folder}/pids.max", most)
            _write(f"{folder}/cgroup.procs", pid)
        except OSError:
            leave(folder)
            continue
        return folder
    return None


def leave(folder: str) -> None:
    """Remove a group, if nobody is in it."""
    with contextlib.suppress(OSError):
        os.rmdir(folder)  # noqa: PTH106


def _parents() -> list[str]:
    """Where a group may be made that bounds processes, near this process's own."""
    parents = []
    for line in _lines("/proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if "pids" in controllers.split(","):
            parents += [mount + path.rstrip("/") for mount in _mounts("cgroup", "pids")]
        elif not controllers:
            # In this hierarchy a group has processes or groups, so the new one is a sibling.
            beside = os.path.dirname(path).rstrip("/")  # noqa: PTH120
            found = [mount + beside for mount in _mounts("cgroup2", "")]
            parents += [p for p in found if "pids" in _words(f"{p}/cgroup.subtree_control")]
    return parents


def _mounts(kind: str, controller: str) -> list[str]:
    """Where a hierarchy is mounted."""
    found = []
    for line in _lines("/proc/self/mounts"):
        _, place, sort, options, *_ = line.split(" ")
        if sort == kind and (not controller or controller in options.split(",")):
            found.append(place)
    return found


def _lines(path: str) -> list[str]:
    try:
        with open(path) as file:  # noqa: PTH123
            return file.read().splitlines()
    except OSError:
        return []


def _words(path: str) -> list[str]:
    return " ".join(_lines(path)).split()


def _clear(parent: str) -> None:
    for name in os.listdir(parent):  # noqa: PTH208
        pid = name.removeprefix(NAME)
        if name.startswith(NAME) and pid.isdigit() and not os.path.exists(f"/proc/{pid}"):  # noqa: PTH110
            leave(f"{parent}/{name}")


def _write(path: str, number: int) -> None:
    with open(path, "w") as file:  # noqa: PTH123
        file.write(str(number))
