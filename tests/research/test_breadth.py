"""Breadth: near-repeats, kinds and trials to turn away from, the search tree over code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.research.conftest import git
from trialwright.analysis.ucb import nodes
from trialwright.code.rewrites import rewrite
from trialwright.editable import Research
from trialwright.errors import StudyFileError
from trialwright.history import History
from trialwright.propose.codetree import CodeTree
from trialwright.propose.editor import Editor
from trialwright.propose.workbench import REWRITE, Workbench
from trialwright.records import (
    Admission,
    Category,
    Cause,
    Entry,
    Launch,
    Observation,
    Opened,
    Proposal,
    Record,
    RunKey,
    Verdict,
)
from trialwright.research.rules import ABLATION, declared, judged, pivot, plateau
from trialwright.research.workshop import workshop
from trialwright.store import store_in
from trialwright.study import Study
from trialwright.studyfile import dump, parse
from trialwright.task import Budget, Task

MakeTask = Callable[..., Task]

NET = """\
import evaluator

RATE = 0.5
MOMENTUM = 0.5


def answer(scale):
    total = 0.0
    for _ in range(3):
        total += RATE * scale
    return total + MOMENTUM


def fit(x, y, epochs=8):
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    for epoch in range(epochs):
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


if __name__ == "__main__":
    print(f"@trialwright {{\\"loss\\": {evaluator.loss(answer(1.0))}}}")
"""
"""Its loss is least where thrice the rate and the momentum make 3; the network is never trained."""


class Scripted:
    """Proposes texts of train.py one after the other, each on top of the trial that it names."""

    name = "scripted"

    def __init__(self, *steps: tuple[int, str], category: Category = "architecture") -> None:
        self._steps = list(steps)
        self._category = category

    def __call__(
        self, task: Task, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        if not self._steps:
            return []
        parent, text = self._steps.pop(0)
        shop = workshop(task)
        edit = shop.edit(shop.tree(history, parent), {"train.py": text})
        return [
            Proposal(
                configuration={}, by=self.name, parent=parent, edit=edit, category=self._category
            )
        ]


def net(**values: float) -> str:
    """The script with other constants."""
    text = NET
    for name, value in values.items():
        before = next(line for line in NET.splitlines() if line.startswith(f"{name.upper()} = "))
        text = text.replace(before, f"{name.upper()} = {value}")
    return text


@pytest.fixture
def task(project: Path, task_of: MakeTask) -> Task:
    """A study of the script; budgets are as many trials as a test offers."""
    (project / "train.py").write_text(NET)
    git(project, "commit", "-qam", "net")
    return task_of(budget=Budget(trials=50))


def ruled(task: Task, **rules: object) -> Task:
    """The task under other rules."""
    assert task.research is not None
    return replace(task, research=replace(task.research, **rules))  # type: ignore[arg-type]


def run(task: Task, folder: Path, *steps: tuple[int, str]) -> History:
    """Run a study of these edits."""
    return Study(task, folder, proposer=Scripted(*steps)).run()


def under(history: History, research: Research | None) -> History:
    """The same history under other rules."""
    task = replace(history.task, research=research)
    opened = Opened(task=task, seed=history.seed, version="0.1.0")
    history.extend([Entry(history.sequence + 1, history.updated_at, opened)])
    return history


def until(folder: Path, trial: int) -> History:
    """A study's history when this trial was about to be admitted."""
    found = []
    for entry in store_in(folder).open().read():
        if isinstance(entry.record, Admission) and entry.record.number == trial:
            break
        found.append(entry)
    return History(found)


def test_near_repeats_of_any_trial_are_refused_with_its_number(task: Task, tmp_path: Path) -> None:
    """Names, layout, seeds and numbers within 1 %, whichever trial the edit was made on."""
    better = net(rate=0.6)
    steps = [
        (0, better),
        (0, better.replace("total", "summed")),
        (1, NET.replace("total", "summed").replace("import evaluator", "import evaluator  # it")),
        (0, net(rate=0.603)),
        (0, net(rate=0.62)),
    ]
    history = run(task, tmp_path / "study", *steps)
    said = [refusal.faults[0] for refusal in history.refusals if refusal.proposal.edit]
    assert said == [
        "nearly the same code as trial 1 (differs in the names of local variables alone)",
        "nearly the same code as trial 0 (differs in the names of local variables alone)",
        "nearly the same code as trial 1 (differs in numbers alone, none of them by more than 1 %:"
        " train.py: RATE 0.6 -> 0.603)",
    ]
    assert [trial.number for trial in history.trials] == [0, 1, 2]
    shop = workshop(task)
    edit = shop.edit(shop.tree(history, 0), {"train.py": net(rate=0.603)})
    taken_back = Proposal(configuration={}, by=ABLATION, parent=0, edit=edit)
    assert shop.repeats(taken_back, history) == ()
    assert shop.repeats(replace(taken_back, by="editor"), history)


