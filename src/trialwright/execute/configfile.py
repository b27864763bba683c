"""A configuration as a file: the base with the parameters put over it, all other keys kept.

Which keys are overridden is the same for most trials of a study, so the merged file is laid out
once, with gaps, and each run only fills the gaps. A YAML base is merged as a tree of nodes, not of
values, so that what is not overridden keeps its very text: `1e-2` stays `1e-2`, which PyYAML reads
as text and other libraries as a number.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, cast

import yaml

from trialwright.errors import StudyError
from trialwright.expression import Scalar
from trialwright.space import Configuration
from trialwright.task import Delivery

Format = Literal["yaml", "json"]

LARGEST_BASE = 2**20
"""Bytes of a base file."""

MOST_NODES = 100_000
"""Keys and values of a base file, aliases counted each time that they are used."""

_GAP = re.compile(r'"?trialwright-gap-(\d+)-here"?')
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_WIDE = 2**30


class _Loader(yaml.SafeLoader):
    """YAML as people mean it: `1e-4` is a number."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+0123456789."),
)


def render(delivery: Delivery, configuration: Configuration, *, folder: Path) -> bytes:
    """Return the file behind `{config}`; `delivery.base` is relative to `folder`.

    Raises:
        StudyError: the base can't be read, or a parameter does not fit into it.
    """
    base = folder / delivery.base if delivery.base is not None else None
    parts = _laid_out(base, _stamp(base), delivery.format, tuple(configuration))
    written = _as_yaml if delivery.format == "yaml" else _as_json
    return "".join(
        part if isinstance(part, str) else written(configuration[part.name]) for part in parts
    ).encode()


