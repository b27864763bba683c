"""Which column of a log is what: by the user's word, by its name, else by what stands in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trialwright.campaigns.cells import reading
from trialwright.campaigns.given import Given
from trialwright.campaigns.sheet import Refused, Sheet
from trialwright.campaigns.vocabulary import (
    ASIDE,
    MEMORY,
    METRICS,
    NO,
    ROLES,
    TEST,
    TRAIN,
    VALIDATION,
    YES,
    Role,
    direction_of,
    normal,
    status_of,
    tokens,
)

_COMMIT = re.compile(r"[0-9a-f]{6,40}", re.IGNORECASE)
UNNAMED = re.compile(r"column \d+")
"""A column whose header is empty: the index that a data frame writes."""
SETTING = re.compile(r"(?:config|params?|parameters|hparams|hyperparameters)[/._](?=\w)")
"""How columns begin that are settings, in tables of tuners."""
MOST = 0.6
"""Part of a column's cells that have to look alike for their looks to say what it is."""
SURELY = 2
"""The first names of a description, which is one whatever stands in it."""
SHOWN = 12
"""Columns that a message names."""


@dataclass(slots=True)
class Columns:
    """The columns by what they are for."""

    roles: dict[Role, str] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    """Columns of numbers that could be the metric as well."""

    @property
    def taken(self) -> frozenset[str]:
        """Every column that has a role."""
        return frozenset(self.roles.values())


def columns_of(sheet: Sheet, given: Given) -> Columns:
    """Say what each column is for.

    Raises:
        Refused: none can be the metric, or nothing shows that the rows are experiments.
    """
    found = Columns()
    for role, name in given.columns.items():
        found.roles[role] = _wished(sheet, name, role)
    for role, name in sheet.roles.items():
        if name not in found.taken:
            found.roles.setdefault(role, name)
    _by_name(sheet, found)
    if "status" not in found.roles:
        _status_by_looks(sheet, found)
    if sheet.headless:
        _by_looks(sheet, found)
    if "metric" not in found.roles:
        _metric(sheet, found)
    known = {"status", "description", "commit"} & set(found.roles)
    if "status" not in found.roles and len(known) < 2 and "metric" not in given.columns:
        raise Refused(
            f"no column of {_few(sheet)} says what was kept; map it, as in"
            " --map status=COLUMN --map metric=COLUMN"
        )
    return found


def _wished(sheet: Sheet, name: str, role: Role) -> str:
    if name in sheet.columns:
        return name
    alike = [column for column in sheet.columns if normal(column) == normal(name)]
    if len(alike) == 1:
        return alike[0]
    if name.isdecimal() and 1 <= int(name) <= len(sheet.columns):
        return sheet.columns[int(name) - 1]
    raise Refused(f"it has no column {name!r} for {role}, but {_few(sheet)}")


