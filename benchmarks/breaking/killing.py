"""Kill a study as a user has it again and again, resume it each time, and tell what was lost."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Mapping, Sequence

from benchmarks.breaking.audit import Counts, survivors
from benchmarks.breaking.scene import Scene
from benchmarks.breaking.warm import wait

COMMAND = ("trialwright.app.cli", "run", "study.yaml", "--plain")

START_S = 1.0
"""Seconds of a session's start within which one kill in six falls."""


def kill_and_resume(
    scene: Scene,
    counts: Counts,
    *,
    rounds: int,
    start_s: float = START_S,
    look: Callable[[], None] = lambda: None,
) -> None:
    """Kill a study at random moments until it ends by itself, or `counts` has its `rounds`.

    `look` is called after each kill, when nothing of the study is left to go on.
    """
    while _session(scene, counts, rounds=rounds, start_s=start_s) is None:
        look()


def _session(scene: Scene, counts: Counts, *, rounds: int, start_s: float) -> int | None:
    """Start the study as a user would, and kill it; return its status if it ended by itself."""
    process = scene.start_cold(*COMMAND)
    if counts.rounds < rounds:
        scene.until_random_moment(process, start_s=start_s)
        process.send_signal(signal.SIGKILL)
    status = wait(process, within_s=300)
    if status != -signal.SIGKILL:
        if status != 0:
            counts.notes.append(f"{scene.name}: status {status}: {scene.tail()}")
        return status if status is not None else 1
    counts.rounds += 1
    counts.orphans += len(survivors(scene.mark))
    return None


def tell(counts: Counts, names: Sequence[str], targets: Mapping[str, int]) -> None:
    """Print the counts `names`, then one JSON line; end with status 0 if all targets are met."""
    shown = {name: getattr(counts, name) for name in (*names, *targets)}
    for name, value in shown.items():
        print(f"{name:>18}  {value}")
    for note in counts.notes:
        print(note)
    ok = all(shown[name] == target for name, target in targets.items()) and not counts.notes
    print(json.dumps({**shown, "targets": targets, "ok": ok}))
    sys.exit(0 if ok else 1)
