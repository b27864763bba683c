"""What the members of a team deserve: shares of the next trials, by prior and measured credit.

Pure, and read off the history each time. Of a member it knows its name, and whether it is a model.

Prior: judgement leads in the first ten trials, a capable model before the expert; what learns from
the results alone leads as data grow. Credit: how far a member's trials improved on the best at
their time, per turn, in units of the spread of all results, old trials counting less. Trust: a turn
counts against its member if it was lost (a refusal, a failed conversation), if the trial failed, or
if its result lies below what the member promised itself, or below what expert and
surrogates expected of a trial of their own at the time. So low promises gain nothing, high ones
that fail cost, and who keeps failing is out within a few trials.

A skeptic is not judged by improvements, nor an explorer by expectations of gain: what is credit for
the one is what it settled (`analysis.doubts`), a seed that it had a trial given being a turn too,
and neither falls short where its result is poor. Skeptics together have at most `DOUBT_MOST`.

A turn costs one trial. Only where the budget is in time and not in trials, it costs time: that of
the runs, and that of the conversations with a model.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from trialwright.analysis.doubts import replications, settled
from trialwright.analysis.matching import DESIGNER
from trialwright.history import History, Trial
from trialwright.task import Agent, Role, Task

EARLY, LATE = 10, 100
"""Trials up to which the first prior weight holds, and from which on the second does."""

PRIOR: Mapping[str, tuple[float, float]] = {
    "expert": (6.0, 2.0),
    "gp": (2.0, 4.0),
    "tpe": (1.0, 3.0),
    "cmaes": (0.5, 3.0),
    "random": (0.5, 0.5),
    "tree": (2.0, 2.0),
    "editor": (6.0, 2.0),
}
"""Weights at `EARLY` and at `LATE` trials. Others have `UNKNOWN`."""
INQUIRY = 0.5
"""Share of who tests claims, beside others: it wants to know, and can't be judged by gains."""
MODEL = (8.0, 2.0)
"""Of language models, all of them together."""
SKEPTIC = (1.0, 2.0)
"""Of a skeptic, whoever it is: there is little to doubt before much is believed."""
UNKNOWN = (1.0, 1.0)

JUDGES = frozenset({"expert", "gp", "tpe", "cmaes"})
"""Members whose expectations others are held to: they weigh results, and want nothing."""

DOUBT_MOST = 0.3
"""The most that skeptics have together: what nobody found needs no doubt."""

FLOOR = 0.05
"""The least share of a member: enough to notice that it has become the best."""

MEMORY = 0.95
"""What a trial counts relative to the next one: about the last 20 trials decide."""

WINDOW = 100
"""Trials that are looked at; older ones would count less than a hundredth."""

PATIENCE = 4.0
"""Trials' worth of average credit that a member is lent."""

FAITH = 0.75
"""Faultless turns that a member is lent."""

SEVERITY = 4.0
"""Power of the faultless part of a member's turns in its trust."""

DOUBT = 0.25
"""Trust below which a member's poor results are left out of what others learn from."""

PLAIN = frozenset({"user", "grid", "random", "tree", "healer", DESIGNER})
"""Who is never doubted: people, and those that look for what is unknown or cover a space."""

FEW = 0.5
"""Results of others at which half of a fault counts: with fewer there is little to go by."""

LOST = 2 / 3
"""Fault of a lost turn: it cost no trial, but one alone may be the network's."""

FAILED = 0.5
"""Fault of a trial that failed: it brought no result, and may have taught something."""

COSTS = (0.25, 4.0)
"""The least and the most that a turn can cost, in average ones."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a member stands: its share of the next trials, and why."""

    name: str
    share: float
    """In [0, 1]; the shares of a team sum to 1."""
    prior: float
    """What its share would be without any result."""
    credit: float
    """Improvement per turn in units of the results' spread, lent credit included; at least 0."""
    trust: float
    """In [0, 1]; 1 if nothing speaks against the member."""
    trials: int
    """Finished ones, among the last `WINDOW`."""
    sentence: str


def shares(task: Task, history: History) -> dict[str, float]:
    """Return the share of the next trials per member of the task's team; they sum to 1."""
    return {standing.name: standing.share for standing in of_team(task, history)}


def of_team(task: Task, history: History) -> list[Standing]:
    """Return where each member of the task's team stands."""
    models = [one.name for one in task.team if isinstance(one, Agent)]
    return standings(task.member_names, history, models=models)


