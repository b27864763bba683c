"""Edits that crash: not tried again by the editor, and repaired a few times by whoever can."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from tests.llm.servers import Calls, Move, Request, serving
from tests.research.conftest import TRAIN, git
from tests.research.test_smoke import plan, refused, with_code
from trialwright.history import History
from trialwright.propose.editor import Editor
from trialwright.propose.workbench import REWRITE
from trialwright.records import Category, Entry, Hypothesis, Proposal, Refusal
from trialwright.research.repair import crashes, repairs_left
from trialwright.research.workshop import workshop
from trialwright.store import store_in
from trialwright.study import Study
from trialwright.task import Agent, Budget, Objective, Task

MakeTask = Callable[..., Task]

PARTIAL = """\
import warnings

from sklearn.datasets import load_iris
from sklearn.neural_network import MLPClassifier

warnings.filterwarnings("ignore")
x, y = load_iris(return_X_y=True)
model = MLPClassifier(random_state=0)
for _ in "some rounds":
    model.partial_fit(x, y, classes=[0, 1, 2])
print('@trialwright {"accuracy": %f}' % model.score(x, y))
"""
"""A script that fits in parts, which scikit-learn does not do with lbfgs."""

Step = tuple[Mapping[str, str | None], int | None, Category]
"""What becomes of files, in which trial's code, and the category that is declared."""


class Steps:
    """Proposes edits of given trials, one after the other."""

    name = "author"

    def __init__(self, *steps: Step) -> None:
        self._steps = list(steps)

    def __call__(
        self, task: Task, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """Return the next edit, once all earlier trials have ended."""
        del n, rng
        if not self._steps:
            return []
        files, parent, category = self._steps.pop(0)
        shop = workshop(task)
        edit = shop.edit(shop.tree(history, parent), files)
        return [
            Proposal(
                configuration={}, by=self.name, parent=parent, edit=edit, category=category,
                hypothesis=Hypothesis(claim="better", expects="better", against=parent),
            )
        ]  # fmt: skip


def study(task: Task, folder: Path, *steps: Step) -> History:
    """Run a study whose author makes these edits."""
    return Study(task, folder, proposer=Steps(*steps)).run()


def test_the_editor_leaves_a_rewrite_alone_that_crashed_in_its_smoke_run(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """It is not tried again on code of this structure; one that was refused unseen may be."""
    (project / "train.py").write_text(PARTIAL)
    git(project, "commit", "-qam", "in parts")
    task = task_of(objective=Objective(metric="accuracy"), budget=Budget(trials=1))
    history = Study(task, tmp_path / "study").run()
    editor = Editor()

    def offered() -> dict[str, Proposal]:
        found = editor(task, history, 5, np.random.default_rng(1))
        return {one.reasons[REWRITE]: one for one in found if REWRITE in one.reasons}

    def note(refusal: Refusal) -> None:
        history.extend([Entry(history.sequence + 1, 0.0, refusal)])

    first = offered()
    name = next(iter(first))
    note(Refusal(proposal=first[name], faults=("out of time",)))
    assert offered().keys() == first.keys()
    note(Refusal(proposal=first[name], faults=("it failed",), cause="other"))
    assert offered().keys() == first.keys() - {name}


def test_a_rewrite_that_can_not_work_costs_no_trial(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """What scikit-learn refuses is found out by running it for a moment."""
    (project / "train.py").write_text(PARTIAL)
    git(project, "commit", "-qam", "in parts")
    task = task_of(objective=Objective(metric="accuracy"), budget=Budget(trials=2))
    task = plan(task, smoke_s=100.0)
    changed = PARTIAL.replace("random_state=0", 'random_state=0, solver="lbfgs"')
    history = study(task, tmp_path / "study", ({"train.py": changed}, 0, "optimizer"))
    assert len(history.trials) == 1
    (refusal,) = refused(history)
    assert "has no attribute 'partial_fit'" in refusal.faults[1]


def test_crashes_in_a_row_of_one_edit_use_its_repairs_up(task_of: MakeTask, tmp_path: Path) -> None:
    """Smoke runs and full runs count alike; another kind of change, or a success, begins anew."""
    steps: list[Step] = [
        (with_code("oops_1"), 0, "optimizer"),
        (with_code("import time\ntime.sleep(1.2)\n1 / 0"), 0, "optimizer"),
        (with_code("oops_2 * 7"), 0, "optimizer"),
        (with_code("oops_3 * 9"), 0, "schedule"),
        (with_code("OFFSET = 1"), 0, "schedule"),
    ]
    task = plan(task_of(budget=Budget(trials=3)), repairs=2, smoke_s=0.4)
    folder = tmp_path / "study"
    study(task, folder, *steps)
    history, found = History(), [(0, 2)]
    for entry in store_in(folder).open().read():
        history.extend([entry])
        now = (len(crashes(history, "author")), repairs_left(history, "author"))
        found += [now] if now != found[-1] else []
    assert found == [(0, 2), (1, 2), (2, 1), (3, 0), (1, 2), (0, 2)]
    assert repairs_left(history, "somebody else") == 2


def test_a_repair_is_a_child_of_the_crashed_trials_parent(
    task_of: MakeTask, tmp_path: Path
) -> None:
    """What is built on code that crashed stands in the ledger as another try of the same edit."""
    task = plan(task_of(budget=Budget(trials=3)), smoke_s=0.0)
    mended = {"train.py": TRAIN.replace("if __name__", "OFFSET = 1\n\nif __name__")}
    history = study(
        task,
        tmp_path / "study",
        (with_code("OFFSET = 1\n1 / 0"), 0, "systems"),
        (mended, 1, "systems"),
    )
    assert [trial.state for trial in history.trials] == ["done", "failed", "done"]
    proposal = history.trials[2].proposal
    assert proposal.parent == 0
    assert proposal.hypothesis is not None
    assert proposal.hypothesis.against == 0
    assert proposal.edit is not None
    assert (proposal.edit.added, proposal.edit.removed) == (2, 0)
    shop = workshop(task)
    assert shop.texts(proposal.edit.tree)["train.py"] == mended["train.py"]
    assert git(Path(task.folder), "rev-parse", "refs/trialwright/loss/0002^") == git(
        Path(task.folder), "rev-parse", "HEAD"
    )


def test_a_model_repairs_no_configuration_where_there_is_none(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """It is told that there are no parameters; its diagnosis is kept, and nothing is proposed."""
    (project / "train.py").write_text("print('zorg: out of phase')\nraise SystemExit(3)\n")
    git(project, "commit", "-qam", "odd")
    said = {
        "diagnosis": "The phase is odd.",
        "cause": "repair",
        "changes": [{"name": "x", "value": 1}],
    }

    def answer(_index: int, request: Request) -> Move:
        assert "`repair` is no answer" in request.text
        return Calls("final_result", said)

    with serving("openai", answer, creator_only=False) as provider:
        agent = Agent(name="gpt", model="openai:toy", base_url=provider.url)
        task = task_of(team=("editor", agent), budget=Budget(trials=2))
        history = study(task, tmp_path / "study")
    failed = history.trials[0]
    assert failed.run is not None
    assert failed.run.diagnosis is not None
    assert (failed.run.diagnosis.by, failed.run.diagnosis.sentence) == ("gpt", "The phase is odd.")
    assert len(history.trials) == 1
    assert [exchange.repairs for exchange in history.exchanges if exchange.repairs] == []
