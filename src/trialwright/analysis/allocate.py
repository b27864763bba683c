"""Who gets the next seed: contenders first, then whoever settles most which of them is best.

Pure arithmetic over arms, which are trials reduced to the values of their seeds. A race in three
steps: contenders are promoted to `confirm` seeds; then, one seed at a time, the leader or the
challenger that is hardest to tell from it; it ends when the leader is the best with `confidence`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from trialwright.analysis.gains import Edge, Side, edge
from trialwright.analysis.noise import Noise
from trialwright.robust import Robust, shared


@dataclass(frozen=True, slots=True)
class Arm:
    """A trial in the race."""

    trial: int
    values: Mapping[int, float]
    """By seed; at least one."""
    planned: int
    """Seeds that it has or is going to have."""
    noise: Noise | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a race is about."""

    confirm: int
    """Seeds of a contender."""
    most: int
    """Seeds that nobody gets more of."""
    confidence: float
    """Probability of the leader being the best at which the race is over."""
    robust: Robust
    sign: int
    """+1 where larger is better."""
    common: float = 0.0
    """Part of the noise that seeds bring to all trials alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A trial gets seeds, up to `seeds` in all, for a reason."""

    trial: int
    seeds: int
    reason: str


def leader(arms: Sequence[Arm], rules: Rules) -> Arm:
    """Return the arm that leads, the earlier one staying ahead of its equal.

    Who has `confirm` seeds goes before who has not.
    """
    found = arms[0]
    for arm in arms[1:]:
        ahead = (len(arm.values) >= rules.confirm) - (len(found.values) >= rules.confirm)
        if (ahead or _edge(arm, found, rules).difference) > 0:
            found = arm
    return found


def promotion(arms: Sequence[Arm], rules: Rules) -> Step | None:
    """Return the next contender to promote, the likeliest first; None: none is.

    A contender is better than the leader with a probability that `confidence` does not rule out.
    Where nothing is known of the noise, it is who leads, or is ahead of who leads. Who is likely to
    lead gets its `confirm` seeds at once; another one by one, as long as it is a contender.
    """
    if not arms:
        return None
    first = leader(arms, rules)
    best: tuple[float, Arm] | None = None
    for arm in arms:
        if arm.planned >= rules.confirm or (arm is not first and arm.planned > len(arm.values)):
            continue
        probability = 0.5 if arm is first else _chance(arm, first, rules)
        if probability <= 1 - rules.confidence:
            continue
        if best is None or probability > best[0]:
            best = probability, arm
    if best is None:
        return None
    return Step(
        trial=best[1].trial,
        seeds=rules.confirm if best[0] >= 0.5 else best[1].planned + 1,
        reason=_why_promoted(best[1], first, best[0], rules),
    )


def settling(arms: Sequence[Arm], rules: Rules) -> Step | None:
    """Return the one seed that settles most who is the best; None where that is settled.

    Also None where nothing is left to give, or no seed makes any difference. The challenger is the
    arm with the least transportation cost to the leader, a log for its seeds added (Jourdan,
    Degenne, Baudry, de Heide and Kaufmann 2022, "Top Two Algorithms Revisited", EB-TCI); leader
    and challenger share seeds as optimal computing budget allocation has it, which gives the leader
    the root of the sum of the others' squares (Chen, Lin, Yucesan and Chick 2000).
    """
    if len(arms) < 2:
        return None
    first = leader(arms, rules)
    others = [arm for arm in arms if arm is not first]
    edges = {arm.trial: _edge(first, arm, rules) for arm in others}
    if sure(edges.values()) >= rules.confidence:
        return None
    open_ = [arm for arm in others if _cost(first, arm, edges[arm.trial], rules) < math.inf]
    room = [arm for arm in open_ if arm.planned < rules.most]
    if not open_ or not (room or first.planned < rules.most):
        return None
    rank = {arm.trial: _cost(first, arm, edges[arm.trial], rules) for arm in open_}
    rival = min(open_, key=lambda arm: rank[arm.trial])
    owed = sum(arm.planned**2 * _ratio(first, arm) for arm in others)
    if first.planned < rules.most and (first.planned**2 < owed or not room):
        return Step(
            trial=first.trial,
            seeds=first.planned + 1,
            reason=_why_leader(first, rival, edges[rival.trial]),
        )
    if not room:
        return None
    rival = min(room, key=lambda arm: rank[arm.trial])
    return Step(
        trial=rival.trial,
        seeds=rival.planned + 1,
        reason=_why_rival(first, rival, edges[rival.trial]),
    )


