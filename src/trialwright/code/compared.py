"""The texts that a script compares a name with: `act == "relu"`, `act in ("a", "b")`, `match`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from trialwright.expression import Scalar


def compared(tree: ast.AST) -> dict[str, tuple[Scalar, ...]]:
    """Return the texts that each name, or last part of a dotted one, is compared with.

    >>> compared(ast.parse("if args.act == 'relu': pass"))
    {'act': ('relu',)}
    """
    found: dict[str, dict[Scalar, None]] = {}
    for node in ast.walk(tree):
        for name, value in _comparisons(node):
            found.setdefault(name, {})[value] = None
    found.pop("", None)
    return {name: tuple(values) for name, values in found.items()}


def _comparisons(node: ast.AST) -> Iterator[tuple[str, str]]:
    match node:
        case ast.Compare(left=left, ops=[_], comparators=[right]):
            yield from ((_name(left), text) for text in _texts(right))
            yield from ((_name(right), text) for text in _texts(left))
        case ast.Match(subject=subject, cases=cases):
            values = (inner for case in cases for inner in ast.walk(case.pattern))
            held = (value.value for value in values if isinstance(value, ast.MatchValue))
            yield from ((_name(subject), text) for value in held for text in _texts(value))
        case ast.Subscript(value=ast.Dict(keys=keys), slice=index):
            known = (key for key in keys if key is not None)
            yield from ((_name(index), text) for key in known for text in _texts(key))


def _texts(node: ast.expr) -> list[str]:
    match node:
        case ast.Constant(value=str() as text) if text:
            return [text]
        case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
            return [text for element in elements for text in _texts(element)]
    return []


def _name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(slice=ast.Constant(value=str() as name)):
            return name
        case ast.Call(func=ast.Attribute(value=inner, attr="lower" | "upper" | "strip")):
            return _name(inner)
    return ""
