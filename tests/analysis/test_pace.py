"""How many runs may go on after failures: fewer for memory, probes for a spike, then more again."""

from __future__ import annotations

import pytest

from trialwright.analysis.pace import LONGEST_S, RECOVERY, Ended, Pace, pattern_of
from trialwright.expression import Scalar
from trialwright.history import History
from trialwright.records import (
    Admission,
    Cause,
    CodeVersion,
    Entry,
    Extent,
    Launch,
    Notice,
    Observation,
    Opened,
    Proposal,
    Record,
    RunKey,
)
from trialwright.space import Choice, Float, Ordinal, Space
from trialwright.task import Limits, Objective, Task

SPACE = Space(
    (
        Float("x", 0.0, 1.0),
        Ordinal("batch", (16, 32, 64)),
        Choice("model", ("small", "large")),
    )
)
PLAIN: dict[str, Scalar] = {"x": 0.5, "batch": 32, "model": "small"}


def opened(**changes: object) -> list[Record]:
    """The first records of a study."""
    given = {"name": "t", "objective": Objective(metric="y"), "space": SPACE, "command": ("true",)}
    task = Task(**{**given, **changes})  # type: ignore[arg-type]
    return [Opened(task=task, seed=0, version="0"), CodeVersion(id="c")]


def history(records: list[Record] | None = None, **changes: object) -> History:
    """A history, an entry a second."""
    every = [*opened(**changes), *(records or [])]
    return History([Entry(place + 1, 1.0 + place, record) for place, record in enumerate(every)])


def fed(
    pace: Pace, causes: str, *, seconds: float = 1.0, start: int = 0, **values: Scalar
) -> list[Notice]:
    """Tell a pace of runs that ended one by one: `.` well, `x` failed, `m` for want of memory."""
    notices: list[Notice] = []
    for place, sign in enumerate(causes, start):
        cause: Cause | None = {".": None, "x": "other", "m": "out_of_memory_host"}[sign]  # type: ignore[assignment]
        notices += pace.take(
            Ended(
                key=RunKey(place, 0, 0),
                configuration={**PLAIN, **values},
                cause=cause,
                at=1000.0 + 10 * place,
                seconds=seconds,
                others=3 if sign == "m" else 0,
                starved=sign == "m",
            )
        )
    return notices


def test_as_many_as_there_are_slots_while_nothing_fails() -> None:
    """A few failures among many runs change nothing."""
    pace = Pace(history())
    assert fed(pace, "..x...x..xx..") == []
    assert pace.most(7) == 7
    assert not pace.holds(PLAIN, [PLAIN] * 6, at=0.0)


def test_crowded_memory_halves_the_runs_and_gives_back_one_by_one() -> None:
    """4 at a time ran out: 2 from then on; after each ten good ones one more."""
    pace = Pace(history())
    (notice,) = fed(pace, ".m")
    assert "beside 3 other runs: at most 2 at a time" in notice.text
    assert pace.most(8) == 2
    assert pace.crowded(RunKey(1, 0, 0))
    assert not pace.crowded(RunKey(0, 0, 0))
    fed(pace, "." * (RECOVERY - 1), start=2)
    assert pace.most(8) == 2
    fed(pace, ".", start=20)
    assert pace.most(8) == 3
    fed(pace, "." * (5 * RECOVERY), start=21)
    assert pace.most(8) == 8
    assert pace.most(3) == 3


def test_the_last_of_several_that_die_together_was_crowded_too() -> None:
    """Nobody is left beside it when it ends; but it began before another was crowded out."""
    pace = Pace(history(_runs(*[("out_of_memory_host", None)] * 3)))
    assert all(pace.crowded(RunKey(number, 0, 0)) for number in range(3))
    assert pace.most(8) == 1


def test_what_started_before_a_measure_does_not_tighten_it() -> None:
    """Eight that die at once are one event: they were all started before the first was heard."""
    pace = Pace(history())
    assert len(fed(pace, "mmm", seconds=500.0)) == 1
    assert pace.most(8) == 2


@pytest.mark.parametrize("causes", ["xxxxxxxx", "x.x.x.xxxxx", "..xxxxxx", "x.xx.x.xx.xx.xxxxxxxx"])
def test_a_study_that_always_failed_much_is_not_slowed_down(causes: str) -> None:
    """A spike is one only against a time when runs ended well."""
    pace = Pace(history())
    fed(pace, causes)
    assert pace.breaker is None