def standings(
    names: Sequence[str], history: History, *, models: Collection[str] = ()
) -> list[Standing]:
    """Return where each of `names` stands, in that order; `names` is not empty.

    `models`: those that are language models.
    """
    judged = [name for name in names if name != DESIGNER]
    if not judged or len(judged) == len(names):
        return _earned(names, history, models=models)
    earned = {one.name: one for one in _earned(judged, history, models=models)}
    left = 1 - INQUIRY
    scaled = {
        name: replace(one, share=one.share * left, prior=one.prior * left)
        for name, one in earned.items()
    }
    return [scaled[name] if name in scaled else _inquiring(history) for name in names]


def distrusted(history: History) -> frozenset[str]:
    """Return who has fallen short so often that only its successes are to be learnt from."""
    names = {trial.proposal.by for trial in history.trials[-WINDOW:]} - JUDGES - PLAIN
    names -= {name for name, role in _roles(history).items() if role != "exploiter"}
    if not names:
        return frozenset()
    records = _records([*names], history)
    return frozenset(name for name in names if _trust(records[name]) < DOUBT)


def _inquiring(history: History) -> Standing:
    """The fixed place of who tests claims."""
    own = [t for t in history.trials[-WINDOW:] if t.proposal.by == DESIGNER]
    return Standing(
        name=DESIGNER,
        share=INQUIRY,
        prior=INQUIRY,
        credit=0.0,
        trust=1.0,
        trials=sum(trial.state in ("done", "failed", "pruned") for trial in own),
        sentence=f"{DESIGNER} tests claims and gets {INQUIRY:.0%} of the trials, while there is"
        " any to test",
    )


def _earned(
    names: Sequence[str], history: History, *, models: Collection[str] = ()
) -> list[Standing]:
    prior = _priors(names, models, history)
    records = _records(names, history)
    credit = _credit(records, _costs(names, history))
    trust = {name: _trust(records[name]) for name in names}
    average = math.fsum(credit.values()) / len(credit)
    # Where nobody has improved anything, all are alike, and prior and trust alone speak.
    factor = {name: trust[name] * (credit[name] + 0.02) / (average + 0.02) for name in names}
    pulled = _normalised({name: prior[name] * factor[name] for name in names})
    floor = min(FLOOR, 0.5 / len(names))
    share = {name: floor + (1 - floor * len(names)) * pulled[name] for name in names}
    share = _bounded(share, {name for name in names if _roles(history).get(name) == "skeptic"})
    return [
        Standing(
            name=name,
            share=share[name],
            prior=prior[name],
            credit=credit[name] * trust[name],
            trust=trust[name],
            trials=records[name].trials,
            sentence=_sentence(name, prior[name], credit, record=records[name])
            + (_DOUBTING if _roles(history).get(name) == "skeptic" else ""),
        )
        for name in names
    ]


def in_line(names: Sequence[str]) -> list[str]:
    """Return `names` in the order in which they share out turns: a study's first is the first's.

    Judgement that needs no results comes first, the expert before a model: its sensible default is
    what the others can be measured against.
    """
    return sorted(names, key=lambda name: (name == DESIGNER, -PRIOR.get(name, UNKNOWN)[0]))


@dataclass(slots=True)
class _Record:
    """What a member's recent turns brought, later ones counting more."""

    trials: int = 0
    lost: int = 0
    weight: float = 0.0
    """Of its turns."""
    gain: float = 0.0
    fault: float = 0.0

    def turn(self, weight: float, *, gain: float = 0.0, fault: float = 0.0) -> None:
        """Book a turn; `gain` and `fault` are in [0, 1]."""
        self.weight += weight
        self.gain += weight * gain
        self.fault += weight * fault


_DOUBTING = " As a skeptic it is judged by what it settled."


def _roles(history: History) -> Mapping[str, Role]:
    return history.task.roles if history.opened else {}


def _bounded(share: Mapping[str, float], skeptics: Collection[str]) -> dict[str, float]:
    """Shares of which skeptics have at most their part; all of it where there is nobody else."""
    doubting = math.fsum(share[name] for name in skeptics)
    if doubting <= DOUBT_MOST or len(skeptics) == len(share):
        return dict(share)
    down, up = DOUBT_MOST / doubting, (1 - DOUBT_MOST) / (1 - doubting)
    return {name: one * (down if name in skeptics else up) for name, one in share.items()}


