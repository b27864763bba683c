"""Several proposers as one: who takes the next trial, by prior and by measured credit.

It keeps no state: turns, credit and shares are read off the history each time. It knows members as
callables only; what they think is theirs.

Prior: judgement leads in the first ten trials, models of the results lead as data grow. Credit: how
far a member's trials improved on the best at their time, per trial, in units of the spread of all
results, old trials counting less; a result worse than the member's own predicted interval counts
against it. So low promises gain nothing, and high ones that fail cost.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from trialwright.errors import ProposerError
from trialwright.expression import Scalar
from trialwright.history import History, Trial
from trialwright.propose.baselines import Random, is_fresh
from trialwright.propose.expert import Expert
from trialwright.propose.proposer import Proposer
from trialwright.records import Proposal
from trialwright.task import Member, Task

EARLY, LATE = 10, 100
"""Trials up to which the first prior weight holds, and from which on the second does."""

PRIOR: Mapping[str, tuple[float, float]] = {
    "expert": (6.0, 2.0),
    "gp": (2.0, 4.0),
    "tpe": (1.0, 3.0),
    "cmaes": (0.5, 3.0),
    "random": (0.5, 0.5),
}
"""Weights at `EARLY` and at `LATE` trials. Others have `UNKNOWN`."""
UNKNOWN = (1.0, 1.0)

FLOOR = 0.05
"""The least share of a member: enough to notice that it has become the best."""

MEMORY = 0.95
"""What a trial counts relative to the next one: about the last 20 trials decide."""

WINDOW = 100
"""Trials that are looked at; older ones would count less than a hundredth."""

PATIENCE = 4.0
"""Trials' worth of average credit that a member is lent."""

SPARE = 10
"""Proposals that are looked at per one asked for."""

GOLDEN = (math.sqrt(5) - 1) / 2
"""Its multiples, modulo 1, fill [0, 1) evenly: turns follow the shares without chance or memory."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a member stands: its share of the next trials, and why."""

    name: str
    share: float
    """In [0, 1]; the shares of a team sum to 1."""
    prior: float
    """What its share would be without any result."""
    credit: float
    """Improvement per trial in units of the results' spread, lent credit included; at least 0."""
    trials: int
    """Finished ones, among the last `WINDOW`."""
    sentence: str


def member(name: Member, task: Task) -> Proposer:
    """Return the proposer of this name, for this task.

    Raises:
        ProposerError: there is none of this name.
    """
    match name:
        case "expert":
            return Expert()
        case "random":
            return Random()
        case "tpe" | "gp" | "cmaes":
            # Optuna takes half a second to import, and most teams need none of it.
            from trialwright.propose.optuna_samplers import CmaEs, Gp, Tpe

            modelled: dict[str, Proposer] = {"tpe": Tpe(), "gp": Gp(), "cmaes": CmaEs()}
            return modelled[name]
    raise ProposerError(
        f"{task.name}: no proposer is called {name!r}; a team may have {', '.join(PRIOR)}"
    )


def shares(task: Task, history: History) -> dict[str, float]:
    """Return the share of the next trials per member of the task's team; they sum to 1."""
    return {standing.name: standing.share for standing in standings(task.team, history)}


def standings(names: Sequence[str], history: History) -> list[Standing]:
    """Return where each of `names` stands, in that order; `names` is not empty."""
    count = len(history.trials)
    prior = _normalised({name: _prior(name, count) for name in names})
    records = _records(names, history)
    credit = _credit(records)
    average = math.fsum(credit.values()) / len(credit)
    # Where nobody has improved anything, all are alike, and the prior alone speaks.
    factor = {name: (credit[name] + 0.02) / (average + 0.02) for name in names}
    pulled = _normalised({name: prior[name] * factor[name] for name in names})
    floor = min(FLOOR, 0.5 / len(names))
    return [
        Standing(
            name=name,
            share=floor + (1 - floor * len(names)) * pulled[name],
            prior=prior[name],
            credit=credit[name],
            trials=records[name].trials,
            sentence=_sentence(name, prior[name], credit, record=records[name]),
        )
        for name in names
    ]


