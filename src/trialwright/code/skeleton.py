"""Digests of code: the tree without formatting, with or without its tunable numbers.

Comments, blank lines, docstrings, quotes, the spelling of numbers and the order of keyword
arguments don't count. The digests are the same under every version of Python.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from trialwright.code.domains import HALF_KNOWN
from trialwright.code.literals import literals, parse
from trialwright.code.written import NotPlain, number

BLANK = "<tuned>"

_SILENT = frozenset({"ctx", "kind", "type_comment", "type_ignores", "type_params"})
"""Fields of the tree that say nothing, or that only some versions of Python have."""

Place = tuple[int, int]
"""Line and column at which a node begins."""


def skeleton(source: str, *, family: str | None = None) -> str:
    """Return a digest that two sources share if they differ in tunable literals alone.

    Raises:
        SyntaxError: the source is no Python.

    >>> skeleton("LR = 1e-3  # first") == skeleton("LR = 0.01")
    True
    """
    found = literals(source, "code.py", family=family)
    tuned = frozenset(
        (one.line, one.column) for one in found if one.domain is not None or one.why == HALF_KNOWN
    )
    return _digest(tokens(parse(source), blank=tuned))


def fingerprint(source: str) -> str:
    """Return a digest that two sources share exactly if they have one normalised tree.

    Raises:
        SyntaxError: the source is no Python.

    >>> fingerprint("x = 2**10 # ten") == fingerprint("x = (1024)")
    True
    """
    return _digest(tokens(parse(source)))


def tokens(
    node: ast.AST, *, blank: AbstractSet[Place] = frozenset()
) -> Iterator[str | int | float | bool | None]:
    """Yield a tree in normal form, node by node, brackets around what belongs together.

    Literals that begin at a place in `blank` are left blank.
    """
    if isinstance(node, ast.expr):
        if (node.lineno, node.col_offset) in blank and _is_plain(node):
            yield BLANK
            return
        try:
            yield number(node)
            return
        except NotPlain:
            pass
    yield type(node).__name__
    for name, value in ast.iter_fields(node):
        if name not in _SILENT and value is not None and value != []:
            yield f".{name}"
            yield from _field(node, value, blank)


def _field(
    node: ast.AST, value: object, blank: AbstractSet[Place]
) -> Iterator[str | int | float | bool | None]:
    if isinstance(value, ast.AST):
        yield from tokens(value, blank=blank)
    elif isinstance(value, list):
        yield "["
        for inner in _in_order(node, value):
            yield from _field(node, inner, blank)
        yield "]"
    elif isinstance(node, ast.Constant) or not isinstance(value, str):
        yield repr(value)
    else:
        yield value


def _in_order(node: ast.AST, values: list[object]) -> list[object]:
    """Statements without docstrings; keyword arguments by name, where no `**` stands among them."""
    if values and isinstance(values[0], ast.stmt):
        return [value for value in values if not _is_text(value)]
    words = [value for value in values if isinstance(value, ast.keyword)]
    if words and isinstance(node, ast.Call) and all(word.arg is not None for word in words):
        return sorted(values, key=lambda value: str(getattr(value, "arg", "")))
    return values


def _is_text(statement: object) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _is_plain(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return True
    try:
        number(node)
    except NotPlain:
        return False
    return True


def _digest(parts: Iterator[str | int | float | bool | None]) -> str:
    text = json.dumps(list(parts), separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
