"""Which trial of the tree to branch from next, and how: decided by what is measured.

It reads streaks without a real gain, plateaus, distances between good trials, failures and curves,
and puts the numbers beside each decision. It proposes nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trialwright.analysis.ucb import Node, ancestry, children, nodes
from trialwright.history import Trial
from trialwright.propose import words
from trialwright.propose.evidence import Evidence
from trialwright.propose.moves import Move, stepped
from trialwright.propose.mutations import Step, Steps
from trialwright.propose.prior import at_place, is_unordered, place_of
from trialwright.records import Finding, Proposal
from trialwright.space import Space

Array = NDArray[np.float64]
Mode = Literal[
    "exploit", "explore elsewhere", "recombine", "probe failure", "ablate", "scale up"
]  # fmt: skip

LEAST_PATIENCE = 4
"""Trials without a gain that are waited for at least; else one per parameter."""
REAL = 2.0
"""Standard deviations of the noise that a gain must exceed to end a streak."""
RECENT, OFTEN = 10, 0.2
"""Failures are probed if this share of so many latest trials failed."""
GOOD = 8
"""Trials at most among which two are recombined: the best quarter."""
CONSIDERED = 20
"""Parents that are tried in the order of their scores, until one has a step left."""
LOOKED_AT = 200
"""Best trials between which distances are measured."""
WIDTH = 0.3
"""What the log of the prior counts against the width of a gap, in shares of a range."""

_MORE: Mapping[Finding, Literal["fit", "progress"]] = {
    "still_improving": "progress",
    "underfitting": "fit",
}
"""Findings that call for scaling up, with the effect that is wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do next, and what was measured that calls for it."""

    mode: Mode
    move: Move
    why: str


class Look:
    """The state of the search as measured, and the plans that it calls for, in order."""

    def __init__(self, evidence: Evidence, planned: Sequence[Proposal]) -> None:
        self.evidence = evidence
        self._trials = evidence.history.trials
        self._ucb = evidence.task.tree
        self._prior = evidence.prior
        self._space: Space = evidence.task.space
        self._planned = [p.parent for p in planned]
        self._nodes = nodes(evidence.history, self._ucb, planned=self._planned)
        self._parents = [node.parent for node in self._nodes]
        self._children = children([*self._parents, *self._planned])
        self._configurations = [
            *(trial.configuration for trial in self._trials),
            *(p.configuration for p in planned),
        ]
        self._steps = Steps(evidence, self._parents, [p.configuration for p in planned])

    def plans(self) -> Iterator[Plan]:
        """Yield what could be done, what the state calls for first."""
        turn: dict[Mode, Callable[[], Plan | None]] = {
            "recombine": self._recombined,
            "explore elsewhere": self._explored,
            "exploit": self._exploited,
            "ablate": self._ablated,
        }
        order: list[Mode] = ["recombine", "ablate", "explore elsewhere", "exploit"]
        if self.dry < self.patience:
            order = ["exploit", "explore elsewhere", "recombine", "ablate"]
        else:
            turned = (self.dry - self.patience) % len(order)
            order = order[turned:] + order[:turned]
        for attempt in (self._probed, self._scaled, *(turn[mode] for mode in order)):
            plan = attempt()
            if plan is not None:
                yield plan

    @cached_property
    def patience(self) -> int:
        """Trials without a real gain from which on other things than exploiting are tried."""
        return max(LEAST_PATIENCE, len(self._space.names))

    @cached_property
    def dry(self) -> int:
        """Trials since the best last rose by more than the noise, those going on included."""
        margin = REAL * (self.evidence.noise_sd or self.evidence.scatter_sd)
        anchor, since = -np.inf, 0
        for number, value in sorted(self.evidence.values.items()):
            if self.evidence.sign * value > anchor + margin:
                anchor, since = self.evidence.sign * value, number
        later = [trial for trial in self.evidence.trials if trial.number > since]
        return len(later) + len(self._planned)

    @property
    def _streak(self) -> str:
        trials = "1 trial" if self.dry == 1 else f"{self.dry} trials"
        return f"no gain beyond the noise for {trials} (patience {self.patience})"

    @cached_property
    def ranked(self) -> list[Node]:
        """The nodes that a step can be taken from, highest score first, of equals the earlier."""
        known = [node for node in self._nodes if node.number in self.evidence.values]
        return sorted(known, key=lambda node: (-(node.score or 0.0), node.number))

    def _score(self, node: Node) -> str:
        return (
            f"score {node.score:.3f} = reward {node.reward:.3f} + {node.bonus:.3f} for"
            f" {node.visits} of {len(self._configurations)} trials in its branch"
        )

    def _exploited(self) -> Plan | None:
        for rank, node in enumerate(self.ranked[:CONSIDERED]):
            move = self._steps.best(self._trials[node.number], most=self._ucb.mutate)
            if move is not None:
                place = "the highest" if rank == 0 else "the highest with a step left"
                why = f"trial {node.number} has {place} {self._score(node)}; {self._streak}"
                return Plan(mode="exploit", move=move, why=why)
        return None

    def _explored(self) -> Plan | None:
        """From another branch, into the widest gap that nobody has tried."""
        best = self.evidence.best[0]
        reach = float(np.median(self._distances)) if len(self._distances) > 1 else 0.0
        far = [node for node in self.ranked if self._apart(node.number, best.number) >= reach]
        for node in far[:CONSIDERED]:
            trial = self._trials[node.number]
            steps = sorted(self._gaps(trial), key=lambda item: -item[0])
            moves = [self._steps.moved(trial, trial.configuration, [step]) for _, step in steps]
            found = self._steps.usable(moves)
            if found:
                away = self._apart(node.number, best.number)
                what = (
                    f"trial {node.number} ({self._score(node)}) lies {away:.2f} of the space from"
                    f" the best, trial {best.number}, where half of the good ones lie within"
                    f" {reach:.2f}"
                    if trial is not best
                    else f"trial {best.number}, the best, is the only one to start from"
                )
                return Plan(mode="explore elsewhere", move=found[0], why=f"{self._streak}; {what}")
        return None

    def _recombined(self) -> Plan | None:
        """What two good trials that lie far apart have, in one."""
        good = self.evidence.best[: min(GOOD, max(2, len(self.evidence.best) // 4))]
        pairs = [
            (self._apart(one.number, other.number), one, other)
            for index, one in enumerate(good)
            for other in good[index + 1 :]
            if not self._related(one, other)
        ]
        usual = float(np.median([away for away, *_ in pairs])) if pairs else 0.0
        for away, one, other in sorted(pairs, key=lambda pair: -pair[0]):
            move = self._crossed(one, other) if away >= usual else None
            if move is not None:
                why = (
                    f"{self._streak}; trials {one.number} and {other.number} are among the best"
                    f" {len(good)} of {len(self.evidence.best)}, and {away:.2f} of the space apart,"
                    f" where {usual:.2f} is usual among these"
                )
                return Plan(mode="recombine", move=move, why=why)
        return None

    def _related(self, one: Trial, other: Trial) -> bool:
        """Whether one was made from the other: then there is nothing to bring together."""
        return one.number == self._parents[other.number] or (
            other.number == self._parents[one.number]
        )

    def _crossed(self, one: Trial, other: Trial) -> Move | None:
        """The better of two trials, with those values of the other that promise to help it."""
        names = [
            name
            for name in words.changed(one.configuration, other.configuration)
            if name in one.configuration and name in other.configuration
        ]
        if len(names) < 2:
            return None
        steps = [
            Step(name=n, value=other.configuration[n], why=f"as in trial {other.number}")
            for n in names
        ]
        alone = [self._steps.moved(one, one.configuration, [step]).configuration for step in steps]
        gains = self._steps.means(alone) - self._steps.means([one.configuration])
        order = [steps[i] for i in np.argsort(-gains, kind="stable")]
        helpful = max(int(np.sum(gains > 0)), 1)
        # What the model holds helpful; if that was tried, one value less, or one more.
        for count in sorted(range(1, len(order)), key=lambda size: (abs(size - helpful), size)):
            found = self._steps.usable([self._steps.moved(one, one.configuration, order[:count])])
            if found:
                text = (
                    f"what trial {other.number} has of {', '.join(s.name for s in order[:count])}"
                )
                return replace(found[0], text=text)
        return None

    def _ablated(self) -> Plan | None:
        """The best trial with one parameter as it was to begin with: is the change needed?"""
        best, default = self.evidence.best[0], self._prior.start()
        names = [
            name
            for name in words.changed(best.configuration, default)
            if name in best.configuration and name in default
        ]
        if len(names) < 2:
            return None
        steps = [
            Step(
                name=name,
                value=default[name],
                why=f"back to its default, to see whether trial {best.number} needs the change",
            )
            for name in names
        ]
        found = self._steps.usable(
            [self._steps.moved(best, best.configuration, [step]) for step in steps]
        )
        if not found:
            return None
        means = self._steps.means([move.configuration for move in found])
        why = (
            f"{self._streak}; the best, trial {best.number}, differs from the defaults in"
            f" {len(names)} parameters; not yet put back alone: {len(found)}"
        )
        return Plan(mode="ablate", move=found[int(np.argmax(means))], why=why)

    def _scaled(self) -> Plan | None:
        """More of what costs time or memory, where a run could have used it."""
        best = self.evidence.best[0]
        reading = self.evidence.reading(best)
        findings = reading.findings if reading is not None else ()
        for finding in [finding for finding in _MORE if finding in findings]:
            steps = self._larger(best, _MORE[finding])
            found = self._steps.usable(
                [self._steps.moved(best, best.configuration, [step]) for step in steps]
            )
            if found:
                said = finding.replace("_", " ")
                why = (
                    f"the run of trial {best.number}, the best, was {said}, and of its children"
                    f" ({len(self._below(best))}) none has more of {next(iter(found[0].reasons))}"
                )
                return Plan(mode="scale up", move=found[0], why=why)
        return None

    def _larger(self, trial: Trial, effect: Literal["fit", "progress"]) -> Iterator[Step]:
        """Steps up in size or length that no child has taken, what decides most first."""
        known = [
            (advice.rank, name)
            for name, advice in self._prior.advice.items()
            if name in trial.configuration
            and advice.raises.get(effect, 0) > 0
            and (advice.raises.get("time", 0) > 0 or advice.raises.get("memory", 0) > 0)
        ]
        below = [self._configurations[number] for number in self._below(trial)]
        for _, name in sorted(known):
            parameter, value = self._space[name], trial.configuration[name]
            larger = stepped(parameter, value, self._prior.advice[name], amount=1.0)
            here = place_of(parameter, value)
            taken = [c for c in below if name in c and place_of(parameter, c[name]) > here]
            paid, tried = self._steps.tally.get((name, 1), (0.0, 0.0))
            if larger is not None and larger != value and not taken and 2 * paid >= tried:
                why = "the run could have used more: " + self._prior.advice[name].why
                yield Step(name=name, value=larger, why=why)

    def _below(self, trial: Trial) -> list[int]:
        return self._children.get(trial.number, [])

    def _probed(self) -> Plan | None:
        """Half way back from what failed to what ran: where does failure begin?"""
        ended = [t for t in self.evidence.trials if t.value is not None or t.state == "failed"]
        recent = ended[-RECENT:]
        failed = {trial.number for trial in recent if trial.state == "failed"}
        if len(failed) < OFTEN * len(recent) or self._probing:
            return None
        for trial in self.evidence.failed:
            ran = self._last_that_ran(trial)
            if trial.number not in failed or self._below(trial) or ran is None:
                continue
            found = self._steps.usable([self._between(trial, ran)])
            if found:
                why = (
                    f"{len(failed)} of the last {len(recent)} trials failed, and nothing has been"
                    f" tried between trial {trial.number}, which did, and trial {ran.number},"
                    f" which ran"
                )
                return Plan(mode="probe failure", move=found[0], why=why)
        return None

    @property
    def _probing(self) -> bool:
        """Whether a probe is going on or was the latest trial: one at a time."""
        latest = [*self._parents, *self._planned][len(self._trials) - 1 :]
        going = [self._parents[trial.number] for trial in self.evidence.pending]
        return any(
            parent is not None and self._trials[parent].state == "failed"
            for parent in [*latest, *going]
        )

    def _last_that_ran(self, trial: Trial) -> Trial | None:
        way = ancestry(self._parents, trial.number)[-2::-1]
        return next((self._trials[n] for n in way if n in self.evidence.values), None)

    def _between(self, failed: Trial, ran: Trial) -> Move:
        steps = []
        for name in words.changed(failed.configuration, ran.configuration):
            if name not in failed.configuration or name not in ran.configuration:
                continue
            parameter = self._space[name]
            ends = failed.configuration[name], ran.configuration[name]
            value = ends[1]
            if not is_unordered(parameter):
                places = [place_of(parameter, end) for end in ends]
                value = at_place(parameter, sum(places) / 2)
            why = f"half way back to that of trial {ran.number}, which ran"
            steps.append(Step(name=name, value=value, why=why))
        return self._steps.moved(failed, failed.configuration, steps)

    def _gaps(self, trial: Trial) -> Iterator[tuple[float, Step]]:
        """Per parameter of a trial: how wide its largest untried gap is, and a step into it."""
        start = trial.configuration
        for name in start:
            parameter = self._space[name]
            values = [c[name] for c in self._configurations if name in c]
            if is_unordered(parameter):
                options = [parameter.from_unit(u) for u in np.linspace(0, 1, parameter.count or 1)]
                counts = {str(o): sum(str(v) == str(o) for v in values) for o in options}
                rarest = min(options, key=lambda o: counts[str(o)])
                width, value = 1.0 / (1.0 + counts[str(rarest)]), rarest
                told = f"tried {counts[str(rarest)]} times only"
            else:
                places = sorted({0.0, 1.0, *(place_of(parameter, v) for v in values)})
                widths = np.diff(places)
                index = int(np.argmax(widths))
                width = float(widths[index])
                value = at_place(parameter, places[index] + width / 2)
                told = f"in the middle of the widest gap, {width:.0%} of the range"
            if value == start[name]:
                continue
            after = self._prior.complete(dict(start) | {name: value})
            densities = self._prior.log_density([after, start])
            # Implausible values count against a gap; leaving one behind is not exploring.
            yield (
                width + WIDTH * min(float(densities[0] - densities[1]), 0.0),
                Step(name=name, value=value, why=f"untried so far, {told}"),
            )

    @cached_property
    def _points(self) -> Array:
        return self._steps.model.features.of([t.configuration for t in self._trials])

    def _apart(self, one: int, other: int) -> float:
        """How far two trials lie apart: the mean over parameters, in shares of their ranges."""
        return float(np.mean(self._differences(self._points[[one]], self._points[other])))

    def _differences(self, points: Array, point: Array) -> Array:
        unordered = self._steps.model.features.unordered
        gaps = np.abs(points - point)
        return np.asarray(np.where(unordered, gaps > 1e-9, np.minimum(gaps, 1.0)))

    @cached_property
    def _distances(self) -> Array:
        """From the best trial to the other good ones, shape (k,)."""
        best, *others = [trial.number for trial in self.evidence.best[:LOOKED_AT]]
        return np.asarray(
            np.mean(self._differences(self._points[others], self._points[best]), axis=1)
        )
