"""Files that grow while a script writes them: lines, tables and JSON, read once each.

Every look costs what was added since the last one. A file that stood there before the run began is
another run's: its content is left out, its growth is not.
"""

from __future__ import annotations

import csv
import json
import math
import os
import stat
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from trialwright.execute.points import STEP_NAMES
from trialwright.process.below import opened

Reading = tuple[float | None, dict[str, float]]
"""A step, if the source has one, and metrics."""

LONGEST_LINE = 2**20
"""Bytes: a longer line holds no metric, and must not fill the memory."""

LARGEST_DOCUMENT = 16 * 2**20
"""Bytes of a JSON file that is one document and so has to be read whole."""

_CHUNK = 2**20
_COMPARED = 2**20
_ANCHOR = 64
_DEEPEST = 4


class Source(Protocol):
    """A place on disk where metrics appear."""

    def read(self, *, last: bool) -> list[Reading]:
        """Return what came since the last call; with `last` also what is not ended by a newline."""
        ...

    @property
    def problem(self) -> str:
        """Why nothing came from here so far; '' if something did."""
        ...


class Lines:
    """Cuts a stream of bytes into lines; a carriage return ends a line too (progress bars)."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0
        self.dropped = 0
        """Lines beyond `LONGEST_LINE`."""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the lines that `chunk` completes, without their ends."""
        cut = max(chunk.rfind(b"\n"), chunk.rfind(b"\r")) + 1
        if not cut:
            self._hold(chunk)
            return []
        complete = chunk[:cut].splitlines()
        complete[0] = self._release(complete[0])
        self._hold(chunk[cut:])
        kept = [line for line in complete if len(line) <= LONGEST_LINE]
        self.dropped += len(complete) - len(kept)
        return kept

    def finish(self) -> list[bytes]:
        """Return the last line, if the stream ended without a newline."""
        line = self._release(b"")
        return [line] if 0 < len(line) <= LONGEST_LINE else []

    @property
    def unfinished(self) -> bytes:
        """What came after the last line's end."""
        return b"".join(self._parts)

    def _hold(self, part: bytes) -> None:
        self._length += len(part)
        # Beyond the limit only the fact is kept, so that the whole line is dropped at its end.
        if part and self._length <= LONGEST_LINE + len(part):
            self._parts.append(part)

    def _release(self, end: bytes) -> bytes:
        line = b"".join(self._parts) + end
        self._parts, self._length = [], 0
        return line


class Tail:
    """What a file gains. A file that is replaced or rewritten is read again from its start."""

    def __init__(
        self, path: Path, *, since: float | None, within: Sequence[Path] | None = None
    ) -> None:
        """Leave out what is there already; with `since`, what was last written before then.

        `within`: the folders that the file has to be in, links followed.
        """
        self.path = path
        self._within = within
        self.trouble = "was never written"
        """Why nothing could be read; '' once something was."""
        self._offset = 0
        self._identity: tuple[int, int] | None = None
        self._anchor = b""
        self._digest: int | None = 0
        """Of what was read; None if what stands before was never read."""
        self._written_ns = 0
        status = self._stat()
        if status is not None and (since is None or status.st_mtime < since):
            self._identity = status.st_dev, status.st_ino
            self._offset = status.st_size
            self._written_ns = status.st_mtime_ns
            self._digest = None
            self._anchor = self._before(status.st_size)

    def read(self, *, last: bool) -> Iterator[tuple[bool, bytes]]:
        """Yield (whether this is the file's start, bytes) for what is new."""
        status = self._stat()
        if status is None:
            return
        if self._begun_again(status, last=last):
            self._offset, self._anchor, self._digest = 0, b"", 0
        self._identity = status.st_dev, status.st_ino
        self._written_ns = status.st_mtime_ns
        if status.st_size == self._offset:
            self.trouble = "has nothing new in it"
            return
        try:
            with opened(self.path, within=self._within) as file:
                file.seek(self._offset)
                while chunk := file.read(_CHUNK):
                    yield self._advance(chunk), chunk
        except OSError as error:
            self.trouble = f"can't be read: {error.strerror}"

    def _advance(self, chunk: bytes) -> bool:
        """Count a chunk as read; say whether it is the file's start."""
        start = self._offset == 0
        self._offset += len(chunk)
        self._anchor = (self._anchor + chunk)[-_ANCHOR:]
        self._digest = None if self._digest is None else zlib.crc32(chunk, self._digest)
        return start

    def head(self) -> bytes:
        """Return the file's first bytes, for a header that was there before the run."""
        try:
            with opened(self.path, within=self._within) as file:
                return file.read(_CHUNK)
        except OSError:
            return b""

    def _stat(self) -> os.stat_result | None:
        try:
            status = self.path.stat()
        except (OSError, ValueError):
            return None
        # Opening a pipe would wait for its writer.
        return status if stat.S_ISREG(status.st_mode) else None

    def _begun_again(self, status: os.stat_result, *, last: bool) -> bool:
        """Whether the file is another one, or has other content before the place reached."""
        if not self._offset:
            return False
        if self._identity != (status.st_dev, status.st_ino) or status.st_size < self._offset:
            return True
        if status.st_size > self._offset:
            return self._before(self._offset) != self._anchor
        written = status.st_mtime_ns != self._written_ns
        if self._digest is None:
            # Same length, written again: a new run that repeats the old one to the byte.
            return written
        # At the end it is looked at in any case: two writings may share a tick of the clock.
        looked_at = (written or last) and status.st_size <= _COMPARED
        return looked_at and zlib.crc32(self.head()) != self._digest

    def _before(self, offset: int) -> bytes:
        try:
            with opened(self.path, within=self._within) as file:
                file.seek(max(offset - _ANCHOR, 0))
                return file.read(min(offset, _ANCHOR))
        except OSError:
            return b""


