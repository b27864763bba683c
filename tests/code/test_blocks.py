"""Search and replace: exactly one place, or an error that helps to find it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialwright.code.blocks import Block, apply, apply_all
from trialwright.errors import EditError

CODE = """\
def step(rate):
    x = rate * 2
    return x


def other(rate):
    x = rate * 2
    return x + 1
"""


def wrong(text: str, search: str) -> EditError:
    """What is said of a search that can't be replaced."""
    with pytest.raises(EditError) as caught:
        apply(text, search, "anything")
    return caught.value


def test_the_only_occurrence_is_replaced() -> None:
    """Nothing else changes, lines in part included."""
    assert apply(CODE, "return x + 1", "return x + 2") == CODE.replace("x + 1", "x + 2")
    assert apply(CODE, "\n\n\ndef other", "\n\ndef other") == CODE.replace("\n\n\n", "\n\n")


def test_text_that_occurs_twice_is_refused_with_its_lines() -> None:
    """The error says where it stands, and what to do."""
    error = wrong(CODE, "    x = rate * 2\n")
    assert error.cause == "ambiguous"
    assert "2 times" in str(error)
    assert "lines 2, 7" in str(error)
    assert wrong("aaa", "aa").cause == "ambiguous"


def test_text_that_is_not_there_is_refused_with_the_nearest_line() -> None:
    """The line that differs is quoted as it is, and white space is named where that is all."""
    error = wrong(CODE, "def other(rate):\n  x = rate * 2\n")
    assert error.cause == "not_found"
    assert "line 7 is nearest, which differs in white space alone" in str(error)
    assert '"    x = rate * 2"' in str(error)
    assert '"  x = rate * 2"' in str(error)
    error = wrong(CODE, "def step(rates):\n")
    assert "line 1 is nearest. There" in str(error)
    assert "white space" not in str(error)
    assert "no line of the file is like it" in str(wrong(CODE, "quite something else"))
    assert "ends with line 8" in str(wrong(CODE, "    return x + 1\nprint(2)"))
    assert "white space" in str(wrong("x=1", " \n\n\n"))


def test_huge_lines_are_cut_in_errors() -> None:
    """An error stays short however long the lines are."""
    assert len(str(wrong("x = [" + "1, " * 40_000 + "]", "x = [" + "1, " * 39_999 + "2]"))) < 800


def test_an_empty_search_fills_only_what_is_empty() -> None:
    """It never means the whole of a file, or its beginning."""
    assert apply("", "", "x = 1\n") == "x = 1\n"
    assert "8 lines" in str(wrong(CODE, ""))


def test_line_ends_are_the_files() -> None:
    """A file with Windows line ends is edited by text without them, and keeps its own."""
    windows = CODE.replace("\n", "\r\n")
    edited = apply(windows, "    x = rate * 2\n    return x\n", "    y = rate\n    return y\n")
    assert edited == windows.replace(
        "    x = rate * 2\r\n    return x\r\n", "    y = rate\r\n    return y\r\n"
    )


def test_blocks_see_what_those_before_them_did() -> None:
    """Several files at once, new ones and whole ones among them; others are not named."""
    texts = {"a.py": CODE, "b.py": "y = 1\n", "c.py": "z = 1\n"}
    blocks = [
        Block("a.py", "def step", "def leap"),
        Block("a.py", "def leap(rate):\n", "def leap(speed):\n"),
        Block("b.py", content="y = 2\n"),
        Block("new/d.py", "", "w = 1\n"),
    ]
    assert apply_all(texts, blocks) == {
        "a.py": CODE.replace("def step(rate)", "def leap(speed)"),
        "b.py": "y = 2\n",
        "new/d.py": "w = 1\n",
    }


@pytest.mark.parametrize(
    ("block", "cause", "words"),
    [
        (
            Block("a.py", "nowhere at all", "x"),
            "not_found",
            "edit 2, a.py: `search` does not occur",
        ),
        (
            Block("b.py", "x", "y"),
            "not_found",
            "there is no such file to search in (there are a.py)",
        ),
        (Block("a.py", "def", "x", content="y"), "ambiguous", "both `search` and `content`"),
    ],
)
def test_an_error_says_which_block_it_is_about(block: Block, cause: str, words: str) -> None:
    """By its number and its file."""
    with pytest.raises(EditError) as caught:
        apply_all({"a.py": CODE}, [Block("a.py", "def step", "def leap"), block])
    assert caught.value.cause == cause
    assert words in str(caught.value)


@given(
    st.text(alphabet="ab \n\r\t", max_size=40),
    st.text(alphabet="ab \n\r\t", max_size=6),
    st.text(alphabet="ab \n", max_size=6),
)
def test_exactly_one_place_changes_or_none(text: str, search: str, replace: str) -> None:
    """Either all of the text but one occurrence stays, or an error is raised and nothing else."""
    if "\r\n" in text or not search:
        return
    places = sum(text.startswith(search, at) for at in range(len(text)))
    if places == 1:
        assert apply(text, search, replace) == text.replace(search, replace)
    else:
        assert wrong(text, search).cause == ("ambiguous" if places else "not_found")
