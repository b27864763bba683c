"""Points of a run's curve, as a shell's words, a file or standard input have them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from trialwright.errors import StudyError

Point = tuple[float, Mapping[str, float]]
"""A step with its metrics."""

STDIN = Path("-")


def points(words: Sequence[str], file: Path | None) -> tuple[Point, ...]:
    """Read `step=3 loss=0.5` words, and a file of JSON lines; `-` is standard input.

    Raises:
        StudyError: a point has no step, or no numbers; the file can't be read.
    """
    return (*map(_of_words, words), *(_of_file(file) if file is not None else ()))


def _of_words(text: str) -> Point:
    said = dict(pair.partition("=")[::2] for pair in text.replace(",", " ").split())
    where = f"--point {text!r}"
    return _point(said, where=where)


def _of_file(file: Path) -> Iterator[Point]:
    try:
        text = sys.stdin.read() if file == STDIN else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise StudyError(f"{file} can't be read as points: {fault}") from None
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        where = f"line {number} of {'standard input' if file == STDIN else file}"
        try:
            said = json.loads(line)
        except json.JSONDecodeError as fault:
            raise StudyError(f"{where} is not JSON: {fault}") from None
        if not isinstance(said, dict):
            raise StudyError(f'{where} is no point: write {{"step": 3, "loss": 0.25}}')
        inner = said.pop("metrics", {})
        yield _point({**said, **(inner if isinstance(inner, dict) else {})}, where=where)


def _point(said: Mapping[str, object], *, where: str) -> Point:
    if "step" not in said or len(said) == 1:
        raise StudyError(f"{where} is no point: it has a step and a metric, as in step=3 loss=0.25")
    numbers = {name: _number(name, value, where) for name, value in said.items()}
    return numbers.pop("step"), numbers


def _number(name: str, value: object, where: str) -> float:
    try:
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return float(value)
    except ValueError:
        pass
    raise StudyError(f"{name} in {where} is not a number: {value!r}")