def test_the_kind_of_a_change_is_what_the_code_says(task: Task, tmp_path: Path) -> None:
    """Two rates that were declared an architecture turn the study away from hyperparameters."""
    history = run(task, tmp_path / "study", (0, net(rate=0.1)), (0, net(rate=0.2)))
    found = pivot(history)
    assert found is not None
    assert found.category == "hyperparameter"
    assert found.reason.startswith(
        "the last 2 changes, all of the kind hyperparameter, were discarded (0 of 2"
    )
    assert [declared(trial) for trial in history.trials[1:]] == ["architecture"] * 2
    # The editor, whose turn it is, heeds what others have tried.
    [offered] = Editor()(task, history, 1, np.random.default_rng(1))
    assert REWRITE in offered.reasons
    assert "all of the kind hyperparameter, were discarded" in offered.rationale
    calm = ruled(task, pivot=50)
    [offered] = Editor()(calm, under(history, calm.research), 1, np.random.default_rng(1))
    assert offered.category == "hyperparameter"


def poor(*rates: float) -> list[tuple[int, str]]:
    """Changes of trial 2 that are worse than it."""
    return [(2, net(rate=rate, momentum=1.0)) for rate in rates]


def test_on_a_plateau_the_editor_goes_on_from_another_trial(task: Task, tmp_path: Path) -> None:
    """After four changes of the best trial in vain; without the rule it stays with the best."""
    structure = rewrite("clip-gradients").apply(net(rate=0.6))
    steps = [(0, structure), (0, net(rate=0.66, momentum=1.0)), *poor(0.1, 0.2, 0.3, 0.4)]
    task = ruled(task, plateau=4, pivot=50)
    history = run(task, tmp_path / "study", *steps)
    best, due = history.best(), plateau(history)
    assert best is not None
    assert due is not None
    assert (best.number, due.what, due.trial) == (2, "branch", 1)
    assert due.reason.startswith("4 changes in a row brought nothing better than trial 2 (loss ")
    assert "go on from trial 1 (unconfirmed; score" in due.reason
    [offered] = Editor()(task, history, 1, np.random.default_rng(1))
    assert offered.parent == 1
    assert "4 changes in a row" in offered.rationale
    patient = ruled(task, plateau=50)
    [offered] = Editor()(patient, under(history, patient.research), 1, np.random.default_rng(1))
    assert offered.parent == 2


def test_where_that_helps_nothing_steps_become_larger(task: Task, tmp_path: Path) -> None:
    """Two rewrites of different kinds at once, a new one, and literals far away, turn by turn."""
    structure = rewrite("clip-gradients").apply(net(rate=0.6))
    steps = [(0, structure), (0, net(rate=0.66, momentum=1.0)), *poor(0.1, 0.2, 0.3, 0.4)]
    task = ruled(task, plateau=2, pivot=50)
    history = run(task, tmp_path / "study", *steps)
    due = plateau(history)
    assert due is not None
    assert (due.what, due.trial) == ("larger", 2)
    offered = []
    for turn in range(3):
        known = _with_trials(history, min(turn, 1))
        offered += Editor()(task, known, 1, np.random.default_rng(turn))
    assert all("larger steps are due" in one.rationale for one in offered)
    made = [one.reasons[REWRITE].split(" + ") for one in offered if REWRITE in one.reasons]
    assert sorted(map(len, made)) == [1, 2]
    for names in made:
        assert len({rewrite(name).category for name in names}) == len(names)
    far = [one for one in offered if REWRITE not in one.reasons]
    assert "small steps lead nowhere" in far[0].rationale


def _with_trials(history: History, more: int) -> History:
    """The history with so many further trials admitted, of which nothing is known yet."""
    for _ in range(more):
        shop = workshop(history.task)
        text = net(rate=1.0 + len(history.trials))
        edit = shop.edit(shop.tree(history, 0), {"train.py": text})
        admission = Admission(
            number=len(history.trials),
            proposal=Proposal(configuration={}, by="scripted", parent=0, edit=edit),
            code=history.code,
        )
        history.extend([Entry(history.sequence + 1, history.updated_at, admission)])
    return history


def test_the_tree_chooses_whose_code_is_edited_beside_the_editor(
    task: Task, tmp_path: Path
) -> None:
    """Its trials hang on the highest score then; the editor's on the best."""
    folder = tmp_path / "study"
    team = replace(task, team=("editor", "tree"), budget=Budget(trials=7))
    history = Study(team, folder).run()
    by = [trial.proposal.by for trial in history.trials[1:]]
    assert set(by) == {"editor", "tree"}
    grown = [t for t in history.trials[2:] if t.proposal.by == "tree"]
    assert grown
    for trial in grown:
        before = until(folder, trial.number)
        known = [node for node in nodes(before, task.tree) if node.score is not None]
        top = max(known, key=lambda node: (node.score or 0.0, -node.number))
        if "has the highest score" in trial.proposal.rationale:
            assert trial.proposal.parent == top.number
        assert trial.proposal.edit is not None


