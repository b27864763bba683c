"""What was tried again: the same configuration, or one so near that it hardly differs."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from trialwright.analysis.rates import interval
from trialwright.campaigns.campaign import Campaign, Experiment
from trialwright.expression import Scalar
from trialwright.insight.measured import Cell, Measured, Table, refusal
from trialwright.insight.sequence import planned
from trialwright.insight.telling import count, number, percent, shares

NEAR = 0.01
"""Of a number's scale: nearer than this in every number is near."""
LOGARITHMIC = 50.0
"""Numbers above 0 whose largest is so many times the smallest are on a log scale."""
BATCH = 512
"""Configurations looked at together."""
TOLD = 50
"""Repeats that the table holds."""
ASIDE = re.compile(
    r"(description|notes?|comments?|rationale|hypothesis|timestamp|created_at"
    r"|(results?|out|output|log|logs|run|save|checkpoint|work|cache)_?(dir|path|folder|file)"
    r"|.*fingerprint|(run|exp|experiment|trial)_?(name|id|num|number|no)|seed_reasoning)"
)
"""Last parts of names of settings that say nothing of what was tried."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Repeat:
    """An experiment that was tried before."""

    index: int
    """Its place in the log, from 0."""
    of: int
    """The earlier one."""
    distance: float
    """The largest difference in a number, over the number's scale; 0: the very same."""


def repeats(campaign: Campaign) -> Measured:
    """Count experiments that had been tried before, exactly or nearly.

    Exact: the same canonical configuration and the same code, under the same seed and task. Near:
    every number within 1 % of its scale (of the range that the campaign has for it, by logarithms
    where that spans a factor of 50), all else the same. Baselines and replicates are none. Without
    configurations only descriptions can be compared: the same words count as exact.
    """
    name, title = "repeats", "What was tried again"
    own = [i for i, one in enumerate(campaign.experiments) if not planned(one)]
    rows = [campaign.experiments[i] for i in own]
    told = not any(one.configuration or one.extra.get("tree") for one in rows)
    if len(rows) < 2 or (told and not any(one.description for one in rows)):
        return refusal(name, title, "no two experiments have a configuration or a description")
    found = _told(rows) if told else repeated(rows)
    found = [Repeat(own[one.index], own[one.of], one.distance) for one in found]
    exact = [one for one in found if one.distance == 0.0]
    near = [one for one in found if one.distance > 0.0]
    n = len(rows)
    notes = ["baselines and replicates are left out"]
    if told:
        notes.append("the log has no configurations: repeats are descriptions in the same words")
    return Measured(
        name=name,
        title=title,
        sentence=_sentence(n, exact, near),
        values={"n": n, **_rate("exact", len(exact), n), **_rate("near", len(near), n),
                "near_distance": float(np.median([one.distance for one in near])) if near else None,
                "by": "description" if told else "configuration"},
        table=Table(columns=("experiment", "repeats", "kind", "distance", "apart"),
                    rows=tuple(_row(campaign, one) for one in found[:TOLD])),
        notes=(*notes, *([f"the table has the first {TOLD} of {len(found)}"]
                         if len(found) > TOLD else [])),
    )  # fmt: skip


def _rate(word: str, hits: int, n: int) -> dict[str, Cell]:
    low, high = interval(hits, n)
    return {
        word: hits,
        f"{word}_rate": hits / n,
        f"{word}_rate_low": low,
        f"{word}_rate_high": high,
    }


def _sentence(n: int, exact: Sequence[Repeat], near: Sequence[Repeat]) -> str:
    low, high = interval(len(exact), n)
    return (
        f"{len(exact):,} of {count(n, 'experiment')} had been tried before exactly"
        f" ({percent(len(exact) / n)}, {shares(low, high)}), {len(near)} more nearly so"
        + (f" (typically {number(float(np.median([one.distance for one in near])))} of the scale"
           " away)." if near else ".")
    )  # fmt: skip


def _row(campaign: Campaign, one: Repeat) -> tuple[Cell, ...]:
    here, there = campaign.experiments[one.index], campaign.experiments[one.of]
    kind = "near" if one.distance else "exact"
    return (here.label or here.number, there.label or there.number, kind, one.distance,
            one.index - one.of)  # fmt: skip


def signature(experiment: Experiment) -> Hashable:
    """Return what makes two experiments the same: configuration, code, task and seed.

    >>> one = Experiment(number=1, line=1, metric=1.0, status="keep", configuration={"lr": 1})
    >>> two = Experiment(number=2, line=2, metric=2.0, status="keep", configuration={"lr": 1.0})
    >>> signature(one) == signature(two)
    True
    """
    kept = {key: _plain(value) for key, value in settings_of(experiment).items()}
    written = json.dumps(kept, sort_keys=True, ensure_ascii=False)
    return written, experiment.extra.get("tree", ""), experiment.task, experiment.seed


def settings_of(experiment: Experiment) -> Mapping[str, Scalar]:
    """Return what an experiment tried: its configuration without descriptions, folders, names."""
    given = experiment.configuration or {}
    return {key: value for key, value in given.items() if not _aside(key)}


