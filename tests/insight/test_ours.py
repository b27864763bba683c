"""Our own studies as campaigns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.histories import DEFAULTS, NETWORK, study_history
from tests.propose.proposer_conformance import MIXED, Journal, task_of
from trialwright.execute.simulate import SimulatedRunner
from trialwright.expression import Scalar
from trialwright.insight.costs import costs
from trialwright.insight.entropy import categories
from trialwright.insight.ours import campaign_of
from trialwright.insight.promises import promises
from trialwright.insight.rates import success
from trialwright.insight.strides import strides
from trialwright.records import Exchange, Interval, Proposal
from trialwright.report.final import calibration
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


def test_kinds_are_of_the_settings_that_differ() -> None:
    """What is drawn at random is a change, of the kinds it touches; the first trial is none."""
    task = replace(task_of(NETWORK), objective=Objective(metric="y"))
    journal = Journal(task)
    start = {**DEFAULTS}
    changes: list[tuple[str, int | None, dict[str, Scalar]]] = [
        ("expert", None, {}),
        ("random", None, {"dropout": 0.4}),
        ("tpe", 0, {"learning_rate": 0.1, "hidden": 500}),
        ("tpe", 0, {"learning_rate": 0.1, "hidden": 65}),
        ("grid", None, {"optimizer": "sgd", "momentum": 0.9}),
        ("user", None, {"hidden": 20}),
    ]
    for number, (by, parent, settings) in enumerate(changes):
        configuration = {**start, **settings}
        journal.ended(
            Proposal(configuration=configuration, by=by, parent=parent, category="baseline"
                     if by in ("random", "user", "grid") or not number else "multi"),
            -float(number),
        )  # fmt: skip
    found = campaign_of(journal.history).experiments
    assert [one.category for one in found] == [
        "baseline", "regularization", "multi", "hyperparameter", "optimizer", "baseline",
    ]  # fmt: skip
    assert found[2].extra["touched"] == "hyperparameter, architecture"
    assert found[1].extra["declared"] == "baseline"
    told = categories(campaign_of(journal.history))
    assert "Alone or with others, so often each: hyperparameter 2" in told.sentence
    assert told.values["n"] == 4


def test_a_promise_is_held_against_the_first_seed(tmp_path: Path) -> None:
    """As in the report: a prediction is of one run, not of a mean over seeds."""
    history = study_history(tmp_path, trials=24, replicates=3)
    campaign, held = campaign_of(history), calibration(history)
    found = promises(campaign).values
    assert held is not None
    assert (found["inside"], found["n"]) == (held.inside, held.total)
    several = [trial for trial in history.trials if len(trial.values) > 1]
    rows = {one.line: one for one in campaign.experiments}
    assert several
    for trial in several:
        one = rows[trial.number]
        assert one.metric != trial.values[0]
        assert one.metrics.get("predicted_result", trial.values[0]) == trial.values[0]


def test_unconfirmed_is_neither_kept_nor_discarded(tmp_path: Path) -> None:
    """What leads by single runs alone is told as undecided; all measures count it alike."""
    history = study_history(tmp_path)
    campaign = campaign_of(history)
    words = [one.word for one in campaign.experiments if one.status == "other"]
    assert set(words) == {"unconfirmed"}
    gained = strides(campaign).values["gains"]
    assert costs(campaign).values["improvements"] == gained
    assert f"{len(words)}" in success(campaign).sentence