def sure(edges: Iterable[Edge]) -> float:
    """Return at least how probable it is that the leader is the best of all.

    One less the sum of the probabilities that it is not better than each other (Bonferroni); 0
    without an estimate of the noise.
    """
    missed = 0.0
    for one in edges:
        if one.probability is None:
            return 0.0
        missed += 1 - one.probability
    return max(1 - missed, 0.0)


def _chance(arm: Arm, first: Arm, rules: Rules) -> float:
    """The probability that an arm is better than the leader; without any noise: whether it is."""
    found = _edge(arm, first, rules)
    if found.probability is None:
        return 0.5 if found.difference > 0 else 0.0
    return found.probability


def _edge(ours: Arm, theirs: Arm, rules: Rules) -> Edge:
    # Where seeds bring nothing to all alike, there is no reason to leave any out.
    enough = rules.confirm if rules.common else 1
    robust, sign = rules.robust, rules.sign
    sides = shared(ours.values, theirs.values, robust.enough(enough), robust=robust, sign=sign)
    values = sides if sides[0] else ([*ours.values.values()], [*theirs.values.values()])
    return edge(
        Side(values[0], ours.noise),
        Side(values[1], theirs.noise),
        rules.robust,
        sign=rules.sign,
        common=rules.common,
    )


def _cost(first: Arm, arm: Arm, found: Edge, rules: Rules) -> float:
    """How surely an arm is behind, counting the seeds that are still going; inf: out of the race.

    It is out when the noise says so, at a level shared with all others by `sure`.
    """
    if found.error is None or found.error == 0 or found.probability is None:
        return math.inf
    if 1 - found.probability < (1 - rules.confidence) / 20:
        return math.inf
    done = min(len(first.values), len(arm.values))
    coming = min(first.planned, arm.planned)
    error = found.error * math.sqrt(done / max(coming, done))
    return (found.difference / error) ** 2 / 2 + math.log(arm.planned)


def _ratio(first: Arm, arm: Arm) -> float:
    """The leader's variance over another's."""
    if first.noise is None or arm.noise is None or not arm.noise.sd:
        return 1.0
    return (first.noise.sd / arm.noise.sd) ** 2


def _why_promoted(arm: Arm, first: Arm, probability: float, rules: Rules) -> str:
    now = _seeds(len(arm.values))
    if arm is first:
        return f"it leads with {now}: {rules.confirm} tell how much of that is luck"
    found = _edge(arm, first, rules)
    return (
        f"a contender: {found.values[0]:.6g} against {found.values[1]:.6g} of trial {first.trial},"
        f" and by its {now} better with probability {probability:.2f}: not unlikely enough to drop"
        " it yet"
    )


def _why_leader(first: Arm, rival: Arm, found: Edge) -> str:
    return (
        f"it leads trial {rival.trial} by {found.difference:.3g}, with probability"
        f" {found.probability:.2f}: one more seed of the leader, now {_seeds(first.planned)},"
        " settles most"
    )


def _why_rival(first: Arm, rival: Arm, found: Edge) -> str:
    return (
        f"it is the hardest to tell from trial {first.trial}: behind by {found.difference:.3g},"
        f" with probability {found.probability:.2f}; one more seed of it, now"
        f" {_seeds(rival.planned)}, settles most"
    )


def _seeds(count: int) -> str:
    return f"{count} seed" if count == 1 else f"{count} seeds"
