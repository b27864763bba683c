"""What pages load: style, scripts, the library that draws. Read once, named by what they hold.

A browser keeps each for good under an address that changes with the content, so that a newer
dashboard never meets an older script.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from trialwright.report.html import look

SCRIPTS = ("live.js", "board.js", "log.js", "figures.js")


@dataclass(frozen=True, slots=True)
class Asset:
    """A file, and how it is served."""

    content: bytes = field(repr=False)
    kind: str
    digest: str

    @property
    def tag(self) -> str:
        """What a browser that has it names it by."""
        return f'"{self.digest}"'


@cache
def read() -> Mapping[str, Asset]:
    """Return all of them, by name."""
    ours = files("trialwright.app.dashboard") / "static"
    found = {name: _asset((ours / name).read_bytes(), "text/javascript") for name in SCRIPTS}
    style = look().encode() + (ours / "dashboard.css").read_bytes()
    library = (files("plotly") / "package_data" / "plotly.min.js").read_bytes()
    return {
        **found,
        "dashboard.css": _asset(style, "text/css"),
        "plotly.min.js": _asset(library, "text/javascript"),
    }


def address(name: str) -> str:
    """Return where a page loads a file from."""
    return f"/static/{name}?v={read()[name].digest}"


def _asset(content: bytes, kind: str) -> Asset:
    return Asset(content, kind, hashlib.sha256(content).hexdigest()[:16])
