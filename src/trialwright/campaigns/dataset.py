"""An open data set of one of our studies, read again: its description, its tables, its campaign.

`app.analyze.export` writes them. A table is CSV or Parquet; what its columns hold is said in
`dataset.json`, so that both give the same values.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from trialwright.campaigns.campaign import Campaign, Experiment, Status
from trialwright.errors import CampaignError
from trialwright.expression import Scalar
from trialwright.task import Direction

DESCRIPTION = "dataset.json"
FORMAT = "trialwright-dataset"
VERSION = 1
CONFIG, METRIC = "config.", "metric."
"""Before the names of settings, and of metrics."""
OWN = ("predicted_low", "predicted_high", "predicted_level", "predicted_result", "llm_tokens",
       "llm_usd", "context_tokens")  # fmt: skip
"""What a campaign of ours has among its numbers that no script reported: columns of their own."""

Kind = Literal["int", "float", "bool", "str"]
Value = Scalar
Rows = list[dict[str, Value]]


def described(folder: Path) -> dict[str, Any]:
    """Return what `dataset.json` says.

    Raises:
        CampaignError: it can't be read, or is of a newer version.
    """
    path = folder / DESCRIPTION
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        version = found["version"] if found["format"] == FORMAT else None
    except (OSError, ValueError, KeyError, TypeError):
        raise CampaignError(f"{path} is no description of a data set of ours") from None
    if version != VERSION:
        raise CampaignError(f"{path} is of version {version!r}; this Trialwright reads {VERSION}")
    assert isinstance(found, dict)
    return found


def read_table(folder: Path, name: str) -> Rows:
    """Return a table's rows, by column; what is absent is None.

    Raises:
        CampaignError: there is no such table, or its file can't be read.
    """
    tables = described(folder)["tables"]
    if name not in tables:
        raise CampaignError(f"{folder} has no table {name!r}, but {', '.join(tables)}")
    path = folder / str(tables[name]["file"])
    try:
        kinds: dict[str, Kind] = {one["name"]: one["kind"] for one in tables[name]["columns"]}
        return _parquet(path) if path.suffix == ".parquet" else _csv(path, kinds)
    except (OSError, ValueError, KeyError) as error:
        why = f"{DESCRIPTION} does not say {error}" if isinstance(error, KeyError) else error
        raise CampaignError(f"{path} can't be read: {why}") from None


def _csv(path: Path, kinds: Mapping[str, Kind]) -> Rows:
    with path.open(encoding="utf-8", newline="") as file:
        return [
            {name: _value(cell, kinds[name]) for name, cell in row.items()}
            for row in csv.DictReader(file)
        ]


def _value(cell: str, kind: Kind) -> Value:
    if not cell:
        return None
    match kind:
        case "int":
            return int(cell)
        case "float":
            return float(cell)
        case "bool":
            return cell == "true"
        case "str":
            return cell


def _parquet(path: Path) -> Rows:
    try:
        from pyarrow import parquet  # type: ignore[import-untyped]  # it has no stubs
    except ImportError:
        raise CampaignError(
            f'{path} is Parquet: pip install "trialwright[data]" to read it'
        ) from None
    rows: Rows = parquet.read_table(path).to_pylist()
    return rows


def read_dataset(folder: Path) -> Campaign:
    """Read a study's data set as the campaign that the study was.

    Raises:
        CampaignError: it can't be read.
    """
    about = described(folder)
    every = read_table(folder, "trials")
    try:
        return _campaign(about, every)
    except KeyError as error:
        raise CampaignError(f"{folder} is torn: its table of trials has no {error}") from None


def _campaign(about: Mapping[str, Any], every: Rows) -> Campaign:
    rows = [row for row in every if row["status"] is not None]
    left = len(every) - len(rows)
    note = f"{left} of {len(every)} trials are not judged yet, and left out"
    direction: Direction = about["direction"]
    return Campaign(
        name=str(about["name"]),
        metric=str(about["metric"]),
        direction=direction,
        direction_from="the study's goal",
        experiments=tuple(_experiment(row, place) for place, row in enumerate(rows, 1)),
        dialect="trialwright data set",
        why=(f"{DESCRIPTION} says so",),
        notes=(note,) if left else (),
    )


def _experiment(row: Mapping[str, Value], number: int) -> Experiment:
    status: Status = next(one for one in get_args(Status) if one == row["status"])
    own = {name: value for name in OWN if (value := _number(row.get(name))) is not None}
    return Experiment(
        number=number,
        line=int(row["trial"] or 0),
        metric=_number(row["mean"]),
        status=status,
        word=_text(row["verdict"]),
        memory_gb=_number(row["memory_gb"]),
        description=_text(row["description"]),
        label=str(row["trial"]),
        category=_text(row["category"]) or None,
        agent=_text(row["by"]) or None,
        configuration=_part(row, CONFIG) or None,
        at=_number(row["admitted_at"]),
        seconds=_number(row["seconds"]),
        metrics={
            name: known
            for name, value in _part(row, METRIC).items()
            if (known := _number(value)) is not None
        }
        | own,
        extra={
            "epoch": _text(row["code"]),
            "parent": "" if row["parent"] is None else str(row["parent"]),
            "declared": _text(row["declared"]),
            "touched": _text(row.get("touched")),
            "tree": _text(row["tree"]),
        },
    )


def _part(row: Mapping[str, Value], prefix: str) -> dict[str, Value]:
    return {
        name.removeprefix(prefix): value
        for name, value in row.items()
        if name.startswith(prefix) and value is not None
    }


def _number(value: Value) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if known and isinstance(value, int | float) else None


def _text(value: Value) -> str:
    return "" if value is None else str(value)
