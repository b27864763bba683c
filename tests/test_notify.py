"""What is told of a study, decided from its history alone: once each, in words and facts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.histories import Recorder
from trialwright.history import History
from trialwright.notify import (
    SPIKE,
    WINDOW,
    Failures,
    Message,
    News,
    Told,
    abandoned,
    finished,
    last_failure,
    news,
    notice,
    payload,
)
from trialwright.records import Cause, Closed, Curve, Entry, Notice, Observation, Opened, Proposal
from trialwright.space import Float, Space
from trialwright.task import Budget, Objective, Task

TASK = Task(
    name="small",
    objective=Objective(metric="acc"),
    space=Space((Float("lr", 0.0, 1.0, default=0.5),)),
    command=("true",),
    budget=Budget(trials=10),
)
LATER = 2e9


def recorder(folder: Path, **changes: object) -> Recorder:
    """A study to write into."""
    return Recorder(folder, replace(TASK, **changes))  # type: ignore[arg-type]


def trial(study: Recorder, *values: float | None, cause: Cause = "diverged") -> int:
    """Run a trial with a value per seed; None: the seed failed."""
    number = study.admit(Proposal(configuration={"lr": len(study.history.trials) / 50}, by="me"))
    keys = [study.launch(number, seed=seed) for seed in range(len(values))]
    for key, value in zip(keys, values, strict=True):
        done = value is not None
        curve = Curve(steps=(1.0,), series={"acc": (value,)}) if done else Curve()
        study.observe(
            Observation(
                run=key,
                outcome="done" if done else "failed",
                value=value,
                curve=curve,
                seconds=1.0,
                cause=None if done else cause,
                detail="" if done else "the loss is NaN",
            )
        )
    return number


def told(history: History, *, now: float = LATER) -> dict[str, News]:
    """What may be told, by key."""
    return {one.key: one for one in news(history, Failures(history), now=now)}


def topics(history: History) -> list[str]:
    """The topics of what may be told."""
    return [one.topic for one in told(history).values()]


SEEDED = {"seeds": replace(TASK.seeds, screen=3)}


def test_only_a_proven_gain_is_a_new_best(tmp_path: Path) -> None:
    """Neither the first result, nor a better value that may be noise, is told; a kept one is."""
    first = recorder(tmp_path / "first")
    trial(first, 0.5)
    trial(first, 0.9)
    best = first.history.best()
    assert best is not None
    assert best.number == 1
    assert topics(first.history) == []
    sure = recorder(tmp_path / "sure", **SEEDED)
    trial(sure, 0.50, 0.51, 0.52)
    assert topics(sure.history) == []
    trial(sure, 0.90, 0.91, 0.92)
    message = told(sure.history)["best:1"].write()
    assert message.trial == 1
    assert "small: new best, trial 1: acc = 0.91, 0.4 higher (better) than trial 0" in message.text
    assert "real with probability" in message.text
    assert message.facts["gain"] == pytest.approx(0.4)
    probability = message.facts["probability"]
    assert isinstance(probability, float)
    assert probability >= TASK.confidence
    assert message.facts["configuration"] == {"lr": 0.02}


def test_a_spike_of_failures_is_told_once_with_its_causes(tmp_path: Path) -> None:
    """From the fifth failure among ten runs on, under one key as long as it lasts."""
    study = recorder(tmp_path, budget=Budget())
    for _ in range(4):
        trial(study, 0.5)
    for failed in range(1, SPIKE):
        trial(study, None)
        assert topics(study.history) == [], failed
    trial(study, None, cause="out_of_memory_gpu")
    (key,) = told(study.history)
    message = told(study.history)[key].write()
    assert "5 of the last 9 runs failed: 4 diverged and 1 out of memory gpu." in message.text
    assert "The latest, trial 8: the loss is NaN" in message.text
    assert message.facts["causes"] == {"diverged": 4, "out of memory gpu": 1}
    assert message.facts["share"] == pytest.approx(0.556, abs=1e-3)
    for _ in range(5):
        trial(study, None)
        assert list(told(study.history)) == [key]
    for _ in range(WINDOW):
        trial(study, 0.5)
    assert topics(study.history) == []
    for _ in range(SPIKE):
        trial(study, None)
    (other,) = told(study.history)
    assert other != key


def test_failures_are_counted_the_same_live_and_read_again(tmp_path: Path) -> None:
    """The fold over runs as they end gives what a history read from the ledger gives."""
    study = recorder(tmp_path, budget=Budget())
    live = Failures(study.history)
    for number in range(40):
        trial(study, None if number % 7 > 2 else 0.5)
        live.take(study.history.trials[-1].runs[-1])
        again = Failures(study.history)
        assert (live.began, live.ended) == (again.began, again.ended)
        assert live.failed == again.failed


def test_cancelled_runs_are_no_failures(tmp_path: Path) -> None:
    """What was stopped on request, to be run again, does not count."""
    study = recorder(tmp_path)
    for _ in range(SPIKE):
        number = study.admit(Proposal(configuration={"lr": 0.1}, by="me"))
        study.observe(Observation(run=study.launch(number), outcome="cancelled"))
    assert Failures(study.history).ended == 0


def test_the_budget_is_told_at_eighty_per_cent(tmp_path: Path) -> None:
    """Each part on its own, from 0.8 on and before its end; a raised bound is told of again."""
    study = recorder(tmp_path / "trials")
    for _ in range(7):
        trial(study, 0.5)
    assert topics(study.history) == []
    trial(study, 0.5)
    message = told(study.history)["budget:trials:10"].write()
    assert "small: 80% of the budget is used: 8 of 10 trials." in message.text
    assert (message.facts["used"], message.facts["bound"]) == (8, 10)
    raised = replace(TASK, budget=Budget(trials=12))
    study.note(Opened(task=raised, seed=0, version="0"))
    assert topics(study.history) == []
    trial(study, 0.5)
    trial(study, 0.5)
    assert list(told(study.history)) == ["budget:trials:12"]
    timed = recorder(tmp_path / "time", budget=Budget(time_s=100.0))
    trial(timed, 0.5)
    at = timed.history.updated_at
    assert list(told(timed.history, now=at + 70.0)) == []
    assert list(told(timed.history, now=at + 85.0)) == ["budget:seconds:100"]
    assert list(told(timed.history, now=at + 200.0)) == []


def test_a_study_that_ended_has_no_budget_left_to_tell_of(tmp_path: Path) -> None:
    """Behind the end only a best that nobody was told of is left."""
    study = recorder(tmp_path, **SEEDED, budget=Budget(trials=2))
    trial(study, 0.50, 0.51, 0.52)
    trial(study, 0.90, 0.91, 0.92)
    study.note(Closed(reason="stopped", sentence="stopped"))
    assert list(told(study.history)) == ["best:1"]


def test_the_end_is_told_with_best_gain_reason_and_report(tmp_path: Path) -> None:
    """In words and in facts; the same end has the same key, another one another."""
    study = recorder(tmp_path, **SEEDED)
    trial(study, 0.50, 0.51, 0.52)
    trial(study, 0.90, 0.91, 0.92)
    closed = Closed(reason="budget", sentence="all 2 trials are done")
    study.note(closed)
    one = finished(study.history, closed=closed, report="/r/report.html", host="lab")
    message = one.write()
    assert "small has ended: all 2 trials are done" in message.text
    assert "Trial 1 is the best of 2 results: acc = 0.91" in message.text
    assert "report: /r/report.html on lab" in message.text
    assert (message.facts["reason"], message.facts["report"]) == ("budget", "/r/report.html")
    assert message.facts["gain"] == pytest.approx(0.4)
    assert message.trial == 1
    again = finished(study.history, closed=closed, report="", host="other")
    assert again.key == one.key
    trial(study, 0.1, 0.1, 0.1)
    assert finished(study.history, closed=closed, report="", host="lab").key != one.key


def test_who_was_told_is_read_from_notices() -> None:
    """A message sent, or given up, is not due again, for that target; others are."""
    told = Told([notice("best:7", "$HOOK"), notice("best:8", "$HOOK", why="answered 500")])
    assert told.has("$HOOK", "best:7")
    assert told.has("$HOOK", "best:8")
    assert not told.has("$HOOK", "best:9")
    assert not told.has("https://other.example/...", "best:7")
    foreign = Notice(level="info", topic="seed", text="best:9 told to $HOOK")
    assert not Told([foreign]).has("$HOOK", "best:9")


def test_the_best_that_the_end_was_told_with_is_no_news() -> None:
    """A resumed study does not announce what its last message had; a give-up has no best."""
    told = Told([notice("finished:budget:12:7", "$HOOK")])
    assert told.has("$HOOK", "best:7")
    assert not told.has("$HOOK", "best:12")
    gone = abandoned("s", why="x", at=7, host="h").key
    assert not Told([notice(gone, "$HOOK")]).has("$HOOK", "best:7")


def test_a_spike_counted_in_another_order_is_the_same() -> None:
    """Runs that end together may be counted in either order when the ledger is read again."""
    told = Told([notice("failures:57", "$HOOK")])
    assert told.has("$HOOK", "failures:58")
    assert not told.has("$HOOK", f"failures:{57 + WINDOW}")


def test_the_last_failure_is_found_with_its_time() -> None:
    """Of several messages that could not be told, the latest; sent ones are none."""
    records = [
        notice("best:1", "$A", why="answered 500"),
        notice("best:2", "$A", why="no answer in time"),
        notice("best:3", "$A"),
    ]
    entries = [Entry(n, 100.0 + n, record) for n, record in enumerate(records, start=1)]
    assert last_failure(entries) == (102.0, "$A: no answer in time")
    assert last_failure(entries[2:]) is None


def test_slack_gets_text_alone_and_json_typed_fields() -> None:
    """Slack's three special characters are escaped for it; the facts keep their types."""
    message = Message(
        topic="best", key="best:7", text="a < b & c", facts={"gain": 0.25, "n": None}, trial=7
    )
    assert payload(message, study="s", form="slack") == {"text": "a &lt; b &amp; c"}
    document = payload(message, study="s", form="json")
    assert json.loads(json.dumps(document)) == {
        "text": "a < b & c",
        "event": "best",
        "id": "best:7",
        "study": "s",
        "trial": 7,
        "gain": 0.25,
        "n": None,
    }
