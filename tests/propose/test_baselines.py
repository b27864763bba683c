"""What a random proposer promises: legal, new, even over the space, honest about its chances."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.histories import Recorder, network_task
from trialwright.errors import SpaceError
from trialwright.history import History
from trialwright.propose.baselines import Random
from trialwright.records import Observation, Proposal
from trialwright.space import Choice, Float, Int, Space
from trialwright.task import Objective, Task

CONDITIONAL = Space(
    (
        Int("depth", 1, 3),
        Choice("booster", ("tree", "dart")),
        Float("drop", 0.0, 0.5, step=0.25, when="booster == 'dart'"),
    ),
    ("depth != 2 or booster == 'tree'",),
)
"""Nine legal configurations: three trees, and three drops at each of two depths."""


def task_over(space: Space) -> Task:
    """A task over `space` that nobody runs."""
    return Task(name="t", objective=Objective(metric="y"), space=space, command=("true",))


def done(recorder: Recorder, proposal: Proposal, value: float) -> None:
    """Admit a proposal and let it show `value`."""
    key = recorder.launch(recorder.admit(proposal))
    recorder.observe(Observation(run=key, outcome="done", value=value, metrics={"y": value}))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_every_draw_is_legal(seed: int) -> None:
    """Conditions and constraints hold in whatever is drawn, and no two draws are the same."""
    drawn = Random()(task_over(CONDITIONAL), History(), 5, np.random.default_rng(seed))
    assert [CONDITIONAL.check(p.configuration) for p in drawn] == [()] * 5
    assert len({CONDITIONAL.key(p.configuration) for p in drawn}) == 5


def test_a_finite_space_is_used_up_to_the_last_cell(tmp_path: Path) -> None:
    """All nine legal configurations come, whatever is pending, and then nothing."""
    task = task_over(CONDITIONAL)
    recorder = Recorder(tmp_path, task)
    for seed in range(9):
        (proposal,) = Random()(task, recorder.history, 1, np.random.default_rng(seed))
        recorder.admit(proposal)
    keys = {CONDITIONAL.key(trial.configuration) for trial in recorder.history.trials}
    assert len(keys) == 9
    assert Random()(task, recorder.history, 3, np.random.default_rng(0)) == []
    recorder.ledger.close()


def test_draws_cover_the_space_evenly() -> None:
    """On a log scale each decade gets its share: within 4 standard errors of a quarter."""
    space = Space((Float("lr", 1e-4, 1.0, log=True),))
    drawn = Random()(task_over(space), History(), 400, np.random.default_rng(0))
    decades = np.floor(np.log10([float(p.configuration["lr"]) for p in drawn]))  # type: ignore[arg-type]
    for decade in (-4, -3, -2, -1):
        assert abs(np.mean(decades == decade) - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 400)


def test_the_interval_holds_at_its_stated_level(tmp_path: Path) -> None:
    """Of many studies, the next random value lies in the predicted interval as often as it says."""
    task = network_task()
    recorder = Recorder(tmp_path, task)
    rng = np.random.default_rng(3)
    for value in rng.normal(size=7):
        (proposal,) = Random()(task, recorder.history, 1, rng)
        assert proposal.predicted is None or len(recorder.history.trials) >= 5
        done(recorder, proposal, float(value))
    (proposal,) = Random()(task, recorder.history, 1, rng)
    recorder.ledger.close()
    assert proposal.predicted is not None
    assert proposal.predicted.level == pytest.approx(6 / 8)
    samples = rng.normal(size=(20_000, 8))
    inside = (samples[:, 7] > samples[:, :7].min(1)) & (samples[:, 7] < samples[:, :7].max(1))
    assert inside.mean() == pytest.approx(proposal.predicted.level, abs=0.02)
    assert proposal.hypothesis is not None
    assert proposal.hypothesis.expects == "worse"


def test_impossible_constraints_are_said_to_be(tmp_path: Path) -> None:
    """A space that nothing satisfies is an error that names the constraints, not a hang."""
    space = Space((Float("x", 0.0, 1.0),), ("x > 2",))
    with pytest.raises(SpaceError, match="x > 2"):
        Random()(task_over(space), History(), 1, np.random.default_rng(0))


def test_a_new_code_version_may_repeat(tmp_path: Path) -> None:
    """What ran under other files is no repeat: a space used up is open again after a change."""
    space = Space((Choice("a", (1, 2)),))
    task = task_over(space)
    recorder = Recorder(tmp_path, task)
    for proposal in Random()(task, recorder.history, 2, np.random.default_rng(0)):
        recorder.admit(proposal)
    assert Random()(task, recorder.history, 1, np.random.default_rng(1)) == []
    changed = next(iter(recorder.history.codes.values()))
    recorder.note(type(changed)(id="another", files=changed.files))
    assert len(Random()(task, recorder.history, 2, np.random.default_rng(1))) == 2
    recorder.ledger.close()
