"""Puts the reports on disk: each under a temporary name first, then renamed."""

from __future__ import annotations

import os
from pathlib import Path

from trialwright.history import History
from trialwright.report.final import final_analysis
from trialwright.report.html import to_html
from trialwright.report.markdown import to_markdown


def write(history: History, folder: Path) -> Path:
    """Write `report.html` and `report.md` into a study's folder, and return the HTML's path.

    Works at any stage of a study. A reader never sees half a file.

    Raises:
        OSError: the folder can't be written to.
        LedgerError: the history holds no study.
    """
    analysis = final_analysis(history)
    _replace(folder / "report.md", to_markdown(history, analysis))
    return _replace(folder / "report.html", to_html(history, analysis))


def _replace(path: Path, text: str) -> Path:
    # The process's id, since a report may be asked for while the study writes its own.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    # A lone surrogate, from a name or a log that was no UTF-8, must not lose the whole report.
    temporary.write_bytes(text.encode("utf-8", errors="replace"))
    temporary.replace(path)
    return path
