"""The expert: what it proposes first, how it reacts to what it sees, and what it says about it."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from tests.propose.proposer_conformance import (
    MIXED,
    Journal,
    ProposerConformance,
    fixed_task,
    smooth,
    task_of,
)
from trialwright.history import History
from trialwright.propose.evidence import Evidence
from trialwright.propose.expert import Expert
from trialwright.propose.leaning import lean
from trialwright.propose.moves import moves
from trialwright.propose.prior import Prior
from trialwright.propose.proposer import Proposer
from trialwright.records import Curve, Proposal
from trialwright.space import Choice, Float, Int, Space
from trialwright.task import Budget, Objective, Task

NETWORK = Space(
    (
        Float("lr", 1e-6, 1.0, log=True),
        Choice("optimizer", ("sgd", "adam")),
        Float("weight_decay", 1e-6, 0.1, log=True),
        Float("dropout", 0.0, 0.6),
        Int("hidden", 16, 512, log=True),
        Int("epochs", 2, 60),
        Int("batch_size", 8, 512, log=True),
    )
)
STEPS = tuple(float(step) for step in range(1, 31))


def network_task(metric: str = "val_acc") -> Task:
    return Task(
        name="net",
        objective=Objective(metric=metric),
        space=NETWORK,
        description="an MLP in torch",
        budget=Budget(trials=10),
    )


def ask(task: Task, history: History, n: int = 1, seed: int = 0) -> list[Proposal]:
    return Expert()(task, history, n, np.random.default_rng(seed))


def curves(train: list[float], held_out: list[float]) -> Curve:
    series = {"train_acc": tuple(train), "val_acc": tuple(held_out)}
    return Curve(steps=STEPS, series=series)


class TestConformance(ProposerConformance):
    @pytest.fixture
    def proposer(self) -> Proposer:
        return Expert()


def test_first_proposal_is_the_spaces_own_defaults() -> None:
    """Where every parameter has a default, the first trial is the defaults, as the baseline."""
    space = Space((Float("lr", 1e-4, 1.0, log=True, default=0.3), Int("depth", 1, 9, default=7)))
    [first] = ask(task_of(space), History())
    assert dict(first.configuration) == {"lr": 0.3, "depth": 7}
    assert first.category == "baseline"


def test_first_proposal_without_defaults_comes_from_what_is_known() -> None:
    """Adam at 0.001 for a network, not the middle of the range; every reason names a source."""
    [first] = ask(network_task(), History())
    assert first.configuration["optimizer"] == "adam"
    assert first.configuration["lr"] == 0.001
    assert set(first.reasons) == set(NETWORK.names)
    assert "(" in first.reasons["lr"]


def test_first_prediction_is_the_metrics_usual_range_or_none() -> None:
    """An accuracy is predicted within [0, 1]; of an unknown metric nothing is predicted."""
    [known] = ask(network_task(), History())
    assert known.predicted is not None
    assert 0.0 <= known.predicted.low < 0.5 < known.predicted.high <= 1.0
    [unknown] = ask(network_task("zorgs"), History())
    assert unknown.predicted is None


def test_a_constraint_on_the_defaults_is_kept() -> None:
    """Defaults that break a constraint are not proposed; something legal near them is."""
    space = Space(
        (Int("depth", 1, 10, default=8), Int("trees", 10, 1000, default=900)),
        ("depth * trees <= 3000",),
    )
    [first] = ask(task_of(space), History())
    assert not space.check(first.configuration)


def test_a_space_of_one_point_is_proposed_once() -> None:
    """With nothing to vary there is one proposal, and then none."""
    task = fixed_task()
    journal = Journal(task)
    [only] = ask(task, journal.history, 3)
    journal.ended(only, 1.0)
    assert ask(task, journal.history, 3) == []


def test_divergence_makes_the_next_steps_smaller() -> None:
    """All trials have diverged: the next learning rate is lower than every one of them."""
    task = network_task()
    journal = Journal(task)
    [first] = ask(task, journal.history)
    for rate in (0.1, 0.03):
        configuration = {**first.configuration, "lr": rate}
        journal.ended(Proposal(configuration=configuration, by="expert"), None, cause="diverged")
    [following] = ask(task, journal.history)
    assert float(following.configuration["lr"]) < 0.03  # type: ignore[arg-type]


def test_out_of_memory_leads_to_something_smaller() -> None:
    """After runs out of memory, batch size times width is smaller than what failed."""
    task = network_task()
    journal = Journal(task)
    [first] = ask(task, journal.history)
    big = {**first.configuration, "batch_size": 512, "hidden": 512}
    journal.ended(Proposal(configuration=big, by="x"), None, cause="out_of_memory_gpu")
    for proposal in ask(task, journal.history, 3):
        c = proposal.configuration
        assert float(c["batch_size"]) * float(c["hidden"]) < 512 * 512  # type: ignore[arg-type]


def test_infeasible_regions_are_learnt() -> None:
    """Where wide networks always fail, few of the later proposals are wide."""
    space = Space((Int("width", 1, 100), Float("x", 0.0, 1.0)))
    task = task_of(space)
    journal = Journal(task)
    failures = 0
    for number in range(14):
        [proposal] = ask(task, journal.history, seed=number)
        width, x = float(proposal.configuration["width"]), float(proposal.configuration["x"])  # type: ignore[arg-type]
        fails = width > 60
        failures += fails and number >= 6
        journal.ended(proposal, None if fails else width / 100 - (x - 0.4) ** 2)
    assert failures <= 3


@pytest.mark.parametrize(
    ("train", "held_out", "sees"),
    [
        ([0.5 + s / 62 for s in STEPS], [0.5 + s / 100 for s in STEPS], "improving"),
        ([min(0.5 + s / 20, 1) for s in STEPS], [0.7 - abs(s - 6) / 60 for s in STEPS], "overfit"),
    ],
)
def test_rationale_tells_what_was_seen(
    train: list[float], held_out: list[float], sees: str
) -> None:
    """The next proposal starts from the trial, quotes its reading, and names each change."""
    task = network_task()
    journal = Journal(task)
    [first] = ask(task, journal.history)
    journal.ended(first, held_out[-1], curve=curves(train, held_out))
    [following] = ask(task, journal.history)
    assert following.parent == 0
    assert "trial 0" in following.rationale
    assert sees in following.rationale
    changed = [n for n, v in following.configuration.items() if first.configuration[n] != v]
    assert set(following.reasons) == set(changed)
    assert all(name in following.rationale for name in changed)
    assert following.hypothesis is not None
    assert following.hypothesis.against == 0


def test_rarer_class_is_weighed_when_the_metric_lives_on_it() -> None:
    """F1 with a class weight in the space: it is among the first things tried, upward."""
    space = Space(
        (
            Float("scale_pos_weight", 1.0, 10.0, default=1.0),
            Int("max_depth", 3, 11, default=6),
            Float("learning_rate", 0.001, 1.0, log=True, default=0.3),
        )
    )
    objective = Objective(metric="val_f1")
    task = Task(name="t", objective=objective, space=space, model="xgboost")
    journal = Journal(task)
    [first] = ask(task, journal.history)
    journal.ended(first, 0.45)
    proposals = ask(task, journal.history, 3)
    assert max(float(p.configuration["scale_pos_weight"]) for p in proposals) > 1.3  # type: ignore[arg-type]


BOOSTING = Space(
    (
        Int("max_depth", 3, 11, default=6),
        Float("learning_rate", 0.001, 1.0, log=True, default=0.3),
        Float("min_child_weight", 1.0, 10.0, default=1.0),
        Float("subsample", 0.5, 1.0, default=1.0),
        Float("colsample_bytree", 0.5, 1.0, default=1.0),
        Int("n_estimators", 100, 500, default=100),
        Float("scale_pos_weight", 1.0, 10.0, default=1.0),
    )
)
OVERFITTING = Curve(
    steps=STEPS,
    series={
        "train_f1": tuple(min(0.5 + s / 20, 1.0) for s in STEPS),
        "val_f1": tuple(0.5 - abs(s - 6) / 60 for s in STEPS),
    },
)


def boosting_task() -> Task:
    return Task(
        name="t", objective=Objective(metric="val_f1"), space=BOOSTING, model="xgboost",
        budget=Budget(trials=10),
    )  # fmt: skip


def test_an_overfitting_model_gets_the_recipe_against_it_and_the_weight_at_once() -> None:
    """Small steps, shallow trees, parts of rows and columns, and the weight that F1 calls for."""
    task = boosting_task()
    journal = Journal(task)
    [first] = ask(task, journal.history)
    journal.ended(first, 0.48, curve=OVERFITTING)
    for seed in range(4):
        [following] = ask(task, journal.history, seed=seed)
        c = {name: float(v) for name, v in following.configuration.items()}  # type: ignore[arg-type]
        assert c["learning_rate"] <= 0.1
        assert c["n_estimators"] >= 200
        assert c["max_depth"] <= 4
        assert c["subsample"] < 1.0
        assert c["colsample_bytree"] < 1.0
        assert c["scale_pos_weight"] > 2.0
        assert "overfit" in following.rationale
        assert "recipe" in following.reasons["subsample"]


def test_a_recipe_is_called_for_by_what_it_answers_alone() -> None:
    """Without a sign of overfitting, the recipe against it is no remedy, and weighs less."""
    task = boosting_task()
    weights = {}
    for name, curve in (("overfitting", OVERFITTING), ("plain", None)):
        journal = Journal(task)
        [first] = ask(task, journal.history)
        journal.ended(first, 0.48, curve=curve)
        evidence = Evidence(task, journal.history, Prior(task))
        found = [
            m
            for m in moves(evidence.prior, evidence.seen)
            if "conservative trees against overfitting" in m.text and m.kind != "several"
        ]
        weights[name] = max(move.weight for move in found)
        assert {move.kind for move in found} == {"remedy" if curve else "recipe"}
    assert weights["overfitting"] > weights["plain"]


def test_a_weight_that_the_metric_calls_for_is_not_taken_back() -> None:
    """From the best trial on, a lower weight of the rarer class is leant against; no other one."""
    task = boosting_task()
    journal = Journal(task)
    [first] = ask(task, journal.history)
    journal.ended(first, 0.48)
    weighed = {**first.configuration, "scale_pos_weight": 3.0}
    journal.ended(Proposal(configuration=weighed, by="expert", parent=0), 0.58)
    evidence = Evidence(task, journal.history, Prior(task))
    leaning = lean(evidence.prior, evidence.seen)
    candidates = [{**weighed, "scale_pos_weight": weight} for weight in (1.5, 3.0, 4.5)]
    lower, same, higher = leaning.against(evidence.prior, candidates)
    assert lower < 0.0
    assert same == higher == 0.0


def noisy_study(seed: int, *, spread: float) -> Journal:
    """Six results of the boosting task that differ by chance alone."""
    journal = Journal(boosting_task())
    [first] = ask(boosting_task(), journal.history)
    rng = np.random.default_rng(seed)
    for _ in range(6):
        configuration = {
            **first.configuration,
            "learning_rate": 0.05 * float(rng.uniform(0.8, 1.2)),
            "subsample": float(rng.uniform(0.7, 0.9)),
            "scale_pos_weight": 3.0,
        }
        value = 0.58 + spread * float(rng.normal())
        journal.ended(Proposal(configuration=configuration, by="expert"), value)
    return journal


def test_results_that_differ_by_chance_alone_make_it_spread() -> None:
    """Where no result foretells another, most parameters are drawn anew from usual ranges."""
    task, flat = boosting_task(), 0
    for seed in range(8):
        journal = noisy_study(seed, spread=0.01)
        evidence = Evidence(task, journal.history, Prior(task))
        [following] = ask(task, journal.history, seed=seed)
        if not evidence.is_flat:
            continue
        flat += 1
        c = {name: float(v) for name, v in following.configuration.items()}  # type: ignore[arg-type]
        best = evidence.best[0]
        assert following.parent == best.number
        assert len([n for n, v in c.items() if v != best.configuration[n]]) >= 5
        assert 0.008 <= c["learning_rate"] <= 0.15
        assert 3 <= c["max_depth"] <= 10
        assert 0.65 <= c["subsample"] <= 1.0
        assert "does not foretell" in following.rationale
        assert following.reasons["n_estimators"].startswith("drawn anew")
        assert following.predicted is not None
        assert following.hypothesis is not None
    assert flat >= 4


def test_results_that_foretell_each_other_are_followed() -> None:
    """On a smooth function the model's word counts: nothing is drawn blindly from ranges."""
    task = task_of(Space((Float("x", 0.0, 1.0), Float("y", 0.0, 1.0))))
    journal = Journal(task)
    journal.drawn(14)
    assert not Evidence(task, journal.history, Prior(task)).is_flat
    [following] = ask(task, journal.history)
    assert "does not foretell" not in following.rationale


