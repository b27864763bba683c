"""What a measure returns: figures, a table, a sentence, or why there is none."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from trialwright.expression import Scalar

Cell = Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    r"""Rows under named columns.

    >>> Table(columns=("kind", "share"), rows=(("model", 0.94), ("loss", None))).csv()
    'kind,share\nmodel,0.94\nloss,\n'
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def records(self) -> list[dict[str, Cell]]:
        """The rows as mappings, for JSON or a data frame."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def csv(self) -> str:
        """Return the table as CSV, with what is absent left empty."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(["" if cell is None else cell for cell in row] for row in self.rows)
        return text.getvalue()


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One measure of one campaign, or of several side by side."""

    name: str
    """For machines: `variance_shares`."""
    title: str
    """For people: `What the variance goes to`."""
    sentence: str
    """What the figures say, made from them; why there are none, if there are none."""
    values: Mapping[str, Cell] = field(default_factory=dict)
    """The figures, each under its key; an interval is two keys, `_low` and `_high`."""
    table: Table | None = None
    notes: tuple[str, ...] = ()
    """What else a reader has to know to take the figures rightly."""
    refused: bool = False
    """Whether the measure can't be told of this campaign; the sentence says why."""

    def __post_init__(self) -> None:
        wrong = [
            key for key, value in self.values.items()
            if isinstance(value, float) and not math.isfinite(value)
        ]  # fmt: skip
        if wrong:
            # JSON has no word for it; what is not known is absent.
            absent = {key: None if key in wrong else value for key, value in self.values.items()}
            object.__setattr__(self, "values", absent)


def refusal(name: str, title: str, why: str) -> Measured:
    """Return a measure that can't be told, with the reason."""
    return Measured(name=name, title=title, sentence=why, refused=True)
