"""One of our studies as a campaign: a trial that has ended is an experiment."""

from __future__ import annotations

import math
from collections.abc import Mapping

from trialwright.campaigns.campaign import Campaign, Experiment, Status
from trialwright.history import History, Trial

STATUSES: Mapping[str, Status] = {
    "kept": "keep",
    "discarded": "discard",
    "unconfirmed": "discard",
    "failed": "crash",
}
"""What a verdict is called in a log; `unconfirmed` is not kept yet."""


def campaign_of(history: History) -> Campaign:
    """Return a study as a campaign: its judged trials, in the order of their numbers.

    A trial's metric is the mean over its seeds, its agent who proposed it, its category what its
    edit shows, or what was declared. `extra` holds the code version (`epoch`), the verdict's own
    word and the parent's number; `metrics`, whatever else was reported, and what was predicted
    (`predicted_low`, `predicted_high`).

    Raises:
        LedgerError: the history holds no study.
    """
    task = history.task
    experiments = [
        _experiment(trial, place + 1)
        for place, trial in enumerate(t for t in history.trials if t.verdict is not None)
    ]
    return Campaign(
        name=task.name,
        metric=task.objective.metric,
        direction=task.objective.direction,
        direction_from="the study's goal",
        experiments=tuple(experiments),
        dialect="trialwright",
        why=("it is a ledger of ours",),
    )


def _experiment(trial: Trial, number: int) -> Experiment:
    proposal, verdict = trial.proposal, trial.verdict
    assert verdict is not None
    values = list(trial.values.values())
    mean = math.fsum(values) / len(values) if values else None
    edit = proposal.edit
    observed = [run.observation for run in trial.runs if run.observation is not None]
    predicted = proposal.predicted
    promised = (
        {} if predicted is None
        else {"predicted_low": predicted.low, "predicted_high": predicted.high}
    )  # fmt: skip
    first = observed[0] if observed else None
    peak = None if first is None else first.peak_memory_bytes
    return Experiment(
        number=number,
        line=trial.number,
        metric=mean if mean is not None and math.isfinite(mean) else None,
        status=STATUSES[verdict.status],
        word=verdict.status,
        description=(edit.summary if edit else "") or proposal.rationale,
        label=str(trial.number),
        category=proposal.category if edit is None else edit.inferred,
        agent=proposal.by,
        configuration=dict(trial.configuration) or None,
        memory_gb=None if peak is None else peak / 1e9,
        at=trial.admitted_at,
        seconds=math.fsum(one.seconds for one in observed) if observed else None,
        metrics=dict(first.metrics if first else {}) | promised,
        extra={
            "epoch": trial.code,
            "parent": "" if proposal.parent is None else str(proposal.parent),
            "declared": proposal.category,
            "tree": trial.tree,
        },
    )
