"""The report as Markdown, for a pull request or a notebook: the analysis, its figures as tables.

Text from outside is escaped, so that it neither formats nor becomes HTML where the file is shown.
"""

from __future__ import annotations

import re
from functools import partial

from trialwright import __version__
from trialwright.history import History
from trialwright.report import tabled, words
from trialwright.report.final import FinalAnalysis
from trialwright.report.html import environment, facts, template
from trialwright.report.rows import chosen, row
from trialwright.report.telling import Telling, telling

ROWS = 100
"""Trials in the table."""

_SPECIAL = re.compile(r"([\\`*_\[\]|~#$!])")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def to_markdown(history: History, analysis: FinalAnalysis, told: Telling | None = None) -> str:
    """Render the report; `told` is its story, where that is known already."""
    surroundings = environment(autoescape=False)
    surroundings.filters["text"] = text
    surroundings.filters["code"] = code
    surroundings.filters["fenced"] = fenced
    surroundings.filters["patch"] = partial(fenced, language="diff")
    rows = [row(trial, history) for trial in chosen(history, most=ROWS)]
    rendered = surroundings.from_string(template("report.md.j2")).render(
        history=history,
        analysis=analysis,
        told=told or telling(history, analysis),
        facts=facts(history),
        rises=tabled.rises(history),
        shares=tabled.shares(analysis.influences, history),
        curves=tabled.curves(history),
        rows=rows,
        omitted=len(history.trials) - len(rows),
        words=words,
        version=__version__,
    )
    return re.sub(r"\n{3,}", "\n\n", rendered).strip() + "\n"


def text(value: object) -> str:
    r"""Escape one line of text.

    >>> text("a|b <script> *x*")
    'a\\|b &lt;script&gt; \\*x\\*'
    """
    return _SPECIAL.sub(r"\\\1", words.line(str(value)).translate(_ENTITIES))


def code(value: object) -> str:
    """Set one line as code; a backtick in it gets a longer fence.

    >>> code("a`b")
    '`` a`b ``'
    """
    inner = words.line(str(value)).replace("|", "¦")
    ticks = "`" * (_longest(inner) + 1)
    pad = " " if len(ticks) > 1 else ""
    return f"{ticks}{pad}{inner}{pad}{ticks}"


def fenced(value: object, language: str = "text") -> str:
    """Set several lines as a block of code that nothing in them can end."""
    inner = words.plain(str(value))
    ticks = "`" * max(_longest(inner) + 1, 3)
    return f"{ticks}{language}\n{inner.rstrip()}\n{ticks}"


def _longest(inner: str) -> int:
    return max((len(run) for run in re.findall(r"`+", inner)), default=0)
