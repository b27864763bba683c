"""Optimizer swaps in PyTorch code: arguments carried over where they mean the same."""

from __future__ import annotations

from collections.abc import Callable

import libcst as cst

from trialwright.code.literals import parse
from trialwright.code.trees import Code, Edits, starred
from trialwright.code.written import NotPlain, plain, written

_POSITIONS: dict[str, tuple[str, ...]] = {
    "SGD": ("params", "lr", "momentum", "dampening", "weight_decay", "nesterov"),
    "Adam": ("params", "lr", "betas", "eps", "weight_decay", "amsgrad"),
    "AdamW": ("params", "lr", "betas", "eps", "weight_decay", "amsgrad"),
    "NAdam": ("params", "lr", "betas", "eps", "weight_decay", "momentum_decay"),
    "RMSprop": ("params", "lr", "alpha", "eps", "weight_decay", "momentum", "centered"),
    "Adagrad": ("params", "lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps"),
}
"""Positional parameters in PyTorch's own order."""

_RATES = {"SGD": 0.05, "Adam": 1e-3, "AdamW": 1e-3, "NAdam": 1e-3, "RMSprop": 1e-3, "Adagrad": 1e-2}
"""Where each starts: their ratios turn a rate of one into a rate of another."""

_SHARED: tuple[tuple[frozenset[str], frozenset[str]], ...] = (
    (frozenset({"params", "lr", "maximize", "foreach"}), frozenset(_POSITIONS)),
    (frozenset({"betas", "eps"}), frozenset({"Adam", "AdamW", "NAdam"})),
    (frozenset({"amsgrad", "fused", "capturable"}), frozenset({"Adam", "AdamW"})),
    (frozenset({"momentum"}), frozenset({"SGD", "RMSprop"})),
    # AdamW's decay is decoupled from the gradient: the same number means something else there.
    (frozenset({"weight_decay"}), frozenset(_POSITIONS) - {"AdamW"}),
)
"""Keywords, and the optimizers to which they mean the same."""


def to_optimizer(target: str) -> Callable[[Code], Edits | None]:
    """Return the edit that turns every optimizer of PyTorch into `target`."""

    def edit(code: Code) -> Edits | None:
        edits: dict[cst.CSTNode, cst.CSTNode] = {}
        for call, name in code.calls:
            source = name.removeprefix("torch.optim.")
            if source in (name, target) or source not in _POSITIONS:
                continue
            new = _swapped(code, call, source, target)
            if new is None:
                return None
            edits[call] = new
        return edits or None

    return edit


def _swapped(code: Code, call: cst.Call, source: str, target: str) -> cst.Call | None:
    if starred(call):
        return None
    function = _function(code, call, target)
    named = _named(call, source)
    if function is None or named is None:
        return None
    kept = {
        name: value
        for name, value in named.items()
        if any(name in names and {source, target} <= who for names, who in _SHARED)
    }
    if "lr" in kept:
        kept["lr"] = _rate(kept["lr"], _RATES[target] / _RATES[source])
    elif target == "SGD":
        kept["lr"] = f"{_RATES[target]}"
    if target == "SGD":
        kept.setdefault("momentum", "0.9")
    text = ", ".join(
        value if name == "params" else f"{name}={value}" for name, value in kept.items()
    )
    new = cst.parse_expression(f"f({text})", config=code.module.config_for_parsing)
    assert isinstance(new, cst.Call)
    return new.with_changes(func=function)


def _function(code: Code, call: cst.Call, target: str) -> cst.BaseExpression | None:
    if isinstance(call.func, cst.Attribute):
        return call.func.with_changes(attr=cst.Name(target))
    prefix = code.prefix("torch.optim")
    return cst.parse_expression(f"{prefix}.{target}") if prefix else None


def _named(call: cst.Call, source: str) -> dict[str, str] | None:
    """The arguments by name, as text; None if there are more than are known."""
    positions = _POSITIONS[source]
    empty = cst.Module(body=[])
    named = {}
    for index, arg in enumerate(call.args):
        if arg.keyword is None and index >= len(positions):
            return None
        name = arg.keyword.value if arg.keyword else positions[index]
        named[name] = empty.code_for_node(arg.value)
    return named if "params" in named else None


def _rate(text: str, factor: float) -> str:
    """A learning rate as the other optimizer takes it; what is multiplied twice cancels out."""
    if factor == 1:
        return text
    try:
        value = plain(parse(f"({text})").body[0].value)  # type: ignore[attr-defined]
    except (SyntaxError, NotPlain):
        back = f" * {1 / factor:g}"
        return text.removesuffix(back) if text.endswith(back) else f"{_tight(text)} * {factor:g}"
    assert isinstance(value, int | float)
    return written(float(f"{value * factor:.6g}"), like=text)


def _tight(text: str) -> str:
    """An expression as a factor."""
    node = cst.parse_expression(text)
    loose = isinstance(node, cst.BinaryOperation | cst.IfExp | cst.BooleanOperation | cst.Lambda)
    return f"({text})" if loose else text