class Team:
    """A proposer over several members; proposals carry the name of the member that made them.

    A member that raises, or offers nothing usable, loses its turn to the next; the proposal that
    takes the turn says so. What a member offered and can't be used is handed on behind the usable,
    so that the study records why it was refused.

    Raises:
        ProposerError: no members, or two of one name.

    >>> Team([Random()]).name
    'team'
    """

    def __init__(self, members: Sequence[Proposer]) -> None:
        names = [member.name for member in members]
        if not names or len(set(names)) < len(names):
            raise ProposerError(f"a team needs members of different names, not {names}")
        self._members = dict(zip(names, members, strict=True))

    @property
    def name(self) -> str:
        """What stands in notices about the team as a whole."""
        return "team"

    def standings(self, history: History) -> list[Standing]:
        """Return where each member stands."""
        return standings(tuple(self._members), history)

    def __call__(
        self, task: Task, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """Return up to `n` usable proposals, and behind them what can't be used.

        Raises:
            ProposerError: no member offered anything; with each one's reason.
        """
        batch = _Batch(task, history, rng)
        order, wanted = self._turns(history, n)
        for name in order:
            if wanted.get(name):
                self._ask(name, wanted[name], batch)
        # Turns that were lost go to the others, largest share first.
        for name in order:
            if len(batch.usable) < n and name not in batch.lost:
                self._ask(name, n - len(batch.usable), batch)
        if not batch.usable and not batch.unusable and any(batch.lost.values()):
            reasons = "; ".join(f"{name}: {why}" for name, why in batch.lost.items() if why)
            raise ProposerError(f"no member can propose ({reasons})")
        return [*batch.noted(), *batch.unusable]

    def _turns(self, history: History, n: int) -> tuple[list[str], dict[str, int]]:
        """The members, largest share first, and how many of the next `n` trials each is to make."""
        if len(self._members) == 1:
            name = next(iter(self._members))
            return [name], {name: n}
        standing = self.standings(history)
        # A fixed order, in which judgement comes first: the sequence of turns starts at 0.
        lined_up = sorted(standing, key=lambda s: -PRIOR.get(s.name, UNKNOWN)[0])
        turn = len(history.trials) + len(history.refusals)
        names = [_at(lined_up, (turn + i) * GOLDEN % 1.0) for i in range(n)]
        largest = sorted(standing, key=lambda s: -s.share)
        return [s.name for s in largest], {name: names.count(name) for name in names}

    def _ask(self, name: str, wanted: int, batch: _Batch) -> None:
        try:
            offered = self._members[name](batch.task, batch.history, wanted, batch.rng)
        except ProposerError as error:
            batch.lost[name] = str(error)
        except Exception as error:  # noqa: BLE001  # a member's fault must not cost others their turns
            batch.lost[name] = f"{type(error).__name__}: {error}"
        else:
            batch.take(name, offered, wanted)


class _Batch:
    """The proposals of one call, sifted as they come."""

    def __init__(self, task: Task, history: History, rng: np.random.Generator) -> None:
        self.task, self.history, self.rng = task, history, rng
        self.usable: list[Proposal] = []
        self.unusable: list[Proposal] = []
        self.lost: dict[str, str] = {}
        """Why members lost their turns, by name; '' for one that had nothing left to try."""
        self._keys: set[str] = set()

    def take(self, name: str, offered: object, wanted: int) -> None:
        """Sift what member `name` offered; at most `wanted` of it become usable."""
        items = offered[: SPARE * wanted] if isinstance(offered, list | tuple) else []
        proposals = [replace(item, by=name) for item in items if isinstance(item, Proposal)]
        before = len(self.usable)
        for proposal in proposals:
            if len(self.usable) - before < wanted:
                self._sort(proposal)
        if len(self.usable) == before:
            self.lost[name] = "" if offered == [] else "nothing that it offered is usable"

    def noted(self) -> list[Proposal]:
        """Return the usable proposals; the first says whose turns were lost, and why."""
        why = "; ".join(f"{name} lost its turn: {why}" for name, why in self.lost.items() if why)
        if not why or not self.usable:
            return self.usable
        first = self.usable[0]
        return [replace(first, rationale=f"{first.rationale} ({why})"), *self.usable[1:]]

    def _sort(self, proposal: Proposal) -> None:
        key = self._key(proposal.configuration)
        if key is None:
            self.unusable.append(proposal)
        elif key not in self._keys:
            self._keys.add(key)
            self.usable.append(proposal)

    def _key(self, configuration: Mapping[str, Scalar]) -> str | None:
        """The key of a legal configuration that was not tried; None for any other."""
        space = self.task.space
        try:
            values = space.canonical(configuration)
            if space.check(values) or not is_fresh(space, self.history, values):
                return None
            return space.key(values)
        except (TypeError, ValueError, AttributeError):
            return None  # not even names with values: the study says what is wrong with it


@dataclass(slots=True)
class _Record:
    """What a member's recent trials brought, later ones counting more."""

    trials: int = 0
    weight: float = 0.0
    reward: float = 0.0


def _records(names: Sequence[str], history: History) -> dict[str, _Record]:
    records = {name: _Record() for name in names}
    recent = history.trials[-WINDOW:]
    rewards = _rewards(history, recent)
    for age, trial in enumerate(reversed(recent)):
        record = records.get(trial.proposal.by)
        if record is not None and trial.number in rewards:
            record.trials += 1
            record.weight += MEMORY**age
            record.reward += MEMORY**age * rewards[trial.number]
    for age, refusal in enumerate(reversed(history.refusals[-WINDOW:])):
        record = records.get(refusal.proposal.by)
        if record is not None:
            record.weight += MEMORY**age  # a turn that brought nothing
    return records


def _credit(records: Mapping[str, _Record]) -> dict[str, float]:
    """Reward per turn, each member lent `PATIENCE` turns at the team's average."""
    weight = math.fsum(record.weight for record in records.values())
    # One member's broken promises must not wipe out what the others gained.
    total = math.fsum(max(record.reward, 0.0) for record in records.values())
    average = total / weight if weight else 0.0
    return {
        name: max((record.reward + PATIENCE * average) / (record.weight + PATIENCE), 0.0)
        for name, record in records.items()
    }


def _rewards(history: History, recent: Sequence[Trial]) -> dict[int, float]:
    """Per finished trial among `recent`: what it added to the best at its time, about 0 to 1.

    The first value of a study improves on nothing and is left out.
    """
    sign = history.task.objective.sign if history.opened else 1
    values = {trial.number: sign * (trial.value or 0.0) for trial in history.done()}
    first = recent[0].number if recent else 0
    best = max((value for number, value in values.items() if number < first), default=None)
    spread = _spread(list(values.values()))
    rewards: dict[int, float] = {}
    for trial in recent:
        value = values.get(trial.number)
        if value is None:
            if trial.state in ("failed", "pruned"):
                rewards[trial.number] = 0.0
            continue
        if best is not None:
            gain = min(max(value - best, 0.0) / spread, 1.0)
            rewards[trial.number] = gain - _broken_promise(trial, value, sign=sign, spread=spread)
        best = value if best is None else max(best, value)
    return rewards


def _broken_promise(trial: Trial, value: float, *, sign: int, spread: float) -> float:
    """How far a value falls short of the trial's own predicted interval, 0 to 0.5."""
    promised = trial.proposal.predicted
    if promised is None:
        return 0.0
    least = min(sign * promised.low, sign * promised.high)
    short = (least - value) / spread
    return 0.5 * min(max(short, 0.0), 1.0) if math.isfinite(short) else 0.0


def _spread(values: Sequence[float]) -> float:
    """The interquartile range, or the range where half of the values agree; never 0."""
    if not values:
        return 1.0
    low, high = np.percentile(values, [25, 75])
    return float(high - low) or (max(values) - min(values)) or 1.0


def _prior(name: str, count: int) -> float:
    """Weight at `count` trials: geometric between `EARLY` and `LATE`."""
    early, late = PRIOR.get(name, UNKNOWN)
    way = math.log(max(count, EARLY) / EARLY) / math.log(LATE / EARLY)
    return float(early * (late / early) ** min(way, 1.0))


def _at(standing: Sequence[Standing], point: float) -> str:
    """The member whose share holds `point` in [0, 1)."""
    passed = 0.0
    for one in standing:
        passed += one.share
        if point < passed:
            return one.name
    return standing[-1].name


def _normalised(weights: Mapping[str, float]) -> dict[str, float]:
    total = math.fsum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def _sentence(name: str, prior: float, credit: Mapping[str, float], *, record: _Record) -> str:
    stem = f"{name} would have {prior:.0%} of the next trials by experience"
    average = math.fsum(credit.values()) / len(credit)
    if not record.trials:
        return f"{stem}, and has no results of its own yet."
    if not average:
        return f"{stem}; nobody has improved on the best lately."
    times = credit[name] / average
    return f"{stem}; its last {record.trials} trials brought {times:.1f} times the average gain."
