"""Steps: trials that change one parameter of another trial and nothing else; what they add up to.

Nothing but the parameter tells the two apart, so each step says what that change did there. They
are counted after the fact, and so show trends; what has been tested is for claims to say. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from trialwright.analysis.compare import compare
from trialwright.expression import Scalar
from trialwright.history import History, Trial
from trialwright.space import Choice, Parameter

Outcome = Literal["better", "worse", "unclear"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One trial against another that differs from it in one parameter alone."""

    trial: int
    against: int
    parameter: str
    before: Scalar
    after: Scalar
    outcome: Outcome
    """Beyond noise; where nothing is known of the noise, as the means differ."""
    sure: bool
    """Whether the noise is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """What the steps of one parameter say together."""

    parameter: str
    favours: str
    """`higher`, `lower`, or `VALUE over VALUE`."""
    bearing: tuple[int, ...]
    """The trials of the steps that went as it says."""
    against: tuple[int, ...]
    unclear: int
    """Steps too small to be told from noise."""
    winners: tuple[Scalar, Scalar]
    """The least and the greatest value that won a step which went as it says."""
    centre: str
    """The median of the values that won any step; '' of a choice."""
    sure: bool

    @property
    def sentence(self) -> str:
        """The trend with its counts."""
        clear = len(self.bearing) + len(self.against)
        many = "step that changed" if clear == 1 else "steps that changed"
        chosen = " over " in self.favours
        way = self.favours if chosen else f"{self.favours} was better"
        aside = f"; {self.unclear} too close to tell" if self.unclear else ""
        doubt = "" if self.sure else ", as far as single runs tell"
        return (
            f"{self.parameter}: {way} in {len(self.bearing)} of {clear} {many} nothing else"
            f"{'' if chosen else self._won()}{aside}{doubt}"
        )

    def _won(self) -> str:
        """Which values won; where both ways did, about where between them."""
        low, high = (_shown(value) for value in self.winners)
        if 3 * len(self.against) >= len(self.bearing):
            return f", and the other way in the rest: the values that won centre on {self.centre}"
        return f", {low} winning" if low == high else f", {low} to {high} winning"


def steps(history: History) -> list[Step]:
    """Return every step among the trials of the best one's code version, by number."""
    best = history.best()
    found: list[Step] = []
    for trial in history.done(code=best.code) if best else ():
        proposal = trial.proposal
        named = [proposal.parent, proposal.hypothesis.against if proposal.hypothesis else None]
        for number in dict.fromkeys(named):
            if number is not None and number != trial.number:
                found += _step(trial, history.trials[number], history)
    return found


def trends(history: History) -> list[Trend]:
    """Return what the steps add up to, the most one-sided and frequent first."""
    groups: dict[tuple[str, str], list[tuple[Step, bool]]] = {}
    for step in steps(history):
        key, bears = _oriented(step, history.space[step.parameter])
        groups.setdefault(key, []).append((step, bears))
    found = [trend for group in groups.values() if (trend := _trend(group, history)) is not None]
    return sorted(found, key=lambda t: (len(t.against) - len(t.bearing), t.parameter, t.favours))


def _step(trial: Trial, against: Trial, history: History) -> list[Step]:
    ours, theirs = trial.configuration, against.configuration
    if against.value is None or against.code != trial.code or ours.keys() != theirs.keys():
        return []
    differing = [name for name in ours if not _same(ours[name], theirs[name])]
    comparison = compare(trial, against, history) if len(differing) == 1 else None
    if comparison is None:
        return []
    probability, confidence = comparison.probability, history.task.confidence
    outcome: Outcome = "unclear"
    if probability is None:
        if comparison.difference != 0:
            outcome = "better" if comparison.difference > 0 else "worse"
    elif max(probability, 1 - probability) >= confidence:
        outcome = "better" if probability > 0.5 else "worse"
    name = differing[0]
    return [
        Step(
            trial=trial.number,
            against=against.number,
            parameter=name,
            before=theirs[name],
            after=ours[name],
            outcome=outcome,
            sure=probability is not None,
        )
    ]


def _oriented(step: Step, parameter: Parameter) -> tuple[tuple[str, str], bool]:
    """The group of a step, and whether it speaks for the first of the group's two sides."""
    won = step.outcome == "better"
    if isinstance(parameter, Choice):
        pair = sorted((_shown(step.before), _shown(step.after)))
        return (step.parameter, " ".join(pair)), won == (_shown(step.after) == pair[0])
    rose = parameter.to_unit(step.after) > parameter.to_unit(step.before)
    return (step.parameter, ""), won == rose


def _trend(group: Sequence[tuple[Step, bool]], history: History) -> Trend | None:
    """The trend of steps that can be told; None where none can."""
    clear = [(step, bears) for step, bears in group if step.outcome != "unclear"]
    if not clear:
        return None
    first = 2 * sum(bears for _, bears in clear) >= len(clear)
    bearing = [step for step, bears in clear if bears == first]
    parameter = history.space[bearing[0].parameter]
    winners, centre = [_winner(step) for step in bearing], ""
    losers = [step.before if step.outcome == "better" else step.after for step in bearing]
    if isinstance(parameter, Choice):
        favours = f"{_shown(winners[0])} over {_shown(losers[0])}"
    else:
        favours = "higher" if first else "lower"
        winners.sort(key=parameter.to_unit)
        all_ = sorted((_winner(step) for step, _ in clear), key=parameter.to_unit)
        centre = _shown(all_[len(all_) // 2])
    return Trend(
        parameter=parameter.name,
        favours=favours,
        bearing=tuple(dict.fromkeys(step.trial for step in bearing)),
        against=tuple(dict.fromkeys(step.trial for step, bears in clear if bears != first)),
        unclear=len(group) - len(clear),
        winners=(winners[0], winners[-1]),
        centre=centre,
        sure=all(step.sure for step, _ in clear),
    )


def _winner(step: Step) -> Scalar:
    return step.after if step.outcome == "better" else step.before


def _same(left: Scalar, right: Scalar) -> bool:
    return isinstance(left, bool) == isinstance(right, bool) and left == right


def _shown(value: Scalar) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.4g}"
    return str(value)