@lru_cache(maxsize=4096)
def _aside(key: str) -> bool:
    return ASIDE.fullmatch(key.rsplit(".", 1)[-1].casefold()) is not None


def _plain(value: Scalar) -> Scalar:
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 2**53
    return int(value) if whole and value is not None else value


def _number(value: Scalar) -> bool:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return plain and math.isfinite(float(value or 0))


def _told(rows: Sequence[Experiment]) -> list[Repeat]:
    seen: dict[Hashable, int] = {}
    found = []
    for index, one in enumerate(rows):
        words = " ".join(one.description.casefold().split())
        if not words:
            continue
        key = (words, one.task, one.seed)
        if key in seen:
            found.append(Repeat(index, seen[key], 0.0))
        seen.setdefault(key, index)
    return found


def repeated(rows: Sequence[Experiment]) -> list[Repeat]:
    """Return which experiments repeat an earlier one, exactly or nearly, in order.

    Those without a configuration and without code repeat nothing.
    """
    seen: dict[Hashable, int] = {}
    found: list[Repeat] = []
    firsts: list[int] = []
    for index, one in enumerate(rows):
        if not one.configuration and not one.extra.get("tree"):
            continue
        key = signature(one)
        if key in seen:
            found.append(Repeat(index, seen[key], 0.0))
        else:
            seen[key] = index
            firsts.append(index)
    found += _near(rows, firsts)
    return sorted(found, key=lambda one: one.index)


def _near(rows: Sequence[Experiment], firsts: Sequence[int]) -> list[Repeat]:
    """Which of those that differ from all before them hardly do; none where no number varies."""
    settings = {index: settings_of(rows[index]) for index in firsts}
    scales = scales_of(list(settings.values()))
    groups: dict[Hashable, list[int]] = {}
    for index in firsts:
        groups.setdefault(_frame(rows[index], settings[index], scales), []).append(index)
    found = []
    for members in groups.values():
        inside = [key for key in scales if key in settings[members[0]]]
        points = np.array(
            [[scales[key](settings[index][key]) for key in inside] for index in members]
        ).reshape(len(members), len(inside))
        if len(members) > 1 and inside:
            found += [Repeat(members[i], members[j], d) for i, j, d in _nearest_before(points)]
    return found


def _frame(
    row: Experiment, settings: Mapping[str, Scalar], scales: Mapping[str, Scale]
) -> Hashable:
    """What has to be the very same for two experiments to be near: all but the varying numbers."""
    same = {key: _plain(value) for key, value in settings.items() if key not in scales}
    inside = tuple(key for key in scales if key in settings)
    written = json.dumps(same, sort_keys=True, ensure_ascii=False)
    return written, inside, row.extra.get("tree", ""), row.task, row.seed


def _nearest_before(points: Array) -> list[tuple[int, int, float]]:
    """Per point within `NEAR` of an earlier one in every number: itself, the nearest, how far."""
    from scipy.spatial import cKDTree  # half a second to import

    found: dict[int, tuple[int, float]] = {}
    for start in range(0, len(points), BATCH):
        batch = points[start : start + BATCH]
        if start:
            apart, where = cKDTree(points[:start]).query(
                batch, p=math.inf, distance_upper_bound=NEAR * (1 + 1e-9)
            )
            pairs = zip(np.asarray(apart).tolist(), np.asarray(where).tolist(), strict=True)
            for i, (far, j) in enumerate(pairs):
                if math.isfinite(far):
                    found[start + i] = j, far
        for i in range(1, len(batch)):
            within = np.abs(batch[:i] - batch[i]).max(axis=1)
            nearest = int(within.argmin())
            far = float(within[nearest])
            if far <= NEAR * (1 + 1e-9) and far < found.get(start + i, (0, math.inf))[1]:
                found[start + i] = start + nearest, far
    return [(i, j, apart) for i, (j, apart) in found.items()]


@dataclass(frozen=True, slots=True)
class Scale:
    """Where a number lies within the range that a campaign has for it."""

    low: float
    high: float
    logarithmic: bool

    def __call__(self, value: Scalar) -> float:
        """Return the place in [0, 1]."""
        assert isinstance(value, int | float)
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def scales_of(settings: Sequence[Mapping[str, Scalar]]) -> dict[str, Scale]:
    """Return the scale of each setting that is a number wherever it is there, and varies.

    >>> scales_of([{"lr": 0.001, "act": "relu"}, {"lr": 0.1, "act": "gelu"}])
    {'lr': Scale(low=0.001, high=0.1, logarithmic=True)}
    """
    values: dict[str, list[float]] = {}
    others: set[str] = set()
    for one in settings:
        for key, value in one.items():
            if _number(value):
                values.setdefault(key, []).append(float(value or 0))
            else:
                others.add(key)
    found = {}
    for key in values.keys() - others:
        low, high = min(values[key]), max(values[key])
        if high > low and math.isfinite(high - low):
            logarithmic = low > 0 and high / low >= LOGARITHMIC
            found[key] = Scale(low, high, logarithmic)
    return dict(sorted(found.items()))
