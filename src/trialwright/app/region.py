"""Rows at the bottom of a terminal that are drawn over themselves; what is printed goes above them.

Each change is one write, of what has changed alone, so nothing flickers; nothing is erased that is
not written anew.
"""

from __future__ import annotations

import io
import math
import threading
import time
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

EVERY_S = 0.25
"""Between two drawings, at least."""

SHARE = 10
"""A drawing that took t seconds is followed by none for so many t: a slow line has other things to
carry."""

_HIDE, _SHOW = "\x1b[?25l", "\x1b[?25h"
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"
"""Terminals that know these show all that is between them at once; others ignore them."""


class Region:
    """The rows, from any thread."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._rows: list[str] = []
        self._widths: list[int] = []
        self._guard = threading.RLock()
        self._free_at = 0.0

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows of the terminal, as they are now."""
        size = self._console.size
        return size.width, size.height

    @property
    def rested(self) -> bool:
        """Whether it may be drawn again."""
        return time.monotonic() >= self._free_at

    def draw(self, rows: Sequence[Text], above: Sequence[Text] = ()) -> None:
        """Show `rows`, with `above` printed over them; nothing is written where nothing changed."""
        with self._guard:
            width = self.size[0]
            texts = [self._coded(row) for row in rows]
            if not above and texts == self._rows and self._height(width) == len(self._rows):
                return
            printed = [coded for text in above for coded in self._coded(text).split("\n")]
            began = time.monotonic()
            self._write(self._change(printed, texts, width))
            self._rows, self._widths = texts, [row.cell_len for row in rows]
            self._free_at = time.monotonic() + max(EVERY_S, SHARE * (time.monotonic() - began))

    def end(self) -> None:
        """Take the rows away, and give the cursor back."""
        with self._guard:
            self._write(self._change([], [], self.size[0]) + _SHOW)
            self._rows, self._widths = [], []

    def _change(self, printed: Sequence[str], texts: Sequence[str], width: int) -> str:
        """What turns the rows that are shown into others."""
        up = self._height(width)
        moved = f"\x1b[{up}A\r" if up else "\r"
        # What is printed may fill its row to the last column, where clearing the rest would take
        # that column: so all is cleared before it.
        cleared = "\x1b[J" if printed else ""
        body = "".join(f"{text}\n" for text in printed)
        kept = [] if printed or up != len(self._rows) else self._rows
        for place, text in enumerate(texts):
            same = place < len(kept) and kept[place] == text
            body += "\n" if same else f"{text}\x1b[K\n"
        return f"{_BEGIN}{_HIDE}{moved}{cleared}{body}\x1b[J{_END}"

    def _height(self, width: int) -> int:
        """Rows that the terminal has for ours: one that became narrow has broken them."""
        return sum(max(math.ceil(cells / max(width, 1)), 1) for cells in self._widths)

    def _coded(self, text: Text) -> str:
        """A text with its colours as the terminal takes them."""
        out = io.StringIO()
        console = Console(
            file=out,
            width=max(self.size[0], 1),
            force_terminal=True,
            color_system=self._console.color_system,  # type: ignore[arg-type]  # one of its words
            no_color=self._console.no_color,
            highlight=False,
        )
        console.print(text, end="", soft_wrap=True)
        return out.getvalue()

    def _write(self, text: str) -> None:
        file = self._console.file
        try:
            file.write(text)
            file.flush()
        except (OSError, ValueError):
            # The terminal has gone; the study goes on.
            return
