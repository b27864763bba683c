"""What reaches a proposer that can read: instructions, wishes, memory; and what a search finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.report.notebooks import Claimant, dial_task, dialled, ran, task
from trialwright.history import History
from trialwright.propose import briefing, notebook
from trialwright.propose.lookup import MOST, Lookup
from trialwright.records import Analysis, Entry, Instructions, Record, Request
from trialwright.report.html import facts


def noted(history: History, *records: Record) -> None:
    """Put records behind a history."""
    for record in records:
        history.extend([Entry(history.sequence + 1, history.updated_at, record)])


def read_by_models(history: History) -> str:
    """What a model reads at its next turn."""
    return briefing.state(history.task, history, 1, np.random.default_rng(0))


def lookup(history: History) -> Lookup:
    """The tools of a turn."""
    return Lookup(history.task, history, lambda run: "", np.random.default_rng(0))


def test_a_study_without_any_of_it_tells_nothing(tmp_path: Path) -> None:
    """No block, no claim, no wish: the prompt and the tools are what they were."""
    history = ran(task(trials=6, block=None), tmp_path)
    assert notebook.told(history.task, history) == []
    names = [tool.__name__ for tool in lookup(history).tools]
    assert "search_notebook" not in names


def test_what_the_user_says_is_read(tmp_path: Path) -> None:
    """Instructions and the latest wishes, in the user's words, each within its bound."""
    history = ran(task(trials=3, block=None), tmp_path)
    noted(history, Instructions(text="Prefer narrow ones. " * 200))
    noted(history, *(Request(what="steer", text=f"wish number {i}") for i in range(9)))
    text = read_by_models(history)
    assert "The user's instructions:\nPrefer narrow ones." in text
    assert [i for i in range(9) if f"- wish number {i}\n" in text] == [4, 5, 6, 7, 8]
    assert text.index("wish number 8") < text.index("wish number 4")
    assert text.count("Prefer narrow") <= notebook.LONGEST_INSTRUCTIONS // 20 + 1
    assert len(text) < briefing.LONGEST + 1_000
    wishes = [fact for name, fact in facts(history) if name == "Wish"]
    assert len(wishes) == 5
    assert wishes[-1].startswith("wish number 8 (taken in 20")


def test_memory_is_told_and_searched(tmp_path: Path) -> None:
    """Established claims are among the few lines that are told, and a search finds the rest."""
    history = ran(dial_task(trials=100, block=50), tmp_path, proposer=Claimant(), function=dialled)
    noted(history, Analysis(by="model", text="Dial seven is a lever.\n\nRest.", block=1))
    noted(history, Request(what="note", by="ann", text="dial_3 sticks at 0.4"))
    text = read_by_models(history)
    assert "From the notebook" in text
    assert "established: Turning dial_7 up makes y higher" in text
    tools = lookup(history)
    search = tools.search_notebook
    assert search in tools.tools
    first = search("dial_3 sticks").splitlines()[1]
    assert first == "note by ann: dial_3 sticks at 0.4"
    assert "block 1, by model: Dial seven is a lever." in search("lever")
    assert search("zeppelin") == "nothing mentions that"
    assert search("") == "nothing mentions that"
    assert len(search("dial")) <= MOST
