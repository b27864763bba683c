"""The text of a study file, with every guess marked as one."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trialwright.app.init.domains import Guess, Left, Passed, Tuned
from trialwright.app.init.routes import Goal, shared
from trialwright.app.script.names import vocabulary
from trialwright.app.script.setting import Interface, Script, Setting
from trialwright.expression import Scalar
from trialwright.space import Choice, Float, Int, Ordinal, Parameter
from trialwright.task import MetricRoute

CONSTANTS = ("-m", "trialwright.execute.constants")

_PLAIN = re.compile(r"[A-Za-z_./][\w./+-]*(?: [A-Za-z_./][\w./+-]*)*", re.ASCII)
_WORDS = vocabulary("true false null yes no on off y n ~")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Everything that a study file will say."""

    script: Script
    interface: Interface
    guesses: Sequence[Guess]
    goal: Goal
    route: MetricRoute
    python: str
    path: Path
    """Of the study file."""
    arguments: tuple[str, ...] = ()
    """What the script is always given."""
    trials: int = 10
    family: str | None = None
    run_limit_s: int | None = None
    memory: str = ""
    """Limit per run, as a study file says it; '' for none."""
    description: str = ""
    """In the user's words, or a model's; '': the script's own."""
    written_by: str = ""
    """The model that reviewed the guesses; '' if none did."""
    notes: tuple[str, ...] = field(default=())

    @property
    def tuned(self) -> list[Tuned]:
        """The settings that become parameters."""
        return [guess for guess in self.guesses if isinstance(guess, Tuned)]


def compose(draft: Draft) -> str:
    """Write the study file."""
    return "\n".join(_lines(draft)) + "\n"


def _lines(draft: Draft) -> Iterator[str]:
    folder, script = _places(draft)
    yield f"# A study of {script}, written by `trialwright init`. Check what is marked as guessed."
    yield ""
    yield f"name: {quoted(study_name(draft.script.path.stem))}"
    yield from goal_lines(draft.goal)
    description = draft.description or draft.script.description
    if description:
        if draft.written_by:
            yield f"# guessed: written by {draft.written_by}"
        yield "description: |"
        yield from (f"  {line}" for line in textwrap.wrap(description, 96))
    if draft.family:
        yield f"model: {draft.family}  # guessed from the script"
    if folder:
        yield f"folder: {quoted(folder)}"
    yield from _command(draft, script)
    yield from _delivery(draft, script)
    yield from metric_lines(draft.route)
    yield "space:"
    yield from _space(draft)
    yield from _left(draft)
    yield from _limits(draft)
    yield f"budget: {{trials: {draft.trials}}}"
    if shared(draft.route):
        yield "runner: {workers: 1}  # runs at a time would write to one file"


def goal_lines(goal: Goal) -> Iterator[str]:
    """Yield the goal, marked where it is guessed."""
    if goal.guessed:
        yield f"# guessed: {goal.guessed}"
    yield f"goal: {quoted(f'{goal.direction} {goal.metric}')}"


def _places(draft: Draft) -> tuple[str, str]:
    """The `folder` key, '' where it is the study file's own, and the script within it."""
    script, beside = draft.script.path.resolve(), draft.path.parent.resolve()
    if script.is_relative_to(beside):
        return "", str(script.relative_to(beside))
    return str(script.parent), script.name


def _command(draft: Draft, script: str) -> Iterator[str]:
    yield "command:"
    for element, comment in elements(draft, script):
        yield f"  - {quoted(element)}" + (f"  # {comment}" if comment else "")


def elements(draft: Draft, script: str) -> Iterator[tuple[str, str]]:
    """Yield the command's elements, each with a comment."""
    interface = draft.interface
    yield draft.python, ""
    if interface.channel == "assignments":
        yield from ((word, "") for word in CONSTANTS)
    yield script, ""
    yield from ((word, "") for word in interface.words)
    if interface.channel == "file":
        setting = interface.file_setting
        yield (setting.spelling if setting else "{}").replace("{}", "{config}"), ""
    elif _by_words(interface) and draft.tuned:
        yield "{args}", "the parameters below"
    for guess in draft.guesses:
        yield from _element(guess, interface)
    if interface.style == "hydra":
        yield "hydra.run.dir={folder}/hydra", "each run's own folder"
    literal = [argument.replace("{", "{{").replace("}", "}}") for argument in draft.arguments]
    if interface.channel == "assignments" and literal:
        yield "--", ""
    yield from ((argument, "given to init") for argument in literal)


def _by_words(interface: Interface) -> bool:
    # What a configurator takes are Python's literals, for which `true` is a text.
    return interface.channel in ("words", "assignments") and interface.style != "configurator"


