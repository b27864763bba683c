"""Studies that change code, from a proposal to a commit: real git, real runs."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from tests.research.conftest import EVALUATOR, TRAIN, git
from trialwright.editable import Research
from trialwright.errors import StudyError
from trialwright.history import History
from trialwright.process.sandbox import available
from trialwright.records import Edit, Hypothesis, Proposal
from trialwright.report.terminal import best_view, overview, trial_view
from trialwright.report.write import write
from trialwright.research.workshop import workshop
from trialwright.study import Study
from trialwright.task import Budget, Task

MakeTask = Callable[..., Task]

UNTRIED = Research(editable=("train.py",), sandbox="none", smoke_s=0.0)
"""Edits are not run before they become trials, so that what the full run shows is seen."""

Files = Mapping[str, str | None]


class Scripted:
    """Proposes the edits that it is given, in their order, each on top of the best trial."""

    name = "scripted"

    def __init__(self, *steps: Files | Edit) -> None:
        self._steps = steps
        self._at: int | None = None

    def __call__(
        self, task: Task, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        if self._at is None:
            self._at = sum(trial.proposal.by == self.name for trial in history.trials)
        at, self._at = self._at, self._at + 1
        if at >= len(self._steps):
            return []
        best = history.best()
        parent = best.number if best else None
        step, shop = self._steps[at], workshop(task)
        edit = step
        if not isinstance(step, Edit):
            edit = shop.edit(shop.tree(history, parent), step)
        return [
            Proposal(
                configuration={},
                by=self.name,
                rationale=f"step {at}",
                hypothesis=Hypothesis(claim="it gets better", expects="better", against=parent),
                parent=parent,
                edit=edit,
                category="hyperparameter",
            )
        ]


def rate(value: float, text: str = TRAIN) -> Files:
    """The script with another rate."""
    return {"train.py": text.replace("RATE = 0.5", f"RATE = {value}")}


def run(task: Task, folder: Path, *steps: Files | Edit) -> History:
    """Run a study whose proposer offers these edits, one after the other."""
    return Study(task, folder, proposer=Scripted(*steps)).run()


def test_an_edit_is_run_judged_and_committed(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """The better edit is kept and heads the branch; the worse one keeps its commit."""
    before = git(project, "rev-parse", "HEAD")
    history = run(task_of(budget=Budget(trials=3)), tmp_path / "study", rate(0.7), rate(2.0))
    assert [trial.value for trial in history.trials] == [1.0, np.float64((2.8 - 3) ** 2), 25.0]
    statuses = [trial.verdict.status for trial in history.trials if trial.verdict]
    assert statuses == ["kept", "unconfirmed", "discarded"]
    assert git(project, "show", "trialwright/loss:train.py") == rate(0.7)["train.py"].strip()  # type: ignore[union-attr]
    refs = git(project, "for-each-ref", "--format=%(refname)", "refs/trialwright").split()
    assert refs[:2] == ["refs/trialwright/loss/0001", "refs/trialwright/loss/0002"]
    assert "RATE = 2.0" in git(project, "show", "refs/trialwright/loss/0002:train.py")
    body = git(project, "log", "-1", "--format=%B", "refs/trialwright/loss/0002")
    assert "step 1" in body
    assert "Hypothesis: it gets better" in body
    assert "Result: discarded" in body
    # The second edit was made on top of the first, which was the best then.
    assert git(project, "rev-parse", "refs/trialwright/loss/0002^") == git(
        project, "rev-parse", "trialwright/loss"
    )
    assert git(project, "rev-parse", "trialwright/loss^") == before
    assert git(project, "fsck", "--strict") == ""


def test_the_users_checkout_is_never_touched(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """Checkout, index, HEAD and branches are as they were, whatever the study did."""

    def seen() -> list[object]:
        files = {path.name: path.read_bytes() for path in project.iterdir() if path.is_file()}
        index = (project / ".git" / "index").read_bytes()
        heads = git(project, "for-each-ref", "refs/heads/main", "refs/heads/other")
        return [
            files,
            index,
            heads,
            git(project, "rev-parse", "HEAD"),
            git(project, "stash", "list"),
        ]

    git(project, "branch", "other")
    (project / "scribble.txt").write_text("mine")
    before, status = seen(), git(project, "status", "--porcelain")
    run(task_of(), tmp_path / "study", rate(0.7), rate(0.8), rate(0.9))
    assert seen() == before
    assert git(project, "status", "--porcelain") == status
    assert git(project, "worktree", "list").count("\n") == 0


def test_what_an_edit_may_not_do_is_refused(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """Files elsewhere, links, nonsense, nothing, too much: refused with the reason."""
    task = task_of(budget=Budget(trials=10))
    shop = workshop(task)
    root = shop.repository.tree_of("HEAD")
    good = shop.edit(root, rate(0.7))
    link = good.patch.replace("train.py", "linked.py")
    steps: list[Files | Edit] = [
        {"evaluator.py": "def loss(x):\n    return 0.0\n"},
        {"evaluator.py": None},
        {"new.py": "x = 1\n"},
        {"train.py": TRAIN.replace("def answer", "def (answer")},
        {"train.py": "# A remark\n" + TRAIN},
        {"train.py": TRAIN},
        {"train.py": TRAIN + "import random\n\nrandom.seed(3)\n"},
        {"train.py": TRAIN + "\n".join(f"x{i} = {i}" for i in range(500))},
        Edit(patch=link, tree=good.tree, files=("train.py",)),
        Edit(patch="not a patch", tree=good.tree, files=("train.py",)),
        Edit(
            patch="diff --git a/out b/out\nnew file mode 120000\nindex 0000000..1de5659\n"
            "--- /dev/null\n+++ b/out\n@@ -0,0 +1 @@\n+/etc\n\\ No newline at end of file\n",
            tree=good.tree,
            files=("train.py",),
        ),
        rate(0.7),
    ]
    history = run(task, tmp_path / "study", *steps)
    said = ["; ".join(refusal.faults) for refusal in history.refusals]
    expected = [
        "may not be edited", "may not be edited", "new.py may not be edited",
        "would not be Python", "comments or layout alone", "changes nothing",
        "a seed or an order", "400",
        "does not apply", "does not apply", "may not be edited",
    ]  # fmt: skip
    for words, sentence in zip(expected, said, strict=False):
        assert words in sentence, sentence
    mine = [trial for trial in history.trials if trial.proposal.by == "scripted"]
    assert [trial.proposal.edit.files for trial in mine if trial.proposal.edit] == [("train.py",)]
    assert git(project, "show", "refs/trialwright/loss/0001:evaluator.py") == EVALUATOR.strip()


def test_nothing_that_a_proposer_says_of_its_edit_is_believed(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """Tree, files and counts come from the patch."""
    task = task_of(budget=Budget(trials=2))
    shop = workshop(task)
    root = shop.repository.tree_of("HEAD")
    honest = shop.edit(root, rate(0.7))
    lie = Edit(patch=honest.patch, tree=root, files=("evaluator.py",), added=0, nodes=-1000)
    history = run(task, tmp_path / "study", lie)
    edit = history.trials[1].proposal.edit
    assert edit is not None
    assert (edit.tree, edit.files, edit.added, edit.removed, edit.nodes) == (
        honest.tree, ("train.py",), 1, 1, 0,
    )  # fmt: skip
    assert (edit.inferred, edit.summary) == ("hyperparameter", "train.py: RATE 0.5 -> 0.7")


def test_the_same_code_is_a_repeat_however_it_came_about(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """Two edits that lead to the same tree are one trial; one that leads back is trial 0."""
    steps = [rate(0.7), rate(0.75), rate(0.7), {"train.py": TRAIN}]
    history = run(task_of(budget=Budget(trials=9)), tmp_path / "study", *steps)
    assert [trial.proposal.by for trial in history.trials] == ["user", "scripted", "scripted"]
    said = [refusal.faults[0] for refusal in history.refusals if refusal.proposal.edit]
    assert said == [
        "the same code as trial 1",
        "the edit leads back to the code as it was found: that is trial 0",
    ]


def test_a_run_that_changes_a_frozen_file_counts_for_nothing(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """Also where no sandbox kept it from doing so, and whatever it printed."""
    cheat = TRAIN.replace(
        "import evaluator",
        'open("evaluator.py", "w").write("def loss(x):\\n    return 0.0\\n")\nimport evaluator',
    )
    task = task_of(budget=Budget(trials=2), research=UNTRIED)
    history = run(task, tmp_path / "study", {"train.py": cheat})
    run_ = history.trials[1].run
    assert run_ is not None
    assert run_.observation is not None
    assert (run_.observation.outcome, run_.observation.cause) == ("failed", "tampered")
    assert "evaluator.py" in run_.observation.detail
    assert history.best() is history.trials[0]
    assert (project / "evaluator.py").read_text() == EVALUATOR


def test_what_git_shows_follows_from_the_ledger(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """With all its refs gone, a study that is opened again makes the same commits."""
    task, folder = task_of(budget=Budget(trials=3)), tmp_path / "study"
    run(task, folder, rate(0.7), rate(0.8))
    refs = git(project, "for-each-ref", "refs/trialwright", "refs/heads/trialwright")
    for line in refs.splitlines():
        git(project, "update-ref", "-d", line.split()[-1])
    run(task_of(budget=Budget(trials=3)), folder)
    assert git(project, "for-each-ref", "refs/trialwright", "refs/heads/trialwright") == refs


def test_locks_of_a_git_that_was_killed_are_done_away_with(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """Git leaves its locks where it is killed in the middle of an update: the next session goes on.

    Locks of others' refs are theirs.
    """
    Study(task_of(), tmp_path / "out", proposer=Scripted(rate(0.6))).run()
    first = git(project, "rev-parse", "trialwright/loss")
    refs = project / ".git" / "refs"
    ours = [refs / "trialwright" / "loss" / "0002.lock", refs / "heads" / "trialwright/loss.lock"]
    theirs = refs / "heads" / "main.lock"
    for lock in (*ours, theirs):
        lock.touch()
    history = Study(task_of(), tmp_path / "out", proposer=Scripted(rate(0.6), rate(0.7))).run()
    assert [lock.exists() for lock in (*ours, theirs)] == [False, False, True]
    assert "commits can't be written" not in str(history.notices)
    assert git(project, "rev-parse", "trialwright/loss") != first
    assert git(project, "rev-parse", "refs/trialwright/loss/0002")


def test_a_branch_that_somebody_moved_or_checked_out_is_left_alone(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """The study says so, and goes on; the trials' commits are there in any case."""
    folder = tmp_path / "study"
    run(task_of(budget=Budget(trials=2)), folder, rate(0.7))
    git(project, "branch", "-f", "trialwright/loss", "main")
    history = run(task_of(budget=Budget(trials=3)), folder, rate(0.7), rate(0.8))
    assert git(project, "rev-parse", "trialwright/loss") == git(project, "rev-parse", "main")
    assert any("somebody else moved the branch" in notice.text for notice in history.notices)
    git(project, "branch", "-D", "trialwright/loss")
    run(task_of(budget=Budget(trials=4)), folder, rate(0.7), rate(0.8), rate(0.72))
    git(project, "checkout", "-q", "trialwright/loss")
    at = git(project, "rev-parse", "HEAD")
    history = run(
        task_of(budget=Budget(trials=5)), folder, rate(0.7), rate(0.8), rate(0.72), rate(0.75)
    )
    assert git(project, "rev-parse", "HEAD") == at
    assert git(project, "status", "--porcelain") == ""
    assert any("is checked out" in notice.text for notice in history.notices)


