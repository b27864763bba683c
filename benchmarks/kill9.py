"""Kill a running study at random moments, resume it, and count what was lost or done twice.

The training script itself keeps the books: it appends a line to a file at its start and at its end.
Other faults than this one are in `faults.py`; studies that change code are killed by
`research_kill9.py`.

    python benchmarks/kill9.py [--quick] [--rounds 100] [--seed 0]
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.breaking.audit import Counts, audit
from benchmarks.breaking.killing import kill_and_resume, tell
from benchmarks.breaking.scene import Scene

TRIALS = 30
PACE = 0.2
"""Some runs end within the moment that a bereft guard grants, others don't."""
TARGETS = {"lost": 0, "twice": 0, "orphans": 0, "repeated_numbers": 0}


def killed(root: Path, rounds: int, rng: random.Random) -> Counts:
    """Kill `rounds` times, over as many studies as that takes."""
    counts = Counts()
    number = 0
    while counts.rounds < rounds:
        scene = Scene(root / f"study{number:03d}", rng=rng)
        scene.trials, scene.pace = TRIALS, PACE
        scene.write()
        number += 1
        kill_and_resume(scene, counts, rounds=rounds)
        counts.add(audit(scene.name, folder=scene.study, book=scene.book, trials=TRIALS))
    return counts


def main() -> None:
    """Print the counts, then one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="15 kills instead of 100")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rounds = arguments.rounds or (15 if arguments.quick else 100)
    with tempfile.TemporaryDirectory() as root:
        counts = killed(Path(root), rounds, random.Random(arguments.seed))
    tell(counts, ("rounds", "finished", "interrupted"), TARGETS)


if __name__ == "__main__":
    main()
