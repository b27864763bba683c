"""What a team's language models are going to cost, reckoned before they are asked.

Turns by share and batch, times requests, times what one request reads and writes. Before a member
has answered, sizes are those of the prompts and a guess at answers; afterwards, its own averages.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, islice

from trialwright.errors import TrialwrightError
from trialwright.history import History
from trialwright.llm import providers
from trialwright.propose import author, briefing, codebrief
from trialwright.propose.creator import left
from trialwright.propose.credit import shares
from trialwright.records import Exchange
from trialwright.task import Agent, Task

CHARACTERS = 4
"""Characters per token, about."""

FRAME = 3_000
"""Characters of the tools and the answer's schema, about."""

REQUESTS = 1.3
"""Per turn: one that answers, and at times one that looks something up or puts an answer right.

1.1 to 1.4 in whole studies."""

WRITTEN = 250
"""Tokens of an answer whose model is not told to think hard; else the most that it may take.

190 to 260 in whole studies."""

EDITED = 400
"""The same of an edit, with its reasons."""

EDITING = 6_000
"""Characters of the state of the search where code is edited, about, once there are trials."""

UNBOUNDED = 10
"""Trials that are reckoned with where the budget names no number."""

RECENT = 20
"""Conversations that a member's averages are taken over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """What one member is going to take."""

    name: str
    share: float
    """Of the trials to come, as things stand."""
    turns: float
    requests: float
    """Per turn."""
    read: float
    """Tokens per request."""
    written: float
    """Tokens per request."""
    measured: bool
    """Whether the last three are averages of its own conversations, and no guess."""
    seconds: float | None
    """Of all turns; None before it has answered."""
    usd: float | None
    """Of all turns; None if nobody knows the price."""

    @property
    def tokens(self) -> float:
        """Tokens of all turns."""
        return self.turns * self.requests * (self.read + self.written)

    def __str__(self) -> str:
        price = "at a price that nobody knows" if self.usd is None else dollars(self.usd)
        how = " on average so far" if self.measured else ""
        turns = f"{self.turns:.0f}" if self.turns >= 1 else "1 at most"
        return (
            f"{self.name} ({price}) has a share of {self.share:.0%}, so about {turns} turns of"
            f" {self.requests:.2g} requests, each {rough(self.read):,} tokens read and"
            f" {rough(self.written):,} written{how}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a study's models are going to cost. `str` says it in a line."""

    trials: int
    """Trials that the team still has to propose."""
    bounded: bool
    """Whether the budget says so; else it is so much for every `trials`."""
    members: tuple[Turns, ...]
    tokens: float
    usd: float | None
    """None if nobody knows one of the prices."""
    seconds: float | None
    """None before every member has answered."""
    left_tokens: int | None
    """Of the caps, which hold over all sessions; None where there is none."""
    left_usd: float | None
    left_seconds: float | None

    @property
    def fraction(self) -> float:
        """The part of it that the caps leave room for, at most 1."""
        parts = [
            max(left, 0) / needed
            for left, needed in (
                (self.left_tokens, self.tokens),
                (self.left_usd, self.usd),
                (self.left_seconds, self.seconds),
            )
            if left is not None and needed
        ]
        return min([1.0, *parts])

    def __str__(self) -> str:
        price = "" if self.usd is None else f" ({dollars(self.usd)})"
        trials = f"{self.trials} trial{'' if self.trials == 1 else 's'}"
        span = f"the {trials} to come" if self.bounded else f"every {trials}"
        members = "; ".join(map(str, self.members))
        total = f"models: about {rough(self.tokens):,} tokens{price} for {span}"
        return f"{total}: {members}. {self._caps()}"

    def _caps(self) -> str:
        caps = [
            *([] if self.left_tokens is None else [f"{max(self.left_tokens, 0):,} tokens"]),
            *([] if self.left_usd is None else [dollars(max(self.left_usd, 0.0))]),
            *([] if self.left_seconds is None else [f"{max(self.left_seconds, 0.0):,.0f} s"]),
        ]
        if not caps:
            return "No cap is set."
        enough = "" if self.fraction >= 1 else f", enough for {self.fraction:.0%} of it"
        return f"Left of the caps: {', '.join(caps)}{enough}."


