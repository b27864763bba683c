"""From a log taken apart to a campaign: what rows mean, what is malformed, which way is better."""

from __future__ import annotations

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise

from trialwright.campaigns.campaign import Campaign, Experiment, Malformed, Status
from trialwright.campaigns.cells import named, reading
from trialwright.campaigns.columns import SETTING, Columns, columns_of
from trialwright.campaigns.given import Given
from trialwright.campaigns.sheet import Refused, Row, Sheet, malformed, spans
from trialwright.campaigns.vocabulary import (
    NEVER_ZERO,
    Role,
    direction_of,
    normal,
    status_of,
    tokens,
    words,
)
from trialwright.expression import Scalar
from trialwright.task import Direction

_ZERO = re.compile(r"[+-]?0+(\.0*)?")
_SENTINEL = re.compile(r"[+-]?(?:9{3,}(?:\.[09]*)?|10{6,}(?:\.0*)?|1(?:\.0*)?e\+?0*[6-9]\d*)")
_NONE = words("none null - -- n/a na nan")
ROW: tuple[Role, ...] = ("commit", "metric", "memory", "status", "description")
"""The columns of autoresearch's format, in its order."""
FORMAT = frozenset(ROW)
SURE, STEPS = 0.9, 5
"""So many of so many steps between kept results have to go one way to overrule a metric's name."""
ENOUGH = 4
"""Discarded results before they speak against a direction."""


@dataclass(frozen=True, slots=True)
class Read:
    """A row that was read, and how its metric is spelt."""

    row: Row
    experiment: Experiment
    spelt: str


def assemble(sheet: Sheet, *, name: str, given: Given) -> Campaign:
    """Make a campaign of a log taken apart.

    Raises:
        Refused: its columns make no sense, or none of its rows is an experiment.
    """
    columns = columns_of(sheet, given)
    metric = columns.roles["metric"]
    reader = _Reader(columns, given, metric, sheet.words)
    taken: list[Read] = []
    broken: list[Malformed] = list(sheet.malformed)
    for row in sheet.rows:
        outcome = reader.read(row, number=len(taken) + 1)
        if isinstance(outcome, Malformed):
            broken.append(outcome)
        else:
            taken.append(outcome)
    if not taken and broken:
        raise Refused(_none_readable(broken))
    taken = _without_stand_ins(taken, metric, given)
    experiments = tuple(one.experiment for one in taken)
    direction, source, doubt = _direction(sheet, metric, experiments, given)
    return Campaign(
        name=name,
        metric="metric" if sheet.headless and metric.isdecimal() else metric,
        direction=direction,
        direction_from=source,
        experiments=experiments,
        malformed=tuple(sorted(broken, key=lambda one: one.line)),
        dialect=_dialect(sheet, columns),
        why=(*sheet.why, _told(columns)),
        notes=(*sheet.notes, *doubt, *_notes(columns, experiments)),
    )


def _dialect(sheet: Sheet, columns: Columns) -> str:
    """The dialect's name; autoresearch's own is known by its five columns."""
    if sheet.dialect != "tabs" or sheet.headless or not set(columns.roles) >= FORMAT:
        return sheet.dialect
    own = tuple(columns.roles[role] for role in ROW) == sheet.columns
    return "autoresearch" if own else "autoresearch with other columns"


def _none_readable(broken: Sequence[Malformed]) -> str:
    reasons = Counter(one.why for one in broken).most_common(3)
    return "no row is an experiment: " + "; ".join(f"{why} ({n})" for why, n in reasons)


