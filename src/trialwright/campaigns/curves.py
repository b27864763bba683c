"""Curves of runs beside a table of runs: what W&B exports of their histories, as CSV or JSON lines.

Two forms are known: a row per step, with the run's name, `_step` and the metrics (what the API's
`run.history()` gives, docs.wandb.ai "Export run data"), and that of a chart's own export, a column
`Step` and one `RUN - METRIC` per run, with `__MIN` and `__MAX` beside it.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from trialwright.campaigns.campaign import Campaign, Curve
from trialwright.campaigns.tracked import number

STEPS = ("_step", "Step", "step", "trainer/global_step", "epoch")
RUNS = ("run_name", "run", "name", "display_name", "run_id", "_run")
SUFFIXES = (".csv", ".jsonl")
BETWEEN = " - "
"""What stands between a run and its metric in the export of a chart."""
LARGEST = 256 * 1024 * 1024

Row = Mapping[str, object]


def with_histories(campaign: Campaign, path: Path) -> Campaign:
    """Return a campaign with the curves that lie beside its log, with a note on where they are.

    Looked for: `history` or the log's name with `-history` behind it, as CSV or JSON lines, and a
    folder `history` with a file per run. A run whose name another one has gets none.
    """
    found: dict[str, list[Row]] = {}
    places = []
    for file in _files(path):
        rows = _rows(file)
        own = _by_run(rows, campaign.metric, file.stem if file.parent.name == "history" else "")
        if own:
            places.append(file.name)
        for run, several in own.items():
            found.setdefault(run, []).extend(several)
    labels = [one.label for one in campaign.experiments]
    experiments = tuple(
        one if one.curve or labels.count(one.label) > 1 or one.label not in found
        else replace(one, curve=curve_of(found[one.label], campaign.metric))
        for one in campaign.experiments
    )  # fmt: skip
    told = sum(bool(one.curve) for one in experiments)
    if not places or not told:
        return campaign
    note = f"curves of {told} of {len(experiments)} runs are from {', '.join(places[:3])}"
    note += f" and {len(places) - 3} more" if len(places) > 3 else ""
    return replace(campaign, experiments=experiments, notes=(*campaign.notes, note))


def curve_of(rows: Sequence[Row], metric: str) -> Curve:
    """Return what rows say of a metric, by step; the last of a step counts.

    >>> curve_of([{"_step": 0, "loss": 2.0}, {"_step": 1}, {"_step": 2, "loss": "1.5"}], "loss")
    ((0.0, 2.0), (2.0, 1.5))
    """
    points: dict[float, float] = {}
    for place, row in enumerate(rows):
        value = number(row.get(metric))
        named = next((row[name] for name in STEPS if row.get(name) not in (None, "")), place)
        step = number(named)
        if value is not None and step is not None and math.isfinite(value):
            points[step] = value
    return tuple(sorted(points.items()))


def _files(path: Path) -> Iterator[Path]:
    names = [f"{stem}{end}" for stem in ("history", f"{path.stem}-history") for end in SUFFIXES]
    yield from (file for name in names if (file := path.parent / name).is_file() and file != path)
    folder = path.parent / "history"
    if folder.is_dir():
        yield from sorted(file for file in folder.iterdir() if file.suffix in SUFFIXES)


def _rows(path: Path) -> list[Row]:
    """The rows of a file; none where it can't be read."""
    try:
        if path.stat().st_size > LARGEST:
            return []
        text = path.read_text(encoding="utf-8-sig", errors="replace")
        if path.suffix == ".csv":
            return list(csv.DictReader(io.StringIO(text)))
        values = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (OSError, ValueError):
        return []
    return [value for value in values if isinstance(value, dict)]


def _by_run(rows: Sequence[Row], metric: str, alone: str) -> dict[str, list[Row]]:
    """Rows per run: told by a column, by the names of columns, or by the name of the file."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        run = next((str(row[name]) for name in RUNS if row.get(name)), "")
        several = list(_of_chart(row, metric))
        for name, value in several:
            found.setdefault(name, []).append({**_step(row), metric: value})
        if not several and (run or alone):
            found.setdefault(run or alone, []).append(row)
    return found


def _step(row: Row) -> Row:
    return {name: row[name] for name in STEPS if name in row}


def _of_chart(row: Row, metric: str) -> Iterable[tuple[str, object]]:
    """Each run's value in a row of a chart's export."""
    end = f"{BETWEEN}{metric}"
    for column, value in row.items():
        if isinstance(column, str) and column.endswith(end) and value not in (None, ""):
            yield column.removesuffix(end), value
