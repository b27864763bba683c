"""The `space`, `constraints`, `start` and `grid` of a study file."""

from __future__ import annotations

import ast
import keyword
from collections.abc import Iterator, Mapping

import numpy as np

from trialwright.errors import ExpressionError, SpaceError
from trialwright.expression import Scalar, names
from trialwright.space import NAME, Choice, Float, Int, Ordinal, Parameter, Space
from trialwright.studyfile.fields import Fields, Problems, choose, scalar
from trialwright.studyfile.tree import Place, Tree
from trialwright.task import EMPTY, RESERVED

KINDS = ("float", "int", "choice", "ordinal")
_COMMON = ("default", "when", "description")
_KNOWN = {
    "float": ("float", "log", "step", *_COMMON),
    "int": ("int", "log", "step", *_COMMON),
    "choice": ("choice", *_COMMON),
    "ordinal": ("ordinal", *_COMMON),
}
FINEST_GRID = 1000
"""Values per parameter of a grid."""


def read_space(fields: Fields, problems: Problems) -> Space | None:
    """Return the space with its constraints; None if anything in it is wrong."""
    tree = fields.tree("space")
    if tree is None:
        return _no_space(fields)
    if not isinstance(tree.value, Mapping):
        fields.fault(
            tree, f"space must be a mapping of names to domains, not {tree.shown}: write, e.g.,"
            " lr: {float: [0.001, 0.1]}",
        )  # fmt: skip
        return None
    before = len(problems.found)
    known = tuple(tree.value)
    if not known and "research" not in fields:
        fields.fault(tree, EMPTY)
    for name in known:
        _check_name(name, tree.keys[name], problems, known=known)
    read = {
        name: _parameter(name, domain, problems, known=known) for name, domain in tree.value.items()
    }
    constraints = _constraints(fields, problems, known=known)
    parameters = tuple(p for p in read.values() if p is not None)
    if len(problems.found) > before:
        return None
    try:
        space = Space(parameters, constraints)
    except SpaceError as error:
        problems.add(_whens(tree, str(error)) or tree.place, str(error))
        return None
    try:
        space.sample(np.random.default_rng(0))
    except SpaceError as error:
        problems.add(fields.keys["constraints"], f"constraints: {error}")
        return None
    return space


def _no_space(fields: Fields) -> Space | None:
    """What a file without parameters means: an error, unless the code may be changed."""
    if "research" in fields:
        return Space(())
    place = fields.keys.get("space", fields.place)
    fields.fault(place, "space is missing; add, e.g., space: {lr: {float: [0.001, 0.1]}}")
    return None


def read_start(fields: Fields, space: Space | None) -> tuple[dict[str, Scalar], ...]:
    """Return the start configurations as given, each checked once completed."""
    starts = []
    for index, tree in enumerate(fields.items("start")):
        if not isinstance(tree.value, Mapping):
            fields.fault(tree, f"start must hold mappings such as {{lr: 0.1}}, not {tree.shown}")
            continue
        flat = dict(_flat(tree, fields))
        if space is None:
            continue
        values = {name: scalar(leaf) for name, leaf in flat.items()}
        legal = True
        for name, leaf in flat.items():
            fault = _value_fault(name, leaf, space)
            if fault:
                fields.fault(leaf, f"start {index + 1}: {fault}")
                legal = False
        for fault in space.check(space.complete(values)) if legal else ():
            fields.fault(tree, f"start {index + 1}: {fault}")
        starts.append({name: space[name].coerce(values[name]) for name in values if name in space})
    return tuple(starts)


def read_grid(fields: Fields, space: Space | None) -> int | Mapping[str, tuple[Scalar, ...]] | None:
    """Return the grid: a number of values per parameter, or values by name."""
    tree = fields.tree("grid")
    if tree is None:
        return None
    if not isinstance(tree.value, Mapping):
        number = tree.value
        whole = isinstance(number, int) and not isinstance(number, bool)
        if whole and 1 <= number <= FINEST_GRID:  # type: ignore[operator]  # it is whole
            return number  # type: ignore[return-value]
        fields.fault(
            tree,
            f"grid must be a whole number from 1 to {FINEST_GRID}, or a mapping of parameters to"
            f" lists of values, not {tree.shown}",
        )
        return None
    axes: dict[str, tuple[Scalar, ...]] = {}
    for name, item in tree.value.items():
        if space is not None and name not in space:
            fields.fault(tree.keys[name], f"grid: {_unknown(name, space)}")
        elif not isinstance(item.value, tuple) or not item.value:
            fields.fault(item, f"grid.{name} must be a list of values, not {item.shown}")
        else:
            axes[name] = tuple(_axis(name, item.value, fields, space=space))
    return axes