def test_a_spike_opens_the_breaker_and_a_probe_closes_it() -> None:
    """One at a time, each later than the one before; after one that ends well, as before."""
    pace = Pace(history())
    (notice,) = fed(pace, ".....xxxxx")
    assert notice.level == "warning"
    assert "5 of the last 8 runs failed (other)" in notice.text
    assert pace.most(8) == 1
    assert not pace.holds(PLAIN, [], at=0.0)
    assert pace.holds(PLAIN, [PLAIN], at=0.0)
    assert fed(pace, "x", start=10) == []
    assert pace.holds(PLAIN, [], at=1101.9)
    assert not pace.holds(PLAIN, [], at=1102.1)
    assert fed(pace, "x", start=11) == []
    assert pace.holds(PLAIN, [], at=1113.9)
    fed(pace, "x" * 30, start=12)
    last = 1000.0 + 10 * 41
    assert pace.holds(PLAIN, [], at=last + LONGEST_S - 1)
    assert not pace.holds(PLAIN, [], at=last + LONGEST_S + 1)
    (closed,) = fed(pace, ".", start=42)
    assert closed.level == "info"
    assert pace.most(8) == 8
    assert fed(pace, "xxxx", start=43) == []
    assert len(fed(pace, "x", start=47)) == 1


def test_only_the_pattern_that_fails_is_held_back() -> None:
    """Failures that share a value which no good run has: others go on at full speed."""
    pace = Pace(history())
    fed(pace, ".....")
    (notice,) = fed(pace, "xxxxx", start=5, model="large")
    assert 'runs with model = "large" go one at a time' in notice.text
    large = {**PLAIN, "model": "large"}
    assert pace.most(8) == 8
    assert not pace.holds(PLAIN, [large, PLAIN], at=0.0)
    assert not pace.holds(large, [PLAIN], at=0.0)
    assert pace.holds(large, [large, PLAIN], at=0.0)
    assert fed(pace, "....", start=20) == []
    assert pace.holds(large, [large], at=0.0)
    (closed,) = fed(pace, ".", start=30, model="large")
    assert "ended well" in closed.text
    assert not pace.holds(large, [large], at=0.0)


def test_a_second_spike_beside_a_held_pattern_holds_everything() -> None:
    """While one pattern is held back, failures of the others open the breaker wider."""
    pace = Pace(history())
    fed(pace, ".......")
    fed(pace, "xxxxx", start=7, model="large")
    fed(pace, "...", start=12)
    (notice,) = fed(pace, "xxxxx", start=20)
    assert "runs go one at a time" in notice.text
    assert pace.most(8) == 1


@pytest.mark.parametrize(
    ("bad", "good", "extent"),
    [
        ({"model": "large"}, {"model": "small"}, Extent(parameter="model", values=("large",))),
        ({"batch": 64}, {"batch": 16}, Extent(parameter="batch", values=(64,))),
        ({"x": 0.9}, {"x": 0.2}, Extent(parameter="x", low=0.9)),
        ({"x": 0.1}, {"x": 0.2}, Extent(parameter="x", high=0.1)),
        ({}, {}, None),
    ],
)
def test_patterns_separate_what_failed_from_what_ran(
    bad: dict[str, Scalar], good: dict[str, Scalar], extent: Extent | None
) -> None:
    """A value, levels or a side of a range that every failure has and no good run does."""
    failed = [{**PLAIN, **bad}] * 5
    assert pattern_of(failed, [{**PLAIN, **good}] * 5, SPACE) == extent
    assert pattern_of(failed, [{**PLAIN, **good}] * 2, SPACE) is None


def _runs(*spans: tuple[Cause | None, int | None]) -> list[Record]:
    """Runs that all start before any ends, each with its cause and peak memory."""
    records: list[Record] = []
    for number, _ in enumerate(spans):
        proposal = Proposal(configuration=PLAIN, by="expert")
        run = RunKey(number, 0, 0)
        records += [
            Admission(number=number, proposal=proposal, code="c"),
            Launch(run=run, seed=1, command=("true",), machine="m"),
        ]
    for number, (cause, peak) in enumerate(spans):
        records.append(
            Observation(
                run=RunKey(number, 0, 0),
                outcome="failed" if cause else "done",
                cause=cause,
                peak_memory_bytes=peak,
            )
        )
    return records


def test_a_resumed_study_keeps_its_pace() -> None:
    """The pace is a fold over the record: who ran beside whom is read from it."""
    pace = Pace(history(_runs(("out_of_memory_host", None), (None, None), (None, None))))
    assert pace.most(8) == 1
    assert pace.crowded(RunKey(0, 0, 0))
    alone = Pace(history(_runs((None, None), ("out_of_memory_host", None))))
    assert alone.most(8) == 8


def test_a_run_beyond_its_own_limit_was_not_crowded_out() -> None:
    """Its own limit is no matter of the others: they are not run fewer at a time."""
    limits = Limits(memory_bytes=2**30)
    runs = _runs(("out_of_memory_host", 2**30 + 1), (None, None))
    assert Pace(history(runs, limits=limits)).most(8) == 8
    runs = _runs(("out_of_memory_host", 2**29), (None, None))
    assert Pace(history(runs, limits=limits)).most(8) == 1


def test_another_code_version_starts_afresh() -> None:
    """What failed under older files says nothing of the new ones."""
    runs = _runs(("out_of_memory_host", None), (None, None), (None, None))
    assert Pace(history([*runs, CodeVersion(id="d")])).most(8) == 8
