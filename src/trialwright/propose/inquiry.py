"""The inquirer: claims what the results let one suspect, and tests claims, its own and others'.

A test is an experiment that nobody could bend: around the best trial, with other parameters moved a
little so that no trial is picked by its result, the claimed ones take each side in turn; what is
begun is finished. It keeps no state: everything is read from the history.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from trialwright.analysis.claims import Standing, same, standings
from trialwright.analysis.extents import side
from trialwright.analysis.matching import (
    DESIGNER,
    Cell,
    background,
    cells,
    grouped,
    placed,
)
from trialwright.errors import ExpressionError
from trialwright.expression import Scalar, evaluate
from trialwright.history import Claimed, History, Trial
from trialwright.propose.suspicions import suspicions
from trialwright.records import Claim, Extent, Hypothesis, Proposal
from trialwright.space import Choice, Configuration, Parameter
from trialwright.task import Task

MOST = 40
"""Experiments that one claim gets."""
PATIENCE = 4
"""Experiments after which a claim that has little for it is left alone; twice so many for more."""
FAINT = 0.5
"""An e-value that is little."""
FIRST = 3
"""Experiments that each claim gets before the most promising one goes on."""
MOVED = 0.08
"""Deviation by which other parameters are moved, as a part of their range."""
AT_ONCE = 4
"""Claims of its own that are tested at a time."""
EVERY = 4
"""Trials of its own after which it looks for something new to claim."""
TRIES = 60
"""Draws of an experiment before its claim is left alone."""


class Inquirer:
    """Tests claims by experiments, and makes claims of its own; see the module.

    Nothing to test and nothing to suspect: no proposal, so the others of the team have the turn.
    """

    @property
    def name(self) -> str:
        """What stands in `Proposal.by`."""
        return DESIGNER

    def __call__(
        self,
        task: Task,  # noqa: ARG002  # the history has it
        history: History,
        n: int,
        rng: np.random.Generator,
    ) -> list[Proposal]:
        """Return up to `n` proposals: first what finishes experiments that were begun."""
        if history.best() is None:
            return []
        found: list[Proposal] = []
        for proposal in _wanted(history, rng):
            key = history.space.key(proposal.configuration)
            if all(history.space.key(one.configuration) != key for one in found):
                found.append(proposal)
            if len(found) == n:
                break
        return found


def _wanted(history: History, rng: np.random.Generator) -> Iterator[Proposal]:
    open_ = [one for one in standings(history) if one.status not in ("established", "contradicted")]
    for standing in open_:
        yield from unfinished(history, standing, by=DESIGNER)
    worth = [one for one in open_ if _promising(history, one)]
    worth.sort(key=lambda one: (one.comparisons >= FIRST, -one.evidence, one.number))
    if _looks_about(history, worth):
        yield from _suspected(history, rng)
    for standing in worth:
        yield from experiment(history, standing.number, rng, by=DESIGNER)


def _looks_about(history: History, worth: Sequence[Standing]) -> bool:
    """Whether it is time to look for something new, which takes more time than a test."""
    own = sum(one.claim.by == DESIGNER for one in worth)
    made = sum(trial.proposal.by == DESIGNER for trial in history.trials)
    return not worth or (own < AT_ONCE and made % EVERY == 0)


def _suspected(history: History, rng: np.random.Generator) -> Iterator[Proposal]:
    """Claim what the results suggest, and begin to test it; what was given up is taken up again."""
    for claims in suspicions(history, DESIGNER):
        known = same(claims[0], history)
        if known is not None:
            if standings(history)[known].status == "undecided":
                yield from experiment(history, known, rng, by=DESIGNER)
            continue
        for proposal in claiming(history, claims, rng, by=DESIGNER):
            yield proposal
            return


def _promising(history: History, standing: Standing) -> bool:
    """Whether further experiments may still decide a claim."""
    own = [
        group
        for group in begun(history, standing.claimed, DESIGNER).values()
        if any(t.proposal.tests == standing.number for trials in group.values() for t in trials)
    ]
    made = max(standing.comparisons, len(own))
    if made >= MOST or not _hopeful(standing, standing.comparisons):
        return False
    # What a rate is of, other experiments with the same region often try as well.
    return standing.claim.what != "rate" or not _served(history, standing)


def _hopeful(standing: Standing, made: int) -> bool:
    """Whether so many experiments have left anything to hope for."""
    if made < PATIENCE:
        return True
    if standing.evidence < FAINT or standing.status == "undecided":
        return False
    return made < 2 * PATIENCE or standing.evidence > 1


def _served(history: History, standing: Standing) -> bool:
    """Whether another claim about the same region is being tested."""
    return any(
        one.claim.region == standing.claim.region
        and one.number != standing.number
        and one.status not in ("established", "contradicted")
        and _hopeful(one, one.comparisons)
        for one in standings(history)
    )


# -- experiments


def begun(history: History, claimed: Claimed, by: str) -> dict[str, dict[Cell, list[Trial]]]:
    """Return the experiments of a claim that one designer made, by background."""
    own = [(t, c) for t, c in placed(history, claimed) if t.proposal.by == by]
    return grouped(claimed.claim, own, history)


def unfinished(history: History, standing: Standing, *, by: str) -> Iterator[Proposal]:
    """Yield the sides that experiments still lack: of those that `by` began for this claim."""
    claimed, needed = standing.claimed, cells(standing.claim)
    for group in begun(history, claimed, by).values():
        first = min((t for trials in group.values() for t in trials), key=lambda t: t.number)
        if first.proposal.tests != standing.number:
            continue
        for cell in needed:
            if cell not in group:
                for proposal in _side(history, claimed.claim, standing.number, first, cell):
                    yield replace(proposal, by=by)


def claiming(
    history: History, claims: tuple[Claim, ...], rng: np.random.Generator, *, by: str
) -> Iterator[Proposal]:
    """Yield the first side of an experiment that brings claims with it, and tests the first."""
    for proposal in _experiment(history, claims[0], len(history.claims), rng):
        yield replace(proposal, by=by, claims=claims)


def experiment(
    history: History, number: int, rng: np.random.Generator, *, by: str
) -> Iterator[Proposal]:
    """Yield the first side of another experiment on claim `number`, where chance finds one."""
    for proposal in _experiment(history, history.claims[number].claim, number, rng):
        yield replace(proposal, by=by)


def _experiment(
    history: History, claim: Claim, number: int, rng: np.random.Generator
) -> Iterator[Proposal]:
    """Begin an experiment around the best trial: its first side."""
    best = history.best()
    assert best is not None
    known = {background(claim, trial.configuration, history) for trial in history.trials}
    needed = cells(claim)
    for _ in range(TRIES):
        base = _moved(history, claim, best.configuration, rng)
        if background(claim, base, history) in known:
            continue
        sides = [_placed_in(history, claim, base, cell) for cell in needed]
        if all(one is not None and _usable(history, claim, one) for one in sides):
            configuration = sides[0]
            assert configuration is not None
            yield _worded(history, claim, number, configuration, best, partner=None)
            return


def _side(
    history: History, claim: Claim, number: int, first: Trial, cell: Cell
) -> Iterator[Proposal]:
    configuration = _placed_in(history, claim, first.configuration, cell)
    if configuration is not None and _usable(history, claim, configuration):
        yield _worded(history, claim, number, configuration, first, partner=first)


def _moved(
    history: History, claim: Claim, base: Configuration, rng: np.random.Generator
) -> dict[str, Scalar]:
    """A configuration whose parameters beside the claimed ones are moved a little."""
    claimed = {extent.parameter for extent in claim.region}
    values = dict(base)
    free = [name for name in values if name not in claimed]
    for name in free:
        parameter = history.space[name]
        if isinstance(parameter, Choice):
            if rng.random() < MOVED:
                values[name] = parameter.from_unit(float(rng.random()))
            continue
        unit = parameter.to_unit(values[name]) + float(rng.normal(0.0, MOVED))
        values[name] = parameter.from_unit(min(max(unit, 0.0), 1.0))
    return values


def _placed_in(
    history: History, claim: Claim, base: Configuration, cell: Cell
) -> dict[str, Scalar] | None:
    """A configuration with the claimed parameters on the sides of `cell`.

    Which values they take there follows from the background alone, so that an experiment that was
    begun goes on the same.
    """
    seed = hashlib.sha256(background(claim, base, history).encode()).digest()[:8]
    rng = np.random.default_rng(int.from_bytes(seed, "big"))
    contrast = {one.parameter: one for one in claim.contrast}
    values = dict(base)
    for extent, within in zip(claim.region, cell, strict=True):
        parameter = history.space[extent.parameter]
        pair = {
            wanted: _drawn(extent, contrast.get(extent.parameter), parameter, rng, wanted=wanted)
            for wanted in (True, False)
        }
        value = pair[within]
        if value is None:
            return None
        values[extent.parameter] = value[0]
    return history.space.complete(values)


def _drawn(
    extent: Extent,
    contrast: Extent | None,
    parameter: Parameter,
    rng: np.random.Generator,
    *,
    wanted: bool,
) -> tuple[Scalar] | None:
    """A value on one side, in a tuple since a value may be None; None if chance finds none."""
    for unit in rng.random(200):
        value = parameter.from_unit(float(unit))
        if side(extent, contrast, parameter, value) is wanted:
            return (value,)
    return None


def _usable(history: History, claim: Claim, configuration: Configuration) -> bool:
    space = history.space
    if space.check(configuration) or history.seen(configuration, code=history.code) is not None:
        return False
    try:
        return not claim.where or bool(evaluate(claim.where, configuration))
    except ExpressionError:
        return False


# -- words


def _worded(
    history: History,
    claim: Claim,
    number: int,
    configuration: dict[str, Scalar],
    parent: Trial,
    *,
    partner: Trial | None,
) -> Proposal:
    names = [extent.parameter for extent in claim.region]
    shown = ", ".join(f"{name} = {configuration[name]}" for name in names)
    how = (
        f"beside trial {partner.number}, alike but for {' and '.join(names)}"
        if partner is not None
        else f"near trial {parent.number}, the rest moved a little so that no result picks it"
    )
    return Proposal(
        configuration=configuration,
        by=DESIGNER,
        rationale=f"Tests claim {number}: {claim.text} Here with {shown}, {how}.",
        reasons=dict.fromkeys(names, f"one side of claim {number}"),
        hypothesis=_expectation(history, claim, configuration, partner, number),
        parent=parent.number,
        tests=number,
    )


def _expectation(
    history: History,
    claim: Claim,
    configuration: Mapping[str, Scalar],
    partner: Trial | None,
    number: int,
) -> Hypothesis | None:
    """What the claim says of this trial against its partner, where it speaks of the objective."""
    plain = claim.metric in ("", history.task.objective.metric)
    if partner is None or not plain or claim.what not in ("direction", "region", "no_effect"):
        return None
    expects: Literal["better", "worse", "same"] = "same"
    if claim.what != "no_effect":
        up = (claim.sense == "higher") == (history.task.objective.sign > 0)
        contrast = {one.parameter: one for one in claim.contrast}
        within = all(
            side(
                e, contrast.get(e.parameter), history.space[e.parameter], configuration[e.parameter]
            )
            for e in claim.region
        )
        expects = "better" if up == within else "worse"
    return Hypothesis(
        claim=f"Claim {number} says so: {claim.text}",
        expects=expects,
        against=partner.number,
        parameter=claim.region[0].parameter if len(claim.region) == 1 else None,
    )
