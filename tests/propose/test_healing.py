"""Which child code proposes for which failure: legal, new, one thing changed, and bounded."""

from __future__ import annotations

import pytest

from trialwright.expression import Scalar
from trialwright.history import History
from trialwright.propose.executor import REPAIR
from trialwright.propose.healing import heal, outcome, repair_by_hand
from trialwright.records import (
    Admission,
    Cause,
    CodeVersion,
    Entry,
    Launch,
    Observation,
    Opened,
    Outcome,
    Proposal,
    Record,
    RunKey,
)
from trialwright.space import Choice, Float, Int, Ordinal, Parameter, Space
from trialwright.task import Objective, Task

Values = dict[str, Scalar]


def study(space: Space, *trials: tuple[Values, Cause | None, Proposal | None]) -> History:
    """A history whose trials ended with a cause each; None: well."""
    task = Task(name="t", objective=Objective(metric="y"), space=space, command=("true",))
    records: list[Record] = [Opened(task=task, seed=0, version="0"), CodeVersion(id="c")]
    for number, (values, cause, proposal) in enumerate(trials):
        made = proposal or Proposal(configuration=space.complete(values), by="expert")
        run = RunKey(number, 0, 0)
        ended: Outcome = "done" if cause is None else "failed"
        records += [
            Admission(number=number, proposal=made, code="c"),
            Launch(run=run, seed=1, command=("true",), machine="m"),
            Observation(run=run, outcome=ended, value=1.0 if cause is None else None, cause=cause),
        ]
    return History([Entry(place + 1, 1.0 + place, record) for place, record in enumerate(records)])


def cured(
    cause: Cause, values: Values, *parameters: Parameter, constraints: tuple[str, ...] = ()
) -> Values | None:
    """What is changed in `values` after they failed; None where there is no remedy."""
    space = Space(parameters, constraints)
    history = study(space, (values, cause, None))
    proposal = heal(history, history.trials[0].run.observation)
    if proposal is None:
        return None
    assert space.check(proposal.configuration) == ()
    assert set(proposal.reasons) == {
        name
        for name, value in proposal.configuration.items()
        if history.trials[0].configuration.get(name) != value
    }
    return {name: proposal.configuration[name] for name in proposal.reasons}


LR = Float("lr", 1e-5, 1.0, log=True)


@pytest.mark.parametrize(
    ("parameter", "before", "after"),
    [
        (Int("batch_size", 8, 512, log=True), 512, 256),
        (Int("batch_size", 8, 512), 9, 8),
        (Int("batch_size", 8, 512), 8, None),
        (Int("batch_size", 32, 512, step=32), 96, 32),
        (Int("batch_size", 32, 512, step=32), 64, 32),
        (Ordinal("bs", (16, 32, 64)), 64, 32),
        (Ordinal("bs", (48, 56, 64)), 64, 56),
        (Ordinal("bs", (16, 24, 32, 48, 64)), 64, 32),
        (Ordinal("bs", (16, 32)), 16, None),
        (Choice("train_batch_size", (128, 32, 64)), 128, 64),
        (Choice("batch", ("auto", "full")), "full", None),
    ],
)
@pytest.mark.parametrize("cause", ["out_of_memory_gpu", "out_of_memory_host"])
def test_half_the_batch_in_every_kind_of_domain(
    cause: Cause, parameter: Parameter, before: Scalar, after: Scalar
) -> None:
    """Half where the domain has it, else the next below; nothing where there is nothing below."""
    wanted = None if after is None else {parameter.name: after}
    assert cured(cause, {parameter.name: before}, parameter, LR) == wanted


def test_without_a_batch_what_else_takes_memory_is_made_less() -> None:
    """The knowledge base says what raises memory: the width of a network, say."""
    hidden = Int("hidden_size", 16, 512, log=True)
    assert cured("out_of_memory_gpu", {"hidden_size": 512}, hidden, LR) == {"hidden_size": 256}
    assert cured("out_of_memory_gpu", {"x": 1.0}, Float("x", 0.0, 1.0)) is None


