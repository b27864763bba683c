"""A run's output on disk: read as it grows, kept within its bound, read again after a crash.

It knows files and bytes, and hands what it reads to a collector; it knows no process.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from trialwright.execute.metrics import Collector
from trialwright.records import Curve

CHUNK = 1 << 20

TAIL_BYTES = 32 * 1024
"""What is shown to whoever looks for the cause of a failure."""

POINTS = 50_000
"""Steps kept in `metrics.jsonl`."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a log was cut last: kept beside it, so that the log can be read again."""

    head: int
    """Bytes before the note."""
    note: str
    """The line in the log that says how much is missing."""
    resume: int
    """Where reading goes on: what lies before has been turned into points."""
    final: bool
    """Whether the result was complete by then."""


@dataclass(frozen=True, slots=True)
class LogFiles:
    """The files of one run that hold its output."""

    folder: Path

    @property
    def log(self) -> Path:
        """Standard output and standard error, in the order of writing."""
        return self.folder / "stdout.log"

    @property
    def metrics(self) -> Path:
        """One JSON line per step."""
        return self.folder / "metrics.jsonl"

    @property
    def cut(self) -> Path:
        """There only if the log was cut."""
        return self.folder / "cut.json"

    @property
    def counted(self) -> Path:
        """There only if the run was ended for having had its time: what it had reported by then."""
        return self.folder / "counted.json"


class RunLog:
    """Reads a log while it grows. `cap` bounds its size on disk, in bytes."""

    def __init__(self, files: LogFiles, *, cap: int) -> None:
        self._files = files
        self._cap = max(cap, 1024)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(files.log, flags, 0o644)
        self._offset = 0
        self._head: int | None = None
        self._lost = 0
        self._note = b""

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

    def grown(self, most: int | None = None) -> Iterator[bytes]:
        """Yield what was written since the last call, in chunks; about `most` bytes at once."""
        taken = 0
        while most is None or taken < most:
            chunk = os.pread(self._descriptor, CHUNK, self._offset)
            if not chunk:
                if self._size() >= self._offset:
                    return
                # The run truncated its own output (`> /dev/stdout` does): all there is, is new.
                self._offset = 0
                continue
            self._offset += len(chunk)
            taken += len(chunk)
            yield chunk

    @property
    def too_long(self) -> bool:
        """Whether the log has outgrown its bound."""
        return self._size() > self._cap

    def tail(self) -> str:
        """Return the end of what was read."""
        start = max(self._size() - TAIL_BYTES, 0)
        return os.pread(self._descriptor, TAIL_BYTES, start).decode(errors="replace")

    def cut(self, *, final: bool) -> None:
        """Keep the head and the tail, a quarter of the bound each, and a line between them.

        Everything must have been read, and nobody may be writing. Lines stay whole.
        """
        quarter = self._cap // 4
        size = self._size()
        if self._head is None:
            self._head = os.pread(self._descriptor, quarter, 0).rfind(b"\n") + 1
        tail = os.pread(self._descriptor, quarter, max(size - quarter, self._head))
        tail = tail[tail.find(b"\n") + 1 :]
        self._lost += size - self._head - len(tail) - len(self._note)
        self._note = f"[trialwright: {self._lost} bytes of output cut out here]\n".encode()
        kept = self._note + tail
        self._offset = self._head + len(kept)
        resume = self._head + kept.rfind(b"\n") + 1
        record = Cut(self._head, self._note.decode(), resume, final)
        # First the record: a log that does not yet show its note is read as a whole.
        write_atomically(self._files.cut, json.dumps(asdict(record)).encode())
        os.ftruncate(self._descriptor, self._head)
        os.pwrite(self._descriptor, kept, self._head)

    def shows(self, cut: Cut) -> bool:
        """Say whether the log is as `cut` left it, up to where it has grown since."""
        note = cut.note.encode()
        return os.pread(self._descriptor, len(note), cut.head) == note

    def resume(self, offset: int) -> None:
        """Go on reading at a byte."""
        self._offset = offset

    def _size(self) -> int:
        return os.fstat(self._descriptor).st_size


def write_counted(files: LogFiles, collector: Collector) -> None:
    """Keep what a run has reported until now, all that is to count of it."""
    told = {"final": collector.final, "reported": collector.reported}
    write_atomically(files.counted, json.dumps(told).encode())


def read_counted(files: LogFiles, collector: Collector) -> bool:
    """Feed what counts of a run to a fresh collector; False if the run had not had its time."""
    try:
        told = json.loads(files.counted.read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    for metric, points in told["reported"].items():
        for step, value in points:
            collector.add({metric: value}, step=step)
    collector.add({}, final=told["final"])
    return True


def write_points(files: LogFiles, curve: Curve) -> None:
    """Write a run's metrics, one line per step; nothing if there are none."""
    if not curve.steps:
        return
    lines = []
    for index, step in enumerate(curve.steps):
        values = {name: series[index] for name, series in curve.series.items()}
        present = {name: value for name, value in values.items() if value is not None}
        lines.append(json.dumps({"step": step, "metrics": present}))
    write_atomically(files.metrics, ("\n".join(lines) + "\n").encode())


def keep_points(files: LogFiles, curve: Curve) -> None:
    """Write a run's metrics where there is room: on a full disk, the ledger's curve has to do."""
    with suppress(OSError):
        write_points(files, curve)


def replay(files: LogFiles, collector: Collector, *, cap: int) -> str:
    """Feed a log on disk to a fresh collector, cut or not; return the log's end.

    Raises:
        FileNotFoundError: there is no log.
    """
    files.log.stat()
    log = RunLog(files, cap=cap)
    try:
        cut = _read_cut(files)
        if cut is not None and log.shows(cut):
            _replay_points(files, collector, final=cut.final)
            log.resume(cut.resume)
        for chunk in log.grown():
            collector.feed(chunk)
        return log.tail()
    finally:
        log.close()


def _read_cut(files: LogFiles) -> Cut | None:
    try:
        found = json.loads(files.cut.read_bytes())
        return Cut(
            int(found["head"]), str(found["note"]), int(found["resume"]), bool(found["final"])
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _replay_points(files: LogFiles, collector: Collector, *, final: bool) -> None:
    for line in files.metrics.read_bytes().splitlines() if files.metrics.exists() else []:
        point = json.loads(line)
        collector.add(point["metrics"], step=point["step"])
    if final:
        collector.add({}, final=True)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file under another name and rename it: a reader sees the old one or the new."""
    temporary = f"{path}.tmp"
    write(temporary, content)
    os.rename(temporary, path)  # noqa: PTH104  # pathlib's takes three times as long


def write(path: Path | str, content: bytes) -> None:
    """Write a file that nobody reads meanwhile."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
    finally:
        os.close(descriptor)
