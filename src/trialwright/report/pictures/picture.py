"""A picture: charts with a title and a sentence, drawn by Plotly or by Matplotlib."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trialwright.report.pictures.chart import Sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Paper
    from plotly.graph_objects import Figure as Screen


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What a campaign shows from one side."""

    name: str
    """For machines: `dry_streaks`."""
    title: str
    sentence: str
    """What it shows, made from the numbers that it shows."""
    sheet: Sheet
    notes: tuple[str, ...] = ()
    """What is left out, or drawn elsewhere than it is."""

    @property
    def reading(self) -> str:
        """The sentence, with the notes after it."""
        return " ".join([self.sentence, *self.notes])

    def plotly(self) -> Screen:
        """Draw it for a screen."""
        # Imported late, like the rest below: the libraries take a second, and nobody needs both.
        from trialwright.report.pictures.screen import drawn

        return drawn(self.sheet)

    def spec(self) -> str:
        """Return Plotly's JSON, without a character that could end the element it stands in."""
        from trialwright.report import drawing

        return drawing.spec(self.plotly())

    def matplotlib(self) -> Paper:
        """Draw it for a paper.

        Raises:
            TrialwrightError: Matplotlib is not there; the message names the extra.
        """
        from trialwright.report.pictures.paper import drawn

        return drawn(self.sheet)

    def svg(self) -> str:
        """Return it as SVG for a paper, 6.5 inches wide.

        Raises:
            TrialwrightError: Matplotlib is not there; the message names the extra.
        """
        from trialwright.report.pictures.paper import svg

        return svg(self.sheet)
