"""Dataclasses (and classes like them) that hold a script's settings, and the door they have."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from trialwright.app.script.annotation import Field, documented, from_field, read_annotation
from trialwright.app.script.options import keywords, words
from trialwright.app.script.setting import Interface, Setting
from trialwright.app.script.source import Source

_MAKERS = ("dataclass", "define", "attrs", "mutable", "chz", "pydantic_dataclass")
_BASES = ("BaseModel", "BaseSettings", "NamedTuple", "Struct", "Tap", "Serializable")
_NAMES = ("config", "cfg", "args", "arguments", "params", "hparams", "hyperparameters", "settings")
DEEPEST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A field that holds a plain value, with its way from the outermost class."""

    setting: Setting
    """Named by the last part alone."""
    path: tuple[str, ...]
    """Field names from the outermost class, the own one last."""
    owner: str
    """The class that has the field."""


def read_dataclasses(sources: list[Source]) -> Interface | None:
    """Read the class that a command-line library turns into options, if there is one."""
    for source in sources:
        for names, door in _doors(source):
            held = [(s, s.classes[n]) for n in names for s in sources if n in s.classes]
            leaves = [leaf for s, owner in held for leaf in _leaves(s, owner)]
            if "TrainingArguments" in "".join(names):
                leaves += list(_transformers_leaves({leaf.setting.name for leaf in leaves}))
            if leaves:
                return Interface(
                    style="dataclass",
                    channel="options",
                    settings=tuple(door(leaf) for leaf in leaves),
                )
    return None


def read_words(sources: list[Source]) -> Interface | None:
    """Read dataclasses whose fields the script takes as `name=value` words."""
    merged = next((s for s in sources if "OmegaConf.from_cli" in s.text), None)
    parsed = next((s for s in sources if reads_words(s)), None)
    if merged is None and parsed is None:
        return None
    for source in sources:
        for owner in _roots(source):
            settings = tuple(_word(leaf) for leaf in _leaves(source, owner))
            if settings:
                dashed = merged is None and parsed is not None and dashes(parsed)
                return Interface(
                    style="key=value",
                    channel="words",
                    settings=settings,
                    assignment="--{name}={value}" if dashed else "{name}={value}",
                    notes=(f"sets the fields of {owner.name} by name=value arguments",),
                )
    return None


def read_defaults(source: Source) -> Interface | None:
    """Read a dataclass that is made without arguments, and that nothing else can set."""
    made = {
        source.dotted(call.func) for call in source.calls if not call.args and not call.keywords
    }
    for owner in _roots(source):
        if owner.name in made or _is_namespace(owner):
            settings = tuple(
                replace(leaf.setting, name=f"{leaf.owner}.{leaf.setting.name}")
                for leaf in _leaves(source, owner)
                if not leaf.setting.required
            )
            if settings:
                return Interface(style="dataclass", channel="assignments", settings=settings)
    return None


def reads_words(source: Source) -> bool:
    """Say whether a file takes `name=value` words from its command line by hand."""
    if "argv" not in source.text:
        return False
    return any(
        isinstance(call.func, ast.Attribute)
        and call.func.attr in ("split", "partition")
        and bool(call.args)
        and source.scalar(call.args[0]) == "="
        for call in source.calls
    )


def dashes(source: Source) -> bool:
    """Say whether words that a file parses by hand begin with `--`."""
    return any(isinstance(n, ast.Constant) and n.value == "--" for n in source.nodes)


def class_settings(source: Source, name: str) -> tuple[Setting, ...]:
    """Return the settings of a class of this file, dotted names."""
    owner = source.classes.get(name)
    return tuple(_word(leaf) for leaf in _leaves(source, owner)) if owner else ()


def _word(leaf: Leaf) -> Setting:
    return replace(leaf.setting, name=".".join(leaf.path))