def test_the_tree_leaves_the_best_trial_where_another_deserves_more(
    task: Task, tmp_path: Path
) -> None:
    """A trial that was built upon often gives way to one that never was."""
    steps = [(0, net(rate=0.6)), (0, net(rate=0.66, momentum=1.0)), *poor(0.1, 0.2, 0.3, 0.4)]
    history = run(task, tmp_path / "study", *steps)
    best = history.best()
    assert best is not None
    assert best.number == 2
    [offered] = CodeTree()(task, history, 1, np.random.default_rng(1))
    assert offered.parent == 1
    assert offered.by == "tree"
    assert "Trial 1 has the highest score" in offered.rationale
    several = CodeTree()(task, history, 4, np.random.default_rng(1))
    trees = [one.edit.tree for one in several if one.edit is not None]
    assert len(set(trees)) == len(several) == 4


def test_what_a_loss_can_only_lose_by_is_not_proposed(task: Task, tmp_path: Path) -> None:
    """Softened labels spoil probabilities; where accuracy counts they are on offer."""
    text = NET.replace("mse_loss", "cross_entropy")
    history = run(task, tmp_path / "study", (0, text))
    offered: Mapping[str, list[str]] = {
        metric: [
            one.reasons[REWRITE]
            for one in _rewrites(replace(task, objective=replace(task.objective, metric=metric)),
                                 history)
        ]
        for metric in ("loss", "accuracy")
    }  # fmt: skip
    assert offered["loss"][0] == "schedule-cosine"
    assert "label-smoothing" in offered["accuracy"]
    assert "label-smoothing" not in offered["loss"]


def _rewrites(task: Task, history: History) -> list[Proposal]:
    return list(Workbench(task, history, 1).rewritten())


def _ended(history: History, by: str, text: str, *, failed: Cause | None = None) -> None:
    """Add a trial of this code that was discarded, or failed."""
    shop, number = workshop(history.task), len(history.trials)
    edit = shop.edit(shop.tree(history, 0), {"train.py": text})
    proposal = Proposal(configuration={}, by=by, parent=0, edit=edit)
    key = RunKey(number, 0, 0)
    records: list[Record] = [
        Admission(number=number, proposal=proposal, code=history.code),
        Launch(run=key, seed=0, command=(), machine="", code=history.code),
        Observation(run=key, outcome="failed", cause=failed)
        if failed
        else Observation(run=key, outcome="done", value=9.0),
        Verdict(trial=number, status="failed" if failed else "discarded", sentence=""),
    ]
    for record in records:
        history.extend([Entry(history.sequence + 1, history.updated_at, record)])


def test_what_tells_nothing_of_a_change_counts_for_no_rule(task: Task, tmp_path: Path) -> None:
    """Changes that the study takes back, and failures by accident, which may be tried again."""
    history = run(ruled(task, plateau=3), tmp_path / "study", (0, net(rate=0.1)))
    clipped = rewrite("clip-gradients").apply(NET)
    _ended(history, ABLATION, clipped)
    _ended(history, "scripted", net(rate=0.05), failed="transient")
    assert [trial.number for trial in judged(history)] == [1]
    assert plateau(history) is None
    _ended(history, "scripted", net(rate=0.2))
    # The two of one kind follow each other, with nothing that counts between them.
    assert (found := pivot(history)) is not None
    assert found.category == "hyperparameter"
    _ended(history, "scripted", net(rate=0.3))
    assert (due := plateau(history)) is not None
    assert due.reason.startswith("3 changes in a row")
    shop = workshop(task)
    for text, told in [(net(rate=0.0501), ()), (net(rate=0.2001), ("trial 4",))]:
        edit = shop.edit(shop.tree(history, 0), {"train.py": text})
        again = Proposal(configuration={}, by="scripted", parent=0, edit=edit)
        said = shop.repeats(again, history)
        assert len(said) == len(told)
        assert all(words in sentence for words, sentence in zip(told, said, strict=True))


def test_the_study_file_says_when_a_plateau_is_reached(tmp_path: Path) -> None:
    """`plateau`, at least 2; written out again as it was read."""
    (tmp_path / "train.py").write_text("")
    text = """\
name: net
goal: minimize loss
command: [python, train.py]
research: {editable: [train.py], plateau: 5, pivot: 3}
"""
    task = parse(text, path=tmp_path / "study.yaml")
    assert task.research is not None
    assert (task.research.plateau, task.research.pivot) == (5, 3)
    assert parse(dump(task), path=tmp_path / "study.yaml").research == task.research
    with pytest.raises(StudyFileError, match=r"yaml:4:.*research\.plateau"):
        parse(text.replace("plateau: 5", "plateau: 1"), path=tmp_path / "study.yaml")
