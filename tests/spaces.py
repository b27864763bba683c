"""Strategies for spaces and configurations, for the property tests of several packages."""

from __future__ import annotations

import math

from hypothesis import strategies as st

from trialwright.space import Choice, Float, Int, Ordinal, Parameter, Space

WORDS = st.text("abcxyz 01.:#{}'\"\\-é\n", max_size=12)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**6), 10**6), st.floats(-1e6, 1e6), WORDS
)


@st.composite
def floats(draw: st.DrawFn, name: str) -> Float:
    """A float parameter of any scale."""
    low, width = draw(st.floats(-1e6, 1e6)), draw(st.floats(1e-3, 1e6))
    match draw(st.sampled_from(["plain", "log", "step", "point"])):
        case "log":
            low = draw(st.floats(1e-9, 1e3))
            return Float(name, low, low * draw(st.floats(1.001, 1e6)), log=True)
        case "step":
            low = float(draw(st.integers(-100, 100)))
            step = draw(st.sampled_from([0.1, 0.25, 1 / 3, 2.0]))
            return Float(name, low, low + step * draw(st.integers(1, 50)) + 0.01, step=step)
        case "point":
            return Float(name, low, low)
    return Float(name, low, low + width)


@st.composite
def ints(draw: st.DrawFn, name: str) -> Int:
    """A whole-number parameter of any scale."""
    log = draw(st.booleans())
    low = draw(st.integers(1, 1000) if log else st.integers(-1000, 10**9))
    width = draw(st.integers(0, 10**6))
    step = draw(st.integers(1, max(min(width, 50), 1)))
    return Int(name, low, low + width, log=log, step=step)


def options() -> st.SearchStrategy[tuple[object, ...]]:
    """Distinct options; 1 and true count as distinct, 1 and 1.0 as the same."""
    return st.lists(SCALARS, min_size=1, max_size=5, unique_by=_identity).map(tuple)


def _identity(value: object) -> tuple[bool, object]:
    return isinstance(value, bool), value


@st.composite
def parameters(draw: st.DrawFn, name: str) -> Parameter:
    """A parameter of any kind, with or without a default and a description."""
    plain = draw(
        st.one_of(
            floats(name),
            ints(name),
            st.builds(Choice, st.just(name), options()),
            st.builds(Ordinal, st.just(name), options()),
        )
    )
    values = {slot: getattr(plain, slot) for slot in plain.__slots__}
    if draw(st.booleans()):
        values["default"] = plain.from_unit(draw(st.floats(0, 1)))
    values["description"] = draw(WORDS)
    return type(plain)(**values)


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    """A space of one to five parameters; some conditional, sometimes with a constraint."""
    names = ["a", "b.c", "d", "e_f", "g"][: draw(st.integers(1, 5))]
    made: list[Parameter] = []
    for name in names:
        parameter = draw(parameters(name))
        if made and draw(st.booleans()):
            values = {slot: getattr(parameter, slot) for slot in parameter.__slots__}
            parameter = type(parameter)(**values | {"when": draw(conditions(made))})
        made.append(parameter)
    return Space(tuple(made), draw(constraints(made)))


def conditions(made: list[Parameter]) -> st.SearchStrategy[str]:
    """A condition on one of the parameters before."""
    return st.sampled_from([_condition(parameter) for parameter in made])


def constraints(made: list[Parameter]) -> st.SearchStrategy[tuple[str, ...]]:
    """No constraint, or one that about half of the space keeps."""
    ranged = [p for p in made if isinstance(p, Float | Int)]
    kept = [(f"{p.name} <= {p.from_unit(0.6)!r}",) for p in ranged]
    return st.sampled_from([(), *kept])


def _condition(parameter: Parameter) -> str:
    match parameter:
        case Choice() | Ordinal():
            return f"{parameter.name} == {parameter.from_unit(0.0)!r}"
    middle = parameter.from_unit(0.5)
    assert isinstance(middle, int | float)
    assert math.isfinite(middle)
    return f"{parameter.name} > {middle!r}"
