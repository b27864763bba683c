"""Whole studies in which a model edits code: real HTTP, real git, real runs, scripted answers."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.llm.servers import FINAL, Calls, Request, playing, serving, told
from tests.llm.tasks import PLAIN, agent, asked
from tests.research.conftest import EVALUATOR, git
from trialwright.editable import Research
from trialwright.history import History
from trialwright.study import Study
from trialwright.task import Agent, Budget, Task

MakeTask = Callable[..., Task]

BARE = Research(editable=("train.py",), sandbox="none", smoke_s=0)
"""Edits become trials without a smoke run, so that a crash is one."""


def edit(search: str, replace: str, file: str = "train.py", **more: Any) -> Calls:
    """The model's answer: one edit of one place."""
    passage = {"file": file, "search": search, "replace": replace}
    return Calls(FINAL, {"proposals": [{"edits": [passage], "rationale": "an idea", **more}]})


BETTER = edit("RATE = 0.5", "RATE = 0.7", category="hyperparameter", claim="the loss is lower")
AMBIGUOUS = edit("RATE", "SPEED")
LUCKY = edit("import evaluator\n", "import random\nrandom.seed(3)\nimport evaluator\n")
CHEATING = edit("(x - 3.0) ** 2", "0.0", "evaluator.py")
BROKEN = edit("RATE * WIDTH", "RATE * WIDTH * boost", category="architecture")
MENDED = edit("WIDTH = 4\n", "WIDTH = 4\nboost = 1.05\n", category="architecture", parent=2)
FINER = edit("* boost", "* boost + 0.06", category="architecture")


def studied(task: Task, folder: Path, *moves: Calls) -> tuple[History, list[Request]]:
    """Run a study whose only member is a model that answers so; return what it was sent as well."""
    with serving("openai", playing(*moves)) as server:
        given = replace(task, team=(agent(server),))
        history = Study(given, folder, environ=PLAIN).run()
        return history, server.requests


def read(request: Request) -> str:
    """What a request has the model read, its instructions left out."""
    [message] = [one for one in request.body["messages"] if one["role"] == "user"]
    return str(message["content"])


