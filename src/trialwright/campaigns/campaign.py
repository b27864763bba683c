"""A campaign that somebody ran elsewhere: its experiments, and what of its log can't be read.

Knows nothing of files and dialects: `read` turns a log into these records. Nothing is dropped
without a trace: what can't be read is `Malformed`, what was read otherwise than it stands there is
`repaired`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from trialwright.expression import Scalar
from trialwright.task import Direction

Curve = tuple[tuple[float, float], ...]
"""Steps with the value at each."""

Status = Literal["keep", "discard", "crash", "other"]
"""What became of an experiment; `other`: the log has a word that says none of the three."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """One row of a log.

    >>> Experiment(number=1, line=2, metric=0.9979, status="keep").word
    'keep'
    """

    number: int
    """Its place in the log, from 1: unlike the log's own numbers, never there twice."""
    line: int
    """Of the file, from 1; of a JSON list, its place in it."""
    metric: float | None
    """Finite; None: no result."""
    status: Status
    word: str = ""
    """The status as the log has it; the status itself where nothing else is given."""
    commit: str = ""
    memory_gb: float | None = None
    description: str = ""
    label: str = ""
    """The log's own number or name of it; '' if it has none."""
    category: str | None = None
    """As the log declares it; `categories.category_of` infers one from the description."""
    agent: str | None = None
    task: str | None = None
    configuration: Mapping[str, Scalar] | None = None
    """Nested keys joined by dots; lists as JSON."""
    at: float | None = None
    """Seconds since the epoch; a time without a zone is taken for UTC."""
    seconds: float | None = None
    """That it took."""
    seed: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    """The log's other numbers."""
    extra: Mapping[str, str] = field(default_factory=dict)
    """The log's other texts."""
    curve: Curve = ()
    """The metric on its way, where the log has it."""
    repaired: tuple[str, ...] = ()
    """What was not as it should be, and how it was read."""

    def __post_init__(self) -> None:
        if not self.word:
            object.__setattr__(self, "word", self.status)


@dataclass(frozen=True, slots=True)
class Malformed:
    """A line of a log that is no experiment, though it stands where one should."""

    line: int
    text: str
    why: str
    """One reason for all lines that are malformed alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A log as it was understood."""

    name: str
    metric: str
    """What the log calls it."""
    direction: Direction | None
    direction_from: str = ""
    """How the direction is known, in words; '' where it is not."""
    experiments: tuple[Experiment, ...]
    malformed: tuple[Malformed, ...] = ()
    dialect: str
    why: tuple[str, ...] = ()
    """What speaks for the dialect."""
    notes: tuple[str, ...] = ()
    """What else a reader should know, such as that lines were left out."""

    def having(self, status: Status) -> tuple[Experiment, ...]:
        """Return the experiments with a status."""
        return tuple(one for one in self.experiments if one.status == status)

    @property
    def repaired(self) -> tuple[Experiment, ...]:
        """The experiments that could only be read with some repair."""
        return tuple(one for one in self.experiments if one.repaired)

    @property
    def words(self) -> Counter[str]:
        """How often each word stands for a status that is none of the three."""
        return Counter(one.word for one in self.having("other"))

    @property
    def best(self) -> Experiment | None:
        """The best result, kept or not, crashes left out; the first of equals.

        None without a direction or a result.
        """
        return best_of(self.experiments, self.direction)


def best_of(experiments: Sequence[Experiment], direction: Direction | None) -> Experiment | None:
    """Return the experiment with the best metric, crashes left out; the first of equals.

    >>> a = Experiment(number=1, line=1, metric=2.0, status="keep")
    >>> b = Experiment(number=2, line=2, metric=1.0, status="discard")
    >>> best_of([a, b], "minimize").number
    2
    """
    if direction is None:
        return None
    sign = 1.0 if direction == "minimize" else -1.0
    known = [one for one in experiments if one.metric is not None and one.status != "crash"]
    return min(known, key=lambda one: sign * (one.metric or 0.0), default=None)
