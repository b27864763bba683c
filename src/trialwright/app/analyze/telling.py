"""What was measured, on a terminal: sentences first, tables where they are short."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table as Drawn
from rich.text import Text

from trialwright.app.analyze.measuring import Analysis
from trialwright.app.campaigns_command import summary
from trialwright.insight.measured import Cell, Measured, Table
from trialwright.report import words

ROWS = 8
"""Rows of a table that a terminal shows."""
WIDEST = 28
"""Characters of a cell."""
GAP = 2
"""Blanks in front of a table, and between its columns."""


def show(analysis: Analysis, console: Console) -> None:
    """Print every campaign, what was measured of it, and of all side by side."""
    for place, part in enumerate(analysis.parts):
        if place:
            console.print()
        for line in summary(part.campaign):
            style = "bold" if not line.startswith(" ") else ""
            console.print(Text(words.plain(line), style=style), soft_wrap=not console.is_terminal)
        _show(part.measures, console)
    if analysis.compared:
        console.print()
        names = words.listed([part.campaign.name for part in analysis.parts])
        console.print(Text(f"{len(analysis.parts)} side by side: {names}", style="bold"))
        _show(analysis.compared, console)


def _show(measures: Sequence[Measured], console: Console) -> None:
    for one in measures:
        if one.refused:
            continue
        console.print()
        console.print(Text(one.title, style="bold cyan"))
        console.print(Text(f"  {words.line(one.sentence)}"), soft_wrap=not console.is_terminal)
        if one.table is not None and one.table.rows:
            for part in _table(one.table, console.width):
                console.print(part)
        for note in one.notes:
            said = Text(f"  note: {words.line(note)}", style="dim")
            console.print(said, soft_wrap=not console.is_terminal)
    refused = [one for one in measures if one.refused]
    if refused:
        console.print()
        console.print(Text("Not told", style="bold cyan"))
    for one in refused:
        said = Text(f"  {one.title}: {words.line(one.sentence)}", style="dim")
        console.print(said, soft_wrap=not console.is_terminal)


def _table(table: Table, width: int) -> Iterator[RenderableType]:
    """The first rows, with as many columns as fit side by side; what is left out is counted."""
    known = [
        place
        for place, _ in enumerate(table.columns)
        if any(row[place] is not None for row in table.rows)
    ]
    rows = [[cell(row[place]) for place in known] for row in table.rows[:ROWS]]
    names = [words.line(table.columns[place], most=WIDEST) for place in known]
    widths = [max(map(cell_len, column)) for column in zip(names, *rows, strict=True)]
    fitting = sum(sum(widths[:n]) + GAP * n <= width for n in range(1, len(known) + 1))
    shown = max(fitting, 1)
    drawn = Drawn(box=None, pad_edge=False, padding=(0, GAP, 0, 0))
    for name, place in list(zip(names, known, strict=True))[:shown]:
        right = all(isinstance(row[place], int | float | None) for row in table.rows)
        drawn.add_column(Text(name), justify="right" if right else "left", header_style="dim")
    for row in rows:
        drawn.add_row(*map(Text, row[:shown]))
    yield Padding(drawn, (0, 0, 0, GAP), expand=False)
    left = [
        words.count(n, what)
        for n, what in ((len(table.rows) - ROWS, "row"), (len(known) - shown, "column"))
        if n > 0
    ]
    if left:
        yield Text(f"  and {' and '.join(left)} more: --csv, --html", style="dim")


def cell(value: Cell, *, most: int = WIDEST) -> str:
    """Write a cell for people: four digits, nothing for what is absent."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int():
            return str(value)
        case float():
            return f"{value:.4g}"
    return words.line(value, most=most)