class _Gap:
    """The place of a parameter's value in a file."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


def _stamp(base: Path | None) -> tuple[int, int]:
    if base is None:
        return 0, 0
    try:
        status = base.stat()
    except OSError as error:
        raise StudyError(f"the base {base} can't be read: {error.strerror}") from None
    if status.st_size > LARGEST_BASE:
        raise StudyError(f"the base {base} has {status.st_size} bytes; {LARGEST_BASE} are allowed")
    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=256)
def _laid_out(
    base: Path | None,
    stamp: tuple[int, int],  # noqa: ARG001  # part of the cache's key: a changed base is read again
    out: Format,
    names: tuple[str, ...],
) -> tuple[str | _Gap, ...]:
    """Lay out the file with a gap for each parameter."""
    root = _read(base)
    for index, name in enumerate(names):
        gap = yaml.ScalarNode("tag:yaml.org,2002:str", f"trialwright-gap-{index}-here")
        root = _put(root, name.split("."), gap, name=name, base=base)
    if out == "yaml":
        text = yaml.serialize(root, Dumper=_DUMPER, width=_WIDE, allow_unicode=True)
    else:
        text = json.dumps(_plain(root), indent=2, ensure_ascii=False, default=str) + "\n"
    parts: list[str | _Gap] = []
    at = 0
    for match in _GAP.finditer(text):
        parts += [text[at : match.start()], _Gap(names[int(match[1])])]
        at = match.end()
    return (*parts, text[at:])


def _read(base: Path | None) -> yaml.MappingNode:
    """Read a base as a tree of nodes; an empty one without a base."""
    if base is None:
        return _mapping()
    try:
        text = base.read_text(encoding="utf-8-sig")
        if base.suffix.lower() == ".json":
            # JSON's own reader: YAML's stumbles over tabs and some escapes.
            text = yaml.dump(json.loads(text), Dumper=_DUMPER, sort_keys=False)
        node = yaml.compose(text, Loader=_LOADER)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        words = " ".join(str(error).split())
        raise StudyError(f"the base {base} can't be read: {words}") from None
    if node is None:
        return _mapping()
    if not isinstance(node, yaml.MappingNode):
        raise StudyError(f"the base {base} holds no mapping of names to values at its top")
    _weigh(node, {}, base=base)
    return node


def _weigh(node: yaml.Node, known: dict[int, int], *, base: Path) -> int:
    """Count nodes as if aliases were written out; refuse what would fill the memory."""
    if id(node) in known:
        weight = known[id(node)]
    elif isinstance(node, yaml.ScalarNode):
        return 1
    else:
        known[id(node)] = MOST_NODES + 1  # a node within itself weighs too much
        children = [
            child for item in node.value for child in (item if isinstance(item, tuple) else (item,))
        ]
        weight = known[id(node)] = 1 + sum(_weigh(child, known, base=base) for child in children)
    if weight > MOST_NODES:
        raise StudyError(f"the base {base} unfolds to over {MOST_NODES} values: use fewer aliases")
    return weight


def _put(
    node: yaml.MappingNode, path: list[str], gap: yaml.Node, *, name: str, base: Path | None
) -> yaml.MappingNode:
    """Return a copy of `node` with `gap` at `path`; what aliases share stays as it is elsewhere."""
    whole, head = ".".join(path), path[0]
    # A flat file may have the dotted name itself as a key.
    key = whole if _find(node, whole) is not None else head
    before = _find(node, key)
    if key == whole:
        if isinstance(before, yaml.MappingNode):
            raise _misfit(name, whole, "a mapping of its own", base)
        return _with(node, key, gap)
    if before is None or _empty(before):
        before = _mapping()
    if not isinstance(before, yaml.MappingNode):
        raise _misfit(name, head, "no mapping", base)
    return _with(node, key, _put(before, path[1:], gap, name=name, base=base))


def _misfit(name: str, key: str, what: str, base: Path | None) -> StudyError:
    return StudyError(
        f"parameter {name} does not fit the base {base}: there {key} is {what}; name a key that"
        " holds one value"
    )


def _find(node: yaml.MappingNode, key: str) -> yaml.Node | None:
    """The value behind a key, its own before one that `<<` merges in."""
    for name, value in reversed(node.value):
        if isinstance(name, yaml.ScalarNode) and name.value == key:
            return cast("yaml.Node", value)
    for name, value in node.value:
        if name.tag == "tag:yaml.org,2002:merge":
            for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                found = _find(source, key) if isinstance(source, yaml.MappingNode) else None
                if found is not None:
                    return found
    return None


def _with(node: yaml.MappingNode, key: str, value: yaml.Node) -> yaml.MappingNode:
    """Return a copy of `node` in which `key` has `value`, in its old place or at the end."""
    own = [
        index
        for index, (name, _) in enumerate(node.value)
        if isinstance(name, yaml.ScalarNode) and name.value == key
    ]
    pairs = list(node.value)
    if own:
        pairs[own[-1]] = (pairs[own[-1]][0], value)
    else:
        pairs.append((yaml.ScalarNode("tag:yaml.org,2002:str", key), value))
    return yaml.MappingNode(node.tag, pairs, flow_style=node.flow_style)


def _mapping() -> yaml.MappingNode:
    return yaml.MappingNode("tag:yaml.org,2002:map", [], flow_style=False)


def _empty(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _plain(root: yaml.MappingNode) -> Any:
    """Turn nodes into values, for JSON."""
    text = yaml.serialize(root, Dumper=_DUMPER, width=_WIDE)
    return yaml.load(text, Loader=_Loader)  # noqa: S506  # a SafeLoader that knows more numbers


def _as_yaml(value: Scalar) -> str:
    match value:
        case bool() | None:
            return json.dumps(value)
        case float():
            # YAML 1.1 knows 1.0e-05 as a number, and 1e-05 as text.
            mantissa, mark, exponent = repr(value).partition("e")
            return mantissa + (".0" if mark and "." not in mantissa else "") + mark + exponent
        case int():
            return str(value)
    return _yaml_text(value)


@lru_cache(maxsize=4096)
def _yaml_text(value: str) -> str:
    """Write a text on one line, plain where every YAML reads it as text."""
    plain = re.fullmatch(r"[A-Za-z][\w./+-]*", value, re.ASCII)
    if plain and yaml.load(value, Loader=_LOADER) == value:  # noqa: S506  # the safe one, in C
        return value
    quoted = yaml.dump(value, Dumper=_DUMPER, default_style='"', width=_WIDE)
    return quoted.rstrip("\n")


def _as_json(value: Scalar) -> str:
    return json.dumps(value, ensure_ascii=False)
