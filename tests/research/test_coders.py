"""Coding agents in a study, good and bad: one has an effect, the others have none."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.app.started import Started
from tests.process.confining import needs_sandbox
from tests.research.coding import (
    STANDINS,
    agent,
    alive,
    begun,
    everything,
    log_of,
    objects,
    offered,
    token_of,
    with_budget,
)
from tests.research.conftest import git
from trialwright.crew import Crew
from trialwright.editable import Research
from trialwright.errors import StudyError
from trialwright.history import LEDGER, read
from trialwright.study import Study
from trialwright.studyfile import dump
from trialwright.task import Budget, Schedule, Task

MakeTask = Callable[..., Task]

SECRET = "sk-standin-0123456789"

BOXED = Research(editable=("train.py",), readable=(str(STANDINS),))
OPEN = Research(editable=("train.py",), sandbox="none")

PLANS = [
    pytest.param(BOXED, id="bubblewrap", marks=needs_sandbox),
    pytest.param(OPEN, id="none"),
]


@pytest.mark.parametrize("plan", PLANS)
def test_an_agent_s_edits_are_run_and_kept(
    plan: Research, project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """A good agent improves the code of the best trial in turn, and says why in its own words."""
    before = everything(project)
    task = task_of(team=(agent("good"),), research=plan, budget=Budget(trials=3))
    history = Study(task, tmp_path / "study").run()
    assert [trial.value for trial in history.trials] == pytest.approx([1.0, 0.36, 0.04])
    first, second = history.trials[1].proposal, history.trials[2].proposal
    assert (first.by, first.parent, second.parent) == ("good", 0, 1)
    assert first.rationale.startswith("The answer is too small")
    assert first.hypothesis is not None
    assert (first.hypothesis.claim, first.hypothesis.against) == ("a higher rate is better", 0)
    assert first.predicted is not None
    assert (first.predicted.low, first.predicted.high) == (0.0, 2.0)
    assert "RATE = 0.7" in git(project, "show", "trialwright/loss:train.py")
    assert everything(project) == before
    assert not list((tmp_path / "study" / "agents").rglob(".work-*"))


@pytest.mark.parametrize("way", ["write", "chmod", "replace", "remove", "double"])
def test_frozen_files_stay_as_they_are(
    way: str, project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """Whoever changes the evaluator's copy has the whole edit refused, the good part included."""
    before = everything(project)
    task = task_of(team=(agent("frozen", way),), research=OPEN)
    proposal = offered(task, tmp_path / "study")
    assert "it changed what may not be edited: evaluator" in proposal.fault or way == "write"
    if way == "write" and os.getuid() != 0:
        assert proposal.fault == ""  # the copy is read-only, and it did nothing about that
    assert everything(project) == before


