"""Options declared by calls: argparse's `add_argument`, and absl's `DEFINE_*`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from trialwright.app.script.setting import Interface, Setting, Type
from trialwright.app.script.source import UNKNOWN, Source
from trialwright.expression import Scalar

_TYPES: dict[str, Type] = {
    "float": "float",
    "int": "int",
    "str": "str",
    "bool": "bool",
    "str.lower": "str",
    "str.upper": "str",
    "str.strip": "str",
    "pathlib.Path": "path",
    "argparse.FileType": "path",
    "open": "path",
    "list": "list",
    "tuple": "list",
    "json.loads": "list",
    "ast.literal_eval": "list",
}
_SIGNS: tuple[tuple[str, Type], ...] = (
    ("bool", "bool"),
    ("split|list|tuple|dict", "list"),
    ("path|dir|file", "path"),
    (r"(?<![a-z])int(?![a-z])|int$", "int"),
    (r"(?<![a-z])float(?![a-z])|float$", "float"),
)
"""What the text of another converter tells, such as `lambda x: bool(strtobool(x))`."""

_PARSERS = frozenset({"argparse", "configargparse", "jsonargparse", "tap"})
_ABSL: dict[str, Type] = {
    "DEFINE_float": "float",
    "DEFINE_integer": "int",
    "DEFINE_bool": "bool",
    "DEFINE_boolean": "bool",
    "DEFINE_string": "str",
    "DEFINE_enum": "str",
    "DEFINE_list": "list",
    "DEFINE_multi_string": "list",
    "DEFINE_multi_integer": "list",
    "DEFINE_multi_float": "list",
}
TRAINING = ("train", "fit", "run", "main", "tune")
"""Subcommands that train, likeliest first."""


def read_argparse(source: Source) -> Interface | None:
    """Read every `add_argument` of a file that uses argparse or a parser like it."""
    calls = [call for call in source.calls if _method(call) == "add_argument"]
    if not calls or not (source.modules & _PARSERS or "ArgumentParser" in source.text):
        return None
    commands = _subcommands(source)
    chosen = choose(list(dict.fromkeys(commands.values())))
    settings: dict[str, Setting] = {}
    notes = [f"reads the arguments of the subcommand {chosen}"] if chosen else []
    for call in calls:
        owner = call.func.value if isinstance(call.func, ast.Attribute) else call.func
        command = commands.get(source.dotted(owner))
        if command is not None and command != chosen:
            continue
        setting = _argument(source, call)
        if isinstance(setting, str):
            notes.append(setting)
        elif setting is not None:
            settings.setdefault(setting.name, setting)
    return Interface(
        style="argparse",
        channel="options",
        settings=tuple(_with_defaults(source, settings.values())),
        words=(chosen,) if chosen else (),
        notes=tuple(notes),
    )


def read_absl(source: Source) -> Interface | None:
    """Read absl's (and old TensorFlow's) `flags.DEFINE_float("lr", 0.1, "help")`."""
    settings = [
        _flag(source, call, _ABSL[method])
        for call in source.calls
        if (method := _method(call) or source.called(call).rpartition(".")[2]) in _ABSL
    ]
    found = tuple(setting for setting in settings if setting is not None)
    if not found:
        return None
    return Interface(style="absl", channel="options", settings=found)


def choose(commands: Sequence[str]) -> str:
    """Return the subcommand that trains, or the first; '' without any."""
    for word in TRAINING:
        for command in commands:
            if word in command.lower():
                return command
    return commands[0] if commands else ""


def type_of(source: Source, node: ast.expr | None) -> Type:
    """Return the type that a converter such as `float`, `str2bool` or a lambda yields."""
    if node is None:
        return "unknown"
    name = source.dotted(node.func if isinstance(node, ast.Call) else node)
    if name in _TYPES:
        return _TYPES[name]
    text = source.text_of(node).lower()
    return next((kind for sign, kind in _SIGNS if re.search(sign, text)), "unknown")


def type_of_value(value: object) -> Type:
    """Return the type of a default."""
    match value:
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "float"
        case str():
            return "str"
        case tuple() | dict():
            return "list"
    return "unknown"


def keywords(call: ast.Call) -> dict[str, ast.expr]:
    """Return a call's keyword arguments by name."""
    return {word.arg: word.value for word in call.keywords if word.arg is not None}


def plain(value: object) -> Scalar:
    """Return a value that a setting may have as its default; None for any other."""
    return value if isinstance(value, bool | int | float | str) else None


def options_of(value: object) -> tuple[Scalar, ...]:
    """Return literal choices; () where they can't be told."""
    if isinstance(value, dict):
        value = tuple(value)
    if not isinstance(value, tuple):
        return ()
    return tuple(v for v in value if v is None or isinstance(v, bool | int | float | str))


def words(source: Source, node: ast.expr | None) -> str:
    """Return a help text on one line; '' where it is computed."""
    text = source.scalar(node) if node is not None else ""
    return re.sub(r"\s+", " ", text).strip() if isinstance(text, str) else ""


def _method(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _subcommands(source: Source) -> dict[str, str]:
    """The variables that hold a subcommand's parser, with the subcommand."""
    found: dict[str, str] = {}
    for node in source.nodes:
        if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)):
            continue
        if _method(node.value) != "add_parser" or not node.value.args:
            continue
        name = source.scalar(node.value.args[0])
        for target in node.targets:
            if isinstance(name, str) and source.dotted(target):
                found[source.dotted(target)] = name
    return found


