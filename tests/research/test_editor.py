"""The editor, which improves code without a language model: real studies of small scripts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from tests.research.conftest import begin, git, task_in
from tests.research.test_study import Scripted
from trialwright.editable import Research
from trialwright.errors import StudyError
from trialwright.history import History
from trialwright.propose.editor import Editor
from trialwright.propose.workbench import Workbench
from trialwright.records import Admission, Entry, Opened
from trialwright.research.rules import declared
from trialwright.store import store_in
from trialwright.study import Study
from trialwright.task import Budget, Objective, RunnerPlan, Task

MakeTask = Callable[..., Task]

DIGITS = """\
import warnings

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

LEARNING_RATE = 1e-5
HIDDEN = 16
ALPHA = 1e-4
MAX_ITER = 12

warnings.filterwarnings("ignore")
x, y = load_digits(return_X_y=True)
train_x, val_x, train_y, val_y = train_test_split(x, y, test_size=0.4, random_state=0)
model = MLPClassifier(
    hidden_layer_sizes=(HIDDEN,), learning_rate_init=LEARNING_RATE, alpha=ALPHA,
    max_iter=MAX_ITER, random_state=0,
)
model.fit(train_x, train_y)
print('@trialwright {"accuracy": %f}' % model.score(val_x, val_y))
"""


# The tests that look at one study need one worker.
pytestmark = pytest.mark.xdist_group("editor")

RNG = np.random.default_rng(5)


def _entries(folder: Path, *, until: int) -> list[Entry]:
    """A study's records up to the admission of trial `until`."""
    found = []
    for entry in store_in(folder).open().read():
        if isinstance(entry.record, Admission) and entry.record.number == until:
            break
        found.append(entry)
    return found


def _with(history: History, research: Research | None) -> History:
    """The same history under other rules."""
    opened = Opened(
        task=replace(history.task, research=research), seed=history.seed, version="0.1.0"
    )
    history.extend([Entry(history.sequence + 1, history.updated_at, opened)])
    return history


@dataclass(frozen=True)
class Digits:
    """A script of scikit-learn with a bad learning rate, after nine trials of the editor's."""

    task: Task
    project: Path
    study: Path
    history: History


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Digits:
    """That study, made once: nobody changes it."""
    folder = tmp_path_factory.mktemp("digits")
    project = begin(folder / "project")
    (project / "train.py").write_text(DIGITS)
    git(project, "commit", "-qam", "digits")
    task = task_in(project, objective=Objective(metric="accuracy"), budget=Budget(trials=9))
    return Digits(task, project, folder / "study", Study(task, folder / "study").run())


def test_it_tunes_literals_and_rewrites_structure(digits: Digits) -> None:
    """Beginning with a rate that learns nothing it finds one that does, and tries structures."""
    history = digits.history
    first, best = history.trials[0], history.best()
    assert best is not None
    assert first.value is not None
    assert best.value is not None
    assert first.value < 0.5 < 0.85 < best.value
    assert "LEARNING_RATE = " in git(digits.project, "show", "trialwright/loss:train.py")
    edits = [trial.proposal for trial in history.trials[1:]]
    assert all(p.edit is not None and p.edit.files == ("train.py",) for p in edits)
    assert all(p.rationale and p.hypothesis is not None for p in edits)
    tuned = [p for p in edits if p.category == "hyperparameter" and p.edit is not None]
    assert tuned
    # It speaks of trials by their numbers in the study, also after a change of structure.
    assert any(p.category != "hyperparameter" for p in edits)
    for proposal in tuned:
        said = re.match(r"Starts from trial (\d+)", proposal.rationale)
        assert said is None or int(said[1]) == proposal.parent
    # A tuning changes values, and leaves every other character as it was.
    assert all(p.edit.nodes == 0 for p in tuned if p.edit is not None)