class MetricFile:
    """A CSV table or JSON, told apart by content; see `_Table` and `_Json` for their shapes."""

    def __init__(
        self,
        path: Path,
        *,
        rename: Mapping[str, str],
        since: float | None,
        within: Sequence[Path] | None = None,
    ) -> None:
        self._tail = Tail(path, since=since, within=within)
        self._rename = rename
        self._form: _Table | _Json | None = None
        self._lines = Lines()
        self._any = False

    def read(self, *, last: bool) -> list[Reading]:
        """Return what came since the last call."""
        found: list[Reading] = []
        news = False
        for start, chunk in self._tail.read(last=last):
            if start or self._form is None:
                self._begin(chunk if start else self._tail.head(), at_start=start)
            found += self._take(self._lines.feed(chunk))
            news = True
        if last:
            found += self._take(self._lines.finish())
        if isinstance(self._form, _Json) and (news or last):
            found += self._form.whole(self._lines.unfinished, last=last)
        self._any = self._any or bool(found)
        return found

    @property
    def problem(self) -> str:
        """Why nothing came from here so far."""
        if self._any:
            return ""
        if self._form is None:
            return f"the metric file {self._tail.path} {self._tail.trouble}"
        return f"the metric file {self._tail.path} holds no metrics: {self._form.problem}"

    def _begin(self, head: bytes, *, at_start: bool) -> None:
        """Tell the form by the first byte; not at the file's start, the header lies before."""
        self._lines = Lines()
        text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
        if text[:1] in (b"{", b"["):
            known = self._form if isinstance(self._form, _Json) else None
            self._form = _Json(self._rename, before=known)
            return
        self._form = _Table(self._rename)
        if not at_start:
            self._take(text.splitlines()[:1])

    def _take(self, lines: list[bytes]) -> list[Reading]:
        if self._form is None:
            return []
        readings = (self._form.row(line.decode("utf-8", "replace")) for line in lines)
        return [reading for reading in readings if reading is not None and reading[1]]


class _Table:
    """A header, then a row per point. Without a column of `STEP_NAMES`, rows count as steps."""

    def __init__(self, rename: Mapping[str, str]) -> None:
        self.problem = "it has no rows yet"
        self._rename = rename
        self._header: list[str] = []
        self._nameless = False
        self._delimiter: str | None = None
        self._rows = 0

    def row(self, line: str) -> Reading | None:
        """Read one line; None for the header, a torn or an empty one."""
        if self._nameless or not line.strip() or line.startswith("#"):
            return None
        if not self._header:
            self._head(line.removeprefix("\ufeff"))
            return None
        cells = self._cells(line)
        # A file that is opened to append once more often repeats its header.
        if len(cells) != len(self._header) or cells == self._header:
            return None
        self._rows += 1
        numbers = {
            name: value
            for name, cell in zip(self._header, cells, strict=True)
            if (value := number(cell)) is not None
        }
        return reading(numbers, rename=self._rename, row=self._rows)

    def _head(self, line: str) -> None:
        counts = {mark: line.count(mark) for mark in ",\t;|"}
        best = max(counts, key=lambda mark: counts[mark])
        self._delimiter = best if counts[best] else None
        names = self._cells(line)
        if all(number(name) is not None for name in names):
            self.problem = "its first line has numbers and no names: write a header"
            self._nameless = True
        self._header = names

    def _cells(self, line: str) -> list[str]:
        if self._delimiter is None:
            return line.split()
        try:
            row = next(csv.reader([line], delimiter=self._delimiter, skipinitialspace=True))
        except (csv.Error, StopIteration):
            return []
        return [cell.strip() for cell in row]


