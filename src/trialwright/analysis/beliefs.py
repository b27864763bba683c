"""What a study believes: claims with their evidence counted, ranked by how much they say. Pure.

A claim is what somebody wrote down before its result was there. What a proposer expected of one
trial is no more than tentative when it comes true; that code expected it tells nothing, and is left
to the trends of single steps, which were seen and not foretold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, get_args

from trialwright.analysis import claims
from trialwright.analysis.compare import HypothesisStatus, hypothesis_status
from trialwright.history import History, Trial
from trialwright.task import Member

Level = Literal["established", "supported", "tentative", "contradicted", "undecided", "open"]

RANKS: tuple[Level, ...] = (
    "established",
    "supported",
    "contradicted",
    "tentative",
    "undecided",
    "open",
)
"""By how much a belief of the level says."""

_CODE = frozenset(get_args(Member))

_LEVELS: dict[HypothesisStatus, Level] = {
    "supported": "supported",
    "consistent": "tentative",
    "contradicted": "contradicted",
    "undecided": "undecided",
    "open": "open",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """A claim, and where it stands."""

    text: str
    """In one line, as it was claimed."""
    level: Level
    by: str
    parameters: tuple[str, ...] = ()
    """That it is about; () where it names none."""
    bearing: tuple[int, ...] = ()
    """Trials that bear it out."""
    against: tuple[int, ...] = ()
    """Trials that speak against it."""
    latest: int = -1
    """The latest trial that has to do with it."""
    evidence: str = ""
    """What was compared, and what came of it; '': the counts of trials tell it all."""
    single: bool = False
    """Whether it is what somebody expected of one trial, and says little of any other."""
    strength: float = 0.0
    """Of the evidence, for or against: among claims of a level, more says more."""

    @property
    def weight(self) -> tuple[int, bool, float, int, int]:
        """Sorts beliefs, those that say most first."""
        counted = len(self.bearing) + len(self.against)
        return RANKS.index(self.level), self.single, -self.strength, -counted, -self.latest


def beliefs(history: History) -> list[Belief]:
    """Return all beliefs, those that say most first; claims of the same words are one."""
    merged: dict[str, Belief] = {}
    for belief in (*_claimed(history), *_expected(history)):
        key = belief.text.lower()
        known = merged.get(key)
        merged[key] = belief if known is None else _merged(known, belief)
    return sorted(merged.values(), key=lambda belief: (*belief.weight, belief.text))


def _claimed(history: History) -> Iterator[Belief]:
    """Claims that later trials test."""
    metric = history.task.objective.metric
    for standing in claims.standings(history):
        claim, tested = standing.claim, claims.statement(standing.claim, metric)
        words = " ".join(claim.text.split()).rstrip(".")
        alike = words.lower() == tested.lower()
        borne = standing.status in ("established", "supported", "tentative")
        yield Belief(
            text=words if alike else f"{words} [tested: {tested}]",
            level=standing.status,
            by=claim.by,
            parameters=tuple(dict.fromkeys(one.parameter for one in claim.region)),
            bearing=standing.trials if borne else (),
            against=standing.trials if standing.status == "contradicted" else (),
            latest=max(standing.trials, default=-1),
            evidence=standing.sentence,
            strength=max(standing.evidence, standing.against),
        )


def _expected(history: History) -> Iterator[Belief]:
    """What models and people expected of trials, in words of their own."""
    code = _CODE | history.task.delegates.keys() if history.opened else _CODE
    for trial in history.trials:
        hypothesis = trial.proposal.hypothesis
        if hypothesis is None or trial.proposal.by in code:
            continue
        level = _LEVELS[hypothesis_status(history, trial)]
        found = _belief(
            hypothesis.claim,
            "tentative" if level == "supported" else level,
            by=trial.proposal.by,
            trial=_counting(trial),
            parameters=(hypothesis.parameter,) if hypothesis.parameter else (),
        )
        yield replace(found, single=True)


def _counting(trial: Trial) -> int | None:
    return trial.number if trial.state in ("done", "failed", "pruned") else None


def _belief(
    text: str, level: Level, *, by: str, trial: int | None, parameters: tuple[str, ...]
) -> Belief:
    seen = () if trial is None else (trial,)
    return Belief(
        text=" ".join(text.split()),
        level=level,
        by=by,
        parameters=parameters,
        bearing=seen if level in ("established", "supported", "tentative") else (),
        against=seen if level == "contradicted" else (),
        latest=-1 if trial is None else trial,
    )


def _merged(known: Belief, other: Belief) -> Belief:
    """One belief of two with the same words: what contradicts either counts against both."""
    bearing = tuple(dict.fromkeys((*known.bearing, *other.bearing)))
    against = tuple(dict.fromkeys((*known.against, *other.against)))
    levels = {known.level, other.level}
    if "established" in levels:
        level: Level = "established"
    elif bearing and against:
        level = "undecided"
    else:
        level = min(levels, key=RANKS.index)
    return replace(
        known,
        level=level,
        parameters=known.parameters or other.parameters,
        bearing=bearing,
        against=against,
        latest=max(known.latest, other.latest),
        evidence=known.evidence or other.evidence,
        single=known.single and other.single,
        strength=max(known.strength, other.strength),
    )
