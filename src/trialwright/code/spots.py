"""Where literals with a name stand in a script: constants, arguments, fields, options, entries.

It finds them and names them. What may be tuned, and over which values, is `domains`.
"""

from __future__ import annotations

import ast
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from trialwright.code.written import NotPlain, plain
from trialwright.expression import Scalar

Kind = typing.Literal["constant", "variable", "argument", "default", "field", "option", "entry"]
"""`constant`: a name in capitals. `default`: of a function's parameter. `option`: of a command
line. `entry`: of a dictionary."""

_POSITIONAL: dict[str, tuple[str, ...]] = {
    "Dropout": ("p",),
    "Dropout1d": ("p",),
    "Dropout2d": ("p",),
    "Dropout3d": ("p",),
    "AlphaDropout": ("p",),
    "dropout": ("", "p"),
    "SGD": ("", "lr", "momentum"),
    "Adam": ("", "lr", "betas"),
    "AdamW": ("", "lr", "betas"),
    "NAdam": ("", "lr", "betas"),
    "RAdam": ("", "lr", "betas"),
    "RMSprop": ("", "lr", "alpha"),
    "Adagrad": ("", "lr"),
    "clip_grad_norm_": ("", "max_norm"),
    "clip_grad_value_": ("", "clip_value"),
    "StepLR": ("", "step_size", "gamma"),
    "ExponentialLR": ("", "gamma"),
    "LeakyReLU": ("negative_slope",),
    "manual_seed": ("seed",),
    "manual_seed_all": ("seed",),
    "seed": ("seed",),
    "set_seed": ("seed",),
    "seed_everything": ("seed",),
    "default_rng": ("seed",),
    "RandomState": ("seed",),
    "PRNGKey": ("seed",),
}
"""What positional arguments of well-known calls mean; '' is none that one tunes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """One literal with a name, before anybody judged it."""

    path: str
    """Its place within the file: `build.AdamW(lr)`."""
    name: str
    """What says its meaning: `lr`."""
    node: ast.expr
    value: Scalar
    kind: Kind
    context: str = ""
    """What it is an argument of, or the text that sets it."""
    options: tuple[Scalar, ...] = ()
    """The options that the script itself lists."""
    near: str = ""
    """Words around it that say what the call is about."""
    holder: str = ""
    """The function or class whose calls may set something else."""
    word: str = ""
    """The keyword that would set it."""
    index: int = -1
    """Which positional argument of `holder` that would be."""
    idle: bool = False
    """Whether every call of `holder` sets it, so that the literal has no effect."""


def spots(tree: ast.Module) -> list[Spot]:
    """Return every literal with a name, in the order of the text; equal paths are numbered."""
    found = sorted(_body(tree.body, scope=""), key=lambda s: (s.node.lineno, s.node.col_offset))
    given = _given(tree)
    seen: dict[str, int] = {}
    unique = []
    for spot in found:
        count = seen[spot.path] = seen.get(spot.path, 0) + 1
        path = f"{spot.path}#{count}" if count > 1 else spot.path
        idle = bool(spot.holder) and _is_idle(spot, given.get(spot.holder, []))
        unique.append(replace(spot, path=path, idle=idle))
    return unique


def _given(tree: ast.Module) -> dict[str, list[ast.Call]]:
    """The calls in a script, by the last part of their names."""
    found: dict[str, list[ast.Call]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            found.setdefault(dotted(node.func).rpartition(".")[2], []).append(node)
    return found


def _is_idle(spot: Spot, calls: list[ast.Call]) -> bool:
    return bool(calls) and all(
        any(word.arg in (spot.word, None) for word in call.keywords)
        or len(call.args) > spot.index >= 0
        for call in calls
    )


def dotted(node: ast.expr) -> str:
    """Return `a.b.c` of a chain of names; of a longer chain, what is left of it; '' of others."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=inner, attr=name):
            before = dotted(inner)
            return f"{before}.{name}" if before else name
        case ast.Call(func=inner) | ast.Subscript(value=inner):
            return dotted(inner)
    return ""


def _body(body: Sequence[ast.stmt], *, scope: str, owner: ast.AST | None = None) -> Iterator[Spot]:
    stable = _assigned_once(owner if owner is not None else ast.Module(list(body), []))
    for statement in body:
        yield from _statement(statement, scope=scope, stable=stable)


