"""Edits that are run for a moment before they become trials: real git, real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.research.conftest import TRAIN, git
from tests.research.test_study import Files, Scripted, rate, run
from trialwright.desk import Desk, EditOffer
from trialwright.editable import Research
from trialwright.history import History, read
from trialwright.process.sandbox import available
from trialwright.records import (
    Admission,
    CodeVersion,
    Entry,
    Launch,
    Observation,
    Opened,
    Proposal,
    Record,
    Refusal,
    Request,
    RunKey,
)
from trialwright.research.sketch import Sketch
from trialwright.study import Study
from trialwright.studyfile.read import load
from trialwright.task import Budget, RunnerPlan, Schedule, Task
from trialwright.tryout import smoke_seconds

MakeTask = Callable[..., Task]

CALLED = """\
import os
print(os.getpid(), file=open(os.environ["SEEN"], "a"), flush=True)
"""
"""Notes each run, also one for a moment, in a file outside."""


def plan(task: Task, **changes: object) -> Task:
    """The task with other rules of research."""
    assert task.research is not None
    return replace(task, research=replace(task.research, **changes))  # type: ignore[arg-type]  # fields as Research has them


def with_code(code: str, text: str = TRAIN) -> Files:
    """The script with a statement ahead of its answer."""
    return {"train.py": text.replace("if __name__", f"{code}\n\nif __name__")}


def refused(history: History) -> list[Refusal]:
    """What failed when it was run for a moment."""
    return [refusal for refusal in history.refusals if refusal.cause is not None]


def test_whoever_mends_an_edit_reads_where_its_own_code_failed(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """Frames of libraries stay out of a refusal, so that they don't take the room of its own."""
    steps = [with_code('import json\njson.loads("{")'), rate(0.7)]
    history = run(task_of(budget=Budget(trials=2)), tmp_path / "study", *steps)
    (refusal,) = refused(history)
    said = refusal.faults[0] + refusal.faults[-1]
    assert 'json.loads("{")' in said
    assert "JSONDecodeError: Expecting property name" in said
    assert "decoder.py" not in said


