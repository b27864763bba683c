"""Edits of layers in PyTorch code: activations, normalisation, dropout.

Layers are put in where `nn.Sequential` shows what stands beside what; elsewhere only swapped.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import libcst as cst

from trialwright.code.trees import Code, Edits, full, starred

_MODULES = {"ReLU": "relu", "GELU": "gelu", "SiLU": "silu", "Tanh": "tanh"}
_FUNCTIONS = {function: module for module, function in _MODULES.items()}
_NN, _FUNCTIONAL = "torch.nn.", "torch.nn.functional."
_NORM = re.compile(r"torch\.nn\.\w*Norm\w*")


def to_activation(target: str) -> Callable[[Code], Edits | None]:
    """Return the edit that turns every activation into `target`, modules and functions alike.

    A tanh that is not a module is left alone: it may bound an output, or be part of a cell.
    """

    def edit(code: Code) -> Edits | None:
        if _referred(code):
            return None
        edits: dict[cst.CSTNode, cst.CSTNode] = {}
        for call, name in code.calls:
            new = _module(code, call, name, target) or _function(code, call, name, target)
            if new is not None:
                edits[call] = new
        return edits or None

    return edit


def insert_norm(target: str) -> Callable[[Code], Edits | None]:
    """Return the edit that normalises between a linear layer and its activation."""

    def edit(code: Code) -> Edits | None:
        if any(_NORM.fullmatch(name) for _, name in code.calls):
            return None
        return _between(code, target, "Conv2d" if target == "BatchNorm2d" else "Linear")

    return edit


def remove_norm(code: Code) -> Edits | None:
    """Take out normalisation between a layer and its activation."""
    return _without(code, lambda name: bool(_NORM.fullmatch(name)))


def swap_norm(source: str, target: str) -> Callable[[Code], Edits | None]:
    """Return the edit that turns one normalisation over the last axes into the other."""

    def edit(code: Code) -> Edits | None:
        edits: dict[cst.CSTNode, cst.CSTNode] = {}
        for call, name in code.calls:
            if name == _NN + source and not starred(call):
                kept = [
                    arg for arg in call.args if not (arg.keyword and arg.keyword.value == "bias")
                ]
                edits[call] = _renamed(code, call, target).with_changes(args=_ended(kept))
        return edits or None

    return edit


def insert_dropout(code: Code) -> Edits | None:
    """Drop a tenth of the units behind each activation of a linear layer."""
    if re.search("dropout", code.text, re.IGNORECASE):
        return None
    edits: dict[cst.CSTNode, cst.CSTNode] = {}
    for sequence in _sequences(code):
        names = [_name(code, arg) for arg in sequence.args]
        places = [i for i in range(1, len(names) - 1) if _activates_linear(names[: i + 1])]
        if places and (prefix := _prefix(code, sequence)):
            args = list(sequence.args)
            for i in reversed(places):
                args[i : i + 1] = _after(args[i], f"{prefix}Dropout(0.1)")
            edits[sequence] = sequence.with_changes(args=args)
    return edits or None


def _activates_linear(names: list[str]) -> bool:
    """Whether the last of some layers activates a linear one, normalised or not."""
    *before, last = names
    behind = [name for name in before if not _NORM.fullmatch(name)]
    return last.removeprefix(_NN) in _MODULES and behind[-1:] == [_NN + "Linear"]


def remove_dropout(code: Code) -> Edits | None:
    """Take dropout out of sequences of layers."""
    return _without(code, lambda name: bool(re.fullmatch(r"torch\.nn\.\w*Dropout\d?d?", name)))


def _referred(code: Code) -> bool:
    """Whether an activation's class is passed around, so that not every one is a call."""
    called = {call.func for call, _ in code.calls}
    inner = {node for call in called for node in call.children}
    for node in code.nodes[1:]:
        if isinstance(node, cst.Attribute | cst.Name) and node not in called and node not in inner:
            name = full(node, code.imports)
            inside = isinstance(code.parents[node], cst.Attribute | cst.ImportAlias)
            if not inside and name.removeprefix(_NN) in _MODULES and name.startswith(_NN):
                return True
    return False


def _module(code: Code, call: cst.Call, name: str, target: str) -> cst.Call | None:
    source = name.removeprefix(_NN)
    if not name.startswith(_NN) or source not in _MODULES or source == target:
        return None
    if source == "Tanh" and not _followed(code, call):
        return None
    inplace = [arg for arg in call.args if arg.keyword and arg.keyword.value == "inplace"]
    kept = inplace if {source, target} <= {"ReLU", "SiLU"} else []
    return _renamed(code, call, target).with_changes(args=kept)


