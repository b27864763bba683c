"""`plan`: what a campaign will take, held against simulated campaigns that then take place."""

from __future__ import annotations

import json
import math
import shutil
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.app.commands import ran
from tests.thoroughness import repeats
from trialwright.app.plan.ground import Wishes
from trialwright.app.plan.outlook import Outlook, Plan, Range, advice, plan
from trialwright.errors import StudyError
from trialwright.execute.runner import Order
from trialwright.execute.simulate import Course, SimulatedRunner
from trialwright.history import History
from trialwright.ledger import SqliteLedger
from trialwright.space import Choice, Configuration, Float, Int, Space
from trialwright.study import Study
from trialwright.task import Agent, Budget, Limits, Objective, Prune, RunnerPlan, Seeds, Task

SPACE = Space(
    (
        Float("lr", 1e-4, 1.0, log=True),
        Int("width", 16, 512, log=True),
        Float("dropout", 0.0, 0.6),
        Choice("opt", ("adam", "sgd")),
    )
)
BEST = 0.9


def worth(one: Configuration) -> float:
    """The landscape: best at a rate of 0.01, a width of 128, a dropout of 0.2, with adam."""
    values = {name: float(value) for name, value in one.items() if name != "opt"}  # type: ignore[arg-type]
    return (
        BEST
        - 0.05 * (math.log10(values["lr"]) + 2) ** 2
        - 0.03 * math.log2(values["width"] / 128) ** 2
        - 0.2 * (values["dropout"] - 0.2) ** 2
        - 0.01 * (one["opt"] == "sgd")
    )


def course(order: Order) -> Course:
    """How runs really go: wide ones take longer, large rates fail, and one in seventeen besides."""
    one = order.configuration
    key = zlib.crc32(repr(sorted(one.items())).encode())
    rng = np.random.default_rng([key, order.seed, order.run.attempt])
    whole = 60 + 0.8 * float(one["width"]) * (1.4 if one["opt"] == "sgd" else 1)  # type: ignore[arg-type]
    whole *= math.exp(0.1 * rng.normal())
    if float(one["lr"]) > 0.4 or rng.random() < 0.06:  # type: ignore[arg-type]
        return Course(seconds=0.3 * whole, failure="it failed")
    return Course(points=((None, {"y": worth(one) + 0.005 * rng.normal()}),), seconds=whole)


def task_of(trials: int, **changes: object) -> Task:
    """A task of so many trials."""
    task = Task(
        name="known",
        objective=Objective(metric="y"),
        space=SPACE,
        command=("true",),
        team=("random",),
        budget=Budget(trials=trials),
        runner=RunnerPlan(workers=2),
    )
    return replace(task, **changes)  # type: ignore[arg-type]


def campaign(task: Task, folder: Path, workers: int) -> tuple[History, float]:
    """Let a campaign take place, or go on, in virtual time; return its end and how long it took."""
    with SimulatedRunner.of_courses(course, slots=workers) as runner:
        history = Study(task, folder, runner=runner).run()
        return history, runner.clock_s


def planned(task: Task, folder: Path, wishes: Wishes) -> Plan:
    """Plan how a study in a folder goes on."""
    entries = []
    if (folder / "ledger.db").exists():
        ledger = SqliteLedger(folder / "ledger.db", create=False)
        entries = ledger.read()
        ledger.close()
    return plan(task, History(entries), entries, wishes)


