"""Configuration files that a script reads: Hydra's, and plain YAML or JSON files.

The files are read, as data; the script is not run.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from trialwright.app.script.fields import class_settings
from trialwright.app.script.options import keywords, type_of_value
from trialwright.app.script.setting import Interface, Setting
from trialwright.app.script.source import Source
from trialwright.expression import Scalar

LARGEST = 2**20
"""Bytes of a configuration file: more is data."""

_LOADS = (
    "yaml.safe_load",
    "yaml.load",
    "yaml.full_load",
    "json.load",
    "json.loads",
    "omegaconf.OmegaConf.load",
    "OmegaConf.load",
    "commentjson.load",
    "toml.load",
)
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")
_NAMES = ("config", "cfg", "conf", "config_file", "config_path", "params", "hparams", "settings")


def read_hydra(source: Source) -> Interface | None:
    """Read the YAML files behind `@hydra.main`, groups of the defaults list included."""
    calls = [call for call in source.calls if source.called(call) == "hydra.main"]
    if not calls:
        return None
    given = keywords(calls[0])
    given |= dict(zip(("config_path", "config_name"), calls[0].args, strict=False))
    folder, name = (source.scalar(given.get(word)) for word in ("config_path", "config_name"))
    notes: list[str] = []
    values: dict[str, Scalar] = {}
    if isinstance(name, str):
        root = source.path.parent / (folder if isinstance(folder, str) else ".")
        values = dict(_composed(root, name.removesuffix(".yaml"), "", notes))
    settings = tuple(_setting(key, value) for key, value in values.items())
    if not settings:
        settings = _stored(source)
    if not settings:
        notes.append("hydra's configuration files were not found")
    return Interface(style="hydra", channel="words", settings=settings, notes=tuple(notes))


def read_config_file(source: Source, options: Interface | None) -> Interface | None:
    """Read the YAML or JSON file that a script loads, and find how its path is given.

    `options`: the script's command line, one of whose options may take the path.
    """
    if not any(source.called(call) in _LOADS for call in source.calls):
        return None
    paths = dict.fromkeys(path for path in _paths(source) if _read(path) is not None)
    for path in paths:
        values = _read(path)
        assert values is not None
        settings = tuple(_setting(key, value) for key, value in _flat(values))
        door = _door(source, options, path)
        if not settings or door is None:
            continue
        return Interface(
            style="config file",
            channel="file",
            settings=settings,
            file=_relative(path, source.path.parent),
            file_setting=door if door.name else None,
            format="json" if path.suffix == ".json" else "yaml",
        )
    return None


def fixed_files(source: Source) -> list[str]:
    """Return configuration files that the script loads under a name that nothing can change."""
    if not any(source.called(call) in _LOADS for call in source.calls):
        return []
    root = source.path.parent
    return [_relative(path, root) for path in _paths(source) if _read(path) is not None]


def _door(source: Source, options: Interface | None, path: Path) -> Setting | None:
    """The option that takes the path; one without a name: the first positional argument."""
    for setting in options.settings if options else ():
        at_default = (
            isinstance(setting.default, str)
            and (source.path.parent / setting.default).resolve() == path.resolve()
        )
        if at_default or setting.name.lower() in _NAMES:
            return setting
    if options is None and "argv" in source.text:
        return Setting(name="", spelling="{}")
    return None


def _paths(source: Source) -> Iterator[Path]:
    """Every path to a configuration file that the text spells out, in the order of the text."""
    for node in source.nodes:
        if isinstance(node, ast.Constant | ast.BinOp | ast.Call):
            path = path_of(source, node)
            if path is not None and path.suffix in (".yaml", ".yml", ".json"):
                for start in (source.path.parent, Path.cwd()):
                    if _is_file(start / path):
                        yield start / path
                        break


def path_of(source: Source, node: ast.expr, depth: int = 0) -> Path | None:  # noqa: PLR0911  # a case each
    """Return the path that an expression spells; None if the text does not tell."""
    if depth > 8:
        return None
    match node:
        case ast.Name(id="__file__"):
            return source.path.absolute()
        case ast.Name(id=name) if name in source.assigned:
            return path_of(source, source.assigned[name], depth + 1)
        case ast.BinOp(op=ast.Div(), left=left, right=right):
            head, tail = path_of(source, left, depth + 1), source.scalar(right)
            return head / tail if head is not None and isinstance(tail, str) else None
        case ast.Attribute(value=inner, attr="parent"):
            head = path_of(source, inner, depth + 1)
            return head.parent if head else None
        case ast.IfExp(body=body, orelse=orelse):
            return path_of(source, orelse, depth + 1) or path_of(source, body, depth + 1)
        case ast.Call():
            return _path_call(source, node, depth)
    text = source.scalar(node)
    return (
        Path(text) if isinstance(text, str) and 0 < len(text) < 500 and "\n" not in text else None
    )


def _path_call(source: Source, call: ast.Call, depth: int) -> Path | None:  # noqa: PLR0911
    name = source.called(call)
    last = name.rpartition(".")[2]
    if last == "with_name" and isinstance(call.func, ast.Attribute) and call.args:
        head, tail = path_of(source, call.func.value, depth + 1), source.scalar(call.args[0])
        return head.with_name(tail) if head and head.name and isinstance(tail, str) else None
    if last in ("resolve", "absolute") and isinstance(call.func, ast.Attribute):
        return path_of(source, call.func.value, depth + 1)
    parts = [path_of(source, argument, depth + 1) for argument in call.args]
    if not parts or parts[0] is None:
        return None
    if last == "dirname":
        return parts[0].parent
    if last in ("abspath", "realpath", "Path", "str", "expanduser"):
        return parts[0]
    if name.endswith("path.join") and all(part is not None for part in parts):
        return Path(*[part for part in parts if part is not None])
    return None


def _read(path: Path) -> Mapping[str, object] | None:
    """A file's top mapping; None for anything else."""
    try:
        if path.stat().st_size > LARGEST:
            return None
        text = path.read_text(encoding="utf-8")
        if text.count("&") + text.count("*") > 200:
            return None  # anchors that refer to anchors can fill the memory
        values = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def _flat(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    if prefix.count(".") > 8:
        return
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        else:
            yield name, value


def _setting(name: str, value: object) -> Setting:
    aside = ""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)  # YAML 1.1 reads 1e-4 as text; who writes it means a number
    if isinstance(value, str) and "${" in value:
        aside = "computed from other settings"
    elif name.rpartition(".")[2].startswith("_"):
        aside = "names code, not a value"
    elif not (value is None or isinstance(value, bool | int | float | str)):
        aside, value = "takes several values", None
    plain = value if isinstance(value, bool | int | float | str) else None
    return Setting(name=name, type=type_of_value(plain), default=plain, aside=aside)