class _Json:
    """Objects, one per line; or one document of objects, lists and numbers, perhaps rewritten."""

    def __init__(self, rename: Mapping[str, str], *, before: _Json | None) -> None:
        """Read a file from its start; `before` is what it was before it was rewritten."""
        self.problem = "it is not (yet) JSON"
        self._rename = rename
        self._held: list[str] = []
        self._size = 0
        self._by_line = False
        self._rows = 0
        self._revision: int = before._revision if before else 0
        self._scalars: dict[str, float] = before._scalars if before else {}

    def row(self, line: str) -> Reading | None:
        """Read a line that is an object of its own; hold back what may be part of a document."""
        if not line.strip():
            return None
        if self._by_line:
            return self._object(line)
        self._size += len(line) + 1
        self._held.append(line if self._size <= LARGEST_DOCUMENT else "")
        return None

    def whole(self, unfinished: bytes, *, last: bool) -> list[Reading]:
        """Read what was held back: as lines if each is an object, else as one document."""
        if self._by_line or not (self._held or unfinished):
            return []
        if len(self._held) > 1 and isinstance(parse(self._held[0]), dict):
            return self._line_by_line()
        document = parse("\n".join([*self._held, unfinished.decode("utf-8", "replace")]))
        if document is not None:
            self.problem = "it has no numbers"
            return self._document(document)
        return self._line_by_line() if last else []

    def _line_by_line(self) -> list[Reading]:
        self._by_line = True
        held, self._held = self._held, []
        rows = [self._object(line) for line in held]
        return [row for row in rows if row is not None and row[1]]

    def _object(self, line: str) -> Reading | None:
        value = parse(line)
        if not isinstance(value, dict):
            return None
        self._rows += 1
        return reading(numbers(value), rename=self._rename, row=self._rows)

    def _document(self, document: object) -> list[Reading]:
        found: list[Reading] = []
        scalars = numbers(document) if isinstance(document, dict) else {}
        for name, items in _lists(document):
            for row, item in enumerate(items, start=1):
                values = numbers(item if isinstance(item, dict) else {name: item})
                found.append(reading(values, rename=self._rename, row=row))
        changed = {k: v for k, v in scalars.items() if self._scalars.get(k) != v}
        if changed:
            self._revision += 1
            self._scalars = scalars
            steps = {k: v for k, v in scalars.items() if k.lower() in STEP_NAMES}
            found.append(reading({**changed, **steps}, rename=self._rename, row=self._revision))
        return [item for item in found if item[1]]


def number(text: str) -> float | None:
    """Read a number as people print it (`0.91`, `91%`, `1,234.5`, `nan`); None if it is none."""
    plain = text.strip().rstrip("%,;:)]}")
    for candidate in (plain, plain.replace(",", "")):
        try:
            return float(candidate)
        except (ValueError, OverflowError):
            continue
    return None


def parse(text: str) -> object:
    """Parse JSON, NaN and infinities included; None if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def numbers(value: Mapping[str, object]) -> dict[str, float]:
    """Return the numbers of an object, nested names joined by dots; booleans and text left out."""
    return dict(_numbers(value, prefix="", depth=0))


def reading(values: dict[str, float], *, rename: Mapping[str, str], row: float | None) -> Reading:
    """Rename metrics, and take the step out of them; `row` is the step if they have none."""
    named = {rename.get(name, name): value for name, value in values.items()}
    steps: dict[str, float] = {}
    for name in list(named):
        if name.lower() in STEP_NAMES:
            steps[name.lower()] = named.pop(name)
    step = next((steps[name] for name in STEP_NAMES if name in steps), row)
    return (row if step is not None and not math.isfinite(step) else step), named


def _numbers(
    value: Mapping[str, object], *, prefix: str, depth: int
) -> Iterator[tuple[str, float]]:
    for name, item in value.items():
        if isinstance(item, bool):
            continue
        if isinstance(item, int | float):
            try:
                yield prefix + name, float(item)
            except OverflowError:
                continue
        elif isinstance(item, dict) and depth < _DEEPEST:
            inner = prefix if name == "metrics" else f"{prefix}{name}."
            yield from _numbers(item, prefix=inner, depth=depth + 1)


def _lists(
    document: object, prefix: str = "", depth: int = 0
) -> Iterator[tuple[str, list[object]]]:
    """The lists in a document, such as Keras's `{"loss": [...]}` or a trainer's history."""
    if isinstance(document, list):
        yield prefix or "value", document
    elif isinstance(document, dict) and depth < _DEEPEST:
        for name, item in document.items():
            inner = prefix if name == "metrics" else f"{prefix}.{name}" if prefix else name
            yield from _lists(item, inner, depth + 1)
