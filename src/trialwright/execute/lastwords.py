"""What a log ends with: the exceptions that ended a Python run, innermost cause last, and the rest.

It knows the shapes of tracebacks (plain, chained, rich, prefixed by rank, exception groups) and
judges nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from trialwright.emit import TAG

LAST_LINES = 40
"""Lines at the end of a log in which its death is looked for, where there is no traceback."""

LONGEST_LINE = 2_000
"""Characters of a line that are looked at."""

SURVIVED_LINES = 20
"""A run that prints more than this after a traceback has survived it."""

TAIL_LINES = 30
TAIL_CHARACTERS = 4_000

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-_]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_HEADER = re.compile(r"^(?P<prefix>.*?)Traceback \(most recent call last\)", re.MULTILINE)
_FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+)')
_FRAME_LINE = re.compile(r"^(?:\s|[|│╭╰─+~^]|$)")
_CHAIN = re.compile(
    r"^(?:The above exception was the direct cause of the following exception"
    r"|During handling of the above exception, another exception occurred)",
    re.MULTILINE,
)
_WRAPPER = re.compile(
    r"^(?:[\w.]*\.)?(?:ChildFailedError|CalledProcessError|ProcessRaisedException|RayTaskError"
    r"|_?RemoteTraceback|BrokenProcessPool|TerminatedWorkerError)\b"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """How a log ends."""

    exceptions: tuple[str, ...] = ()
    """The exception that ended the run as its last lines say it, then those that caused it."""
    behind: str = ""
    """What was printed after the last traceback; without one, the last lines."""
    place: str = ""
    """File and line of the innermost frame of the last traceback."""


def crash_of(tail: str) -> Crash:
    """Read the end of a log."""
    text = _untagged(clean(tail))
    headers = list(_HEADER.finditer(text))
    ending = "\n".join(text.splitlines()[-LAST_LINES:])
    if not headers:
        return Crash(behind=ending, place=_place(ending.splitlines()))
    starts = [header.start() for header in headers]
    blocks = [
        _block(text[start:end], header["prefix"])
        for start, end, header in zip(starts, [*starts[1:], len(text)], headers, strict=True)
    ]
    last, behind, place = blocks[-1]
    if sum(bool(line.strip()) for line in behind.splitlines()) > SURVIVED_LINES:
        return Crash(behind=ending)
    exceptions = [last]
    for index in range(len(blocks) - 2, -1, -1):
        said, after, _ = blocks[index]
        # An earlier traceback that was logged and survived has no part in this death.
        if not (_CHAIN.search(after) or _WRAPPER.match(exceptions[-1])):
            break
        exceptions.append(said)
    return Crash(exceptions=tuple(filter(None, exceptions)), behind=behind, place=place)


def candidates(crash: Crash) -> Iterator[str]:
    """Yield the texts in which to look for why a run died, the most telling first."""
    if crash.exceptions:
        # The exception that ended the run with what was printed behind it, then its own causes.
        yield f"{crash.exceptions[0]}\n{crash.behind}"
        yield from crash.exceptions[1:]
    else:
        yield crash.behind


def last_lines(tail: str) -> str:
    """Return the last lines of a log for a person to read, metric lines left out."""
    lines = _untagged(clean(tail)).rstrip().splitlines()[-TAIL_LINES:]
    return "\n".join(lines)[-TAIL_CHARACTERS:]


def clean(text: str) -> str:
    """Drop colours, cursor movements and control characters; keep what stood last on a line."""
    plain = _CONTROL.sub("", _ANSI.sub("", text.replace("\r\n", "\n")))
    # A progress bar writes its line over and over.
    last = (line.rstrip("\r").rpartition("\r")[2] for line in plain.split("\n"))
    return "\n".join(line[:LONGEST_LINE] for line in last)


def _untagged(text: str) -> str:
    tag = TAG.strip()
    return "\n".join(
        line.split(tag, 1)[0] if tag in line else line
        for line in text.split("\n")
        if not line.startswith(tag)
    )


def _block(text: str, prefix: str) -> tuple[str, str, str]:
    """Cut one traceback into the exception's lines, what follows them, and the innermost frame."""
    mark = prefix if prefix.strip(" |+│╭─") else ""
    lines = [line.removeprefix(mark).lstrip("|") if mark else line for line in text.splitlines()]
    if prefix.strip() == "|" or "Exception Group" in prefix:
        lines = [line.lstrip(" |") if "File " not in line else line for line in lines]
    at = 1
    while at < len(lines) and _FRAME_LINE.match(lines[at]):
        at += 1
    place = _place(lines[:at])
    end = at + 1
    # A message may run over several lines, until an empty one.
    while end < len(lines) and lines[end].strip() and end - at < 20:
        end += 1
    return "\n".join(lines[at:end]), "\n".join(lines[end:]), place


def _place(lines: list[str]) -> str:
    """The last file and line that a traceback, or a syntax error without one, names."""
    frames = (_FRAME.match(line.lstrip(" |│")) for line in reversed(lines))
    return next((f"{frame['file']}, line {frame['line']}" for frame in frames if frame), "")
