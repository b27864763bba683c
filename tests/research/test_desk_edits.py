"""Edits that outside agents offer: admitted by the same rules as everybody's, or refused."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.app.started import Started
from tests.research.conftest import TRAIN, git
from trialwright.code.blocks import Block
from trialwright.desk import Desk, EditOffer, Offer, Told
from trialwright.editable import Research
from trialwright.errors import StudyError
from trialwright.history import History, read
from trialwright.records import Admission, Refusal
from trialwright.research.sketch import Sketch
from trialwright.study import Study
from trialwright.task import Budget, Task

MakeTask = Callable[..., Task]
BETTER = TRAIN.replace("RATE = 0.5", "RATE = 0.7")


@pytest.fixture
def desk(task_of: MakeTask, tmp_path: Path) -> Desk:
    """The desk of a study of code whose first trial is done."""
    task = task_of(budget=Budget(trials=1))
    folder = tmp_path / "study"
    Study(task, folder).run()
    return Desk(Study(replace(task, budget=Budget(trials=6)), folder), by="visitor")


def offered(desk: Desk, **stated: object) -> Admission | Refusal | None:
    """What becomes of an edit of the best trial so far."""
    sketch = Sketch(**stated)  # type: ignore[arg-type]  # parts as a sketch has them
    return desk.propose_edit(EditOffer(sketch=sketch, why="a hunch", category="architecture"))


def faults(answer: object) -> str:
    """The reasons of a refusal."""
    assert isinstance(answer, Refusal), answer
    return "; ".join(answer.faults)


def seen(project: Path) -> list[str]:
    """Everything of the user's that must not change."""
    return [
        git(project, "status", "--porcelain"),
        git(project, "rev-parse", "HEAD"),
        git(project, "for-each-ref", "refs/heads/main"),
        (project / "train.py").read_text(),
        (project / "evaluator.py").read_text(),
    ]


@pytest.mark.parametrize(
    "stated",
    [
        {"blocks": (Block("train.py", "RATE = 0.5", "RATE = 0.7"),)},
        {"files": {"train.py": BETTER}},
        {"patch": "--- a/train.py\n+++ b/train.py\n@@ -3 +3 @@\n-RATE = 0.5\n+RATE = 0.7"},
    ],
    ids=["blocks", "files", "patch"],
)
def test_an_edit_can_be_stated_in_three_ways(
    desk: Desk, project: Path, stated: dict[str, object]
) -> None:
    """Each is admitted as the same trial, with what code finds of it, and runs in the study."""
    before = seen(project)
    answer = offered(desk, **stated)
    assert isinstance(answer, Admission), answer
    edit = answer.proposal.edit
    assert edit is not None
    assert (answer.number, answer.proposal.parent, edit.files) == (1, 0, ("train.py",))
    # What was declared stands beside what the change shows.
    assert (answer.proposal.category, edit.inferred) == ("architecture", "hyperparameter")
    history = Study(replace(desk.study.task, budget=Budget(trials=2)), desk.study.folder).run()
    trial = history.trials[1]
    assert trial.proposal.by == "visitor"
    assert trial.value == pytest.approx(0.04)
    assert "RATE = 0.7" in git(project, "show", "refs/trialwright/loss/0001:train.py")
    assert seen(project)[1:] == before[1:]