def _few(sheet: Sheet) -> str:
    more = len(sheet.columns) - SHOWN
    return ", ".join(sheet.columns[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def cells(sheet: Sheet, column: str) -> list[str]:
    """Return what stands in a column, row by row, empty cells left out."""
    return [cell for row in sheet.rows if (cell := row.cells.get(column, "").strip())]


def _share(sheet: Sheet, column: str, looks: re.Pattern[str]) -> float:
    found = cells(sheet, column)
    return sum(bool(looks.fullmatch(cell)) for cell in found) / max(1, len(found))


def _numeric(sheet: Sheet, column: str) -> float:
    """The part of the cells that are numbers, among those that are not words for none."""
    read = [reading(cell) for cell in cells(sheet, column)]
    some = [one for one in read if one is None or one.value is not None]
    return sum(one is not None for one in some) / len(some) if some else 0.0


def _by_name(sheet: Sheet, found: Columns) -> None:
    # A nested key is known by its last part, a whole name goes before it.
    for column in sheet.columns:
        if "memory" not in found.roles and MEMORY.fullmatch(_last(column)):
            found.roles["memory"] = column
    for role, names in ROLES.items():
        if role in found.roles:
            continue
        free = [column for column in sheet.columns if column not in found.taken]
        places = [(names.index(said), column) for column in free if (said := _said(column, names))]
        for _, column in sorted(places, key=lambda place: place[0]):
            if _fits(sheet, column, role):
                found.roles[role] = column
                break


def _last(column: str) -> str:
    return normal(column.rsplit(".", 1)[-1])


def _said(column: str, names: Sequence[str]) -> str:
    return next((said for said in (normal(column), _last(column)) if said in names), "")


def _fits(sheet: Sheet, column: str, role: Role) -> bool:
    """Say whether what stands in a column can be what its name promises."""
    if not cells(sheet, column):
        return role != "number"
    numeric = _numeric(sheet, column)
    match role:
        case "number":
            fits = _share(sheet, column, re.compile(r"\D{0,12}\d+\D{0,12}")) >= MOST
        case "status":
            fits = numeric < 0.5 or _answers(sheet, column)
        case "description":
            fits = numeric < 0.5 or _last(column) in ROLES["description"][:SURELY]
        case "category" | "agent":
            fits = numeric < 0.5
        case "seconds" | "seed":
            fits = numeric >= MOST
        case _:
            fits = True
    return fits


def _answers(sheet: Sheet, column: str) -> bool:
    return {cell.casefold() for cell in cells(sheet, column)} <= YES | NO


def _status_by_looks(sheet: Sheet, found: Columns) -> None:
    """Find the status where no name tells it: most of its words are such as keep and discard."""
    free = [column for column in sheet.columns if column not in found.taken]
    shares = {column: _statuses(sheet, column) for column in free}
    best = max(free, key=lambda column: shares[column], default="")
    if best and shares[best] >= MOST:
        found.roles["status"] = best


def _by_looks(sheet: Sheet, found: Columns) -> None:
    """Find commit and description where no header names them.

    Raises:
        Refused: no column holds words such as keep and discard.
    """
    if not {"status", "metric"} & set(found.roles):
        raise Refused(
            "no line names columns as such logs call them, and no column holds words such as"
            " keep and discard"
        )
    free = [column for column in sheet.columns if column not in found.taken]
    if "commit" not in found.roles:
        commits = [column for column in free if _share(sheet, column, _COMMIT) >= MOST]
        commits = [column for column in commits if _numeric(sheet, column) < 0.9]
        if commits:
            found.roles["commit"] = commits[0]
            free.remove(commits[0])
    words = [column for column in free if cells(sheet, column) and _numeric(sheet, column) < 0.5]
    if "description" not in found.roles and words:
        found.roles["description"] = words[-1]


def _statuses(sheet: Sheet, column: str) -> float:
    found = cells(sheet, column)
    return sum(status_of(cell) != "other" for cell in found) / max(1, len(found))


def _metric(sheet: Sheet, found: Columns) -> None:
    """Choose the column that the experiments are about.

    Raises:
        Refused: there is no column of numbers.
    """
    free = [
        column for column in sheet.columns
        if column not in found.taken and not (UNNAMED.fullmatch(column) or SETTING.match(column))
    ]  # fmt: skip
    numbers = [c for c in free if _numeric(sheet, c) >= 0.5 or (_sounds(c) and _silent(sheet, c))]
    free = numbers or [column for column in free if _sounds(column)]
    if not free:
        raise Refused(f"no column of {_few(sheet)} holds numbers to go by")
    if sheet.headless:
        ranked = free
    else:
        primary = normal(sheet.hints.get("primary_metric", ""))
        ranked = sorted(free, key=lambda column: _rank(column, primary))
    found.roles["metric"] = ranked[0]
    best = _rank(ranked[0], "")
    found.also = tuple(column for column in ranked[1:] if _rank(column, "") <= best)
    if sheet.headless and len(ranked) > 1 and "memory" not in found.roles and len(ranked) == 2:
        found.roles["memory"] = ranked[1]
        found.also = ()


def _silent(sheet: Sheet, column: str) -> bool:
    """Whether a column holds nothing but words for none."""
    read = [reading(cell) for cell in cells(sheet, column)]
    return all(one is not None and one.value is None for one in read)


def _sounds(column: str) -> bool:
    """Whether a name is one of a measure of quality."""
    quality = direction_of(column) is not None or bool(VALIDATION & set(tokens(column)))
    return quality or _last(column) in METRICS


def _rank(column: str, primary: str) -> int:
    """How surely a column is what a campaign is about, by its name; the lower, the surer."""
    words = set(tokens(column))
    quality = direction_of(column) is not None
    kinds = (
        bool(primary) and _last(column) == primary,
        _last(column) in METRICS,
        quality and bool(words & VALIDATION),
        bool(words & VALIDATION),
        bool(words & (TEST | TRAIN)),
        quality,
        not words & ASIDE,
    )
    order = (0, 1, 2, 4, 6, 3, 5)
    return next((rank for kind, rank in zip(kinds, order, strict=True) if kind), 7)


def hints(rows: Sequence[Mapping[str, str]], wanted: Sequence[str]) -> dict[str, str]:
    """Return what all rows say alike below some of the keys, by their last part, and where."""
    found: dict[str, str] = {}
    for column in dict.fromkeys(column for row in rows for column in row):
        if _last(column) not in wanted:
            continue
        values = {row[column] for row in rows if row.get(column)}
        if len(values) == 1:
            found.setdefault(column, values.pop())
    return found
