"""Runs a script whose settings are constants in its own text, with other values for them.

    python -m trialwright.execute.constants train.py LR=0.1 Config.hidden=64 [-- arguments]

Assignments at the top level (`LR = 1e-3`, `LR: float = 1e-3`, `A, B = 1, 2`) and defaults in class
bodies (`class Config: hidden: int = 32`) get the given literals. The script runs as `python
train.py arguments` would run it, the file is not touched, and line numbers stay what they are.
Processes that the script starts by `multiprocessing`'s spawn method import the file unchanged.
Standard library only.
"""

from __future__ import annotations

import ast
import difflib
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

_WORDS = {"true": True, "false": False, "null": None}


def main(arguments: Sequence[str]) -> None:
    """Run the script named first, with the constants that follow it, up to `--`.

    Raises:
        SystemExit: 2 if the command is wrong or names a constant that the script does not have;
            else whatever the script raises.
    """
    if not arguments or arguments[0].startswith("-"):
        _refuse(
            "error: usage: python -m trialwright.execute.constants SCRIPT NAME=VALUE... [-- ARGS]"
        )
    script, *words = arguments
    cut = words.index("--") if "--" in words else len(words)
    try:
        source = Path(script).read_bytes()
    except OSError as error:
        _refuse(f"can't open file '{script}': {error}")
    tree = ast.parse(source, filename=script)
    try:
        replace(tree, dict(_settings(words[:cut])), script=script)
    except ValueError as error:
        _refuse(f"error: {error}")
    run(tree, script=script, arguments=words[cut + 1 :])


def replace(tree: ast.Module, settings: Mapping[str, str], *, script: str = "the script") -> None:
    r"""Put other values into the constants of a parsed script, in place.

    Values are literals as text; what is no literal is a string. A constant that is assigned
    several times, say in two branches, changes wherever it is assigned a literal.

    Raises:
        ValueError: a name is not a constant of the script; the message has the nearest one.

    >>> tree = ast.parse("LR = 1e-3\nACT: str = 'relu'")
    >>> replace(tree, {"LR": "0.1", "ACT": "tanh"})
    >>> print(ast.unparse(tree))
    LR = 0.1
    ACT: str = 'tanh'
    """
    slots: dict[str, list[_Slot]] = {}
    for name, slot in _slots(tree.body, prefix=""):
        slots.setdefault(name, []).append(slot)
    for name, text in settings.items():
        if name not in slots:
            raise ValueError(f"{script} has no constant {name}{_nearest(name, slots)}")
        literal = [slot for slot in slots[name] if _literal(slot.value)] or slots[name][:1]
        for slot in literal:
            slot.put(_as_text(text, like=slot.value))


def run(tree: ast.Module, *, script: str, arguments: Sequence[str]) -> None:
    """Run a parsed script as the main module, under its own name and path."""
    module = types.ModuleType("__main__")
    module.__file__ = script
    module.__dict__["__builtins__"] = __builtins__
    # Without our own `from __future__`, which the script did not ask for.
    code = compile(tree, script, "exec", dont_inherit=True)
    sys.modules["__main__"] = module  # dataclasses, pickle and multiprocessing look there
    sys.argv[:] = [script, *arguments]
    # Python puts the working directory first for `-m`, unless it was told not to (-P).
    sys.path[: 0 if sys.flags.safe_path else 1] = [str(Path(script).resolve().parent)]
    exec(code, module.__dict__)  # noqa: S102  # the user's own script, as `python script` runs it


class _Slot:
    """A place in the tree that holds a constant's value."""

    def __init__(self, holder: ast.AST, field: str, index: int | None = None) -> None:
        self._holder, self._field, self._index = holder, field, index

    @property
    def value(self) -> ast.expr:
        content = getattr(self._holder, self._field)
        found = content if self._index is None else content[self._index]
        assert isinstance(found, ast.expr)
        return found

    def put(self, value: object) -> None:
        node = ast.copy_location(ast.Constant(value), self.value)  # type: ignore[arg-type]
        if self._index is None:
            setattr(self._holder, self._field, node)
        else:
            getattr(self._holder, self._field)[self._index] = node


def _slots(body: Sequence[ast.stmt], *, prefix: str) -> Iterator[tuple[str, _Slot]]:
    """Every constant of a module or class body, branches included, functions not."""
    for statement in body:
        match statement:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    yield from _targets(target, value, statement, prefix=prefix)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
                yield prefix + name, _default(statement)
            case ast.ClassDef(name=name, body=inner):
                yield from _slots(inner, prefix=f"{prefix}{name}.")
            case ast.If() | ast.Try() | ast.With() | ast.For() | ast.While():
                for field in ("body", "orelse", "finalbody"):
                    yield from _slots(getattr(statement, field, []), prefix=prefix)
                for handler in getattr(statement, "handlers", []):
                    yield from _slots(handler.body, prefix=prefix)


def _targets(
    target: ast.expr, value: ast.expr, statement: ast.Assign, *, prefix: str
) -> Iterator[tuple[str, _Slot]]:
    match target, value:
        case ast.Name(id=name), _:
            yield prefix + name, _default(statement)
        case ast.Tuple(elts=names) | ast.List(elts=names), ast.Tuple(elts=values) | ast.List(
            elts=values
        ) if len(names) == len(values):
            for index, name_node in enumerate(names):
                if isinstance(name_node, ast.Name):
                    yield prefix + name_node.id, _Slot(value, "elts", index)


def _default(statement: ast.Assign | ast.AnnAssign) -> _Slot:
    """The value of an assignment; within `field(default=...)`, the default."""
    value = statement.value
    if isinstance(value, ast.Call):
        called = ast.unparse(value.func).rpartition(".")[2]
        for keyword in value.keywords if called in ("field", "Field") else []:
            if keyword.arg == "default":
                return _Slot(keyword, "value")
        if called == "Field" and value.args:  # pydantic takes the default first
            return _Slot(value, "args", 0)
    return _Slot(statement, "value")


def _nearest(name: str, slots: Mapping[str, list[_Slot]]) -> str:
    constants = [known for known, places in slots.items() if _literal(places[0].value)]
    close = difflib.get_close_matches(name, constants, n=1, cutoff=0.5)
    meant = f"; did you mean {close[0]}?" if close else "."
    return f"{meant} Its constants are {', '.join(constants)}" if constants else "; it has none"


def _literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return False
    return True


def _as_text(text: str, *, like: ast.expr) -> object:
    """Read a value in the type of the one that it replaces, where that one leaves a doubt."""
    old = ast.literal_eval(like) if _literal(like) else None
    try:
        value = _WORDS[text.lower()] if text.lower() in _WORDS else ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return text
    if isinstance(old, str) and not isinstance(value, str) and value is not None:
        return text
    if isinstance(old, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def _settings(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    for word in words:
        name, mark, text = word.partition("=")
        if not mark or not name:
            raise ValueError(f"{word!r} is no NAME=VALUE; the script's own arguments follow --")
        yield name, text


def _refuse(message: str) -> NoReturn:
    sys.stderr.write(f"constants: {message}\n")
    raise SystemExit(2)


if __name__ == "__main__":
    main(sys.argv[1:])