def _priors(names: Sequence[str], models: Collection[str], history: History) -> dict[str, float]:
    """Shares without any result; geometric between `EARLY` and `LATE` trials."""
    count, roles = len(history.trials), _roles(history)
    delegates = history.task.delegates if history.opened else {}
    kinds = {name: one.member for name, one in delegates.items()}
    way = min(math.log(max(count, EARLY) / EARLY) / math.log(LATE / EARLY), 1.0)
    several = sum(name in models for name in names)
    weights = {}
    for name in names:
        early, late = MODEL if name in models else PRIOR.get(kinds.get(name, name), UNKNOWN)
        if roles.get(name) == "skeptic" and name not in models:
            early, late = SKEPTIC
        weight = float(early * (late / early) ** way)
        weights[name] = weight / several if name in models else weight
    return _normalised(weights)


def _records(names: Sequence[str], history: History) -> dict[str, _Record]:
    records = {name: _Record() for name in names}
    recent = history.trials[-WINDOW:]
    values, sign, roles = _values(history), _sign(history), _roles(history)
    spared = {name for name, role in roles.items() if role != "exploiter"}
    gains, faults = _gains(values, recent), _faults(values, recent, sign=sign, spared=spared)
    skeptics = [name for name in names if roles.get(name) == "skeptic"]
    worth = settled(history) if skeptics else {}
    own = [trial for trial in recent if trial.proposal.by in skeptics]
    gains |= {t.number: worth.get(t.number, 0.0) for t in own if t.number in {*values, *worth}}
    for name in skeptics:
        for age, gain in enumerate(replications(history, name)[:WINDOW]):
            records[name].turn(MEMORY**age, gain=gain)
    for age, trial in enumerate(reversed(recent)):
        record = records.get(trial.proposal.by)
        if record is None:
            continue
        if trial.number in gains:
            record.trials += 1
            record.turn(MEMORY**age, gain=gains[trial.number], fault=faults.get(trial.number, 0.0))
        elif trial.state == "failed":
            record.trials += 1
            record.turn(MEMORY**age, fault=FAILED)
        elif trial.state == "pruned":
            record.trials += 1
            record.turn(MEMORY**age)
    for age, name in enumerate(_lost(history)):
        if name in records:
            records[name].lost += 1
            records[name].turn(MEMORY**age, fault=LOST)
    return records


def _lost(history: History) -> list[str]:
    """Whose turns were lost, latest first: refused proposals, and failed conversations."""
    refused = [r.proposal.by for r in history.refusals[-WINDOW:] if r.request is None]
    failed = [
        exchange.by
        for exchange in history.exchanges[-WINDOW:]
        if exchange.purpose == "propose" and exchange.outcome == "failed"
    ]
    return [*reversed(refused), *reversed(failed)]


def _credit(records: Mapping[str, _Record], costs: Mapping[str, float]) -> dict[str, float]:
    """Gain per cost, each member lent `PATIENCE` turns at the team's average."""
    weight = math.fsum(record.weight for record in records.values())
    average = math.fsum(record.gain for record in records.values()) / weight if weight else 0.0
    return {
        name: (record.gain + PATIENCE * average) / (record.weight + PATIENCE) / costs[name]
        for name, record in records.items()
    }


def _trust(record: _Record) -> float:
    return float((1 - min(record.fault / (record.weight + FAITH), 1.0)) ** SEVERITY)


def _costs(names: Sequence[str], history: History) -> dict[str, float]:
    """What a turn of each costs, in average ones."""
    even = dict.fromkeys(names, 1.0)
    budget = history.task.budget if history.opened else None
    if budget is None or budget.trials is not None or budget.time_s is None:
        return even
    seconds, turns = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0)
    for trial in history.trials[-WINDOW:]:
        if trial.proposal.by in seconds:
            ended = [run.observation.seconds for run in trial.runs if run.observation]
            seconds[trial.proposal.by] += math.fsum(ended)
            turns[trial.proposal.by] += 1
    for exchange in history.exchanges[-WINDOW:]:
        if exchange.by in seconds and exchange.purpose == "propose":
            seconds[exchange.by] += exchange.seconds
    per_turn = {name: seconds[name] / turns[name] for name in names if turns[name]}
    whole = math.fsum(seconds.values()) / max(sum(turns.values()), 1)
    if not whole:
        return even
    low, high = COSTS
    return even | {name: min(max(cost / whole, low), high) for name, cost in per_turn.items()}


