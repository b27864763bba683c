"""From rehearsals to a plan: when a campaign is done, what it costs, how good it gets, how surely.

It decides how many rehearsals there are, how long and how close to the team they are, so that a
plan takes minutes at most; and it says what was left out for that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import mean, median, stdev

from scipy.special import stdtrit

from trialwright.app.plan.chance import Chance
from trialwright.app.plan.ground import Ground, Wishes, ground
from trialwright.app.plan.rehearsal import Cell, Rehearsal, Stage, stage
from trialwright.app.plan.team import CHEAP
from trialwright.errors import StudyError
from trialwright.history import History
from trialwright.propose.credit import PRIOR
from trialwright.propose.estimate import estimate
from trialwright.records import Entry
from trialwright.task import Agent, Task

WORKERS = (1, 2, 4, 8)
"""That are compared where nobody says which."""

MOST, LEAST = 8, 3
"""Rehearsals of each team on each number of workers."""

ASKED = 200
"""Trials, over all rehearsals, for which teams are really asked."""

REHEARSED = 1800
"""Trials that are rehearsed, over all; of each campaign at least `SHORTEST`."""

SHORTEST = 40

SURE = 0.9
"""Probability of the end that is given as late, and of the ranges."""

PAYS = 0.5
"""Part of the time that more workers save at best, which they have to save to be worth it."""

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Range:
    """The middle of what rehearsals showed, and where the next one would lie between."""

    middle: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What is expected of a team on so many workers."""

    team: tuple[str, ...]
    workers: int
    trials: float
    runs: float
    finish_s: Range
    run_hours: Range
    cpu_hours: float
    gpu_hours: float | None
    """None: the study file does not say how many GPUs a run takes."""
    tokens: float
    """Of language models."""
    usd: float | None
    """None: a price that nobody knows."""
    best: Range | None
    """What the best trial is really worth; None: unknown."""
    regret: Range | None
    """By how much it misses the best that there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A campaign before it takes place."""

    outlooks: tuple[Outlook, ...]
    advice: tuple[str, ...]
    basis: tuple[str, ...]
    rehearsals: int
    trials: int | None
    """That the campaign is to have in all; None: as many as its time allows."""
    known: int
    """Trials that there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """How much is rehearsed, so that it ends in time."""

    rehearsals: int
    trials: int
    """New ones, at most, in each."""
    every: int
    to_come: int | None
    """New trials that the campaign has; None: bounded by time alone."""


def plan(
    task: Task,
    history: History,
    entries: Sequence[Entry],
    wishes: Wishes,
    tell: Callable[[str], None] = lambda text: None,  # noqa: ARG005
) -> Plan:
    """Plan a campaign of `task` that goes on from `history`, whose ledger has `entries`.

    `tell` hears of each team on each number of workers that is rehearsed.

    Raises:
        StudyError: nothing is left to plan, or what has to be known is not.
    """
    if wishes.trials is not None:
        task = replace(task, budget=replace(task.budget, trials=wishes.trials))
    teams = wishes.teams or (task.member_names,)
    check_teams(task, teams)
    workers = wishes.workers or tuple(sorted({*WORKERS, task.runner.workers or 1}))
    known = ground(task, history, wishes)
    dear = not {name for team in teams for name in team} <= set(CHEAP)
    scope = scoped(task, history, cells=len(teams) * len(workers), dear=dear)
    chances = [Chance(known, number) for number in range(scope.rehearsals)]
    outlooks = []
    with stage(known, entries) as place:
        for team in teams:
            for count in workers:
                tell(f"rehearsing {' + '.join(team)} on {count} worker{'s' if count > 1 else ''}")
                cell = Cell(
                    team=team,
                    workers=count,
                    trials=len(history.trials) + scope.trials,
                    every=scope.every,
                )
                outlooks.append(_outlook(known, cell, _rehearsed(place, cell, chances, scope)))
    return Plan(
        outlooks=tuple(outlooks),
        advice=advice(outlooks),
        basis=tuple(f"{text[0].upper()}{text[1:]}." for text in (*known.basis, *_left_out(scope))),
        rehearsals=scope.rehearsals,
        trials=task.budget.trials,
        known=len(history.trials),
    )


def check_teams(task: Task, teams: Sequence[tuple[str, ...]]) -> None:
    """See that each team has members that there are.

    Raises:
        StudyError: one has not.
    """
    known = {*PRIOR, *task.member_names}
    for team in teams:
        unknown = [name for name in team if name not in known]
        if unknown or not team or len(set(team)) < len(team):
            raise StudyError(
                f"--team {'+'.join(team)}: {', '.join(unknown) or 'a member'} is none, or named"
                f" twice; there are {', '.join(sorted(known))}; separate teams by commas, members"
                " of one team by +"
            )


def scoped(task: Task, history: History, *, cells: int, dear: bool = True) -> Scope:
    """Decide how much is rehearsed; a team that is `dear` is asked less often.

    Raises:
        StudyError: nothing is left to do.
    """
    budget, bounds = task.budget, []
    if budget.trials is not None:
        bounds.append(budget.trials - len(history.trials))
    if budget.runs is not None:
        bounds.append((budget.runs - history.launches) // task.seeds.screen)
    if task.space.size is not None:
        bounds.append(task.space.size - len(history.trials))
    if not bounds and budget.time_s is None:
        raise StudyError("the budget has no end: say how many trials are planned with --trials")
    to_come = min(bounds) if bounds else None
    pending = bool(history.opened and history.pending())
    if to_come is not None and to_come <= 0 and not pending:
        raise StudyError(
            f"nothing is left to plan: the study has {len(history.trials)} trials, and its budget"
            " is used up; say how many there are to be in all with --trials"
        )
    wanted = REHEARSED // LEAST if to_come is None else max(to_come, 0)
    trials = min(wanted, max(REHEARSED // (cells * LEAST), SHORTEST))
    rehearsals = min(max(REHEARSED // (cells * max(trials, 1)), LEAST), MOST)
    if cells * rehearsals * trials > ASKED:
        rehearsals = LEAST
    every = max(math.ceil(cells * rehearsals * trials / ASKED), 1) if dear else 1
    return Scope(rehearsals=rehearsals, trials=trials, every=every, to_come=to_come)


def advice(outlooks: Sequence[Outlook]) -> tuple[str, ...]:
    """Say from where on more workers stop helping, and which team does best."""
    teams = dict.fromkeys(one.team for one in outlooks)
    found = [_knee([one for one in outlooks if one.team == team], many=len(teams) > 1)
             for team in teams]  # fmt: skip
    rated = [one for one in outlooks if one.regret is not None]
    if len(teams) > 1 and rated:
        best = min(rated, key=lambda one: one.regret.middle if one.regret else math.inf)
        assert best.regret is not None
        level = [
            one
            for one in rated
            if one.team != best.team and one.regret and one.regret.low <= best.regret.high
        ]
        doubt = ", though the ranges overlap" if level else ""
        found.append(f"{' + '.join(best.team)} gets nearest to the best{doubt}.")
    return tuple(text for text in found if text)


def _knee(row: Sequence[Outlook], *, many: bool) -> str:
    row = sorted(row, key=lambda one: one.workers)
    if len(row) < 2:
        return ""
    who = f"{' + '.join(row[0].team)}: " if many else ""
    for less, more in pairwise(row):
        saved = less.finish_s.middle - more.finish_s.middle
        ideal = less.finish_s.middle * (1 - less.workers / more.workers)
        share = saved / less.finish_s.middle if less.finish_s.middle > 0 else 0.0
        if saved < PAYS * ideal:
            gain = f"save only {share:.0%} of the time" if share > 0.005 else "save no time"
            return f"{who}Take {_workers(less.workers)}: {more.workers} {gain}."
        if less.regret and more.regret and more.regret.middle > less.regret.high:
            return (
                f"{who}Take {_workers(less.workers)}: {more.workers} save {share:.0%} of the time,"
                " and come less near to the best, since trials start before others have ended."
            )
    return f"{who}Take {_workers(row[-1].workers)}: up to there, each step pays."


def _workers(count: int) -> str:
    return f"{count} worker{'' if count == 1 else 's'}"


# -- from rehearsals to figures


def _rehearsed(
    place: Stage, cell: Cell, chances: Sequence[Chance], scope: Scope
) -> list[Rehearsal]:
    return [_grown(place.rehearse(cell, one), place, scope) for one in chances]


def _grown(one: Rehearsal, place: Stage, scope: Scope) -> Rehearsal:
    """A rehearsal of a campaign's beginning, as long as the whole of it."""
    whole = scope.to_come
    if one.timed_out or not one.trials or one.trials < scope.trials:
        return one
    left_s = place.left_s
    factor = math.inf if whole is None else whole / one.trials
    if left_s is not None and one.finish_s > 0:
        factor = min(factor, left_s / one.finish_s)
    if factor <= 1 or math.isinf(factor):
        return one
    return replace(
        one,
        trials=round(one.trials * factor),
        runs=round(one.runs * factor),
        finish_s=one.finish_s * factor,
        run_s=one.run_s * factor,
        cpu_s=one.cpu_s * factor,
        gpu_s=None if one.gpu_s is None else one.gpu_s * factor,
        failed=round(one.failed * factor),
    )