def test_scattered_draws_keep_what_is_known_together() -> None:
    """Numbers fill their usual ranges, deep trees get smaller steps; the unknown stays near."""
    space = Space((*BOOSTING.parameters, Float("zorgs", 0.0, 10.0)))
    prior = Prior(replace(boosting_task(), space=space))
    base = {**prior.start(), "zorgs": 1.0, "scale_pos_weight": 3.0}
    drawn = prior.scatter(np.random.default_rng(0), base, 200)
    assert len(drawn) == 200
    assert not any(space.check(configuration) for configuration in drawn)
    assert {3, 10} <= {configuration["max_depth"] for configuration in drawn} <= set(range(3, 11))
    for configuration in drawn:
        rate, depth = float(configuration["learning_rate"]), int(configuration["max_depth"])  # type: ignore[arg-type]
        assert rate <= (0.15 if depth < 5 else 0.05 if depth < 7 else 0.025)
        assert float(configuration["zorgs"]) <= 4.0  # type: ignore[arg-type]
        assert float(configuration["scale_pos_weight"]) > 1.9  # type: ignore[arg-type]


def test_changed_code_begins_with_the_best_of_before() -> None:
    """After a change of the code its first trial repeats the best one, as a new baseline."""
    from trialwright.records import CodeVersion

    task = task_of(MIXED)
    journal = Journal(task)
    journal.drawn(5)
    best = journal.history.best()
    assert best is not None
    journal.note(CodeVersion(id="newer"))
    [first] = ask(task, journal.history)
    assert dict(first.configuration) == dict(best.configuration)
    assert first.category == "baseline"


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_it_finds_the_optimum_of_a_smooth_function(direction: str) -> None:
    """In 15 trials it gets much closer to the optimum than 15 random draws do, on each seed."""
    task = task_of(
        Space(tuple(Float(f"x{i}", 0.0, 1.0) for i in range(3))),
        direction=direction,  # type: ignore[arg-type]
    )
    sign = task.objective.sign
    for seed in range(3):
        journal = Journal(task)
        for number in range(15):
            [proposal] = ask(task, journal.history, seed=100 * seed + number)
            journal.ended(proposal, smooth(task, proposal.configuration))
        found = max(
            sign * trial.value for trial in journal.history.trials if trial.value is not None
        )
        drawn = Journal(task)
        drawn.drawn(15, seed=seed)
        random = max(sign * t.value for t in drawn.history.trials if t.value is not None)
        assert found > random
        assert found > -0.005


