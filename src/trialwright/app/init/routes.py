"""Which of the reported numbers to tune for, and the route by which they are read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from trialwright.app.init.domains import Guess, Passed
from trialwright.app.script.names import direction_of
from trialwright.app.script.setting import Interface, Reported, Setting
from trialwright.errors import StudyError
from trialwright.task import Direction, MetricRoute

MOST_PATTERNS = 6
"""Regular expressions in one study: each is tried on each line of output."""

_WHERE = {"emit": 0, "output": 1, "file": 2, "tensorboard": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What to tune for, and how sure that is."""

    metric: str
    direction: Direction
    guessed: str = ""
    """Why this metric, in words; '' where the user named it."""


def ranked(reported: Iterable[Reported]) -> list[Reported]:
    """Return what can be read, the best to tune for first."""
    reachable = [one for one in reported if one.where != "unreachable"]
    return sorted(reachable, key=_rank)


def goal_of(candidates: Sequence[Reported], *, metric: str | None, goal: str | None) -> Goal | None:
    """Return what to tune for; None where nothing tells.

    Raises:
        StudyError: the wished goal can't be understood.
    """
    if goal is not None:
        return _wished(goal, metric)
    if metric is not None:
        direction = direction_of(metric)
        sure = "" if direction else "the name does not say which way is better"
        return Goal(metric=metric, direction=direction or "maximize", guessed=sure)
    if not candidates:
        return None
    best = candidates[0]
    others = [name for name in dict.fromkeys(map(key_of, candidates)) if name != key_of(best)]
    also = f"; also seen: {', '.join(others[:6])}" if others else ""
    what = {"validation": "the validation metric", "test": "the test metric", "train": "a training"
            " metric"}.get(best.split, "a metric")  # fmt: skip
    return Goal(
        metric=key_of(best),
        direction=direction_of(best.metric) or "maximize",
        guessed=f"{what} that line {best.line} reports{also}",
    )


_SPLIT = re.compile(r"^(?:train|val|valid|validation|test)_")


def key_of(reported: Reported) -> str:
    """Return the name by which a number arrives: files and events keep the name they have there."""
    return reported.source if reported.where in ("file", "tensorboard") else reported.metric


def route_of(
    candidates: Sequence[Reported], metric: str, *, interface: Interface, guesses: list[Guess]
) -> tuple[MetricRoute, list[Guess]]:
    """Return how to read `metric`, with whatever comes along, and the guesses it changes.

    A setting that names where the script writes is passed, so that each run writes its own.
    """
    chosen = next((one for one in candidates if key_of(one) == metric), None)
    printed = [one for one in candidates if one.where == "output"]
    first = [one for one in printed if one is chosen]
    patterns = tuple(dict.fromkeys(one.pattern for one in [*first, *printed]))[:MOST_PATTERNS]
    if chosen is None or chosen.where in ("emit", "output"):
        emits = chosen is not None and chosen.where == "emit"
        return MetricRoute(patterns=() if emits else patterns), guesses
    path, guesses = _written(chosen, interface, guesses)
    if chosen.where == "file":
        return MetricRoute(file=path or "metrics.csv"), guesses
    return MetricRoute(tensorboard=path or "runs"), guesses


def shared(route: MetricRoute) -> bool:
    """Say whether runs at the same time would write to one place."""
    return any(path and "{folder}" not in path for path in (route.file, route.tensorboard))


def _rank(one: Reported) -> tuple[int, ...]:
    higher = direction_of(one.metric) == "maximize"
    quality = {"validation": 0, "test": 1, "train": 3, "": 1 if higher else 2}[one.split]
    best_so_far = one.metric.startswith("best") or "_best" in one.metric
    return quality, int(best_so_far), int(not higher), int(not one.repeated), _WHERE[one.where]


def _wished(goal: str, metric: str | None) -> Goal:
    word, _, name = goal.strip().partition(" ")
    name = name.strip() or (metric or "")
    if word not in ("maximize", "minimize") or not name:
        raise StudyError(
            f"--goal {goal!r} must be 'maximize METRIC' or 'minimize METRIC', e.g.,"
            f" --goal 'maximize {metric or 'val_accuracy'}'"
        )
    return Goal(metric=name, direction="maximize" if word == "maximize" else "minimize")


def _written(
    chosen: Reported, interface: Interface, guesses: list[Guess]
) -> tuple[str, list[Guess]]:
    setting = _setting_of(chosen.spot.setting, interface)
    if setting is None or interface.channel not in ("options", "words"):
        default = setting.default if setting is not None else None
        beside = default if isinstance(default, str) else ""
        inner = "" if setting is not None and _is_file(beside) else chosen.spot.path
        return "/".join(part for part in (beside, inner) if part), guesses
    default = str(setting.default or setting.name)
    name = PurePath(default).name or setting.name
    value = f"{{folder}}/{name}"
    passed = Passed(setting, value, "where the metric is written, for each run its own")
    changed = [passed if guess.setting.name == setting.name else guess for guess in guesses]
    if _is_file(default) or chosen.where == "tensorboard":
        return value, changed
    return f"{value}/{chosen.spot.path}" if chosen.spot.path else value, changed


def _setting_of(name: str, interface: Interface) -> Setting | None:
    for setting in interface.settings:
        if name and setting.name in (name, name.rpartition(".")[2]):
            return setting
    return None


def _is_file(path: str) -> bool:
    return bool(PurePath(path).suffix)


def named(metric: str, candidates: Sequence[Reported]) -> list[Reported]:
    """Return candidates that a wished metric may mean, renamed to it: `accuracy` for `acc`."""
    wished = metric.lower()
    meant = [one for one in candidates if wished in _names(one)]
    return [_renamed(one, metric) if one.where == "output" else one for one in meant]


def _renamed(one: Reported, metric: str) -> Reported:
    """A printed number under another name, which its pattern must give it, too."""
    if not metric.isidentifier():
        return replace(one, metric=metric)
    pattern = one.pattern.replace(f"(?P<{one.metric}>", f"(?P<{metric}>")
    return replace(one, metric=metric, pattern=pattern)


def _names(one: Reported) -> set[str]:
    """The names by which a person may call a number: also without the split that was guessed."""
    names = {one.metric.lower(), one.source.lower()}
    if one.where == "output":
        names |= {_SPLIT.sub("", name) for name in names}
    return names
