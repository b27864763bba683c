"""Members of a team at work side by side: each is asked by itself, and nobody waits for another.

A member sees the history as it was when it was asked, with what was queued or running by then.
What it offers comes back as an event, to be judged against the history of that later moment. Who is
asked for how much is decided by the team's shares; what an offer is worth, by `admission`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Protocol

from trialwright.admission import Sifted, answer, by_chance, gave_up, lost
from trialwright.errors import ProposerError
from trialwright.execute.simulate import SimulatedRunner
from trialwright.history import History
from trialwright.propose.proposer import Proposer, draws
from trialwright.propose.team import Team
from trialwright.records import Entry, Notice
from trialwright.task import Task

LONGEST_REST = 64
"""Trials, at most, that a member is left alone for."""

LONGEST_PROBLEM = 2000
"""Characters of an exception that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """What a member answered."""

    by: str
    wanted: int
    """Proposals that it was asked for."""
    proposals: object
    """Unchecked; a list, if all is well."""
    problem: str = ""
    """Why there are none, as the member said, or what it raised."""
    broken: bool = False
    """Whether it raised what no proposer may: a fault of its own."""


Inbox = Callable[[Offered], None]
"""Takes an answer from any thread, and returns at once."""


class Minds(Protocol):
    """The members of a team, each of them idle or thinking."""

    @property
    def outstanding(self) -> Mapping[str, int]:
        """Who is thinking, and how many proposals that was asked for."""
        ...

    def ask(self, name: str, n: int, read: Callable[[int], Sequence[Entry]]) -> None:
        """Ask an idle member for `n` proposals; one `Offered` follows.

        `read(after)` returns the ledger's entries behind sequence `after`.
        """
        ...

    def answered(self, offered: Offered) -> None:
        """Take in that an answer has been seen: its member is idle again."""
        ...

    def close(self) -> None:
        """Let go: what still comes is not heard any more."""
        ...


class _Mind:
    """One member, with the history as it was told it."""

    def __init__(self, member: Proposer, task: Task) -> None:
        self._member = member
        self._task = task
        self._history = History()

    def learn(self, read: Callable[[int], Sequence[Entry]]) -> None:
        """Take in what happened since it was asked last."""
        self._history.extend(read(self._history.sequence))

    def think(self, n: int) -> Offered:
        """Ask the member, whatever it does."""
        name, history = self._member.name, self._history
        proposals: object = []
        problem, broken = "", False
        try:
            proposals = self._member(self._task, history, n, draws(name, history))
        except ProposerError as error:
            problem = str(error)
        except Exception as error:  # noqa: BLE001  # a member's fault must not end the study
            problem, broken = f"{type(error).__name__}: {error}", True
        return Offered(
            by=name,
            wanted=n,
            proposals=proposals,
            problem=problem[:LONGEST_PROBLEM],
            broken=broken,
        )


class Threads:
    """Members that think in a thread each."""

    def __init__(self, members: Sequence[Proposer], task: Task, inbox: Inbox) -> None:
        self._inbox = inbox
        self._minds = {member.name: _Mind(member, task) for member in members}
        self._orders: dict[str, SimpleQueue[int | None]] = {}
        self._outstanding: dict[str, int] = {}
        self._closed = False

    @property
    def outstanding(self) -> Mapping[str, int]:
        """Who is thinking, and how many proposals that was asked for."""
        return self._outstanding

    def ask(self, name: str, n: int, read: Callable[[int], Sequence[Entry]]) -> None:
        """Ask an idle member for `n` proposals."""
        self._minds[name].learn(read)
        self._outstanding[name] = n
        if name not in self._orders:
            orders = self._orders[name] = SimpleQueue()
            # A daemon: a model that takes a minute must not hold up the end of the program.
            arguments = (self._minds[name], orders)
            threading.Thread(target=self._serve, args=arguments, name=name, daemon=True).start()
        self._orders[name].put(n)

    def answered(self, offered: Offered) -> None:
        """Take in that an answer has been seen."""
        self._outstanding.pop(offered.by, None)

    def close(self) -> None:
        """Let the threads end, each after what it is at."""
        self._closed = True
        for orders in self._orders.values():
            orders.put(None)

    def _serve(self, mind: _Mind, orders: SimpleQueue[int | None]) -> None:
        while (n := orders.get()) is not None:
            offered = mind.think(n)
            if not self._closed:
                self._inbox(offered)


class Imagined:
    """Members whose answers come when a simulated clock says so: `seconds(name)` later."""

    def __init__(
        self,
        members: Sequence[Proposer],
        task: Task,
        inbox: Inbox,
        *,
        runner: SimulatedRunner,
        seconds: Callable[[str], float],
    ) -> None:
        self._inbox = inbox
        self._minds = {member.name: _Mind(member, task) for member in members}
        self._runner = runner
        self._seconds = seconds
        self._outstanding: dict[str, int] = {}

    @property
    def outstanding(self) -> Mapping[str, int]:
        """Who is thinking, and how many proposals that was asked for."""
        return self._outstanding

    def ask(self, name: str, n: int, read: Callable[[int], Sequence[Entry]]) -> None:
        """Ask an idle member for `n` proposals: it decides now, and answers later."""
        self._minds[name].learn(read)
        self._outstanding[name] = n
        offered = self._minds[name].think(n)
        self._runner.later(self._seconds(name), lambda: self._inbox(offered))

    def answered(self, offered: Offered) -> None:
        """Take in that an answer has been seen."""
        self._outstanding.pop(offered.by, None)

    def close(self) -> None:
        """Let go; nothing goes on here."""


