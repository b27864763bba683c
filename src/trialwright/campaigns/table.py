r"""Tables as agents write them: tabs, commas, bars or blanks; with and without a header.

Knows how lines come apart, not what their columns mean. `\t` written out, headers in mid-file,
Markdown's rules and the markers of a merge conflict are of this world too.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trialwright.campaigns.campaign import Malformed
from trialwright.campaigns.cells import reading
from trialwright.campaigns.sheet import Refused, Row, Sheet, malformed, spans
from trialwright.campaigns.vocabulary import MEMORY, ROLES, direction_of, normal

_CONFLICT = re.compile(r"(<{7}|={7}|>{7}|\|{7})( .*)?")
_RULE = re.compile(r"[\s|:+=*-]*")
_DESCRIBES = frozenset(ROLES["description"])
PREAMBLE = 40
"""Lines in which a header is looked for."""
LONGEST = 30
"""Lines that a quoted cell may have."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a text, numbered from 1."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Separator:
    """What stands between cells."""

    name: str
    mark: str
    split: Callable[[str], list[str]]


def _csv(mark: str) -> Callable[[str], list[str]]:
    def split(text: str) -> list[str]:
        return next(csv.reader([text], delimiter=mark, skipinitialspace=True), [])

    return split


def _tabs(text: str) -> list[str]:
    return [_unquoted(cell) for cell in text.split("\t")]


def _unquoted(cell: str) -> str:
    # Spreadsheets quote cells with quotes in them; agents write quotes as they are.
    whole = len(cell) > 1 and cell[0] == cell[-1] == '"'
    inner = cell[1:-1].replace('""', "")
    return cell[1:-1].replace('""', '"') if whole and '"' not in inner else cell


