"""Puts the reports on disk: each under a temporary name first, then renamed."""

from __future__ import annotations

import json
import os
from pathlib import Path

from trialwright.history import History
from trialwright.report.branches import svg
from trialwright.report.final import final_analysis
from trialwright.report.html import to_html
from trialwright.report.markdown import to_markdown
from trialwright.report.telling import telling
from trialwright.report.tree import document, grown


def write(history: History, folder: Path) -> Path:
    """Write `report.html` and `report.md` into a study's folder, and return the HTML's path.

    And the tree's picture, where the team grows one.

    Works at any stage of a study. A reader never sees half a file.

    Raises:
        OSError: the folder can't be written to.
        LedgerError: the history holds no study.
    """
    analysis = final_analysis(history)
    told = telling(history, analysis)
    if "tree" in history.task.member_names:
        write_tree(history, folder)
    _replace(folder / "report.md", to_markdown(history, analysis, told))
    return _replace(folder / "report.html", to_html(history, analysis, told))


def write_tree(history: History, folder: Path) -> Path:
    """Write `tree/tree.svg` and `tree/tree.json` into a study's folder; return the picture's path.

    Raises:
        OSError: the folder can't be written to.
    """
    (folder / "tree").mkdir(exist_ok=True)
    text = json.dumps(document(history), indent=1, ensure_ascii=False)
    _replace(folder / "tree" / "tree.json", text + "\n")
    return _replace(folder / "tree" / "tree.svg", svg(history, grown(history)))


def _replace(path: Path, text: str) -> Path:
    # The process's id, since a report may be asked for while the study writes its own.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    # A lone surrogate, from a name or a log that was no UTF-8, must not lose the whole report.
    temporary.write_bytes(text.encode("utf-8", errors="replace"))
    temporary.replace(path)
    return path
