"""What a model reads for its final analysis, and what becomes of what it writes."""

from __future__ import annotations

from pathlib import Path

from tests.llm.servers import Calls, Request, final, serving
from tests.llm.tasks import agent, ran, task
from trialwright.analyst import written
from trialwright.history import History
from trialwright.report.final import final_analysis

PARAGRAPH = "The rate mattered most here, and nothing surer than that can be said of it. " * 12


def analysed(folder: Path, text: str, *, trials: int = 2) -> tuple[History, list[Request]]:
    """A study whose model proposes nothing and writes `text` in the end; what it was asked."""

    def move(_: int, request: Request) -> Calls:
        if "Write its final" in request.text:
            return Calls("final_result", {"analysis": text})
        return final()

    with serving("openai", move, creator_only=False) as server:
        history = ran(task("expert", agent(server), trials=trials), folder)
        return history, [one for one in server.requests if "Write its final" in one.text]


def test_a_long_paragraph_stays_whole(tmp_path: Path) -> None:
    """What the model wrote on one long line is kept to its end, and our cut strikes nothing."""
    history, _ = analysed(tmp_path, f"{PARAGRAPH}\n\nMore trials may help.")
    assert history.analysis is not None
    assert history.analysis.struck == ()
    assert history.analysis.text == f"{PARAGRAPH}\n\nMore trials may help."


def test_each_influence_has_its_parameters_name(tmp_path: Path) -> None:
    """The facts say of which parameter they are; those that were never varied stand in one line."""
    history, [request] = analysed(tmp_path, "It is done.", trials=7)
    influences = final_analysis(history).influences
    for one in influences:
        if one.varied:
            assert f"Influence of {one.parameter}: " in request.text
    still = [one.parameter for one in influences if not one.varied]
    assert ("Never varied" in request.text) == bool(still)


def test_no_fact_is_cut(tmp_path: Path) -> None:
    """Facts of more than 240 characters reach the model without a mark in their middle."""
    history, _ = analysed(tmp_path, "It is done.", trials=7)
    assert "characters)" not in written(final_analysis(history))


def test_claims_and_the_lack_of_failures_are_told(tmp_path: Path) -> None:
    """Where no run failed the facts say so, and how many claims stand where."""
    history, [request] = analysed(tmp_path, "It is done.", trials=5)
    assert not history.finished() or all(trial.state == "done" for trial in history.trials)
    assert "Failed: no run failed." in request.text
    counted = final_analysis(history).hypotheses
    assert counted
    for status, count in counted.items():
        assert f"{count} {status}" in request.text


def test_the_first_and_the_worst_trial_are_told(tmp_path: Path) -> None:
    """The reference of the gain and the worst result stand among the trials."""
    history, [request] = analysed(tmp_path, "It is done.", trials=7)
    assert all(f"#{trial.number} [" in request.text for trial in history.trials)