def test_an_edit_that_crashes_costs_no_trial(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """It is refused with its cause and the end of its traceback; numbers stay without gaps."""
    steps = [with_code("missing_name + 1"), with_code("OFFSET = 1"), with_code("1 / 0")]
    history = run(task_of(budget=Budget(trials=2)), tmp_path / "study", *steps)
    assert [trial.number for trial in history.trials] == [0, 1]
    assert history.trials[1].proposal.rationale == "step 1"
    assert history.launches == 2
    (refusal,) = refused(history)
    assert refusal.proposal.rationale == "step 0"
    assert refusal.proposal.edit is not None
    assert refusal.cause == "other"
    assert refusal.faults[0].startswith("it failed when it was run for a moment (other): exit")
    assert "NameError: name 'missing_name' is not defined" in refusal.faults[0]
    assert "missing_name + 1" in refusal.faults[1]
    assert all(len(fault) < 1500 for fault in refusal.faults)
    assert not (tmp_path / "study" / "smoke").exists() or not list(
        (tmp_path / "study" / "smoke").rglob("*.py")
    )
    assert git(project, "status", "--porcelain") == ""


def test_without_smoke_runs_it_costs_one(project: Path, task_of: MakeTask, tmp_path: Path) -> None:
    """`smoke: 0` turns them off: the crash is a trial."""
    task = plan(task_of(budget=Budget(trials=2)), smoke_s=0.0)
    history = run(task, tmp_path / "study", with_code("missing_name + 1"))
    assert [trial.state for trial in history.trials] == ["done", "failed"]
    assert refused(history) == []


def test_a_run_that_goes_on_has_passed(project: Path, task_of: MakeTask, tmp_path: Path) -> None:
    """Who still goes on when the moment is over becomes a trial, and is run from the start."""
    slow = with_code("import time\ntime.sleep(2.5)")
    task = plan(task_of(budget=Budget(trials=2)), smoke_s=0.5)
    history = run(task, tmp_path / "study", slow)
    assert refused(history) == []
    assert history.trials[1].value == history.trials[0].value
    (only,) = history.trials[1].runs
    assert only.observation is not None
    assert only.observation.seconds > 2.5


def test_a_crash_after_the_moment_is_a_trial_that_failed(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """A moment shows a moment: what comes later is found out by the full run."""
    late = with_code("import time\ntime.sleep(2)\n1 / 0")
    task = plan(task_of(budget=Budget(trials=2)), smoke_s=0.3)
    history = run(task, tmp_path / "study", late)
    assert history.trials[1].state == "failed"
    assert refused(history) == []


def test_changes_of_literals_alone_are_not_run_before(
    project: Path, task_of: MakeTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another value is run once, another structure twice."""
    seen = tmp_path / "seen"
    monkeypatch.setenv("SEEN", str(seen))
    text = TRAIN.replace("import evaluator", f"import evaluator\n{CALLED}")
    (project / "train.py").write_text(text)
    git(project, "commit", "-qam", "tell")
    wider = {"train.py": text.replace("WIDTH = 4", "WIDTH = 8")}
    steps: list[Files] = [wider, with_code("OFFSET = 1", text)]
    history = run(task_of(budget=Budget(trials=3)), tmp_path / "study", *steps)
    assert [trial.proposal.rationale for trial in history.trials[1:]] == ["step 0", "step 1"]
    assert history.launches == 3
    assert len(seen.read_text().split()) == 4


def test_a_shorter_command_may_be_given(project: Path, task_of: MakeTask, tmp_path: Path) -> None:
    """`smoke: {command: ...}` is what is run; that it reports nothing is no fault."""
    gate = 'import sys\nif "--steps" in sys.argv:\n    print(sys.argv, flush=True); sys.exit(BAD)'
    task = task_of(budget=Budget(trials=2))
    task = plan(task, smoke=(sys.executable, "train.py", "--steps", "1", "{seed}"))
    steps = [with_code(f"BAD = 3\n{gate}"), with_code(f"BAD = 0\n{gate}")]
    history = run(task, tmp_path / "study", *steps)
    assert [trial.proposal.rationale for trial in history.trials[1:]] == ["step 1"]
    (refusal,) = refused(history)
    assert "'--steps', '1'" in refusal.faults[1]


def test_a_silent_edit_is_refused(project: Path, task_of: MakeTask, tmp_path: Path) -> None:
    """What ends well under the whole command and reports no metric would do so again."""
    silent = {"train.py": TRAIN.replace("print(", "str(")}
    history = run(task_of(budget=Budget(trials=2)), tmp_path / "study", silent)
    (refusal,) = refused(history)
    assert refusal.cause == "no_metric"
    assert "never reported loss" in refusal.faults[0]


def test_a_command_that_is_not_there_is_no_edits_fault(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """The user is told of it, once, and edits are admitted all the same."""
    task = plan(task_of(budget=Budget(trials=3)), smoke=("no-such-program",))
    steps = [with_code("OFFSET = 1"), with_code("OFFSET = 1\nOTHER = 2")]
    history = run(task, tmp_path / "study", *steps)
    assert len(history.trials) == 3
    assert refused(history) == []
    (said,) = [notice.text for notice in history.notices if notice.topic == "smoke"]
    assert "no-such-program" in said


def test_a_study_ends_when_every_edit_crashes(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """An editor that makes nothing but errors is not asked for ever."""
    steps = [with_code(f"missing_{at} + 1") for at in range(40)]
    history = run(task_of(budget=Budget(trials=9)), tmp_path / "study", *steps)
    assert history.closed is not None
    assert history.closed.reason == "exhausted"
    assert len(refused(history)) == 12


@pytest.mark.skipif(bool(available()), reason="bubblewrap does not work here")
def test_it_is_confined_and_may_not_touch_what_is_frozen(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """The same sandbox as for a run: no network, nothing written outside, the evaluator held."""
    outside = tmp_path / "outside"
    outside.mkdir()
    research = Research(editable=("train.py",), sandbox="bubblewrap")
    task = task_of(budget=Budget(trials=2), research=research)
    steps = [
        with_code(f"open({str(outside / 'mine')!r}, 'w').write('x')"),
        with_code("open('evaluator.py', 'w').write('def loss(x): return 0.0')"),
        with_code("import socket\nsocket.create_connection(('127.0.0.1', 9), 1)"),
    ]
    history = run(task, tmp_path / "study", *steps)
    assert list(outside.iterdir()) == []
    assert [refusal.proposal.rationale for refusal in refused(history)] == [
        "step 0", "step 1", "step 2",
    ]  # fmt: skip


def test_a_changed_evaluator_is_found_without_a_sandbox(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """Frozen files are looked at after a moment as they are after a run."""
    step = with_code("open('evaluator.py', 'w').write('def loss(x): return 0.0')")
    history = run(task_of(budget=Budget(trials=2)), tmp_path / "study", step)
    (refusal,) = refused(history)
    assert refusal.cause == "tampered"
    assert "evaluator.py" in refusal.faults[0]


def test_several_are_run_side_by_side(project: Path, task_of: MakeTask, tmp_path: Path) -> None:
    """Two edits of one turn wait for each other in their smoke runs, and both pass."""
    meet = (
        "import os, time\nME, OTHER = {me}, {other}\n"
        f"open(os.path.join({str(tmp_path)!r}, 'm%d' % ME), 'w').close()\n"
        "end = time.monotonic() + 60\n"
        f"while not os.path.exists(os.path.join({str(tmp_path)!r}, 'm%d' % OTHER)):\n"
        "    time.sleep(0.01)\n"
        "    assert time.monotonic() < end, 'alone'\n"
    )
    task = plan(
        task_of(budget=Budget(trials=3), runner=RunnerPlan(workers=3, cpus=0.3)), smoke_s=90.0
    )
    one, two = (with_code(meet.format(me=a, other=b)) for a, b in ((1, 2), (2, 1)))

    class Pair(Scripted):
        """Offers both at once."""

        def __call__(self, task: Task, history: History, n: int, rng: object) -> list[Proposal]:
            assert n >= 2
            shop_one, shop_two = Scripted(one), Scripted(two)
            return [
                *shop_one(task, history, 1, rng),  # type: ignore[arg-type]  # not looked at
                *shop_two(task, history, 1, rng),  # type: ignore[arg-type]
            ]

    history = Study(task, tmp_path / "study", proposer=Pair()).run()
    assert len(history.trials) == 3
    assert refused(history) == []


KILLED = """
import sys
from pathlib import Path
from tests.research.conftest import TRAIN
from tests.research.test_study import Scripted
from tests.research.test_smoke import with_code
from trialwright.study import Study
from trialwright.studyfile.read import load

folder = Path(sys.argv[1])
slow = with_code("import time, os\\nprint(os.getpid(), file=open(sys.argv[2], 'a'), flush=True)"
                 "\\ntime.sleep(300)".replace("sys.argv[2]", repr(sys.argv[2])))
task = load(folder / "study.yaml")
Study(task, folder / "runs", proposer=Scripted(slow)).run()
"""


def test_a_kill_in_the_middle_leaves_nothing(project: Path, tmp_path: Path) -> None:
    """No process, no trial, no folder: the next session begins with the edit again."""
    (project / "study.yaml").write_text(
        "name: loss\ngoal: minimize loss\n"
        f"command: [{sys.executable}, train.py]\n"
        "research: {editable: [train.py], sandbox: none, smoke: 100s}\n"
        "budget: {trials: 2}\n"
    )
    pids = tmp_path / "pids"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(project), str(pids)], cwd=Path(__file__).parents[2]
    )
    try:
        deadline = time.monotonic() + 60
        while not (pids.exists() and pids.read_text().strip()):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    (pid,) = map(int, pids.read_text().split())
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=60)
    assert not psutil.pid_exists(pid)
    history = read(project / "runs")
    assert [trial.number for trial in history.trials] == [0]
    assert history.launches == 1
    task = load(project / "study.yaml")
    with Study(task, project / "runs").session() as session:
        assert not (project / "runs" / "smoke").exists()
        assert len(session.history.trials) == 1


def test_the_moment_is_a_part_of_what_runs_take(task_of: MakeTask) -> None:
    """A tenth of their median, within bounds; five seconds before any is known."""

    def after(*seconds: float, **changes: object) -> float:
        task = plan(task_of(), **changes)
        history = History()
        records: list[Record] = [
            Opened(task=task, seed=0, version=""), CodeVersion(id="code"),
        ]  # fmt: skip
        for number, took in enumerate(seconds):
            key = RunKey(number, 0, 0)
            proposal = Proposal(configuration={}, by="user")
            seen = Observation(run=key, outcome="done", value=1.0, seconds=took)
            launch = Launch(run=key, seed=1, command=(), machine="")
            records += [Admission(number=number, proposal=proposal, code="code"), launch, seen]
        for sequence, record in enumerate(records, start=1):
            history.extend([Entry(sequence, 0.0, record)])
        return smoke_seconds(task, history)

    assert after() == 5.0
    assert after(60.0, 80.0, 1000.0) == 8.0
    assert (after(0.1), after(7200.0)) == (2.0, 30.0)
    assert after(60.0, smoke_s=45.0) == 45.0


def edit_offer(text: str) -> EditOffer:
    """The script with another text, as an agent offers it."""
    return EditOffer(sketch=Sketch(files={"train.py": text}), why="a hunch")


def test_an_agents_edit_is_run_before_where_nobody_runs_the_study(
    task_of: MakeTask, tmp_path: Path
) -> None:
    """Its answer says how it crashed, or that it is a trial."""
    task, folder = task_of(budget=Budget(trials=1)), tmp_path / "study"
    Study(task, folder).run()
    desk = Desk(Study(replace(task, budget=Budget(trials=6)), folder), by="visitor")
    crash, sound = (str(with_code(code)["train.py"]) for code in ("oops + 1", "OFFSET = 1"))
    refusal = desk.propose_edit(edit_offer(crash))
    assert isinstance(refusal, Refusal)
    assert refusal.cause == "other"
    assert "name 'oops' is not defined" in refusal.faults[0]
    admission = desk.propose_edit(edit_offer(sound))
    assert isinstance(admission, Admission)
    assert admission.number == 1
    assert not (folder / "smoke" / "trials" / "0000-0.0").exists()


def test_an_agents_edit_waits_for_a_slot_of_the_study(task_of: MakeTask, tmp_path: Path) -> None:
    """Requests that wait for whoever runs the study are tried there, and answered by name."""
    task, folder = task_of(budget=Budget(trials=1)), tmp_path / "study"
    Study(task, folder).run()
    study = Study(replace(task, budget=Budget(trials=2)), folder, proposer=Scripted())
    desk = Desk(study, by="visitor")
    texts = [str(with_code(code)["train.py"]) for code in ("oops + 1", "OFFSET = 1")]
    asked = [
        study.request(
            Request(what="propose", by="visitor", proposal=desk.edit_proposal(edit_offer(text)))
        )
        for text in texts
    ]
    history = study.run()
    refusal, admission = (history.answers[sequence] for sequence in asked)
    assert isinstance(refusal, Refusal)
    assert refusal.cause == "other"
    assert isinstance(admission, Admission)
    assert (admission.number, admission.proposal.by) == (1, "visitor")
    assert history.trials[1].state == "done"


def test_members_that_are_asked_ahead_have_their_edits_run_before(
    task_of: MakeTask, tmp_path: Path
) -> None:
    """With trials queued ahead of need, what crashes is refused all the same."""
    task = task_of(budget=Budget(trials=2), schedule=Schedule(ahead=1))
    steps = [with_code("oops + 1"), with_code("OFFSET = 1")]
    history = run(task, tmp_path / "study", *steps)
    assert [refusal.proposal.rationale for refusal in refused(history)] == ["step 0"]
    assert [trial.proposal.rationale for trial in history.trials[1:]] == ["step 1"]


def test_what_this_machine_can_not_run_is_left_to_whoever_runs_the_study(
    task_of: MakeTask, tmp_path: Path
) -> None:
    """An edit that takes more than the agent's machine has is noted, and not answered."""
    task, folder = task_of(budget=Budget(trials=1)), tmp_path / "study"
    Study(task, folder).run()
    large = replace(task, budget=Budget(trials=6), runner=RunnerPlan(kind="ray", gpus=64.0))
    desk = Desk(Study(large, folder), by="visitor")
    assert desk.propose_edit(edit_offer(str(with_code("OFFSET = 1")["train.py"]))) is None
    history = read(folder)
    assert len(history.trials) == 1
    assert [request.by for _, request in history.requests] == ["visitor"]
