"""Break small studies in every way that we know, resume them, and count what was lost.

A round is a study of 5 to 12 runs, two at a time, with one fault at a random moment: something is
killed, the disk is full for a while, the clock jumps, the server with the ledger restarts, a
model's endpoint fails, runs misbehave. It is resumed to its end, and held against the book that
its script keeps by itself. Nothing is imitated: processes are killed, a file system is filled, a
PostgreSQL server crashes, a node of a Ray cluster is cut off.

    python benchmarks/faults.py [--quick] [--rounds 2000] [--only coordinator,disk-full] [--seed 0]

What this machine has not (the right to mount a disk, PostgreSQL, Ray, a C compiler for a library
that shifts the time of day) is counted as skipped, never as passed.
"""

from __future__ import annotations

import argparse
import json
import queue
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from itertools import chain
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.breaking.plan import KINDS, Lab, Round, Row, planned, played

TARGETS = {"lost": 0, "twice": 0, "orphans": 0, "unreadable": 0}
COLUMNS = ("rounds", "seconds", *TARGETS, "skipped")


def play(rounds: list[Round], folder: Path, *, workers: int = 1) -> dict[str, Row]:
    """Play rounds side by side, and return what came of each kind."""
    # What can be broken only once at a time is all the first worker's, and goes first.
    serial = [one for one in rounds if KINDS[one.kind].serial]
    others: queue.SimpleQueue[Round] = queue.SimpleQueue()
    for one in rounds:
        if not KINDS[one.kind].serial:
            others.put(one)
    table: dict[str, Row] = defaultdict(Row)
    adding = threading.Lock()

    def work(first: list[Round]) -> None:
        with closing(Lab(folder)) as lab:
            for one in chain(first, _taken(others)):
                found = played(one, lab)
                with adding:
                    _add(table[one.kind], found)

    with ThreadPoolExecutor(max(workers - 1, 1)) as pool:
        beside = [pool.submit(work, []) for _ in range(workers - 1)]
        # Ray's cluster sets handlers for signals, which only the main thread may.
        work(serial)
        for future in beside:
            future.result()
    return {name: table[name] for name in KINDS if name in table}


def _taken(rounds: queue.SimpleQueue[Round]) -> Iterator[Round]:
    with suppress(queue.Empty):
        while True:
            yield rounds.get_nowait()


def _add(row: Row, found: Row) -> None:
    row.counts.add(found.counts)
    row.seconds += found.seconds
    row.skipped += found.skipped
    row.why = row.why or found.why


def totals(table: Mapping[str, Row]) -> dict[str, int | float]:
    """Sum a table up."""
    rows = table.values()
    return {
        "rounds": sum(row.counts.rounds for row in rows),
        "seconds": round(sum(row.seconds for row in rows), 1),
        **{name: sum(getattr(row.counts, name) for row in rows) for name in TARGETS},
        "skipped": sum(row.skipped for row in rows),
    }


def show(table: Mapping[str, Row]) -> None:
    """Print a line per kind, and what went wrong."""
    print(f"{'':32}" + "".join(f"{name:>11}" for name in COLUMNS))
    for kind, row in [*table.items(), ("all", None)]:
        figures = totals(table if row is None else {kind: row})
        print(f"{kind:32}" + "".join(f"{figures[name]:>11}" for name in COLUMNS))
    for kind, row in table.items():
        if row.why:
            print(f"{kind} was skipped: {row.why}")
        for note in row.counts.notes:
            print(note)


def main() -> None:
    """Print a table by kind, then one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="60 rounds instead of 2,000")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--only", default="", help="kinds, with commas between them")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=3, help="rounds that go on side by side")
    parser.add_argument("--folder", type=Path, help="where what went wrong stays")
    arguments = parser.parse_args()
    only = tuple(name for name in arguments.only.split(",") if name)
    if unknown := set(only) - set(KINDS):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}")
    count = arguments.rounds or (60 if arguments.quick else 2000)
    rounds = planned(count, seed=arguments.seed, only=only)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(exist_ok=True)
        table = play(rounds, folder.resolve(), workers=arguments.workers)
    show(table)
    found = totals(table)
    clean = all(row.counts.clean for row in table.values())
    ok = clean and found["rounds"] > 0 and found["rounds"] + found["skipped"] == count
    print(json.dumps({**found, "targets": TARGETS, "ok": ok}))
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
