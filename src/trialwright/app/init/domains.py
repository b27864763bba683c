"""What to do with each setting of a script: tune it, over which values; pass it; leave it."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from trialwright.app.script.setting import Script, Setting
from trialwright.code.compared import compared
from trialwright.code.names import KINDS, is_seed_option, is_switch
from trialwright.code.names import is_place as is_place_name
from trialwright.errors import SpaceError
from trialwright.expression import Scalar
from trialwright.knowledge import guess_domain
from trialwright.knowledge.base import is_ignored
from trialwright.space import Choice, Float, Int, Ordinal, Parameter

MOST_OPTIONS = 8
"""A choice among more is a list of models or data sets, not a setting to tune in ten trials."""

_LISTED = re.compile(
    r"[\[({]([\w.+-]+(?:\s*[,|/]\s*[\w.+-]+)+)[\])}]|\b([\w.+-]+(?:\s*\|\s*[\w.+-]+)+)\b"
)
"""`(relu, tanh)` and `relu|tanh` in a help text."""

_OR = re.compile(r"\b([\w.+-]+)\s+or\s+([\w.+-]+)\b")


@dataclass(frozen=True, slots=True)
class Tuned:
    """A setting that becomes a parameter."""

    setting: Setting
    parameter: Parameter
    note: str
    """Where the domain is from."""


@dataclass(frozen=True, slots=True)
class Passed:
    """A setting that every run gets; `{seed}` and `{folder}` may stand in its value."""

    setting: Setting
    value: str
    note: str


@dataclass(frozen=True, slots=True)
class Left:
    """A setting that stays as the script has it."""

    setting: Setting
    why: str


Guess = Tuned | Passed | Left


def guess_all(
    settings: Iterable[Setting], script: Script, *, family: str | None, metric: str
) -> list[Guess]:
    """Guess what to do with each setting, in their order."""
    options = compared(_parsed(script.text))
    return [
        _guess(setting, family=family, metric=metric, compared=options.get(_last(setting), ()))
        for setting in settings
    ]


def is_seed(setting: Setting) -> bool:
    """Say whether a setting is the random seed."""
    return is_seed_option(setting.name) and setting.type in ("int", "unknown")


def is_place(setting: Setting) -> bool:
    """Say whether a setting names a folder that the script writes to."""
    return (
        is_place_name(_last(setting))
        and isinstance(setting.default, str)
        and bool(setting.default)
        and "{" not in setting.default
    )


def _guess(  # noqa: PLR0911  # a case each
    setting: Setting, *, family: str | None, metric: str, compared: tuple[Scalar, ...]
) -> Guess:
    if is_seed(setting):
        return Passed(setting, "{seed}", "each run's own seed")
    if setting.aside:
        return Left(setting, setting.aside)
    if setting.required and not setting.choices:
        return Left(setting, "required, without a default")
    if is_place(setting) and "." not in str(setting.default).rpartition("/")[2].lstrip("."):
        name = str(setting.default).rstrip("/").rpartition("/")[2].lstrip(".") or _last(setting)
        return Passed(setting, f"{{folder}}/{name}", "each run's own folder")
    if setting.choices:
        return _listed(setting, setting.choices, metric=metric, note="the script's own choices")
    if not setting.known:
        return Left(setting, "its default is computed")
    match setting.type:
        case "bool":
            return _switch(setting)
        case "float" | "int":
            return _number(setting, family=family)
        case "str":
            return _word(setting, compared, metric=metric)
    return _open(setting, family=family)


def _listed(setting: Setting, options: tuple[Scalar, ...], *, metric: str, note: str) -> Guess:
    name = (_meaning(setting) if setting.choices else _last(setting)).lower()
    if setting.required:
        first = str(options[0])
        return Passed(setting, first, f"required; the first of {', '.join(map(str, options))}")
    kind = next((word for word in re.split(r"[_\W]+", name) if word in KINDS), "")
    if is_ignored(name) and not kind:
        return Left(setting, "part of the task or of the machine")
    if kind == "loss" and "loss" in metric.lower():
        return Left(setting, "the metric depends on it")
    if not 2 <= len(options) <= MOST_OPTIONS:
        return Left(setting, f"has {len(options)} options; {MOST_OPTIONS} at most are tuned")
    default = setting.default if setting.default in options else None
    if all(_is_number(option) for option in options):
        levels = tuple(sorted(options, key=lambda option: float(option or 0)))
        return _made(setting, lambda: Ordinal(setting.name, levels, default=default), note)
    return _made(setting, lambda: Choice(setting.name, options, default=default), note)


def _switch(setting: Setting) -> Guess:
    if not is_switch(setting.name):
        reason = "part of the task or of the machine" if is_ignored(_last(setting)) else "a switch"
        return Left(setting, reason)
    default = setting.default if isinstance(setting.default, bool) else None
    first = (default, not default) if default is not None else (False, True)
    return _made(setting, lambda: Choice(setting.name, first, default=default), "a switch")


def _number(setting: Setting, *, family: str | None) -> Guess:
    if setting.default is None:
        return _open(setting, family=family)
    if isinstance(setting.default, int | float) and setting.default < 0:
        return Left(setting, "negative, which often means off: give it a range to tune it")
    guessed = guess_domain(setting.name, setting.default, family=family)
    if guessed is None:
        return Left(setting, _why_not(setting))
    typed = _as_typed(guessed, setting)
    if typed is None:
        return Left(setting, "no range is left within the script's own bounds")
    return Tuned(setting, typed, "from its name and default")


def _word(setting: Setting, compared: tuple[Scalar, ...], *, metric: str) -> Guess:
    named = tuple(dict.fromkeys([setting.default, *compared]))
    if len(named) >= 2:
        note = "the values that the script compares it with"
        return _listed(setting, named, metric=metric, note=note)
    helped = tuple(dict.fromkeys([setting.default, *_in_help(setting)]))
    if len(helped) >= 2:
        return _listed(setting, helped, metric=metric, note="the options in its help text")
    ignored = is_ignored(_last(setting))
    reason = "part of the task or of the machine" if ignored else "its options are not known"
    return Left(setting, reason)


def _open(setting: Setting, *, family: str | None) -> Guess:
    """A setting that is off by default: which value means off is the script's affair."""
    if setting.default is None and guess_domain(setting.name, None, family=family) is not None:
        return Left(setting, "off by default: give it a range to tune it")
    return Left(setting, _why_not(setting))