def _axis(
    name: str, leaves: tuple[Tree, ...], fields: Fields, *, space: Space | None
) -> Iterator[Scalar]:
    for leaf in leaves:
        if isinstance(leaf.value, tuple | Mapping):
            fields.fault(leaf, f"grid.{name} must hold plain values, not {leaf.shown}")
        elif space is not None:
            fault = _value_fault(name, leaf, space)
            if fault:
                fields.fault(leaf, f"grid: {fault}")
            yield space[name].coerce(scalar(leaf))


def _value_fault(name: str, leaf: Tree, space: Space) -> str | None:
    if name not in space:
        return _unknown(name, space)
    parameter, value = space[name], scalar(leaf)
    if parameter.admits(parameter.coerce(value)):
        return None
    return f"{name} = {value!r} is not {parameter.allowed}"


def _unknown(name: str, space: Space) -> str:
    return f"the space has no parameter {name}; {choose(name, space.names)}"


def _flat(tree: Tree, fields: Fields, prefix: str = "") -> Iterator[tuple[str, Tree]]:
    """Join nested keys with dots, as they stand in the space."""
    assert isinstance(tree.value, Mapping)
    for key, item in tree.value.items():
        match item.value:
            case Mapping():
                yield from _flat(item, fields, f"{prefix}{key}.")
            case tuple():
                fields.fault(item, f"start: {prefix}{key} must be one value, not {item.shown}")
            case _:
                yield f"{prefix}{key}", item


def _check_name(name: str, place: Place, problems: Problems, *, known: tuple[str, ...]) -> None:
    if not NAME.fullmatch(name):
        problems.add(place, f"{name!r} can't be a name: letters, digits, _ - and dots between")
    if name in RESERVED:
        problems.add(
            place,
            f"{name} is reserved for the command's {{{name}}}: give the parameter another name",
        )
    outer = next((other for other in known if name.startswith(other + ".")), None)
    if outer is not None:
        problems.add(place, f"{outer} can't be both a value and the group that holds {name}")


def _parameter(
    name: str, tree: Tree, problems: Problems, *, known: tuple[str, ...]
) -> Parameter | None:
    kinds = [kind for kind in KINDS if isinstance(tree.value, Mapping) and kind in tree.value]
    if len(kinds) != 1:
        _no_kind(name, tree, problems, kinds=kinds)
        return None
    before = len(problems.found)
    (kind,) = kinds
    fields = Fields(tree, f"space.{name}", problems, known=_KNOWN[kind])
    when = _when(fields, problems, known=known)
    description = fields.text("description") or ""
    values = _values(fields, kind)
    if values is None or len(problems.found) > before:
        return None
    try:
        parameter = _build(name, kind, fields, values=values, words=(when, description))
    except SpaceError as error:
        problems.add(tree.place, str(error))
        return None
    return parameter if _default_fits(parameter, fields) else None


def _no_kind(name: str, tree: Tree, problems: Problems, *, kinds: list[str]) -> None:
    example = f"{name}: {{float: [0.001, 0.1]}} or {name}: {{choice: [a, b]}}"
    if kinds:
        text = f"space.{name} has {len(kinds)} kinds ({', '.join(kinds)}): keep one"
    elif isinstance(tree.value, Mapping):
        given = ", ".join(tree.value)
        text = (
            f"space.{name} has no kind (float, int, choice or ordinal), only {given or 'nothing'}"
        )
        text += f"; {choose(next(iter(tree.value)), KINDS)}" if tree.value else f"; write {example}"
    else:
        text = f"space.{name} must be a mapping such as {example}, not {tree.shown}"
    problems.add(tree.place, text)


def _values(fields: Fields, kind: str) -> tuple[Scalar, ...] | None:
    """The bounds or options; None if they are wrong."""
    tree = fields.present(kind)
    assert tree is not None
    ranged = kind in ("float", "int")
    wanted = "[low, high]" if ranged else "a list of options"
    if not isinstance(tree.value, tuple) or (ranged and len(tree.value) != 2):
        fields.fault(tree, f"{fields.path(kind)} must be {wanted}, not {tree.shown}")
        return None
    for item in tree.value:
        if isinstance(item.value, tuple | Mapping):
            fields.fault(item, f"{fields.path(kind)} must hold plain values, not {item.shown}")
        elif ranged and (not isinstance(item.value, int | float) or isinstance(item.value, bool)):
            quoted = ": leave out the quotes" if item.text[:1].isdigit() else ""
            fields.fault(item, f"{fields.path(kind)} must hold numbers, not {item.shown}{quoted}")
        elif kind == "int" and item.value != int(item.value):  # type: ignore[arg-type]
            fields.fault(item, f"{fields.path(kind)} must hold whole numbers, not {item.shown}")
    return tuple(item.value for item in tree.value)  # type: ignore[misc]  # trees were refused


