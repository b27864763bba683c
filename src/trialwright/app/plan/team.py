"""Who proposes while a campaign is planned: the study's own team, spared where it is dear.

No language model is asked: the expert proposes in its place, and takes the model's time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from trialwright.analysis.worlds import varied
from trialwright.history import History
from trialwright.propose.expert import Expert
from trialwright.propose.proposer import Proposer
from trialwright.propose.team import Team
from trialwright.propose.team import member as proposer_of
from trialwright.records import Proposal
from trialwright.task import Agent, Member, Task

CHEAP = ("random",)
"""Members that need not be spared."""

NEAR = 0.08
"""Part of a parameter's range by which a variation differs."""

LEADERS, RECENT = 5, 10
"""Trials that are varied: as many of the best, as many of the latest."""

ATTEMPTS = 12


class StandIn:
    """A member of the team as it proposes in a plan: each `every`th trial is really its own.

    The others are variations of trials that there are, so that times and costs are those of the
    places where the member looks.
    """

    def __init__(
        self,
        member: Member | Agent,
        task: Task,
        *,
        every: int,
        think: Callable[[str], None],
    ) -> None:
        self._name = member.name if isinstance(member, Agent) else member
        self._member: Proposer = (
            Expert() if isinstance(member, Agent) else proposer_of(member, task)
        )
        self._task = task
        self._every = 1 if self._name in CHEAP else every
        self._think = think
        self._turn = 0

    @property
    def name(self) -> str:
        """What stands in `Proposal.by`."""
        return self._name

    def __call__(
        self, task: Task, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """Return up to `n` proposals for the real task."""
        self._think(self._name)
        turns = range(self._turn, self._turn + n)
        self._turn += n
        own = sum(turn % self._every == 0 for turn in turns)
        found = self._member(self._task, history, own, rng) if own else []
        keys = {task.space.key(proposal.configuration) for proposal in found}
        while len(found) < n:
            near = self._near(history, keys, rng)
            if near is None:
                missing = n - len(found)
                # Nothing new lies near: the member has to find something itself.
                return [*found, *self._member(self._task, history, missing, rng)][:n]
            found.append(near)
            keys.add(task.space.key(near.configuration))
        return [replace(proposal, by=self._name) for proposal in found]

    def _near(self, history: History, keys: set[str], rng: np.random.Generator) -> Proposal | None:
        space, sign = self._task.space, self._task.objective.sign
        done = sorted(history.done(), key=lambda trial: -sign * (trial.value or 0.0))
        parents = [*done[:LEADERS], *history.trials[-RECENT:]]
        for _ in range(ATTEMPTS if parents else 0):
            parent = parents[int(rng.integers(len(parents)))]
            for one in varied(space, parent.configuration, 1, width=NEAR, rng=rng):
                if space.key(one) not in keys and not history.tried(one):
                    return Proposal(configuration=one, by=self._name, parent=parent.number)
        return None


def stand_ins(
    task: Task, names: tuple[str, ...], *, every: int, think: Callable[[str], None]
) -> Proposer:
    """Return a team of the members of these names, for a task that has them or needs no model."""
    agents: Mapping[str, Agent] = {one.name: one for one in task.team if isinstance(one, Agent)}
    members = [
        StandIn(agents.get(name, name), task, every=every, think=think)  # type: ignore[arg-type]  # checked when the plan was asked for
        for name in names
    ]
    if len(members) == 1:
        return members[0]
    return Team(members, models=[name for name in names if name in agents])
