"""One of our studies as a campaign: a trial that has ended is an experiment."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from trialwright.analysis.standing import cost
from trialwright.campaigns.campaign import Campaign, Experiment, Status
from trialwright.history import History, Trial
from trialwright.insight.changes import kinds_changed
from trialwright.llm.providers import context_tokens
from trialwright.records import Category, Exchange
from trialwright.research.naming import title
from trialwright.task import Agent

STATUSES: Mapping[str, Status] = {
    "kept": "keep",
    "discarded": "discard",
    "unconfirmed": "other",
    "failed": "crash",
}
"""What a verdict is called in a log; `unconfirmed` is neither kept nor turned down yet."""

USER = "user"
"""By whom the start configurations of a study file are proposed."""


def campaign_of(history: History) -> Campaign:
    """Return a study as a campaign: its judged trials, in the order of their numbers.

    A trial's metric is the mean over its seeds, its agent who proposed it, its category what its
    edit shows, or of which kind the settings are that it changes. Baselines are only the first
    trial, the user's own starts, and what a proposer takes over from the code before. `extra` holds
    the code version (`epoch`), all kinds that a trial touches (`touched`), the kind as it was
    declared and the parent's number; `metrics`, whatever else was reported, what was predicted
    (`predicted_low`, `predicted_high`, `predicted_level`) with the result that it is held against,
    the first seed's (`predicted_result`), what its proposer can read at once (`context_tokens`),
    and of what the proposer's conversations took in all, spread evenly over its trials, this
    trial's part (`llm_tokens`, `llm_usd`).

    Raises:
        LedgerError: the history holds no study.
    """
    task = history.task
    judged = [trial for trial in history.trials if trial.verdict is not None]
    shares = _shares(history, judged)
    touched = kinds_changed(history)
    experiments = [
        _experiment(trial, number, shares.get(trial.proposal.by, {}), touched=touched[trial.number])
        for number, trial in enumerate(judged, 1)
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


def _shares(history: History, judged: Sequence[Trial]) -> dict[str, dict[str, float]]:
    """Each proposer's tokens and dollars per trial, and what it can read at once, where known."""
    counts = Counter(trial.proposal.by for trial in judged)
    asked: dict[str, list[Exchange]] = {}
    for exchange in history.exchanges:
        asked.setdefault(exchange.by, []).append(exchange)
    found: dict[str, dict[str, float]] = {}
    for name, exchanges in asked.items():
        if trials := counts[name]:
            spent = cost(exchanges)
            found[name] = {"llm_tokens": spent.tokens / trials}
            found[name] |= {} if spent.usd is None else {"llm_usd": spent.usd / trials}
    for member in history.task.team:
        if isinstance(member, Agent) and (size := context_tokens(member)):
            found.setdefault(member.name, {})["context_tokens"] = float(size)
    return found


def _experiment(
    trial: Trial, number: int, shares: Mapping[str, float], *, touched: Sequence[Category]
) -> Experiment:
    proposal, verdict = trial.proposal, trial.verdict
    assert verdict is not None
    values = list(trial.values.values())
    mean = math.fsum(values) / len(values) if values else None
    edit = proposal.edit
    observed = [run.observation for run in trial.runs if run.observation is not None]
    first = observed[0] if observed else None
    peak = None if first is None else first.peak_memory_bytes
    return Experiment(
        number=number,
        line=trial.number,
        metric=mean if mean is not None and math.isfinite(mean) else None,
        status=STATUSES[verdict.status],
        word=verdict.status,
        description=title(proposal) or proposal.rationale,
        label=str(trial.number),
        category=_category(trial, touched),
        agent=proposal.by,
        configuration=dict(trial.configuration) or None,
        memory_gb=None if peak is None else peak / 1e9,
        at=trial.admitted_at,
        seconds=math.fsum(one.seconds for one in observed) if observed else None,
        metrics=dict(first.metrics if first else {}) | promised(trial) | dict(shares),
        extra={
            "epoch": trial.code,
            "parent": "" if proposal.parent is None else str(proposal.parent),
            "declared": proposal.category,
            "touched": ", ".join(touched if edit is None else (edit.inferred,)),
            "tree": trial.tree,
        },
    )


def _category(trial: Trial, touched: Sequence[Category]) -> Category:
    """What kind of change a trial is: of its edit, else of the settings that it changes."""
    proposal = trial.proposal
    if proposal.edit is not None:
        return proposal.edit.inferred
    # Proposers that look at no result call all that they draw a baseline.
    given = proposal.by == USER or proposal.parent is not None
    if trial.number == 0 or (proposal.category == "baseline" and given):
        return "baseline"
    if touched:
        return touched[0] if len(touched) == 1 else "multi"
    return proposal.category


def promised(trial: Trial) -> dict[str, float]:
    """Return what was predicted for a trial, and the result that it is held against.

    That is its first seed's, as in the report: a prediction is of one run. Without the result where
    the code changed between the two.
    """
    predicted = trial.proposal.predicted
    if predicted is None:
        return {}
    found = {
        "predicted_low": predicted.low,
        "predicted_high": predicted.high,
        "predicted_level": predicted.level,
    }
    value = trial.values.get(0, trial.value)
    if value is None or trial.admission.code != trial.code:
        return found
    return {**found, "predicted_result": value}
