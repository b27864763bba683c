"""The tunable literals of a script: found, named, given domains; and set, the rest left as it is.

Read by the standard library's parser, and written by replacing exactly the literal's own text: so
formatting, comments and the style of numbers stay, and setting present values changes nothing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from trialwright.code.compared import compared
from trialwright.code.domains import domain_of
from trialwright.code.spots import Kind, Spot, spots
from trialwright.code.written import written
from trialwright.errors import InvalidConfiguration
from trialwright.expression import Scalar
from trialwright.knowledge import concept_of, family_of
from trialwright.space import Parameter

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Literal:
    """A literal with a name, in one file."""

    name: str
    """Stable while the code around it stays: `train.py:build.AdamW(lr)`."""
    file: str
    value: Scalar
    kind: Kind
    line: int
    column: int
    """From 0, in bytes of UTF-8, as the parser counts."""
    context: str
    """What it is an argument of, or the class or parser that it belongs to; else ''."""
    parameter: str
    """Its name in a space: dotted, the last part being what the knowledge base is asked for."""
    domain: Parameter | None
    """None where it should not be tuned."""
    why: str
    """Where the domain is from, or why there is none."""


def literals(source: str, file: str, *, family: str | None = None) -> list[Literal]:
    r"""Return every literal that has a name, in the order of the text.

    Raises:
        SyntaxError: the source is no Python.

    >>> [(l.name, l.value, l.domain is not None) for l in literals("LR = 1e-3\nSEED = 1", "t.py")]
    [('t.py:LR', 0.001, True), ('t.py:SEED', 1, False)]
    """
    tree = parse(source)
    kind = family or family_of(source)
    options = compared(tree)
    found: list[Literal] = []
    taken: set[str] = set()
    for spot in spots(tree):
        parameter = _unique(_parameter(spot, file, family=kind), taken)
        compared_with = options.get(spot.name, ())
        domain, why = domain_of(spot, parameter=parameter, family=kind, compared=compared_with)
        found.append(_literal(spot, file, parameter=parameter, domain=domain, why=why))
    return found


def tunable(found: list[Literal]) -> list[Literal]:
    """Return those that have a domain."""
    return [literal for literal in found if literal.domain is not None]


def set_literals(source: str, values: Mapping[str, Scalar]) -> str:
    """Write values by the literals' names, and nothing else; equal values leave the text alone.

    Names are taken with or without the file before the colon.

    Raises:
        InvalidConfiguration: a name that the source does not have.
        SyntaxError: the source is no Python.

    >>> set_literals("LR = 1e-3  # tuned", {"t.py:LR": 5e-4})
    'LR = 5e-4  # tuned'
    """
    wanted = {name.rpartition(":")[2] if ":" in name else name: v for name, v in values.items()}
    places = {spot.path: spot for spot in spots(parse(source))}
    unknown = [f"{name} is no literal of this source" for name in wanted if name not in places]
    if unknown:
        raise InvalidConfiguration(tuple(unknown))
    lines = _LINE.findall(source)
    starts = _starts(lines)
    edits = []
    for path, value in wanted.items():
        spot = places[path]
        if not _equal(spot.value, value):
            edits.append((*_span(spot.node, lines, starts), _typed(value, spot.value)))
    for start, end, value in sorted(edits, key=lambda edit: edit[0], reverse=True):
        source = source[:start] + written(value, like=source[start:end]) + source[end:]
    return source


def parse(source: str) -> ast.Module:
    """Return the syntax tree, a byte order mark left out of account.

    Raises:
        SyntaxError: the source is no Python.
    """
    try:
        return ast.parse(source.removeprefix("\ufeff"))
    except (ValueError, RecursionError, MemoryError) as error:
        raise SyntaxError(str(error)) from error


def _literal(
    spot: Spot, file: str, *, parameter: str, domain: Parameter | None, why: str
) -> Literal:
    return Literal(
        name=f"{file}:{spot.path}",
        file=file,
        value=spot.value,
        kind=spot.kind,
        line=spot.node.lineno,
        column=spot.node.col_offset,
        context=spot.context,
        parameter=parameter,
        domain=domain,
        why=why,
    )


def _parameter(spot: Spot, file: str, *, family: str | None) -> str:
    """A legal name of a parameter; the last part says what it means to the knowledge base."""
    stem = PurePosixPath(file).with_suffix("")
    parts = [re.sub(r"\W", "_", part) for part in stem.parts if part not in ("/", ".", "..")]
    parts += [part for part in re.split(r"[^\w-]+", spot.path) if part.strip("-")]
    parts = [part.strip("-") for part in parts]
    meaning = "dropout" if spot.name == "p" and "ropout" in spot.context else spot.name
    if concept_of(meaning, family=family) != concept_of(parts[-1], family=family):
        parts.append(re.sub(r"[^\w-]", "_", meaning))
    text = ".".join(parts)
    return text if text[0].isalpha() or text[0] == "_" else f"_{text}"


def _unique(parameter: str, taken: set[str]) -> str:
    """A class's field and an argument of its call have one dotted name: the later is numbered."""
    before, _, last = parameter.rpartition(".")
    name, count = parameter, 1
    while name in taken:
        count += 1
        name = f"{before}.{count}.{last}"
    taken.add(name)
    return name


def _equal(present: Scalar, wanted: Scalar) -> bool:
    if isinstance(present, bool) or isinstance(wanted, bool):
        return present is wanted
    return present == wanted


def _typed(value: Scalar, present: Scalar) -> Scalar:
    """Keep a number with a point where one stood."""
    if isinstance(present, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def _starts(lines: list[str]) -> list[int]:
    starts, position = [], 0
    for line in lines:
        starts.append(position)
        position += len(line)
    return starts


def _span(node: ast.expr, lines: list[str], starts: list[int]) -> tuple[int, int]:
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    start = _position(node.lineno, node.col_offset, lines, starts)
    return start, _position(node.end_lineno, node.end_col_offset, lines, starts)


def _position(line: int, byte: int, lines: list[str], starts: list[int]) -> int:
    """The place in the text; the parser counts bytes of UTF-8, and no byte order mark."""
    text = lines[line - 1]
    mark = int(line == 1 and text.startswith("\ufeff"))
    return starts[line - 1] + mark + len(text[mark:].encode()[:byte].decode())
