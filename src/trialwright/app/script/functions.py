"""Functions that a library turns into a command line: click, typer and fire."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace

from trialwright.app.script.annotation import (
    Field,
    documented,
    from_field,
    read_annotation,
    signature,
    with_help,
)
from trialwright.app.script.options import (
    choose,
    keywords,
    options_of,
    plain,
    type_of,
    type_of_value,
    words,
)
from trialwright.app.script.setting import Interface, Setting, Type
from trialwright.app.script.source import UNKNOWN, Source

Function = ast.FunctionDef | ast.AsyncFunctionDef

_CLICK: dict[str, Type] = {
    "INT": "int",
    "IntRange": "int",
    "FLOAT": "float",
    "FloatRange": "float",
    "BOOL": "bool",
    "STRING": "str",
    "Choice": "str",
    "Path": "path",
    "File": "path",
}


def read_click(source: Source) -> Interface | None:
    """Read the options of the click command that trains."""
    if "click" not in source.modules:
        return None
    commands: dict[str, tuple[Function, bool]] = {}
    for function in source.functions.values():
        for decorator in function.decorator_list:
            call = decorator if isinstance(decorator, ast.Call) else None
            name = source.dotted(call.func if call else decorator)
            if name.endswith(".command") and not name.startswith("typer."):
                given = source.scalar(call.args[0]) if call and call.args else UNKNOWN
                word = given if isinstance(given, str) else function.name.replace("_", "-")
                commands[word] = function, name == "click.command"
    if not commands:
        return None
    chosen = choose(list(commands))
    function, alone = commands[chosen]
    settings = [
        _click_option(source, decorator)
        for decorator in function.decorator_list
        if isinstance(decorator, ast.Call)
    ]
    return Interface(
        style="click",
        channel="options",
        settings=tuple(setting for setting in settings if setting is not None),
        words=() if alone else (chosen,),
        notes=() if alone else (f"reads the options of the subcommand {chosen}",),
    )


def read_typer(source: Source) -> Interface | None:
    """Read the signature of the typer command that trains."""
    if "typer" not in source.modules:
        return None
    commands = dict(_typer_commands(source))
    if not commands:
        return None
    chosen = choose(list(commands))
    function = commands[chosen]
    texts = documented(function)
    fields = [field for field in signature(function) if not _is_context(source, field)]
    settings = [with_help(_typer_option(source, f), texts.get(f.name, "")) for f in fields]
    several = len(commands) > 1
    return Interface(
        style="typer",
        channel="options",
        settings=tuple(settings),
        words=(chosen,) if several else (),
        notes=(f"reads the options of the subcommand {chosen}",) if several else (),
    )


def read_fire(source: Source) -> Interface | None:
    """Read the signature of the function behind `fire.Fire(function)`."""
    calls = [call for call in source.calls if source.called(call) == "fire.Fire"]
    if not calls:
        return None
    function, word = _fired(source, calls[0])
    if function is None:
        return Interface(
            style="fire",
            channel="options",
            settings=(),
            notes=(f"line {calls[0].lineno}: what fire runs can't be told from the text",),
        )
    texts = documented(function)
    settings = tuple(
        with_help(_fire_option(source, field), texts.get(field.name, ""))
        for field in signature(function)
    )
    return Interface(
        style="fire", channel="options", settings=settings, words=(word,) if word else ()
    )


def fired_function(source: Source) -> Function | None:
    """Return the function whose value fire prints, if any."""
    calls = [call for call in source.calls if source.called(call) == "fire.Fire"]
    return _fired(source, calls[0])[0] if calls else None


def _click_option(source: Source, call: ast.Call) -> Setting | None:
    method = source.dotted(call.func).rpartition(".")[2]
    if method not in ("option", "argument"):
        return None
    names = [n for n in map(source.scalar, call.args) if isinstance(n, str)]
    if not names:
        return None
    given = keywords(call)
    long = next((name for name in names if name.startswith("--")), names[0])
    own = next((name for name in names if not name.startswith("-")), "")
    name = own or long.split("/")[0].strip().lstrip("-").replace("-", "_")
    setting = Setting(name=name, help=words(source, given.get("help")), line=call.lineno)
    setting = _click_value(source, given, setting)
    if method == "argument":
        required = "default" not in given and source.scalar(given.get("required")) is not False
        return replace(setting, spelling="{}", required=required, aside="a positional argument")
    yes, slash, no = (part.strip() for part in long.partition("/"))
    if slash or source.scalar(given.get("is_flag")) is True:
        return _click_switch(setting, yes=yes, no=no)
    required = source.scalar(given.get("required")) is True
    joined = f"{long}={{}}" if long.startswith("--") else f"{long}{{}}"
    setting = replace(setting, spelling=joined, required=required)
    if setting.type == "bool":
        setting = replace(setting, switch=(f"{long}=true", f"{long}=false"))
    return setting


def _click_switch(setting: Setting, *, yes: str, no: str) -> Setting:
    default = setting.default if isinstance(setting.default, bool) else False
    return replace(setting, type="bool", default=default, switch=(yes, no))


def _click_value(source: Source, given: dict[str, ast.expr], setting: Setting) -> Setting:
    default = source.value(given["default"]) if "default" in given else None
    low = high = None
    choices: object = ()
    node = given.get("type")
    if isinstance(node, ast.Call):
        inner = keywords(node)
        inner |= dict(zip(("min", "max"), node.args, strict=False))
        if source.called(node).endswith("Range"):
            low, high = _bound(source, inner.get("min")), _bound(source, inner.get("max"))
        elif source.called(node).endswith("Choice"):
            choices = source.value(node.args[0] if node.args else inner["choices"])
    kind = _click_type(source, node) if node is not None else type_of_value(default)
    several = source.scalar(given.get("multiple")) is True or "nargs" in given
    if kind == "float" and isinstance(default, int) and not isinstance(default, bool):
        default = float(default)
    return replace(
        setting,
        type="list" if several else kind,
        default=plain(default),
        known=default is not UNKNOWN,
        choices=options_of(choices),
        low=low,
        high=high,
        aside="takes several values" if several else setting.aside,
    )


def _click_type(source: Source, node: ast.expr) -> Type:
    called = node.func if isinstance(node, ast.Call) else node
    name = source.dotted(called)
    last = name.rpartition(".")[2]
    if name.startswith("click.") and last in _CLICK:
        return _CLICK[last]
    return type_of(source, node)


def _bound(source: Source, node: ast.expr | None) -> float | None:
    value = source.scalar(node)
    whole = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if whole else None  # type: ignore[arg-type]  # just checked


def _typer_commands(source: Source) -> Iterator[tuple[str, Function]]:
    for function in source.functions.values():
        for decorator in function.decorator_list:
            if isinstance(decorator, ast.Call) and source.called(decorator).endswith(".command"):
                given = source.scalar(decorator.args[0]) if decorator.args else UNKNOWN
                yield given if isinstance(given, str) else function.name.replace("_", "-"), function
    for call in source.calls:
        if source.called(call) == "typer.run" and call.args:
            function = source.functions.get(source.dotted(call.args[0]))  # type: ignore[assignment]
            if function is not None:
                yield function.name, function


def _is_context(source: Source, field: Field) -> bool:
    return field.annotation is not None and source.dotted(field.annotation) == "typer.Context"


def _typer_option(source: Source, field: Field) -> Setting:
    hint = read_annotation(source, field.annotation)
    described = next((extra for extra in hint.extra if _is_typer(source, extra)), None)
    default = field.default
    if described is None and default is not None and _is_typer(source, default):
        described = default
        assert isinstance(default, ast.Call)
        default = default.args[0] if default.args else keywords(default).get("default")
        if isinstance(default, ast.Constant) and default.value is ...:
            default = None
    plain_field = Field(
        name=field.name, annotation=field.annotation, default=default, line=field.line
    )
    setting = from_field(source, plain_field, hint)
    flag = "--" + field.name.replace("_", "-")
    if not isinstance(described, ast.Call):
        if setting.required:
            return replace(setting, spelling="{}", aside="a positional argument")
        return _typer_spelling(setting, [flag])
    given = keywords(described)
    setting = replace(
        setting,
        low=_bound(source, given.get("min")),
        high=_bound(source, given.get("max")),
        help=words(source, given.get("help")),
    )
    if source.called(described).endswith("Argument"):
        return replace(setting, spelling="{}", aside="a positional argument")
    spelt = [n for n in map(source.scalar, described.args) if isinstance(n, str) and n[:1] == "-"]
    return _typer_spelling(setting, spelt or [flag])


def _typer_spelling(setting: Setting, names: list[str]) -> Setting:
    long = next((name for name in names if name.startswith("--")), names[0])
    if setting.type != "bool":
        joined = f"{long}={{}}" if long.startswith("--") else f"{long}{{}}"
        return replace(setting, spelling=joined)
    yes, slash, no = long.partition("/")
    if not slash and len(names) == 1 and long == "--" + setting.name.replace("_", "-"):
        no = long.replace("--", "--no-", 1)
    return replace(setting, switch=(yes, no))


def _is_typer(source: Source, node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and source.called(node) in (
        "typer.Option",
        "typer.Argument",
    )


def _fired(source: Source, call: ast.Call) -> tuple[Function | None, str]:
    """The function behind `fire.Fire`, and the word that selects it."""
    if not call.args:
        own = [f.name for f in source.tree.body if isinstance(f, ast.FunctionDef)]
        word = choose(own)
        return source.functions.get(word), word
    what = call.args[0]
    if isinstance(what, ast.Dict):
        named = [source.scalar(key) for key in what.keys if key is not None]
        word = choose([name for name in named if isinstance(name, str)])
        index = named.index(word) if word in named else 0
        return source.functions.get(source.dotted(what.values[index])), word
    name = source.dotted(what)
    owner = source.classes.get(name)
    if owner is not None:
        methods = {f.name: f for f in owner.body if isinstance(f, ast.FunctionDef)}
        word = choose([method for method in methods if not method.startswith("_")])
        return methods.get(word), word
    return source.functions.get(name), ""


def _fire_option(source: Source, field: Field) -> Setting:
    setting = from_field(source, field)
    setting = replace(setting, spelling=f"--{field.name}={{}}")
    if setting.type == "bool":
        # Fire reads values as Python's literals, for which `false` would be a text, and true.
        setting = replace(setting, switch=(f"--{field.name}=True", f"--{field.name}=False"))
    return setting


def returned(function: Function) -> Iterator[ast.expr]:
    """Yield what a function returns."""
    for node in ast.walk(function):
        if isinstance(node, ast.Return) and node.value is not None:
            yield node.value
