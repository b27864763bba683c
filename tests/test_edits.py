"""What may change in a task between two sessions, and what needs a new study."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

from tests.spaces import spaces
from trialwright.edits import edits
from trialwright.errors import StudyError
from trialwright.robust import Robust
from trialwright.space import Choice, Float, Int, Ordinal, Parameter, Space
from trialwright.task import (
    TASK,
    Budget,
    Delivery,
    Keep,
    LedgerPlan,
    Limits,
    Objective,
    Prune,
    RunnerPlan,
    Seeds,
    Task,
    Ucb,
)

LR = Float("lr", 1e-3, 0.1, log=True)
DEPTH = Int("depth", 2, 8, step=2, default=4)
BOOSTER = Choice("booster", ("tree", "dart"), default="tree")
BATCH = Ordinal("batch", (16, 32, 64), default=32)
RATE = Float("rate", 0.0, 0.5, when="booster == 'dart'")
OLD = Task(
    name="t",
    objective=Objective(metric="f1"),
    space=Space((LR, DEPTH, BOOSTER, BATCH, RATE), ("lr * depth <= 1",)),
    command=("python", "train.py"),
)


def with_space(*parameters: Parameter, constraints: tuple[str, ...] = ("lr * depth <= 1",)) -> Task:
    """The old task with parameters replaced by name, or added."""
    given = {parameter.name: parameter for parameter in OLD.space.parameters}
    given |= {parameter.name: parameter for parameter in parameters}
    return replace(OLD, space=Space(tuple(given.values()), constraints))


def without(name: str) -> Task:
    """The old task without one parameter."""
    left = tuple(p for p in OLD.space.parameters if p.name != name)
    return replace(OLD, space=Space(left, OLD.space.constraints if name != "lr" else ()))


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (replace(OLD, budget=Budget(trials=20)), "budget.trials: 10 became 20"),
        (replace(OLD, limits=Limits(run_s=60.0)), "limits.run_s: none became 60.0"),
        (replace(OLD, team=("tpe",)), "team: expert became tpe"),
        (replace(OLD, tree=Ucb(c=1.0)), "tree.c: 1.414 became 1.0"),
        (replace(OLD, runner=RunnerPlan(workers=2)), "runner.workers: none became 2"),
        (
            replace(OLD, ledger=LedgerPlan(url="postgresql://me@db/lab")),
            "ledger.url: nothing became postgresql://me@db/lab",
        ),
        (replace(OLD, prune=Prune(rule="asha")), "prune: none became"),
        (replace(OLD, keep=Keep(trials=3)), "keep.trials: 1 became 3"),
        (replace(OLD, description="new"), "description: nothing became new"),
        (replace(OLD, seeds=Seeds(screen=2)), "seeds.screen: 1 became 2"),
        (replace(OLD, seeds=Seeds(most=9)), "seeds.max: none became 9"),
        (replace(OLD, grid={"depth": (2, 4)}), "grid: none became"),
        (replace(OLD, command=("python", "b.py")), "python b.py; warning: earlier results"),
        (replace(OLD, delivery=Delivery(base="b.yaml")), "base: none became b.yaml; warning"),
        (with_space(replace(LR, high=1.0)), "lr is a number from 0.001 to 1, log scale; it was"),
        (with_space(replace(DEPTH, step=1)), "depth is a whole number from 2 to 8; it was"),
        (with_space(replace(DEPTH, low=0)), "depth is a whole number from 0 to 8"),
        (with_space(replace(DEPTH, default=6)), "the default of depth is 6; it was 4"),
        (with_space(replace(BOOSTER, options=("gb", "dart", "tree"))), "booster is one of"),
        (with_space(replace(BATCH, levels=(8, 16, 32, 64, 128))), "batch is one of 8 < 16"),
        (with_space(Int("new", 1, 3, default=2)), "new is new, a whole number from 1 to 3, 2 by"),
        (with_space(replace(LR, description="step")), "lr has another description"),
        (with_space(constraints=()), "the constraint lr * depth <= 1 is lifted"),
    ],
)
def test_a_change_that_keeps_trials_comparable_is_told_in_words(new: Task, words: str) -> None:
    """Course and widening of the space are accepted; what was measured differently is warned of."""
    (told,) = edits(OLD, new)
    assert words in told


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (
            replace(OLD, objective=Objective(metric="auc")),
            "metric is auc; it was f1",
        ),
        (replace(OLD, objective=Objective(metric="f1", direction="minimize")), "direction is min"),
        (replace(OLD, objective=Objective(metric="f1", reduce="best")), "reduce is best"),
        (replace(OLD, seeds=Seeds(study=1)), "seeds.study is 1; it was 0"),
        (
            replace(OLD, seeds=Seeds(objective=Robust(kind="worst"))),
            "seeds.objective is worst; it was mean",
        ),
        (without("batch"), "the parameter batch is gone"),
        (with_space(replace(LR, high=0.05)), "0.1, log scale, which is wider"),
        (with_space(replace(LR, low=0.01)), "which is wider"),
        (with_space(replace(LR, log=False)), "lr is not on a log scale"),
        (with_space(replace(LR, log=False, step=0.01)), "steps of 0.01 that miss"),
        (with_space(replace(DEPTH, step=3, default=None)), "steps of 3 that miss"),
        (with_space(replace(DEPTH, low=1, step=2, default=None)), "steps of 2 that miss"),
        (with_space(replace(BOOSTER, options=("tree", "gb"))), "booster has lost 'dart'"),
        (with_space(replace(BATCH, levels=(32, 16, 64))), "levels in another order"),
        (with_space(replace(BATCH, levels=(16, 32))), "batch has lost 64"),
        (with_space(replace(RATE, when=None)), "rate applies when always"),
        (with_space(Float("depth", 2, 8)), "depth is of kind float; it was int"),
        (with_space(Int("new", 1, 3)), "new is new, and has no default"),
        (
            with_space(constraints=("lr * depth <= 1", "lr < 0.09")),
            "constraint lr < 0.09 is new",
        ),
    ],
)
def test_a_change_that_breaks_comparison_needs_a_new_study(new: Task, words: str) -> None:
    """The error names each such change and says what to do."""
    with pytest.raises(StudyError) as caught:
        edits(OLD, new)
    assert words in str(caught.value)
    assert "needs a new study" in str(caught.value)


def test_every_breaking_change_is_named_at_once() -> None:
    """A user is not sent back three times."""
    new = replace(without("batch"), objective=Objective(metric="auc"), seeds=Seeds(study=3))
    with pytest.raises(StudyError) as caught:
        edits(OLD, new)
    assert str(caught.value).count("\n  ") == 3


def test_a_task_read_back_from_the_ledger_has_not_changed() -> None:
    """Numbers and lists that JSON gave back in another type are no edits."""
    task = replace(
        OLD, start=({"lr": 0.01},), grid={"depth": (2, 4)}, limits=Limits(run_s=60), prune=Prune(
            rule="median"), function=lambda configuration, seed: 1.0,
    )  # fmt: skip
    assert edits(TASK.validate_json(TASK.dump_json(task)), task) == ()


@settings(max_examples=50, deadline=None)
@given(space=spaces())
def test_no_space_is_an_edit_of_itself(space: Space) -> None:
    """Whatever the space, reading it back from the ledger changes nothing."""
    task = replace(OLD, space=space)
    assert edits(TASK.validate_json(TASK.dump_json(task)), task) == ()
