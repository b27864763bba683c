"""A table of results as a landscape: configurations with what they showed.

A column per parameter, one for the metric; `seconds` and `failed` if they are known. What is not in
the table is as the nearest row that is.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trialwright.errors import StudyError
from trialwright.expression import Scalar
from trialwright.space import Choice, Configuration, Int, Ordinal, Parameter
from trialwright.task import Task

Array = NDArray[np.float64]

SECONDS, FAILED = "seconds", "failed"
TRUE, FALSE = ("1", "true", "yes"), ("", "0", "false", "no")


@dataclass(frozen=True, slots=True)
class Row:
    """A configuration with what it showed."""

    configuration: dict[str, Scalar]
    value: float | None
    """None: it failed."""
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Table:
    """Results to look up."""

    task: Task
    rows: tuple[Row, ...]
    points: Array
    """Where the rows lie in the space, shape (n, d)."""

    @property
    def timed(self) -> bool:
        """Whether every row says how long it took."""
        return all(row.seconds is not None for row in self.rows)

    def near(self, configuration: Configuration) -> list[Row]:
        """Return the rows nearest to a configuration: several where it was run several times."""
        place = self.task.space.encode([configuration])
        apart = np.abs(self.points - place).sum(axis=1)
        return [self.rows[index] for index in np.flatnonzero(apart <= apart.min() + 1e-9)]

    def truth(self, configuration: Configuration) -> float | None:
        """Return what a configuration is worth: the mean of its rows; None where it fails."""
        values = [row.value for row in self.near(configuration) if row.value is not None]
        return math.fsum(values) / len(values) if values else None

    @property
    def best(self) -> float:
        """What the best configuration of the table is worth."""
        worths = [self.truth(row.configuration) for row in self.rows if row.value is not None]
        sign = self.task.objective.sign
        return sign * max(sign * worth for worth in worths if worth is not None)


def read(path: Path, task: Task) -> Table:
    """Read a table of results in CSV.

    Raises:
        StudyError: the file can't be used; the message says why.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            columns = tuple(reader.fieldnames or ())
            lines = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StudyError(f"--table {path} can't be read: {error}") from None
    wanted = [p.name for p in task.space.parameters if p.when is None]
    missing = [name for name in (*wanted, task.objective.metric) if name not in columns]
    if missing:
        raise StudyError(
            f"--table {path} has no column {', '.join(missing)}: it needs one per parameter, and"
            f" {task.objective.metric}; {SECONDS} and {FAILED} if they are known"
        )
    rows = tuple(
        _row(line, task, where=f"--table {path}, line {number}")
        for number, line in enumerate(lines, start=2)
    )
    if not any(row.value is not None for row in rows):
        raise StudyError(f"--table {path} has no row with a value of {task.objective.metric}")
    return Table(task, rows, task.space.encode([row.configuration for row in rows]))


def _row(line: Mapping[str, str | None], task: Task, *, where: str) -> Row:
    cells = {name: (text or "").strip() for name, text in line.items() if name}
    given = {p.name: _value(p, cells[p.name], where) for p in task.space.parameters
             if cells.get(p.name)}  # fmt: skip
    configuration = task.space.canonical(given)
    faults = task.space.check(configuration)
    if faults:
        raise StudyError(f"{where}: {'; '.join(map(str, faults))}")
    failed = cells.get(FAILED, "").lower()
    if failed not in (*TRUE, *FALSE):
        raise StudyError(f"{where}: {FAILED} is {failed!r}; write 0 or 1")
    seconds = _number(cells[SECONDS], SECONDS, where) if cells.get(SECONDS) else None
    if seconds is not None and seconds < 0:
        raise StudyError(f"{where}: {SECONDS} is {seconds:g}; it must be 0 or more")
    metric = task.objective.metric
    value = None if failed in TRUE else _number(cells[metric], metric, where)
    return Row(configuration, value, seconds)


def _value(parameter: Parameter, text: str, where: str) -> Scalar:
    match parameter:
        case Choice(options=known) | Ordinal(levels=known):
            found = [one for one in known if _said(one) == text.lower() or _same(one, text)]
            return found[0] if found else text
        case Int():
            return int(_number(text, parameter.name, where))
        case _:
            return _number(text, parameter.name, where)


def _said(value: Scalar) -> str:
    return ("" if value is None else str(value)).lower()


def _same(value: Scalar, text: str) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return float(text) == float(value)
    except ValueError:
        return False


def _number(text: str, name: str, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise StudyError(f"{where}: {name} is {text!r}, and no finite number")
    return number
