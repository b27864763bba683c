"""Values as a script writes them: `2**17`, `10 * 1024`, `1e-3`; read, and written back alike."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Iterator
from decimal import Decimal

from trialwright.expression import Scalar

LARGEST = 10**18
"""Beyond it nobody tunes a number; the bound keeps `9**9**9` from being computed."""

_LONGEST = 12
"""Characters of a number without an exponent: longer ones are hard to read."""

_ARITHMETIC: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}


class NotPlain(Exception):
    """The expression is no literal, and no arithmetic of literals."""


def plain(node: ast.expr) -> Scalar:
    """Return the value of a literal, or of arithmetic on literals.

    Raises:
        NotPlain: it is anything else.

    >>> plain(ast.parse("2**17", mode="eval").body)
    131072
    """
    match node:
        case ast.Constant(value=bool() | str() | None as value):
            return value
    return number(node)


def number(node: ast.expr) -> int | float:
    """Return the number that an expression of numbers stands for.

    Raises:
        NotPlain: it is anything else, or larger than `LARGEST`.
    """
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return _bounded(value)
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -number(inner)
        case ast.UnaryOp(op=ast.UAdd(), operand=inner):
            return number(inner)
        case ast.BinOp(left=left, op=sign, right=right):
            return _bounded(_computed(sign, number(left), number(right)))
    raise NotPlain


def written(value: Scalar, *, like: str) -> str:
    """Write a value in the style of the text that it replaces.

    >>> written(2**18, like="2**17"), written(0.0005, like="1e-3"), written("tanh", like="'relu'")
    ('2**18', '5e-4', "'tanh'")
    """
    for text in _candidates(value, like):
        if _reads_as(text, value):
            return text
    return repr(value)


def _bounded(value: float) -> int | float:
    if not math.isfinite(value) or abs(value) > LARGEST:
        raise NotPlain
    return value


def _computed(sign: ast.operator, left: float, right: float) -> int | float:
    try:
        match sign:
            case ast.Pow():
                return _power(left, right)
            case ast.LShift() if isinstance(left, int) and isinstance(right, int):
                if not 0 <= right <= 60:
                    raise NotPlain
                return left << right
        compute = _ARITHMETIC.get(type(sign))
        if compute is None:
            raise NotPlain
        return compute(left, right)
    except (ArithmeticError, ValueError):
        raise NotPlain from None


def _power(left: float, right: float) -> int | float:
    large = abs(right) * math.log10(abs(left)) if left else 0.0
    if large > 18 or (left < 0 and not isinstance(right, int)):
        raise NotPlain
    result: int | float = left**right
    return result


def _reads_as(text: str, value: Scalar) -> bool:
    try:
        read = plain(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, NotPlain):
        return False
    return type(read) is type(value) and read == value


def _candidates(value: Scalar, like: str) -> Iterator[str]:
    """Texts for a value, the one closest in style to `like` first; they need not be right."""
    if isinstance(value, str):
        quote = next((mark for mark in ('"""', "'''", '"', "'") if like.startswith(mark)), '"')
        yield f"{quote}{value}{quote}"
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _arithmetic(value, like)
        yield _one_number(value, like)


def _arithmetic(value: float, like: str) -> Iterator[str]:
    """`2**18` where `2**17` stood, `20 * 1024` where `10 * 1024` stood."""
    try:
        node = ast.parse(like, mode="eval").body
    except (SyntaxError, ValueError):
        return
    if not isinstance(node, ast.BinOp) or "\n" in like or not like.isascii():
        return
    try:
        left, right = number(node.left), number(node.right)
        for part, wanted in _parts(node, left=left, right=right, value=value):
            old = like[part.col_offset : part.end_col_offset]
            text = _one_number(wanted, old)
            if len(text) <= _LONGEST:
                yield like[: part.col_offset] + text + like[part.end_col_offset :]
    except (NotPlain, ArithmeticError, ValueError):
        return


def _parts(
    node: ast.BinOp, *, left: float, right: float, value: float
) -> Iterator[tuple[ast.expr, float]]:
    """The side of an operation to write anew, and the number that it would have to be."""
    match node.op:
        case ast.Pow() if left > 1 and value > 0:
            yield node.right, _whole(math.log(value) / math.log(left), like=right)
        case ast.LShift() if left > 0 and value > 0:
            yield node.right, _whole(math.log2(value / left), like=right)
        case ast.Mult() if right:
            yield node.left, _whole(value / right, like=left)
            yield node.right, _whole(value / left, like=right)
        case ast.Div() if right:
            yield node.left, _whole(value * right, like=left)


def _whole(found: float, *, like: float) -> float:
    return round(found) if isinstance(like, int) else found


def _one_number(value: float, like: str) -> str:
    if isinstance(value, int):
        if like.lower().startswith("0x"):
            return hex(value)
        return f"{value:_}" if "_" in like else repr(value)
    if "e" in like.lower() and value:
        return _scientific(value)
    text = format(Decimal(repr(value)), "f")
    text = text if "." in text else f"{text}.0"
    return text if len(text) <= _LONGEST else repr(value)


def _scientific(value: float) -> str:
    """`5e-4`: the shortest digits that read as `value`, without leading zeros."""
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)
    tail = "".join(map(str, digits[1:]))
    mantissa = f"{digits[0]}.{tail}" if tail else str(digits[0])
    return f"{'-' if sign else ''}{mantissa}e{exponent + len(digits) - 1}"
