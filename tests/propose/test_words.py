"""What the expert says of its proposals: claims that say what they expect, reasons that fit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.propose.proposer_conformance import MIXED, Journal, task_of
from trialwright import knowledge
from trialwright.analysis.compare import hypothesis_status
from trialwright.propose import reasons, words
from trialwright.propose.evidence import Evidence
from trialwright.propose.expert import Expert
from trialwright.propose.moves import Move, moves
from trialwright.propose.prior import Prior
from trialwright.records import Curve, Proposal
from trialwright.space import Choice, Float, Int, Space
from trialwright.task import Objective, Task

STEPS = range(1, 31)
SPACE = Space(
    (
        Float("lr", 1e-5, 0.1, log=True, default=0.001),
        Int("epochs", 5, 100, default=30),
        Int("hidden", 8, 512, log=True, default=64),
        Float("dropout", 0.0, 0.6, default=0.2),
        Float("weight_decay", 1e-6, 0.1, log=True, default=1e-3),
        Int("batch_size", 16, 256, log=True, default=64),
        Choice("optimizer", ("adam", "sgd"), default="adam"),
    )
)
PHRASES = {
    "lr": ("larger steps", "smaller steps"),
    "epochs": ("longer training", "shorter training"),
    "hidden": ("a wider model", "a narrower model"),
    "dropout": ("more dropout", "less dropout"),
    "weight_decay": ("stronger weight decay", "weaker weight decay"),
    "batch_size": ("larger batches", "smaller batches"),
}
CURVES = {
    "improving": ([0.5 + s / 62 for s in STEPS], [0.5 + s / 100 for s in STEPS]),
    "overfitting": (
        [min(0.5 + s / 20, 1) for s in STEPS],
        [0.7 - abs(s - 6) / 60 for s in STEPS],
    ),
    "underfitting": (
        [0.52 + 0.001 * (s % 3) for s in STEPS],
        [0.52 + 0.001 * (s % 3) for s in STEPS],
    ),
}


def journal_of(shape: str, *, space: Space = SPACE) -> Journal:
    """A study of one trial, at the defaults, whose curves have a shape."""
    task = Task(
        name="t", objective=Objective(metric="val_acc"), space=space, model="neural_network"
    )
    journal = Journal(task)
    train, held_out = CURVES[shape]
    curve = Curve(
        steps=tuple(float(s) for s in STEPS),
        series={"train_acc": tuple(train), "val_acc": tuple(held_out)},
    )
    proposal = Proposal(configuration=space.complete({}), by="expert")
    journal.ended(proposal, held_out[-1], curve=curve)
    return journal


def worded(journal: Journal) -> Iterator[tuple[Move, Proposal]]:
    """Every move that the study calls for, as the expert would propose it."""
    prior = Prior(journal.task)
    evidence = Evidence(journal.task, journal.history, prior)
    for move in moves(prior, evidence.seen):
        configuration = journal.task.space.canonical(move.configuration)
        yield move, words.proposal(evidence, configuration, move=move)


@pytest.mark.parametrize("shape", list(CURVES))
def test_a_reason_fits_its_parameter_and_the_way_it_goes(shape: str) -> None:
    """What a rule says of several parameters is said of each in its own words."""
    journal = journal_of(shape)
    before = journal.history.trials[0].configuration
    told = 0
    for move, proposal in worded(journal):
        if move.kind == "recipe":
            continue
        for name, reason in proposal.reasons.items():
            if name not in PHRASES or name not in move.reasons:
                continue
            up, down = PHRASES[name]
            risen = proposal.configuration[name] > before[name]  # type: ignore[operator]
            if "untried" in reason or up in reason or down in reason:
                told += 1
                assert (up if risen else down) in reason
            assert "richer model" not in reason + proposal.rationale
            assert "simpler model" not in reason + proposal.rationale
            others = {word for other, pair in PHRASES.items() if other != name for word in pair}
            allowed = {"smaller steps", "larger steps", "larger batches"}  # purposes name these
            assert not any(word in reason for word in others - allowed), (name, reason)
    assert told > 10


def test_no_reason_is_given_for_what_stays() -> None:
    """The rationale's reason names the steps that are made, and no others."""
    space = Space((Float("lr", 1e-5, 0.1, log=True, default=0.001), Float("x", 0, 1, default=0.5)))
    rationales = [p.rationale for _, p in worded(journal_of("improving", space=space))]
    assert any("larger steps" in rationale for rationale in rationales)
    for rationale in rationales:
        assert not any(word in rationale for word in ("trees", "dropout", "the batch", "model may"))


