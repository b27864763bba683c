"""The skeptic: spends its turns on what may be wrong, and says what would make it so.

First it doubts claims, those on which most rests: what the best trial follows, then what has most
for it. They are tested as the inquirer tests them, but chosen to be broken: a claim is left alone
once nothing speaks against it any more, not once nothing speaks for it. Then it doubts that the
best trial needs each of the changes that it is made of, and last what the results suggest. Its
doubts of the best trial itself are further seeds, which are the study's to give
(`analysis.doubts`). It keeps no state.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from trialwright.analysis.claims import Standing, contradicting, same, standings, statement
from trialwright.analysis.matching import cell_of
from trialwright.errors import ProposerError
from trialwright.history import History, Trial
from trialwright.propose.inquiry import begun, claiming, experiment, unfinished
from trialwright.propose.suspicions import suspicions
from trialwright.records import Hypothesis, Proposal
from trialwright.space import Configuration
from trialwright.task import Area, Task

PATIENCE = 4
"""Experiments that every claim gets before it is believed."""
MOST = 40
"""Experiments that one claim gets."""
LITTLE = 0.5
"""An e-value against a claim that is too little to go on."""

_BELIEVED = ("supported", "tentative", "open", "undecided")
"""Claims that may still fall, what is believed most first."""


class Skeptic:
    """Tries to break what the team holds to be true; see the module.

    With an area it doubts what is said of its parameters, or what lies where its condition holds.
    Nothing to doubt: no proposal, so the others of the team have the turn.
    """

    def __init__(self, name: str, area: Area | None = None) -> None:
        self._name = name
        self._area = area or Area()

    @property
    def name(self) -> str:
        """What stands in `Proposal.by`."""
        return self._name

    def __call__(
        self,
        task: Task,  # noqa: ARG002  # the history has it
        history: History,
        n: int,
        rng: np.random.Generator,
    ) -> list[Proposal]:
        """Return up to `n` proposals: first what finishes experiments that were begun.

        Raises:
            ProposerError: nothing is left to doubt in its area.
        """
        best = history.best() if history.opened else None
        if best is None:
            return []
        found: dict[str, Proposal] = {}
        for proposal in self._doubts(history, best, rng):
            if self._area.holds(proposal.configuration):
                found.setdefault(history.space.key(proposal.configuration), proposal)
            if len(found) == n:
                break
        if not found and self._area != Area():
            raise ProposerError(f"nothing is left to doubt in its area ({self._area})")
        return list(found.values())

    def _doubts(
        self, history: History, best: Trial, rng: np.random.Generator
    ) -> Iterator[Proposal]:
        inside = self._area.names(history.space)
        open_ = [
            one
            for one in standings(history)
            if one.status in _BELIEVED
            and any(extent.parameter in inside for extent in one.claim.region)
        ]
        for standing in open_:
            for proposal in unfinished(history, standing, by=self._name):
                yield _doubting(proposal, standing, history)
        worth = [one for one in open_ if _may_fall(history, one, self._name)]
        worth.sort(
            key=lambda one: (
                one.comparisons >= PATIENCE and one.against < 1,
                not _rests_on(history, best, one),
                _BELIEVED.index(one.status),
                one.number,
            )
        )
        for standing in worth:
            for proposal in experiment(history, standing.number, rng, by=self._name):
                yield _doubting(proposal, standing, history)
        yield from self._needless(history, best, inside)
        for claims in suspicions(history, self._name):
            about = {extent.parameter for extent in claims[0].region}
            if same(claims[0], history) is None and about & set(inside):
                yield from claiming(history, claims, rng, by=self._name)

    def _needless(
        self, history: History, best: Trial, inside: tuple[str, ...]
    ) -> Iterator[Proposal]:
        """The best trial without one of the changes that it is made of, each in turn."""
        if best.number == 0:
            return
        start = best.proposal.parent
        parent = history.trials[0 if start is None else start]
        for name in inside:
            before, now = parent.configuration.get(name), best.configuration.get(name)
            if name not in parent.configuration or name not in best.configuration or before == now:
                continue
            configuration = history.space.complete({**best.configuration, name: before})
            if history.space.check(configuration) or _known(history, configuration):
                continue
            yield Proposal(
                configuration=configuration,
                by=self._name,
                rationale=f"Doubts that trial {best.number} owes anything to {name} = {now}: here"
                f" it is with {name} = {before}, as trial {parent.number} has it. That the"
                f" change helps is wrong if this does no worse than trial {best.number}.",
                reasons={name: f"what trial {best.number} changed, put back"},
                hypothesis=Hypothesis(
                    claim=f"Without its change of {name}, trial {best.number} would do worse",
                    expects="worse",
                    against=best.number,
                    parameter=name,
                ),
                parent=best.number,
            )


def _known(history: History, configuration: Configuration) -> bool:
    return history.seen(configuration, code=history.code) is not None


def _may_fall(history: History, standing: Standing, by: str) -> bool:
    """Whether further experiments may still break a claim."""
    own = [
        group
        for group in begun(history, standing.claimed, by).values()
        if any(t.proposal.tests == standing.number for trials in group.values() for t in trials)
    ]
    made = max(standing.comparisons, len(own))
    return made < PATIENCE or (made < MOST and standing.against > LITTLE)


def _rests_on(history: History, best: Trial, standing: Standing) -> bool:
    """Whether the best trial does what a claim says is good."""
    claim = standing.claim
    cell = cell_of(claim, best, history)
    if cell is None or claim.metric not in ("", history.task.objective.metric):
        return False
    good = (claim.sense == "higher") == (history.task.objective.sign > 0)
    return all(cell) == good


def _doubting(proposal: Proposal, standing: Standing, history: History) -> Proposal:
    """Say what would make the claim wrong."""
    said = statement(standing.claim, history.task.objective.metric)
    return replace(
        proposal,
        rationale=f"Doubts claim {standing.number}, which is {standing.status}."
        f" {proposal.rationale} It is wrong if {contradicting(standing.claim)} do not show that"
        f" {said}.",
    )