def _element(guess: Guess, interface: Interface) -> Iterator[tuple[str, str]]:
    if isinstance(guess, Left) or interface.channel == "file":
        return
    setting = guess.setting
    if isinstance(guess, Passed):
        yield spelled(setting, interface).replace("{}", guess.value), guess.note
    elif not _by_words(interface):
        yield _placed(setting, interface), ""


def _placed(setting: Setting, interface: Interface) -> str:
    """How a parameter stands in the command."""
    switch = setting.switch
    if switch is None and setting.type == "bool" and interface.style == "configurator":
        switch = f"--{setting.name}=True", f"--{setting.name}=False"
    if switch is None:
        return spelled(setting, interface).replace("{}", f"{{{setting.name}}}")
    yes, no = switch
    return f"{{{setting.name}?{yes}:{no}}}" if no else f"{{{setting.name}?{yes}}}"


def spelled(setting: Setting, interface: Interface) -> str:
    """Return how a setting is given a value, `{}` standing for it."""
    if setting.spelling:
        return setting.spelling
    return interface.assignment.replace("{name}", setting.name).replace("{value}", "{}")


def _delivery(draft: Draft, script: str) -> Iterator[str]:
    interface = draft.interface
    if interface.channel == "file":
        base = quoted(str(Path(script).parent / interface.file))
        yield f"base: {base}  # its other keys are kept"
        if interface.format == "json":
            yield "format: json"
    if _by_words(interface) and interface.assignment != "--{name}={value}":
        yield f"argument: {quoted(interface.assignment)}"


def metric_lines(route: MetricRoute) -> Iterator[str]:
    """Yield how metrics are read; nothing where scripts report them by `emit`."""
    if route == MetricRoute():
        return
    yield "metrics:"
    if route.patterns:
        yield "  regex:"
        yield from (f"    - {quoted(text)}" for text in route.patterns)
    if route.file:
        yield f"  file: {quoted(route.file)}"
    if route.tensorboard:
        yield f"  tensorboard: {quoted(route.tensorboard)}"


def _space(draft: Draft) -> Iterator[str]:
    width = max((len(guess.parameter.name) for guess in draft.tuned), default=0)
    for guess in draft.tuned:
        name = f"{quoted(guess.parameter.name)}:".ljust(width + 1)
        yield f"  {name} {domain(guess.parameter)}  # guessed: {guess.note}"


def domain(parameter: Parameter) -> str:
    """Return a parameter as a study file has it."""
    match parameter:
        case Float(low=low, high=high) | Int(low=low, high=high):
            shape = f"{parameter.kind}: [{_value(low)}, {_value(high)}]"
            shape += ", log: true" if parameter.log else ""
        case Choice(options=options) | Ordinal(levels=options):
            shape = f"{parameter.kind}: [{', '.join(map(_value, options))}]"
    default = "" if parameter.default is None else f", default: {_value(parameter.default)}"
    return f"{{{shape}{default}}}"


def _limits(draft: Draft) -> Iterator[str]:
    limits = []
    notes = []
    if draft.run_limit_s is not None:
        limits.append(f"run: {duration(draft.run_limit_s)}")
        notes.append("well above the dry run")
    if draft.memory:
        limits.append(f"memory: {quoted(draft.memory)}")
        notes.append(f"the memory is {draft.written_by}'s")
    if limits:
        yield f"limits: {{{', '.join(limits)}}}  # guessed: {'; '.join(notes)}"


def _left(draft: Draft) -> Iterator[str]:
    left = [guess for guess in draft.guesses if isinstance(guess, Left)]
    if not left:
        return
    width = max(len(guess.setting.name) for guess in left)
    yield "# Left alone:"
    for guess in left:
        yield f"#   {guess.setting.name.ljust(width)}  {_one_line(guess.why)}"


def duration(seconds: int) -> str:
    """Write a duration in the largest unit that says it exactly."""
    for unit_s, unit in ((3600, "h"), (60, "m")):
        if seconds >= unit_s and seconds % unit_s == 0:
            return f"{seconds // unit_s}{unit}"
    return f"{seconds}s"


def study_name(stem: str) -> str:
    """Return a name that a study may have."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", stem).strip("-._")[:100] or "study"


def _value(value: Scalar) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return quoted(value)
    return repr(value)


def quoted(text: str) -> str:
    """Return the text as YAML reads it back: plain, or in single quotes."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return "'" + text.replace("'", "''") + "'"


def _one_line(text: str) -> str:
    return " ".join(text.split())