def _followed(code: Code, call: cst.Call) -> bool:
    """Whether a layer stands in a sequence, and not at its end, where it bounds the output."""
    arg = code.parents.get(call)
    outer = code.parents.get(arg) if arg is not None else None
    return isinstance(outer, cst.Call) and outer in _sequences(code) and outer.args[-1] is not arg


def _function(code: Code, call: cst.Call, name: str, target: str) -> cst.Call | None:
    function = name.removeprefix(_FUNCTIONAL) if name.startswith(_FUNCTIONAL) else ""
    function = "relu" if name == "torch.relu" else function
    source = _FUNCTIONS.get(function)
    if source in (None, "Tanh", target) or len(call.args) != 1 or starred(call):
        return None
    outer = code.parents.get(call)
    # `relu(x).square()` and `relu(x) ** 2` are one activation, not two.
    if isinstance(outer, cst.Attribute | cst.BinaryOperation):
        return None
    if target == "Tanh":
        prefix = "torch" if code.imports.get("torch") == "torch" else ""
    else:
        prefix = code.prefix("torch.nn.functional")
    if not prefix:
        return None
    return call.with_changes(func=cst.parse_expression(f"{prefix}.{_MODULES[target]}"))


def _renamed(code: Code, call: cst.Call, target: str) -> cst.Call:
    if isinstance(call.func, cst.Attribute):
        return call.with_changes(func=call.func.with_changes(attr=cst.Name(target)))
    prefix = code.prefix("torch.nn") or "torch.nn"
    return call.with_changes(func=cst.parse_expression(f"{prefix}.{target}"))


def _sequences(code: Code) -> list[cst.Call]:
    """Calls `nn.Sequential(layer, layer, ...)`."""
    return [
        call
        for call, name in code.calls
        if name == _NN + "Sequential" and not starred(call) and len(call.args) > 1
    ]


def _name(code: Code, arg: cst.Arg) -> str:
    return full(arg.value.func, code.imports) if isinstance(arg.value, cst.Call) else ""


def _prefix(code: Code, sequence: cst.Call) -> str:
    """What stands before `Sequential`: `nn.`; what torch itself is called where nothing does."""
    if isinstance(sequence.func, cst.Attribute):
        return code.text_of(sequence.func.value) + "."
    prefix = code.prefix("torch.nn")
    return f"{prefix}." if prefix else ""


def _between(code: Code, target: str, layer: str) -> Edits | None:
    edits: dict[cst.CSTNode, cst.CSTNode] = {}
    for sequence in _sequences(code):
        prefix = _prefix(code, sequence)
        args = list(sequence.args)
        for i in reversed(range(len(args) - 1)):
            follows = _name(code, args[i + 1]).removeprefix(_NN) in _MODULES
            width = _width(code, args[i])
            if prefix and follows and width and _name(code, args[i]) == _NN + layer:
                args[i : i + 1] = _after(args[i], f"{prefix}{target}({width})")
        if len(args) > len(sequence.args):
            edits[sequence] = sequence.with_changes(args=args)
    return edits or None


def _width(code: Code, arg: cst.Arg) -> str:
    """The number of outputs of a layer, as text: its second argument."""
    call = arg.value
    if not isinstance(call, cst.Call) or starred(call):
        return ""
    for index, inner in enumerate(call.args):
        named = inner.keyword.value if inner.keyword else ""
        if named in ("out_features", "out_channels") or (index == 1 and not named):
            return code.text_of(inner.value)
    return ""


def _after(arg: cst.Arg, text: str) -> list[cst.Arg]:
    """An argument with another behind it, which ends as the first one did."""
    new = cst.Arg(value=cst.parse_expression(text))
    plain = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
    comma = arg.comma
    if isinstance(comma, cst.Comma) and isinstance(
        comma.whitespace_after, cst.ParenthesizedWhitespace
    ):
        bare = comma.whitespace_after.with_changes(
            first_line=cst.TrailingWhitespace(), empty_lines=[]
        )
        plain = comma.with_changes(whitespace_after=bare)
    return [arg.with_changes(comma=plain), new.with_changes(comma=comma)]


def _without(code: Code, gone: Callable[[str], bool]) -> Edits | None:
    edits: dict[cst.CSTNode, cst.CSTNode] = {}
    for sequence in _sequences(code):
        args = list(sequence.args)
        for i in reversed(range(1, len(args))):
            if gone(_name(code, args[i])):
                args[i - 1 : i + 1] = [args[i - 1].with_changes(comma=args[i].comma)]
        if len(args) < len(sequence.args):
            edits[sequence] = sequence.with_changes(args=args)
    return edits or None


def _ended(args: list[cst.Arg]) -> list[cst.Arg]:
    return [*args[:-1], args[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)] if args else args
