"""Claims as people and models write them, in a few words, read into claims as they are tested."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from trialwright.analysis.extents import bare, ordered
from trialwright.errors import StudyError
from trialwright.expression import Scalar
from trialwright.records import Claim, Extent
from trialwright.space import Parameter, Space
from trialwright.task import Task, nearest

What = Literal["direction", "region", "interaction", "rate", "no_effect"]
Sense = Literal["higher", "lower", "better", "worse"]

FORM = "NAME, NAME=LOW..HIGH or NAME=VALUE,VALUE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A claim in words: extents as `lr`, `lr=0.1..0.5`, `lr=..0.1`, `act=relu,gelu`."""

    text: str
    extents: tuple[str, ...]
    against: tuple[str, ...] = ()
    what: What | None = None
    """None: a direction of a bare parameter, else a region."""
    expect: Sense = "better"
    threshold: float | None = None
    metric: str = ""
    where: str = ""


def drafted(draft: Draft, task: Task, *, by: str = "") -> Claim:
    """Read a draft; whether the claim can be tested is another question (`claims.faults`).

    Raises:
        StudyError: an extent can't be read; the message says how to write it.
    """
    region = tuple(extent_of(text, task.space) for text in draft.extents)
    what = draft.what or ("direction" if len(region) == 1 and bare(region[0]) else "region")
    return Claim(
        by=by,
        text=" ".join(draft.text.split()),
        what=what,
        region=region,
        contrast=tuple(extent_of(text, task.space) for text in draft.against),
        metric="" if draft.metric == task.objective.metric else draft.metric,
        sense=_sense(draft, task),
        threshold=draft.threshold,
        where=draft.where,
    )


def extent_of(text: str, space: Space) -> Extent:
    """Read an extent.

    Raises:
        StudyError: there is no such parameter or value; the message says what there is.
    """
    name, equals, given = (part.strip() for part in text.partition("="))
    if name not in space:
        known = space.names
        raise StudyError(
            f"{name} is no parameter{nearest(name, known)}; there are {', '.join(known)}"
        )
    if not equals:
        return Extent(parameter=name)
    low, dots, high = given.partition("..")
    if dots:
        if not ordered(space[name]):
            raise StudyError(f"{name} has no order: list its values as {name}=VALUE,VALUE")
        return Extent(parameter=name, low=_end(low, text), high=_end(high, text))
    return Extent(
        parameter=name, values=tuple(_value(one, space[name]) for one in given.split(","))
    )


def _end(given: str, text: str) -> float | None:
    if not given.strip():
        return None
    try:
        return float(given)
    except ValueError:
        raise StudyError(f"{text!r} is no extent: write {FORM}") from None


def _value(given: str, parameter: Parameter) -> Scalar:
    given = given.strip()
    candidates: list[Scalar] = [given]
    try:
        read = json.loads(given)
        if not isinstance(read, list | dict):
            candidates.insert(0, read)
    except json.JSONDecodeError:
        pass
    for candidate in candidates:
        if parameter.admits(parameter.coerce(candidate)):
            return parameter.coerce(candidate)
    raise StudyError(f"{given} is no value of {parameter.name}: it is {parameter.allowed}")


def _sense(draft: Draft, task: Task) -> Literal["higher", "lower"]:
    """Better and worse are of the goal, or of failures, of which fewer are better."""
    if draft.expect in ("higher", "lower"):
        return draft.expect
    if draft.metric not in ("", task.objective.metric, "failure"):
        raise StudyError(f"say whether {draft.metric} gets higher or lower: better is of the goal")
    failing = draft.metric == "failure" or draft.what == "rate"
    up = task.objective.sign > 0 and not failing
    return "higher" if up == (draft.expect == "better") else "lower"
