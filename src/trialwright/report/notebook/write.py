"""Writes a notebook: each file under a temporary name first, so that nobody reads half of one.

Every file is a view of the ledger, and may be deleted. Which state they show stands in a file of
their own that is written last: a notebook that a crash left behind is known by it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from trialwright.history import History
from trialwright.ledger import Ledger
from trialwright.report.notebook import inbox, reasoning
from trialwright.report.notebook.recall import memory_page
from trialwright.report.notebook.snapshots import last_of, snapshots
from trialwright.report.notebook.synthesis import synthesis
from trialwright.report.tree import scores_tsv

NOTEBOOK, INBOX, LOG, STATE = "notebook", "inbox.md", "reasoning.log", ".state"
PAGES = ("analysis.md", "memory.md", LOG, "ucb_scores.tsv", INBOX)
"""The files of every notebook, within the folder `NOTEBOOK` of a study."""


def write(history: History, ledger: Ledger, folder: Path) -> Path:
    """Write the notebook of the study in `folder`; return where it is.

    Raises:
        OSError: it can't be written.
        LedgerError: the history holds no study.
    """
    notebook = folder / NOTEBOOK
    notebook.mkdir(parents=True, exist_ok=True)
    for name, text in _pages(history):
        _replace(notebook / name, text)
    for block in history.blocks:
        if not (notebook / last_of(block)).exists():
            (notebook / last_of(block)).parent.mkdir(exist_ok=True)
            for name, text in snapshots(history, block):
                _replace(notebook / name, text)
    _continue_log(history, ledger, notebook / LOG)
    tick(history, folder)
    _replace(notebook / STATE, _state(history))
    return notebook


def rewrite(history: History, ledger: Ledger, folder: Path) -> Path:
    """Write the notebook of the study in `folder` from nothing; return where it is.

    Raises:
        OSError: it can't be written.
        LedgerError: the history holds no study.
    """
    (folder / NOTEBOOK / LOG).unlink(missing_ok=True)
    return write(history, ledger, folder)


def behind(history: History, folder: Path) -> bool:
    """Say whether the notebook lacks what the last block to end told, or a file."""
    notebook = folder / NOTEBOOK
    if not all((notebook / name).exists() for name in PAGES):
        return True
    return _read(notebook / STATE) != _state(history)


def wishes(history: History, folder: Path) -> list[str]:
    """Return what a person has written into the inbox and the ledger does not have."""
    return inbox.new(_read(folder / NOTEBOOK / INBOX), history)


def tick(history: History, folder: Path) -> None:
    """Tick what the ledger has of the inbox, unless somebody is just writing in it.

    Raises:
        OSError: it can't be written.
    """
    path = folder / NOTEBOOK / INBOX
    if not path.parent.is_dir():
        return
    text = _read(path)
    amended = inbox.amended(text, history)
    if amended != text and len(text) < inbox.LARGEST and _read(path) == text:
        _replace(path, amended)


def _pages(history: History) -> Iterator[tuple[str, str]]:
    yield "memory.md", memory_page(history)
    yield "analysis.md", synthesis(history)
    yield "ucb_scores.tsv", scores_tsv(history)


def _continue_log(history: History, ledger: Ledger, path: Path) -> None:
    kept, after = reasoning.continued(_read(path, most=None), history)
    more = reasoning.paragraphs(ledger.read(after), history, told=reasoning.statuses(kept))
    if more or not path.exists():
        _replace(path, kept + more)


def _state(history: History) -> str:
    ended = "over" if history.closed is not None else "going on"
    return f"{len(history.blocks)} blocks, {ended}\n"


def _read(path: Path, *, most: int | None = inbox.LARGEST) -> str:
    """The text of a file, its first `most` bytes; '' if it is not there."""
    try:
        with path.open("rb") as file:
            return file.read(-1 if most is None else most).decode(errors="replace")
    except OSError:
        return ""


def _replace(path: Path, text: str) -> None:
    # The process's id, since a notebook may be asked for while the study writes its own.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    # A lone surrogate, from a name or a log that was no UTF-8, must not lose the whole page.
    temporary.write_bytes(text.encode("utf-8", errors="replace"))
    temporary.replace(path)