def test_what_a_constraint_ties_to_the_batch_moves_with_it() -> None:
    """An effective batch of 256 stays one: half the batch, accumulated twice as often."""
    found = cured(
        "out_of_memory_gpu",
        {"batch_size": 128, "accumulate": 2},
        Ordinal("batch_size", (32, 64, 128)),
        Ordinal("accumulate", (1, 2, 4, 8)),
        constraints=("batch_size * accumulate == 256",),
    )
    assert found == {"batch_size": 64, "accumulate": 4}


def test_a_constraint_that_forbids_half_gets_what_it_allows() -> None:
    """Where a floor forbids half of it, no child is proposed rather than an illegal one."""
    found = cured(
        "out_of_memory_gpu",
        {"batch_size": 128},
        Ordinal("batch_size", (32, 64, 128)),
        constraints=("batch_size >= 100",),
    )
    assert found is None


@pytest.mark.parametrize(
    ("values", "parameters", "after"),
    [
        ({"lr": 0.9}, (LR,), {"lr": 0.3}),
        ({"lr": 1e-5}, (LR,), None),
        ({"lr": 0.1}, (Ordinal("lr", (0.01, 0.05, 0.1)),), {"lr": 0.01}),
        ({"lr": 1e-5, "clip": None}, (LR, Choice("clip", (None, 0.5, 2.0))), {"clip": 0.5}),
        ({"grad_clip": 0.0}, (Float("grad_clip", 0.0, 10.0),), {"grad_clip": 1.0}),
        ({"grad_clip": False}, (Choice("grad_clip", (False, True)),), {"grad_clip": True}),
        ({"grad_clip": 6.0}, (Float("grad_clip", 0.0, 10.0),), {"grad_clip": 2.0}),
    ],
)
def test_divergence_calls_for_smaller_steps_or_clipping(
    values: Values, parameters: tuple[Parameter, ...], after: Values | None
) -> None:
    """A third of the learning rate; clipping on where there is no rate to lower, or harder."""
    assert cured("diverged", values, *parameters) == after


@pytest.mark.parametrize("cause", ["import_error", "transient", "other", "timed_out", "no_metric"])
def test_other_causes_get_no_child(cause: Cause) -> None:
    """What no smaller batch and no calmer step cures is left to others."""
    assert cured(cause, {"batch_size": 64, "lr": 0.1}, Ordinal("batch_size", (32, 64)), LR) is None


def test_a_remedy_that_is_known_to_run_is_not_proposed_again() -> None:
    """Half the batch was tried and ran: no child. It was tried and failed: a quarter."""
    space = Space((Ordinal("batch_size", (16, 32, 64)),))
    gpu: Cause = "out_of_memory_gpu"
    ran = study(space, ({"batch_size": 32}, None, None), ({"batch_size": 64}, gpu, None))
    assert heal(ran, ran.trials[1].run.observation) is None
    failed = study(space, ({"batch_size": 32}, gpu, None), ({"batch_size": 64}, gpu, None))
    proposal = heal(failed, failed.trials[1].run.observation)
    assert proposal is not None
    assert proposal.configuration == {"batch_size": 16}


def test_what_became_of_a_remedy_is_told_of_remedies_alone() -> None:
    """A trial of anybody else's says nothing, nor does a failure that needs no hands."""
    space = Space((Ordinal("batch_size", (32, 64)),))
    history = study(space, ({"batch_size": 32}, None, None))
    assert outcome(history, history.trials[0]) is None
    assert repair_by_hand(history.trials[0].run.observation) is None


def test_a_models_repair_is_told_of_too() -> None:
    """What the Executor proposed for a failed run is verified like a remedy of code."""
    space = Space((Ordinal("batch_size", (32, 64)),))
    repair = Proposal(
        configuration={"batch_size": 32},
        by="claude",
        parent=0,
        rationale=f"{REPAIR} 0: the buffer is too small for 64",
    )
    history = study(space, ({"batch_size": 64}, "other", None), ({}, None, repair))
    notice = outcome(history, history.trials[1])
    assert notice is not None
    assert notice.text == "trial 1 healed trial 0: it ran with batch_size = 32"
