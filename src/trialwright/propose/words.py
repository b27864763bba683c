"""Puts a decision of the expert into words: rationale, reasons, hypothesis, category.

It explains what was decided from the evidence that decided it, and decides nothing itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from scipy.special import ndtr

from trialwright.history import Trial
from trialwright.propose.evidence import Evidence
from trialwright.propose.moves import Move
from trialwright.propose.prior import place_of
from trialwright.propose.reasons import because, number, reason, shown
from trialwright.records import Category, Hypothesis, Interval, Proposal
from trialwright.space import Configuration

PARENTS = 3
"""Best trials among which a proposal's parent is looked for."""

_CATEGORY: Mapping[str, Category] = {
    "width": "architecture",
    "layers": "architecture",
    "embedding": "architecture",
    "heads": "architecture",
    "activation": "architecture",
    "normalization": "architecture",
    "pooling": "architecture",
    "kernel": "architecture",
    "booster": "architecture",
    "max_depth": "architecture",
    "max_leaves": "architecture",
    "optimizer": "optimizer",
    "learning_rate": "optimizer",
    "momentum": "optimizer",
    "beta2": "optimizer",
    "batch_size": "optimizer",
    "gradient_clip": "optimizer",
    "epochs": "schedule",
    "n_estimators": "schedule",
    "scheduler": "schedule",
    "warmup": "schedule",
    "weight_decay": "regularization",
    "dropout": "regularization",
    "label_smoothing": "regularization",
    "l1": "regularization",
    "l2_trees": "regularization",
    "split_gain": "regularization",
    "min_leaf": "regularization",
    "min_child_weight": "regularization",
    "subsample": "regularization",
    "colsample": "regularization",
    "inverse_regularization": "regularization",
    "penalty": "regularization",
    "penalty_strength": "regularization",
    "augmentation": "data",
    "class_weight": "data",
}


def opening(evidence: Evidence, configuration: Configuration) -> Proposal:
    """Word the first proposal of a study."""
    prior = evidence.prior
    reasons = {name: _opening_reason(evidence, name, configuration) for name in configuration}
    kind = f" for {prior.family}" if prior.family else ""
    given = len([name for name in configuration if name in prior.space.defaults])
    base = f"the space's own defaults ({given} of {len(configuration)})" if given else "no defaults"
    interval = evidence.interval(configuration)
    return Proposal(
        configuration=dict(configuration),
        by="expert",
        rationale=f"A sensible starting point{kind}, from {base} and what is known to do well"
        " elsewhere: everything that follows is measured against it.",
        reasons=reasons,
        hypothesis=_as_predicted(evidence, interval, subject="The starting point"),
        predicted=interval,
        category="baseline",
    )


def heirloom(evidence: Evidence, configuration: Configuration, trial: Trial) -> Proposal:
    """Word a first proposal under changed code: the best configuration of the code before."""
    return Proposal(
        configuration=configuration,
        by="expert",
        rationale=f"The code has changed, so its results start anew: trial {trial.number} was the"
        " best before, and shows what the change has done.",
        hypothesis=Hypothesis(
            claim=f"The changed code does no worse than trial {trial.number} did",
            expects="no_worse",
            against=trial.number,
        ),
        predicted=evidence.interval(configuration),
        parent=trial.number,
        category="baseline",
    )


def proposal(evidence: Evidence, configuration: Configuration, *, move: Move | None) -> Proposal:
    """Word a proposal that was chosen among candidates."""
    parent = _parent(evidence, configuration, move)
    interval = evidence.interval(configuration)
    before = parent.configuration if parent is not None else evidence.prior.start()
    names = changed(configuration, before)
    reasons = {name: reason(evidence, name, configuration, before, move) for name in names}
    told = because(evidence, names, configuration, before, move) if move is not None else ""
    return Proposal(
        configuration=dict(configuration),
        by="expert",
        rationale=" ".join(
            part
            for part in (
                _from_where(evidence, parent, move),
                _what(configuration, before, names),
                _why(evidence, interval, reason=told),
            )
            if part
        ),
        reasons=reasons,
        hypothesis=_hypothesis(evidence, configuration, parent, names)
        if parent is not None and evidence.model is not None
        else _as_predicted(evidence, interval, subject="This configuration"),
        predicted=interval,
        parent=parent.number if parent is not None else None,
        category=category(evidence, names),
    )


def changed(configuration: Configuration, parent: Configuration) -> list[str]:
    """Return the parameters whose values differ, or that only one of the two has."""
    names = [*configuration, *(name for name in parent if name not in configuration)]
    return [name for name in names if configuration.get(name) != parent.get(name)]


def closest(evidence: Evidence, configuration: Configuration) -> Trial:
    """Return the trial among the best that a configuration differs least from."""
    space = evidence.task.space

    def gap(trial: Trial) -> float:
        return sum(
            abs(place_of(space[n], configuration[n]) - place_of(space[n], trial.configuration[n]))
            if n in configuration and n in trial.configuration
            else 0.5
            for n in changed(configuration, trial.configuration)
        )

    # The best trial is the parent unless another is clearly nearer.
    ranked = list(enumerate(evidence.best[:PARENTS]))
    return min(ranked, key=lambda item: gap(item[1]) * (1.0 if item[0] == 0 else 1.5))[1]


