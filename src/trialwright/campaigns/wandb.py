"""Exports of Weights & Biases: the table of runs in CSV, runs in JSON as its API gives them.

The table is what "Export table" in a project writes: a few fixed columns (Name, State, Notes, User,
Tags, Created, Runtime, Sweep), the settings in the order of the alphabet, then the results in
theirs. The API's own example writes three columns instead (summary, config, name), with Python's
dicts in them (docs.wandb.ai, "Export run data").
"""

from __future__ import annotations

import ast
import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence

from trialwright.campaigns.assemble import flattened
from trialwright.campaigns.campaign import Curve, Malformed
from trialwright.campaigns.curves import curve_of
from trialwright.campaigns.jsonl import objects
from trialwright.campaigns.sheet import Refused, Sheet, malformed
from trialwright.campaigns.tracked import Tracked, moment, number, scalar, sheet_of, without
from trialwright.campaigns.vocabulary import TEST, TRAIN, VALIDATION, direction_of, tokens
from trialwright.expression import Scalar

WANDB = "Weights & Biases"
FIXED = ("Name", "Agent", "State", "Notes", "User", "Tags", "Created", "Runtime", "Sweep")
"""Columns of the table that are no settings and no results."""
SIGNS = {"Name", "State", "Created", "Runtime"}
DICTS = {"summary", "config", "name"}
MEASURED = VALIDATION | TEST | TRAIN
OWN = ("_", "wandb_version")
"""How the names begin that the tracker writes itself."""


def _header(text: str) -> list[str]:
    return next(csv.reader([text.lstrip().split("\n", 1)[0]]), [])


def is_wandb_table(text: str) -> bool:
    """Say whether a text begins with the columns of the table, or those of the API's example."""
    header = set(_header(text))
    return header >= SIGNS or header >= DICTS


def is_wandb_json(text: str) -> bool:
    """Say whether a text looks like runs in JSON: settings, and results under W&B's names."""
    head = text[:200_000]
    return '"config"' in head and ('"summary"' in head or '"summaryMetrics"' in head)


def wandb_table(text: str) -> Sheet:
    """Take a table of runs apart.

    Raises:
        Refused: it has no rows that can be read.
    """
    lines = csv.reader(io.StringIO(text.lstrip()))
    header = next(lines, [])
    broken: list[Malformed] = []
    runs: list[Tracked] = []
    split = _split(header)
    for cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        joined = ",".join(cells)
        if len(cells) != len(header):
            why = f"{len(cells)} fields where the header has {len(header)}"
            broken.append(malformed(lines.line_num, joined, why))
            continue
        row = dict(zip(header, cells, strict=True))
        if set(header) >= SIGNS:
            runs.append(_of_table(row, split, lines.line_num, joined))
            continue
        one = _of_dicts(row, lines.line_num, joined)
        if isinstance(one, Malformed):
            broken.append(one)
        else:
            runs.append(one)
    return _told(runs, broken, "the columns of its table of runs")


def _split(header: Sequence[str]) -> tuple[list[str], list[str]]:
    """Settings and results: the names of each are sorted, so results begin where the order falls.

    Where it falls nowhere or often, what sounds like a result is one.
    """
    names = [name for name in header if name not in (*FIXED, "ID", "Group", "")]
    for key in (str.casefold, str, _spaced):
        falls = [n for n in range(1, len(names)) if key(names[n]) < key(names[n - 1])]
        if len(falls) == 1:
            return names[: falls[0]], names[falls[0] :]
    results = [name for name in names if _sounds(name)]
    return [name for name in names if name not in results], results


def _spaced(name: str) -> str:
    return name.replace("/", " ").replace(".", " ").casefold()


def _sounds(name: str) -> bool:
    return "/" in name or direction_of(name) is not None or bool({*tokens(name)} & MEASURED)


def _of_table(
    row: Mapping[str, str], split: tuple[list[str], list[str]], line: int, text: str
) -> Tracked:
    settings, results = split
    notes = row.get("Notes", "").strip()
    return Tracked(
        line=line,
        text=text,
        name=row["Name"],
        state=row["State"],
        configuration=without({name: scalar(row[name]) for name in settings}, OWN),
        results=without({name: scalar(row[name]) for name in results}, OWN),
        at=moment(row["Created"]),
        seconds=number(row["Runtime"]),
        notes="" if notes == "-" else notes,
    )