def held(folder: Path, *, seed: int, more: int, team: tuple[str, ...]) -> None:
    """See that 30 trials foretell what `more` of them take and bring, on 2 and on 8 workers."""
    begun = task_of(30, seeds=Seeds(study=seed), team=team)
    campaign(begun, folder / "begun", 2)
    task = replace(begun, budget=Budget(trials=30 + more))
    found = planned(task, folder / "begun", Wishes(workers=(2, 8)))
    for one in found.outlooks:
        place = folder / f"on{one.workers}"
        shutil.copytree(folder / "begun", place)
        history, took_s = campaign(task, place, one.workers)
        runs = [run.observation for trial in history.trials[30:] for run in trial.runs]
        hours = sum(run.seconds for run in runs if run is not None) / 3600
        assert abs(one.finish_s.middle / took_s - 1) < 0.2, (one, took_s)
        assert abs(one.run_hours.middle / hours - 1) < 0.2, (one, hours)
        assert one.finish_s.low <= one.finish_s.middle <= one.finish_s.high
        best = history.best()
        assert best is not None
        assert one.regret is not None
        assert BEST - worth(best.configuration) < one.regret.high + 0.01


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(repeats(1, 3)))
def test_a_plan_foretells_finish_and_cost_of_the_next_200_trials(seed: int, tmp_path: Path) -> None:
    """Within a fifth of what then happens, on 2 and on 8 workers, from 30 trials."""
    held(tmp_path, seed=seed, more=200, team=("random",))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_plan_foretells_a_team_that_learns(tmp_path: Path) -> None:
    """Within a fifth for the expert, too, whose trials go where the landscape sends them."""
    held(tmp_path, seed=0, more=repeats(30, 60), team=("expert",))


def test_a_plan_touches_nothing(tmp_path: Path) -> None:
    """Every file of a study is as it was, byte by byte, and none is new."""
    (tmp_path / "study.yaml").write_text(STUDY)
    campaign(task_of(12), tmp_path / "runs" / "known", 2)

    def files() -> dict[str, bytes]:
        return {str(p): p.read_bytes() for p in sorted(tmp_path.rglob("*")) if p.is_file()}

    before = files()
    answer = ran(tmp_path, "plan", "--trials", "20", "--workers", "2,4")
    assert answer.returncode == 0, answer.stderr
    assert files() == before
    assert "20 trials, 12 of them there" in answer.stdout
    assert "Run times as" in answer.stdout


def test_a_plan_goes_on_from_what_is_known(tmp_path: Path) -> None:
    """One random trial more leaves the best where it was, though its script is not the plan's."""
    (tmp_path / "train.py").write_text("print(1)\n")
    task = task_of(30, command=("python3", "train.py"), folder=str(tmp_path))
    history, _ = campaign(task, tmp_path / "study", 2)
    best = history.best()
    assert best is not None
    found = planned(task, tmp_path / "study", Wishes(workers=(1,), trials=31)).outlooks[0]
    assert found.trials == 1
    assert found.best is not None
    assert abs(found.best.middle - worth(best.configuration)) < 0.05


def test_early_stopping_counts(tmp_path: Path) -> None:
    """With curves seen and a rule that stops many runs, hours are foretold within a quarter."""

    def curved(order: Order) -> Course:
        whole = course(order)
        end = whole.points[0][1]["y"] if whole.points else 0.0
        points = tuple((step, {"y": end - 0.3 / step}) for step in range(1, 11))
        return replace(whole, points=points if whole.points else ())

    task = task_of(25, prune=Prune(rule="median", first=2))
    hours = {}
    with SimulatedRunner.of_courses(curved, slots=2) as runner:
        Study(task, tmp_path / "study", runner=runner).run()
    more = replace(task, budget=Budget(trials=65))
    for prune in (more.prune, None):
        found = planned(replace(more, prune=prune), tmp_path / "study", Wishes(workers=(2,)))
        hours[prune] = found.outlooks[0].run_hours.middle
    with SimulatedRunner.of_courses(curved, slots=2) as runner:
        history = Study(more, tmp_path / "study", runner=runner).run()
    runs = [run.observation for trial in history.trials[25:] for run in trial.runs]
    spent = sum(run.seconds for run in runs if run is not None) / 3600
    assert sum(run.outcome == "pruned" for run in runs if run is not None) > 10
    assert abs(hours[more.prune] / spent - 1) < 0.25
    assert hours[None] > 1.2 * spent