REFUSED = {
    "frozen": ({"files": {"evaluator.py": "def loss(x):\n    return 0.0\n"}}, "evaluator.py"),
    "not editable": ({"files": {"other.py": "x = 1\n"}}, "other.py may not be edited"),
    "no python": ({"files": {"train.py": "def (:\n"}}, "train.py would not be Python"),
    "nothing": ({"files": {"train.py": TRAIN}}, "the edit changes nothing"),
    "comment": ({"files": {"train.py": TRAIN + "# more\n"}}, "comments or layout alone"),
    "long": ({"files": {"train.py": TRAIN + "x = 1\n" * 500}}, "400 are allowed in one step"),
    "does not apply": (
        {"patch": "--- a/train.py\n+++ b/train.py\n@@ -1 +1 @@\n-nothing\n+like it\n"},
        "does not apply to the parent's code",
    ),
    "out of the repository": (
        {"patch": "--- /dev/null\n+++ b/../../escaped.py\n@@ -0,0 +1 @@\n+x = 1\n"},
        "does not apply",
    ),
    "git's own": (
        {"patch": "--- /dev/null\n+++ b/.git/hooks/post-commit\n@@ -0,0 +1 @@\n+x = 1\n"},
        "does not apply",
    ),
    "a link": (
        {
            "patch": "diff --git a/train.py b/train.py\ndeleted file mode 100644\n"
            f"--- a/train.py\n+++ /dev/null\n@@ -1,{len(TRAIN.splitlines())} +0,0 @@\n"
            + "".join(f"-{line}\n" for line in TRAIN.splitlines())
            + "diff --git a/train.py b/train.py\nnew file mode 120000\n--- /dev/null\n"
            "+++ b/train.py\n@@ -0,0 +1 @@\n+/etc/passwd\n\\ No newline at end of file\n"
        },
        "train.py would become a link",
    ),
    "binary": (
        {
            "patch": "diff --git a/train.py b/train.py\nindex 1111111..2222222 100644\n"
            "GIT binary patch\nliteral 5\nMcmZQzWMT#Y01f~L\n\nliteral 0\nHcmV?d00001\n\n"
        },
        "binary content",
    ),
    "no patch": ({"patch": "; rm -rf ~\n"}, "does not apply"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_may_not_be_edited_is_refused_with_its_reason(
    desk: Desk, project: Path, what: str
) -> None:
    """The reasons are everybody's, they stand in the ledger, and nothing of the user's changes."""
    stated, reason = REFUSED[what]
    before = seen(project)
    assert reason in faults(offered(desk, **stated))
    refusals = read(desk.study.folder).refusals
    assert reason in "; ".join(refusals[-1].faults)
    assert refusals[-1].request is not None
    assert len(read(desk.study.folder).trials) == 1
    assert seen(project) == before
    assert not (project.parents[1] / "escaped.py").exists()
    assert not (project / ".git" / "hooks" / "post-commit").exists()


HOSTILE = {
    "two ways": ({"files": {"train.py": ""}, "patch": "x"}, "in one way"),
    "no way": ({}, "nothing was given"),
    "a path above": ({"files": {"../train.py": "x = 1\n"}}, "no path within"),
    "git's folder": ({"files": {".git/config": "[core]\n"}}, "no path within"),
    "git's folder, shouted": ({"files": {".GIT/config": "[core]\n"}}, "no path within"),
    "a smuggled entry": (
        {"files": {"train.py\x00100644 0000\tevaluator.py": "x"}},
        "no path within",
    ),
    "half a character": ({"files": {"train.py": "x = '\ud800'\n"}}, "no UTF-8 text"),
    "half a character in a patch": ({"patch": "+\ud800"}, "no UTF-8 text"),
    "a huge file": ({"files": {"train.py": "x" * 1_000_001}}, "bytes; 1000000 are allowed"),
    "many files": ({"files": {f"f{n}.py": "" for n in range(60)}}, "50 are allowed"),
    "a huge patch": ({"patch": "+" * 400_001}, "400000 are allowed"),
    "text that is not there": (
        {"blocks": (Block("train.py", "RATE = 0.6", "RATE = 1"),)},
        "`search` does not occur",
    ),
    "text that is there twice": ({"blocks": (Block("train.py", "RATE", "X"),)}, "occurs 2 times"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_can_not_be_an_edit_never_reaches_the_ledger(
    desk: Desk, project: Path, what: str
) -> None:
    """It is an error with its reason; no record, no file and no ref is written for it."""
    stated, reason = HOSTILE[what]
    before, records = seen(project), read(desk.study.folder).sequence
    refs = git(project, "for-each-ref")
    with pytest.raises(StudyError, match=re.escape(reason)):
        offered(desk, **stated)
    assert read(desk.study.folder).sequence == records
    assert seen(project) == before
    assert git(project, "for-each-ref") == refs
    assert git(project, "fsck", "--strict", "--no-dangling") == ""


def test_words_without_end_and_ranges_that_are_none_are_errors(desk: Desk) -> None:
    """Neither gets into the ledger."""
    sketch = Sketch(files={"train.py": BETTER})
    with pytest.raises(StudyError, match="20000 are allowed"):
        desk.propose_edit(EditOffer(sketch=sketch, why="x" * 20_001))
    with pytest.raises(StudyError, match="half a character"):
        desk.propose_edit(EditOffer(sketch=sketch, why="\ud800"))
    assert len(read(desk.study.folder).requests) == 0


def test_a_repeat_is_refused_and_named(desk: Desk) -> None:
    """The same code offered twice, however it is stated, is one trial."""
    assert isinstance(offered(desk, files={"train.py": BETTER}), Admission)
    block = Block("train.py", "RATE = 0.5", "RATE = 0.7")
    assert "trial 1" in faults(offered(desk, blocks=(block,)))


def test_an_expectation_is_held_against_the_parent(desk: Desk) -> None:
    """The hypothesis of an edit is judged by its result."""
    sketch = Sketch(files={"train.py": TRAIN.replace("RATE = 0.5", "RATE = 5.0")})
    offer = EditOffer(sketch=sketch, why="more", parent=0, expect="better", claim="it is slow")
    answer = desk.propose_edit(offer)
    assert isinstance(answer, Admission)
    hypothesis = answer.proposal.hypothesis
    assert hypothesis is not None
    assert (hypothesis.claim, hypothesis.against) == ("it is slow", 0)


def test_runs_of_edits_are_not_handed_out(desk: Desk) -> None:
    """Neither what was offered nor what the team proposes: the evaluator stays out of reach."""
    offered(desk, files={"train.py": BETTER})
    before = read(desk.study.folder).sequence
    with pytest.raises(StudyError, match=r"not handed out.*`trialwright run`"):
        desk.ask()
    with pytest.raises(StudyError, match="not handed out"):
        desk.tell("0001/0.0", Told(outcome="done", metrics={"loss": 0.0}))
    history = read(desk.study.folder)
    assert history.sequence == before
    assert history.launches == 1


def test_a_study_that_changes_no_code_takes_no_edit(task_of: MakeTask, tmp_path: Path) -> None:
    """It says what to add to the study file."""
    from trialwright.space import Float, Space

    task = task_of(
        research=None,
        space=Space((Float("x", 0.0, 1.0, default=0.5),)),
        command=(sys.executable, "train.py", "{x}"),
        team=("random",),
    )
    desk = Desk(Study(task, tmp_path / "study"), by="visitor")
    with pytest.raises(StudyError, match="add `research:`"):
        offered(desk, files={"train.py": BETTER})


def test_paths_are_the_studys_folder_own(project: Path, task_of: MakeTask, tmp_path: Path) -> None:
    """In a folder of the repository, paths from there and from the top both lead to the file."""
    inner = project / "models"
    inner.mkdir()
    for name in ("train.py", "evaluator.py"):
        (project / name).rename(inner / name)
    git(project, "add", "-A")
    git(project, "commit", "-qm", "move")
    task = task_of(folder=str(inner), research=Research(editable=("train.py",), sandbox="none"))
    desk = Desk(Study(task, tmp_path / "study"), by="visitor")
    first = offered(desk, files={"train.py": BETTER})
    assert isinstance(first, Admission)
    assert first.proposal.edit is not None
    assert first.proposal.edit.files == ("models/train.py",)
    block = Block("models/train.py", "RATE = 0.5", "RATE = 0.9")
    second = offered(desk, blocks=(block,))
    assert isinstance(second, Admission)


def test_an_edit_is_served_beside_a_running_study(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """Whoever runs the study answers the offer, and runs it as one of its trials."""
    slow = TRAIN.replace("import evaluator\n", "import time\n\nimport evaluator\n\ntime.sleep(1)\n")
    (project / "train.py").write_text(slow)
    git(project, "commit", "-aqm", "slow")
    (project / "study.yaml").write_text(
        "name: loss\ngoal: minimize loss\n"
        f"command: [{sys.executable}, train.py]\n"
        "research: {editable: [train.py], sandbox: none}\nbudget: {trials: 4}\n"
        "runner: {workers: 1}\n"
    )
    running = Started(project, "run", "study.yaml", "--plain", "--folder", str(tmp_path / "study"))
    try:
        desk = Desk(Study(task_of(), tmp_path / "study"), by="visitor")
        while not desk.history().launches:
            assert running.poll() is None
        answer = desk.propose_edit(
            EditOffer(sketch=Sketch(blocks=(Block("train.py", "RATE = 0.5", "RATE = 0.75"),)))
        )
        assert isinstance(answer, Admission), answer
        _, said = running.communicate(timeout=120)
        assert running.returncode == 0, said
    finally:
        running.close()
        running.wait()
        assert running.stderr is not None
        running.stderr.close()
    history: History = read(tmp_path / "study")
    ours = [trial for trial in history.trials if trial.proposal.by == "visitor"]
    assert [trial.value for trial in ours] == [0.0]
    assert history.best() is ours[0]


def test_values_are_offered_as_before(desk: Desk) -> None:
    """A study without parameters refuses a configuration that sets one, and one that sets none."""
    with_one = desk.propose(Offer(change={"lr": 0.1}))
    assert "lr" in faults(with_one)
    assert "trial 0" in faults(desk.propose(Offer(change={})))