def _doors(source: Source) -> Iterator[tuple[list[str], Callable[[Leaf], Setting]]]:
    """Classes that a library reads from the command line, with how it spells their fields."""
    for call in source.calls:
        name = source.called(call)
        last = name.rpartition(".")[2]
        named = [source.dotted(node) for node in _classes_in(call)]
        if name in ("tyro.cli", "chz.entrypoint"):
            yield named, _tyro
        elif (
            last == "HfArgumentParser"
            or name in ("simple_parsing.parse",)
            or last == "add_arguments"
        ):
            yield named, _underscored
        elif name in ("pyrallis.parse", "draccus.parse", "jsonargparse.CLI", "jsonargparse.cli"):
            yield named, _dotted
        elif name in ("pyrallis.wrap", "draccus.wrap"):
            yield _wrapped(source, call), _dotted
        elif last == "parse_args" and isinstance(call.func, ast.Attribute):
            made = call.func.value
            if isinstance(made, ast.Call) and _is_tap(source, source.dotted(made.func)):
                yield [source.dotted(made.func)], _tap


def _classes_in(call: ast.Call) -> Iterator[ast.expr]:
    given = keywords(call)
    firsts = [
        *call.args[:1],
        *(given[n] for n in ("config_class", "dataclass_types") if n in given),
    ]
    for first in firsts:
        yield from first.elts if isinstance(first, ast.Tuple | ast.List) else [first]


def _wrapped(source: Source, decorator: ast.Call) -> list[str]:
    function = source.parents.get(decorator)
    if not isinstance(function, ast.FunctionDef) or not function.args.args:
        return []
    annotation = function.args.args[0].annotation
    return [source.dotted(annotation)] if annotation is not None else []


def _is_tap(source: Source, name: str) -> bool:
    owner = source.classes.get(name)
    return owner is not None and any(source.dotted(b).endswith("Tap") for b in owner.bases)


def _tyro(leaf: Leaf) -> Setting:
    spelt = "--" + ".".join(part.replace("_", "-") for part in leaf.path)
    head, dot, last = spelt.rpartition(".")
    no = f"{head}.no-{last}" if dot else spelt.replace("--", "--no-", 1)
    return _spelled(leaf, spelt, switch=(spelt, no))


def _underscored(leaf: Leaf) -> Setting:
    spelt = f"--{leaf.path[-1]}"
    return _spelled(leaf, spelt, switch=(f"{spelt}=True", f"{spelt}=False"))


def _dotted(leaf: Leaf) -> Setting:
    spelt = "--" + ".".join(leaf.path)
    return _spelled(leaf, spelt, switch=(f"{spelt}=true", f"{spelt}=false"))


def _tap(leaf: Leaf) -> Setting:
    spelt = f"--{leaf.path[-1]}"
    switch = ("", spelt) if leaf.setting.default is True else (spelt, "")
    return _spelled(leaf, spelt, switch=switch)


def _spelled(leaf: Leaf, spelling: str, *, switch: tuple[str, str]) -> Setting:
    return replace(
        leaf.setting,
        name=".".join(leaf.path),
        spelling=f"{spelling}={{}}",
        switch=switch if leaf.setting.type == "bool" else None,
    )


def _roots(source: Source) -> list[ast.ClassDef]:
    """Classes of settings that are no part of another one, likeliest names first."""
    held = [owner for owner in source.classes.values() if _holds_settings(source, owner)]
    parts = {
        leaf.owner for owner in held for leaf in _leaves(source, owner) if leaf.owner != owner.name
    }
    roots = [owner for owner in held if owner.name not in parts]
    return sorted(roots, key=lambda owner: not owner.name.lower().endswith(_NAMES))


def _holds_settings(source: Source, owner: ast.ClassDef) -> bool:
    made = any(
        source.dotted(d.func if isinstance(d, ast.Call) else d).rpartition(".")[2] in _MAKERS
        for d in owner.decorator_list
    )
    derived = any(source.dotted(base).rpartition(".")[2] in _BASES for base in owner.bases)
    listed = made or derived or _is_namespace(owner)
    return listed and any(True for _ in _leaves(source, owner))


def _is_namespace(owner: ast.ClassDef) -> bool:
    """Whether a class without methods serves as a bag of settings: `class Config: lr = 0.1`."""
    named = owner.name.lower().endswith(_NAMES)
    bare = not owner.bases and not owner.decorator_list
    only = all(isinstance(s, ast.Assign | ast.AnnAssign | ast.Expr | ast.Pass) for s in owner.body)
    return named and bare and only


