"""Values keep the style of the text that they replace, and always read back as themselves."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialwright.code.written import NotPlain, plain, written


def read(text: str) -> object:
    """The value of an expression's text."""
    return plain(ast.parse(text, mode="eval").body)


@pytest.mark.parametrize(
    ("value", "like", "text"),
    [
        (2**18, "2**19", "2**18"),
        (2**18 + 1, "2**19", "262145"),
        (20480, "10 * 1024", "20 * 1024"),
        (1 << 18, "1 << 19", "1 << 18"),
        (5e-4, "1e-3", "5e-4"),
        (1.5e-4, "1e-3", "1.5e-4"),
        (0.05, "0.001", "0.05"),
        (2.0, "0.5", "2.0"),
        (300_000, "600_000", "300_000"),
        (255, "0xFF", "0xff"),
        ("tanh", "'relu'", "'tanh'"),
        ("it's", "'relu'", '"it\'s"'),
        (None, "0.1", "None"),
        (False, "True", "False"),
    ],
)
def test_values_are_written_in_the_style_of_the_old_ones(
    value: object, like: str, text: str
) -> None:
    """Powers stay powers, exponents stay exponents, quotes stay quotes, where that can be."""
    assert written(value, like=like) == text  # type: ignore[arg-type]


STYLES = ["2**19", "10 * 1024", "1 << 4", "1e-3", "0.001", "600_000", "0xff", "'a'", '"a"', "x + 1"]


@given(
    st.one_of(
        st.booleans(),
        st.none(),
        st.integers(-(10**15), 10**15),
        st.floats(allow_nan=False, allow_infinity=False, width=64).filter(lambda x: abs(x) < 1e17),
        st.text(max_size=12),
    ),
    st.sampled_from(STYLES),
)
def test_what_is_written_reads_as_the_value(value: object, like: str) -> None:
    """In any style, the text stands for exactly the value, of its own type."""
    again = read(written(value, like=like))  # type: ignore[arg-type]
    assert again == value
    assert type(again) is type(value)


@pytest.mark.parametrize("text", ["9**9**9", "1 << 900", "1 / 0", "x + 1", "f(3)", "(-8) ** 0.5"])
def test_what_is_no_number_is_refused(text: str) -> None:
    """Names, calls, and numbers that nobody tunes have no value; none is computed for long."""
    with pytest.raises(NotPlain):
        read(text)