def _outlook(known: Ground, cell: Cell, had: Sequence[Rehearsal]) -> Outlook:
    gpus = [one.gpu_s for one in had if one.gpu_s is not None]
    worths = [one.worth for one in had if one.worth is not None]
    regrets = [one.regret for one in had if one.regret is not None]
    tokens, usd = _asked(known, cell, trials=round(mean(one.trials for one in had)))
    return Outlook(
        team=cell.team,
        workers=cell.workers,
        trials=median(one.trials for one in had),
        runs=median(one.runs for one in had),
        finish_s=_spread([one.finish_s for one in had], above=True),
        run_hours=_spread([one.run_s / HOUR_S for one in had], above=True),
        cpu_hours=median(one.cpu_s for one in had) / HOUR_S,
        gpu_hours=median(gpus) / HOUR_S if len(gpus) == len(had) else None,
        tokens=tokens,
        usd=usd,
        best=_spread(worths) if len(worths) == len(had) else None,
        regret=_spread(regrets, floor=0.0) if len(regrets) == len(had) else None,
    )


def _spread(values: Sequence[float], *, above: bool = False, floor: float = -math.inf) -> Range:
    """The median, and between what the next value lies with probability `SURE`.

    By Student's t for the few that there are; with `above`, of logarithms, and only the upper end
    is of that probability.
    """
    logs = above and min(values) > 0
    scaled = [math.log(value) for value in values] if logs else list(values)
    tail = SURE if above else 0.5 + SURE / 2
    apart = 0.0
    if len(values) > 1:
        apart = float(stdtrit(len(values) - 1, tail)) * stdev(scaled)
        apart *= math.sqrt(1 + 1 / len(values))
    ends = [mean(scaled) - apart, mean(scaled) + apart]
    low, high = [math.exp(end) for end in ends] if logs else ends
    middle = median(values)
    return Range(middle, max(min(low, middle), floor), max(high, middle))


