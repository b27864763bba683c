"""The report as one HTML file that needs nothing else: figures, script and style are in it.

All text from outside is escaped by the template. A content security policy lets exactly the two
scripts of the report run, by their digests, and lets nothing be loaded: what slipped through would
stay dead text.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import plotly.offline
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from trialwright import __version__
from trialwright.history import History
from trialwright.report import branches, words
from trialwright.report.figures import figures
from trialwright.report.final import FinalAnalysis
from trialwright.report.notebook.inbox import came
from trialwright.report.rows import chosen, row
from trialwright.report.telling import Telling, telling
from trialwright.report.tree import grown, reading

ROWS = 400
"""Trials in the table."""
WISHES = 5
"""Of a person, the latest, that a report shows."""

PLACES = {"progress": "found", "curves": "searched"}
"""In which part of the story a figure stands; every other one tells what mattered."""


def to_html(history: History, analysis: FinalAnalysis, told: Telling | None = None) -> str:
    """Render the whole report; `told` is its story, where that is known already."""
    style, script = look() + template("report.css"), template("report.js")
    library = plotly.offline.get_plotlyjs()
    rows = [row(trial, history) for trial in chosen(history, most=ROWS)]
    return (
        environment(autoescape=True)
        .from_string(template("report.html.j2"))
        .render(
            title=words.line(history.task.name),
            history=history,
            analysis=analysis,
            told=told or telling(history, analysis),
            facts=facts(history),
            figures=[(f, _trusted(f.spec)) for f in figures(history, analysis.influences)],
            places=PLACES,
            tree=_tree(history),
            rows=rows,
            omitted=len(history.trials) - len(rows),
            policy=_policy([library, script]),
            style=_trusted(style),
            library=_trusted(library),
            script=_trusted(script),
            version=__version__,
            table_order=table_order,
            words=words,
        )
    )


def _tree(history: History) -> tuple[Markup, str] | None:
    """The tree with what it shows, where the team grows one."""
    if "tree" not in history.task.member_names or not history.trials:
        return None
    tree = grown(history)
    return _trusted(branches.svg(history, tree)), reading(tree)


def environment(*, autoescape: bool) -> Environment:
    """Return a template environment in which a missing name is an error."""
    # Markdown has an escape of its own, a filter, since HTML's would show as entities there.
    return Environment(
        autoescape=autoescape,  # noqa: S701  # see above
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def look() -> str:
    """Return the style that the report shares with analyses and the dashboard."""
    return template("look.css")


def ready() -> None:
    """Read what reports are made of: later, a newer package may lie in its place."""
    for path in files("trialwright.report").joinpath("templates").iterdir():
        template(path.name)


@cache
def template(name: str) -> str:
    """Return the text of a file under `templates`."""
    return files("trialwright.report").joinpath("templates", name).read_text(encoding="utf-8")


def facts(history: History) -> list[tuple[str, str]]:
    """Return what stands at the top of a report: what was run, how much, how it ended."""
    task = history.task
    done, failed = len(history.done()), sum(t.state == "failed" for t in history.trials)
    pruned = sum(trial.state == "pruned" for trial in history.trials)
    counts = [f"{done} with a result"]
    counts += [f"{failed} failed"] if failed else []
    counts += [f"{pruned} stopped early"] if pruned else []
    infeasible = sum(bool(trial.breach) for trial in history.trials)
    counts += [f"{infeasible} infeasible"] if infeasible else []
    pending = len(history.pending())
    counts += [f"{pending} going on, waiting or interrupted"] if pending else []
    started = dt.datetime.fromtimestamp(history.started_at, tz=dt.UTC)
    ended = words.line(history.closed.sentence, most=300) if history.closed else "going on"
    versions = len(history.codes)
    return [
        ("Goal", words.goals(task)),
        *([("Required", words.line("; ".join(task.require)))] if task.require else []),
        ("Trials", f"{len(history.trials)} ({', '.join(counts)})"),
        ("Runs", str(history.launches)),
        ("Time", words.seconds(history.seconds)),
        ("Started", f"{started:%Y-%m-%d %H:%M} UTC"),
        ("Ended", ended),
        *([("Code versions", f"{versions}, not counted together")] if versions > 1 else []),
        *([("Refused proposals", str(len(history.refusals)))] if history.refusals else []),
        *(
            ("Wish", f"{words.line(wish.text, most=300)} ({came(wish, history)})")
            for wish in history.wishes[-WISHES:]
        ),
    ]


def table_order(value: float | None, sign: int) -> str:
    """Return a key that sorts better values first; trials without one come last."""
    return "" if value is None else repr(-sign * value)


def _trusted(text: str) -> Markup:
    """Mark as not to escape: our own files, Plotly's, and what is escaped already."""
    return Markup(text)  # noqa: S704  # a study's text comes here in figures only, escaped there


def _policy(scripts: Sequence[str]) -> str:
    digests = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline';"
        " img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
