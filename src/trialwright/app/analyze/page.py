"""An analysis as one HTML file that needs nothing else, and as Markdown."""

from __future__ import annotations

import base64
import hashlib
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from markupsafe import Markup

from trialwright.app.analyze.measuring import Analysed, Analysis, Options
from trialwright.app.analyze.telling import cell
from trialwright.app.campaigns_command import summary
from trialwright.insight.measured import Measured
from trialwright.report import markdown, words
from trialwright.report.html import environment, look, template
from trialwright.report.pictures.album import album
from trialwright.report.pictures.picture import Picture

ROWS = 200
"""Rows of a table that a page shows."""


@dataclass(frozen=True, slots=True)
class Part:
    """A campaign as a page shows it, or all of them side by side."""

    name: str
    about: tuple[str, ...]
    told: tuple[Measured, ...]
    refused: tuple[Measured, ...]
    pictures: tuple[tuple[Picture, Markup], ...]


def call(sources: Sequence[str], options: Options, mapped: Sequence[str]) -> str:
    """Return the command that makes the analysis again."""
    wished = {"--factor": options.factor, "--by": options.by, "--window": options.window}
    flags = [part for flag, value in wished.items() if value is not None for part in (flag, value)]
    maps = [part for pair in mapped for part in ("--map", pair)]
    return shlex.join(["trialwright", "analyze", *sources, *map(str, flags), *maps])


def to_html(analysis: Analysis, command: str, *, version: str) -> str:
    """Render an analysis as a page with figures."""
    import plotly.offline

    parts = _parts(analysis, drawn=True)
    script = template("report.js")
    library = plotly.offline.get_plotlyjs() if any(part.pictures for part in parts) else ""
    return _rendered(
        "page.html.j2",
        escaped=True,
        parts=parts,
        command=command,
        version=version,
        style=_ours(look() + template("report.css")),
        script=_ours(script),
        library=_ours(library),
        policy=_policy([one for one in (library, script) if one]),
    )


def to_markdown(analysis: Analysis, command: str, *, version: str) -> str:
    """Render an analysis as Markdown, without figures."""
    parts = _parts(analysis, drawn=False)
    text = _rendered("page.md.j2", escaped=False, parts=parts, command=command, version=version)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _rendered(name: str, *, escaped: bool, **values: object) -> str:
    surroundings = environment(autoescape=escaped)
    surroundings.filters["text"] = markdown.text
    surroundings.filters["fenced"] = markdown.fenced
    surroundings.filters["shown"] = lambda value: cell(value, most=120)
    text = (files("trialwright.app.analyze") / name).read_text(encoding="utf-8")
    return surroundings.from_string(text).render(words=words, most=ROWS, **values)


def _parts(analysis: Analysis, *, drawn: bool) -> list[Part]:
    found = [_part(one, drawn=drawn) for one in analysis.parts]
    if analysis.compared:
        about = f"{len(analysis.parts)} campaigns."
        found.append(Part("Side by side", (about,), *_sorted(analysis.compared), ()))
    return found


def _part(one: Analysed, *, drawn: bool) -> Part:
    pictures = album(one.campaign, one.measures) if drawn else []
    about = [words.plain(line) for line in summary(one.campaign)]
    about[0] = about[0].removeprefix(f"{words.plain(one.campaign.name)}: ")
    return Part(
        one.campaign.name,
        tuple(about),
        *_sorted(one.measures),
        tuple((picture, _ours(picture.spec())) for picture in pictures),
    )


def _sorted(measures: Sequence[Measured]) -> tuple[tuple[Measured, ...], tuple[Measured, ...]]:
    return (
        tuple(one for one in measures if not one.refused),
        tuple(one for one in measures if one.refused),
    )


def _ours(text: str) -> Markup:
    """Mark as not to escape: our own files, Plotly's, and figures, which are escaped already."""
    return Markup(text)  # noqa: S704  # a campaign's text comes here in figures only


def _policy(scripts: Sequence[str]) -> str:
    digests = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline';"
        " img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
