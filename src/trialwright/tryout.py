"""Smoke runs: edits are run for a moment before they become trials; plain errors cost none.

It works in a folder of its own and in the same sandbox as any run. Nothing of it is a run to the
ledger: what failed becomes a refusal, what did not goes on to be admitted.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from trialwright.execute.local import STUDY
from trialwright.execute.order import make_order, run_seed
from trialwright.execute.runner import Event, Finished, Handle, Order, Runner
from trialwright.execute.simulate import SimulatedRunner
from trialwright.history import History
from trialwright.process.below import remove
from trialwright.propose.workbench import skeleton_of
from trialwright.records import Admission, Notice, Observation, Proposal, Refusal, RunKey
from trialwright.research.ablation import ABLATION
from trialwright.research.repair import own_frames
from trialwright.research.workshop import workshop
from trialwright.task import Task

SHARE = 0.1
"""Of what runs have taken: how long an edit is run, where the study does not say."""

SHORTEST_S, LONGEST_S = 2.0, 30.0
UNKNOWN_S = 5.0
"""Before any run has ended."""

RECENT = 50
"""Trials, the latest, whose runs say how long runs take."""

GRACE_S = 2.0
"""Seconds, at most, between SIGTERM and SIGKILL: there is nothing to be saved."""

FOLDER = "smoke"
"""In the study's folder, while an edit is run for a moment."""

LINES, CHARACTERS = 12, 1200
"""Of the end of a log that a refusal quotes."""

PASSING = frozenset({"transient", "killed", "command_not_found"})
"""Causes that are no edit's doing: the full run will tell."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A smoke run has ended."""

    number: int
    observation: Observation


@dataclass(frozen=True, slots=True)
class Passed:
    """An edit may become a trial."""

    admission: Admission
    notice: Notice | None = None
    """What the user should know of the smoke run's command."""


@dataclass(frozen=True, slots=True)
class _Going:
    admission: Admission
    folder: Path
    handle: Handle


class Tryouts:
    """The edits of one session that are still to be run for a moment, and those that are now."""

    def __init__(
        self,
        task: Task,
        folder: Path,
        *,
        environ: Mapping[str, str],
        seed: int,
        inbox: Callable[[Tried], None],
    ) -> None:
        self._task = task
        self._folder = folder
        self._environ = environ
        self._seed = seed
        self._inbox = inbox
        self._number = 0
        self._waiting: deque[Admission] = deque()
        self._going: dict[int, _Going] = {}
        _clear(folder / FOLDER)

    def __len__(self) -> int:
        return len(self._waiting) + len(self._going)

    @property
    def going(self) -> int:
        """How many are being run."""
        return len(self._going)

    def wanted(self, proposal: Proposal, history: History, runner: Runner) -> bool:
        """Say whether a proposal is to be run for a moment before it is admitted.

        Not where it changes literals alone: the expert's domains are safer than a moment can show.
        """
        plan, edit = self._task.research, proposal.edit
        if plan is None or edit is None or plan.smoke_s == 0 or proposal.by == ABLATION:
            return False
        if isinstance(runner, SimulatedRunner):
            return False
        shop, family = workshop(self._task), self._task.model
        before = shop.tree(history, proposal.parent)
        try:
            return skeleton_of(shop, before, family=family) != skeleton_of(
                shop, edit.tree, family=family
            )
        except SyntaxError:
            return True

    def add(self, admission: Admission) -> None:
        """Let a proposal wait for its turn."""
        self._waiting.append(admission)

    def start(self, runner: Runner, history: History, *, most: int) -> None:
        """Start those that wait, as far as there is room, at most so many at a time.

        Raises:
            RunnerError: the runner can't go on.
            StudyError: the command can't be filled in.
        """
        while self._waiting and len(self._going) < most:
            order = self._order(self._waiting[0], history)
            if not runner.fits(order):
                return
            admission, number = self._waiting.popleft(), self._number
            self._number += 1
            handle = runner.start(order, partial(self._heard, number))
            self._going[number] = _Going(admission, order.folder, handle)

    def stop(self) -> None:
        """End what is being run, without an answer, and forget what waits."""
        self._waiting.clear()
        for going in self._going.values():
            going.handle.stop("cancelled")

    def ended(self, tried: Tried) -> Passed | Refusal | None:
        """Return what becomes of an edit; None if it was stopped and nobody knows."""
        going = self._going.pop(tried.number)
        _clear(going.folder)
        seen, admission = tried.observation, going.admission
        if seen.outcome == "cancelled":
            return None
        if self._passes(seen):
            return Passed(admission)
        cause = seen.cause or "other"
        if cause in PASSING:
            words = cause.replace("_", " ")
            text = f"a smoke run failed for no edit's reason ({words}): {seen.detail}"
            return Passed(admission, Notice(level="warning", topic="smoke", text=text))
        return Refusal(
            proposal=admission.proposal,
            faults=(*_sentences(seen),),
            request=admission.request,
            cause=cause,
        )

    def _passes(self, seen: Observation) -> bool:
        """Whether it ended well, or still went on when its time was up."""
        if seen.cause == "tampered":
            return False
        if seen.outcome != "failed" or seen.given_s is not None:
            return True
        # A few steps may report nothing; the whole command would not do so either.
        silent = seen.cause == "no_metric" and not self._shorter
        return seen.exit_status == 0 and not silent

    @property
    def _shorter(self) -> tuple[str, ...]:
        return self._task.research.smoke if self._task.research else ()

    def _heard(self, number: int, event: Event) -> None:
        if isinstance(event, Finished):
            self._inbox(Tried(number, event.observation))

    def _order(self, admission: Admission, history: History) -> Order:
        assert admission.proposal.edit is not None
        given = self._task.limits
        limits = replace(
            given,
            run_s=None,
            stall_s=None,
            budget_s=smoke_seconds(self._task, history),
            budget_from="start",
            grace_s=min(given.grace_s, GRACE_S),
        )
        order = make_order(
            replace(self._task, command=self._shorter or self._task.command),
            run=RunKey(self._number, 0, 0),
            seed=run_seed(self._seed, 0),
            configuration=admission.proposal.configuration,
            study_folder=self._folder / FOLDER,
            environ=self._environ,
            tree=admission.proposal.edit.tree,
        )
        # As the study's own, so that it is found if all else was killed.
        marked = {**order.environment, STUDY: str(self._folder.absolute())}
        return replace(order, environment=marked, limits=limits)


def smoke_seconds(task: Task, history: History) -> float:
    """Return for how long an edit is run before it becomes a trial."""
    plan = task.research
    if plan is not None and plan.smoke_s is not None:
        return plan.smoke_s
    took = [
        run.observation.seconds
        for trial in history.done()[-RECENT:]
        for run in trial.runs
        if run.observation is not None and run.observation.outcome == "done"
    ]
    if not took:
        return UNKNOWN_S
    return min(max(SHARE * statistics.median(took), SHORTEST_S), LONGEST_S)


def _sentences(seen: Observation) -> tuple[str, ...]:
    cause = (seen.cause or "other").replace("_", " ")
    said = f"it failed when it was run for a moment ({cause}): {seen.detail}"
    printed = own_frames(seen.log_tail).splitlines()
    last = "\n".join(printed[-LINES:])[-CHARACTERS:].strip()
    return (said, f"its last lines:\n{last}") if last else (said,)


def _clear(folder: Path) -> None:
    """Remove a folder, as far as that can be done: it is in nobody's way."""
    with suppress(OSError):
        remove(folder)
