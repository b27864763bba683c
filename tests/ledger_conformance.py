"""What every ledger promises, whatever its store: a suite to inherit from.

A subclass says how to open the store under test; opening it twice gives two independent writers.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.ledger_records import RECORDS
from trialwright.errors import StaleSequence
from trialwright.history import History
from trialwright.ledger import Ledger
from trialwright.records import Notice

WRITER = """
import sys
from trialwright.errors import StaleSequence
from trialwright.records import Notice
{opening}
name, batches, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
ledger, sequence, conflicts = open_ledger(sys.argv[4]), 0, 0
print("ready", flush=True)
sys.stdin.readline()
for batch in range(batches):
    notes = [Notice(level="info", topic=name, text=f"{{batch}}.{{i}}") for i in range(size)]
    while True:
        try:
            sequence = ledger.append(notes, sequence)[-1].sequence
        except StaleSequence:
            conflicts += 1
            entries = ledger.read(sequence)
            sequence = entries[-1].sequence if entries else sequence
            continue
        break
    print(batch, flush=True)
print("conflicts", conflicts, flush=True)
"""


class LedgerConformance:
    """Appending, reading, conflicts, and death in the middle of it."""

    opening: str
    """Python that defines `open_ledger(place: str) -> Ledger`."""

    def open(self, place: str) -> Ledger:
        """Open the ledger at `place`, making it if it is not there."""
        raise NotImplementedError

    def writer(self, name: str, *, batches: int, size: int, place: str) -> subprocess.Popen[str]:
        """Start a process that appends `batches` batches of `size` notices once it reads a line."""
        code = WRITER.format(opening=self.opening)
        return subprocess.Popen(
            [sys.executable, "-c", code, name, str(batches), str(size), place],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    @pytest.fixture
    def place(self, tmp_path: Path) -> str:
        """Where a fresh ledger goes."""
        return str(tmp_path / "ledger.db")

    def test_what_was_appended_is_read_in_order(self, place: str) -> None:
        """Every kind of record comes back equal, numbered from 1, at its time."""
        ledger = self.open(place)
        appended = ledger.append(RECORDS, 0, at=5.0)
        assert [entry.sequence for entry in appended] == list(range(1, len(RECORDS) + 1))
        assert {entry.at for entry in appended} == {5.0}
        assert ledger.read() == appended
        assert ledger.read(3) == appended[3:]
        assert ledger.read(len(RECORDS)) == []
        ledger.close()
        again = self.open(place)
        assert [entry.record for entry in again.read()] == list(RECORDS)
        again.close()

    def test_a_new_ledger_is_empty_and_nothing_appended_changes_nothing(self, place: str) -> None:
        """An empty batch is legal."""
        ledger = self.open(place)
        assert ledger.read() == []
        assert ledger.append([], 0) == []
        assert ledger.read() == []
        ledger.close()

    def test_time_is_now_unless_given(self, place: str) -> None:
        """Entries of one batch share the moment of their append."""
        ledger = self.open(place)
        before = time.time()
        one, two = ledger.append(RECORDS[:2], 0)
        assert before <= one.at == two.at <= time.time()
        ledger.close()

    @pytest.mark.parametrize("expected", [-1, 0, 1, 3, 99])
    def test_a_stale_sequence_appends_nothing(self, place: str, expected: int) -> None:
        """Behind, ahead or nonsense: only the sequence that the ledger is at is taken."""
        ledger = self.open(place)
        ledger.append(RECORDS[:2], 0)
        with pytest.raises(StaleSequence):
            ledger.append(RECORDS[2:4], expected)
        assert len(ledger.read()) == 2
        assert ledger.append(RECORDS[2:3], 2)[0].sequence == 3
        ledger.close()

    def test_a_record_that_can_not_be_written_takes_its_batch_with_it(self, place: str) -> None:
        """Half a batch would be a torn decision."""
        from trialwright.errors import LedgerError

        ledger = self.open(place)
        bad = Notice(level="info", topic="t", text="\ud800")
        with pytest.raises(LedgerError):
            ledger.append([RECORDS[0], bad], 0)
        assert ledger.read() == []
        ledger.close()

    def test_two_writers_see_each_other(self, place: str) -> None:
        """A second handle reads what the first wrote, and can't write over it."""
        one, two = self.open(place), self.open(place)
        one.append(RECORDS[:1], 0)
        assert len(two.read()) == 1
        two.append(RECORDS[1:2], 1)
        with pytest.raises(StaleSequence):
            one.append(RECORDS[2:3], 1)
        one.close()
        two.close()

    def test_two_processes_lose_nothing_and_leave_no_gap(self, place: str) -> None:
        """Every batch of either writer is there once, whole and in its writer's order."""
        self.open(place).close()
        writers = [self.writer(name, batches=60, size=3, place=place) for name in ("a", "b")]
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        outputs = _start_together(writers)
        assert [writer.returncode for writer in writers] == [0, 0]
        assert sum(int(output.split()[-1]) for output in outputs) > 0, "they never met"
        ledger = self.open(place)
        entries = ledger.read()
        ledger.close()
        History(entries)  # raises on a gap
        notes = [entry.record for entry in entries]
        assert all(isinstance(note, Notice) for note in notes)
        order = [(note.topic, note.text) for note in notes if isinstance(note, Notice)]
        for name in ("a", "b"):
            texts = [text for topic, text in order if topic == name]
            assert texts == [f"{batch}.{i}" for batch in range(60) for i in range(3)]
        blocks = [{topic for topic, _ in order[i : i + 3]} for i in range(0, len(order), 3)]
        assert all(len(block) == 1 for block in blocks), "a batch was torn apart"

    def test_a_killed_writer_loses_nothing_acknowledged_and_tears_no_batch(
        self, place: str
    ) -> None:
        """SIGKILL at random moments of eight writers, one after the other, on the same ledger."""
        self.open(place).close()
        rng = random.Random(5)
        acknowledged: Counter[str] = Counter()
        names = [f"w{turn}" for turn in range(8)]
        started = [self.writer(name, batches=100_000, size=4, place=place) for name in names]
        for name, writer in zip(names, started, strict=True):
            assert writer.stdout is not None
            assert writer.stdin is not None
            assert writer.stdout.readline() == "ready\n"
            writer.stdin.write("go\n")
            writer.stdin.flush()
            time.sleep(rng.uniform(0.005, 0.06))
            os.kill(writer.pid, signal.SIGKILL)
            output, _ = writer.communicate()
            acknowledged[name] = output.count("\n")
            assert writer.returncode == -signal.SIGKILL
        ledger = self.open(place)
        entries = ledger.read()
        ledger.close()
        History(entries)  # raises on a gap
        written = Counter(e.record.topic for e in entries if isinstance(e.record, Notice))
        assert sum(acknowledged.values()) > 0, "killed before anything was written"
        for name, batches in acknowledged.items():
            assert written[name] % 4 == 0
            assert 4 * batches <= written[name] <= 4 * (batches + 1)


def _start_together(writers: list[subprocess.Popen[str]]) -> list[str]:
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    return [writer.communicate(timeout=60)[0] for writer in writers]
