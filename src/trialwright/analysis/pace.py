"""How many runs may go on at a time, and which are held back, after what failed. Pure.

Runs that fill the machine's memory together are run fewer at a time. When failures spike, a breaker
opens: whatever fails goes one at a time, as a probe, until one ends well. What it holds is a fold
over the runs that ended, so a resumed study keeps its pace.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trialwright.analysis.extents import holds, said
from trialwright.history import History, Run
from trialwright.records import Cause, Extent, Notice, RunKey
from trialwright.space import Choice, Configuration, Ordinal, Parameter, Space

WINDOW = 8
"""Runs that are looked at for a spike."""

SPIKE = 5
"""Of them, those that fail in a spike."""

BEFORE = 3
"""Runs that ended well before a spike: a study that fails from the start is not slowed down."""

USUAL = 3
"""Runs that ended well for each that failed before a spike, at least: else failing is usual."""

RECOVERY = 10
"""Runs in a row that end well, after which one more may go on at a time."""

LONGEST_S = 300.0
"""Seconds between two probes, at most."""

REMEMBERED = 40
"""Runs that ended well, against which the pattern of a spike is held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What the pace needs to know of a run that has ended."""

    key: RunKey
    configuration: Configuration
    cause: Cause | None
    """None: it ended well, or was stopped early."""
    at: float
    """Seconds since the epoch."""
    seconds: float
    """By the clock on the wall, not the runner's."""
    others: int
    """Runs that went on when it ended."""
    starved: bool
    """Whether it failed for want of memory, within its own limit."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """A spike of failures, and what is held back for it."""

    pattern: Extent | None
    """None: everything."""
    probes: int = 0
    """Probes that failed."""
    until: float = 0.0
    """When the next probe may start."""


class Pace:
    """The pace of a study's runs under the newest code; each run costs the same to take in."""

    def __init__(self, history: History) -> None:
        # Its space alone: a session may read its history anew.
        self._space = history.space
        self.breaker: Breaker | None = None
        """Open while failures spike."""
        self._most: int | None = None
        self._lowered_at = 0.0
        self._crowded_at = 0.0
        self._clean = 0
        self._window: deque[Ended] = deque(maxlen=WINDOW)
        self._well: deque[Configuration] = deque(maxlen=REMEMBERED)
        self._before = Counter[bool]()
        """Of the runs that left the window: how many failed (True), how many did not."""
        self._crowded: set[RunKey] = set()
        for ended in _past(history):
            self.take(ended)

    def heard(self, history: History, run: Run, *, others: int) -> list[Notice]:
        """Take in a run that has ended beside `others`; return what the user should know."""
        ended = _ended(history, run, others=others)
        return [] if ended is None else self.take(ended)

    def take(self, ended: Ended) -> list[Notice]:
        """Take in a run that has ended."""
        # The last of several that die together has nobody beside it any more.
        beside = ended.others > 0 or ended.at - ended.seconds < self._crowded_at
        if ended.starved and beside:
            return self._crowd(ended)
        self._clean = self._clean + 1 if ended.cause is None else 0
        if self._most is not None and self._clean >= RECOVERY:
            self._clean, self._most = 0, self._most + 1
        return self._look(ended)

    def most(self, slots: int) -> int:
        """Return how many of `slots` may be used."""
        if self.breaker is not None and self.breaker.pattern is None:
            return 1
        return slots if self._most is None else max(min(self._most, slots), 1)

    def crowded(self, run: RunKey) -> bool:
        """Say whether a run failed for want of memory beside others: it may try again."""
        return run in self._crowded

    def holds(
        self, configuration: Configuration, going: Iterable[Configuration], *, at: float
    ) -> bool:
        """Say whether a run may not start at time `at` beside those that go on."""
        breaker = self.breaker
        if breaker is None or not self._fits(breaker.pattern, configuration):
            return False
        # Set back, a clock would hold it for longer than any probe is waited for.
        early = 0 < breaker.until - at <= LONGEST_S
        return early or any(self._fits(breaker.pattern, other) for other in going)

    # -- memory

    def _crowd(self, ended: Ended) -> list[Notice]:
        self._crowded.add(ended.key)
        self._crowded_at = ended.at
        self._clean = 0
        if not ended.others or ended.at - ended.seconds < self._lowered_at:
            # It was started before the last measure, which has not shown yet what it does.
            return []
        self._lowered_at = ended.at
        self._most = max((ended.others + 1) // 2, 1)
        beside = f"{ended.others} other run{'s' if ended.others > 1 else ''}"
        text = (
            f"trial {ended.key.trial} ran out of memory beside {beside}: at most {self._most} at a"
            f" time from here on, one more after each {RECOVERY} that end well; `runner: {{memory:"
            " ...}` sets memory aside per run"
        )
        return [Notice(level="warning", topic="pace", text=text, trial=ended.key.trial)]

    # -- spikes of failures

    def _look(self, ended: Ended) -> list[Notice]:
        breaker = self.breaker
        if breaker is not None and self._fits(breaker.pattern, ended.configuration):
            return self._probed(breaker, ended)
        if len(self._window) == WINDOW:
            self._before[self._window[0].cause is not None] += 1
        self._window.append(ended)
        if ended.cause is None:
            self._well.append(ended.configuration)
        return self._open() if self._spikes() else []

    def _probed(self, breaker: Breaker, ended: Ended) -> list[Notice]:
        if ended.cause is not None:
            probes = breaker.probes + 1
            wait_s = min(ended.seconds * 2.0 ** min(probes, 30), LONGEST_S)
            self.breaker = Breaker(breaker.pattern, probes, ended.at + wait_s)
            return []
        self.breaker = None
        self._window.append(ended)
        self._well.append(ended.configuration)
        text = f"a probe ended well (trial {ended.key.trial}): runs go on as before the failures"
        return [Notice(level="info", topic="pace", text=text, trial=ended.key.trial)]

    def _spikes(self) -> bool:
        """Whether most of the latest runs failed, and few of the earlier ones did."""
        failed = [index for index, one in enumerate(self._window) if one.cause is not None]
        if len(failed) < SPIKE:
            return False
        well, ill = self._before[False] + failed[0], self._before[True]
        return well >= BEFORE and well >= USUAL * ill

    def _open(self) -> list[Notice]:
        failures = [one for one in self._window if one.cause is not None]
        cause, _ = Counter(one.cause for one in failures).most_common(1)[0]
        failing = [one.configuration for one in failures]
        pattern = pattern_of(failing, self._well, self._space)
        self.breaker = Breaker(pattern)
        # The spike itself is not what is usual.
        self._before[False] += len(self._window) - len(failures)
        self._window.clear()
        what = f"runs with {said(pattern)} go" if pattern else "runs go"
        text = (
            f"{len(failures)} of the last {WINDOW} runs failed"
            f" ({(cause or 'other').replace('_', ' ')}), where earlier ones did not: {what} one at"
            f" a time until one ends well; the latest: {failures[-1].key}"
        )
        return [Notice(level="warning", topic="pace", text=text, trial=failures[-1].key.trial)]

    def _fits(self, pattern: Extent | None, configuration: Configuration) -> bool:
        if pattern is None:
            return True
        name = pattern.parameter
        return name in configuration and holds(pattern, self._space[name], configuration[name])


def pattern_of(
    failed: Sequence[Configuration], well: Sequence[Configuration], space: Space
) -> Extent | None:
    """Return what all failures have in common and no run that ended well has; None if nothing.

    Of several such parameters, the one whose sides lie furthest apart.
    """
    if len(well) < BEFORE:
        return None
    found = [
        (apart, extent)
        for parameter in space.parameters
        if (cut := _cut(parameter, failed, well)) is not None
        for apart, extent in [cut]
    ]
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _cut(
    parameter: Parameter, failed: Sequence[Configuration], well: Sequence[Configuration]
) -> tuple[float, Extent] | None:
    """How far apart the two sides lie in a parameter, in [0, 1], and the failures' side."""
    name = parameter.name
    bad = [one[name] for one in failed if name in one]
    good = [one[name] for one in well if name in one]
    if len(bad) < len(failed) or not good:
        return None
    if isinstance(parameter, Choice):
        apart = 1.0 if len(set(map(repr, bad))) == 1 and bad[0] not in good else 0.0
        return (apart, Extent(parameter=name, values=(bad[0],))) if apart else None
    ends = [min(bad, key=parameter.to_unit), max(bad, key=parameter.to_unit)]
    low, high = map(parameter.to_unit, ends)
    others = [parameter.to_unit(one) for one in good]
    apart = max(low - max(others), min(others) - high)
    if apart <= 0:
        return None
    if isinstance(parameter, Ordinal):
        levels = tuple(one for one in parameter.levels if low <= parameter.to_unit(one) <= high)
        return apart, Extent(parameter=name, values=levels)
    above = low > max(others)
    least, most = (_number(end) for end in ends)
    return apart, Extent(parameter=name, low=least if above else None, high=None if above else most)


def _number(value: object) -> float:
    assert isinstance(value, int | float)
    return float(value)


# -- what a history tells


def _past(history: History) -> list[Ended]:
    """The runs that have ended under the newest code, in the order of their ends."""
    runs = [run for trial in history.trials for run in trial.runs if run.ended_at is not None]
    began = sorted(run.launched_at for run in runs)
    over = sorted(_over(run) for run in runs)
    found = []
    for run in runs:
        others = bisect_right(began, _over(run)) - bisect_right(over, _over(run))
        ended = _ended(history, run, others=max(others, 0))
        found += [ended] if ended is not None else []
    return sorted(found, key=lambda ended: ended.at)


def _over(run: Run) -> float:
    return run.launched_at if run.ended_at is None else run.ended_at


def _ended(history: History, run: Run, *, others: int) -> Ended | None:
    """A run as the pace sees it; None if it says nothing: cancelled, another code's, an agent's."""
    observation = run.observation
    trial = history.trials[run.key.trial]
    if observation is None or observation.outcome == "cancelled" or run.launch.by:
        return None
    if (run.launch.code or trial.admission.code) != history.code:
        return None
    cause = (observation.cause or "other") if observation.outcome == "failed" else None
    limit, peak = history.task.limits.memory_bytes, observation.peak_memory_bytes or 0
    within = limit is None or peak < limit
    return Ended(
        key=run.key,
        configuration=trial.configuration,
        cause=cause,
        at=_over(run),
        seconds=max(_over(run) - run.launched_at, 0.0),
        others=others,
        starved=cause == "out_of_memory_host" and within,
    )
