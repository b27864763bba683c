"""Prose of models: no number in it that the record does not bear out."""

from __future__ import annotations

import pytest

from trialwright.report.prose import STRUCK, check


@pytest.mark.parametrize(
    ("prose", "struck"),
    [
        ("accuracy 0.939", ()),
        ("accuracy 0.94, or 93.9 %", ()),
        ("accuracy 0.95", ("0.95",)),
        ("accuracy .9394 and 1.0", ("1.0",)),
        ("lr 1e-3 against 1.2e-3", ("1.2e-3",)),
        ("0.14 lower, \u22120.139 exactly", ()),
        ("1,500 steps, not 1,501", ("1,501",)),
        ("resnet18 and v2.0 are names", ()),
        ("1. first\n2. second\n3) third", ()),
        ("9 of 10", ("9", "10")),
        ("nan, inf and 1e999", ("1e999",)),
    ],
)
def test_numbers_without_support_are_struck(prose: str, struck: tuple[str, ...]) -> None:
    """At the precision at which they are said, as shares or percentages, whatever their sign."""
    checked = check(prose, [0.93942, -0.139, 0.001, 1500.0])
    assert checked.struck == struck
    assert checked.text.count(STRUCK) == len(struck)
    assert all(number not in checked.text.replace(STRUCK, "") for number in struck)


def test_prose_without_numbers_is_left_as_it_is() -> None:
    """Nothing is changed but numbers."""
    assert check("Smaller steps helped; it is not sure.", []).text.endswith("not sure.")