def test_after_discarded_changes_of_a_kind_it_turns_to_another(digits: Digits) -> None:
    """Two tunings in a row that were discarded are followed by a rewrite, which says why."""
    history = digits.history
    lost = [t.verdict is not None and t.verdict.status == "discarded" for t in history.trials]
    kinds = [declared(trial) for trial in history.trials]
    at = next(
        n for n in range(3, 9)
        if lost[n - 1] and lost[n - 2] and kinds[n - 1] == kinds[n - 2] == "hyperparameter"
    )  # fmt: skip
    assert kinds[at] != "hyperparameter"
    assert "the kind hyperparameter, were discarded" in history.trials[at].proposal.rationale
    stubborn = replace(digits.task.research, pivot=50) if digits.task.research else None
    known = History(_entries(digits.study, until=at))
    offered = Editor()(replace(digits.task, research=stubborn), _with(known, stubborn), 1, RNG)
    assert offered[0].category == "hyperparameter"


def test_it_has_something_for_every_slot_from_the_start(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """Also while the code as it was found is still running."""
    (project / "train.py").write_text(DIGITS)
    git(project, "commit", "-qam", "digits")
    task = task_of(objective=Objective(metric="accuracy"), runner=RunnerPlan(workers=3))
    history = Study(task, tmp_path / "study").run()
    assert len(history.trials) == 4
    assert [trial.proposal.parent for trial in history.trials[1:3]] == [0, 0]


def test_it_says_the_same_for_the_same_history(digits: Digits) -> None:
    """A replay sees what the study saw."""
    history = digits.history
    offered = [
        Editor()(digits.task, history, 2, np.random.default_rng(5))[0].edit for _ in range(2)
    ]
    assert offered[0] == offered[1]


def test_who_can_t_edit_is_refused_before_anything_runs(task_of: MakeTask, tmp_path: Path) -> None:
    """With the members that can."""
    task = task_of(team=("expert", "editor"), research=Research(editable=("train.py",)))
    with pytest.raises(StudyError, match="expert can't edit code: name editor"):
        Study(task, tmp_path / "study")


KNOWN = """\
import math

LEARNING_RATE = 1e-4
WEIGHT_DECAY = 1e-3


def loss():
    return (math.log10(LEARNING_RATE) + 2.5) ** 2 + (math.log10(WEIGHT_DECAY) + 3) ** 2 / 4


print('@trialwright {"loss": %f}' % loss())
"""


def test_after_a_rewrite_it_still_knows_what_literals_did(
    project: Path, task_of: MakeTask, tmp_path: Path
) -> None:
    """A kept change of the structure begins a new one; tuning goes on from what the old taught."""
    (project / "train.py").write_text(KNOWN)
    git(project, "commit", "-qam", "known")
    values = [("1e-6", "1e-3"), ("0.5", "1e-3"), ("2.5e-3", "1e-6"), ("2.5e-3", "0.1"),
              ("2.5e-3", "1.3e-3")]  # fmt: skip
    tuned = [KNOWN.replace("1e-4", rate).replace("1e-3", decay, 1) for rate, decay in values]
    other = tuned[-1].replace("return (", "bonus = 0.01\n    return -bonus + (")
    task = task_of(budget=Budget(trials=7))
    steps = [{"train.py": text} for text in (*tuned, other)]
    history = Study(task, tmp_path / "study", proposer=Scripted(*steps)).run()
    best = history.best()
    assert best is not None
    assert best.number == len(steps)
    bench = Workbench(task, history, best.number)
    rates = []
    for seed in range(8):
        for proposal in bench.tuned(1, np.random.default_rng(seed)):
            assert proposal.edit is not None
            found = re.search(r"^\+LEARNING_RATE = (\S+)", proposal.edit.patch, re.MULTILINE)
            rates.append(2.5e-3 if found is None else float(found[1]))
    assert rates
    # Below the best rate the old structure's trials were worse; without them 1e-3 is tried first.
    assert [rate for rate in rates if not 2.4e-3 < rate < 0.03] == []
