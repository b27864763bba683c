"""Scalars in TensorBoard event files, read as they grow, without TensorBoard installed.

An event file is a TFRecord stream (length, checksum, bytes, checksum) of `Event` messages; of each
only the step and the scalar summaries matter. Formats: tensorflow.org's TFRecord tutorial;
`event.proto`, `summary.proto`, `tensor.proto` and `tensor_shape.proto` in
github.com/tensorflow/tensorboard (compat/proto). PyTorch writes a scalar as `simple_value`, Keras
and TensorFlow 2 as a tensor without dimensions.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trialwright.execute.growing import Reading, reading
from trialwright.process.below import is_within, opened

LARGEST_RECORD = 16 * 2**20
"""Bytes: a scalar takes some fifty; images, audio and graphs beyond this are skipped unread."""

LOOKS_PER_SCAN = 10
"""Calls of `read` between searches for new files: the folder may hold thousands of old ones."""

DEEPEST_FOLDER = 5

_PHASES = ("train", "training", "validation", "valid", "val", "eval", "test", "dev")
_FLOATS = {1: "<f", 2: "<d", 3: "<i", 9: "<q"}
"""TensorFlow's DataType -> how one number of it is packed: float, double, int32, int64."""


class EventFolder:
    """All event files below a folder that were begun after the run was."""

    def __init__(
        self,
        folder: Path,
        *,
        rename: Mapping[str, str],
        since: float | None,
        within: Sequence[Path] | None = None,
    ) -> None:
        """Leave out files that are there already, or with `since` were written before then.

        `within`: the folders that files have to be in, links followed.
        """
        self._folder = folder
        self._within = within
        self._rename = rename
        self._files: dict[Path, _EventFile] = {}
        self._stale = {
            path for path, written in _event_files(folder) if since is None or written < since
        }
        self._looks = 0
        self._any = False

    def read(self, *, last: bool) -> list[Reading]:
        """Return the scalars written since the last call."""
        here = self._within is None or is_within(self._folder, self._within)
        if here and (last or self._looks % LOOKS_PER_SCAN == 0):
            for path, _ in _event_files(self._folder):
                if path not in self._stale and path not in self._files:
                    self._files[path] = _EventFile(path, self._within)
        self._looks += 1
        found = [
            reading({_name(tag, path.parent, self._folder): value}, rename=self._rename, row=step)
            for path, file in self._files.items()
            for step, tag, value in file.read()
        ]
        self._any = self._any or bool(found)
        return found

    @property
    def problem(self) -> str:
        """Why nothing came from here so far."""
        if self._any:
            return ""
        if self._files:
            return f"the TensorBoard files in {self._folder} hold no scalars"
        return f"no TensorBoard event file was written in {self._folder}"


@dataclass(slots=True)
class _EventFile:
    path: Path
    within: Sequence[Path] | None = None
    offset: int = 0

    def read(self) -> Iterator[tuple[float, str, float]]:
        """Yield (step, tag, value) of each new scalar; a torn last record waits for its rest."""
        try:
            with opened(self.path, within=self.within) as file:
                size = os.fstat(file.fileno()).st_size
                while self.offset + 16 <= size:
                    file.seek(self.offset)
                    (length,) = struct.unpack("<Q", file.read(8))
                    end = self.offset + 12 + length + 4
                    if end > size:
                        return
                    file.seek(4, os.SEEK_CUR)
                    record = file.read(length) if length <= LARGEST_RECORD else b""
                    self.offset = end
                    yield from _scalars(record)
        except (OSError, struct.error):
            return


def _event_files(folder: Path, depth: int = 0) -> Iterator[tuple[Path, float]]:
    """Yield each event file below `folder` with the time that it was last written."""
    try:
        entries = list(os.scandir(folder))
    except (OSError, ValueError):
        return
    for entry in sorted(entries, key=lambda entry: entry.name):
        try:
            if entry.is_dir(follow_symlinks=False):
                if depth < DEEPEST_FOLDER:
                    yield from _event_files(Path(entry.path), depth + 1)
            elif "tfevents" in entry.name and entry.is_file():
                yield Path(entry.path), entry.stat().st_mtime
        except OSError:
            continue


def _name(tag: str, folder: Path, root: Path) -> str:
    """Tell apart equal tags in several folders: Keras's `train/`, PyTorch's `add_scalars`."""
    if folder == root:
        return tag
    if folder.name.lower() in _PHASES:
        return f"{folder.name}/{tag}"
    stem = tag.replace("/", "_") + "_"
    return f"{tag}/{folder.name.removeprefix(stem)}" if folder.name.startswith(stem) else tag


def _scalars(record: bytes) -> Iterator[tuple[float, str, float]]:
    """The scalars of one `Event`: field 2 is the step, field 5 the summary."""
    step, summaries = 0, []
    try:
        for number, value in _fields(record):
            if number == 2 and isinstance(value, int):
                step = value
            elif number == 5 and isinstance(value, bytes):
                summaries.append(value)
        for summary in summaries:
            for number, value in _fields(summary):
                if number == 1 and isinstance(value, bytes):
                    yield from ((float(step), *scalar) for scalar in _scalar(value))
    except (IndexError, struct.error):
        return


def _scalar(message: bytes) -> Iterator[tuple[str, float]]:
    """The tag (field 1) and the number (field 2, or field 8 as a tensor) of a `Summary.Value`."""
    tag, found = "", None
    for number, value in _fields(message):
        if not isinstance(value, bytes):
            continue
        if number == 1:
            tag = value.decode("utf-8", "replace")
        elif number == 2 and len(value) == 4:
            (found,) = struct.unpack("<f", value)
        elif number == 8:
            found = _tensor(value)
    if tag and found is not None:
        yield tag, found


def _tensor(message: bytes) -> float | None:
    """The number in a `TensorProto` without dimensions; None for any other tensor.

    Fields: 1 is the type, 2 the shape (whose field 2 is a dimension), 4 the packed content,
    5 and 6 the floats and doubles.
    """
    kind, content = 0, b""
    for number, value in _fields(message):
        if number == 1 and isinstance(value, int):
            kind = value
        elif isinstance(value, bytes) and number == 2:
            if any(field == 2 for field, _ in _fields(value)):
                return None
        elif isinstance(value, bytes) and number in (4, 5, 6):
            content = value
    packed = _FLOATS.get(kind)
    if packed is None or len(content) != struct.calcsize(packed):
        return None
    return float(struct.unpack(packed, content)[0])


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protocol buffer: whole numbers as int, all else as bytes."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        match key & 7:
            case 0:
                value, at = _varint(message, at)
                yield key >> 3, value
                continue
            case 1:
                length = 8
            case 2:
                length, at = _varint(message, at)
            case 5:
                length = 4
            case _:
                raise IndexError
        if at + length > len(message):
            raise IndexError
        yield key >> 3, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """Read a variable-length whole number; return it and the place behind it."""
    value = shift = 0
    while shift < 70:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise IndexError
