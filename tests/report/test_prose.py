"""Prose of models: what is struck out of it, where, and how numbers are read."""

from __future__ import annotations

import pytest

from tests.report.test_claims import recorded
from trialwright.history import History
from trialwright.report.numerals import numerals
from trialwright.report.prose import STRUCK, STRUCK_WORDS, check


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    """Ten trials; trial 3 is the best with 0.954, learning rate 0.003."""
    return recorded(tmp_path_factory.mktemp("study"), "maximize")


@pytest.mark.parametrize(
    ("prose", "struck"),
    [
        ("accuracy 0.954", ()),
        ("accuracy 0.95, or 95.4 %", ()),
        ("accuracy 0.96", ("0.96",)),
        ("accuracy .954 and 1.5", ("1.5",)),
        ("learning_rate 3e-3 against 1.2e-3", ("1.2e-3",)),
        ("resnet18 and v2.0 are names", ()),
        ("1. first\n2. second\n3) third", ()),
        ("nan, inf and 1e999", ("1e999",)),
        ("it took 1,501 s", ("1,501",)),
        ("it rose 0.99x", ("0.99",)),
    ],
)
def test_numbers_without_support_are_struck(
    prose: str, struck: tuple[str, ...], history: History
) -> None:
    """At the precision at which they are said, as shares or percentages."""
    checked = check(prose, history)
    assert checked.struck == struck
    assert checked.text.count(STRUCK) == len(struck)
    assert all(number not in checked.text.replace(STRUCK, "") for number in struck)


def test_what_is_struck_is_marked_in_its_place(history: History) -> None:
    """Numbers and words each have a mark; all around them stays as it was written."""
    checked = check("**Trial 1** is best.\n\n- Trial 3 got `0.931`, says it.", history)
    assert checked.struck == ("best", "0.931")
    assert checked.text == f"**Trial 1** is {STRUCK_WORDS}.\n\n- Trial 3 got `{STRUCK}`, says it."


def test_prose_without_claims_is_left_as_it_is(history: History) -> None:
    """Nothing is changed but what is claimed."""
    prose = "Smaller steps helped; it is not sure.\n\nMore seeds would tell."
    assert check(prose, history).text == prose


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1.5k steps", [1500.0]),
        ("2 min 5 s", [125.0]),
        ("1 h 2 min", [3720.0]),
        ("3 GB, 2 GiB", [3e9, 2 * 2.0**30]),
        ("2 \u00d7 10^-3 or 10^-2", [0.002, 0.01]),
        ("0.91-0.93", [0.91, 0.93]),
        ("10 of 12,000.", [10.0, 12000.0]),
        ("a layer of conv2d", []),
    ],
)
def test_numbers_are_read_with_their_units(text: str, said: list[float]) -> None:
    """Times as seconds, memory as bytes, powers of ten as numbers; names are no numbers."""
    assert [one.said for one in numerals(text)] == said


@pytest.mark.parametrize(
    "prose",
    ["5" * 6000 + " trials failed", "trials 0 to " + "9" * 50, "trial " * 900, "lr " + "1-" * 900],
)
def test_no_text_is_too_strange_to_be_read(prose: str, history: History) -> None:
    """Endless numbers, ranges and repetitions are struck or left, and stop nothing."""
    checked = check(prose, history)
    assert checked.text.count(STRUCK) + checked.text.count(STRUCK_WORDS) == len(checked.struck)
