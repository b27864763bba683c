"""The bench: real runs started one by one, and the study held only while one goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.test_desk import coordinator, desk, until
from trialwright.bench import Bench
from trialwright.desk import Desk, Offer
from trialwright.errors import StudyBusy, StudyError
from trialwright.history import read
from trialwright.records import RunKey
from trialwright.study import Study
from trialwright.studyfile import load


@contextmanager
def benched(folder: Path, **layout: float) -> Iterator[tuple[Desk, Bench]]:
    """A desk and a bench of one study."""
    agent = desk(folder, **layout)
    study = Study(load(folder / "study.yaml"), agent.study.folder)
    with closing(Bench(study)) as bench:
        yield agent, bench


def ended(agent: Desk, run: RunKey) -> bool:
    """Whether a run has ended."""
    return agent.history().run(run).observation is not None


def test_only_what_was_asked_for_is_started(tmp_path: Path) -> None:
    """Of two trials that wait, the named one runs; the other one waits on."""
    with benched(tmp_path) as (agent, bench):
        for lr in (0.1, 0.2):
            agent.propose(Offer(change={"lr": lr}))
        run = bench.start(1)
        assert run == RunKey(1, 0, 0)
        until(lambda: ended(agent, run), "the run's end")
    assert [trial.state for trial in agent.history().trials] == ["queued", "done"]


def test_runs_start_one_behind_the_other_without_a_pause(tmp_path: Path) -> None:
    """A start right behind an end finds the bench, whether it has let go of the study or not."""
    with benched(tmp_path, trials=5) as (agent, bench):
        for number in range(5):
            run = bench.start()
            assert run == RunKey(number, 0, 0)
            until(lambda key=run: ended(agent, key), "the run's end")
        with pytest.raises(StudyError, match="all 5 trials of the budget are done"):
            bench.start()
    assert len(agent.history().done()) == 5


def test_the_study_is_free_when_nothing_runs(tmp_path: Path) -> None:
    """After the last run's end somebody else may run the study."""
    with benched(tmp_path) as (agent, bench):
        run = bench.start()
        until(lambda: ended(agent, run), "the run's end")
        bench.settle()
        assert agent.ask().run == RunKey(1, 0, 0)


def test_no_more_run_than_there_are_slots(tmp_path: Path) -> None:
    """The third run of a study with two workers is refused, naming what goes on."""
    with benched(tmp_path, sleep=60.0, trials=5) as (_, bench):
        one, two = bench.start(), bench.start()
        with pytest.raises(StudyError, match=f"wait for one of: {one}, {two}"):
            bench.start()


def test_what_runs_when_the_bench_is_closed_is_run_again(tmp_path: Path) -> None:
    """Closing cancels the run; the study then does it like any that was interrupted."""
    with benched(tmp_path, sleep=60.0) as (agent, bench):
        run = bench.start()
    assert agent.history().run(run).observation.outcome == "cancelled"  # type: ignore[union-attr]
    study = Study(load(tmp_path / "study.yaml"), agent.study.folder)
    with study.session() as session:
        assert RunKey(run.trial, 0, 1) in session.due()


def test_a_study_that_somebody_runs_is_not_taken(tmp_path: Path) -> None:
    """Beside a real `run` the bench starts nothing, and says who runs the study."""
    with (
        benched(tmp_path, sleep=0.9, trials=4) as (agent, bench),
        coordinator(tmp_path),
        pytest.raises(StudyBusy, match="is running the study"),
    ):
        bench.start()
    assert len(read(agent.study.folder).done()) == 4


def test_a_trial_that_is_done_is_not_started_again(tmp_path: Path) -> None:
    """The message says what state it is in, and a trial that is none is none."""
    with benched(tmp_path) as (agent, bench):
        run = bench.start()
        until(lambda: ended(agent, run), "the run's end")
        with pytest.raises(StudyError, match="trial 0 is done"):
            bench.start(0)
        with pytest.raises(StudyError, match="there is no trial 8"):
            bench.start(8)