def _bars(text: str) -> list[str]:
    inner = text.strip().removeprefix("|").removesuffix("|")
    return [cell.replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", inner)]


SEPARATORS = (
    Separator("tabs", "\t", _tabs),
    Separator("a Markdown table", "|", _bars),
    Separator(r"\t written out", r"\t", lambda text: text.split(r"\t")),
    Separator("semicolons", ";", _csv(";")),
    Separator("commas", ",", _csv(",")),
    Separator("blanks, two or more", "  ", lambda text: re.split(r"\s{2,}", text.strip())),
    Separator("single blanks", " ", lambda text: text.split()),
)
"""In the order in which they are preferred."""


def sheet(text: str, separator: Separator, named: frozenset[str] = frozenset()) -> Sheet:
    """Take a text apart. `named` are columns that the user names: they show the header.

    Raises:
        Refused: it is not separated so, or nothing says what its columns are.
    """
    lines = [Line(n, line.rstrip("\r\n")) for n, line in enumerate(text.split("\n"), 1)]
    if separator.mark in ",;":
        lines = _joined(lines)
    content, notes, broken = _content(lines, separator)
    if not content:
        raise Refused(f"no line has {_mark(separator)}")
    if separator.mark.isspace() and separator.mark != "\t":
        tabbed = sum("\t" in line.text for line in content)
        if tabbed * 2 >= len(content):
            raise Refused(f"{tabbed} of {len(content)} lines have tabs")
    split = [(line, [cell.strip() for cell in separator.split(line.text)]) for line in content]
    place = next(
        (i for i, (_, cells) in enumerate(split[:PREAMBLE]) if is_header(cells, named)), None
    )
    found = Sheet(separator.name, (), malformed=broken, notes=notes)
    if place is None:
        _headless(found, split, separator)
    else:
        line, header = split[place]
        found.columns = _distinct(header)
        found.why = [f"{_mark(separator)} in line {line.number}, which names the columns:"]
        found.why[-1] += f" {', '.join(found.columns)}"
        early = "stands before the line that names the columns"
        found.malformed += [malformed(one.number, one.text, early) for one, _ in split[:place]]
        _read_rows(found, split[place + 1 :], separator)
    found.malformed.sort(key=lambda one: one.line)
    return found


def _mark(separator: Separator) -> str:
    marks = {"|": "bars", "  ": "blanks, two or more", " ": "blanks"}
    return marks.get(separator.mark, separator.name)


def _content(
    lines: Sequence[Line], separator: Separator
) -> tuple[list[Line], list[str], list[Malformed]]:
    """The lines that may be rows, notes on what was left out, and markers of conflicts."""
    content: list[Line] = []
    broken: list[Malformed] = []
    aside: list[int] = []
    side: set[str] | None = None
    second = False
    for line in lines:
        if not line.text.strip():
            continue
        if mark := _CONFLICT.fullmatch(line.text):
            broken.append(malformed(line.number, line.text, "marker of a merge conflict"))
            side = set() if mark[1][0] == "<" else None if mark[1][0] == ">" else side
            second = mark[1][0] == "="
        elif _is_aside(line.text, separator):
            aside.append(line.number)
        elif side is not None and second and line.text in side:
            broken.append(malformed(line.number, line.text, "stands on both sides of a conflict"))
        else:
            content.append(line)
            if side is not None:
                side.add(line.text)
    several = separator.split("a  b")
    if len(several) == 1 and not any(separator.mark in line.text for line in content):
        return [], [], []
    notes = [f"lines that are no rows were left out: {spans(aside)}"] if aside else []
    return content, notes, broken


def _joined(lines: Sequence[Line]) -> list[Line]:
    """Lines with a quoted cell that goes on, put together; quotes that never end stay."""
    found: list[Line] = []
    place = 0
    while place < len(lines):
        line, end = lines[place], place
        while line.text.count('"') % 2 and end + 1 < len(lines) and end - place < LONGEST:
            end += 1
            line = Line(line.number, f"{line.text} {lines[end].text}")
        closed = line.text.count('"') % 2 == 0
        found.append(line if closed else lines[place])
        place = end + 1 if closed else place + 1
    return found


def _is_aside(text: str, separator: Separator) -> bool:
    """Whether a line is a comment, a fence, a rule, or beside a Markdown table."""
    stripped = text.strip()
    if separator.mark == "|" and "|" not in stripped:
        return True
    comment = stripped.startswith("#") and not is_header(separator.split(text))
    comment = comment and not (separator.mark == "\t" and "\t" in stripped)
    return comment or stripped.startswith("```") or _RULE.fullmatch(stripped) is not None


def is_header(cells: Sequence[str], named: frozenset[str] = frozenset()) -> bool:
    """Say whether cells name columns: at least two as logs call them, and no number among them."""
    said = {normal(cell) for cell in cells}
    if len(cells) < 2 or any(_is_number(cell) for cell in cells):
        return False
    known = {role for role, names in ROLES.items() if said & set(names)}
    memory = any(MEMORY.fullmatch(name) for name in said)
    several = len(known) + memory >= 2 or (bool(known) and any(direction_of(n) for n in said))
    return several or bool(said & named)


def _is_number(cell: str) -> bool:
    found = reading(cell)
    return found is not None and found.value is not None


def _distinct(header: Sequence[str]) -> tuple[str, ...]:
    """Column names, of which none is there twice or empty."""
    seen: Counter[str] = Counter()
    names = []
    for place, cell in enumerate(header, 1):
        name = cell.strip("*`# ") or f"column {place}"
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(names)


def _headless(found: Sheet, split: Sequence[tuple[Line, list[str]]], separator: Separator) -> None:
    """Name columns by their places, from 1."""
    widths = Counter(len(cells) for _, cells in split)
    width, lines = widths.most_common(1)[0]
    if width < 3 or lines * 2 < len(split):
        raise Refused(
            f"separated by {_mark(separator)}, no line names columns as such logs call them, and"
            f" {lines} of {len(split)} lines have {width} cells"
        )
    found.headless = True
    found.columns = tuple(str(place) for place in range(1, width + 1))
    found.why = [f"{_mark(separator)}: {lines} of {len(split)} lines have {width} cells; no header"]
    _read_rows(found, split, separator)


def _read_rows(found: Sheet, split: Sequence[tuple[Line, list[str]]], separator: Separator) -> None:
    header = found.columns
    repeated: list[int] = []
    for line, cells in split:
        if not found.headless and tuple(map(normal, cells)) == tuple(map(normal, header)):
            repeated.append(line.number)
        elif not found.headless and is_header(cells):
            found.notes.append(f"from line {line.number} on other columns: {', '.join(cells)}")
            header = _distinct(cells)
            found.columns += tuple(name for name in header if name not in found.columns)
        else:
            found.rows.append(_row(line, cells, header, separator))
    if repeated:
        found.notes.append(f"the header stands again in: {spans(repeated)}")


def _row(line: Line, cells: list[str], header: Sequence[str], separator: Separator) -> Row:
    width = len(header)
    while len(cells) > width and not cells[-1]:
        cells = cells[:-1]
    if len(cells) == width:
        return Row(line.number, line.text, dict(zip(header, cells, strict=True)))
    doubtful = f"{len(cells)} fields where the header has {width}"
    if separator.mark not in line.text and (better := _otherwise(line, header)):
        other, cells = better
        repair = f"separated by {_mark(other)}, not by {_mark(separator)}"
    elif len(cells) > width and _ends_in_words(header):
        repair = f"{separator.name} in the last column taken as part of it"
        cells = _ended(cells, width, separator)
        if separator.mark == " ":
            doubtful, repair = "", ""
    else:
        repair = f"{doubtful}: the last ones taken as empty" if len(cells) < width else ""
        cells = [*cells, *[""] * (width - len(cells))]
    taken = dict(zip(header, cells, strict=False))
    repairs = (repair,) if repair else ()
    return Row(line.number, line.text, taken, repairs=repairs, doubtful=doubtful)


def _ends_in_words(header: Sequence[str]) -> bool:
    return normal(header[-1]) in _DESCRIBES or header[-1].isdecimal()


def _ended(cells: Sequence[str], width: int, separator: Separator) -> list[str]:
    """Cells of which the last one holds all that is too many."""
    glue = ", " if separator.mark == "," else " "
    return [*cells[: width - 1], glue.join(cells[width - 1 :])]


def _otherwise(line: Line, header: Sequence[str]) -> tuple[Separator, list[str]] | None:
    """The line's cells, if another separator gives as many as there are columns."""
    width = len(header)
    for separator in SEPARATORS:
        if separator.mark not in line.text:
            continue
        cells = [cell.strip() for cell in separator.split(line.text)]
        if len(cells) > width and _ends_in_words(header):
            cells = _ended(cells, width, separator)
        if len(cells) == width:
            return separator, cells
    return None
