"""Runs as experiment trackers keep them, W&B and MLflow alike: settings, results, how they ended.

Trackers know no keeping and discarding, and list the newest run first: here runs stand in the order
in which they were begun.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from trialwright.campaigns.campaign import Curve, Status
from trialwright.campaigns.cells import reading
from trialwright.campaigns.sheet import Row, Sheet
from trialwright.campaigns.vocabulary import Role
from trialwright.expression import Scalar
from trialwright.task import Direction

WORDS: Mapping[str, Status] = {
    "finished": "other",
    "running": "other",
    "pending": "other",
    "scheduled": "other",
    "killed": "crash",
    "preempted": "crash",
    "preempting": "crash",
}
"""What trackers say of a run; `killed` is one that was stopped, by hand or by the machine."""

ROLES: Mapping[Role, str] = {
    "number": "run",
    "status": "state",
    "at": "created",
    "seconds": "runtime_s",
    "seed": "seed",
    "commit": "commit",
    "description": "notes",
}
SEEDS = ("seed", "random_seed", "rng_seed")
_INTEGER = re.compile(r"[+-]?\d{1,18}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """One run, as a tracker has it."""

    line: int
    """Of the file, or its place in what is read."""
    text: str
    """As it stands there."""
    name: str
    state: str
    configuration: Mapping[str, Scalar] = field(default_factory=dict)
    results: Mapping[str, Scalar] = field(default_factory=dict)
    """The last value of each metric."""
    curves: Mapping[str, Curve] = field(default_factory=dict)
    """By metric, where all its values are there."""
    at: float | None = None
    """Seconds since the epoch at which it began."""
    seconds: float | None = None
    notes: str = ""
    commit: str = ""


def sheet_of(runs: Sequence[Tracked], dialect: str, why: str) -> Sheet:
    """Return runs as a sheet, the earliest first, with what a sweep says of its goal."""
    found = Sheet(dialect, (), why=[why], words=WORDS)
    ordered = list(runs)
    if all(run.at is not None for run in runs):
        ordered.sort(key=lambda run: run.at or 0.0)
    if ordered != list(runs):
        found.notes.append("runs are told in the order in which they began, not in the file's")
    found.rows = [_row(run) for run in ordered]
    columns = dict.fromkeys(column for row in found.rows for column in row.cells)
    found.columns = tuple(columns)
    found.roles = {role: column for role, column in ROLES.items() if column in columns}
    primary, direction = _goal(runs)
    if primary:
        found.hints = {"primary_metric": primary}
        found.notes.append(f"the sweep names {primary} as its metric")
    if direction is not None:
        found.direction = direction, f"the sweep says {direction}"
    going = sum(run.state.casefold() in ("running", "pending", "scheduled") for run in runs)
    if going:
        found.notes.append(f"{going} of {len(runs)} runs had not ended")
    return found


def _row(run: Tracked) -> Row:
    cells = {"run": run.name, "state": run.state or "finished"}
    if run.at is not None:
        cells["created"] = repr(run.at)
    if run.seconds is not None:
        cells["runtime_s"] = repr(run.seconds)
    seed = next((run.configuration[name] for name in SEEDS if name in run.configuration), None)
    if seed is not None:
        cells["seed"] = str(seed)
    if run.commit:
        cells["commit"] = run.commit
    cells["notes"] = run.notes or run.name
    for name, value in run.results.items():
        # A result of one of our own names keeps its own beside it.
        cells[f"summary.{name}" if name in cells or name in ROLES.values() else name] = shown(value)
    return Row(run.line, run.text, cells, dict(run.configuration), curves=run.curves)


def _goal(runs: Sequence[Tracked]) -> tuple[str, Direction | None]:
    """The metric and the direction that a sweep wrote into the settings of its runs."""
    names = {str(run.configuration.get("metric.name") or "") for run in runs} - {""}
    goals = {str(run.configuration.get("metric.goal") or "") for run in runs} - {""}
    known: dict[str, Direction] = {"minimize": "minimize", "maximize": "maximize"}
    primary = names.pop() if len(names) == 1 else ""
    return primary, known.get(goals.pop()) if len(goals) == 1 else None


def shown(value: Scalar) -> str:
    """Return a value as a cell has it."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return repr(value)
    return str(value)


def scalar(text: str) -> Scalar:
    """Return the value that a cell stands for: a number, a truth value, nothing, or the text.

    >>> scalar("3"), scalar("1e-4"), scalar("True"), scalar("adam"), scalar("None")
    (3, 0.0001, True, 'adam', None)
    """
    text = text.strip()
    if text.casefold() in ("true", "false"):
        return text.casefold() == "true"
    if text.casefold() in ("", "none", "null"):
        return None
    if _INTEGER.fullmatch(text):
        return int(text)
    found = reading(text)
    plain = found is not None and found.value is not None and not found.repair
    return found.value if plain and found is not None and not text.endswith("%") else text


def moment(text: str) -> float | None:
    """Return a time in ISO 8601 as seconds since the epoch; one without a zone is UTC.

    >>> moment("1970-01-01 00:01:00+00:00"), moment("yesterday")
    (60.0, None)
    """
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def number(value: object) -> float | None:
    """Return a cell's number; None if it has none."""
    found = reading(str(value)) if value is not None and not isinstance(value, bool) else None
    return None if found is None else found.value


def without(values: Mapping[str, Scalar], dropped: Iterable[str]) -> dict[str, Scalar]:
    """Return settings without those that are empty, or that the tracker itself wrote."""
    gone = tuple(dropped)
    return {k: v for k, v in values.items() if v is not None and not k.startswith(gone)}
