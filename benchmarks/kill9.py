"""Kill a running study at random moments, resume it, and count what was lost or done twice.

The training script itself keeps the books: it appends a line to a file at its start and at its end.

    python benchmarks/kill9.py [--quick] [--rounds 100] [--seed 0]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from trialwright.history import read

TRIALS = 30
TARGETS = {"lost": 0, "twice": 0, "orphans": 0, "repeated_numbers": 0}

SCRIPT = """
import json, os, sys, time
from trialwright import emit

def book(event):
    line = json.dumps([event, int(os.environ["TRIALWRIGHT_TRIAL"]), sys.argv[1], os.getpid()])
    descriptor = os.open(os.environ["BOOK"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, (line + "\\n").encode())
    os.close(descriptor)

book("start")
x = float(sys.argv[1])
for step in range(3):
    emit(step=step, y=-x * x + step)
    # Some runs end within the moment that a bereft guard grants, others don't.
    time.sleep(0.01 + 0.2 * abs(x))
emit(step=3, y=-x * x, final=True)
book("end")
"""

STUDY = """
goal: maximize y
command: [{python}, train.py, "{{x}}"]
space:
  x: {{float: [-1, 1]}}
budget: {{trials: {trials}}}
team: [random]
runner: {{workers: 2}}
environment: {{set: {{BOOK: "{book}"}}}}
"""


@dataclass
class Counts:
    """What went wrong, over all studies."""

    rounds: int = 0
    finished: int = 0
    interrupted: int = 0
    lost: int = 0
    twice: int = 0
    orphans: int = 0
    repeated_numbers: int = 0
    notes: list[str] = field(default_factory=list)


def prepare(folder: Path) -> None:
    """Write the study file and its training script."""
    folder.mkdir()
    (folder / "train.py").write_text(SCRIPT)
    (folder / "study.yaml").write_text(
        STUDY.format(python=sys.executable, trials=TRIALS, book=folder / "book.jsonl")
    )


def start(folder: Path) -> subprocess.Popen[bytes]:
    """Start (or resume) the study as a user would."""
    return subprocess.Popen(
        [sys.executable, "-m", "trialwright.app.cli", "run", "study.yaml", "--plain"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=(folder / "stderr.log").open("ab"),
        stdin=subprocess.DEVNULL,
    )


def survivors(folder: Path, *, within_s: float) -> list[int]:
    """Return the runs still alive after `within_s` seconds: those with this book."""
    deadline = time.monotonic() + within_s
    while True:
        alive = [
            process.pid
            for process in psutil.process_iter()
            if _environment(process).get("BOOK", "").startswith(str(folder))
        ]
        if not alive or time.monotonic() > deadline:
            return alive
        time.sleep(0.02)


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return {}
        return process.environ()
    except psutil.Error:
        return {}


def audit(folder: Path, counts: Counts) -> None:
    """Hold the script's own book against the ledger, once the study is complete."""
    events: dict[int, list[str]] = defaultdict(list)
    values: dict[int, set[str]] = defaultdict(set)
    for line in (folder / "book.jsonl").read_text().splitlines():
        event, trial, x, _ = json.loads(line)
        events[trial].append(event)
        values[trial].add(x)
    history = read(folder / "runs" / folder.name)
    done = {trial.number for trial in history.done()}
    for trial, booked in events.items():
        ended = booked.index("end") if "end" in booked else None
        counts.finished += ended is not None
        counts.interrupted += booked.count("start") - 1
        counts.lost += ended is not None and trial not in done
        counts.twice += ended is not None and "start" in booked[ended + 1 :]
        counts.repeated_numbers += len(values[trial]) > 1
    if len(done) != TRIALS:
        counts.lost += TRIALS - len(done)
        counts.notes.append(f"{folder.name}: {len(done)} of {TRIALS} trials done")


def until_random_moment(folder: Path, process: subprocess.Popen[bytes], rng: random.Random) -> None:
    """Wait for a moment that falls anywhere in a session, however fast the machine is.

    One in six lies in the start-up; the others some events further in the book, and some
    milliseconds on. Returns early if the process ends.
    """
    if rng.random() < 1 / 6:
        time.sleep(rng.uniform(0.0, 1.0))
        return
    wanted = _booked(folder) + rng.randint(1, 2 * TRIALS // 3)
    while process.poll() is None and _booked(folder) < wanted:
        time.sleep(0.002)
    time.sleep(rng.uniform(0.0, 0.06))


def _booked(folder: Path) -> int:
    book = folder / "book.jsonl"
    return len(book.read_bytes().splitlines()) if book.exists() else 0


def kill_and_resume(root: Path, rounds: int, rng: random.Random) -> Counts:
    """Kill `rounds` times, over as many studies as that takes."""
    counts = Counts()
    number = 0
    while counts.rounds < rounds:
        folder = root / f"study{number:03d}"
        prepare(folder)
        number += 1
        while _session(folder, counts, rounds=rounds, rng=rng) is None:
            pass
        audit(folder, counts)
    return counts


def _session(folder: Path, counts: Counts, *, rounds: int, rng: random.Random) -> int | None:
    """Start the study and kill it; return the exit status if it ended by itself, else None."""
    process = start(folder)
    if counts.rounds < rounds:
        until_random_moment(folder, process, rng)
        process.send_signal(signal.SIGKILL)
    status = process.wait(timeout=120)
    if status != -signal.SIGKILL:
        if status != 0:
            counts.notes.append((folder / "stderr.log").read_text()[-500:])
        return status
    counts.rounds += 1
    counts.orphans += len(survivors(folder, within_s=3.0))
    return None


def main() -> None:
    """Print the counts, then one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="15 kills instead of 100")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rounds = arguments.rounds or (15 if arguments.quick else 100)
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
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