def _statement(statement: ast.stmt, *, scope: str, stable: frozenset[str]) -> Iterator[Spot]:
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            inner = f"{scope}{statement.name}"
            yield from _defaults(statement, inner)
            for decorator in statement.decorator_list:
                yield from _expression(decorator, scope=scope, target="")
            yield from _body(statement.body, scope=f"{inner}.", owner=statement)
        case ast.ClassDef():
            yield from _class(statement, scope=scope)
        case (
            ast.Assign(targets=[target], value=value)
            | ast.AnnAssign(target=target, value=ast.expr() as value)
        ):
            yield from _assignment(target, value, scope=scope, stable=stable)
        case _:
            for child in ast.iter_child_nodes(statement):
                yield from _child(child, scope=scope, stable=stable)


def _child(child: ast.AST, *, scope: str, stable: frozenset[str]) -> Iterator[Spot]:
    if isinstance(child, ast.stmt):
        yield from _statement(child, scope=scope, stable=stable)
    elif isinstance(child, ast.expr):
        yield from _expression(child, scope=scope, target="")
    else:
        for inner in ast.iter_child_nodes(child):
            yield from _child(inner, scope=scope, stable=stable)


def _assignment(
    target: ast.expr, value: ast.expr, *, scope: str, stable: frozenset[str]
) -> Iterator[Spot]:
    match target:
        case ast.Name(id=name) if name in stable or name.isupper():
            kind: Kind = "constant" if name.isupper() else "variable"
            if isinstance(value, ast.Dict):
                yield from _entries(value, path=f"{scope}{name}", near=name)
                return
            yield from _values(value, path=f"{scope}{name}", name=name, kind=kind)
    yield from _expression(value, scope=scope, target=dotted(target))


def _class(statement: ast.ClassDef, *, scope: str) -> Iterator[Spot]:
    inner = f"{scope}{statement.name}"
    for part in statement.body:
        match part:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                path, held = f"{inner}.{name}", _field_default(value)
                options = _annotated(getattr(part, "annotation", None))
                for spot in _values(held, path=path, name=name, kind="field", context=inner):
                    yield replace(spot, options=options, holder=statement.name, word=name)
                if held is value:
                    yield from _expression(value, scope=f"{inner}.", target=name)
            case _:
                yield from _statement(part, scope=f"{inner}.", stable=frozenset())


def _field_default(value: ast.expr) -> ast.expr:
    """The default within `field(default=0.1)` and `Field(0.1, ge=0)`."""
    if isinstance(value, ast.Call) and dotted(value.func).rpartition(".")[2] in ("field", "Field"):
        for keyword in value.keywords:
            if keyword.arg == "default":
                return keyword.value
        if value.args:
            return value.args[0]
    return value


