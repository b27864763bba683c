"""The live view for any size of a terminal: what stands in it, what gives way, how it is drawn."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console
from rich.text import Text

from trialwright.app.region import Region
from trialwright.app.view import Frame, Going, drawn, passed
from trialwright.crew import Asking

REASON = "a higher rate kept improving to the end in trials 3, 5 and 8 " * 6
FRAME = Frame(
    name="water-potability",
    goal="maximize val_f1",
    done=17,
    total=40,
    seconds=3600.0,
    at=1000.0,
    time_s=7200.0,
    going=tuple(
        Going(f"trial {17 + i} seed 1", 880.0, "val_f1 0.81234 @ 12", "lr=0.0123 depth=4 wide=True")
        for i in range(8)
    ),
    more=3,
    best="trial 8  val_f1 = 0.84211",
    settings="lr=0.0321 depth=6 wide=False",
    reason=REASON.strip(),
    foot="finishing the running trials; press Ctrl-C again to stop them now",
)
ASKING = (Asking("thinker", "openai:gpt-5", 12.7),)


def flat(rows: list[Text]) -> str:
    """The text of rows, white space made even."""
    return " ".join(" ".join(row.plain for row in rows).split())


@pytest.mark.parametrize("size", [(80, 24), (40, 24), (40, 40), (120, 50), (24, 30), (80, 12)])
def test_nothing_important_is_cut(size: tuple[int, int]) -> None:
    """At any usual size: how far, how long, what runs with its metric, the best, who is asked."""
    rows = drawn(FRAME, now=1060.0, size=size, asking=ASKING)
    assert len(rows) < size[1]
    assert max(row.cell_len for row in rows) < size[0]
    said = flat(rows)
    for part in (
        "water-potability", "maximize val_f1", "17/40 trials", "1 h 1 min",
        "59 min 0 s of the time budget left",
        "trial 17 seed 1", "3 min 0 s", "val_f1 0.81234 @ 12", "asking openai:gpt-5", "12 s",
        "trial 8 val_f1 = 0.84211", "press Ctrl-C again",
    ):  # fmt: skip
        assert part in said, part
    assert re.search(r"and \d+ more runs", said)


def test_what_gives_way_first() -> None:
    """Where rows are short the reason goes first, then the settings, then runs but the first."""
    tall = flat(drawn(FRAME, now=1000.0, size=(80, 40)))
    assert "a higher rate kept improving" in tall
    assert tall.count("▶") == 8
    short = flat(drawn(FRAME, now=1000.0, size=(80, 14)))
    assert "a higher rate" not in short
    assert "★ best: trial 8" in short
    tiny = flat(drawn(FRAME, now=1000.0, size=(80, 8)))
    assert "▶ trial 17" in tiny
    assert "and 9 more runs" in tiny
    assert "★ best: trial 8" in tiny


def test_no_time_passes_in_a_study_that_nobody_runs() -> None:
    """Its time is what it took; else the view counts on from the last record."""
    still = replace(FRAME, still=True, going=(), more=0, time_s=None)
    assert flat(drawn(still, now=9999.0, size=(100, 30))).count("1 h 0 min") == 1
    assert "3 h 29 min" in flat(drawn(FRAME, now=9999.0, size=(100, 30)))
    assert (passed(59.9), passed(60), passed(3600)) == ("59 s", "1 min 0 s", "1 h 0 min")


class Terminal(io.StringIO):
    """A terminal's other end that counts writes."""

    writes = 0

    def write(self, text: str) -> int:
        """Take text."""
        self.writes += 1
        return super().write(text)


def test_only_what_changed_is_written() -> None:
    """The same rows write nothing; one that changed is written without the others; at once."""
    out = Terminal()
    region = Region(Console(file=out, width=40, height=10, force_terminal=True))
    region.draw([Text("first"), Text("second")])
    assert out.writes == 1
    region.draw([Text("first"), Text("second")])
    assert out.writes == 1
    before = len(out.getvalue())
    region.draw([Text("first"), Text("third")])
    new = out.getvalue()[before:]
    assert out.writes == 2
    assert "third" in new
    assert "first" not in new
    region.draw([Text("first")], above=[Text("it ended")])
    assert out.getvalue().rindex("it ended") < out.getvalue().rindex("first")
    region.end()
    assert out.getvalue().endswith("\x1b[?25h")


def test_a_terminal_that_became_narrow_is_cleared_of_broken_rows() -> None:
    """Rows that the terminal has broken in two are counted twice on the way up."""
    out = Terminal()
    console = Console(file=out, width=40, height=10, force_terminal=True)
    region = Region(console)
    region.draw([Text("x" * 35), Text("y" * 10)])
    console.size = (20, 10)  # type: ignore[assignment]  # Rich takes a pair
    before = len(out.getvalue())
    region.draw([Text("x" * 15), Text("y" * 10)])
    assert "\x1b[3A" in out.getvalue()[before:]
