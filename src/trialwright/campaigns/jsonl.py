"""Logs of JSON: an object per line, or a list of objects; nested keys become columns with dots."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from trialwright.campaigns.assemble import flattened
from trialwright.campaigns.columns import hints
from trialwright.campaigns.sheet import Refused, Row, Sheet, malformed
from trialwright.campaigns.vocabulary import ordered
from trialwright.expression import Scalar
from trialwright.task import Direction

CONFIGURATIONS = ordered("config configuration params parameters hyperparameters hparams settings")
SEEDS = ("seed", "random_seed")
_HINTS = (
    "higher_is_better",
    "lower_is_better",
    "maximize",
    "minimize",
    "direction",
    "primary_metric",
)
_TRUE: dict[str, Direction] = {
    "higher_is_better": "maximize",
    "maximize": "maximize",
    "lower_is_better": "minimize",
    "minimize": "minimize",
}


def json_lines(text: str) -> Sheet:
    """Take a text with an object per line apart.

    Raises:
        Refused: most of its lines are none.
    """
    found = Sheet("JSON lines", ())
    lines = [(n, line.strip()) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    for number, line in lines:
        try:
            value = json.loads(line)
        except ValueError:
            cut = number == lines[-1][0] and line.startswith("{")
            why = "cut off: the JSON does not end" if cut else "no JSON"
            found.malformed.append(malformed(number, line, why))
            continue
        _take(found, number, line, value)
    _check(found, len(lines), f"{len(found.rows)} of {len(lines)} lines are JSON objects")
    return found


def json_document(text: str) -> Sheet:
    """Take a JSON list of objects apart, or an object that holds one.

    Raises:
        Refused: it is none.
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        raise Refused(f"no JSON: {error}") from None
    place = ""
    if isinstance(value, dict):
        place = longest(value)
        if not place:
            raise Refused("a JSON object that holds no list")
        value = value[place]
    if not isinstance(value, list):
        raise Refused("JSON, but no list")
    found = Sheet("a JSON list", ())
    for number, one in enumerate(value, 1):
        _take(found, number, json.dumps(one, ensure_ascii=False), one)
    where = f" in {place!r}" if place else ""
    _check(found, len(value), f"{len(found.rows)} of {len(value)} entries{where} are objects")
    return found


def longest(value: Mapping[str, object]) -> str:
    """Return the key of the longest list in an object; '' if it holds none."""
    lists = {key: inner for key, inner in value.items() if isinstance(inner, list)}
    return max(lists, key=lambda key: len(lists[key]), default="")


def objects(value: object) -> list[object] | None:
    """Return a JSON list, or the longest that an object holds; None if there is none."""
    if isinstance(value, dict):
        value = value.get(longest(value))
    return value if isinstance(value, list) else None


def _take(found: Sheet, number: int, text: str, value: object) -> None:
    if not isinstance(value, dict):
        found.malformed.append(malformed(number, text, "JSON, but no object"))
        return
    if "op_code" in value and "worker_id" in value:
        raise Refused("it is the journal of an Optuna storage")
    configuration = _configuration(value)
    cells = dict(_cells(value))
    found.rows.append(Row(number, text, cells, configuration))


def _check(found: Sheet, entries: int, seen: str) -> None:
    if not found.rows or len(found.rows) * 2 < entries:
        raise Refused(seen)
    found.why = [seen]
    found.columns = tuple(dict.fromkeys(column for row in found.rows for column in row.cells))
    everything = [{**row.cells, **_texts(row.configuration or {})} for row in found.rows]
    said = hints(everything, _HINTS)
    found.hints = {column.rsplit(".", 1)[-1]: value for column, value in said.items()}
    for column, value in said.items():
        direction = _said(column.rsplit(".", 1)[-1], value)
        if direction is not None:
            found.direction = direction, f"the log says {column}: {value}"
            break
    if primary := found.hints.get("primary_metric"):
        found.notes.append(f"the log names {primary} as its primary metric")


def _said(key: str, value: str) -> Direction | None:
    if key == "direction":
        return "minimize" if value[:3] == "min" else "maximize" if value[:3] == "max" else None
    if key not in _TRUE or value not in ("true", "false"):
        return None
    said = _TRUE[key]
    return said if value == "true" else "minimize" if said == "maximize" else "maximize"


def _configuration(value: Mapping[str, object]) -> dict[str, Scalar] | None:
    for key in CONFIGURATIONS:
        inner = value.get(key)
        if isinstance(inner, dict):
            return flattened(inner)
    return None


def _cells(value: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """What is outside of the configuration, but for the seed, which some logs keep there."""
    for key, inner in value.items():
        if key in CONFIGURATIONS and isinstance(inner, dict):
            for seed in SEEDS:
                if seed in inner and seed not in value:
                    yield seed, _text(inner[seed])
            continue
        for name, scalar in flattened(inner, prefix=key).items():
            yield name, _text(scalar)


def _texts(configuration: Mapping[str, Scalar]) -> dict[str, str]:
    return {f"config.{name}": _text(scalar) for name, scalar in configuration.items()}


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return repr(value)
    return str(value)