def estimate(task: Task, history: History | None = None) -> Estimate | None:
    """Return what the models of a task's team are going to cost; None without any to ask.

    `history`: what is known so far; a study that was begun is reckoned from where it stands.
    Asking a model to read failures is left out; the final analysis is not.

    >>> from trialwright import Budget, Float, Objective, Space
    >>> model = Agent(name="m", model="openai:m", price=(1, 4))
    >>> task = Task(name="t", objective=Objective(metric="y"), space=Space((Float("x", 0, 1),)),
    ...             budget=Budget(trials=9), team=(model,))
    >>> found = estimate(task)
    >>> found.trials, round(found.members[0].turns), found.usd > 0
    (9, 10, True)
    """
    known = history or History()
    agents = [one for one in task.team if isinstance(one, Agent)]
    count = _to_propose(task, known)
    trials = UNBOUNDED if count is None else count
    if not agents or not trials:
        return None
    share = shares(task, known)
    members = tuple(
        _turns(task, known, agent, share=share[agent.name], trials=trials, last=agent is agents[0])
        for agent in agents
    )
    prices = [one.usd for one in members if one.usd is not None]
    seconds = [one.seconds for one in members if one.seconds is not None]
    allowance = left(task, known)
    return Estimate(
        trials=trials,
        bounded=count is not None,
        members=members,
        tokens=math.fsum(one.tokens for one in members),
        usd=math.fsum(prices) if len(prices) == len(members) else None,
        seconds=math.fsum(seconds) if len(seconds) == len(members) else None,
        left_tokens=allowance.tokens,
        left_usd=None if allowance.usd is None else float(allowance.usd),
        left_seconds=allowance.seconds,
    )


def dollars(usd: float) -> str:
    """Return a price in words.

    >>> dollars(12.345), dollars(0.00123), dollars(0)
    ('$12.35', '$0.0012', 'free')
    """
    if usd == 0:
        return "free"
    return f"${usd:.2f}" if usd >= 0.1 else f"${usd:.2g}"


def rough(tokens: float) -> int:
    """Return two digits that count: more would claim to be known.

    >>> rough(2925.4), rough(87.2)
    (2900, 87)
    """
    whole = round(tokens)
    return round(whole, 2 - len(str(whole))) if whole >= 100 else whole


def _to_propose(task: Task, history: History) -> int | None:
    """How many trials are the team's to propose; None if the budget does not say."""
    budget = task.budget
    bounds = [
        *([] if budget.trials is None else [budget.trials - len(history.trials)]),
        *([] if budget.runs is None else [(budget.runs - history.launches) // task.seeds.screen]),
    ]
    if not bounds:
        return None
    room = max(min(bounds), 0)
    grid = () if task.grid is None else task.space.grid(task.grid)
    own = chain((task.space.complete(one) for one in task.start), grid)
    waiting = (one for one in own if not (history.opened and history.tried(one)))
    return room - sum(1 for _ in islice(waiting, room))


def _turns(
    task: Task, history: History, agent: Agent, *, share: float, trials: int, last: bool
) -> Turns:
    """What a member takes for `trials`; the team's first model has the `last` word, too."""
    # At first every worker waits for a trial, and one turn serves them all; then one at a time.
    together = min(task.runner.workers or 1, trials)
    turns = share * (trials - together) + min(share * together, 1.0) + (1 if last else 0)
    had = [one for one in history.exchanges if one.by == agent.name and one.requests][-RECENT:]
    requests, read, written = _averages(had) if had else _guess(task, agent)
    each = providers.price(agent, round(read), round(written))
    return Turns(
        name=agent.name,
        share=share,
        turns=turns,
        requests=requests,
        read=read,
        written=written,
        measured=bool(had),
        seconds=turns * math.fsum(one.seconds for one in had) / len(had) if had else None,
        usd=None if each is None else turns * requests * float(each),
    )


def _averages(had: Sequence[Exchange]) -> tuple[float, float, float]:
    """Requests per turn, tokens read and written per request, as they were."""
    requests = sum(one.requests for one in had)
    read = sum(one.input_tokens for one in had)
    written = sum(one.output_tokens for one in had)
    return requests / len(had), read / requests, written / requests


def _guess(task: Task, agent: Agent) -> tuple[float, float, float]:
    """The same of a member that was never asked: a full prompt, and an answer of usual length."""
    edits = task.research is not None
    fixed = FRAME + len(
        author.instructions(task, agent) if edits else briefing.instructions(task, agent)
    )
    read = (fixed + (_code(task) + EDITING if edits else _state(task))) / CHARACTERS
    hard = agent.effort not in (None, "minimal", "low")
    usual = EDITED if edits else WRITTEN
    written = agent.output_tokens if hard else min(usual, agent.output_tokens)
    return 1 if agent.cli else REQUESTS, read, written


def _code(task: Task) -> int:
    """Characters of the code that is shown; what can't be read is told when the study begins."""
    try:
        return len(codebrief.code(task, History()))
    except TrialwrightError:
        return 0


def _state(task: Task) -> int:
    """Characters of a briefing's second part, about, once there are trials to fill it."""
    names = task.space.names
    values = 8 * len(names)
    curves = briefing.CURVES * (12 + 11 * briefing.POINTS)
    # Where room is short, curves are left out first.
    table = briefing.SHOWN * (60 + values) + briefing.SHOWN // 2 * curves
    optimiser = 2 * (250 + values + sum(map(len, names)))
    return min(table + optimiser, briefing.LONGEST)