def test_a_broken_set_up_is_not_foretold_to_break_again(tmp_path: Path) -> None:
    """Runs that failed for a missing module say nothing of those to come."""
    broken = Course(seconds=1.0, failure="gone\nModuleNotFoundError: No module named 'torch'")

    def mended(order: Order) -> Course:
        return broken if order.run.trial in (2, 3, 4) else Course(
            points=((None, {"y": worth(order.configuration)}),), seconds=60.0
        )  # fmt: skip

    with SimulatedRunner.of_courses(mended, slots=1) as runner:
        history = Study(task_of(12), tmp_path, runner=runner).run()
    assert [t.number for t in history.trials if t.state == "failed"] == [2, 3, 4]
    found = planned(task_of(20), tmp_path, Wishes(workers=(1,)))
    assert "Failures as they were: 0 of 9 runs." in found.basis


def test_a_study_without_trials_is_planned_from_seconds_and_failures(tmp_path: Path) -> None:
    """Ten runs of a minute on two workers take five; half as many hours; quality is unknown."""
    (tmp_path / "study.yaml").write_text(STUDY)
    words = ("--trials", "10", "--workers", "1,2", "--seconds-per-run", "60")
    found = json.loads(ran(tmp_path, "plan", *words, "--json").stdout)
    assert [one["finish_s"]["middle"] for one in found["outlooks"]] == [600.0, 300.0]
    assert [one["run_hours"]["middle"] for one in found["outlooks"]] == pytest.approx([1 / 6] * 2)
    assert [one["regret"] for one in found["outlooks"]] == [None, None]
    assert "as you say" in found["basis"][0]
    assert any("unknown" in text for text in found["basis"])
    assert not (tmp_path / "runs").exists()


def test_a_table_is_the_landscape_of_a_plan(tmp_path: Path) -> None:
    """All of its rows tried, the best is found: no regret, the time is that of its rows."""
    (tmp_path / "study.yaml").write_text(GRID)
    rows = [f"{lr},{opt},{lr * (2 if opt == 'sgd' else 1)},30,{int(lr == 4)}"
            for lr in (1, 2, 3, 4) for opt in ("adam", "sgd")]  # fmt: skip
    (tmp_path / "rows.csv").write_text("\n".join(["lr,opt,y,seconds,failed", *rows]))
    found = json.loads(ran(tmp_path, "plan", "--table", "rows.csv", "--json").stdout)
    [alone, *_] = found["outlooks"]
    assert alone["workers"] == 1
    assert alone["finish_s"]["middle"] == pytest.approx(2 * 30 * 0.5 + 6 * 30)
    assert alone["best"]["middle"] == 6.0
    assert alone["regret"]["middle"] == 0.0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "--seconds-per-run"),
        (("--seconds-per-run", "0"), "more than 0 seconds"),
        (("--seconds-per-run", "9", "--failures", "1"), "from 0 to below 1"),
        (("--seconds-per-run", "9", "--workers", "2,x"), "1,2,4,8"),
        (("--seconds-per-run", "9", "--team", "expert+nobody"), "nobody is none"),
        (("--table", "none.csv"), "can't be read"),
        (("--table", "wrong.csv"), "no column width, dropout, opt, y"),
    ],
)
def test_what_can_not_be_planned_is_said_with_a_remedy(
    words: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    """With status 2, and no traceback."""
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "wrong.csv").write_text("lr\n0.1\n")
    answer = ran(tmp_path, "plan", *words)
    assert answer.returncode == 2
    assert said in answer.stderr
    assert "Traceback" not in answer.stderr


def test_models_are_not_asked_and_their_time_and_price_count(tmp_path: Path) -> None:
    """Without a key: each turn of a model takes ten seconds more on one worker, and costs."""
    agent = Agent(name="m", model="openai:m", price=(1, 4))
    alone = planned(
        task_of(6, team=(agent,)), tmp_path / "none", Wishes(workers=(1,), run_s=60.0)
    ).outlooks[0]
    assert alone.finish_s.middle == pytest.approx(6 * (60 + 10))
    assert alone.run_hours.middle == pytest.approx(6 / 60)
    assert alone.tokens > 1000
    assert alone.usd is not None
    assert alone.usd > 0
    plain = planned(task_of(6), tmp_path / "none", Wishes(workers=(1,), run_s=60.0)).outlooks[0]
    assert (plain.finish_s.middle, plain.tokens, plain.usd) == (360.0, 0.0, 0.0)