def test_predicted_intervals_hold_what_they_promise() -> None:
    """Of the 90 % intervals over noisy runs, at least 80 % hold the value."""
    task = task_of(Space(tuple(Float(f"x{i}", 0.0, 1.0) for i in range(4))))
    rng = np.random.default_rng(0)
    held = total = 0
    for seed in range(16):
        journal = Journal(task)
        for number in range(12):
            [proposal] = ask(task, journal.history, seed=31 * seed + number)
            value = smooth(task, proposal.configuration) + 0.01 * float(rng.normal())
            if proposal.predicted is not None and number >= 3:
                total += 1
                held += proposal.predicted.low <= value <= proposal.predicted.high
            journal.ended(proposal, value)
    assert held / total >= 0.8


@pytest.mark.parametrize(("trials", "allowed_s"), [(100, 0.5), (3000, 2.0)])
def test_a_proposal_is_quick_however_long_the_history(trials: int, allowed_s: float) -> None:
    """Far from the figures that the benchmarks hold, but a change that makes it slow is seen."""
    task = task_of(MIXED)
    journal = Journal(task)
    journal.drawn(trials)
    ask(task, journal.history)
    began = time.process_time()
    ask(task, journal.history)
    assert time.process_time() - began < allowed_s


def test_poor_defaults_are_left_behind() -> None:
    """Defaults that leave an accuracy at chance are soon replaced by what is known of the model."""
    poor = {"lr": 0.9, "optimizer": "sgd", "weight_decay": 0.1, "dropout": 0.6, "hidden": 16}
    space = Space(
        tuple(replace(p, default=poor[p.name]) if p.name in poor else p for p in NETWORK.parameters)
    )
    task = replace(network_task(), space=space)
    journal = Journal(task)
    [first] = ask(task, journal.history)
    assert first.configuration["lr"] == 0.9
    journal.ended(first, 0.1)
    following = ask(task, journal.history, 2)
    assert any(p.configuration["optimizer"] == "adam" for p in following)
    assert "far below what a sensible run shows" in " ".join(p.rationale for p in following)
