"""What models claim beside their proposals: taken up, tested by trials, or told what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.llm.servers import FINAL, Calls, change, playing, serving, told
from tests.llm.tasks import agent, asked, ran, task
from trialwright.analysis.claims import standings
from trialwright.task import Seeds

SLOW = {"text": "Deeper is better.", "extents": ["depth"], "expect": "better"}


def answer(*claims: dict[str, Any]) -> Calls:
    """A proposal with claims beside it."""
    return Calls(FINAL, {"proposals": [change("rate", 0.35)], "claims": list(claims)})


def test_what_a_model_claims_is_recorded_and_tested(tmp_path: Path) -> None:
    """Its claim is in the ledger before its own trial, and the inquirer experiments on it."""
    with serving("openai", playing(answer(SLOW), answer())) as server:
        what = task(agent(server), "inquirer", trials=8, seeds=Seeds(screen=2))
        history = ran(what, tmp_path)
    [standing] = standings(history)
    assert (standing.claim.by, standing.claim.what) == ("model", "direction")
    assert standing.claim.sense == "higher"
    first = next(trial for trial in history.trials if trial.proposal.by == "model")
    assert standing.claimed.trials <= first.number
    assert [t.proposal.by for t in history.trials if t.proposal.tests == 0][:1] == ["inquirer"]
    assert all(trial.proposal.claims == () for trial in history.trials)


def test_a_claim_that_cannot_be_tested_is_told(tmp_path: Path) -> None:
    """The model reads why and may put it right; its proposal is not lost over it."""
    wrong = {"text": "No.", "extents": ["depht"]}
    with serving("openai", playing(answer(wrong), answer(SLOW))) as server:
        history = ran(task(agent(server), "inquirer", trials=1), tmp_path)
    assert asked(history)[0].repairs == ("claim",)
    assert (
        "claim 1: depht is no parameter; did you mean depth?"
        in told(server.requests[-1], "openai")[-1]
    )
    assert len(history.claims) == 1


def test_nobody_is_asked_for_claims_that_nobody_would_test(tmp_path: Path) -> None:
    """Without the inquirer in the team the answer has no room for them, and costs no more."""
    with serving("openai", playing(answer(SLOW))) as server:
        history = ran(task(agent(server), trials=1), tmp_path)
    assert history.claims == []
    assert "extents" not in str(server.requests[0].body)
