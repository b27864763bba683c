"""The order in which runs start: begun, asked for, seeds, remedies, proposals; cheap ones first."""

from __future__ import annotations

import pytest

from trialwright.analysis import agenda
from trialwright.expression import Scalar
from trialwright.history import History
from trialwright.records import (
    Admission,
    CodeVersion,
    Entry,
    Launch,
    Observation,
    Opened,
    Promotion,
    Proposal,
    Record,
    Request,
    RunKey,
)
from trialwright.space import Choice, Int, Space
from trialwright.task import Objective, Schedule, Task

SPACE = Space((Int("width", 1, 100), Choice("model", ("a", "b"))))


def task(**changes: object) -> Task:
    """A task over `SPACE`."""
    given = {"name": "t", "objective": Objective(metric="y"), "space": SPACE, "command": ("true",)}
    return Task(**{**given, **changes})  # type: ignore[arg-type]


def history(wanted: Task, *records: Record) -> History:
    """A study with these records."""
    every = [Opened(task=wanted, seed=0, version="0"), CodeVersion(id="c"), *records]
    return History([Entry(place + 1, 1.0 + place, record) for place, record in enumerate(every)])


def admitted(number: int, width: int, *, by: str = "expert", request: int | None = None) -> Record:
    """A trial."""
    configuration: dict[str, Scalar] = {"width": width, "model": "a"}
    proposal = Proposal(configuration=configuration, by=by)
    return Admission(number=number, proposal=proposal, code="c", request=request)


def launched(trial: int, seed: int = 0) -> Record:
    """A run that was started."""
    return Launch(run=RunKey(trial, seed, 0), seed=1, command=("true",), machine="m")


def done(trial: int, seconds: float = 1.0) -> Record:
    """A run that ended well."""
    return Observation(run=RunKey(trial, 0, 0), outcome="done", value=1.0, seconds=seconds)


def test_what_was_begun_and_asked_for_goes_before_proposals() -> None:
    """Interrupted runs and retries; the user's; seeds of what has some; remedies; the rest."""
    wanted = task()
    records = [
        admitted(0, 10),
        launched(0),
        done(0),
        Promotion(trial=0, seeds=2, reason="a contender"),
        admitted(1, 11),
        admitted(2, 12, by="healer"),
        admitted(3, 13, by="user"),
        admitted(4, 14, request=1),
        admitted(5, 15),
        launched(5),
        admitted(6, 16),
        launched(6),
    ]
    going = {RunKey(6, 0, 0)}
    found = agenda.due(history(wanted, *records), going, [RunKey(9, 0, 1)], wanted)
    assert [(key.trial, key.seed, key.attempt) for key in found] == [
        (9, 0, 1),
        (5, 0, 1),
        (3, 0, 0),
        (4, 0, 0),
        (0, 1, 0),
        (2, 0, 0),
        (1, 0, 0),
    ]


def test_a_rerun_that_somebody_asked_for_goes_before_proposals() -> None:
    """A further attempt of an early trial does not wait behind what was proposed before."""
    wanted = task()
    records = [admitted(0, 1), admitted(1, 2), launched(1), done(1)]
    found = agenda.due(history(wanted, *records, Request(what="rerun", trial=1)), set(), [], wanted)
    assert found == [RunKey(1, 0, 1), RunKey(0, 0, 0)]


@pytest.mark.parametrize(
    ("schedule", "order"),
    [
        (Schedule(), [0, 1, 2]),
        (Schedule(first="cheap", cost="width * (2 if model == 'b' else 1)"), [1, 2, 0]),
        (Schedule(first="cheap"), [0, 1, 2]),
    ],
)
def test_cheap_ones_first_by_what_the_study_file_says(schedule: Schedule, order: list[int]) -> None:
    """With a cost the cheapest goes first; without one nothing is known before any run."""
    wanted = task(schedule=schedule)
    found = agenda.due(
        history(wanted, admitted(0, 90), admitted(1, 3), admitted(2, 50)), set(), [], wanted
    )
    assert [key.trial for key in found] == order


def test_cheap_ones_first_by_the_time_that_like_runs_took() -> None:
    """Wide runs took long before: the narrow one of the two that wait goes first."""
    wanted = task(schedule=Schedule(first="cheap"))
    records: list[Record] = []
    for number, width in enumerate((1, 2, 3, 4, 5, 96, 97, 98, 99, 100)):
        records += [admitted(number, width), launched(number), done(number, float(width))]
    records += [admitted(10, 90), admitted(11, 8), admitted(12, 6, by="user")]
    found = agenda.due(history(wanted, *records), set(), [], wanted)
    assert [key.trial for key in found] == [12, 11, 10]


def test_a_grid_is_walked_from_its_cheap_end() -> None:
    """Cells come in the order of their cost, after the user's own configurations."""
    schedule = Schedule(first="cheap", cost="-width")
    wanted = task(
        start=({"width": 7},), grid={"width": (1, 50, 100), "model": ("a",)}, schedule=schedule
    )
    asked = list(agenda.own(wanted, history(wanted)))
    assert [(one.by, one.configuration["width"]) for one in asked] == [
        ("user", 7),
        ("grid", 100),
        ("grid", 50),
        ("grid", 1),
    ]
