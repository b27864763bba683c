"""The expert: proposes as a good practitioner does, without a key and without a model of language.

It starts from a sensible default, reads what runs have shown, and weighs what a practitioner would
change next (`moves`), what the prior holds plausible (`prior`) and what a surrogate of the results
expects (`evidence`) against each other. It keeps no state: everything is read from the history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trialwright.analysis.surrogate import Surrogate
from trialwright.errors import SpaceError
from trialwright.expression import Scalar
from trialwright.history import History
from trialwright.propose import words
from trialwright.propose.evidence import Evidence
from trialwright.propose.leaning import lean
from trialwright.propose.moves import Move, moves, spread_move
from trialwright.propose.prior import at_place, is_unordered, legal_start, place_of
from trialwright.records import Proposal
from trialwright.space import Configuration, Space
from trialwright.task import Task

Array = NDArray[np.float64]

BETA = 5.0
"""Weight of the prior, divided by the number of results: piBO (arXiv 2204.11051), tempered, since a
poor prior costs as much as a good one wins."""
TRUST = 1.0
"""Largest factor on what rules say; it falls with the weight of the prior."""
CAUTION = 2.0
"""Weight of the log probability that a run ends well: a failed trial brings no result, and costs
what another one would have brought."""
DRAWN = 90
NEARBY = 110
ANYWHERE = 60
"""Candidates from the prior, around the best trials, and uniform over the space."""
REFINED = 4
ROUNDS = 2
OFFSPRING = 12
"""Best candidates that are refined, how often, and variations of each."""
ENOUGH = 100
"""Candidates that are enough for one more of several trials."""
ENUMERATED = 1500
"""Cells of a finite space up to which every one of them is a candidate."""
SCATTERED = 30
"""Draws from the usual ranges where the results don't foretell each other."""
SPREADING = 2.0
"""Probability of such a draw, per weight of the prior, with which it fades."""
SCREENING = 1.0
"""Log odds for an option that nobody has tried, of a choice that decides more than all tuning."""
NEGLIGIBLE = 0.05
"""Loss of log improvement up to which a small change is left out: trials are to be understood."""
SMALL = 0.08
"""Share of its range up to which a change is small."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A candidate with what speaks for it."""

    configuration: dict[str, Scalar]
    score: float
    move: Move | None = None


