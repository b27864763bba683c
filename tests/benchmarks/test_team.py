"""The team's benchmark: its bad members really are bad, its oracle knows, its figures add up."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import saboteurs, synthetic, team
from tests.propose.proposer_conformance import Journal
from trialwright.admission import ask, sift


@pytest.mark.parametrize("name", synthetic.NAMES)
def test_the_oracle_knows_the_best(name: str) -> None:
    """What is known of a synthetic task lies at its best value, and no random draw comes near."""
    space = synthetic.SPACES[name]
    known = [synthetic.value(name, c, 100) for c in synthetic.known(name, 100, 60)]
    assert len(known) == 60
    assert known == sorted(known, reverse=True)
    assert known[0] == pytest.approx(synthetic.BEST, abs=0.02)
    rng = np.random.default_rng(0)
    drawn = [synthetic.value(name, space.sample(rng), 100) for _ in range(200)]
    assert np.mean(drawn) < min(known)


def test_the_hostile_member_does_all_that_it_should() -> None:
    """In turn it gives garbage, raises, leaves the space, repeats, and lies about a corner."""
    journal = Journal(synthetic.task_of("forest"))
    journal.drawn(3)
    faults, admitted, raised = [], 0, 0
    for _ in range(10):
        try:
            offered = saboteurs.Hostile()(journal.task, journal.history, 1, np.random.default_rng())
        except RuntimeError:
            raised += 1
            offered = []
        sifted = sift(offered, journal.history, n=1, code=journal.history.code)
        faults += [fault for refusal in sifted.refusals for fault in refusal.faults]
        admitted += len(sifted.admissions)
        journal.drawn(1)
    assert raised == 2
    assert any("is not a Proposal" in fault for fault in faults)
    assert any("the same configuration as trial 0" in fault for fault in faults)
    assert any("max_depth" in fault for fault in faults)
    assert admitted == 2


def test_the_useless_member_is_legal_new_and_bad() -> None:
    """Twenty proposals in a row are admitted, and each is worse than the default."""
    journal = Journal(synthetic.task_of("network"))
    default = synthetic.value("network", {**_default("network")}, 100)
    for _ in range(20):
        [admission] = ask(
            saboteurs.Useless(), journal.task, journal.history, n=1, seed=0
        ).admissions
        assert admission.proposal.by == saboteurs.NAME
        found = synthetic.value("network", admission.proposal.configuration, 100)
        assert found < default
        journal.ended(admission.proposal, found)


def test_figures_say_what_a_member_costs_and_what_the_oracle_has() -> None:
    """A loss is positive where the team is worse; the last line has the keys and the targets."""
    tasks = ("forest",)
    results = [[team.play("forest", seed, 6) for seed in (100, 101)]]
    summary = team.figures(tasks, results, trials=6, quick=False)
    for kind in team.KINDS:
        assert all(len(played.traces[kind]) == 6 for played in results[0])
    assert summary["regret"]["oracle"]["6"] < summary["regret"]["expert"]["6"]
    useless = summary["regret"]["useless"]["6"] - summary["regret"]["expert"]["6"]
    assert summary["loss"]["useless"] == pytest.approx(useless, abs=2e-4)
    assert summary["hostile_upper95"] == max(summary["upper95"].values())
    assert summary["oracle_share"] > 0.5
    assert set(summary["targets"]) == {"hostile_upper95", "oracle_share"}
    assert "oracle" in team.table(tasks, results, 6)


def _default(name: str) -> dict[str, object]:
    return {parameter.name: parameter.default for parameter in synthetic.SPACES[name].parameters}
