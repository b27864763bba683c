"""From what a run prints and writes to metrics over steps, with no change to the script.

Tagged lines (see `emit`) are always read; a `MetricRoute` adds regular expressions over the output,
a CSV or JSON file, TensorBoard event files. Each call costs what is new, however much came before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from json import JSONDecoder
from pathlib import Path

from trialwright.emit import TAG
from trialwright.execute.growing import (
    Lines,
    MetricFile,
    Reading,
    Source,
    number,
    numbers,
    parse,
    reading,
)
from trialwright.execute.points import Point, Points
from trialwright.execute.tensorboard import EventFolder
from trialwright.records import Curve
from trialwright.task import MetricRoute

OPENING = 4_096
"""Bytes of output that are kept as its beginning."""

LONGEST_MATCHED = 4_096
"""Characters of a line that regular expressions look at: their time may grow with its square."""

_TAG = TAG.strip().encode()
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)")
# C's printf writes nan and inf, which are no JSON.
_BARE = re.compile(r"([:,\[]\s*)([+-]?)(nan|inf(?:inity)?)\b", re.IGNORECASE)
_DECODER = JSONDecoder()


class Collector:
    r"""The metrics of one run, gathered while it goes on.

    >>> route = MetricRoute(patterns=(r"epoch (?P<epoch>\d+): loss=(?P<loss>\S+)",))
    >>> collector = Collector(route, workdir=Path("."))
    >>> collector.feed(b"epoch 1: loss=0.5\nepoch 2: lo"), collector.feed(b"ss=0.4\n")
    ([(1.0, {'loss': 0.5})], [(2.0, {'loss': 0.4})])
    """

    def __init__(
        self,
        route: MetricRoute,
        *,
        workdir: Path,
        since: float | None = None,
        within: Sequence[Path] | None = None,
    ) -> None:
        """Start before the run does: what the route's files hold already is another run's.

        `since` is for a run that is over: the seconds since the epoch at which it began. Files
        last written before then are left out, all others read from their start. `within`: the
        folders that the route's files have to be in, wherever links lead; None: anywhere.
        """
        self.final = False
        """Whether the script has declared its result complete."""
        self._points = Points()
        self._lines = Lines()
        self._patterns = [re.compile(pattern) for pattern in route.patterns]
        self._unmatched = set(route.patterns)
        self._opening: list[str] = []
        self._room = OPENING
        self._rename = route.rename
        self._sources = _sources(route, workdir=workdir, since=since, within=within)

    def feed(self, chunk: bytes) -> list[Point]:
        """Take output as it comes, cut anywhere; return the new points in it."""
        return self._take_lines(self._lines.feed(chunk))

    def poll(self) -> list[Point]:
        """Look at the route's files; return the new points in them."""
        return self._look(last=False)

    def finish(self) -> list[Point]:
        """Take in what is left once the run is over; return the new points in it."""
        return self._take_lines(self._lines.finish()) + self._look(last=True)

    def add(
        self, metrics: Mapping[str, float], *, step: float | None = None, final: bool = False
    ) -> list[Point]:
        """Take metrics that need no reading; return the new points in them."""
        self.final = self.final or final
        return self._points.add(metrics, step)

    def series(self, metric: str) -> list[float]:
        """Return all values of a metric, in the order of reporting; [] if there is none."""
        return self._points.series(metric)

    def curve(self, points: int = 200) -> Curve:
        """Return all metrics over at most `points` steps; the first and the last step stay."""
        return self._points.curve(points)

    @property
    def opening(self) -> str:
        """The first `OPENING` bytes of output that are not tagged, where scripts tell of data."""
        return "\n".join(self._opening)

    @property
    def reported(self) -> dict[str, list[tuple[float, float]]]:
        """Each metric as (step, value), in the order of reporting."""
        return self._points.reported

    @property
    def last(self) -> dict[str, float]:
        """The latest value of each metric."""
        return self._points.last

    @property
    def problems(self) -> tuple[str, ...]:
        """What the route was asked to read and has given nothing so far, in words."""
        patterns = [
            f"the pattern {pattern!r} matched no line of the output"
            for pattern in sorted(self._unmatched)
        ]
        dropped = self._lines.dropped
        return (
            *patterns,
            *(source.problem for source in self._sources if source.problem),
            *([f"{dropped} lines of over 1 MiB were not read"] if dropped else []),
        )

    def _take_lines(self, lines: list[bytes]) -> list[Point]:
        found: list[Reading] = []
        for line in lines:
            if self._room > 0 and _TAG not in line:
                self._opening.append(line[: self._room].decode("utf-8", "replace"))
                self._room -= len(line) + 1
            if _TAG in line:
                found += self._tagged(line.decode("utf-8", "replace"))
            elif self._patterns:
                found += self._matched(line[:LONGEST_MATCHED].decode("utf-8", "replace"))
        return self._add(found)

    def _look(self, *, last: bool) -> list[Point]:
        return self._add([found for source in self._sources for found in source.read(last=last)])

    def _tagged(self, line: str) -> list[Reading]:
        found = []
        for part in line.split(_TAG.decode())[1:]:
            value = _first_object(part.lstrip())
            if value is None:
                continue
            self.final = self.final or value.get("final") is True
            found.append(reading(numbers({**value}), rename=self._rename, row=None))
        return found

    def _matched(self, line: str) -> list[Reading]:
        if "\x1b" in line:
            line = _ANSI.sub("", line)
        found = []
        for pattern in self._patterns:
            match = pattern.search(line)
            if match is None:
                continue
            values = {
                name: value
                for name, text in match.groupdict().items()
                if text is not None and (value := number(text)) is not None
            }
            if values:
                self._unmatched.discard(pattern.pattern)
                found.append(reading(values, rename=self._rename, row=None))
        return found

    def _add(self, readings: list[Reading]) -> list[Point]:
        """Store readings; what neighbours have in common, their step, makes them one point."""
        merged: list[Point] = []
        for step, metrics in readings:
            for at, fresh in self._points.add(metrics, step):
                if merged and merged[-1][0] == at:
                    merged[-1][1].update(fresh)
                else:
                    merged.append((at, fresh))
        return merged


def _sources(
    route: MetricRoute, *, workdir: Path, since: float | None, within: Sequence[Path] | None
) -> list[Source]:
    rename, sources = route.rename, list[Source]()
    if route.file is not None:
        path = workdir / route.file
        sources.append(MetricFile(path, rename=rename, since=since, within=within))
    if route.tensorboard is not None:
        path = workdir / route.tensorboard
        sources.append(EventFolder(path, rename=rename, since=since, within=within))
    return sources


def _first_object(text: str) -> dict[str, object] | None:
    """The JSON object at the start of a text, whatever follows it; None if there is none."""
    try:
        value, _ = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        cut = text[: text.rfind("}") + 1]
        value = parse(_BARE.sub(_spelt, cut))
    return value if isinstance(value, dict) else None


def _spelt(match: re.Match[str]) -> str:
    """Write C's nan and inf as Python's JSON knows them."""
    name = "NaN" if match[3].lower() == "nan" else "Infinity"
    sign = "-" if match[2] == "-" and name == "Infinity" else ""
    return match[1] + sign + name
