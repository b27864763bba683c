"""Type annotations, and the names with annotations and defaults that functions and classes list."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace

from trialwright.app.script.options import options_of, plain, type_of_value
from trialwright.app.script.setting import Setting, Type
from trialwright.app.script.source import UNKNOWN, Source
from trialwright.expression import Scalar

_PLAIN: dict[str, Type] = {
    "float": "float",
    "int": "int",
    "bool": "bool",
    "str": "str",
    "pathlib.Path": "path",
    "os.PathLike": "path",
}
_LISTS = ("list", "tuple", "dict", "set", "sequence", "iterable", "mapping", "listconfig")
_BOUNDED: dict[str, Type] = {
    "PositiveInt": "int",
    "NonNegativeInt": "int",
    "PositiveFloat": "float",
    "NonNegativeFloat": "float",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A name with an annotation and a default, as a signature or a class body has it."""

    name: str
    annotation: ast.expr | None
    default: ast.expr | None
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """What an annotation says."""

    type: Type = "unknown"
    choices: tuple[Scalar, ...] = ()
    extra: tuple[ast.expr, ...] = ()
    """What `Annotated` adds."""
    owner: str = ""
    """The class that it names, where this file has it."""


def read_annotation(source: Source, node: ast.expr | None) -> Hint:
    """Return what an annotation says; an empty hint for none, or one that can't be told."""
    match node:
        case ast.Constant(value=str() as text):
            return read_annotation(source, _parsed(text))
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return read_annotation(source, left if _is_none(right) else right)
        case ast.Subscript(value=outer, slice=inner):
            return _subscript(source, source.dotted(outer).rpartition(".")[2], inner)
        case ast.Name() | ast.Attribute():
            return _named(source, source.dotted(node))
    return Hint()


def signature(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Field]:
    """Yield a function's parameters, `self` left out."""
    places = [*function.args.posonlyargs, *function.args.args]
    lacking = len(places) - len(function.args.defaults)
    defaults = [*[None] * lacking, *function.args.defaults, *function.args.kw_defaults]
    arguments = [*places, *function.args.kwonlyargs]
    for argument, default in zip(arguments, defaults, strict=True):
        if argument.arg not in ("self", "cls"):
            yield Field(
                name=argument.arg,
                annotation=argument.annotation,
                default=default,
                line=argument.lineno,
            )


def from_field(source: Source, field: Field, hint: Hint | None = None) -> Setting:
    """Return the setting that a name with annotation and default makes, without its spelling."""
    hint = hint or read_annotation(source, field.annotation)
    default = None if field.default is None else source.value(field.default)
    kind = hint.type if hint.type != "unknown" else type_of_value(default)
    if kind == "float" and isinstance(default, int) and not isinstance(default, bool):
        default = float(default)
    return Setting(
        name=field.name,
        type=kind,
        default=plain(default),
        known=default is not UNKNOWN and field.default is not None,
        required=field.default is None,
        choices=hint.choices,
        line=field.line,
        aside="takes several values" if kind == "list" else "",
    )


def with_help(setting: Setting, text: str) -> Setting:
    """Add a help text, unless there is one."""
    return setting if setting.help else replace(setting, help=" ".join(text.split()))


def documented(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> dict[str, str]:
    """Return what a docstring says of each parameter (`name: text`, or `:param name: text`)."""
    found: dict[str, str] = {}
    for line in (ast.get_docstring(function) or "").splitlines():
        head, sep, text = line.strip().removeprefix(":param ").partition(":")
        name = head.split("(")[0].strip()
        if sep and name.isidentifier() and text.strip():
            found.setdefault(name, text.strip())
    return found


def enum_values(source: Source, name: str) -> tuple[Scalar, ...]:
    """Return the values of an Enum class of this file; () if it is none."""
    owner = source.classes.get(name)
    if owner is None or not any("Enum" in source.dotted(base) for base in owner.bases):
        return ()
    values = [
        source.scalar(statement.value)
        for statement in owner.body
        if isinstance(statement, ast.Assign)
    ]
    return options_of(tuple(values))


def _parsed(text: str) -> ast.expr | None:
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError):
        return None


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _subscript(source: Source, outer: str, inner: ast.expr) -> Hint:
    elements = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    match outer:
        case "Optional" | "Final" | "ClassVar" | "Required":
            return read_annotation(source, elements[0])
        case "Annotated":
            return replace(read_annotation(source, elements[0]), extra=tuple(elements[1:]))
        case "Union":
            named = [element for element in elements if not _is_none(element)]
            return read_annotation(source, named[0]) if named else Hint()
        case "Literal":
            choices = options_of(source.value(ast.Tuple(elts=elements)))
            return Hint(type=type_of_value(choices[0]) if choices else "unknown", choices=choices)
    return Hint(type="list") if outer.lower() in _LISTS else Hint()


def _named(source: Source, name: str) -> Hint:
    last = name.rpartition(".")[2]
    if name in _PLAIN:
        return Hint(type=_PLAIN[name])
    if last in _BOUNDED:
        return Hint(type=_BOUNDED[last])
    if last.lower() in _LISTS:
        return Hint(type="list")
    choices = enum_values(source, last)
    if choices:
        return Hint(type="str", choices=choices)
    return Hint(owner=last) if last in source.classes else Hint()
