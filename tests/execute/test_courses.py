"""Runs whose course is laid down: how long they take, how they end, a study that is busy."""

from __future__ import annotations

from pathlib import Path

from tests.execute.orders import command
from trialwright.execute.runner import Event, Finished, Order
from trialwright.execute.simulate import Course, SimulatedRunner
from trialwright.records import Observation


class Heard:
    """An inbox that keeps what runs showed."""

    def __init__(self) -> None:
        self.finished: list[Observation] = []

    def __call__(self, event: Event) -> None:
        """Take an event."""
        if isinstance(event, Finished):
            self.finished.append(event.observation)


def order(folder: Path, number: int = 0) -> Order:
    """Order a run that a course is laid down for."""
    return command(folder, number=number, configuration={"x": number})


def test_a_run_takes_the_time_of_its_course(tmp_path: Path) -> None:
    """Points are spread evenly over its seconds, and the clock stands where it ended."""
    course = Course(points=((1, {"y": 1.0}), (2, {"y": 3.0})), seconds=50.0)
    heard = Heard()
    with SimulatedRunner.of_courses(lambda _: course) as runner:
        runner.start(order(tmp_path), heard)
        while runner.idle():
            pass
        assert runner.clock_s == 50.0
    seen = heard.finished[0]
    assert (seen.outcome, seen.value, seen.seconds) == ("done", 3.0, 50.0)


def test_a_run_fails_after_the_time_of_its_course_with_its_last_words(tmp_path: Path) -> None:
    """One that reported nothing, too; a reset connection is a failure that passes."""
    courses = {0: "it failed", 1: "Connection reset by peer"}
    heard = Heard()
    with SimulatedRunner.of_courses(
        lambda one: Course(seconds=7.0, failure=courses[one.run.trial]), slots=2
    ) as runner:
        for number in courses:
            runner.start(order(tmp_path, number), heard)
        while runner.idle():
            pass
    told = [(one.outcome, one.cause, one.seconds) for one in heard.finished]
    assert told == [("failed", "other", 7.0), ("failed", "transient", 7.0)]


def test_what_a_busy_study_starts_begins_when_it_is_done(tmp_path: Path) -> None:
    """A run that goes on is not held up; the next begins after it, and counts its own time."""
    heard = Heard()
    with SimulatedRunner.of_courses(lambda _: Course(seconds=10.0), slots=2) as runner:
        runner.start(order(tmp_path, 0), heard)
        runner.busy(25.0)
        runner.start(order(tmp_path, 1), heard)
        ends = []
        while runner.idle():
            ends.append((len(heard.finished), runner.clock_s))
    assert min(at for finished, at in ends if finished == 1) == 10.0
    assert min(at for finished, at in ends if finished == 2) == 35.0
    assert [one.seconds for one in heard.finished] == [10.0, 10.0]
