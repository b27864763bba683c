"""A Python file as a tree, with what its names stand for as far as the text alone tells.

Never imports or runs anything. What can't be told is `UNKNOWN`, which is no error.
"""

from __future__ import annotations

import ast
import io
import math
import operator
import tokenize
from collections.abc import Callable, Iterator
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Final

from trialwright.errors import StudyError
from trialwright.expression import Scalar

LARGEST = 2**21
"""Bytes of a script that is read: more is no script."""

DEEPEST = 12
"""Names followed through names."""


class _Unknown(Enum):
    UNKNOWN = "unknown"

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown.UNKNOWN

_BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_FLOATS = {"numpy.inf": math.inf, "math.inf": math.inf, "numpy.pi": math.pi, "math.pi": math.pi}


class Source:
    """One parsed file.

    Raises:
        StudyError: the file can't be read, or is not Python.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = _text(path)
        try:
            self.tree = ast.parse(self.text)
        except SyntaxError as error:
            raise StudyError(
                f"{path}, line {error.lineno}: {error.msg}: this is not Python that can be read;"
                " is it the training script?"
            ) from None
        except (ValueError, RecursionError, MemoryError) as error:
            raise StudyError(f"{path} can't be read as Python: {error}") from None

    @cached_property
    def lines(self) -> list[str]:
        """The text by line."""
        return self.text.splitlines()

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node, outer ones first."""
        return list(ast.walk(self.tree))

    @cached_property
    def calls(self) -> list[ast.Call]:
        """Every call, in the order of the text."""
        found = [node for node in self.nodes if isinstance(node, ast.Call)]
        return sorted(found, key=lambda call: (call.lineno, call.col_offset))

    @cached_property
    def functions(self) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
        """Functions by name, those of the module before methods of the same name."""
        found: dict[str, ast.FunctionDef | ast.AsyncFunctionDef] = {}
        for node in self.nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found.setdefault(node.name, node)
        return found

    @cached_property
    def classes(self) -> dict[str, ast.ClassDef]:
        """Classes by name."""
        return {node.name: node for node in self.nodes if isinstance(node, ast.ClassDef)}

    @cached_property
    def imports(self) -> dict[str, str]:
        """What imported names stand for: `np` -> `numpy`, `Parser` -> `argparse.ArgumentParser`."""
        found: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    local = alias.asname or alias.name.split(".")[0]
                    found[local] = alias.name if alias.asname else local
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        return found

    @cached_property
    def modules(self) -> frozenset[str]:
        """The top-level modules that are imported anywhere."""
        return frozenset(name.split(".")[0] for name in self.imports.values())

    @cached_property
    def assigned(self) -> dict[str, ast.expr]:
        """What a name is set to, for names that are set exactly once in the whole file."""
        found: dict[str, list[ast.expr]] = {}
        for node in self.nodes:
            for name, value in _assignments(node):
                found.setdefault(name, []).append(value)
        return {name: values[0] for name, values in found.items() if len(values) == 1}

    @cached_property
    def comments(self) -> dict[int, str]:
        """Comments by line, without their sign."""
        found: dict[int, str] = {}
        try:
            for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
                if token.type == tokenize.COMMENT:
                    found[token.start[0]] = token.string.lstrip("#").strip()
        except (tokenize.TokenError, IndentationError):
            return found
        return found

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """Each node's outer node."""
        return {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}

    def around(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield the nodes around `node`, inner ones first."""
        while (outer := self.parents.get(node)) is not None:
            yield outer
            node = outer

    def dotted(self, node: ast.AST) -> str:
        """Return `np.random.seed` as `numpy.random.seed`; '' for what is no dotted name."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        return ".".join([self.imports.get(node.id, node.id), *reversed(parts)])

    def called(self, call: ast.Call) -> str:
        """Return the dotted name of what is called; for a method of an expression, its name."""
        name = self.dotted(call.func)
        return name or (call.func.attr if isinstance(call.func, ast.Attribute) else "")

    def text_of(self, node: ast.AST) -> str:
        """Return a node's own text."""
        return ast.get_source_segment(self.text, node) or ""

    def scalar(self, node: ast.expr | None) -> Scalar | _Unknown:
        """Return what an expression stands for, if it is one plain value."""
        value = UNKNOWN if node is None else self.value(node)
        plain = value is None or isinstance(value, bool | int | float | str)
        return value if plain else UNKNOWN  # type: ignore[return-value]  # just checked

    def value(self, node: ast.expr, depth: int = 0) -> object:  # noqa: C901, PLR0911, PLR0912  # a case each
        """Return what an expression stands for: plain values, tuples and dicts; else UNKNOWN."""
        if depth > DEEPEST:
            return UNKNOWN
        match node:
            case ast.Constant(value=bool() | int() | float() | str() | None as plain):
                return plain
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
                number = self.value(operand, depth + 1)
                if not _number(number):
                    return UNKNOWN
                return -number if isinstance(sign, ast.USub) else number  # type: ignore[operator]
            case ast.BinOp():
                return self._arithmetic(node, depth)
            case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
                return _complete(tuple(self.value(element, depth + 1) for element in elements))
            case ast.Dict(keys=keys, values=values):
                return self._dictionary(keys, values, depth)
            case ast.Name(id=name) if name in self.assigned:
                return self.value(self.assigned[name], depth + 1)
            case ast.Attribute() if self.dotted(node) in _FLOATS:
                return _FLOATS[self.dotted(node)]
            case ast.Attribute(value=ast.Name(id=owner), attr=attribute) if owner in self.classes:
                return self._attribute(self.classes[owner], attribute, depth)
            case ast.Attribute(value=inner, attr="value"):
                return self.value(inner, depth + 1)
            case ast.Subscript(value=container, slice=index):
                return _item(self.value(container, depth + 1), self.value(index, depth + 1))
            case ast.Call():
                return self._simple_call(node, depth)
        return UNKNOWN

    def _arithmetic(self, node: ast.BinOp, depth: int) -> object:
        left, right = self.value(node.left, depth + 1), self.value(node.right, depth + 1)
        if isinstance(node.op, ast.Add) and isinstance(left, str) and isinstance(right, str):
            return left + right
        if not (_number(left) and _number(right)):
            return UNKNOWN
        if isinstance(node.op, ast.Pow) and abs(right) <= 64 and abs(left) <= 1e6:  # type: ignore[arg-type]
            return _safely(operator.pow, left, right)
        operation = _BINARY.get(type(node.op))
        return _safely(operation, left, right) if operation else UNKNOWN

    def _dictionary(
        self, keys: list[ast.expr | None], values: list[ast.expr], depth: int
    ) -> object:
        named = [UNKNOWN if key is None else self.value(key, depth + 1) for key in keys]
        if any(not isinstance(name, str | int) for name in named):
            return UNKNOWN
        return {
            name: self.value(value, depth + 1) for name, value in zip(named, values, strict=True)
        }

    def _attribute(self, owner: ast.ClassDef, attribute: str, depth: int) -> object:
        for statement in owner.body:
            for name, value in _assignments(statement):
                if name == attribute:
                    return self.value(value, depth + 1)
        return UNKNOWN

    def _simple_call(self, call: ast.Call, depth: int) -> object:
        """Look through calls that only wrap a value: `float("inf")`, `sorted(MODELS)`."""
        if isinstance(call.func, ast.Attribute) and call.func.attr == "keys" and not call.args:
            held = self.value(call.func.value, depth + 1)
            return tuple(held) if isinstance(held, dict) else UNKNOWN
        given = [self.value(argument, depth + 1) for argument in call.args]
        if call.keywords or any(value is UNKNOWN for value in given):
            return UNKNOWN
        return _wrapped(self.dotted(call.func), given)


def _wrapped(function: str, given: list[object]) -> object:
    match function, given:
        case "range", [int() as stop]:
            return _range(0, stop)
        case "range", [int() as start, int() as stop]:
            return _range(start, stop)
        case "sorted" | "list" | "tuple" | "set", [tuple() | dict() as held]:
            names = tuple(held)
            return tuple(sorted(names, key=str)) if function == "sorted" else names
        case "float" | "int" | "str" | "bool", [str() | int() | float() as plain]:
            return _safely({"float": float, "int": int, "str": str, "bool": bool}[function], plain)
        case "pathlib.Path", [str() as plain]:
            return plain
    return UNKNOWN


def _range(start: int, stop: int) -> object:
    return tuple(range(start, stop)) if stop - start <= 64 else UNKNOWN


def sources(path: Path, *, most: int = 20) -> list[Source]:
    """Read a script, and the modules beside it that it imports, the script first.

    Raises:
        StudyError: the script itself can't be read.
    """
    found = [Source(path)]
    seen = {path.resolve()}
    for source in found:
        for module in _beside(source, path.parent):
            if module.resolve() in seen or len(found) >= most:
                continue
            seen.add(module.resolve())
            try:
                found.append(Source(module))
            except StudyError:
                continue
    return found


def _beside(source: Source, root: Path) -> Iterator[Path]:
    for name in source.imports.values():
        parts = name.split(".")
        for end in range(len(parts), 0, -1):
            stem = root.joinpath(*parts[:end])
            for module in (stem.with_suffix(".py"), stem / "__init__.py"):
                if module.is_file():
                    yield module


def _text(path: Path) -> str:
    try:
        if path.is_dir():
            raise StudyError(f"{path} is a folder: name the training script in it")
        if path.stat().st_size > LARGEST:
            raise StudyError(f"{path} has over {LARGEST // 2**20} MiB: that is no training script")
        with tokenize.open(path) as file:
            return file.read()
    except FileNotFoundError:
        raise StudyError(f"there is no file {path}: name your training script") from None
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        raise StudyError(f"{path} can't be read: {error}") from None


def _assignments(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                if isinstance(target, ast.Name):
                    yield target.id, value
                elif isinstance(target, ast.Tuple | ast.List):
                    yield from _unpacked(target, value)
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            yield name, value
        case ast.AugAssign(target=ast.Name(id=name), value=value):
            yield name, value
        case ast.NamedExpr(target=ast.Name(id=name), value=value):
            yield name, value
        case ast.For(target=ast.Name(id=name), iter=value):
            # A loop's name is set many times: two entries keep it from counting as known.
            yield name, value
            yield name, value
        case ast.arg(arg=name):
            yield name, ast.Name(id=name)
            yield name, ast.Name(id=name)


def _unpacked(target: ast.Tuple | ast.List, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    elements = value.elts if isinstance(value, ast.Tuple | ast.List) else None
    for index, name in enumerate(target.elts):
        if not isinstance(name, ast.Name):
            continue
        if elements is not None and len(elements) == len(target.elts):
            yield name.id, elements[index]
        else:
            yield name.id, value


def _complete(values: tuple[object, ...]) -> object:
    return UNKNOWN if any(value is UNKNOWN for value in values) else values


def _item(container: object, index: object) -> object:
    if isinstance(container, dict) and isinstance(index, str | int):
        return container.get(index, UNKNOWN)
    if (
        isinstance(container, tuple)
        and isinstance(index, int)
        and -len(container) <= index < len(container)
    ):
        return container[index]
    return UNKNOWN


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _safely(function: Callable[..., object], *given: object) -> object:
    try:
        return function(*given)
    except (ArithmeticError, ValueError, TypeError):
        return UNKNOWN
