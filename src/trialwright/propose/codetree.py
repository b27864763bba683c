"""The search tree on code: picks a trial by its score, and takes one step from its code.

What the tree of configurations is, over the trials of a study that changes code: a trial's score is
how good it is and how rarely it was built upon. A step is the one tuning that promises most, or a
named rewrite, turn by turn. It keeps no state: lineage and scores are read off the history.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np

from trialwright.analysis.ucb import Node, nodes
from trialwright.errors import ProposerError
from trialwright.history import History
from trialwright.propose.editor import larger, usual
from trialwright.propose.workbench import Workbench
from trialwright.records import Proposal
from trialwright.research.rules import Plateau, in_vain, plateau
from trialwright.task import Task

CONSIDERED = 8
"""Trials that are tried in the order of their scores, until one has a step left."""


class CodeTree:
    """A member of a team that grows the tree of trials by edits of code; see the module."""

    @property
    def name(self) -> str:
        """What stands in `Proposal.by`."""
        return "tree"

    def __call__(
        self, task: Task, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """Return up to `n` edits, each of the trial that deserves another child most.

        Before the first result there is nothing to branch from: the opening is the editor's.

        Raises:
            ProposerError: the study changes no code.
        """
        if task.research is None:
            raise ProposerError("the tree of code needs a study with a section `research`")
        if not history.done():
            opening = usual(Workbench(task, history, None), n, rng)
            return [replace(proposal, by=self.name) for proposal in opening]
        due = plateau(history)
        grown: list[Proposal] = []
        for _ in range(n):
            found = self._grown(task, history, grown, due=due, rng=rng)
            if found is None:
                break
            grown.append(replace(found, by=self.name))
        return grown

    def _grown(
        self,
        task: Task,
        history: History,
        besides: list[Proposal],
        *,
        due: Plateau | None,
        rng: np.random.Generator,
    ) -> Proposal | None:
        """One step from the first trial, by its score, that has one left."""
        taken = {proposal.edit.tree for proposal in besides if proposal.edit is not None}
        planned = [proposal.parent for proposal in besides]
        tree = nodes(history, task.tree, planned=planned)
        known = [node for node in tree if _can_grow(history, node)]
        ranked = sorted(known, key=lambda node: (-(node.score or 0.0), node.number))
        long = due is not None and due.what == "larger"
        for rank, node in enumerate(ranked[:CONSIDERED]):
            bench = Workbench(task, history, node.number, due=due if long else None)
            children = sum(proposal.parent == node.number for proposal in besides)
            children += sum(t.proposal.parent == node.number for t in history.trials)
            steps = larger(bench, children, 1, rng) if long else _steps(bench, children)
            for proposal in steps:
                if proposal.edit is not None and proposal.edit.tree not in taken:
                    lead = _told(node, first=rank == 0, total=len(tree) + len(planned))
                    return replace(proposal, rationale=f"{lead} {proposal.rationale}")
        return None


def _steps(bench: Workbench, children: int) -> list[Proposal]:
    """A tuning and a rewrite, the one first whose turn it is."""
    step = bench.stepped()
    tuned, rewritten = ([] if step is None else [step]), list(islice(bench.rewritten(), 1))
    turn = bench.turned or children % 2 == 1
    return [*rewritten, *tuned] if turn else [*tuned, *rewritten]


def _can_grow(history: History, node: Node) -> bool:
    trial = history.trials[node.number]
    return trial.value is not None and not in_vain(trial)


def _told(node: Node, *, first: bool, total: int) -> str:
    place = "the highest" if first else "the highest with a step left,"
    return (
        f"Trial {node.number} has {place} score {node.score or 0.0:.3f} = reward"
        f" {node.reward or 0.0:.3f} + {node.bonus:.3f} for {node.visits} of {total} trials in its"
        " branch."
    )