def _of_dicts(row: Mapping[str, str], line: int, text: str) -> Tracked | Malformed:
    """A run of the API's example, whose cells are Python's dicts."""
    found: dict[str, dict[str, object]] = {}
    for column in ("summary", "config"):
        # Python writes what is no number as `nan`, which is no literal.
        cell = row[column].replace(": nan", ": None").replace(": inf", ": None")
        try:
            value = ast.literal_eval(cell)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return malformed(line, text, f"{column} holds no dict of plain values")
        if not isinstance(value, dict):
            return malformed(line, text, f"{column} holds no dict of plain values")
        found[column] = {str(key): inner for key, inner in value.items()}
    return _run(found["config"], found["summary"], {**row, "state": row.get("state", "")}, line)


def wandb_json(text: str) -> Sheet:
    """Take runs in JSON apart: a list of them, an object that holds one, or a run per line.

    Raises:
        Refused: they are not W&B's.
    """
    broken: list[Malformed] = []
    runs: list[Tracked] = []
    for line, value in _entries(text):
        one = _of_object(value, line)
        if isinstance(one, Malformed):
            broken.append(one)
        else:
            runs.append(one)
    return _told(runs, broken, "objects with the settings and the summary of a run")


def _entries(text: str) -> Iterator[tuple[int, object]]:
    try:
        value: object = json.loads(text)
    except ValueError:
        for line, row in enumerate(text.split("\n"), 1):
            if row.strip():
                try:
                    yield line, json.loads(row)
                except ValueError:
                    yield line, row
        return
    single = isinstance(value, dict) and "config" in value
    listed = None if single else objects(value)
    yield from enumerate([value] if listed is None else listed, 1)


def _of_object(value: object, line: int) -> Tracked | Malformed:
    if not isinstance(value, dict):
        return malformed(line, value if isinstance(value, str) else json.dumps(value), "no run")
    value = value.get("node") if isinstance(value.get("node"), dict) else value
    assert isinstance(value, dict)
    text = json.dumps(value, ensure_ascii=False)
    config = _dict(value.get("config"))
    summary = _dict(value.get("summary", value.get("summaryMetrics")))
    if config is None or summary is None:
        return malformed(line, text, "a run without settings or without a summary")
    return _run(config, summary, value, line)


def _dict(value: object) -> dict[str, object] | None:
    """An object, or one written as text, as the API's own answers have it."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    return value if isinstance(value, dict) else None


def _run(
    config: Mapping[str, object],
    summary: Mapping[str, object],
    about: Mapping[str, object],
    line: int,
) -> Tracked:
    began = next((str(about[key]) for key in ("created_at", "createdAt") if about.get(key)), "")
    name = next(
        (str(about[k]) for k in ("display_name", "displayName", "name") if about.get(k)), ""
    )
    end, lasted = number(summary.get("_timestamp")), number(summary.get("_runtime"))
    at = moment(began)
    if at is None and end is not None:
        at = end - (lasted or 0.0)
    return Tracked(
        line=line,
        text=json.dumps({**about, "config": config, "summary": summary}, default=str),
        name=name or str(about.get("id", "")),
        state=str(about.get("state") or "finished"),
        configuration=without(_plain({k: _value(v) for k, v in config.items()}), OWN),
        results=without(_plain(summary), OWN),
        curves=_curves(about.get("history")),
        at=at,
        seconds=lasted,
        notes=str(about.get("notes") or ""),
        commit=str(about.get("commit") or ""),
    )


def _curves(history: object) -> dict[str, Curve]:
    """The curves of a run whose object has its history: a list with an object per step."""
    if not isinstance(history, list):
        return {}
    rows = [row for row in history if isinstance(row, dict)]
    names = dict.fromkeys(str(name) for row in rows for name in row if not name.startswith(OWN))
    return {name: curve for name in names if (curve := curve_of(rows, name))}


def _value(inner: object) -> object:
    """A setting without the wrapping that the API's own answers put around it."""
    wrapped = isinstance(inner, dict) and "value" in inner and set(inner) <= {"value", "desc"}
    return inner["value"] if wrapped and isinstance(inner, dict) else inner


def _plain(values: Mapping[str, object]) -> dict[str, Scalar]:
    """Nested keys joined by dots; pictures, tables and histograms left out."""
    plain = {
        key: value
        for key, value in values.items()
        if not (isinstance(value, dict) and "_type" in value)
    }
    return flattened(plain) if plain else {}


def _told(runs: Sequence[Tracked], broken: Sequence[Malformed], why: str) -> Sheet:
    if not runs:
        raise Refused(f"{why}, but none that can be read")
    found = sheet_of(runs, WANDB, why)
    found.malformed += broken
    return found