class Rests:
    """Who is left alone for a while: a member with no answer, longer each time in a row."""

    def __init__(self) -> None:
        self._until: dict[str, int] = {}
        self._strikes: dict[str, int] = {}

    def note(self, offered: Offered, *, trials: int) -> None:
        """Take in an answer, in a study of that many trials."""
        nothing = bool(offered.problem) or not offered.proposals
        strikes = self._strikes.get(offered.by, 0) + 1 if nothing else 0
        self._strikes[offered.by] = strikes
        self._until[offered.by] = trials + min(2**strikes, LONGEST_REST) if strikes else 0

    def now(self, trials: int) -> dict[str, int]:
        """Return who rests, in the form of who is busy: with nothing asked of it."""
        return {name: 0 for name, until in self._until.items() if trials < until}


class Ahead:
    """Keeps trials ready for slots to come: asks who is idle, and judges what is answered."""

    def __init__(self, minds: Minds, proposer: Proposer, task: Task) -> None:
        self._minds = minds
        self._proposer = proposer
        self._task = task
        self._rests = Rests()
        self._asked: dict[str, int] = {}
        """Runs that had been launched when each member was asked last."""
        self._late: set[str] = set()
        self._fruitless = 0
        """Answers in a row from which no trial came, and nothing else was to be had."""
        self._judged = 0
        """Trials that were judged at the latest of them."""
        self.exhausted = False
        """Whether nothing was left to try when it was last needed."""

    def ask(
        self,
        history: History,
        read: Callable[[int], Sequence[Entry]],
        *,
        vacant: int,
        queued: Sequence[object],
    ) -> None:
        """Ask for what is lacking, where slots for `vacant` runs will be free beyond `queued`.

        `vacant` is negative where more is queued than fits.
        """
        outstanding = self._minds.outstanding
        if vacant > 0 and not queued:
            # They were asked in time, and runs had to wait all the same: nobody counts on them.
            self._late |= {name for name in outstanding if history.launches > self._asked[name]}
        plan = self._task.schedule
        thinking = sum(n for name, n in outstanding.items() if name not in self._late)
        lacking, batch = vacant + (plan.ahead or 0) - thinking, plan.batch
        left = self._left(history)
        if left is not None:
            lacking, batch = min(lacking, left - thinking), min(batch, left - thinking)
        if lacking <= 0 or (lacking < batch and (thinking or queued)) or self._waits(history):
            return
        busy = {**self._rests.now(len(history.trials)), **outstanding}
        wanted = self._turns(history, lacking, busy)
        if not wanted and not outstanding:
            wanted = self._turns(history, lacking, {})
        for name, n in wanted.items():
            self._asked[name] = history.launches
            self._minds.ask(name, n, read)

    def answered(self, offered: Offered, history: History, *, queued: Sequence[object]) -> Sifted:
        """Return what becomes of an answer: as far as it is legal, new and still wanted.

        Where nothing does, and nothing else is to be had, chance takes the turn.
        """
        self._minds.answered(offered)
        self._late.discard(offered.by)
        self._rests.note(offered, trials=len(history.trials))
        left = self._left(history)
        n = offered.wanted if left is None else min(offered.wanted, left)
        sifted = answer(offered.by, offered.proposals, history, n=n)
        if offered.problem:
            text = f"{offered.by} can't propose: {offered.problem}"
            sifted.notices.append(Notice(level="warning", topic="proposer", text=text))
        if offered.broken:
            sifted.refusals.append(lost(offered.by, offered.problem))
        if n > 0 and not (sifted.admissions or self._minds.outstanding or queued):
            sifted.admissions = by_chance(self._task, history, n=1, seed=history.seed).admissions
            self._fruitless += 1
            self._judged = len(history.judged)
            over = gave_up(sifted, self._task, self._fruitless)
            self.exhausted = not sifted.admissions and over and not self._waits(history)
        if sifted.admissions:
            self._fruitless = 0
        return sifted

    def close(self) -> None:
        """Let go: what still comes is not heard any more."""
        self._minds.close()

    def _waits(self, history: History) -> bool:
        """Whether nobody had another edit, and a trial that goes on may show where to go."""
        known = self._judged == len(history.judged)
        return bool(self._task.research and self._fruitless and known and history.pending())

    def _left(self, history: History) -> int | None:
        budget = self._task.budget.trials
        return None if budget is None else budget - len(history.trials)

    def _turns(self, history: History, n: int, busy: Mapping[str, int]) -> dict[str, int]:
        """Whom to ask, and for how many of `n` proposals; who is `busy` is left out."""
        if isinstance(self._proposer, Team):
            return self._proposer.turns(history, n, busy=busy)
        return {} if self._proposer.name in busy else {self._proposer.name: n}


def ahead_of(proposer: Proposer, task: Task, runner: object) -> Callable[[Inbox], Ahead] | None:
    """Return what makes a team think ahead, where its task wants that; its inbox is to come.

    With a simulated runner that says how long members think, by its clock.
    """
    if task.schedule.ahead is None:
        return None
    members = proposer.members if isinstance(proposer, Team) else (proposer,)

    def made(inbox: Inbox) -> Ahead:
        minds: Minds = Threads(members, task, inbox)
        if isinstance(runner, SimulatedRunner) and runner.thinking is not None:
            minds = Imagined(members, task, inbox, runner=runner, seconds=runner.thinking)
        return Ahead(minds, proposer, task)

    return made