def _composed(root: Path, name: str, prefix: str, notes: list[str]) -> Iterator[tuple[str, Scalar]]:
    """What Hydra composes: the defaults list in order, `_self_` last unless it is placed."""
    values = _read(root / f"{name}.yaml")
    if values is None:
        notes.append(f"{root.name}/{name}.yaml was not found")
        return
    own = {key: value for key, value in values.items() if key not in ("defaults", "hydra")}
    defaults = values.get("defaults", [])
    listed = list(defaults) if isinstance(defaults, list) else []
    placed = listed if "_self_" in listed else [*listed, "_self_"]
    for item in placed:
        if item == "_self_":
            yield from _flat(own, prefix)  # type: ignore[misc]  # lists are told apart in `_setting`
        elif isinstance(item, str):
            yield from _composed(root, item, prefix, notes)
        elif isinstance(item, dict):
            for group, option in item.items():
                yield from _group(root, str(group), option, prefix, notes)


def _group(
    root: Path, group: str, option: object, prefix: str, notes: list[str]
) -> Iterator[tuple[str, Scalar]]:
    group, _, package = group.removeprefix("optional ").partition("@")
    if not isinstance(option, str) or group.startswith(("override", "hydra/")):
        return
    folder = group.lstrip("/")
    others = sorted(path.stem for path in (root / folder).glob("*.yaml") if path.stem != option)
    if others:
        notes.append(f"keeps {folder}={option}; there are also {', '.join(others)}")
    inside = package or folder.replace("/", ".")
    inside = "" if inside == "_global_" else f"{inside}."
    yield from _composed(root, f"{folder}/{option}", prefix + inside, notes)


def _stored(source: Source) -> tuple[Setting, ...]:
    """The settings of a dataclass that is registered in Hydra's ConfigStore."""
    for call in source.calls:
        if isinstance(call.func, ast.Attribute) and call.func.attr == "store":
            node = keywords(call).get("node", call.args[1] if len(call.args) > 1 else None)
            settings = class_settings(source, source.dotted(node)) if node is not None else ()
            if settings:
                return settings
    return ()


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _relative(path: Path, root: Path) -> str:
    try:
        return str(path.resolve().relative_to(root.resolve()))
    except ValueError:
        return str(path.resolve())