def _gains(values: Mapping[int, float], recent: Sequence[Trial]) -> dict[int, float]:
    """Per trial of `recent` with a value: what it added to the best at its time, 0 to 1.

    The first value of a study improves on nothing and is left out.
    """
    first = recent[0].number if recent else 0
    best = max((value for number, value in values.items() if number < first), default=None)
    spread = _spread(list(values.values()))
    gains: dict[int, float] = {}
    for trial in recent:
        value = values.get(trial.number)
        if value is None:
            continue
        if best is not None:
            gains[trial.number] = min(max(value - best, 0.0) / spread, 1.0)
        best = value if best is None else max(best, value)
    return gains


def _faults(
    values: Mapping[int, float], recent: Sequence[Trial], *, sign: int, spared: Collection[str]
) -> dict[int, float]:
    """Per trial of `recent` with a value: how far it fell short of what was to be expected, 0 to 1.

    That is, by half, the lower end of the trial's own predicted interval. And what a judge expected
    last of a trial of its own: from half way to the lower end of its interval on, the whole fault
    one half width further down. Until a judge has predicted anything, the worst that judges saw.
    Who is `spared` is held to its own word alone.
    """
    spread = _spread(list(values.values()))
    seen = {name: [t for t in recent if t.proposal.by == name] for name in JUDGES}
    faults: dict[int, float] = {}
    for trial in recent:
        value, by = values.get(trial.number), trial.proposal.by
        if value is None:
            continue
        fault = 0.5 * _short(_promise(trial, sign), value, spread)
        others = [t for name, trials in seen.items() if name != by for t in trials]
        results = sum(t.number in values for t in others)
        if results and by not in JUDGES and by not in spared:
            before = [t for t in others if t.number < trial.number]
            least, reach = _expected(before, values, sign)
            fault += results / (results + FEW) * _short(least, value, reach or spread)
        faults[trial.number] = min(fault, 1.0)
    return faults


def _expected(
    judged: Sequence[Trial], values: Mapping[int, float], sign: int
) -> tuple[float, float]:
    """From which value on one is short of what judges expect, and by how much wholly; 0: unsaid."""
    for trial in sorted(judged, key=lambda t: -t.number):
        promised = trial.proposal.predicted
        if promised is not None and math.isfinite(promised.high - promised.low):
            middle = sign * (promised.low + promised.high) / 2
            half = abs(promised.high - promised.low) / 2
            return middle - half / 2, half
    return min((values[t.number] for t in judged if t.number in values), default=-math.inf), 0.0


def _promise(trial: Trial, sign: int) -> float:
    """The lower end of a trial's predicted interval, larger better; -inf without one."""
    promised = trial.proposal.predicted
    if promised is None:
        return -math.inf
    least = min(sign * promised.low, sign * promised.high)
    return least if math.isfinite(least) else -math.inf


def _short(least: float, value: float, reach: float) -> float:
    """How far a value falls short of `least`, as a part of `reach`; at most 1."""
    return min(max((least - value) / reach, 0.0), 1.0)


def _values(history: History) -> dict[int, float]:
    """The value of each trial that has one, larger better."""
    sign = _sign(history)
    return {trial.number: sign * (trial.value or 0.0) for trial in history.done()}


def _sign(history: History) -> int:
    return history.task.objective.sign if history.opened else 1


def _spread(values: Sequence[float]) -> float:
    """The interquartile range, or the range where half of the values agree; never 0."""
    if not values:
        return 1.0
    low, high = np.percentile(values, [25, 75])
    return float(high - low) or (max(values) - min(values)) or 1.0


def _normalised(weights: Mapping[str, float]) -> dict[str, float]:
    total = math.fsum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def _sentence(name: str, prior: float, credit: Mapping[str, float], *, record: _Record) -> str:
    stem = f"{name} would have {prior:.0%} of the next trials by experience"
    lost = f" It lost {_counted(record.lost, 'turn')}." if record.lost else ""
    average = math.fsum(credit.values()) / len(credit)
    if not record.trials:
        return f"{stem}, and has no results of its own yet.{lost}"
    if record.fault / record.weight > 0.25:
        return f"{stem}; it fell short of what was to be expected too often.{lost}"
    if not average:
        return f"{stem}; nobody has improved on the best lately.{lost}"
    times = credit[name] / average
    brought = f"brought {times:.1f} times the average gain"
    return f"{stem}; its last {_counted(record.trials, 'trial')} {brought}.{lost}"


def _counted(amount: int, noun: str) -> str:
    return f"{amount} {noun}{'' if amount == 1 else 's'}"