def _leaves(source: Source, owner: ast.ClassDef, path: tuple[str, ...] = ()) -> Iterator[Leaf]:
    texts = documented(owner)
    for index, statement in enumerate(owner.body):
        field = _field(statement)
        if field is None or field.name.startswith("_"):
            continue
        hint = read_annotation(source, field.annotation)
        inner = source.classes.get(hint.owner or _made_class(source, field.default))
        own = (*path, field.name)
        if inner is not None and inner is not owner and len(own) < DEEPEST and not hint.choices:
            yield from _leaves(source, inner, own)
            continue
        setting = from_field(source, _with_default(source, field), hint)
        below = owner.body[index + 1] if index + 1 < len(owner.body) else None
        text = _help(source, statement, below) or texts.get(field.name, "")
        setting = replace(setting, help=" ".join(text.split()))
        if setting.type != "unknown" or setting.choices:
            yield Leaf(setting=setting, path=own, owner=owner.name)


def _field(statement: ast.stmt) -> Field | None:
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
            return Field(name=name, annotation=annotation, default=value, line=statement.lineno)
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return Field(name=name, annotation=None, default=value, line=statement.lineno)
    return None


def _with_default(source: Source, field: Field) -> Field:
    """See through `field(default=...)`, `Field(...)`, and constant factories."""
    call = field.default
    if not isinstance(call, ast.Call):
        return field
    last = source.called(call).rpartition(".")[2]
    if last not in ("field", "Field", "ib", "attrib", "arg", "choice"):
        return field
    given = keywords(call)
    default = given.get("default")
    if default is None and last in ("Field", "arg") and call.args:
        default = call.args[0]
    factory = given.get("default_factory", given.get("factory"))
    if default is None and isinstance(factory, ast.Lambda):
        default = factory.body
    elif default is None and factory is not None:
        default = factory
    return replace(field, default=default)


def _made_class(source: Source, default: ast.expr | None) -> str:
    """The class that a default makes: `Inner()`, or `field(default_factory=Inner)`."""
    if not isinstance(default, ast.Call):
        return ""
    factory = keywords(default).get("default_factory")
    return source.dotted(factory if factory is not None else default.func)


def _help(source: Source, statement: ast.stmt, below: ast.stmt | None) -> str:
    """A field's help: its metadata, the text under it, or the comment beside or above it."""
    value = getattr(statement, "value", None)
    if isinstance(value, ast.Call):
        given = keywords(value)
        for name in ("help", "description", "doc"):
            if name in given:
                return words(source, given[name])
        metadata = source.value(given["metadata"]) if "metadata" in given else None
        if isinstance(metadata, dict) and isinstance(metadata.get("help"), str):
            return str(metadata["help"])
    if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
        return str(below.value.value)
    beside = source.comments.get(statement.end_lineno or statement.lineno, "")
    above = source.comments.get(statement.lineno - 1, "")
    own_line = statement.lineno >= 2 and source.lines[statement.lineno - 2].lstrip().startswith("#")
    return beside or (above if own_line else "")


def _transformers_leaves(present: set[str]) -> Iterator[Leaf]:
    """The settings of Hugging Face's TrainingArguments that people tune, with its defaults.

    Source: the documentation of `transformers.TrainingArguments`.
    """
    for name, kind, default, text in (
        ("learning_rate", "float", 5e-5, "initial learning rate of AdamW"),
        ("per_device_train_batch_size", "int", 8, "batch size per device"),
        ("num_train_epochs", "float", 3.0, "passes over the data"),
        ("weight_decay", "float", 0.0, "decay of weights, biases and norms left out"),
        ("warmup_ratio", "float", 0.0, "share of the steps that warm up"),
        ("lr_scheduler_type", "str", "linear", "schedule of the learning rate"),
        ("label_smoothing_factor", "float", 0.0, "label smoothing"),
        ("max_grad_norm", "float", 1.0, "gradient clipping"),
        ("seed", "int", 42, "seed"),
    ):
        if name not in present:
            setting = Setting(name=name, type=kind, default=default, help=text)  # type: ignore[arg-type]
            yield Leaf(setting=setting, path=(name,), owner="TrainingArguments")