def test_a_model_edits_code_crashes_repairs_and_may_not_cheat(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """Good edits become trials; a crash is put right; hacks are refused before anything runs."""
    task = task_of(budget=Budget(trials=5), research=BARE)
    moves = (AMBIGUOUS, LUCKY, BETTER, BROKEN, MENDED, CHEATING, FINER)
    history, requests = studied(task, tmp_path / "study", *moves)
    assert [trial.state for trial in history.trials] == ["done", "done", "failed", "done", "done"]
    values = [
        round(trial.value, 4) if trial.value is not None else None for trial in history.trials
    ]
    assert values == [1.0, 0.04, None, 0.0036, 0.0]
    assert [trial.proposal.parent for trial in history.trials] == [None, 0, 1, 1, 3]
    assert [trial.proposal.by for trial in history.trials[1:]] == ["model"] * 4
    assert [one.repairs for one in asked(history)] == [
        ("ambiguous", "seed_only"), (), (), ("scope",),
    ]  # fmt: skip
    assert [(one.proposal.by, one.faults) for one in history.refusals] == [
        ("model", ("sent back (seed_only)", "the edit changes a seed or an order, and nothing else:"
                   " another draw is no better code, and contenders get more seeds by themselves")),
        ("model", ("sent back (scope)", "evaluator.py may not be edited: only train.py may")),
    ]  # fmt: skip
    best = git(project, "show", "trialwright/loss:train.py")
    assert "return RATE * WIDTH * boost + 0.06" in best
    assert git(project, "show", "trialwright/loss:evaluator.py") == EVALUATOR.strip()
    assert (project / "evaluator.py").read_text() == EVALUATOR
    # Each turn reads what the one before came to; within a turn, what was wrong.
    assert "`search` occurs 2 times in it" in told(requests[1], "openai")[-1]
    assert "Trial 2 crashed" in read(requests[4])
    assert "NameError: name 'boost' is not defined" in read(requests[4])
    assert "Trial 2 crashed" not in read(requests[5])
    assert "evaluator.py may not be edited" in told(requests[6], "openai")[-1]


def test_the_final_analysis_reads_what_each_trial_changed(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """There are no parameters to name; an edit is told with its reason, as the words of others."""

    def move(_: int, request: Request) -> Calls:
        return Calls(FINAL, {"analysis": "Done."}) if "Write its final" in request.text else BETTER

    with serving("openai", move, creator_only=False) as server:
        task = replace(task_of(budget=Budget(trials=2), research=BARE), team=(agent(server),))
        Study(task, tmp_path / "study", environ=PLAIN).run()
        [text] = [read(one) for one in server.requests if "Write its final" in one.text]
    assert "(no parameters; what they changed stands below):" in text
    changed = "trial 1: hyperparameter, +1 -1 lines: train.py: RATE 0.5 -> 0.7\n  why: an idea\n"
    assert f"What they changed:\n<data>\n{changed}</data>" in text


def test_a_plain_error_costs_no_trial_and_is_told_with_its_traceback(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """The smoke run refuses it; the next prompt has the end of the traceback and the edit."""
    whole = edit("return RATE * WIDTH", "boost = 1.4\n    return RATE * WIDTH * boost")
    history, requests = studied(task_of(budget=Budget(trials=2)), tmp_path / "study", BROKEN, whole)
    assert [trial.state for trial in history.trials] == ["done", "done"]
    [refusal] = history.refusals
    assert "NameError" in " ".join(refusal.faults)
    text = read(requests[1])
    assert "Refused lately" in text
    assert "crashed when it was run for a moment" in text
    assert "write it again without the mistake; 2 of 2 repairs left" in text
    assert "NameError: name 'boost' is not defined" in text
    assert "+    return RATE * WIDTH * boost" in text


def test_a_model_that_only_cheats_loses_its_turns_and_the_study_goes_on(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """Three tries a turn, all on record; an honest turn is taken; the evaluator is as it was."""
    task = task_of(budget=Budget(trials=2))
    history, _ = studied(task, tmp_path / "study", CHEATING, LUCKY, CHEATING, BETTER)
    assert [trial.value for trial in history.trials] == [1.0, (0.7 * 4 - 3) ** 2]
    assert [one.faults[0] for one in history.refusals] == [
        "sent back (seed_only)",
        "sent back (scope)",
    ]
    assert asked(history)[0].repairs == ("scope", "seed_only", "scope")
    assert git(project, "show", "trialwright/loss:evaluator.py") == EVALUATOR.strip()


def test_a_model_and_the_editor_work_on_one_study(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """Each edits what the other left; the model reads who did what, and its hacks are on record."""
    steps = iter(range(1, 100))

    def script(_index: int, request: Request) -> Calls:
        if not told(request, "openai"):
            return CHEATING
        added = next(steps) / 100
        return edit("return ", f"return {added} + ", category="architecture")

    with serving("openai", script) as server:
        plan = replace(BARE, pivot=9)
        team = ("editor", agent(server))
        task = task_of(budget=Budget(trials=9), team=team, research=plan)
        history = Study(task, tmp_path / "study", environ=PLAIN).run()
        requests = server.requests
    makers = {trial.proposal.by for trial in history.trials}
    assert makers == {"user", "editor", "model"}
    assert any("by editor" in read(request) for request in requests)
    assert {one.repairs for one in asked(history)} == {("scope",)}
    hacks = [one for one in history.refusals if one.faults[0] == "sent back (scope)"]
    assert len(hacks) == len(asked(history))


def test_a_program_on_the_command_line_edits_as_a_provider_does(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """It prints the answer as JSON among other words."""
    script = tmp_path / "model.py"
    script.write_text(
        "import sys\nread = sys.stdin.read()\nassert 'RATE = 0.5' in read\n"
        f"print('Here it is:', {json.dumps(json.dumps(dict(BETTER.arguments)))})\n"
    )
    member = Agent(name="program", cli=(sys.executable, str(script)))
    task = task_of(budget=Budget(trials=2), team=(member,))
    history = Study(task, tmp_path / "study", environ=PLAIN).run()
    assert [trial.value for trial in history.trials] == [1.0, (0.7 * 4 - 3) ** 2]


def test_a_recorded_study_plays_back_without_a_model(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """The answers stand on tape; the same edits come of them."""
    task = task_of(budget=Budget(trials=3))
    first, _ = studied(
        task, tmp_path / "first", AMBIGUOUS, BETTER, edit("RATE = 0.7", "RATE = 0.74")
    )
    gone = replace(task, team=first.task.team)
    tape = tmp_path / "first" / "exchanges.jsonl"
    second = Study(gone, tmp_path / "second", environ=PLAIN, replay=tape).run()
    assert [trial.tree for trial in second.trials] == [trial.tree for trial in first.trials]
    assert [one.repairs for one in asked(second)] == [("ambiguous",), ()]