@needs_sandbox
@pytest.mark.parametrize("way", ["write", "chmod", "replace", "remove"])
def test_frozen_files_can_t_be_written_in_the_sandbox(
    way: str, project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """There, the evaluator's copy can't be changed at all; only what else was tried counts."""
    task = task_of(team=(agent("frozen", way),), research=BOXED)
    proposal = offered(task, tmp_path / "study")
    assert "evaluator" not in proposal.fault
    assert proposal.edit is not None
    assert proposal.edit.files == ("train.py",)
    assert ("new (new)" in proposal.fault) == (way == "replace")


def test_what_is_refused_stands_in_the_ledger(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """An edit that cheats becomes no trial, but a refusal with its reason, which can be read."""
    task = task_of(team=(agent("frozen", "remove"),), research=OPEN, budget=Budget(trials=3))
    study = Study(task, tmp_path / "study")
    study.run(lambda history, _: study.stop() if history.refusals else None)
    history = read(tmp_path / "study")
    assert len(history.trials) == 1
    refusal = history.refusals[0]
    assert refusal.proposal.by == "frozen"
    assert "evaluator.py (removed)" in refusal.faults[0]
    assert refusal.proposal.edit is not None


@needs_sandbox
def test_removing_everything_reaches_the_copy_alone(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """`rm -rf` of repository, study and home does nothing to them; the turn is lost."""
    home, study = tmp_path / "home", tmp_path / "study"
    home.mkdir()
    (home / "letters").write_text("dear")
    before, stored = everything(project), objects(project)
    task = task_of(team=(agent("wreck", project, study, home),), research=BOXED)
    proposal = offered(task, study)
    assert proposal.fault == "every file that may be edited was removed"
    assert everything(project) == before
    assert stored.items() <= objects(project).items()
    assert git(project, "fsck", "--strict", "--no-dangling") == ""
    assert (home / "letters").read_text() == "dear"
    assert (study / LEDGER).exists()


@needs_sandbox
def test_forks_are_bounded_and_leave_nothing(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """A fork bomb stops at the limit, and daemons without environment end with the agent."""
    token = token_of("daemon")
    plan = Research(editable=("train.py",), readable=(str(STANDINS),), processes=24)
    task = task_of(team=(agent("forks", token),), research=plan)
    proposal = offered(task, tmp_path / "study")
    printed = log_of(tmp_path / "study", "forks")
    bounded = int(printed.split()[1]) < 24 if "forked" in printed else "processes" in printed
    assert bounded, printed
    assert proposal.fault
    assert proposal.edit is None
    assert alive(token) == []


@pytest.mark.parametrize("plan", PLANS)
def test_an_agent_that_never_ends_is_ended(
    plan: Research, project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """After its time it is gone, whatever signals it ignores, and its half of an edit with it."""
    token = token_of("sleeper")
    task = task_of(team=(agent("sleeper", token, time_s=1.0),), research=plan)
    proposal = offered(task, tmp_path / "study")
    assert "was ended after its 1 s" in proposal.fault
    assert proposal.edit is None
    assert alive(token) == []


@contextmanager
def serving_rates() -> Iterator[tuple[int, list[object]]]:
    """A server that tells whoever connects which rate to take; its port, and who came."""
    came: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    visitor, address = server.accept()
                except OSError:
                    return
                with visitor:
                    came.append(address)
                    visitor.sendall(b"0.65\n")

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1], came
        server.shutdown(socket.SHUT_RDWR)


@needs_sandbox
@pytest.mark.parametrize("network", [False, True])
def test_the_network_is_there_if_it_is_granted(
    network: bool, project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """Without `network: true` not even this machine's own servers can be reached."""
    with serving_rates() as (port, came):
        task = task_of(team=(agent("network", port, network=network),), research=BOXED)
        proposal = offered(task, tmp_path / "study")
    assert len(came) == network
    assert proposal.fault == ("" if network else "it changed nothing")


@needs_sandbox
def test_secrets_are_out_of_reach(project: Path, task_of: MakeTask, tmp_path: Path) -> None:
    """Neither keys of the environment nor files of the home are there to be read."""
    (tmp_path / "key").write_text(SECRET)
    environ = {**os.environ, "STANDIN_KEY": SECRET}
    task = task_of(team=(agent("snoop", tmp_path / "key"),), research=BOXED)
    proposal = offered(task, tmp_path / "study", environ)
    assert log_of(tmp_path / "study", "snoop").strip() == "found:"
    assert proposal.fault == "it changed nothing"


@needs_sandbox
def test_a_secret_that_is_passed_is_struck(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """What the agent gets by `pass` appears in no log, and in no edit."""
    environ = {**os.environ, "STANDIN_KEY": SECRET}
    task = task_of(team=(agent("snoop", passed=("STANDIN_KEY",)),), research=BOXED)
    proposal = offered(task, tmp_path / "study", environ)
    assert "found: [struck]" in log_of(tmp_path / "study", "snoop")
    assert proposal.fault == "the edit holds a secret of the environment"
    kept = [path.read_bytes() for path in (tmp_path / "study").rglob("*") if path.is_file()]
    assert not any(SECRET.encode() in content for content in kept)
    listing = ["git", "cat-file", "--batch-all-objects", "--batch"]
    stored = subprocess.run(listing, cwd=project, capture_output=True, check=True).stdout
    assert SECRET.encode() not in stored


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("link", "train.py has become a link"),
        ("pipe", "train.py has become a pipe, socket or device"),
        ("huge", "train.py has over 1000000 bytes"),
        ("folder", "train.py has become a folder"),
        ("names", "may not be edited: a?b?[31m (new)"),
    ],
)
def test_hazards_are_named_and_not_opened(
    kind: str, fault: str, project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """Links, pipes and huge files in place of code are refused, and nothing is read of them."""
    (tmp_path / "key").write_text(f'"""{SECRET}"""\n')
    task = task_of(team=(agent("hazards", kind, tmp_path / "key"),), research=OPEN)
    proposal = offered(task, tmp_path / "study")
    assert fault in proposal.fault
    assert SECRET not in repr(proposal)


@pytest.mark.parametrize("kind", ["answer", "deep", "hooks"])
def test_what_lies_beside_the_code_has_no_effect(
    kind: str, project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """A linked answer, folders without end and hooks of git leave the edit what it is."""
    target = tmp_path / "target"
    if kind == "answer":
        target.write_text(f'{{"rationale": "{SECRET}"}}')
    task = task_of(team=(agent("hazards", kind, target),), research=OPEN)
    proposal = offered(task, tmp_path / "study")
    assert proposal.fault == ""
    assert proposal.edit is not None
    assert proposal.edit.files == ("train.py",)
    assert SECRET not in proposal.rationale
    assert target.exists() == (kind == "answer")
    assert not list((tmp_path / "study" / "agents").rglob(".work-*"))


@pytest.mark.parametrize("plan", PLANS)
def test_a_second_interrupt_ends_the_agent(
    plan: Research, project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """A study that is stopped at once does not wait for an agent at work; it can be resumed."""
    token = token_of("stopped")
    task = task_of(team=(agent("sleeper", token, time_s=600.0),), research=plan)
    study = Study(task, tmp_path / "study")

    def stop_once_at_work() -> None:
        while not alive(token):
            time.sleep(0.05)
        study.stop(now=True)

    stopper = threading.Thread(target=stop_once_at_work)
    stopper.start()
    history = study.run()
    stopper.join()
    assert history.closed is not None
    assert history.closed.reason == "stopped"
    assert not history.refusals
    assert not history.notices
    assert alive(token) == []
    again = Study(with_budget(task, 1), tmp_path / "study").run()
    assert again.closed is not None
    assert again.closed.reason == "budget"


def running_study(task: Task, folder: Path) -> Started:
    """Start `trialwright run` in a folder, as a person would."""
    file = folder / "study.yaml"
    file.write_text(dump(task))
    return Started(folder, "run", str(file), "--plain", file=folder / "said")


@pytest.mark.parametrize("plan", PLANS)
def test_a_killed_study_leaves_no_agent(
    plan: Research, project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """`kill -9` of `trialwright run` ends an agent at work with all that it started."""
    token = token_of("killed")
    task = task_of(team=(agent("sleeper", token, time_s=600.0),), research=plan)
    running = running_study(task, tmp_path)
    try:
        while not alive(token):
            assert running.poll() is None
            time.sleep(0.05)
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()
    deadline = time.monotonic() + 30
    while alive(token) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert alive(token) == []


def test_an_agent_that_outlived_its_guard_is_ended(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """Where study and guard were both killed and there is no sandbox, the next turn ends it."""
    token = token_of("outlived")
    task = task_of(team=(agent("sleeper", token, time_s=600.0),), research=OPEN)
    running = running_study(task, tmp_path)
    while not alive(token):
        assert running.poll() is None
        time.sleep(0.05)
    guards = [child.pid for child in psutil.Process(running.pid).children()]
    (sleeper,) = alive(token)
    for pid in (running.pid, *guards):
        os.kill(pid, signal.SIGKILL)
    running.wait()
    assert alive(token) == [sleeper]
    again = task_of(team=(agent("good", name="sleeper"),), research=OPEN)
    folder = tmp_path / "runs" / "loss"
    crew = Crew(again, folder, os.environ)
    crew.proposer(again, read(folder), 1, np.random.default_rng(0))
    assert alive(token) == []


def test_what_an_agent_lacks_is_said_at_the_start(
    project: Path, task_of: MakeTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program, a key or a folder that is not there, and bubblewrap that is missing."""
    lacking = agent(
        "good",
        command=("no-such-agent", "-p"),
        passed=("NO_SUCH_KEY",),
        writable=("no-such-folder",),
    )
    with pytest.raises(StudyError) as caught:
        Study(task_of(team=(lacking,), research=OPEN), tmp_path / "study")
    said = str(caught.value)
    assert "the program 'no-such-agent' is not found on PATH" in said
    assert "NO_SUCH_KEY is to be passed to it and is not set" in said
    assert "no-such-folder is to be writable" in said
    monkeypatch.setenv("PATH", str(Path(git(project, "--exec-path"))))
    with pytest.raises(StudyError, match="is to run in a sandbox: bubblewrap is not installed"):
        Study(task_of(team=(agent("good"),), research=BOXED), tmp_path / "study")


def test_an_agent_needs_a_study_of_code(task_of: MakeTask, tmp_path: Path) -> None:
    """Without a section `research` there is nothing for it to edit."""
    with pytest.raises(StudyError, match="it edits code: the study needs a section"):
        Study(task_of(team=(agent("good"),), research=None), tmp_path / "study")


def test_an_agent_works_beside_the_editor(project: Path, task_of: MakeTask, tmp_path: Path) -> None:
    """In a team each makes its own edits, and a lost turn of the agent goes to the editor."""
    pytest.importorskip("libcst")
    team = ("editor", agent("good"), agent("frozen", "remove"))
    task = task_of(team=team, research=OPEN, budget=Budget(trials=6))
    history = Study(task, tmp_path / "study").run()
    makers = {trial.proposal.by for trial in history.trials}
    assert {"editor", "good"} <= makers
    assert "frozen" not in makers
    assert {refusal.proposal.by for refusal in history.refusals} == {"frozen"}


def test_an_agent_thinks_while_runs_go_on(project: Path, task_of: MakeTask, tmp_path: Path) -> None:
    """Asked ahead of need it may make an edit that is running already: it is asked again later."""
    task = task_of(
        team=(agent("good"),), research=OPEN, budget=Budget(trials=4), schedule=Schedule(ahead=1)
    )
    history = Study(task, tmp_path / "study").run()
    assert [trial.proposal.parent for trial in history.trials] == [None, 0, 1, 2]
    assert {fault for refusal in history.refusals for fault in refusal.faults} <= {
        f"the same code as trial {number}" for number in range(4)
    }


def test_the_first_trial_comes_before_the_agent(task_of: MakeTask, tmp_path: Path) -> None:
    """What every edit has to beat is measured first, and the agent is not asked before."""
    task = task_of(team=(agent("good"),), research=OPEN)
    assert [trial.proposal.by for trial in begun(task, tmp_path / "study").trials] == ["user"]
