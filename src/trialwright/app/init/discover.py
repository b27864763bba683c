"""Metrics in what a script really printed and wrote, where its text did not tell."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from trialwright.app.script.metrics import labels
from trialwright.app.script.names import is_metric, is_step, slug, split_of
from trialwright.app.script.setting import Reported, Spot
from trialwright.app.script.template import Line, Piece, Slot, pattern
from trialwright.errors import TrialwrightError
from trialwright.execute.metrics import Collector
from trialwright.task import MetricRoute

MOST_LINES = 5_000
MOST_FILES = 20_000
DEEPEST = 5
LONGEST = 2_000

_NUMBER = re.compile(
    r"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?=$|[^\w.]|\.(?:\s|$)|s\b|it\b)|\bnan\b"
)
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def in_output(log: bytes) -> list[Reported]:
    """Return the metrics that lines of output show, each with a pattern for its kind of line."""
    found: dict[tuple[str, ...], list[Reported]] = {}
    counts: dict[tuple[str, ...], int] = {}
    text = _ANSI.sub("", log.decode("utf-8", "replace"))
    for number, words in enumerate(re.split(r"[\r\n]+", text)[:MOST_LINES]):
        line = _cut(words[:LONGEST])
        skeleton = tuple(piece if isinstance(piece, str) else "" for piece in line)
        counts[skeleton] = counts.get(skeleton, 0) + 1
        if skeleton not in found:
            found[skeleton] = list(_from_line(line, number + 1))
    return [
        Reported(
            metric=one.metric,
            where="output",
            pattern=one.pattern,
            split=one.split,
            line=one.line,
            repeated=counts[skeleton] > 1,
        )
        for skeleton, reported in found.items()
        for one in reported
    ]


def in_files(folders: list[Path], *, workdir: Path, own: Path, since: float) -> list[Reported]:
    """Return the metrics in tables and event files that were written since a time.

    `own` is the run's own folder, called `{folder}` in a study file.
    """
    found: list[Reported] = []
    for path in _written(folders, since):
        events = path.name.startswith("events.out.tfevents")
        target = path.parent if events else path
        route = MetricRoute(tensorboard=str(target)) if events else MetricRoute(file=str(target))
        shown = _shown(target, workdir=workdir, own=own)
        if shown is None:
            continue
        found += [
            Reported(
                metric=slug(name),
                where="tensorboard" if events else "file",
                source=name,
                spot=Spot(shown),
                split=split_of(name),
            )
            for name in seen(route, b"", workdir=workdir, since=since)
            if is_metric(slug(name))
        ]
    return found


def seen(route: MetricRoute, log: bytes, *, workdir: Path, since: float) -> dict[str, list[float]]:
    """Return every metric that a route finds in a run that is over, with all of its values."""
    try:
        collector = Collector(route, workdir=workdir, since=since)
        collector.feed(log)
        collector.finish()
    except (TrialwrightError, OSError, ValueError):
        return {}
    return {name: collector.series(name) for name in collector.last}


def _cut(words: str) -> Line:
    """A line as text with slots where numbers stand."""
    pieces: list[Piece] = []
    at = 0
    for match in _NUMBER.finditer(words):
        if match.start() > at:
            pieces.append(words[at : match.start()])
        pieces.append(Slot(None, number=True))
        at = match.end()
    if at < len(words):
        pieces.append(words[at:])
    return tuple(pieces)


def _from_line(line: Line, number: int) -> Iterator[Reported]:
    named: dict[int, str] = {}
    splits: dict[int, str] = {}
    text = " ".join(piece for piece in line if isinstance(piece, str))
    for index, label in labels(line).items():
        name = slug(label)
        if is_step(name) and not ({"epoch", "step"} & set(named.values())):
            named[index] = "epoch" if "epoch" in name else "step"
        elif is_metric(name) and name not in named.values():
            named[index], splits[index] = name, split_of(label) or split_of(text)
    for index, split in splits.items():
        yield Reported(
            metric=named[index],
            where="output",
            pattern=pattern(line, named),
            split=split,  # type: ignore[arg-type]  # comes from `split_of`
            line=number,
        )


def _written(folders: list[Path], since: float) -> Iterator[Path]:
    """Tables and event files that are new, or newly written, below some folders."""
    looked = 0
    for top in dict.fromkeys(folders):
        for place, inner, names in os.walk(top):
            depth = len(Path(place).relative_to(top).parts)
            inner[:] = [
                name for name in inner if not name.startswith((".", "__")) and depth < DEEPEST
            ]
            for name in names:
                looked += 1
                if looked > MOST_FILES:
                    return
                path = Path(place) / name
                suffixes = (".csv", ".jsonl", ".json", ".tsv")
                wanted = name.startswith("events.out.tfevents") or path.suffix in suffixes
                if wanted and _changed(path, since):
                    yield path


def _changed(path: Path, since: float) -> bool:
    try:
        return path.stat().st_mtime >= since
    except OSError:
        return False


def _shown(path: Path, *, workdir: Path, own: Path) -> str | None:
    """The path as a study file writes it; None where it lies in neither folder."""
    if path.is_relative_to(own):
        inner = path.relative_to(own)
        # The log's own neighbours are ours: metrics.jsonl, exit.json.
        return None if len(inner.parts) == 1 and inner.suffix == ".jsonl" else f"{{folder}}/{inner}"
    if path.is_relative_to(workdir):
        return str(path.relative_to(workdir))
    return None