def _told(columns: Columns) -> str:
    return ", ".join(f"{role} in {column!r}" for role, column in columns.roles.items())


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads rows under columns that are settled."""

    columns: Columns
    given: Given
    metric: str
    words: Mapping[str, Status]

    def read(self, row: Row, *, number: int) -> Read | Malformed:
        """Return the experiment that a row is, or why it is none."""
        word = self._cell(row, "status")
        status = self._status(word)
        spelt = self._cell(row, "metric")
        found = reading(spelt)
        if row.doubtful and not self._sound(status, word, found is not None):
            return malformed(row.line, row.text, row.doubtful)
        if found is None and status != "crash":
            return malformed(row.line, row.text, f"no number under {self.metric!r}")
        if _is_number(word) and status == "other":
            return malformed(row.line, row.text, "a number where the status should be")
        if not word and found is not None and found.value is None:
            return malformed(row.line, row.text, "neither a result nor a status")
        value = found.value if found else None
        repairs = [*row.repairs, *([found.repair] if found and found.repair else [])]
        description = self._cell(row, "description")
        if value is None and status == "keep" and spelt not in self.given.missing:
            value = named(self.metric, description)
            if value is not None:
                repairs.append(f"{self.metric} taken from the description: {value:g}")
        numbers, texts = self._others(row)
        settings = self._settings(row)
        experiment = Experiment(
            number=number,
            line=row.line,
            metric=value,
            status=status,
            word=word or status,
            commit=_nothing(self._cell(row, "commit")),
            memory_gb=self._memory(row),
            description=description,
            label=self._cell(row, "number"),
            category=self._cell(row, "category") or None,
            agent=self._cell(row, "agent") or None,
            task=self._cell(row, "task") or None,
            configuration=settings if row.configuration is None else row.configuration,
            at=_moment(self._cell(row, "at")),
            seconds=self._seconds(row),
            seed=_whole(self._cell(row, "seed")),
            curve=row.curves.get(self.metric.removeprefix("summary."), ()),
            repaired=tuple(repairs),
            metrics=numbers,
            extra=texts,
        )
        return Read(row, experiment, spelt)

    def _cell(self, row: Row, role: Role) -> str:
        return row.cells.get(self.columns.roles.get(role, ""), "").strip()

    def _status(self, word: str) -> Status:
        plain = word.casefold()
        said = self.given.words.get(plain) or self.words.get(plain)
        return said or status_of(word, column=self.columns.roles.get("status", ""))

    def _sound(self, status: Status, word: str, has_metric: bool) -> bool:  # noqa: FBT001
        """Whether a row of the wrong width makes sense as it was put together."""
        has_status = status != "other" if "status" in self.columns.roles else not word
        return has_status and (has_metric or status == "crash")

    def _memory(self, row: Row) -> float | None:
        """In GB; zero is what crashes have, and no process takes none."""
        column, cell = self.columns.roles.get("memory", ""), self._cell(row, "memory")
        found = reading(cell)
        if found is None or not found.value or found.value < 0:
            return None
        unit = normal(f"{column} {re.sub(r'[^A-Za-z]', '', cell)}").split("_")
        return found.value / 1024 if {"mb", "mib"} & set(unit) else found.value

    def _seconds(self, row: Row) -> float | None:
        found = reading(self._cell(row, "seconds"))
        if found is None or found.value is None or found.value < 0:
            return None
        minutes = {"min", "minutes"} & set(tokens(self.columns.roles["seconds"].rsplit(".")[-1]))
        return found.value * 60 if minutes else found.value

    def _settings(self, row: Row) -> dict[str, Scalar] | None:
        """The settings of a table that has a column for each: `params_lr`, `config/lr`."""
        found: dict[str, Scalar] = {}
        for column, cell in row.cells.items():
            if _is_setting(column) and column not in self.columns.taken and cell.strip():
                number = reading(cell)
                plain = number is not None and not number.repair
                value = number.value if plain and number is not None else None
                found[SETTING.sub("", column, count=1)] = cell.strip() if value is None else value
        return found or None

    def _others(self, row: Row) -> tuple[dict[str, float], dict[str, str]]:
        numbers: dict[str, float] = {}
        texts: dict[str, str] = {}
        for column, cell in row.cells.items():
            if column in self.columns.taken or not cell.strip() or _is_setting(column):
                continue
            found = reading(cell)
            if found is not None and found.value is not None and not found.repair:
                numbers[column] = found.value
            elif found is None or found.repair:
                texts[column] = cell.strip()
        return numbers, texts


def _is_setting(column: str) -> bool:
    return SETTING.match(column) is not None


def _is_number(cell: str) -> bool:
    found = reading(cell)
    return found is not None and found.value is not None


def _nothing(cell: str) -> str:
    return "" if cell.casefold() in _NONE else cell


def _whole(cell: str) -> int | None:
    found = reading(cell)
    whole = found is not None and found.value is not None and found.value.is_integer()
    return int(found.value) if whole and found and found.value is not None else None


def _moment(cell: str) -> float | None:
    """A time as seconds since the epoch: ISO 8601, or the seconds or milliseconds themselves."""
    found = reading(cell)
    if found is not None:
        value = found.value
        if value is None or not 1e8 < value < 1e14:
            return None
        return value / 1000 if value > 1e11 else value
    try:
        moment = datetime.fromisoformat(cell)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _without_stand_ins(taken: Sequence[Read], metric: str, given: Given) -> list[Read]:
    """Take away numbers that stand for no result: zeros as crashes have them, 999 and its like."""
    crashed = [one for one in taken if one.experiment.status == "crash"]
    zeros = {one.spelt for one in crashed if _ZERO.fullmatch(one.spelt)}
    never = bool(NEVER_ZERO & set(tokens(metric)))
    often = Counter(one.spelt for one in taken if _SENTINEL.fullmatch(one.spelt))
    sentinels = {spelt for spelt, times in often.items() if times > 1} | given.missing
    found = []
    for one in taken:
        zero = one.spelt in zeros or (never and "." in one.spelt and _ZERO.fullmatch(one.spelt))
        if not zero and one.spelt not in sentinels:
            found.append(one)
            continue
        experiment = replace(one.experiment, metric=None)
        if one.experiment.status != "crash" and one.spelt not in given.missing:
            repair = f"{metric} {one.spelt} taken for no result"
            experiment = replace(experiment, repaired=(*experiment.repaired, repair))
        found.append(replace(one, experiment=experiment))
    return found


def _direction(
    sheet: Sheet, metric: str, experiments: Sequence[Experiment], given: Given
) -> tuple[Direction | None, str, tuple[str, ...]]:
    """Which way is better, how that is known, and what speaks against it."""
    if given.direction is not None:
        return given.direction, "given", ()
    if sheet.direction is not None:
        return *sheet.direction, ()
    lower, steps = _steps(experiments)
    behaviour: Direction = "minimize" if lower * 2 > steps else "maximize"
    part = max(lower, steps - lower)
    word = "below" if behaviour == "minimize" else "above"
    seen = f"{part} of {steps} kept results are {word} the one kept before"
    by_name = direction_of(metric)
    if by_name is not None:
        sure = steps >= STEPS and part >= SURE * steps
        if by_name == behaviour or not sure:
            return by_name, f"{metric} says so by its name", _contradicted(experiments, by_name)
        note = f"{metric} sounds like something to {by_name}, but {seen}: taken to {behaviour}"
        return behaviour, seen, (note,)
    if steps >= 2 and part >= 0.75 * steps:
        return behaviour, seen, ()
    why = f"nothing says which way {metric} is better: --map direction=minimize or maximize does"
    return None, "", (why,) if experiments else ()


def _contradicted(experiments: Sequence[Experiment], direction: Direction) -> tuple[str, ...]:
    """A note, if most of what was discarded is better than the best that was kept before it."""
    sign = 1.0 if direction == "minimize" else -1.0
    kept, better, discarded = math.inf, 0, 0
    for one in experiments:
        if one.metric is None:
            continue
        if one.status == "keep":
            kept = min(kept, sign * one.metric)
        elif one.status == "discard" and kept < math.inf:
            discarded += 1
            better += sign * one.metric < kept
    if discarded < ENOUGH or better * 2 <= discarded:
        return ()
    other = "maximize" if direction == "minimize" else "minimize"
    return (
        f"{better} of {discarded} discarded results are better than the best kept before, if the"
        f" metric is to {direction}: --map direction={other}, if it is not",
    )


def _steps(experiments: Sequence[Experiment]) -> tuple[int, int]:
    """How many kept results are below the one kept before, and of how many that differ."""
    values = [one.metric for one in experiments if one.status == "keep" and one.metric is not None]
    pairs = [(a, b) for a, b in pairwise(values) if a != b]
    return sum(b < a for a, b in pairs), len(pairs)


def _notes(columns: Columns, experiments: Sequence[Experiment]) -> list[str]:
    notes = []
    if "status" not in columns.roles:
        notes.append("no column says what was kept: --map status=COLUMN, if one does")
    if columns.also:
        chosen = columns.roles["metric"]
        notes.append(
            f"{chosen!r} was taken as the metric; also numbers: {', '.join(columns.also)}"
            " (--map metric=COLUMN)"
        )
    lines = defaultdict(list)
    for one in experiments:
        if one.label:
            lines[one.label].append(one.line)
    twice = {label: where for label, where in lines.items() if len(where) > 1}
    if twice and len(twice) <= len(lines) / 10:
        told = [f"{label} (lines {spans(where)})" for label, where in list(twice.items())[:5]]
        notes.append(f"the log's own numbers of experiments are there twice: {', '.join(told)}")
    return notes


def flattened(value: object, *, prefix: str = "") -> dict[str, Scalar]:
    """Return a JSON object with its nested keys joined by dots; lists become JSON.

    >>> flattened({"a": {"b": 1, "c": [1, 2]}})
    {'a.b': 1, 'a.c': '[1, 2]'}
    """
    if not isinstance(value, dict):
        plain = value is None or isinstance(value, bool | int | float | str)
        return {prefix: value if plain else json.dumps(value, ensure_ascii=False)}  # type: ignore[dict-item]  # a scalar, by `plain`
    found: dict[str, Scalar] = {}
    for key, inner in value.items():
        found |= flattened(inner, prefix=f"{prefix}.{key}" if prefix else str(key))
    return found
