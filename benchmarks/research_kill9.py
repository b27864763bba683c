"""Kill a study that changes code at random moments, resume it, and count what was lost.

Every kept commit, patch and row has to be there afterwards, the repository sound, and the user's
checkout, with unfinished work in it, as it was. Looked at after every kill, and at the end.

    python benchmarks/research_kill9.py [--quick] [--rounds 50] [--seed 0]
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.breaking.code import CodeScene, Losses
from benchmarks.breaking.killing import kill_and_resume, tell
from trialwright.process.sandbox import available

TRIALS = 20
START_S = 4.0
PACES = (0.002, 0.02, 0.1)
TARGETS = {
    "lost": 0,
    "fsck_errors": 0,
    "checkout_changed": 0,
    "orphans": 0,
    "twice": 0,
    "repeated_numbers": 0,
}


def killed(root: Path, rounds: int, rng: random.Random) -> Losses:
    """Kill `rounds` times, over as many studies as that takes, in and out of the sandbox."""
    losses = Losses()
    sandboxes = ("none",) if available() else ("bubblewrap", "none")
    number = 0
    while losses.rounds < rounds:
        place = root / f"study{number:03d}"
        scene = CodeScene(place, rng=rng, sandbox=sandboxes[number % len(sandboxes)])
        scene.trials, scene.pace = TRIALS, rng.choice(PACES)
        scene.write()
        number += 1
        kill_and_resume(scene, losses, rounds=rounds, start_s=START_S, look=scene.look)
        scene.audit()
        losses.add(scene.losses)
    return losses


def main() -> None:
    """Print the counts, then one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="10 kills instead of 50")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rounds = arguments.rounds or (10 if arguments.quick else 50)
    with tempfile.TemporaryDirectory() as root:
        losses = killed(Path(root), rounds, random.Random(arguments.seed))
    tell(losses, ("rounds", "finished", "interrupted"), TARGETS)


if __name__ == "__main__":
    main()
