"""Faults of processes: who is killed in the middle of a study, and runs that misbehave."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from benchmarks.breaking.scene import Scene
from benchmarks.breaking.warm import Process, kill

LIMITS = {
    # A hanging run holds its slot for as long: a busy machine may run out of it, harmlessly.
    "ignores-sigterm": "{run: 1s, grace: 0.2s}",
    "floods": "{grace: 0.3s, log: 64KiB}",
}
LOG_BYTES = 64 * 1024


def coordinator(scene: Scene) -> None:
    """`kill -9` of the coordinator."""
    scene.write()
    _kill_and_resume(scene)


def guard(scene: Scene) -> None:
    """`kill -9` of the guard, the parent of all runs: the worker of a local study."""
    scene.write()
    process = scene.start()
    scene.until_random_moment(process)
    found = scene.guard(process)
    if found is not None:
        _end(found.pid)
    if scene.ended(process) != 0:
        scene.gone()
    scene.finish(process)


def both(scene: Scene) -> None:
    """Coordinator and guard killed together: their runs go on until the study is resumed."""
    scene.write()
    process = scene.start()
    scene.until_random_moment(process)
    found = scene.guard(process)
    kill(process)
    if found is not None:
        _end(found.pid)
    scene.finish()


def run(scene: Scene) -> None:
    """`kill -9` of a run."""
    scene.write()
    process = scene.start()
    scene.until_random_moment(process)
    going = scene.going()
    if going:
        _end(scene.rng.choice(going))
    scene.finish(process)


def naughty(how: str, *, killed: bool = False) -> Callable[[Scene], None]:
    """Runs that misbehave, on their own or while the coordinator is killed."""

    def broken(scene: Scene) -> None:
        limits = {"limits": LIMITS[how]} if how in LIMITS else {}
        scene.write(naughty=how, **limits)
        if killed:
            _kill_and_resume(scene)
            return
        scene.finish(scene.start())
        if how == "floods":
            _bounded(scene)

    return broken


def _kill_and_resume(scene: Scene) -> None:
    process = scene.start()
    scene.until_random_moment(process)
    kill(process)
    scene.gone()
    scene.finish()


def _bounded(scene: Scene) -> None:
    """Hold logs to their limit: a note in the middle may come on top."""
    for log in Path(scene.study).glob("trials/*/stdout.log"):
        if log.stat().st_size > LOG_BYTES:
            scene.counts.notes.append(f"{scene.name}: {log.stat().st_size} bytes of {log.name}")


def _end(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def settle(process: Process, *, seconds: float) -> None:
    """Let a session be for a while, less where it ends."""
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