def _argument(source: Source, call: ast.Call) -> Setting | str | None:
    """One `add_argument`; a note where its name is computed, None where it sets nothing."""
    names = [source.scalar(argument) for argument in call.args]
    spelt = [name for name in names if isinstance(name, str) and name]
    if not spelt:
        return f"line {call.lineno}: an argument whose name is computed is not read"
    given = keywords(call)
    action = source.scalar(given["action"]) if "action" in given else "store"
    if action is UNKNOWN:
        action = source.dotted(given["action"]).rpartition(".")[2]
    if action in ("help", "version"):
        return None
    long = next((name for name in spelt if name.startswith("--")), spelt[0])
    dest = source.scalar(given["dest"]) if "dest" in given else UNKNOWN
    name = dest if isinstance(dest, str) else long.lstrip("-").replace("-", "_")
    setting = Setting(name=name, help=words(source, given.get("help")), line=call.lineno)
    if not long.startswith("-"):
        return _positional(source, given, setting)
    if action in ("store_true", "store_false", "BooleanOptionalAction"):
        return _switch(source, given, setting, long=long, action=str(action))
    if action not in ("store", "StoreAction"):
        return replace(setting, known=False, aside=f"action {action}")
    return _option(source, given, setting, long=long)


def _positional(source: Source, given: dict[str, ast.expr], setting: Setting) -> Setting:
    optional = source.scalar(given.get("nargs")) in ("?", "*")
    setting = _valued(source, given, replace(setting, spelling="{}"))
    return replace(setting, required=not optional, aside=setting.aside or "a positional argument")


def _switch(
    source: Source, given: dict[str, ast.expr], setting: Setting, *, long: str, action: str
) -> Setting:
    default = source.scalar(given["default"]) if "default" in given else action == "store_false"
    no = long.replace("--", "--no-", 1)
    pairs = {
        "store_true": (long, ""),
        "store_false": ("", long),
        "BooleanOptionalAction": (long, no),
    }
    setting = replace(
        setting,
        type="bool",
        default=bool(default) if default is not UNKNOWN else None,
        known=default is not UNKNOWN,
        switch=pairs[action],
    )
    if setting.default is (action != "store_false") and action != "BooleanOptionalAction":
        return replace(setting, aside="a switch whose default it can't change")
    return setting


def _option(source: Source, given: dict[str, ast.expr], setting: Setting, *, long: str) -> Setting:
    # A short option takes its value without a sign: `-C0.1` is what every parser reads.
    spelling = f"{long}={{}}" if long.startswith("--") else f"{long}{{}}"
    setting = _valued(source, given, replace(setting, spelling=spelling))
    required = source.scalar(given["required"]) if "required" in given else False
    setting = replace(setting, required=required is True)
    if setting.type != "bool":
        return setting
    # `type=bool` calls bool(text), for which only the empty text is false.
    false = "" if source.dotted(given["type"]) == "bool" else "False"
    return replace(setting, switch=(f"{long}=True", f"{long}={false}"))


def _valued(source: Source, given: dict[str, ast.expr], setting: Setting) -> Setting:
    """Add type, default and choices."""
    default = source.value(given["default"]) if "default" in given else None
    kind = type_of(source, given.get("type"))
    if kind == "unknown":
        kind = type_of_value(default) if "type" not in given else "unknown"
    if "default" in given and source.dotted(given["default"]).endswith("SUPPRESS"):
        default = None
    choices = options_of(source.value(given["choices"])) if "choices" in given else ()
    if "nargs" in given and source.scalar(given["nargs"]) not in ("?", None):
        kind = "list"
    if kind == "float" and isinstance(default, int) and not isinstance(default, bool):
        default = float(default)
    return replace(
        setting,
        type=kind,
        default=plain(default),
        known=default is not UNKNOWN,
        choices=choices,
        aside="takes several values" if kind == "list" else "",
    )


def _with_defaults(source: Source, settings: Iterable[Setting]) -> Iterator[Setting]:
    """Apply `parser.set_defaults(lr=0.1)`."""
    changed: dict[str, object] = {}
    for call in source.calls:
        if _method(call) == "set_defaults":
            changed |= {name: source.value(node) for name, node in keywords(call).items()}
    for setting in settings:
        if setting.name in changed:
            value = changed[setting.name]
            yield replace(setting, default=plain(value), known=value is not UNKNOWN)
        else:
            yield setting


def _flag(source: Source, call: ast.Call, kind: Type) -> Setting | None:
    name = source.scalar(call.args[0]) if call.args else UNKNOWN
    if not isinstance(name, str):
        return None
    given = keywords(call)
    order = ["name", "default", "help"]
    if "DEFINE_enum" in source.text_of(call.func):
        order.insert(2, "enum_values")
    given |= dict(zip(order, call.args, strict=False))
    default = source.value(given["default"]) if "default" in given else UNKNOWN
    return Setting(
        name=name,
        type=kind,
        default=plain(default),
        known=default is not UNKNOWN,
        choices=options_of(source.value(given["enum_values"])) if "enum_values" in given else (),
        help=words(source, given.get("help")),
        spelling=f"--{name}={{}}",
        switch=(f"--{name}", f"--no{name}") if kind == "bool" else None,
        line=call.lineno,
        aside="takes several values" if kind == "list" else "",
    )