def category(evidence: Evidence, names: list[str]) -> Category:
    """Return what kind of change it is to change these parameters."""
    advice = evidence.prior.advice
    kinds = {
        _CATEGORY.get(advice[name].concept, "hyperparameter")
        if name in advice
        else "hyperparameter"
        for name in names
    }
    return kinds.pop() if len(kinds) == 1 else "multi"


def _parent(evidence: Evidence, configuration: Configuration, move: Move | None) -> Trial | None:
    if move is not None:
        return move.parent
    return closest(evidence, configuration) if evidence.best else None


def _opening_reason(evidence: Evidence, name: str, configuration: Configuration) -> str:
    prior = evidence.prior
    known = prior.settled(name, configuration)
    if name in prior.space.defaults:
        return "the default given for it"
    if known is not None:
        return f"{known.why} ({known.source})" if known.source else known.why
    return "the middle of its range, since nothing is known of it"


def _from_where(evidence: Evidence, parent: Trial | None, move: Move | None) -> str:
    if parent is None:
        return "Nothing has a result yet: this differs from what was tried, and is sensible too."
    metric = evidence.task.objective.metric
    value = evidence.values.get(parent.number)
    if value is None:
        seen = f": {move.seen.rstrip('.')}" if move is not None and move.seen else ""
        return f"Starts from trial {parent.number}, which failed{seen}."
    best = ", the best so far" if evidence.best[0].number == parent.number else ""
    start = f"Starts from trial {parent.number} ({metric} {number(value)}{best})."
    reading = evidence.reading(parent)
    if reading is None or reading.findings in (("no_curve",), ("healthy",)):
        return start
    return f"{start} Seen there: {reading.sentence}"


def _what(configuration: Configuration, before: Configuration, names: list[str]) -> str:
    steps = [
        f"{name} {shown(before[name])} → {shown(configuration[name])}"
        if name in before and name in configuration
        else f"{name} = {shown(configuration[name])}"
        if name in configuration
        else f"{name} no longer applies"
        for name in names
    ]
    return f"Changes {', '.join(steps)}." if steps else ""


def _why(evidence: Evidence, interval: Interval | None, *, reason: str) -> str:
    parts = []
    if reason:
        parts.append(f"Reason: {reason}.")
    if interval is not None and evidence.model is not None:
        count = len(evidence.values)
        results = "1 result" if count == 1 else f"{count} results"
        parts.append(
            f"A model of the {results} expects {evidence.task.objective.metric} between"
            f" {number(interval.low)} and {number(interval.high)}"
            + (
                ", the most promising mix of gain and of what is still unknown."
                if not reason
                else "."
            )
        )
    return " ".join(parts)


def _hypothesis(
    evidence: Evidence, configuration: Configuration, parent: Trial, names: list[str]
) -> Hypothesis:
    """Claim what the result can contradict; the words say what `expects` does, and no more."""
    named = " and ".join(names) if 0 < len(names) < 3 else "several parameters"
    parameter = names[0] if len(names) == 1 else None
    if parent.number not in evidence.values:
        return Hypothesis(
            claim=f"Changing {named} brings a result, where trial {parent.number} failed",
            expects="better",
            against=parent.number,
            parameter=parameter,
        )
    chance = _chance(evidence, configuration, parent)
    metric = evidence.task.objective.metric
    expects: Literal["better", "worse"] = "better" if chance >= 0.5 else "worse"
    claim = (
        f"Changing {named} improves {metric} over trial {parent.number}"
        if expects == "better"
        else f"Exploring {named} stays behind trial {parent.number} in {metric}"
    )
    return Hypothesis(
        claim=f"{claim} (probability of a gain: {chance:.2f})",
        expects=expects,
        against=parent.number,
        parameter=parameter,
    )


def _as_predicted(
    evidence: Evidence, interval: Interval | None, *, subject: str
) -> Hypothesis | None:
    """Claim that the prediction comes true, where there is no trial to compare with; else None."""
    if interval is None:
        return None
    metric = evidence.task.objective.metric
    ends = f"{number(interval.low)} and {number(interval.high)}"
    return Hypothesis(claim=f"{subject} shows {metric} between {ends}", expects="same")


def _chance(evidence: Evidence, configuration: Configuration, parent: Trial) -> float:
    """The probability that one run of a configuration beats what its parent showed."""
    model = evidence.model
    assert model is not None
    mean, sd = model.utility(model.features.of([configuration]))
    value = float(model.scale.to_utility([evidence.values[parent.number]])[0])  # type: ignore[arg-type]
    return float(ndtr((float(mean[0]) - value) / math.sqrt(float(sd[0]) ** 2 + model.run_noise)))