def test_the_budget_of_time_ends_a_plan(tmp_path: Path) -> None:
    """Nothing is launched after it; what runs then is waited for."""
    task = task_of(50, budget=Budget(trials=50, time_s=330.0))
    found = planned(task, tmp_path / "none", Wishes(workers=(1,), run_s=60.0)).outlooks[0]
    assert (found.trials, found.finish_s.middle) == (6, 360.0)


def test_a_time_limit_stands_for_run_times_that_nobody_knows(tmp_path: Path) -> None:
    """Taken as a bound, and said so."""
    task = task_of(4, limits=Limits(run_s=90.0))
    found = planned(task, tmp_path / "none", Wishes(workers=(2,)))
    assert found.outlooks[0].finish_s.middle == 180.0
    assert "time limit" in found.basis[0]


def test_a_long_campaign_is_planned_from_its_beginning(tmp_path: Path) -> None:
    """A thousand runs take their time, though far fewer are rehearsed, and that is said."""
    task = task_of(1000)
    wishes = Wishes(workers=(4, 10), teams=(("random",), ("random", "tree")), run_s=60.0)
    found = planned(task, tmp_path / "none", wishes)
    ends = [one.finish_s.middle for one in found.outlooks]
    assert ends == pytest.approx([15000, 6000, 15000, 6000], rel=0.05)
    assert [one.trials for one in found.outlooks] == [1000] * 4
    assert any("of 1000 trials are rehearsed" in text for text in found.basis)


def test_a_study_that_is_done_has_nothing_to_plan(tmp_path: Path) -> None:
    """Unless more trials are asked for."""
    task = task_of(3)
    campaign(task, tmp_path, 2)
    with pytest.raises(StudyError, match="--trials"):
        planned(task, tmp_path, Wishes(workers=(1,)))
    assert planned(task, tmp_path, Wishes(workers=(1,), trials=5)).outlooks[0].trials == 2


def outlook(workers: int, finish_s: float, regret: float) -> Outlook:
    """What is expected of so many workers."""
    return Outlook(
        team=("expert",),
        workers=workers,
        trials=10,
        runs=10,
        finish_s=Range(finish_s, finish_s, finish_s),
        run_hours=Range(1, 1, 1),
        cpu_hours=1,
        gpu_hours=None,
        tokens=0,
        usd=0,
        best=None,
        regret=Range(regret, regret / 2, regret * 2),
    )


def test_advice_names_the_workers_from_which_on_more_do_not_help() -> None:
    """Where the next step saves too little time, or costs too much of the result."""
    slowing = [outlook(1, 100, 1), outlook(2, 52, 1), outlook(4, 45, 1), outlook(8, 44, 1)]
    assert advice(slowing) == ("Take 2 workers: 4 save only 13% of the time.",)
    worse = [outlook(1, 100, 1), outlook(2, 50, 1.5), outlook(4, 25, 9)]
    assert "come less near to the best" in advice(worse)[0]
    assert "each step pays" in advice([outlook(1, 100, 1), outlook(2, 50, 1)])[0]


STUDY = """\
name: known
goal: maximize y
command: ["true"]
space:
  lr: {float: [0.0001, 1.0], log: true}
  width: {int: [16, 512], log: true}
  dropout: {float: [0.0, 0.6]}
  opt: {choice: [adam, sgd]}
budget: {trials: 12}
runner: {workers: 2}
team: [random]
"""

GRID = """\
name: grid
goal: maximize y
command: ["true"]
space:
  lr: {ordinal: [1, 2, 3, 4]}
  opt: {choice: [adam, sgd]}
budget: {trials: 8}
runner: {workers: 2}
team: [random]
"""
