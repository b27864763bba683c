"""Settings that stand in the script's text: constants, and names that a configurator sets."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from trialwright.app.script.options import plain, type_of_value
from trialwright.app.script.setting import Interface, Setting
from trialwright.app.script.source import Source

_CAPITALS = re.compile(r"[A-Z][A-Z0-9_]*")
_CONFIGURATOR = re.compile(r"['\"]([^'\"]*configurator[^'\"]*\.py)['\"]")


def read_constants(source: Source) -> Interface | None:
    """Read module-level names in capitals that hold a plain value."""
    settings = tuple(s for s in _named(source, source.tree.body) if _CAPITALS.fullmatch(s.name))
    return _assignments(settings)


def read_names(source: Source) -> Interface | None:
    """Read module-level names in any case that hold a number: the last resort."""
    settings = tuple(
        setting
        for setting in _named(source, source.tree.body)
        if setting.type in ("float", "int") and not setting.name.startswith("_")
    )
    return _assignments(settings)


def read_configurator(source: Source) -> Interface | None:
    """Read names above `exec(open("configurator.py").read())`, which takes `--name=value` words."""
    for call in source.calls:
        text = source.text_of(call)
        if source.called(call) == "exec" and _CONFIGURATOR.search(text):
            above = [s for s in source.tree.body if s.lineno < call.lineno]
            settings = tuple(_named(source, above))
            return Interface(
                style="configurator",
                channel="words",
                settings=settings,
                assignment="--{name}={value}",
            )
    return None


def _assignments(settings: tuple[Setting, ...]) -> Interface | None:
    if not settings:
        return None
    return Interface(style="constants", channel="assignments", settings=settings)


def _named(source: Source, statements: list[ast.stmt]) -> Iterator[Setting]:
    for statement in statements:
        target = _target(statement)
        value = getattr(statement, "value", None)
        if target is None or target not in source.assigned or value is None:
            continue
        default = source.value(value)
        kind = type_of_value(default)
        if kind == "unknown" and default is not None:
            continue
        literal = isinstance(value, ast.Constant | ast.UnaryOp | ast.BinOp)
        aside = "" if literal else "computed from other values"
        yield Setting(
            name=target,
            type=kind,
            default=plain(default),
            help=source.comments.get(statement.end_lineno or statement.lineno, ""),
            line=statement.lineno,
            aside="holds several values" if kind == "list" else aside,
        )


def _target(statement: ast.stmt) -> str | None:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
    return None
