"""Studies in a storage of Optuna's as campaigns: a trial that has ended is an experiment."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

import optuna
from optuna.trial import FrozenTrial, TrialState

from trialwright.campaigns.campaign import Campaign, Experiment, Status
from trialwright.errors import CampaignError
from trialwright.expression import Scalar
from trialwright.optuna.storages import every, explained, shown
from trialwright.optuna.trials import proposal_of
from trialwright.propose.mirror import quiet

STATUSES: Mapping[TrialState, Status] = {
    TrialState.COMPLETE: "other",
    TrialState.PRUNED: "discard",
    TrialState.FAIL: "crash",
}
"""What a state means; whether a complete trial was kept, its value says."""


def campaigns_stored(url: str, name: str | None = None) -> list[Campaign]:
    """Return the studies of a storage, or the one called `name`.

    Raises:
        StudyError: the storage can't be read, or holds no such study.
        CampaignError: its studies have no trial that has ended, or more than one objective.
    """
    found: list[Campaign] = []
    left: list[str] = []
    with quiet(), explained(url):
        for study in every(url, name):
            if len(study.directions) > 1:
                goals = len(study.directions)
                left.append(f"{study.study_name!r} has {goals} objectives; measures are about one")
                continue
            campaign = campaign_stored(study, shown(url))
            if campaign.experiments:
                found.append(campaign)
            else:
                left.append(f"{study.study_name!r} has no trial that has ended")
    if not found:
        raise CampaignError(f"{shown(url)}: nothing to analyse: {'; '.join(left) or 'no study'}")
    return found


def campaign_stored(study: optuna.Study, where: str) -> Campaign:
    """Return a study with one objective as a campaign, in the order of its trials' numbers."""
    trials = study.get_trials(deepcopy=False)
    ended = [trial for trial in trials if trial.state.is_finished()]
    going = Counter(trial.state.name.lower() for trial in trials if not trial.state.is_finished())
    metric = (study.metric_names or ["value"])[0]
    return Campaign(
        name=study.study_name,
        metric=metric,
        direction="maximize" if study.direction.name == "MAXIMIZE" else "minimize",
        direction_from="the study says so",
        experiments=tuple(_experiment(trial, place) for place, trial in enumerate(ended, 1)),
        dialect="Optuna",
        why=(f"a study in {where}",),
        notes=tuple(f"left out: {count} {state}" for state, count in going.items()),
    )


def _experiment(trial: FrozenTrial, place: int) -> Experiment:
    value = trial.value if trial.state is TrialState.COMPLETE else None
    finite = value is not None and math.isfinite(value)
    status = STATUSES[trial.state] if finite or value is None else "crash"
    configuration = {name: _scalar(inner) for name, inner in trial.params.items()}
    told = proposal_of(trial, configuration)
    ours = told.by != "optuna"
    predicted = told.predicted
    began, ended = trial.datetime_start, trial.datetime_complete
    return Experiment(
        number=place,
        line=trial.number,
        metric=value if finite else None,
        status=status,
        word=trial.state.name.lower(),
        description=told.rationale or str(trial.system_attrs.get("fail_reason", "")),
        label=str(trial.number),
        category=told.category if ours else None,
        agent=told.by if ours else None,
        configuration=configuration or None,
        at=began.timestamp() if began else None,
        seconds=(ended - began).total_seconds() if began and ended else None,
        metrics=_numbers(trial.user_attrs)
        | ({} if predicted is None else {
            "predicted_low": predicted.low, "predicted_high": predicted.high
        }),
    )  # fmt: skip


def _numbers(attributes: Mapping[str, object]) -> dict[str, float]:
    """The numbers among a trial's own attributes."""
    return {
        name: float(value)
        for name, value in attributes.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }


def _scalar(value: object) -> Scalar:
    return value if isinstance(value, bool | int | float | str) or value is None else str(value)