def _asked(known: Ground, cell: Cell, *, trials: int) -> tuple[float, float | None]:
    """Tokens and dollars of the models in a team, over so many new trials."""
    task, history = known.task, known.history
    agents = [one for one in task.team if isinstance(one, Agent) and one.name in cell.team]
    if not agents:
        return 0.0, 0.0
    by_name = {agent.name: agent for agent in agents}
    team = tuple(by_name.get(name, name) for name in cell.team)
    bounded = replace(
        task,
        team=team,  # type: ignore[arg-type]  # names were checked
        runner=replace(task.runner, workers=cell.workers),
        budget=replace(task.budget, trials=len(history.trials) + trials, runs=None),
    )
    found = estimate(bounded, history)
    return (0.0, 0.0) if found is None else (found.tokens, found.usd)


def _left_out(scope: Scope) -> list[str]:
    """What a plan leaves out to end in time, in words."""
    found = [f"from {scope.rehearsals} rehearsals each, with different draws of what is unknown"]
    if scope.every > 1:
        found.append(
            f"teams are really asked for one trial in {scope.every}, the others vary good and"
            " recent ones: what they reach is a cautious guess"
        )
    if scope.to_come is not None and scope.trials < scope.to_come:
        found.append(
            f"the first {scope.trials} of {scope.to_come} trials are rehearsed, and time and cost"
            " go on at their pace; how good it gets is said of those alone"
        )
    return found
