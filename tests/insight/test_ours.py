"""Our own studies as campaigns."""

from __future__ import annotations

from pathlib import Path

from trialwright.execute.simulate import SimulatedRunner
from trialwright.insight.ours import campaign_of
from trialwright.space import Float, Space
from trialwright.study import Study
from trialwright.task import Budget, Objective, Task


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
