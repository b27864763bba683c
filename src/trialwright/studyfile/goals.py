"""What a study file asks for besides its goal: more objectives, requirements, a metric held out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from trialwright.errors import ExpressionError
from trialwright.expression import names
from trialwright.studyfile.fields import Fields
from trialwright.studyfile.tree import Tree
from trialwright.task import MEASURED, Objective

GOAL = re.compile(r"(maximize|minimize)\s+(\S(?:.*\S)?)")


def read_also(fields: Fields, goal: Objective | None) -> tuple[Objective, ...]:
    """Read further objectives: each a metric, `seconds` or `memory_gb`, with its direction."""
    taken = {goal.metric} if goal else set[str]()
    found = []
    for text, at in _texts(fields, "also"):
        match = GOAL.fullmatch(text.strip())
        if match is None:
            fields.fault(
                at,
                f"also: {text!r} must be 'maximize METRIC' or 'minimize METRIC', e.g.,"
                f" minimize {(text.split() or ['seconds'])[-1]}",
            )
            continue
        if match[2] in taken:
            fields.fault(at, f"also: {match[2]} is an objective already: name it once")
            continue
        if match[2] == "memory_gb" and "prune" in fields:
            fields.fault(
                at,
                "also: memory_gb is known only once a run is over, so that no run could be stopped"
                " early: leave out prune, or have the script report memory under another name",
            )
        taken.add(match[2])
        direction = "maximize" if match[1] == "maximize" else "minimize"
        found.append(Objective(metric=match[2], direction=direction))  # type: ignore[arg-type]
    return tuple(found)


def read_require(fields: Fields) -> tuple[str, ...]:
    """Read requirements on metrics: expressions of the language of constraints."""
    found = []
    for text, at in _texts(fields, "require"):
        try:
            mentioned = names(text)
        except ExpressionError as error:
            fields.fault(at, f"require: {error}")
            continue
        if not mentioned:
            fields.fault(
                at,
                f"require: {text!r} mentions no metric: write, e.g., memory_gb <= 4 or gap < 0.1",
            )
            continue
        found.append(text)
    return tuple(found)


def read_heldout(
    fields: Fields, goal: Objective | None, *, also: tuple[Objective, ...], require: tuple[str, ...]
) -> str | None:
    """Read the metric that nobody is shown before the end: none that anything is decided by."""
    name, tree = fields.text("heldout"), fields.tree("heldout")
    if name is None or tree is None:
        return None
    used = {
        **({goal.metric: "the goal"} if goal else {}),
        **{objective.metric: "an objective (also)" for objective in also},
        **{metric: "required" for text in require for metric in names(text)},
        **dict.fromkeys(MEASURED, "measured of every run"),
    }
    if name in used:
        fields.fault(
            tree,
            f"heldout: {name} is {used[name]}: what decides can't be held out; name a metric that"
            " the script reports besides, such as test_f1",
        )
    return name


def _texts(fields: Fields, key: str) -> Iterator[tuple[str, Tree]]:
    """Each text of a list with its place; a single text is a list of one."""
    texts, tree = fields.texts(key), fields.tree(key)
    if tree is None:
        return
    items = tree.value if isinstance(tree.value, tuple) else (tree,)
    places = [item for item in items if isinstance(item.value, str)]
    yield from zip(texts, places, strict=True)
