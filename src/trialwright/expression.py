"""A small language for constraints and conditions between parameters.

Names, numbers, text, `+ - * / // % **`, comparisons, `in`, `and`/`or`/`not`, `a if c else b`.
It borrows Python's grammar and precedence, and nothing else: the parsed tree is checked against a
closed list of nodes and walked by this module; nothing is ever evaluated by Python. There are no
calls, so a study file can't run code.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from functools import lru_cache

from trialwright.errors import ExpressionError

Scalar = bool | int | float | str | None
"""A value that a parameter may take."""

LONGEST = 1000
"""Characters in an expression: more is a mistake or an attack."""

DEEPEST = 150
"""Levels of nesting in an expression: `_walk` calls itself at each level."""

_ARITHMETIC: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    # In floats, so that 9 ** 9 ** 9 overflows at once instead of filling the memory.
    # `math.pow` gives no complex numbers either.
    ast.Pow: math.pow,
}
_COMPARISON: dict[type[ast.cmpop], Callable[[object, object], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,  # type: ignore[dict-item]  # operands are checked to be comparable
    ast.LtE: operator.le,  # type: ignore[dict-item]
    ast.Gt: operator.gt,  # type: ignore[dict-item]
    ast.GtE: operator.ge,  # type: ignore[dict-item]
    ast.In: lambda a, b: a in b,  # type: ignore[operator]
    ast.NotIn: lambda a, b: a not in b,  # type: ignore[operator]
}
_ALLOWED = (
    ast.Expression,
    ast.Constant,
    ast.Name,
    ast.Attribute,
    ast.Load,
    ast.BinOp,
    ast.UnaryOp,
    ast.USub,
    ast.UAdd,
    ast.Not,
    ast.BoolOp,
    ast.And,
    ast.Or,
    ast.Compare,
    ast.IfExp,
    ast.Tuple,
    ast.List,
    *_ARITHMETIC,
    *_COMPARISON,
)


@lru_cache(maxsize=1024)
def names(source: str) -> frozenset[str]:
    """Return the parameter names that an expression mentions, dotted ones whole.

    Raises:
        ExpressionError: `source` does not parse.

    >>> sorted(names("optimizer.lr * steps <= 10"))
    ['optimizer.lr', 'steps']
    """
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        name = _name(node)
        if name is not None:
            found.add(name)
            return
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(_parse(source))
    return frozenset(found)


def evaluate(source: str, values: Mapping[str, Scalar]) -> Scalar:
    """Compute an expression over `values`.

    Raises:
        ExpressionError: it does not parse, a name has no value, or it can't be computed
            (division by zero, text against a number, overflow).

    >>> evaluate("depth * trees <= 3000", {"depth": 6, "trees": 500})
    True
    """
    try:
        return _walk(_parse(source).body, values)
    except (ArithmeticError, TypeError, ValueError) as error:
        raise ExpressionError(f"{source!r} can't be computed for {dict(values)}: {error}") from None


@lru_cache(maxsize=1024)
def _parse(source: str) -> ast.Expression:
    if len(source) > LONGEST:
        raise ExpressionError(f"an expression of {len(source)} characters; {LONGEST} are allowed")
    try:
        tree = ast.parse(source.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = getattr(error, "msg", None) or type(error).__name__
        raise ExpressionError(f"{source!r} is not an expression: {reason}") from None
    for node in ast.walk(tree):
        if not isinstance(node, _ALLOWED) or (isinstance(node, ast.Attribute) and not _name(node)):
            raise ExpressionError(
                f"{source!r}: {type(node).__name__} is not allowed; use names, numbers, text,"
                " + - * / // % **, comparisons, in, and, or, not"
            )
        if isinstance(node, ast.Constant) and not isinstance(node.value, Scalar):
            raise ExpressionError(f"{source!r}: {node.value!r} is neither number nor text")
    _check_depth(tree, source)
    return tree


def _check_depth(tree: ast.Expression, source: str) -> None:
    level: list[ast.AST] = [tree.body]
    for _ in range(DEEPEST):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return
    raise ExpressionError(f"{source!r} is nested more than {DEEPEST} levels deep: split it")


def _name(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        stem = _name(node.value)
        return f"{stem}.{node.attr}" if stem else None
    return None


def _walk(node: ast.expr, values: Mapping[str, Scalar]) -> Scalar:  # noqa: PLR0911  # one per kind
    match node:
        case ast.Constant(value=value):
            return value  # type: ignore[return-value]  # _parse admits scalars only
        case ast.Name() | ast.Attribute():
            name = _name(node)
            if name is None or name not in values:
                raise ExpressionError(f"{name!r} has no value")
            return values[name]
        case ast.BinOp(left=left, op=op, right=right):
            return _ARITHMETIC[type(op)](*(_number(_walk(side, values)) for side in (left, right)))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _walk(operand, values)
        case ast.UnaryOp(op=op, operand=operand):
            number = _number(_walk(operand, values))
            return -number if isinstance(op, ast.USub) else number
        case ast.BoolOp(op=op, values=parts):
            combine = all if isinstance(op, ast.And) else any
            return combine(bool(_walk(part, values)) for part in parts)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return _walk(body if _walk(test, values) else orelse, values)
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            return _compare(left, ops, comparators, values=values)
    raise ExpressionError(f"a list stands only behind 'in', not as a value: {ast.unparse(node)}")


def _compare(
    left: ast.expr,
    ops: list[ast.cmpop],
    comparators: list[ast.expr],
    *,
    values: Mapping[str, Scalar],
) -> bool:
    before = _walk(left, values)
    for op, right in zip(ops, comparators, strict=True):
        if isinstance(op, ast.In | ast.NotIn):
            if not isinstance(right, ast.Tuple | ast.List):
                raise ExpressionError("'in' needs a list behind it, such as ['adam', 'sgd']")
            if not _COMPARISON[type(op)](before, [_walk(item, values) for item in right.elts]):
                return False
            continue
        after = _walk(right, values)
        if not _COMPARISON[type(op)](before, after):
            return False
        before = after
    return True


def _number(value: Scalar) -> int | float:
    if isinstance(value, int | float):
        return value
    raise TypeError(f"{value!r} is not a number")
