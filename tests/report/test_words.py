"""Values in words."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialwright.report import words


@given(st.text())
def test_plain_text_has_no_control_characters(text: str) -> None:
    """Whatever comes in, nothing comes out that moves a cursor or turns a line around."""
    shown = words.plain(text)
    assert not any(ord(c) < 32 and c not in "\n\t" for c in shown)
    assert not set(shown) & set("\x7f\x9b\u202e\u2066")


@given(st.text(), st.integers(1, 50))
def test_a_line_is_one_line_and_no_longer_than_asked(text: str, most: int) -> None:
    """`line` has no line break and keeps its bound."""
    shown = words.line(text, most=most)
    assert "\n" not in shown
    assert len(shown) <= most


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link", "link"),
        ("a\rb", "a\nb"),
    ],
)
def test_escape_sequences_go_whole(text: str, left: str) -> None:
    """A sequence is removed with its argument, not only its first character."""
    assert words.plain(text) == left


def test_changes_tell_added_dropped_and_changed() -> None:
    """Changes keep the order of the newer configuration, dropped parameters last."""
    found = words.changes({"a": 1, "b": 0.5, "c": "x"}, {"d": True, "a": 1.0, "c": "x"})
    assert [str(change) for change in found] == ["d = true", "a 1 → 1", "b dropped (was 0.5)"]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.04, "0.0 s"), (59.6, "1 min"), (61, "1 min 1 s"), (3599.7, "1 h"), (7260, "2 h 1 min")],
)
def test_durations_are_said_as_people_do(seconds: float, said: str) -> None:
    """Two units at most, carried over where rounding fills one."""
    assert words.seconds(seconds) == said


@given(st.lists(st.floats(), max_size=100))
def test_sparkline_takes_any_series(series: list[float]) -> None:
    """NaN and infinities are left out; the row is never wider than asked."""
    drawn = words.sparkline(series)
    finite = [point for point in series if math.isfinite(point)]
    assert len(drawn) == (0 if len(finite) < 2 else min(len(finite), 24))
