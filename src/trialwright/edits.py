"""What may change in a task between two sessions of its study, and what needs a new study.

Trials of before and after must stay comparable: the objective stands, and the space may only grow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace

from trialwright.errors import StudyError
from trialwright.expression import Scalar
from trialwright.history import History
from trialwright.space import Choice, Float, Int, Ordinal, Parameter, Space
from trialwright.task import Task

_COURSE = (
    "limits", "budget", "keep", "tree", "runner", "schedule", "ledger", "metrics", "environment",
    "delivery",
)  # fmt: skip
"""Parts of a task that are records of their own, told field by field."""

_PLAIN = (
    "name", "also", "require", "description", "model", "folder", "start", "grid", "prune", "code",
    "team", "confidence", "block", "instructions", "notify", "heal", "research",
    "trackers",
)  # fmt: skip

_SEEDS = (
    ("screen", "screen"), ("confirm", "confirm"), ("most", "max"), ("fresh", "fresh"),
    ("failure", "failure"),
)  # fmt: skip
"""What may change of the seeds, and how the study file calls it."""

_MEASURED = ("command", "workdir", "delivery", "metrics", "environment")
"""What a change of makes earlier results not quite the same thing."""


def edits(old: Task, new: Task) -> tuple[str, ...]:
    """Return in words what differs between a study's task as recorded and as it is now.

    A task's function is not compared: the ledger does not hold it.

    Raises:
        StudyError: something changed that makes trials of before and after incomparable; the
            message has a line for each such change.
    """
    refused = [*_objective(old, new), *_heldout(old, new), *_narrowed(old.space, new.space)]
    if old.seeds.study != new.seeds.study:
        refused.append(f"seeds.study is {new.seeds.study}; it was {old.seeds.study}")
    if old.seeds.objective != new.seeds.objective:
        was, now = (t.seeds.objective.text(sign=t.objective.sign) for t in (old, new))
        refused.append(f"seeds.objective is {now}; it was {was}")
    if refused:
        raise StudyError(
            "the task changed so that its earlier trials can't be compared with new ones:\n"
            + "".join(f"  {change}\n" for change in refused)
            + "this needs a new study: name another folder for it, or undo the change"
            + (" (on a server, give it another name, too)" if new.ledger.url else "")
        )
    return (*_widened(old.space, new.space), *_accepted(old, new))


def changed(history: History, now: Task) -> tuple[str, ...]:
    """Return in words what differs between the task that a history recorded last and `now`.

    Raises:
        StudyError: as for `edits`.
    """
    if not history.opened:
        return ()
    before = history.task
    if before.objective == now.objective or history.done():
        return edits(before, now)
    # Without any result there is nothing to compare with: a goal may still be put right.
    goals = [f"{o.direction} {o.metric}" for o in (before.objective, now.objective)]
    said = f"the goal: {goals[0]} -> {goals[1]}"
    return (said, *edits(replace(before, objective=now.objective), now))


def _objective(old: Task, new: Task) -> Iterator[str]:
    was, now = old.objective, new.objective
    for part in ("metric", "direction", "reduce"):
        if getattr(was, part) != getattr(now, part):
            yield f"the objective's {part} is {getattr(now, part)}; it was {getattr(was, part)}"
    if was.reduce == now.reduce == "mean_last" and was.window != now.window:
        yield f"the objective averages the last {now.window} points; it was {was.window}"


def _heldout(old: Task, new: Task) -> Iterator[str]:
    if old.heldout != new.heldout:
        now = new.heldout or "no metric"
        yield f"heldout is {now}; it was {old.heldout or 'none'}, and what was shown stays shown"


def _narrowed(old: Space, new: Space) -> Iterator[str]:
    for parameter in old.parameters:
        if parameter.name in new:
            yield from _shrunk(parameter, new[parameter.name])
        else:
            yield f"the parameter {parameter.name} is gone"
    for parameter in new.parameters:
        if parameter.name not in old and parameter.name not in new.given_defaults:
            yield f"the parameter {parameter.name} is new, and has no default for earlier trials"
    for constraint in new.constraints:
        if constraint not in old.constraints:
            yield f"the constraint {constraint} is new"


def _shrunk(old: Parameter, new: Parameter) -> Iterator[str]:
    if old.kind != new.kind:
        yield f"{old.name} is of kind {new.kind}; it was {old.kind}"
        return
    if old.when != new.when:
        yield f"{old.name} applies when {new.when or 'always'}; it was {old.when or 'always'}"
    match old, new:
        case (Float() as was_range, Float() as range_):
            yield from _shrunk_range(was_range, range_)
        case (Int() as was_range, Int() as range_):
            yield from _shrunk_range(was_range, range_)
        case (Choice(options=was), Choice(options=now)):
            yield from (f"{old.name} has lost {value!r}" for value in was if not new.admits(value))
        case (Ordinal(levels=was), Ordinal(levels=now)):
            yield from (f"{old.name} has lost {value!r}" for value in was if not new.admits(value))
            kept = [level for level in now if old.admits(level)]
            if len(kept) == len(was) and not _alike(kept, was):
                yield f"{old.name} has its levels in another order"


def _shrunk_range(old: Float | Int, new: Float | Int) -> Iterator[str]:
    if new.low > old.low or new.high < old.high:
        yield f"{old.name} is {new.allowed}; it was {old.allowed}, which is wider"
    if new.log != old.log:
        yield f"{old.name} {'is' if new.log else 'is not'} on a log scale; that has changed"
    if new.step and not (old.step and _within(old, new)):
        yield f"{old.name} goes in steps of {new.step:g} that miss some values it had"


def _within(old: Float | Int, new: Float | Int) -> bool:
    """Say whether every value on the old grid is on the new one."""
    assert old.step
    assert new.step
    offsets = (old.step / new.step, (old.low - new.low) / new.step)
    return all(abs(offset - round(offset)) < 1e-9 for offset in offsets)


def _widened(old: Space, new: Space) -> Iterator[str]:
    for parameter in new.parameters:
        if parameter.name not in old:
            default = new.given_defaults[parameter.name]
            yield f"space: {parameter.name} is new, {parameter.allowed}, {default!r} by default"
            continue
        was = old[parameter.name]
        if was.allowed != parameter.allowed:
            yield f"space: {parameter.name} is {parameter.allowed}; it was {was.allowed}"
        if not _alike([was.default], [parameter.default]):
            yield (
                f"space: the default of {parameter.name} is {parameter.default!r};"
                f" it was {was.default!r}"
            )
        if was.description != parameter.description:
            yield f"space: {parameter.name} has another description"
    for constraint in old.constraints:
        if constraint not in new.constraints:
            yield f"space: the constraint {constraint} is lifted"


def _accepted(old: Task, new: Task) -> Iterator[str]:
    for change, part in _changes(old, new):
        warned = part in _MEASURED
        yield change + (
            "; warning: earlier results came about differently, compare with care" if warned else ""
        )


def _changes(old: Task, new: Task) -> Iterator[tuple[str, str]]:
    """Each changed field in words, with the part of the task that it belongs to."""
    if old.command != new.command:
        yield f"command: {_shown(old.command)} became {_shown(new.command)}", "command"
    for part in ("workdir", *_PLAIN):
        was, now = getattr(old, part), getattr(new, part)
        if _frozen(was) != _frozen(now):
            yield f"{part}: {_shown(was)} became {_shown(now)}", part
    for part, key in _SEEDS:
        was, now = getattr(old.seeds, part), getattr(new.seeds, part)
        if was != now:
            yield f"seeds.{key}: {_shown(was)} became {_shown(now)}", "seeds"
    for part in _COURSE:
        was, now = getattr(old, part), getattr(new, part)
        for field in fields(was):
            before, after = getattr(was, field.name), getattr(now, field.name)
            if _frozen(before) != _frozen(after):
                yield f"{part}.{field.name}: {_shown(before)} became {_shown(after)}", part


def _shown(value: object) -> str:
    if value is None:
        return "none"
    text = " ".join(value) if isinstance(value, tuple) and _texts(value) else str(value)
    return repr(text[:57] + "...") if len(text) > 60 else text or "nothing"


def _texts(values: tuple[object, ...]) -> bool:
    return all(isinstance(value, str) for value in values)


def _frozen(value: object) -> object:
    """Lists as tuples: what the ledger gives back may hold either."""
    if isinstance(value, list | tuple):
        return tuple(map(_frozen, value))
    if isinstance(value, dict):
        return {key: _frozen(item) for key, item in value.items()}
    return value


def _alike(left: Sequence[Scalar], right: Sequence[Scalar]) -> bool:
    """Say whether two sequences are equal, true and 1 told apart."""
    return [(isinstance(v, bool), v) for v in left] == [(isinstance(v, bool), v) for v in right]
