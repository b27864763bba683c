"""What established claims are worth: whole key-less studies on landscapes whose truth is known.

    python benchmarks/verdicts.py [--quick] [--studies 50]

Each study has a landscape of its own. Two of its eight parameters make half of the seeds fail, but
only together; one has a plateau that ends in a cliff; one moves the result by more than the noise;
the others do nothing, or less than a tenth of the noise. The team is the inquirer alone: while it
has nothing to test, chance looks around. An outsider, who knows nothing, claims six things at the
start, most of them false, which are tested like all others.

`false_established`: the part of the established claims, over all studies, that is false. `power`:
the part of the planted truths (failures together, their rate, the cliff, the effect) that is
established. `naive_false`: the part that is false of what a keep-if-better rule takes from the same
runs: a claim is kept if the first comparison goes its way.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from trialwright.analysis.claims import Standing, standings
from trialwright.analysis.extents import side
from trialwright.analysis.matching import evidence
from trialwright.desk import Desk
from trialwright.execute.simulate import SimulatedRunner
from trialwright.expression import Scalar
from trialwright.history import History
from trialwright.records import FAILURE, Claim, Extent
from trialwright.space import Float, Space
from trialwright.study import Study
from trialwright.task import Budget, Objective, RunnerPlan, Seeds, Task

NAMES = tuple("abcdefgh")
SPACE = Space(tuple(Float(name, 0.0, 1.0, default=0.45) for name in NAMES))
CLIFF, EFFECT, TINY, RATE, FALLEN = 3.0, 4.0, 0.1, 0.5, -40.0
"""In units of the noise: the cliff's drop, what one parameter does over its range, what others may
do at most; the share of seeds that fail together; and the value of one that does."""
LIMIT = -20.0
"""Below which a seed counts as failed."""
STUDIES, TRIALS, QUICK = 50, 300, 3
TARGETS = {"false_established": 0.05, "power": 0.8}


@dataclass(frozen=True, slots=True)
class Landscape:
    """What is planted: which parameter does what, and where."""

    failing: tuple[tuple[str, float, bool], tuple[str, float, bool]]
    """Two parameters, where each begins to fail, and whether above that."""
    cliff: tuple[str, float, bool]
    effect: tuple[str, float]
    tiny: Mapping[str, float]

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Landscape:
        """Draw one."""
        a, b, c, d, *rest = (str(name) for name in rng.permutation(NAMES))
        ends = [bool(rng.random() < 0.5) for _ in range(4)]
        at = [float(rng.uniform(0.5, 0.6)) for _ in range(2)]
        first = (a, at[0] if ends[0] else 1 - at[0], ends[0])
        second = (b, at[1] if ends[1] else 1 - at[1], ends[1])
        place = float(rng.uniform(0.55, 0.7))
        return cls(
            failing=(first, second),
            cliff=(c, place if ends[2] else 1 - place, ends[2]),
            effect=(d, EFFECT if ends[3] else -EFFECT),
            tiny={name: float(rng.choice([0.0, 0.0, TINY, -TINY])) for name in rest},
        )

    def falls(self, values: Mapping[str, Scalar]) -> bool:
        """Say whether seeds may fail with these values."""
        return all(_beyond(values[name], at, above) for name, at, above in self.failing)

    def mean(self, values: Mapping[str, Scalar]) -> float:
        """Return the value without noise, and without failures."""
        name, slope = self.effect
        total = slope * float(values[name] or 0)
        if _beyond(values[self.cliff[0]], self.cliff[1], self.cliff[2]):
            total -= CLIFF
        return total + sum(tilt * float(values[one] or 0) for one, tilt in self.tiny.items())

    def run(self, values: Mapping[str, Scalar], rng: np.random.Generator) -> float:
        """Return what a run shows."""
        if self.falls(values) and rng.random() < RATE:
            return FALLEN + float(rng.normal())
        return self.mean(values) + float(rng.normal())

    def true(self, claim: Claim) -> bool:
        """Say whether a claim holds, on average over the space: from the formula, exactly."""
        means = {}
        for cell in itertools.product((True, False), repeat=len(claim.region)):
            grids = [_grid(claim, index, within) for index, within in enumerate(cell)]
            means[cell] = self._shown(claim, dict(grids))
        return _holds(claim, means)

    def _shown(self, claim: Claim, grids: Mapping[str, list[float]]) -> float:
        """The mean of what is claimed about, the claimed parameters running over their grids."""
        if claim.metric == FAILURE or claim.what == "rate":
            shares = [
                np.mean([_beyond(value, at, above) for value in grids.get(name, _EVERY)])
                for name, at, above in self.failing
            ]
            return RATE * float(np.prod(shares))
        still = dict.fromkeys(NAMES, 0.0)
        total = 0.0
        for name, values in grids.items():
            # What parameters do to the value adds up.
            total += float(np.mean([self.mean({**still, name: value}) for value in values]))
        return total

    def planted(self, claim: Claim) -> str | None:
        """Return which of the planted truths a true claim states."""
        named = {extent.parameter for extent in claim.region}
        if named == {name for name, _, _ in self.failing}:
            return {"interaction": "together", "rate": "rate"}.get(claim.what)
        if claim.metric == FAILURE or claim.what not in ("direction", "region"):
            return None
        return {self.cliff[0]: "cliff", self.effect[0]: "effect"}.get(next(iter(named)))


_EVERY = [(i + 0.5) / 1000 for i in range(1000)]


def _grid(claim: Claim, index: int, within: bool) -> tuple[str, list[float]]:  # noqa: FBT001
    """The values of a claimed parameter on one side."""
    extent = claim.region[index]
    contrast = {one.parameter: one for one in claim.contrast}.get(extent.parameter)
    parameter = SPACE[extent.parameter]
    return extent.parameter, [v for v in _EVERY if side(extent, contrast, parameter, v) is within]


PLANTED = ("together", "rate", "cliff", "effect")


def _beyond(value: Scalar, at: float, above: bool) -> bool:  # noqa: FBT001
    return (float(value or 0) > at) == above


def _holds(claim: Claim, means: Mapping[tuple[bool, ...], float]) -> bool:
    sign = 1.0 if claim.sense == "higher" else -1.0
    bound = claim.threshold or 0.0
    within = means.get((True,) * len(claim.region), 0.0)
    if claim.what == "rate":
        return sign * (within - bound) > 0
    if claim.what == "interaction":
        alone = [means.get(cell, 0.0) for cell in ((True, False), (False, True))]
        return all(sign * (within - one) > bound for one in alone)
    difference = within - means.get((False,) * len(claim.region), 0.0)
    if claim.what == "no_effect":
        return abs(difference) < bound
    return sign * difference > bound + 1e-9


@dataclass(frozen=True, slots=True)
class Played:
    """What came of one study."""

    established: tuple[tuple[str, bool], ...]
    """Each established claim in words, and whether it is true."""
    naive: tuple[bool, ...]
    """Of each claim that keep-if-better takes, whether it is true."""
    found: frozenset[str]
    """The planted truths that are established."""
    claims: int
    runs: int
    seconds: float


def play(seed: int, trials: int) -> Played:
    """Run one study, and hold what it established against the truth."""
    rng = np.random.default_rng([seed, 5])
    landscape = Landscape.drawn(rng)
    began = time.perf_counter()
    task = Task(
        name="planted",
        objective=Objective(metric="score"),
        space=SPACE,
        command=("unused",),
        budget=Budget(trials=trials),
        seeds=Seeds(study=seed, screen=2, failure=LIMIT),
        team=("inquirer",),
        runner=RunnerPlan(workers=1),
    )
    with tempfile.TemporaryDirectory() as folder:
        noise = np.random.default_rng([seed, 6])
        with SimulatedRunner(lambda values, _: landscape.run(values, noise)) as runner:
            study = Study(task, folder, runner=runner)
            outsider = Desk(study, by="outsider")
            for claim in guesses(rng):
                outsider.claim(claim)
            history = study.run()
    return judged(landscape, history, time.perf_counter() - began)


def guesses(rng: np.random.Generator) -> list[Claim]:
    """Return six claims of one who knows nothing: four of values, two of failures."""
    found = []
    for name in map(str, rng.permutation(NAMES)[:4]):
        sense = "higher" if rng.random() < 0.5 else "lower"
        text = f"I feel that larger {name} makes the score {sense}"
        region = (Extent(parameter=name),)
        found.append(Claim(by="", text=text, what="direction", region=region, sense=sense))
    for _ in range(2):
        first, second = map(str, rng.permutation(NAMES)[:2])
        region = (Extent(parameter=first, low=0.6), Extent(parameter=second, high=0.4))
        text = f"I have a hunch about {first} with {second}"
        claim = Claim(by="", text=text, what="interaction", region=region, metric=FAILURE)
        if all(claim.region != one.region for one in found):
            found.append(claim)
    return found


def judged(landscape: Landscape, history: History, seconds: float) -> Played:
    """Hold what a study established against the truth."""
    standing = standings(history)
    established = [one for one in standing if one.status == "established"]
    true = {one.number: landscape.true(one.claim) for one in standing}
    found = {
        name
        for one in established
        if true[one.number] and (name := landscape.planted(one.claim)) is not None
    }
    return Played(
        established=tuple((_told(one), true[one.number]) for one in established),
        naive=tuple(true[one.number] for one in standing if _kept(history, one)),
        found=frozenset(found),
        claims=len(standing),
        runs=history.launches,
        seconds=seconds,
    )


def _told(one: Standing) -> str:
    return f"claim {one.number} by {one.claim.by}: {one.claim.text} [{one.sentence}]"


def _kept(history: History, one: Standing) -> bool:
    """Whether a rule that keeps what is better at the first try would keep a claim."""
    units = evidence(history, one.claimed).units
    if not units:
        return False
    claim = one.claim
    sign = 1.0 if claim.sense == "higher" else -1.0
    return all(sign * value > sign * (claim.threshold or 0.0) for value in units[0])


def figures(played: Sequence[Played], *, trials: int) -> dict[str, object]:
    """Return the last line: keys, targets, and whether they are met."""
    established = [true for one in played for _, true in one.established]
    naive = [true for one in played for true in one.naive]
    found = sum(len(one.found) for one in played)
    keys = {
        "false_established": _share(established, value=False),
        "power": round(found / (len(PLANTED) * len(played)), 4),
        "naive_false": _share(naive, value=False),
    }
    low = TARGETS["power"]
    met = keys["false_established"] <= TARGETS["false_established"] and keys["power"] >= low
    return {
        **keys,
        "established": len(established),
        "naive": len(naive),
        "studies": len(played),
        "trials": trials,
        "targets": TARGETS,
        "ok": met,
    }


def _share(found: Sequence[bool], *, value: bool) -> float:
    return round(sum(one == value for one in found) / len(found), 4) if found else 0.0


def table(played: Sequence[Played]) -> str:
    """Return a line per planted truth, and one per study."""
    lines = ["planted truth     established in"]
    for name in PLANTED:
        count = sum(name in one.found for one in played)
        lines.append(f"{name:<17} {count} of {len(played)} studies")
    lines.append("study  claims  established  false  found                        runs  seconds")
    for seed, one in enumerate(played):
        false = sum(not true for _, true in one.established)
        found = " ".join(name for name in PLANTED if name in one.found)
        lines.append(
            f"{seed:>5}  {one.claims:>6}  {len(one.established):>11}  {false:>5}  {found:<27}"
            f"  {one.runs:>4}  {one.seconds:>7.1f}"
        )
    for one in played:
        lines += [f"false: {text}" for text, true in one.established if not true]
    return "\n".join(lines)


def main() -> int:
    """Run the studies, print what came of them, and end with a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} studies")
    parser.add_argument("--studies", type=int, default=STUDIES)
    parser.add_argument("--trials", type=int, default=TRIALS)
    given = parser.parse_args()
    played = []
    count = QUICK if given.quick else given.studies
    for seed in range(count):
        played.append(play(seed, given.trials))
        print(f"\r{seed + 1} of {count} studies", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print(table(played))
    found = figures(played, trials=given.trials)
    print(json.dumps(found))
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
