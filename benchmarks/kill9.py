"""Kill a running study at random moments, resume it, and count what was lost or done twice.

The training script itself keeps the books: it appends a line to a file at its start and at its end.
Other faults than this one are in `faults.py`.

    python benchmarks/kill9.py [--quick] [--rounds 100] [--seed 0]
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.breaking.audit import Counts, audit, survivors
from benchmarks.breaking.scene import Scene
from benchmarks.breaking.warm import wait

TRIALS = 30
PACE = 0.2
"""Some runs end within the moment that a bereft guard grants, others don't."""
COMMAND = ("trialwright.app.cli", "run", "study.yaml", "--plain")
TARGETS = {"lost": 0, "twice": 0, "orphans": 0, "repeated_numbers": 0}


def kill_and_resume(root: Path, rounds: int, rng: random.Random) -> Counts:
    """Kill `rounds` times, over as many studies as that takes."""
    counts = Counts()
    number = 0
    while counts.rounds < rounds:
        scene = Scene(root / f"study{number:03d}", rng=rng)
        scene.trials, scene.pace = TRIALS, PACE
        scene.write()
        number += 1
        while _session(scene, counts, rounds=rounds) is None:
            pass
        counts.add(audit(scene.name, folder=scene.study, book=scene.book, trials=TRIALS))
    return counts


def _session(scene: Scene, counts: Counts, *, rounds: int) -> int | None:
    """Start the study as a user would, and kill it; return its status if it ended by itself."""
    process = scene.start_cold(*COMMAND)
    if counts.rounds < rounds:
        scene.until_random_moment(process, start_s=1.0)
        process.send_signal(signal.SIGKILL)
    status = wait(process, within_s=300)
    if status != -signal.SIGKILL:
        if status != 0:
            counts.notes.append(f"{scene.name}: status {status}: {scene.tail()}")
        return status if status is not None else 1
    counts.rounds += 1
    counts.orphans += len(survivors(scene.mark))
    return None


def main() -> None:
    """Print the counts, then one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="15 kills instead of 100")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rounds = arguments.rounds or (15 if arguments.quick else 100)
    with tempfile.TemporaryDirectory() as root:
        counts = kill_and_resume(Path(root), rounds, random.Random(arguments.seed))
    shown = {
        name: getattr(counts, name) for name in ("rounds", "finished", "interrupted", *TARGETS)
    }
    for name, value in shown.items():
        print(f"{name:>18}  {value}")
    for note in counts.notes:
        print(note)
    ok = all(shown[name] == target for name, target in TARGETS.items()) and not counts.notes
    print(json.dumps({**shown, "targets": TARGETS, "ok": ok}))
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
