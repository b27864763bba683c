"""Extents of parameters: which values they hold, which lie beyond them, and how to say so."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from trialwright.expression import Scalar
from trialwright.records import Claim, Extent
from trialwright.space import Choice, Float, Parameter, Space


def bare(extent: Extent) -> bool:
    """Say whether an extent names its parameter alone, and no values."""
    return extent.low is None and extent.high is None and not extent.values


def ordered(parameter: Parameter) -> bool:
    """Say whether larger and smaller mean anything for a parameter."""
    return not isinstance(parameter, Choice)


def holds(extent: Extent, parameter: Parameter, value: Scalar) -> bool:
    """Say whether a legal value lies within an extent; a text lies in no range."""
    if extent.values:
        return any(parameter.coerce(one) == value for one in extent.values)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    low = -math.inf if extent.low is None else extent.low
    high = math.inf if extent.high is None else extent.high
    return low <= value <= high


def side(
    extent: Extent, contrast: Extent | None, parameter: Parameter, value: Scalar
) -> bool | None:
    """Return True within an extent, False within its contrast (all else if None), else None.

    A bare extent stands for the upper half of the range, and is held against the lower.
    """
    if bare(extent):
        place = parameter.to_unit(value)
        return None if abs(place - 0.5) < 1e-9 else place > 0.5
    if holds(extent, parameter, value):
        return True
    if contrast is None or holds(contrast, parameter, value):
        return False
    return None


def sides(claim: Claim, space: Space, values: Mapping[str, Scalar]) -> tuple[bool, ...] | None:
    """Return per extent of a claim whether a configuration is within; None if it says nothing."""
    contrast = {one.parameter: one for one in claim.contrast}
    found = []
    for extent in claim.region:
        name = extent.parameter
        if name not in values:
            return None
        one = side(extent, contrast.get(name), space[name], values[name])
        if one is None:
            return None
        found.append(one)
    return tuple(found)


def whole(extent: Extent, parameter: Parameter) -> bool:
    """Say whether an extent holds every value of its domain."""
    return not bare(extent) and all(holds(extent, parameter, one) for one in _values(parameter))


def empty(extent: Extent, parameter: Parameter) -> bool:
    """Say whether an extent holds no value of its domain."""
    if bare(extent):
        return False
    if isinstance(parameter, Float) and not extent.values and parameter.step is None:
        low = parameter.low if extent.low is None else max(extent.low, parameter.low)
        return low > (parameter.high if extent.high is None else min(extent.high, parameter.high))
    if extent.values and not parameter.count:
        return not any(parameter.admits(parameter.coerce(one)) for one in extent.values)
    return not any(holds(extent, parameter, one) for one in _values(parameter))


def said(extent: Extent) -> str:
    """Say an extent in words.

    >>> said(Extent(parameter="lr", high=0.1)), said(Extent(parameter="act", values=("relu",)))
    ('lr up to 0.1', 'act = "relu"')
    """
    name = extent.parameter
    if extent.values:
        listed = " or ".join(json.dumps(one, ensure_ascii=False) for one in extent.values)
        return f"{name} = {listed}"
    if extent.low is None and extent.high is None:
        return f"{name} in the upper half of its range"
    if extent.low is None:
        return f"{name} up to {extent.high:g}"
    if extent.high is None:
        return f"{name} from {extent.low:g} on"
    return f"{name} from {extent.low:g} to {extent.high:g}"


_LISTED = 1000


def _values(parameter: Parameter) -> list[Scalar]:
    """Every value of a short domain; of a long one, its ends and many between."""
    count = min(parameter.count or _LISTED, _LISTED)
    inner = [parameter.from_unit((i + 0.5) / count) for i in range(count)]
    return [parameter.from_unit(0.0), *inner, parameter.from_unit(1.0)]