def _build(
    name: str,
    kind: str,
    fields: Fields,
    *,
    values: tuple[Scalar, ...],
    words: tuple[str | None, str],
) -> Parameter:
    when, description = words
    default = fields.tree("default")
    value = scalar(default) if default and not isinstance(default.value, tuple | Mapping) else None
    if kind in ("choice", "ordinal"):
        made = Choice if kind == "choice" else Ordinal
        coerced = made(name, values).coerce(value)
        return made(name, values, default=coerced, when=when, description=description)
    low, high = values
    log = fields.flag("log")
    if kind == "float":
        step = fields.number("step")
        shape = Float(name, float(low), float(high), log=log, step=step)  # type: ignore[arg-type]
        return Float(
            name, shape.low, shape.high, log=log, step=step, when=when, description=description,
            default=shape.coerce(value),  # type: ignore[arg-type]  # checked behind
        )  # fmt: skip
    every = fields.whole("step", least=1) or 1
    grid = Int(name, int(low), int(high), log=log, step=every)  # type: ignore[arg-type]
    return Int(
        name, grid.low, grid.high, log=log, step=every, when=when, description=description,
        default=grid.coerce(value),  # type: ignore[arg-type]  # checked behind
    )  # fmt: skip


def _default_fits(parameter: Parameter, fields: Fields) -> bool:
    tree = fields.present("default")
    if tree is None:
        return True
    if isinstance(tree.value, tuple | Mapping):
        fields.fault(tree, f"{fields.path('default')} must be one value, not {tree.shown}")
        return False
    if tree.value is None and isinstance(parameter, Float | Int):
        return True
    if not parameter.admits(parameter.default):
        fields.fault(tree, f"{fields.path('default')} = {tree.text} is not {parameter.allowed}")
        return False
    return True


def _when(fields: Fields, problems: Problems, *, known: tuple[str, ...]) -> str | None:
    tree = fields.tree("when")
    match tree.value if tree else None:
        case None:
            return None
        case str(source):
            _check_expression(source, tree, problems, known=known)
            return source
        case Mapping() as conditions:
            parts = [_equals(name, item, problems) for name, item in conditions.items()]
            source = " and ".join(parts)
            _check_expression(source, tree, problems, known=known)
            return source
    assert tree is not None
    fields.fault(
        tree,
        f"{fields.path('when')} must be a mapping such as {{booster: dart}} or an expression such"
        f" as layers >= 2, not {tree.shown}",
    )
    return None


def _equals(name: str, item: Tree, problems: Problems) -> str:
    """One condition of a mapping, as an expression."""
    if any(not part.isidentifier() or keyword.iskeyword(part) for part in name.split(".")):
        problems.add(
            item.place,
            f"{name} can't stand in a condition (a word of the expression language, or with"
            " a dash): rename the parameter",
        )
        return "True"
    match item.value:
        case tuple(options):
            listed = ", ".join(_literal(option, problems) for option in options)
            return f"{name} in [{listed}]"
        case _:
            return f"{name} == {_literal(item, problems)}"


def _literal(tree: Tree, problems: Problems) -> str:
    if isinstance(tree.value, tuple | Mapping):
        problems.add(tree.place, f"a condition compares with plain values, not {tree.shown}")
        return "None"
    return ast.unparse(ast.Constant(tree.value))


def _check_expression(
    source: str, tree: Tree | None, problems: Problems, *, known: tuple[str, ...]
) -> None:
    assert tree is not None
    try:
        unknown = sorted(names(source) - set(known))
    except ExpressionError as error:
        problems.add(tree.place, str(error))
        return
    for name in unknown:
        problems.add(
            tree.place, f"{source!r} names {name}, which the space does not have;"
            f" {choose(name, known)}",
        )  # fmt: skip


def _constraints(fields: Fields, problems: Problems, *, known: tuple[str, ...]) -> tuple[str, ...]:
    tree = fields.tree("constraints")
    sources = [tree] if tree and isinstance(tree.value, str) else fields.items("constraints")
    kept = []
    for item in sources:
        if isinstance(item.value, str):
            _check_expression(item.value, item, problems, known=known)
            kept.append(item.value)
        else:
            fields.fault(
                item,
                f"constraints must hold expressions such as 'a * b <= 10', not {item.shown}",
            )
    return tuple(kept)


def _whens(space: Tree, message: str) -> Place | None:
    """The place of the first condition of a parameter that `message` names."""
    assert isinstance(space.value, Mapping)
    for name, tree in space.value.items():
        if name in message and isinstance(tree.value, Mapping) and "when" in tree.value:
            return tree.value["when"].place
    return None
