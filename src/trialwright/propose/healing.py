"""Remedies that code knows: from a run that failed to a child of its trial that should run.

Out of memory calls for a smaller batch, divergence for a lower learning rate or for clipping. Which
parameter is which, the knowledge base says. What it returns is a proposal like any other: checked,
run, and told of afterwards. It touches no script and no file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeGuard

from trialwright.expression import Scalar, names
from trialwright.history import History, Trial
from trialwright.propose.executor import REPAIR
from trialwright.propose.prior import Prior, levels_of, nearest, snapped
from trialwright.records import Category, Cause, Hypothesis, Notice, Observation, Proposal
from trialwright.space import Configuration, Float, Int, Parameter

HEALER = "healer"
"""Stands in `Proposal.by`."""

GENERATIONS = 2
"""Remedies in a row: what fails after them fails for another reason."""

SMALLER = 2.0
"""By what a batch is divided."""

CALMER = 3.0
"""By what a learning rate is divided."""

CLIP = 1.0
"""Norm at which gradients are clipped where they were not: Pascanu et al. 2013, figure 6."""

_MEMORY: frozenset[Cause] = frozenset({"out_of_memory_gpu", "out_of_memory_host"})
_CURED: frozenset[Cause] = _MEMORY | {"diverged"}

_WORDS: Mapping[str, str] = {
    "out_of_memory_gpu": "ran out of GPU memory",
    "out_of_memory_host": "ran out of memory",
    "diverged": "diverged",
}
_ENVIRONMENT: frozenset[Cause] = frozenset({"import_error", "missing_file", "command_not_found"})


@dataclass(frozen=True, slots=True)
class _Cure:
    """One thing to change, and why."""

    parameter: str
    value: Scalar
    why: str


def heal(history: History, observation: Observation) -> Proposal | None:
    """Return the child that should run where a trial's first seed failed; None if there is none.

    It changes one parameter, and what a constraint ties to it. A trial that is the last of
    `GENERATIONS` remedies gets none, nor does one whose remedy was tried and did not fail.
    """
    trial = history.trials[observation.run.trial]
    cause = observation.cause
    if observation.outcome != "failed" or observation.run.seed != 0 or cause not in _CURED:
        return None
    remedies = _generation(history, trial)
    if remedies >= GENERATIONS:
        return None
    prior = Prior(history.task)
    for cure in _cures(cause, prior, trial.configuration, again=remedies > 0):
        child = _child(prior, trial.configuration, cure)
        if child is None:
            continue
        tried = history.seen(child, code=history.code)
        if tried is None:
            return _proposal(trial, cause, cure, child)
        if history.trials[tried].state != "failed":
            return None
    return None


def outcome(history: History, trial: Trial) -> Notice | None:
    """Say whether a remedy helped, code's or a model's, once its trial has ended; else None."""
    parent, observation = trial.proposal.parent, trial.run.observation if trial.run else None
    if parent is None or observation is None or observation.outcome not in ("done", "failed"):
        return None
    if trial.proposal.by != HEALER and not trial.proposal.rationale.startswith(
        f"{REPAIR} {parent}:"
    ):
        return None
    before = history.trials[parent].configuration
    changed = [item for item in trial.configuration.items() if item not in before.items()]
    what = ", ".join(f"{name} = {value}" for name, value in changed)
    if observation.outcome == "done":
        text = f"trial {trial.number} healed trial {parent}: it ran with {what}"
    else:
        cause = (observation.cause or "other").replace("_", " ")
        text = f"trial {trial.number} did not heal trial {parent}: with {what} it failed ({cause})"
    return Notice(level="info", topic="healing", text=text, trial=trial.number)


def repair_by_hand(observation: Observation) -> Notice | None:
    """Say what a person has to mend where no configuration can: a missing module or file."""
    if observation.outcome != "failed" or observation.cause not in _ENVIRONMENT:
        return None
    return Notice(
        level="warning",
        topic="task",
        text=f"some configurations can't run before this is mended: {observation.detail}",
        trial=observation.run.trial,
    )


def _generation(history: History, trial: Trial) -> int:
    """How many remedies in a row led to a trial."""
    count = 0
    while trial.proposal.by == HEALER and trial.proposal.parent is not None:
        count += 1
        trial = history.trials[trial.proposal.parent]
    return count


def _proposal(
    trial: Trial, cause: Cause, cure: _Cure, configuration: dict[str, Scalar]
) -> Proposal:
    before = trial.configuration.get(cure.parameter)
    category: Category = "systems" if cause in _MEMORY else "optimizer"
    said = f"{cure.parameter} = {cure.value}"
    changed = [
        name for name, value in configuration.items() if trial.configuration.get(name) != value
    ]
    reasons = dict.fromkeys(changed, "a constraint ties it to the other change")
    return Proposal(
        configuration=configuration,
        by=HEALER,
        rationale=f"Trial {trial.number} {_WORDS[cause]} with {cure.parameter} = {before}: {said},"
        f" {cure.why}.",
        reasons=reasons | {cure.parameter: cure.why},
        hypothesis=Hypothesis(
            claim=f"with {said} it ends well where trial {trial.number} {_WORDS[cause]}",
            expects="better",
            against=trial.number,
            parameter=cure.parameter,
        ),
        parent=trial.number,
        category=category,
    )


# -- what to change


def _cures(cause: Cause, prior: Prior, failed: Configuration, *, again: bool) -> Iterator[_Cure]:
    if cause in _MEMORY:
        yield from _leaner(prior, failed)
    elif again:
        # The learning rate was lowered before: now something else, if there is anything else.
        yield from _clipped(prior, failed)
        yield from _calmer(prior, failed)
    else:
        yield from _calmer(prior, failed)
        yield from _clipped(prior, failed)


def _leaner(prior: Prior, failed: Configuration) -> Iterator[_Cure]:
    """A smaller batch; where none is tuned, less of what else fills memory."""
    for name in _active(prior.named("batch_size"), failed):
        for value in _lower(prior.space[name], failed[name], by=SMALLER):
            yield _Cure(name, value, "a smaller batch, which takes less memory")
    others = [n for n, known in prior.advice.items() if known.raises.get("memory", 0) > 0]
    for name in _active(sorted(others, key=lambda n: prior.advice[n].rank), failed):
        if prior.advice[name].concept != "batch_size":
            for value in _lower(prior.space[name], failed[name], by=SMALLER):
                yield _Cure(name, value, "less of it takes less memory")


def _calmer(prior: Prior, failed: Configuration) -> Iterator[_Cure]:
    for name in _active(prior.named("learning_rate"), failed):
        for value in _lower(prior.space[name], failed[name], by=CALMER):
            yield _Cure(name, value, "smaller steps, which diverge less easily")


def _clipped(prior: Prior, failed: Configuration) -> Iterator[_Cure]:
    """Gradients clipped where they were not, else clipped harder."""
    for name in _active(prior.named("gradient_clip"), failed):
        parameter, value = prior.space[name], failed[name]
        if value is None or value is False or value == 0 or isinstance(value, str):
            on = _clip(parameter)
            if on is not None and on != value:
                yield _Cure(name, on, "clipped gradients, which tame spikes")
        else:
            for less in _lower(parameter, value, by=CALMER):
                yield _Cure(name, less, "gradients clipped harder, which tames spikes")


def _clip(parameter: Parameter) -> Scalar:
    """The value that clips at the usual norm, or the nearest to it; None without one."""
    if isinstance(parameter, Float | Int):
        return nearest(parameter, CLIP)
    levels = levels_of(parameter)
    numbers = [level for level in levels if _is_number(level) and float(level) > 0]
    if numbers:
        return min(numbers, key=lambda level: abs(float(level) - CLIP))
    return True if any(level is True for level in levels) else None


def _active(found: list[str], configuration: Configuration) -> list[str]:
    return [name for name in found if name in configuration]


def _lower(parameter: Parameter, value: Scalar, *, by: float) -> Iterator[Scalar]:
    """Legal values from about `value / by` downwards; where there is none, the next below."""
    if not _is_number(value):
        return
    if isinstance(parameter, Float | Int):
        below = snapped(parameter, value / by)
        while _is_number(below) and below < value:
            yield below
            value, below = below, snapped(parameter, below / by)
        return
    levels = sorted((level for level in levels_of(parameter) if _is_number(level)), reverse=True)
    less = [level for level in levels if level < value]
    yield from [level for level in less if level <= value / by] or less


# -- into a legal configuration


def _child(prior: Prior, failed: Configuration, cure: _Cure) -> dict[str, Scalar] | None:
    """The configuration with one thing changed, and what a constraint ties to it, if legal."""
    for changes in ({}, *_tied(prior, failed, cure)):
        configuration = prior.complete({**failed, cure.parameter: cure.value, **changes})
        if not prior.space.check(configuration):
            return configuration
    return None


def _tied(prior: Prior, failed: Configuration, cure: _Cure) -> Iterator[dict[str, Scalar]]:
    """What may have to move the other way: a batch of half the size, accumulated twice as often."""
    before = failed[cure.parameter]
    if not (_is_number(before) and _is_number(cure.value) and cure.value):
        return
    times = float(before) / float(cure.value)
    for constraint in prior.space.constraints:
        mentioned = names(constraint)
        if cure.parameter not in mentioned:
            continue
        for name in sorted(mentioned - {cure.parameter}):
            held = failed.get(name)
            if name in failed and _is_number(held):
                moved = nearest(prior.space[name], float(held) * times)
                if moved is not None:
                    yield {name: moved}


def _is_number(value: Scalar) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