def test_uncommitted_changes_and_nothing_to_edit_are_said_before_anything_runs(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """Each with what to do about it."""
    (project / "train.py").write_text(TRAIN + "\n# later\n")
    with pytest.raises(StudyError, match=r"train.py differ from what is committed.*commit"):
        Study(task_of(), tmp_path / "study")
    git(project, "checkout", "-q", "train.py")
    with pytest.raises(StudyError, match="matches no file that is committed"):
        Study(task_of(research=Research(editable=("model.py",))), tmp_path / "study")
    with pytest.raises(StudyError, match="git repository"):
        Study(task_of(folder=str(tmp_path)), tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_a_double_of_the_evaluator_counts_for_nothing(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """A folder that Python would load in the evaluator's place, made while the run goes on."""
    cheat = TRAIN.replace(
        "import evaluator",
        'import os\nos.mkdir("evaluator")\n'
        'open("evaluator/__init__.py", "w").write("def loss(x):\\n    return 0.0\\n")\n'
        "import evaluator",
    )
    task = task_of(budget=Budget(trials=2), research=UNTRIED)
    history = run(task, tmp_path / "study", {"train.py": cheat})
    run_ = history.trials[1].run
    assert run_ is not None
    assert run_.observation is not None
    assert run_.observation.cause == "tampered"


@pytest.mark.skipif(bool(available()), reason=f"no sandbox: {available()}")
def test_edited_code_runs_in_a_sandbox(project: Path, task_of: MakeTask, tmp_path: Path) -> None:
    """It sees its code and nothing of the user's, and can't write to what is frozen."""
    secret = tmp_path / "secret.txt"
    secret.write_text("mine")
    nosy = f"""
import os, socket
found = []
for what in ("open({str(secret)!r}).read()", "open('evaluator.py', 'a')",
             "os.rename('train.py', {str(project / "gone.py")!r})",
             "socket.create_connection(('localhost', 9), 2)", "os.listdir({str(project)!r})"):
    try:
        eval(what)
        found.append(what)
    except Exception:
        pass
assert not found, found
open("notes.txt", "w").write("my own")
open(os.environ["TRIALWRIGHT_FOLDER"] + "/table.txt", "w").write("kept")
"""
    changed = {"train.py": TRAIN.replace("import evaluator\n", f"import evaluator\n{nosy}")}
    research = Research(editable=("train.py",), frozen=("evaluator.py",))
    task = task_of(budget=Budget(trials=2), research=research)
    history = run(task, tmp_path / "study", changed)
    assert [trial.value for trial in history.trials] == [1.0, 1.0], history.trials[1].verdict
    folder = tmp_path / "study" / "trials" / "0001-0.0"
    assert (folder / "out" / "table.txt").read_text() == "kept"
    left = {path.name for path in (folder / "code").iterdir()} - {"__pycache__"}
    assert left == {"notes.txt"}


def test_without_a_sandbox_the_users_consent_is_needed(
    task_of: MakeTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine without bubblewrap the study says what to install, or to consent to."""
    only = tmp_path / "bin"
    only.mkdir()
    (only / "git").symlink_to(shutil.which("git") or "git")
    monkeypatch.setenv("PATH", str(only))
    command = (sys.executable, "train.py")
    careful = task_of(research=Research(editable=("train.py",)), command=command)
    with pytest.raises(StudyError, match=r"bubblewrap is not installed.*sandbox: none"):
        Study(careful, tmp_path / "study")
    Study(task_of(command=command), tmp_path / "study")


def test_views_say_what_of_the_code_changed(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """In the table of trials, in one trial, and at the end; reports and notebook are written."""
    folder = tmp_path / "study"
    history = run(task_of(budget=Budget(trials=2), block=1), folder, rate(0.7))
    console = Console(file=io.StringIO(), width=120)
    for view in (overview(history), trial_view(history, 1), best_view(history)):
        console.print(view)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert said.count("train.py: RATE 0.5 -> 0.7 (1 line more, 1 fewer)") == 3
    page = write(history, folder)
    for path in (page, page.with_suffix(".md")):
        assert "RATE 0.5 -" in path.read_text(), path


def test_results_are_kept_up_behind_those_of_before(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """A row per judged trial with its commit, in autoresearch's format; the user's file stays."""
    before = "commit\tloss\tmemory_gb\tstatus\tdescription\nabc1234\t4.0\t0.1\tkeep\tby hand\n"
    (project / "results.tsv").write_text(before)
    research = Research(editable=("train.py",), sandbox="none", results="results.tsv")
    run(task_of(budget=Budget(trials=3), research=research), tmp_path / "s", rate(0.7), rate(2.0))
    rows = (tmp_path / "s" / "results.tsv").read_text().splitlines()
    assert rows[:2] == before.splitlines()
    found = [row.split("\t") for row in rows[2:]]
    assert [row[3] for row in found] == ["keep", "discard", "discard"]
    commits = [git(project, "rev-parse", f"refs/trialwright/loss/000{n}") for n in (1, 2)]
    assert all(whole.startswith(row[0]) for whole, row in zip(commits, found[1:], strict=True))
    assert (project / "results.tsv").read_text() == before
