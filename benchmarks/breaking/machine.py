"""Faults of the machine: a disk that is full for a while, a clock that jumps by hours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.breaking.processes import settle
from benchmarks.breaking.scene import Scene
from benchmarks.breaking.warm import Process, kill
from trialwright.history import History, read

DISK = "12m"
"""Size of the disk that is filled: a report takes five of it."""

JUMPS = (-300, -30, -5, -1, 1, 5, 30, 300)
"""Hours."""

SOURCE = Path(__file__).with_name("clock.c")
HOUR_S = 3600.0


class Skipped(Exception):
    """This machine does not have what a fault needs; says what."""


def disk_full(scene: Scene) -> None:
    """The disk that holds the study fills up, and is freed again; the book lies elsewhere."""
    with disk(scene.folder / "disk") as scene.folder:
        scene.write()
        process = scene.start()
        scene.until_random_moment(process)
        filler = fill(scene.folder, spare=scene.rng.choice((0, 0, 1, 2, 4, 16)) << 12)
        settle(process, seconds=scene.rng.uniform(0.0, 0.6))
        if scene.rng.random() < 0.3:
            # Resumed too early: it may not make matters worse.
            scene.ended(process)
            settle(process := scene.start(), seconds=0.3)
        filler.unlink()
        scene.finish(process)


@contextmanager
def disk(folder: Path) -> Iterator[Path]:
    """A small file system in memory."""
    folder.mkdir()
    mounted = sys.platform == "linux" and os.geteuid() == 0
    if mounted:
        words = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
        mounted = subprocess.run(words, capture_output=True, check=False).returncode == 0
    if not mounted:
        raise Skipped("a disk to fill needs root, and the right to mount one")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)


def fill(folder: Path, *, spare: int) -> Path:
    """Fill the disk but for `spare` bytes, and return what has to go to free it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        with suppress(OSError):
            while True:
                file.write(bytes(1 << 16))
        with suppress(OSError):
            while True:
                file.write(bytes(1 << 12))
        file.truncate(max(file.tell() - spare, 0))
    return filler


def clock_jump(scene: Scene) -> None:
    """The clock on the wall jumps twice, by hours; budget and limits are in time."""
    library, offset = _clock(scene.folder), scene.folder / "offset"
    _jump(offset, 0)
    scene.write(
        budget=f"{{trials: {scene.trials}, time: 1h}}", limits="{run: 60s, stall: 60s, grace: 0.3s}"
    )
    process = _under(library, offset, scene)
    for hours in scene.rng.sample(JUMPS, 2):
        scene.until_random_moment(process)
        _jump(offset, hours)
    if scene.rng.random() < 0.5:
        kill(process)
    # Resumed, if it has to be, under whatever time it is then.
    resumed = scene.ended(process) != 0
    scene.finish(_under(library, offset, scene) if resumed else process)
    _unfooled(scene, resumed=resumed)


def _unfooled(scene: Scene, *, resumed: bool) -> None:
    """Hold every duration that the ledger tells to what can have passed."""
    history: History = read(scene.study)
    runs = [run for trial in history.trials for run in trial.runs]
    seconds = [run.observation.seconds for run in runs if run.observation is not None]
    if not resumed:
        # A run that another session takes in ends by the clock of that session.
        seconds += [run.ended_at - run.launched_at for run in runs if run.ended_at is not None]
    fooled = [took for took in (*seconds, history.seconds) if not 0 <= took < HOUR_S / 2]
    if fooled or any(trial.state != "done" for trial in history.trials):
        states = [trial.state for trial in history.trials]
        scene.counts.notes.append(f"{scene.name}: {fooled} s, {states}")


def _under(library: Path, offset: Path, scene: Scene) -> Process:
    """Start a session, of which all processes see the time of day that a file shifts."""
    return scene.start_cold(LD_PRELOAD=str(library), CLOCK_OFFSET=str(offset))


def _jump(offset: Path, hours: int) -> None:
    temporary = offset.with_name("offset.tmp")
    temporary.write_text(f"{3600 * hours}\n")
    temporary.replace(offset)


def _clock(folder: Path) -> Path:
    """Build the library that shows processes another time of day, `clock.c`."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        raise Skipped("another time of day needs Linux and a C compiler (cc)")
    library = folder / "clock.so"
    words = [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE)]
    subprocess.run(words, capture_output=True, check=True)
    return library
