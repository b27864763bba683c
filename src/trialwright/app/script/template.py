"""What a call prints: literal text with slots for values, from f-strings, `%`, `format`, `print`.

A template of a line becomes a regular expression for that line.
"""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trialwright.app.script.options import keywords
from trialwright.app.script.source import Source

DEEPEST = 6
"""Names and wrappers followed inward."""

VALUE = r"[-+.\w]*\w"
"""A number, `nan` and `inf` included; what else it may match is told apart when it is read."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for a value in a printed text."""

    value: ast.expr | None
    number: bool = False
    """Whether its format is one for numbers."""


Piece = str | Slot
Line = tuple[Piece, ...]

_PERCENT = re.compile(r"%(?:\(\w+\))?[-#0 +]*(?:\d+|\*)?(?:\.(?:\d+|\*))?([a-zA-Z%])")
_NUMERIC = re.compile(r"[.\d,+<>=^ -]*[bdeEfFgGn%]$")
_LOOK_THROUGH = ("style", "colored", "bold", "str", "Text", "dict", "pformat", "strip", "ljust")


def printed(source: Source, call: ast.Call) -> list[Line]:
    """Return the lines that a printing call writes, one per line of text."""
    separator = " "
    given = keywords(call)
    if "sep" in given:
        text = source.scalar(given["sep"])
        separator = text if isinstance(text, str) else " "
    pieces: list[Piece] = []
    for index, argument in enumerate(call.args):
        if index:
            pieces.append(separator)
        pieces += template(source, argument)
    return _lines(pieces)


def logged(source: Source, call: ast.Call) -> list[Line]:
    """Return the lines of a logging call, whose further arguments fill a `%` template."""
    if len(call.args) < 2:
        return printed(source, call)
    head = source.scalar(call.args[0])
    if isinstance(head, str) and "%" in head:
        return _lines(_percent(head, call.args[1:]))
    if isinstance(head, str) and "{" in head:  # loguru
        return _lines(_format(head, call.args[1:], keywords(call)))
    return printed(source, call)


def pairs(names: Sequence[tuple[str, ast.expr]], *, quote: str, colon: str) -> list[Line]:
    """Return the line that a mapping prints as."""
    pieces: list[Piece] = []
    for name, value in names:
        pieces += [f"{', ' if pieces else ''}{quote}{name}{quote}{colon}", Slot(value)]
    return [tuple(pieces)] if pieces else []


def template(source: Source, node: ast.expr, depth: int = 0) -> list[Piece]:  # noqa: PLR0911
    """Return the text that an expression prints as; a bare slot where that can't be told."""
    if depth > DEEPEST:
        return [Slot(node)]
    match node:
        case ast.Constant(value=str() as text):
            return [text]
        case ast.JoinedStr(values=values):
            return [piece for value in values for piece in template(source, value, depth + 1)]
        case ast.FormattedValue(value=value, format_spec=spec):
            form = source.text_of(spec) if spec is not None else ""
            return [Slot(value, number=bool(_NUMERIC.search(form.strip("'\""))))]
        case ast.BinOp(op=ast.Mod(), left=left, right=right):
            head = _literal(source, left)
            given = right.elts if isinstance(right, ast.Tuple) else [right]
            return _percent(head, given) if head is not None else [Slot(node)]
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            both = [template(source, side, depth + 1) for side in (left, right)]
            joined = [*both[0], *both[1]]
            return joined if any(isinstance(piece, str) for piece in joined) else [Slot(node)]
        case ast.Name(id=name) if name in source.assigned:
            inner = template(source, source.assigned[name], depth + 1)
            return inner if any(isinstance(piece, str) for piece in inner) else [Slot(node)]
        case ast.Dict():
            return _mapping(source, node, quote="'")
        case ast.Call():
            return _call(source, node, depth)
    return [Slot(node)]


def pattern(line: Line, names: dict[int, str]) -> str:
    """Return a regular expression for a line, with a named group for each slot index in `names`."""
    first, last = min(names), max(names)
    while first > 0 and not (isinstance(line[first - 1], Slot)):
        first -= 1
    parts: list[str] = []
    for index in range(first, len(line)):
        piece = line[index]
        if isinstance(piece, str):
            text = _tail(piece) if index == first else piece
            parts.append(_escaped(text if index <= last else _head(text)))
            if index > last:
                break
        elif index in names:
            parts.append(rf"\s*(?P<{names[index]}>{VALUE})")
        else:
            parts.append(".*?")
    text = re.sub(r"(\\s[*+])+(?=\\s\*)", "", "".join(parts))
    return re.sub(r"^(\\s[*+]|\.\*\?)+", "", text)