@dataclass(frozen=True, slots=True)
class Expert:
    """A practitioner's judgement over a task's space; see the module.

    >>> from trialwright.space import Float
    >>> from trialwright.task import Objective
    >>> task = Task(name="t", objective=Objective(metric="loss", direction="minimize"),
    ...             space=Space((Float("lr", 1e-5, 0.1, log=True),)))
    >>> [first] = Expert()(task, History(), 1, np.random.default_rng(0))
    >>> dict(first.configuration)
    {'lr': 0.001}
    """

    read: Callable[[Task, History], Evidence] = Evidence.of
    """How it reads a history; another way shows what it owes to one of the things it goes by."""

    @property
    def name(self) -> str:
        """What stands in `Proposal.by`."""
        return "expert"

    def __call__(
        self, task: Task, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """Return up to `n` proposals, best first; fewer where the space runs out."""
        evidence = self.read(task, history)
        proposals: list[Proposal] = []
        if not evidence.values:
            proposals += _opening(evidence, rng)
        search = _Search(evidence, rng)
        while len(proposals) < n:
            scored = search.best_besides([p.configuration for p in proposals])
            if scored is None:
                break
            proposals.append(words.proposal(evidence, scored.configuration, move=scored.move))
        return proposals[:n]


def far(task: Task, history: History, n: int, rng: np.random.Generator) -> list[Proposal]:
    """Return up to `n` draws from the usual ranges, each the most promising of `SCATTERED`.

    Large steps, for a search that small ones no longer take anywhere. None before the first result.
    """
    evidence = Evidence.of(task, history)
    search = _Search(evidence, rng)
    proposals: list[Proposal] = []
    while evidence.values and len(proposals) < n:
        scored = search.drawn([p.configuration for p in proposals])
        if scored is None or scored.move is None:
            break
        move = replace(scored.move, text="small steps lead nowhere any more: draw anew")
        proposals.append(words.proposal(evidence, scored.configuration, move=move))
    return proposals


def _opening(evidence: Evidence, rng: np.random.Generator) -> list[Proposal]:
    """Return the first proposal of a study, unless it was made: a sensible default."""
    if evidence.heirloom is not None and evidence.is_new(evidence.heirloom.configuration):
        space, configuration = evidence.task.space, dict(evidence.heirloom.configuration)
        if not space.check(configuration):
            return [words.heirloom(evidence, configuration, evidence.heirloom)]
    start = legal_start(evidence.prior, rng)
    if start is None or not evidence.is_new(start):
        return []
    return [words.opening(evidence, start)]


class _Search:
    """One search for what to try next: candidates, and how good each looks."""

    def __init__(self, evidence: Evidence, rng: np.random.Generator) -> None:
        self._evidence = evidence
        self._prior = evidence.prior
        self._space: Space = evidence.task.space
        self._rng = rng
        found = moves(self._prior, evidence.seen)
        self._moves = {_key(self._space.canonical(m.configuration)): m for m in found}
        self._believed = float(np.mean(evidence.trust))
        """How much of what was believed beforehand has stood up to the results, from 0 to 1."""
        self._pool: dict[str, dict[str, Scalar]] = {}
        """What was looked at for the one before, of several that are wanted at once."""

    def best_besides(self, taken: Sequence[Configuration]) -> Scored | None:
        """Return the best candidate that is neither in the history nor in `taken`."""
        avoided = {_key(configuration) for configuration in taken}
        wanted = SPREADING * _weight(self._evidence) * self._believed
        if self._evidence.is_flat and self._rng.random() < wanted:
            spread = self.drawn(taken)
            if spread is not None:
                return spread
        pool = {key: found for key, found in self._pool.items() if key not in avoided}
        if len(pool) < ENOUGH:
            pool |= self._fresh(self._candidates(taken), avoided | pool.keys())
        if not pool:
            return None
        judge = _Judge(self._evidence, taken, self._moves)
        configurations = list(pool.values())
        scores = judge.scores(configurations)
        for round_ in range(ROUNDS):
            leaders = [configurations[i] for i in np.argsort(-scores, kind="stable")[:REFINED]]
            near = [
                varied
                for leader in leaders
                for varied in _varied(self._space, leader, self._rng, OFFSPRING, 0.1 / (1 + round_))
            ]
            grown = self._fresh(near, avoided | pool.keys())
            if not grown:
                break
            pool |= grown
            configurations += grown.values()
            scores = np.concatenate([scores, judge.scores(list(grown.values()))])
        self._pool = dict(pool)
        return self._first_legal(configurations, scores, judge=judge, avoided=avoided)

    def drawn(self, taken: Sequence[Configuration]) -> Scored | None:
        """Return a draw from the usual ranges, as where small steps would tell nothing.

        What differs by no more than chance is best found among configurations that differ much.
        """
        evidence, avoided = self._evidence, {_key(configuration) for configuration in taken}
        best = evidence.best[0]
        drawn = self._prior.scatter(self._rng, best.configuration, SCATTERED)
        fresh = list(self._fresh(drawn, avoided).values())
        legal = [c for c in fresh if evidence.is_new(c) and not self._space.check(c)]
        if not legal:
            return None
        scores = _Judge(evidence, taken, self._moves).scores(legal)
        chosen = int(np.argmax(scores))
        move = spread_move(best, legal[chosen])
        return Scored(legal[chosen], float(scores[chosen]), move)

    def _first_legal(
        self,
        configurations: Sequence[dict[str, Scalar]],
        scores: Array,
        *,
        judge: _Judge,
        avoided: set[str],
    ) -> Scored | None:
        """Return the best that the space and the history admit, freed of needless changes."""
        for index in np.argsort(-scores, kind="stable"):
            winner = configurations[int(index)]
            if self._evidence.is_new(winner) and not self._space.check(winner):
                return self._plain(Scored(winner, float(scores[index])), judge, avoided)
        return None

    def _candidates(self, taken: Sequence[Configuration]) -> Iterable[dict[str, Scalar]]:
        space, rng = self._space, self._rng
        size = space.size
        if size is not None and size <= ENUMERATED:
            return list(space.grid(ENUMERATED))
        found = [space.canonical(move.configuration) for move in self._moves.values()]
        drawn = round(DRAWN * self._believed)
        found += self._prior.draw(rng, drawn)
        starts: list[Configuration] = [t.configuration for t in self._evidence.best[:3]]
        for start in starts or list(taken[:1]) or [self._prior.start()]:
            found += _varied(space, start, rng, NEARBY // max(len(starts), 1), 0.2)
        try:
            found += [space.sample(rng) for _ in range(ANYWHERE + DRAWN - drawn)]
        except SpaceError:
            return found  # the constraints leave so little that only variations can find it
        return found

    def _fresh(
        self, candidates: Iterable[dict[str, Scalar]], avoided: AbstractSet[str]
    ) -> dict[str, dict[str, Scalar]]:
        """Return the candidates that keep the constraints and are new, by key."""
        found: dict[str, dict[str, Scalar]] = {}
        for candidate in candidates:
            key = _key(candidate)
            if key in avoided or key in found or key in self._evidence.tried:
                continue
            if not self._space.constraints or self._space.feasible(candidate):
                found[key] = candidate
        return found

    def _plain(self, winner: Scored, judge: _Judge, avoided: set[str]) -> Scored:
        """Undo the changes that bring next to nothing, so that the trial can be understood."""
        move = self._moves.get(_key(winner.configuration))
        if move is not None or not self._evidence.best:
            return Scored(winner.configuration, winner.score, move)
        parent = words.closest(self._evidence, winner.configuration).configuration
        current, score = winner.configuration, winner.score
        for name in words.changed(current, parent):
            if (
                name not in parent
                or name not in current
                or not self._is_small(name, current, parent)
            ):
                continue
            plainer = self._space.canonical({**current, name: parent[name]})
            if not self._fresh([plainer], avoided) or self._space.check(plainer):
                continue
            without = float(judge.scores([plainer])[0])
            if without >= winner.score - NEGLIGIBLE and self._evidence.is_new(plainer):
                current, score = plainer, without
        return Scored(current, score, self._moves.get(_key(current)))

    def _is_small(self, name: str, left: Configuration, right: Configuration) -> bool:
        parameter = self._space[name]
        if is_unordered(parameter):
            return False
        return abs(place_of(parameter, left[name]) - place_of(parameter, right[name])) < SMALL


class _Judge:
    """Scores candidates: log expected improvement, prior, feasibility, and what moves promise."""

    def __init__(
        self, evidence: Evidence, taken: Sequence[Configuration], known: dict[str, Move]
    ) -> None:
        self._evidence = evidence
        self._moves = known
        self._space = evidence.task.space
        self._weight = _weight(evidence)
        self._trust = min(TRUST, self._weight) * float(np.mean(evidence.trust))
        self._leaning = lean(evidence.prior, evidence.seen)
        model = evidence.model
        self._model: Surrogate | None = None
        if model is not None:
            self._model = model.believing(model.features.of(list(taken)))
            self._best = model.best_utility()
        self._apart = [t.configuration for t in [*evidence.failed, *evidence.pending]] + list(taken)

    def scores(self, configurations: Sequence[Configuration]) -> Array:
        """Score configurations, shape (m,), larger better."""
        prior = self._evidence.prior
        promised = np.array([self._promise(c) for c in configurations])
        leant = self._trust * self._leaning.against(prior, configurations)
        believed = prior.log_terms(configurations) @ self._evidence.trust
        total = self._weight * believed + promised + leant + self._untried(configurations)
        if self._model is None:
            return np.asarray(total + self._distance(configurations))
        points = self._model.features.of(configurations)
        total = total + self._model.log_improvement(points, self._best)
        return np.asarray(total + CAUTION * self._evidence.feasibility.log_probability(points))

    def _untried(self, configurations: Sequence[Configuration]) -> Array:
        """What speaks for options of the kind of model that no trial had: each is looked at once.

        Expected improvement stays with the best of the few that were seen; how the others do is
        worth more than one trial's gain, as long as there are trials to come.
        """
        prior = self._evidence.prior
        total = np.zeros(len(configurations))
        for name in prior.named("algorithm"):
            odds = prior.odds(name)
            seen = {trial.configuration.get(name) for trial in self._evidence.trials}
            for index, configuration in enumerate(configurations):
                option = configuration.get(name)
                if name in configuration and option not in seen:
                    total[index] += SCREENING * odds.get(option, 0.0)
        return total

    def _promise(self, configuration: Configuration) -> float:
        move = self._moves.get(_key(configuration))
        return 0.0 if move is None else move.weight * self._trust

    def _distance(self, configurations: Sequence[Configuration]) -> Array:
        """Without results: keep away from what failed, and spread over what is tried at once."""
        if not self._apart:
            return np.zeros(len(configurations))
        points, others = (self._space.encode(c) for c in (configurations, self._apart))
        gaps = np.min(np.mean(np.abs(points[:, None] - others[None]), axis=2), axis=1)
        return np.asarray(10.0 * np.minimum(gaps, 0.25))


def _weight(evidence: Evidence) -> float:
    """The weight of what was believed beforehand, which fades as results come in."""
    return BETA / (1.0 + len(evidence.values))


def _key(configuration: Configuration) -> str:
    """Tell canonical configurations apart, cheaply: 1, 1.0 and true differ."""
    return str(configuration)


def _varied(
    space: Space,
    start: Configuration,
    rng: np.random.Generator,
    count: int,
    scale: float,
) -> list[dict[str, Scalar]]:
    """Return variations of a configuration: few parameters changed, by little or by much."""
    names = [name for name in space.names if name in start]
    found = []
    for _ in range(count):
        changes = min(1 + int(rng.geometric(0.45)), len(names))
        reach = scale * float(rng.choice([0.4, 1.0, 2.0]))
        values = dict(start)
        for index in rng.choice(len(names), size=changes, replace=False):
            name = names[int(index)]
            values[name] = _shaken(space, name, values[name], rng, reach)
        found.append(_filled(space, values, rng))
    return found


def _shaken(
    space: Space, name: str, value: Scalar, rng: np.random.Generator, reach: float
) -> Scalar:
    parameter = space[name]
    if is_unordered(parameter):
        return parameter.from_unit(float(rng.random()))
    step = float(rng.normal()) * reach
    if parameter.count is not None and abs(step) < 1.0 / parameter.count:
        step = 1.0 / parameter.count if step > 0 else -1.0 / parameter.count
    place = place_of(parameter, value) + step
    return at_place(parameter, abs(place) if place < 1 else 2 - place)


def _filled(space: Space, values: dict[str, Scalar], rng: np.random.Generator) -> dict[str, Scalar]:
    """Give parameters that a change has made active a value, and drop those it has not."""
    missing = [name for name in space.active(values) if name not in values]
    while missing:
        for name in missing:
            values[name] = space[name].from_unit(float(rng.random()))
        missing = [name for name in space.active(values) if name not in values]
    return space.canonical(values)