def _defaults(function: ast.FunctionDef | ast.AsyncFunctionDef, path: str) -> Iterator[Spot]:
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    method = bool(positional) and positional[0].arg in ("self", "cls")
    scopes = path.split(".")
    holder = scopes[-2] if function.name == "__init__" and len(scopes) > 1 else function.name
    pairs = [
        *zip(
            positional[len(positional) - len(arguments.defaults) :],
            arguments.defaults,
            strict=True,
        ),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    for argument, value in pairs:
        if value is not None:
            name, options = argument.arg, _annotated(argument.annotation)
            inner = f"{path}({name})"
            index = positional.index(argument) - method if argument in positional else -1
            for spot in _values(value, path=inner, name=name, kind="default", context=path):
                yield replace(spot, options=options, holder=holder, word=name, index=index)


def _annotated(annotation: ast.expr | None) -> tuple[Scalar, ...]:
    """The options of `Literal["relu", "gelu"]`."""
    if isinstance(annotation, ast.Subscript) and dotted(annotation.value).endswith("Literal"):
        return _plain_all(annotation.slice)
    return ()


def _expression(node: ast.expr, *, scope: str, target: str) -> Iterator[Spot]:
    """Literals in the calls of an expression; text in braces has no places of its own."""
    if isinstance(node, ast.JoinedStr):
        return
    if isinstance(node, ast.Call):
        yield from _call(node, scope=scope, target=target)
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            yield from _expression(child, scope=scope, target=target)
        elif isinstance(child, ast.keyword):
            yield from _expression(child.value, scope=scope, target=target)
        elif isinstance(child, ast.comprehension):
            yield from _expression(child.iter, scope=scope, target=target)


def _call(call: ast.Call, *, scope: str, target: str) -> Iterator[Spot]:
    called = dotted(call.func)
    if not called:
        return
    last = called.rpartition(".")[2]
    option = _option_of(call)
    if last in ("add_argument", "option", "Option") and option:
        yield from _option(call, option, before=called.rpartition(".")[0] or last)
        return
    near = " ".join([target, *(dotted(argument) for argument in call.args[:1])])
    meanings = _POSITIONAL.get(last, ())
    pairs = [*zip(meanings, call.args, strict=False)]
    pairs += [(word.arg, word.value) for word in call.keywords if word.arg]
    for name, value in pairs:
        if name:
            path = f"{scope}{last}({name})"
            for spot in _values(value, path=path, name=name, kind="argument", context=called):
                yield replace(spot, near=near)


def _option_of(call: ast.Call) -> str:
    """The longest spelling that a call declares: `--learning-rate`."""
    spellings = [
        argument.value
        for argument in call.args
        if isinstance(argument, ast.Constant)
        and isinstance(argument.value, str)
        and argument.value.startswith("-")
    ]
    return next((s for s in spellings if s.startswith("--")), spellings[0] if spellings else "")


def _option(call: ast.Call, option: str, *, before: str) -> Iterator[Spot]:
    words = {word.arg: word.value for word in call.keywords}
    value = words.get("default")
    if value is None:
        return
    options = _plain_all(words.get("choices"))
    kind = words.get("type")
    if isinstance(kind, ast.Call) and dotted(kind.func).endswith("Choice") and kind.args:
        options = _plain_all(kind.args[0])
    name = option.lstrip("-").split("/")[0]
    spelled = option.split("/", maxsplit=1)[0]
    path = f"{before}({spelled})"
    for spot in _values(value, path=path, name=name, kind="option", context=before):
        yield replace(spot, options=options)


def _plain_all(node: ast.expr | None) -> tuple[Scalar, ...]:
    if not isinstance(node, ast.List | ast.Tuple | ast.Set):
        return ()
    try:
        return tuple(plain(element) for element in node.elts)
    except NotPlain:
        return ()


def _entries(node: ast.Dict, *, path: str, near: str) -> Iterator[Spot]:
    for key, value in zip(node.keys, node.values, strict=True):
        if not (isinstance(key, ast.Constant) and isinstance(key.value, str)):
            continue
        inner = f"{path}[{key.value}]"
        if isinstance(value, ast.Dict):
            yield from _entries(value, path=inner, near=near)
        else:
            yield from _values(value, path=inner, name=key.value, kind="entry", context=near)


def _values(
    node: ast.expr, *, path: str, name: str, kind: Kind, context: str = ""
) -> Iterator[Spot]:
    """The literal itself; of a tuple or list of numbers, each of them."""
    if isinstance(node, ast.Tuple | ast.List):
        if node.elts and all(_is_number(element) for element in node.elts):
            for index, element in enumerate(node.elts):
                yield Spot(
                    path=f"{path}[{index}]",
                    name=_element_name(name, index, of=len(node.elts)),
                    node=element,
                    value=plain(element),
                    kind=kind,
                    context=context,
                )
        return
    try:
        value = plain(node)
    except NotPlain:
        return
    yield Spot(path=path, name=name, node=node, value=value, kind=kind, context=context)


def _is_number(node: ast.expr) -> bool:
    try:
        value = plain(node)
    except NotPlain:
        return False
    return isinstance(value, int | float) and not isinstance(value, bool)


def _element_name(name: str, index: int, *, of: int) -> str:
    betas = of == 2 and name.lower().endswith("betas")
    return f"beta{index + 1}" if betas else name


def _assigned_once(owner: ast.AST) -> frozenset[str]:
    """Names that a scope sets once: others count or collect, and are no settings."""
    counts: dict[str, int] = {}
    for node in _within(owner):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                counts[name] = counts.get(name, 0) + 1
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                counts.update(dict.fromkeys(names, 2))
    return frozenset(name for name, count in counts.items() if count == 1)


def _within(owner: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(owner):
        yield child
        if isinstance(child, ast.Global | ast.Nonlocal) or not isinstance(
            child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
        ):
            yield from _within(child)
