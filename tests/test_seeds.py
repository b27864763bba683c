"""Seeds as policy in whole studies: who is promoted, when it ends, and what fresh seeds are for."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from tests.app.started import Started
from trialwright.analysis.validation import RATE, validation
from trialwright.execute.runner import Event
from trialwright.execute.simulate import SimulatedRunner
from trialwright.expression import Scalar
from trialwright.history import History, read
from trialwright.ledger import SqliteLedger
from trialwright.records import Request
from trialwright.robust import Robust
from trialwright.space import Float, Int, Space
from trialwright.study import Study
from trialwright.studyfile import load
from trialwright.task import FRESH, Budget, Objective, Seeds, Task

POLICY = Seeds(confirm=4, most=12, fresh=6, failure=0.3)


def noisy(configuration: Mapping[str, Scalar], seed: int) -> float:
    """Best at 0.3; each seed moves each configuration in its own way, by 0.1."""
    x = float(configuration["x"])  # type: ignore[arg-type]
    own = np.random.default_rng([seed, int(1e6 * (x + 1))])
    return 1 - (x - 0.3) ** 2 + 0.1 * own.normal()


def run(folder: Path, *, slots: int = 2, watch=None, **changes: object) -> History:  # type: ignore[no-untyped-def]
    """Run a study of `noisy`, proposed at random."""
    settings = {
        "name": "t",
        "objective": Objective(metric="y"),
        "space": Space((Float("x", -1, 1),)),
        "budget": Budget(trials=8),
        "start": ({"x": 0.0}, {"x": -1.0}),
        "team": ("random",),
        "seeds": POLICY,
        "command": ("true",),
    }
    task = Task(**{**settings, **changes})  # type: ignore[arg-type]
    with SimulatedRunner(noisy, slots=slots) as runner:
        return Study(task, folder, runner=runner).run(watch)


def test_contenders_are_promoted_with_reasons_and_the_rest_is_left_alone(tmp_path: Path) -> None:
    """Who is plausibly best has the confirming seeds, who is far behind has one."""
    history = run(tmp_path)
    best = history.best()
    assert best is not None
    assert len(best.values) >= 4
    behind = [trial for trial in history.trials if (trial.value or 0) < (best.value or 0) - 0.6]
    assert behind
    assert all(len(trial.values) == 1 for trial in behind)
    assert all(len(trial.values) in range(1, 13) for trial in history.trials)
    first = history.promotions[0]
    assert (first.trial, first.seeds, first.fresh) == (0, 4, False)
    assert "it leads with 1 seed" in first.reason
    assert any("a contender" in promotion.reason for promotion in history.promotions)
    assert history.closed is not None
    assert history.closed.sentence == "all 8 trials of the budget are done"


def test_without_the_policy_nobody_is_promoted(tmp_path: Path) -> None:
    """A study that asks for none has one run per trial, as ever."""
    history = run(tmp_path, seeds=Seeds())
    assert (history.promotions, history.launches) == ([], 8)
    assert validation(history) is None


def test_the_winner_is_announced_after_seeds_that_no_selection_saw(tmp_path: Path) -> None:
    """Winner and first trial run on the same fresh seeds, after all else; shrinkage is told."""
    history = run(tmp_path)
    best = history.best()
    assert best is not None
    fresh = [p for p in history.promotions if p.fresh]
    assert {p.trial for p in fresh} == {best.number, 0}
    assert history.promotions[-len(fresh) :] == fresh
    assert sorted(best.fresh) == sorted(history.trials[0].fresh) == [FRESH + i for i in range(6)]
    selected = {run.launch.seed for trial in history.trials for run in trial.latest.values()}
    unseen = {run.launch.seed for run in best.fresh.values()}
    assert len(unseen) == 6
    assert not selected & unseen
    found = validation(history)
    assert found is not None
    winner = found.winner
    assert winner.trial == best.number
    assert winner.shrinkage == pytest.approx(best.value - np.mean(winner.values))  # type: ignore[operator]
    assert winner.total == 6
    assert winner.failures == sum(value < 0.3 for value in winner.values)
    assert winner.clean_needed == 13 - 6 if not winner.failures else winner.clean_needed
    assert found.interval is not None
    assert found.interval[0] <= (found.difference or 0) <= found.interval[1]
    assert RATE == 0.25


@pytest.mark.parametrize(("slots", "runs"), [(1, 50), (3, 50), (3, 44), (5, 61), (4, 47)])
def test_a_budget_of_runs_keeps_enough_for_the_end(tmp_path: Path, slots: int, runs: int) -> None:
    """No run beyond the budget, and the winner still gets its fresh seeds."""
    history = run(tmp_path, slots=slots, budget=Budget(runs=runs))
    assert history.launches <= runs
    best = history.best()
    assert best is not None
    assert len(best.fresh) == 6
    assert history.pending() == []


def test_a_study_that_stops_in_the_middle_of_it_goes_on_there(tmp_path: Path) -> None:
    """Cancelled fresh seeds are run again on resume, others are not; nobody is promoted twice."""
    task = Task(
        name="t",
        objective=Objective(metric="y"),
        space=Space((Float("x", -1, 1),)),
        budget=Budget(trials=5),
        team=("random",),
        seeds=POLICY,
        command=("true",),
    )
    with SimulatedRunner(noisy, slots=2) as runner:
        study = Study(task, tmp_path, runner=runner)

        def watch(history: History, event: Event | None) -> None:
            if sum(len(trial.fresh) for trial in history.trials) >= 4:
                study.stop(now=True)

        first = study.run(watch)
    assert first.closed is not None
    assert first.closed.reason == "stopped"
    ended = [run.key for t in first.trials for run in t.runs if run.observation]
    with SimulatedRunner(noisy, slots=2) as runner:
        history = Study(task, tmp_path, runner=runner).run()
    assert history.closed is not None
    assert history.closed.reason == "budget"
    fresh = [(p.trial, p.fresh) for p in history.promotions if p.fresh]
    assert len(fresh) == len(set(fresh))
    done = [key for t in history.trials for run in t.runs if (key := run.key) in ended]
    assert len(done) == len(ended)
    best = history.best()
    assert best is not None
    assert len(best.fresh) == 6
    assert all(r.observation and r.observation.outcome == "done" for r in best.fresh.values())
    assert face(read(tmp_path)) == face(history)


TRAIN = """
import os, random, sys, time
from trialwright.emit import emit
x, seed = float(sys.argv[1]), int(os.environ["TRIALWRIGHT_SEED"])
time.sleep(0.3)
emit(y=1 - (x - 3) ** 2 / 100 + 0.05 * random.Random(seed * 1000 + int(x)).gauss(0, 1))
"""
STUDY = """
goal: maximize y
command: ["{python}", train.py, "{{n}}"]
space: {{n: {{int: [0, 9], default: 2}}}}
budget: {{trials: 2}}
seeds: {{screen: 2, fresh: 4}}
team: [random]
runner: {{workers: 2}}
"""


def test_fresh_seeds_survive_a_kill(tmp_path: Path) -> None:
    """`kill -9` while they run: resumed, each ends once, and the promotion stands as it was."""
    (tmp_path / "train.py").write_text(TRAIN)
    file = tmp_path / "study.yaml"
    file.write_text(STUDY.format(python=sys.executable))
    folder = tmp_path / "runs"
    words = ("run", str(file), "--folder", str(folder), "--plain")
    process = Started(tmp_path, *words, file=tmp_path / "said")
    try:
        deadline = time.monotonic() + 60
        while not any(trial.fresh for trial in _read(folder).trials):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    before = _read(folder)
    promoted = [p for p in before.promotions if p.fresh]
    assert promoted
    history = Study(load(file), folder).run()
    assert [p for p in history.promotions if p.fresh] == promoted
    found = validation(history)
    assert found is not None
    assert found.winner.total == 4
    for trial in history.trials:
        ended = [
            r.key.seed for r in trial.runs if r.observation and r.observation.outcome == "done"
        ]
        assert len(ended) == len(set(ended))


def test_a_failing_fresh_seed_counts_and_ends_nothing(tmp_path: Path) -> None:
    """A seed that crashes is a failure of the winner, whose value stands."""

    def crashes(configuration: Mapping[str, Scalar], seed: int) -> float:
        if seed in unseen:
            raise RuntimeError("diverged")
        return noisy(configuration, seed)

    from trialwright.execute.order import run_seed

    unseen = {run_seed(0, FRESH + i) for i in (0, 3)}
    task = Task(
        name="t",
        objective=Objective(metric="y"),
        space=Space((Float("x", -1, 1),)),
        budget=Budget(trials=3),
        team=("random",),
        seeds=POLICY,
        command=("true",),
    )
    with SimulatedRunner(crashes) as runner:
        history = Study(task, tmp_path, runner=runner).run()
    found = validation(history)
    assert found is not None
    assert (found.winner.failures, found.winner.total, len(found.winner.values)) == (2, 6, 4)
    best = history.best()
    assert best is not None
    assert best.state == "done"


def test_the_robust_objective_decides_the_study(tmp_path: Path) -> None:
    """By the worst seed, the steady half of the space wins over the half with the better mean."""

    def gamble(configuration: Mapping[str, Scalar], seed: int) -> float:
        n = int(configuration["n"])  # type: ignore[call-overload]
        rng = np.random.default_rng([seed, n])
        return float(rng.choice([0.0, 3.0])) if n % 2 else 1.0 + 0.01 * float(rng.normal())

    winners = {}
    for kind in ("mean", "worst"):
        task = Task(
            name="t",
            objective=Objective(metric="y"),
            space=Space((Int("n", 0, 5),)),
            budget=Budget(trials=6),
            team=("random",),
            seeds=Seeds(screen=6, objective=Robust(kind=kind)),  # type: ignore[arg-type]
            command=("true",),
        )
        with SimulatedRunner(gamble) as runner:
            best = Study(task, tmp_path / kind, runner=runner).run().best()
        assert best is not None
        winners[kind] = int(best.configuration["n"]) % 2  # type: ignore[call-overload]
    assert winners == {"mean": 1, "worst": 0}


def test_seeds_asked_for_by_hand_stand_beside_the_policy(tmp_path: Path) -> None:
    """`replicate` adds to what the policy plans; the policy never takes seeds away."""
    run(tmp_path)
    ledger = SqliteLedger(tmp_path / "ledger.db")
    ledger.append([Request(what="replicate", trial=1, seeds=3)], read(tmp_path).sequence)
    ledger.close()
    before = len(read(tmp_path).trials[1].values)
    history = run(tmp_path)
    assert len(history.trials[1].values) >= before + 3


def face(history: History) -> object:
    """What two histories of the same ledger must agree in."""
    return (
        [(t.number, t.state, t.value, t.planned, t.fresh_planned) for t in history.trials],
        history.promotions,
    )


def _read(folder: Path) -> History:
    return read(folder) if (folder / "ledger.db").exists() else History()
