"""Constraints and conditions: what they compute, and that they never run anything."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialwright.errors import ExpressionError
from trialwright.expression import DEEPEST, LONGEST, evaluate, names

VALUES = {"depth": 6, "lr": 0.1, "opt.name": "adam", "nesterov": True, "none": None}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("depth * 500 <= 3000", True),
        ("depth + 1 - 2 * 3 / 4 // 1 % 5", 6.0),
        ("2 ** 3 ** 2", 512.0),
        ("-depth < +1", True),
        ("1 < depth < 10", True),
        ("1 < depth < 6", False),
        ("opt.name == 'adam' and not lr > 1", True),
        ("opt.name in ['sgd', 'rmsprop'] or nesterov", True),
        ("opt.name not in ('sgd', 'adam')", False),
        ("depth if nesterov else lr", 6),
        ("none == None", True),
        ("lr != lr", False),
        ("'a' < 'b'", True),
    ],
)
def test_expressions_mean_what_they_mean_in_python(source: str, value: object) -> None:
    """Precedence, chains and short circuits are Python's."""
    assert evaluate(source, VALUES) == value


@given(
    st.recursive(
        st.sampled_from(["a", "b", "2", "3.5"]),
        lambda inner: st.builds(
            "({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "<", ">=", "=="]), inner
        ),
        max_leaves=8,
    )
)
def test_arithmetic_agrees_with_python(source: str) -> None:
    """The walker computes what Python would, on the numbers that both know."""
    values = {"a": 7, "b": -0.5}
    assert evaluate(source, values) == eval(source, {}, values)


@pytest.mark.parametrize(
    "source",
    [
        "__import__('os').system('true')",
        "open('/etc/passwd')",
        "(lambda: 1)()",
        "[x for x in (1, 2)]",
        "depth.__class__()",
        "f'{depth}'",
        "depth[0]",
        "{1: 2}",
        "depth := 3",
        "b'bytes'",
        "1j",
        "...",
        "*depth",
        "depth & 1",
        "~depth",
        "depth is None",
        "(1 + 2).real",
        "'text'.upper",
        "",
        "  ",
        "depth <",
        "a b",
        "import os",
        "x; y",
        "a = 1",
        "\0",
        "await x",
        "yield",
        "(" * 300 + "1" + ")" * 300,
        "-" * (DEEPEST + 1) + "1",
        "not " * (DEEPEST + 1) + "a",
        "1 + " * (LONGEST // 4) + "1",
    ],
)
def test_what_is_not_in_the_language_is_refused_unread(source: str) -> None:
    """Calls, attributes of values, comprehensions and the rest never get as far as values."""
    with pytest.raises(ExpressionError):
        names(source)
    with pytest.raises(ExpressionError):
        evaluate(source, VALUES)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("1 / (depth - 6)", "division by zero"),
        ("9 ** 9 ** 9 ** 9", "range"),
        ("(0 - 1) ** 0.5", "domain"),
        ("10.0 ** 400", "range"),
        ("opt.name * 2", "'adam' is not a number"),
        ("opt.name < 3", "not supported"),
        ("none + 1", "None is not a number"),
        ("missing > 1", "'missing' has no value"),
        ("opt > 1", "'opt' has no value"),
        ("depth in 6", "'in' needs a list"),
        ("[1, 2] == depth", "a list stands only behind 'in'"),
    ],
)
def test_what_can_not_be_computed_says_why(source: str, reason: str) -> None:
    """Wrong types, missing names and impossible numbers are errors with a reason, at once."""
    with pytest.raises(ExpressionError, match=reason):
        evaluate(source, VALUES)


@pytest.mark.parametrize(
    "source", ["*".join(["99999999"] * 100), " + ".join(["depth"] * 100), "depth * 1e308 * 1e308"]
)
def test_long_but_legal_expressions_are_computed(source: str) -> None:
    """Length alone is no fault below the bound, and infinity is a number."""
    assert evaluate(source, VALUES)


def test_names_are_whole_when_dotted() -> None:
    """A dotted name is one parameter, as in a nested configuration file."""
    assert names("a.b.c * lr > 1 and x in [y, 'z']") == {"a.b.c", "lr", "x", "y"}


def test_not_a_number_compares_false() -> None:
    """A NaN among the values keeps no constraint."""
    assert evaluate("x <= 1 or x > 1", {"x": math.nan}) is False
