"""The search tree as a proposer: picks a trial by its score, and takes one step from it.

How: it exploits while that pays. What else it does is decided by what is measured, and stands in
the rationale with its numbers: a streak without a real gain lets it recombine distant good trials,
explore elsewhere and put parameters back to their defaults, in turn; failures let it probe where
they begin; a run that was still improving, or had too little to work with, lets it scale up. It
keeps no state: lineage and scores are read off the history (`analysis.ucb`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from trialwright.errors import SpaceError
from trialwright.history import History
from trialwright.propose import words
from trialwright.propose.baselines import fresh
from trialwright.propose.branches import Look, Plan
from trialwright.propose.evidence import Evidence
from trialwright.propose.expert import Expert
from trialwright.propose.moves import Move
from trialwright.records import Hypothesis, Proposal
from trialwright.space import Configuration
from trialwright.task import Task


class TreeSearch:
    """A member of a team that grows the tree of trials; see the module.

    >>> from trialwright.space import Float, Space
    >>> from trialwright.task import Objective
    >>> task = Task(name="t", objective=Objective(metric="loss", direction="minimize"),
    ...             space=Space((Float("lr", 1e-5, 0.1, log=True),)))
    >>> [first] = TreeSearch()(task, History(), 1, np.random.default_rng(0))
    >>> first.by, dict(first.configuration)
    ('tree', {'lr': 0.001})
    """

    @property
    def name(self) -> str:
        """What stands in `Proposal.by`."""
        return "tree"

    def __call__(
        self, task: Task, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """Return up to `n` proposals; fewer where the space runs out.

        Before the first result there is nothing to branch from: the opening is the expert's. Chance
        has a part only there, and where no trial has a step left.
        """
        evidence = Evidence.of(task, history)
        if not evidence.values:
            return [replace(p, by=self.name) for p in Expert()(task, history, n, rng)]
        grown: list[Proposal] = []
        while len(grown) < n:
            plan = next(Look(evidence, grown).plans(), None)
            if plan is None:
                return grown + _left_over(evidence, grown, n - len(grown), rng)
            grown.append(_worded(evidence, plan))
        return grown


def _worded(evidence: Evidence, plan: Plan) -> Proposal:
    """Put a plan into words: its rationale begins with what was measured."""
    proposal = words.proposal(evidence, plan.move.configuration, move=plan.move)
    hypothesis = proposal.hypothesis
    parent = plan.move.parent
    if plan.mode == "ablate" and parent is not None:
        name = next(iter(plan.move.reasons))
        hypothesis = Hypothesis(
            claim=f"Trial {parent.number} does no worse with {name} at its default",
            expects="no_worse",
            against=parent.number,
            parameter=name,
        )
    lead = f"{plan.mode.capitalize()}: {plan.why}."
    return replace(
        proposal, by="tree", rationale=f"{lead} {proposal.rationale}", hypothesis=hypothesis
    )


def _left_over(
    evidence: Evidence, besides: Sequence[Proposal], n: int, rng: np.random.Generator
) -> list[Proposal]:
    """Return draws from what is left of the space, where no trial has a step left."""
    found: list[Proposal] = []
    while len(found) < n:
        taken = [dict(p.configuration) for p in [*besides, *found]]
        try:
            configuration = fresh(evidence.task.space, evidence.history, taken, rng=rng)
        except SpaceError:
            break
        if configuration is None:
            break
        found.append(_worded(evidence, _drawn(evidence, configuration)))
    return found


def _drawn(evidence: Evidence, configuration: Configuration) -> Plan:
    parent = words.closest(evidence, configuration)
    text = "drawn from what is left of the space"
    names = words.changed(configuration, parent.configuration)
    move = Move(
        configuration=configuration,
        parent=parent,
        text=text,
        weight=0.0,
        reasons=dict.fromkeys(names, text),
    )
    return Plan(mode="explore elsewhere", move=move, why="no trial has an untried step left")