def _literal(source: Source, node: ast.expr) -> str | None:
    text = source.scalar(node)
    return text if isinstance(text, str) else None


def _percent(text: str, values: Sequence[ast.expr]) -> list[Piece]:
    pieces: list[Piece] = []
    rest = list(values)
    at = 0
    for match in _PERCENT.finditer(text):
        pieces.append(text[at : match.start()])
        at = match.end()
        if match[1] == "%":
            pieces.append("%")
        else:
            pieces.append(Slot(rest.pop(0) if rest else None, number=match[1] in "dieEfFgG"))
    pieces.append(text[at:])
    return pieces


def _format(text: str, values: Sequence[ast.expr], named: dict[str, ast.expr]) -> list[Piece]:
    pieces: list[Piece] = []
    try:
        parsed = list(string.Formatter().parse(text))
    except ValueError:
        return [text]
    count = 0
    for literal, name, spec, _ in parsed:
        pieces.append(literal)
        if name is None:
            continue
        if name == "" or name.isdigit():
            index = int(name) if name else count
            count += 1
            value = values[index] if index < len(values) else None
        else:
            value = named.get(re.split(r"[.\[]", name)[0])
        pieces.append(Slot(value, number=bool(spec and _NUMERIC.search(spec))))
    return pieces


def _mapping(source: Source, node: ast.Dict, *, quote: str) -> list[Piece]:
    named = [
        (key, value)
        for key, value in zip(
            [source.scalar(key) if key is not None else None for key in node.keys],
            node.values,
            strict=True,
        )
        if isinstance(key, str)
    ]
    lines = pairs(named, quote=quote, colon=": ")
    return list(lines[0]) if lines else [Slot(node)]


def _call(source: Source, call: ast.Call, depth: int) -> list[Piece]:  # noqa: PLR0911
    last = source.called(call).rpartition(".")[2]
    if last == "format" and isinstance(call.func, ast.Attribute):
        text = _literal(source, call.func.value)
        return [Slot(call)] if text is None else _format(text, call.args, keywords(call))
    if last == "dumps" and call.args:
        held = call.args[0]
        if isinstance(held, ast.Name) and held.id in source.assigned:
            held = source.assigned[held.id]
        if isinstance(held, ast.Dict):
            return _mapping(source, held, quote='"')
        if isinstance(held, ast.Call) and source.called(held) == "dict":
            lines = pairs(list(keywords(held).items()), quote='"', colon=": ")
            return list(lines[0]) if lines else [Slot(call)]
    if last == "dict" and call.keywords and not call.args:
        return list(pairs(list(keywords(call).items()), quote="'", colon=": ")[0])
    if last == "join" and call.args and isinstance(call.args[0], ast.List | ast.Tuple):
        return _joined(source, call, depth)
    if last in _LOOK_THROUGH and call.args:
        inner = template(source, call.args[0], depth + 1)
        return inner if any(isinstance(piece, str) for piece in inner) else [Slot(call)]
    return [Slot(call)]


def _joined(source: Source, call: ast.Call, depth: int) -> list[Piece]:
    assert isinstance(call.func, ast.Attribute)
    assert isinstance(call.args[0], ast.List | ast.Tuple)
    separator = _literal(source, call.func.value) or " "
    pieces: list[Piece] = []
    for element in call.args[0].elts:
        pieces += [separator] if pieces else []
        pieces += template(source, element, depth + 1)
    return pieces


def _lines(pieces: Sequence[Piece]) -> list[Line]:
    """Cut a template where its text breaks the line; neighbouring texts become one."""
    return [line for line in _cut(pieces) if line]


def _cut(pieces: Sequence[Piece]) -> Iterator[Line]:
    line: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, Slot):
            line.append(piece)
            continue
        first, *others = re.split(r"[\n\r]", piece)
        _extend(line, first)
        for text in others:
            yield tuple(line)
            line = []
            _extend(line, text)
    yield tuple(line)


def _extend(line: list[Piece], text: str) -> None:
    if not text:
        return
    if line and isinstance(line[-1], str):
        line[-1] += text
    else:
        line.append(text)


def _tail(text: str) -> str:
    """The end of a long literal: enough to tell the line by."""
    return text if len(text) <= 40 else text[-40:]


def _head(text: str) -> str:
    """The sign right behind a value, such as `%`; the rest of the line may be anything."""
    return text[:1] if text[:1] in "%)]" else ""


def _escaped(text: str) -> str:
    parts = [re.escape(part).replace(r"\-", "-") for part in re.split(r"\s+", text)]
    return r"\s+".join(parts).replace(r"\#", "#").replace(r"\&", "&").replace(r"\~", "~")