@pytest.mark.parametrize(
    ("shape", "cause"),
    [
        ("improving", "it was still improving at the end"),
        ("underfitting", "training is no better than validation"),
    ],
)
def test_larger_steps_are_called_for_by_what_was_seen(shape: str, cause: str) -> None:
    """A rule with two signs quotes the one that was there."""
    journal = journal_of(shape)
    rule = next(rule for rule in knowledge.move_rules() if rule.name == "larger steps")
    parent = journal.history.trials[0]
    configuration = {**parent.configuration, "lr": 0.003}
    move = Move(
        configuration=configuration,
        parent=parent,
        text=rule.text,
        weight=0.5,
        reasons={"lr": rule.text},
    )
    evidence = Evidence(journal.task, journal.history, Prior(journal.task))
    proposal = words.proposal(evidence, configuration, move=move)
    assert proposal.reasons == {"lr": f"{cause}: larger steps"}
    assert f"Reason: {cause}: larger steps." in proposal.rationale


def test_a_claim_says_what_it_expects() -> None:
    """An improvement is claimed where it is expected; what explores is said to stay behind."""
    journal = Journal(task_of(MIXED))
    journal.drawn(8)
    seen = set()
    for seed in range(6):
        for proposal in Expert()(journal.task, journal.history, 4, np.random.default_rng(seed)):
            assert proposal.hypothesis is not None
            claim, expects = proposal.hypothesis.claim, proposal.hypothesis.expects
            seen.add(expects)
            assert (" improves " in claim) == (expects == "better")
            assert (" stays behind " in claim) == (expects == "worse")
            chance = float(claim.split("probability of a gain: ")[1].rstrip(")"))
            assert (chance >= 0.5) == (expects == "better")
            assert f"trial {proposal.hypothesis.against}" in claim
    assert "worse" in seen


def test_a_first_claim_is_the_prediction() -> None:
    """The start is held to the interval predicted for it; without one nothing is claimed."""
    task = Task(name="t", objective=Objective(metric="val_acc"), space=SPACE)
    for value, status in ((0.8, "supported"), (0.01, "contradicted")):
        journal = Journal(task)
        [first] = Expert()(task, journal.history, 1, np.random.default_rng(0))
        assert first.predicted is not None
        assert first.hypothesis is not None
        assert f"{first.predicted.low:.4g}" in first.hypothesis.claim
        journal.ended(first, value)
        assert hypothesis_status(journal.history, journal.history.trials[0]) == status
    unknown = task_of(SPACE)
    [first] = Expert()(unknown, Journal(unknown).history, 1, np.random.default_rng(0))
    assert first.hypothesis is None


def test_a_claim_against_a_failure_is_decided_by_a_result() -> None:
    """What starts from a failed trial claims a result, and a result supports it."""
    journal = journal_of("improving")
    broken = {**journal.history.trials[0].configuration, "hidden": 512}
    journal.ended(Proposal(configuration=broken, by="x"), None, cause="out_of_memory_gpu")
    proposal = next(p for _, p in worded(journal) if p.parent == 1)
    assert proposal.hypothesis is not None
    assert proposal.hypothesis.claim.endswith("brings a result, where trial 1 failed")
    journal.ended(proposal, 0.6)
    assert hypothesis_status(journal.history, journal.history.trials[2]) == "supported"


def boosted(metric: str) -> Journal:
    """A study of one trial of boosted trees: small steps, many trees."""
    space = Space(
        (
            Float("learning_rate", 0.001, 1.0, log=True, default=0.3),
            Int("n_estimators", 100, 500, default=100),
            Int("max_depth", 3, 11, default=6),
            Float("scale_pos_weight", 1.0, 10.0, default=1.0),
        )
    )
    task = Task(name="t", objective=Objective(metric=metric), space=space, model="xgboost")
    journal = Journal(task)
    values = {"learning_rate": 0.02, "n_estimators": 450, "max_depth": 3, "scale_pos_weight": 1.0}
    journal.ended(Proposal(configuration=values, by="expert"), 0.5)
    return journal


def test_what_is_known_speaks_for_a_value_whichever_way_it_lies() -> None:
    """Larger steps are not called small ones, nor fewer trees more of them."""
    told = 0
    for move, proposal in worded(boosted("val_r2")):
        if move.kind != "recipe" or not move.text.startswith("start from what is sensible"):
            continue
        said = proposal.reasons
        assert proposal.configuration["learning_rate"] > 0.02  # type: ignore[operator]
        assert said["learning_rate"].startswith("larger steps: ")
        assert "small" not in said["learning_rate"]
        assert proposal.configuration["n_estimators"] < 450  # type: ignore[operator]
        assert said["n_estimators"].startswith("fewer trees: ")
        assert "more" not in said["n_estimators"]
        told += 1
    assert told == 1


@pytest.mark.parametrize(
    ("metric", "weighs"), [("val_r2", False), ("val_rmse", False), ("f1", True)]
)
def test_a_regression_has_no_rarer_class(metric: str, weighs: bool) -> None:
    """A step of the weight of classes is called what it is: idle where numbers are predicted."""
    journal = boosted(metric)
    evidence = Evidence(journal.task, journal.history, Prior(journal.task))
    before = journal.history.trials[0].configuration
    told = reasons.reason(
        evidence, "scale_pos_weight", {**before, "scale_pos_weight": 2.5}, before, None
    )
    assert ("rarer class" in told) == weighs
    assert ("it weighs classes" in told) != weighs
