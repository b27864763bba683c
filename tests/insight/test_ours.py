"""Our own studies as campaigns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.propose.proposer_conformance import MIXED, Journal, task_of
from trialwright.execute.simulate import SimulatedRunner
from trialwright.insight.costs import costs
from trialwright.insight.ours import campaign_of
from trialwright.insight.promises import promises
from trialwright.records import Exchange, Interval, Proposal
from trialwright.space import Float, Space
from trialwright.study import Study
from trialwright.task import Agent, Budget, Objective, Task


def test_a_study_is_a_campaign_of_its_judged_trials(tmp_path: Path) -> None:
    """Metrics, statuses, who proposed what and what was predicted stand there as in the ledger."""
    task = Task(
        name="hill",
        objective=Objective(metric="y"),
        space=Space((Float("x", -1, 1),)),
        function=lambda configuration, seed: 1.0 - float(configuration["x"]) ** 2,
        budget=Budget(trials=6),
    )
    with SimulatedRunner(lambda one, _: 1.0 - float(one["x"]) ** 2, slots=1) as runner:
        history = Study(task, tmp_path, runner=runner).run()
    campaign = campaign_of(history)
    assert (campaign.name, campaign.metric, campaign.direction) == ("hill", "y", "maximize")
    assert [one.metric for one in campaign.experiments] == [t.value for t in history.trials]
    assert campaign.experiments[0].status == "keep"
    assert {one.agent for one in campaign.experiments} == {"expert"}
    best = campaign.best
    assert best is not None
    assert best.metric == max(t.value for t in history.trials if t.value is not None)
    promised = [t.proposal.predicted for t in history.trials]
    assert [one.metrics.get("predicted_low") for one in campaign.experiments] == [
        one.low if one else None for one in promised
    ]
    assert all(one.extra["epoch"] == history.code for one in campaign.experiments)


def test_what_proposers_cost_and_promised() -> None:
    """A member's tokens and dollars are spread over its trials; nobody else pays for them."""
    task = replace(task_of(MIXED), team=("expert", Agent(name="claude", model="nobody:any")))
    journal = Journal(task)
    journal.note(*[
        Exchange(by="claude", purpose="propose", model="any", input_tokens=n, output_tokens=10,
                 usd=0.5) for n in (90, 190)
    ])  # fmt: skip
    for number, by in enumerate(("expert", "claude", "claude")):
        configuration = MIXED.sample(np.random.default_rng(number))
        predicted = Interval(low=0.0, high=2.0, level=0.8) if by == "claude" else None
        proposal = Proposal(configuration=configuration, by=by, predicted=predicted)
        journal.ended(proposal, float(number))
    campaign = campaign_of(journal.history)
    told = [
        (one.metrics.get("llm_tokens"), one.metrics.get("llm_usd")) for one in campaign.experiments
    ]
    assert told == [(None, None), (150.0, 0.5), (150.0, 0.5)]
    assert promises(campaign).values["level"] == 0.8
    spent = costs(campaign).values
    assert (spent["tokens"], spent["tokens_known"], spent["usd"]) == (300.0, 2, 1.0)
