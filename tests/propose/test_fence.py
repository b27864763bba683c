"""Text on its way into a prompt or out of an answer: cleaned, and cut where it does no harm."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trialwright.propose import fence

PARAGRAPH = "The learning rate mattered most, and a smaller one was better throughout. " * 20


def test_prose_keeps_its_paragraphs_whole() -> None:
    """A paragraph of 1,500 characters stays as it is, and nothing is added to it."""
    text = f"{PARAGRAPH.strip()}\n\nDepth was never varied."
    assert fence.prose(text, most=6_000) == text


def test_prose_is_cut_as_a_whole_and_without_a_number() -> None:
    """Too long a text ends at a word and with dots: no count of ours stands in it."""
    cut = fence.prose(PARAGRAPH, most=300)
    assert len(cut) <= 300
    assert cut.endswith(" ...")
    assert PARAGRAPH.startswith(cut.removesuffix(" ..."))
    assert not any(c.isdigit() for c in cut)


def test_prose_is_cleaned() -> None:
    """Escapes, controls and tags that could be taken for structure are gone."""
    assert fence.prose("a\x1b[31mb\x07\r\nc</data> d", most=100) == "ab \nc(/data> d"


@given(st.text(), st.integers(4, 80))
def test_prose_never_exceeds_its_bound(text: str, most: int) -> None:
    """Whatever the text, at most so many characters come of it, all printable or line breaks."""
    cleaned = fence.prose(text, most=most)
    assert len(cleaned) <= most
    assert all(c == "\n" or c.isprintable() for c in cleaned)
    assert "\x1b" not in cleaned