def _why_not(setting: Setting) -> str:
    if is_ignored(_last(setting)):
        return "part of the task or of the machine"
    return "its meaning is not known: give it a range to tune it"


def _made(setting: Setting, make: Callable[[], Parameter], note: str) -> Guess:
    try:
        return Tuned(setting, make(), note)
    except SpaceError as error:
        return Left(setting, str(error))


def _as_typed(guessed: Parameter, setting: Setting) -> Parameter | None:
    """Keep a guessed range within the script's own bounds, and whole where that is wanted."""
    if not isinstance(guessed, Float | Int):
        return guessed
    default = setting.default
    assert isinstance(default, int | float)
    low = max(
        guessed.low,
        setting.low if setting.low is not None else -math.inf,
    )
    high = min(guessed.high, setting.high if setting.high is not None else math.inf)
    low, high = min(low, default), max(high, default)
    if low >= high:
        return None
    log = guessed.log and low > 0
    if setting.type == "int" or (isinstance(guessed, Int) and setting.type != "float"):
        return Int(guessed.name, math.ceil(low), math.floor(high), log=log, default=int(default))
    return Float(guessed.name, float(low), float(high), log=log, default=float(default))


def _parsed(text: str) -> ast.AST:
    """Several files' texts, one after the other, are no file: each was parsed before."""
    try:
        return ast.parse(text)
    except SyntaxError:
        return ast.Module(body=[], type_ignores=[])


def _in_help(setting: Setting) -> list[str]:
    """Options that a help text lists: `sgd or adam`, `(relu, tanh)`, `relu|tanh`.

    Only where the default is among them: other lists in a help text are about something else.
    """
    for match in _LISTED.finditer(setting.help):
        options = [part.strip() for part in re.split(r"[,|/]", match[1] or match[2])]
        if setting.default in options:
            return options
    for match in _OR.finditer(setting.help):
        if setting.default in match.groups():
            return [match[1], match[2]]
    return []


def _meaning(setting: Setting) -> str:
    """The part of a dotted name that says what it is: `kernel` of `kernel.name`."""
    *outer, last = setting.name.split(".")
    return outer[-1] if outer and last in ("name", "type", "kind") else last


def _last(setting: Setting) -> str:
    return setting.name.rpartition(".")[2]


def _is_number(value: Scalar) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
