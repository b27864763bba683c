"""Several objectives and requirements, through whole studies: what leads, what is stopped, said."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from trialwright.analysis.pareto import front, undominated
from trialwright.analysis.pruning import Pruner, streamed
from trialwright.app.digest import task_digest
from trialwright.app.documents import study_document
from trialwright.execute.simulate import SimulatedRunner
from trialwright.expression import Scalar
from trialwright.history import History, read
from trialwright.propose.briefing import about
from trialwright.propose.evidence import Evidence
from trialwright.propose.mirror import Mirror
from trialwright.propose.prior import Prior
from trialwright.records import Curve, Observation, RunKey
from trialwright.report import front as told
from trialwright.report import terminal
from trialwright.report.write import write
from trialwright.space import Float, Space
from trialwright.study import Study
from trialwright.task import Budget, Objective, Prune, RunnerPlan, Seeds, Task

SPACE = Space((Float("width", 0.0, 1.0),))
GOAL = Objective(metric="acc")
CHEAP = Objective(metric="cost", direction="minimize")


def task(**changes: object) -> Task:
    """A study of five widths, wider being better, and dearer."""
    plain = Task(
        name="t",
        objective=GOAL,
        space=SPACE,
        command=("true",),
        start=tuple({"width": width} for width in (0.2, 0.8, 0.5, 0.9, 0.4)),
        budget=Budget(trials=5),
        runner=RunnerPlan(workers=1),
        team=("random",),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def wide(configuration: Mapping[str, Scalar], seed: int) -> dict[str, float]:
    """Accuracy and cost rise with the width; past 0.85 the accuracy falls."""
    width = float(configuration["width"])  # type: ignore[arg-type]
    return {"acc": width if width < 0.85 else 0.3, "cost": 10 * width + 1e-4 * (seed % 97)}


def run(folder: Path, function: object = wide, **changes: object) -> History:
    """Run a study of `task` with a simulated runner."""
    with SimulatedRunner(function) as runner:  # type: ignore[arg-type]
        return Study(task(**changes), folder, runner=runner).run()


def test_the_front_holds_what_no_other_trial_beats_in_all(tmp_path: Path) -> None:
    """What is worse in both is beaten; the best by the goal comes first, and stays the best."""
    history = run(tmp_path, also=(CHEAP,))
    found = front(history)
    assert found is not None
    assert [point.trial for point in found.front] == [1, 2, 4, 0]
    assert [point.trial for point in found.beaten] == [3]
    best = history.best()
    assert best is not None
    assert best.number == 1
    assert front(run(tmp_path / "one")) is None


def test_the_front_rests_on_means_over_seeds(tmp_path: Path) -> None:
    """Each objective of a point is the mean over the trial's seeds."""
    history = run(tmp_path, also=(CHEAP,), seeds=Seeds(screen=3))
    found = front(history)
    assert found is not None
    trial = history.trials[found.front[0].trial]
    costs = [run.observation.metrics["cost"] for run in trial.runs if run.observation]
    assert found.front[0].values[1] == pytest.approx(np.mean(costs))
    assert len(set(costs)) > 1


def test_the_front_is_shown_wherever_a_study_is(tmp_path: Path) -> None:
    """In status, its JSON, what agents and models read, and both reports with a figure."""
    history = run(tmp_path, also=(CHEAP,), require=("cost <= 8.5",))
    console = Console(width=90, record=True, file=io.StringIO())
    console.print(terminal.overview(history))
    shown = console.export_text()
    assert "maximize acc, minimize cost" in shown
    assert "required" in shown
    assert "trials 1, 2, 4 and 0 are beaten in all by none of 4 trials" in " ".join(shown.split())
    document = study_document(history, tmp_path, running=False)
    points = document["front"]
    assert isinstance(points, list)
    assert [point["trial"] for point in points if isinstance(point, dict)] == [1, 2, 4, 0]
    assert document["infeasible"] == [3]
    assert task_digest(history.task, history)["also"] == ["minimize cost"]
    assert "minimize cost" in about(history.task)
    assert "cost <= 8.5" in about(history.task)
    write(history, tmp_path)
    markdown = (tmp_path / "report.md").read_text()
    assert "## Several objectives" in markdown
    assert "| 1 | 0.8 | 8" in markdown
    page = (tmp_path / "report.html").read_text()
    assert 'id="plot-front"' in page
    figure = told.figure(history)
    assert figure is not None
    assert "on the front" in figure.spec


def test_a_trial_without_an_objective_is_left_out_and_counted(tmp_path: Path) -> None:
    """A metric that a run never reports keeps its trial off the front, and that is said."""

    def silent(configuration: Mapping[str, Scalar], seed: int) -> dict[str, float]:
        found = wide(configuration, seed)
        return {"acc": found["acc"]} if found["acc"] == 0.5 else found

    found = front(run(tmp_path, silent, also=(CHEAP,)))
    assert found is not None
    assert found.incomplete == (2,)
    assert [point.trial for point in found.front] == [1, 4, 0]


def test_undominated_is_what_pairwise_comparison_says() -> None:
    """Against the definition, over random points with ties, in two and three dimensions."""
    rng = np.random.default_rng(0)
    for _ in range(40):
        gains = rng.integers(0, 6, size=(int(rng.integers(1, 30)), int(rng.integers(2, 4))))
        beaten = [
            any(np.all(other >= row) and np.any(other > row) for other in gains) for row in gains
        ]
        assert undominated(gains.astype(float)).tolist() == [not one for one in beaten]


def test_seconds_and_memory_are_objectives_without_a_script_s_doing() -> None:
    """They are measured of every run; a metric of the name that a script reports is preferred."""
    key = RunKey(0, 0, 0)
    seen = Observation(run=key, outcome="done", seconds=3.0, peak_memory_bytes=2_500_000_000)
    assert seen.measures == {"seconds": 3.0, "memory_gb": 2.5}
    assert replace(seen, metrics={"seconds": 0.1}).measures["seconds"] == 0.1


# -- requirements


def test_an_infeasible_trial_is_never_the_best(tmp_path: Path) -> None:
    """Though its value is the highest; its verdict says which requirement it misses, and how."""
    history = run(tmp_path, require=("cost <= 6",))
    best = history.best()
    assert best is not None
    assert best.number == 2
    missed = history.trials[1]
    assert missed.value is None
    assert missed.verdict is not None
    assert missed.verdict.status == "discarded"
    assert "infeasible: cost <= 6 is not met (cost = 8" in missed.verdict.sentence
    again = read(tmp_path)
    assert [trial.breach for trial in again.trials] == [trial.breach for trial in history.trials]


def test_a_requirement_on_what_nobody_reports_is_missed_by_all(tmp_path: Path) -> None:
    """There is no best then, and every verdict says why."""
    history = run(tmp_path, require=("gap < 0.1",))
    assert history.best() is None
    assert all("no gap was reported" in t.verdict.sentence for t in history.trials if t.verdict)
    write(history, tmp_path)
    assert "5 did not meet what is required" in (tmp_path / "report.md").read_text()


def test_requirements_hold_of_the_mean_over_seeds(tmp_path: Path) -> None:
    """A later seed may tip a trial over, and whoever was behind it is judged anew."""
    costs = iter([1.0, 1.0, 1.0, 1.0, 1.0])

    def tipping(configuration: Mapping[str, Scalar], seed: int) -> dict[str, float]:
        return {"acc": wide(configuration, seed)["acc"], "cost": next(costs, 9.0)}

    history = run(tmp_path, tipping, require=("cost <= 2",))
    assert history.best() is history.trials[1]
    with SimulatedRunner(tipping) as runner:
        study = Study(task(require=("cost <= 2",)), tmp_path, runner=runner)
        study.replicate(1, seeds=1)
        history = study.run()
    best = history.best()
    assert history.trials[1].breach.startswith("cost <= 2 is not met (cost = 5")
    assert best is not None
    assert best.number == 2
    assert best.verdict is not None
    assert best.verdict.status in ("kept", "unconfirmed")
    assert best.verdict.against not in (None, 1)


def test_a_changed_requirement_is_held_against_what_was_tried(tmp_path: Path) -> None:
    """Eased, the better trial leads again; made harder, it is infeasible. Nothing is run again."""
    run(tmp_path, require=("cost <= 6",))
    eased = run(tmp_path, require=("cost <= 8.5",))
    best = eased.best()
    assert best is not None
    assert best.number == 1
    assert best.verdict is not None
    assert best.verdict.against == 2
    hard = run(tmp_path, require=("cost <= 3",))
    best = hard.best()
    assert best is not None
    assert best.number == 0
    assert hard.launches == 5


def test_surrogates_learn_where_trials_are_infeasible(tmp_path: Path) -> None:
    """As they learn where runs fail: the expert's, and the view that Optuna's samplers have."""
    history = run(tmp_path, require=("cost <= 6",))
    evidence = Evidence(history.task, history, Prior(history.task))
    assert {trial.number for trial in evidence.failed} == {1, 3}
    assert set(evidence.values) == {0, 2, 4}
    assert evidence.feasibility.model is not None
    points = evidence.feasibility.model.features.of([{"width": 0.85}, {"width": 0.3}])
    beyond, within = evidence.feasibility.log_probability(points)
    assert beyond < within
    mirror = Mirror(history.task)
    mirror.follow(history.trials, set())
    states = [trial.state.name for trial in mirror._study.get_trials(deepcopy=False)]
    assert states == ["COMPLETE", "FAIL", "COMPLETE", "FAIL", "COMPLETE"]


# -- early stopping


def test_a_trial_stops_only_where_it_is_behind_in_all() -> None:
    """Worse in one objective and better in the other goes on; worse in both is stopped."""
    prune = Prune(rule="median", warmup=2)
    pruner = Pruner(prune, GOAL, (CHEAP,))
    for trial, (acc, cost) in enumerate([(0.9, 5.0), (0.8, 6.0)]):
        assert not pruner.report_all(trial, 1, {"acc": acc, "cost": cost})
        pruner.finish(trial, completed=True)
    assert not pruner.report_all(2, 1, {"acc": 0.5, "cost": 1.0})
    assert not pruner.report_all(3, 1, {"acc": 0.95, "cost": 9.0})
    assert pruner.report_all(4, 1, {"acc": 0.5, "cost": 9.0})
    assert not pruner.report_all(5, 1, {"acc": 0.5})
    assert pruner.report_all(5, 1, {"cost": 9.0})


def test_what_was_behind_once_and_caught_up_is_not_held_against_it() -> None:
    """Each objective counts as it stood when it was judged last, not as it once was."""
    pruner = Pruner(Prune(rule="median", warmup=1), GOAL, (CHEAP,))
    for step in (1, 2):
        pruner.report_all(0, step, {"acc": 0.5, "cost": 5.0})
    pruner.finish(0, completed=True)
    assert not pruner.report_all(1, 1, {"acc": 0.1, "cost": 1.0})
    assert not pruner.report_all(1, 2, {"acc": 0.9, "cost": 9.0})


def test_a_resumed_pruner_is_told_all_objectives_again() -> None:
    """From the curves; seconds, which no curve has, are taken to have gone evenly."""
    curve = Curve(steps=(1.0, 2.0, 4.0), series={"acc": (0.1, None, 0.3), "loss": (3, 2, 1)})
    seen = Observation(run=RunKey(0, 0, 0), outcome="done", curve=curve, seconds=8.0)
    told_again = list(streamed(seen, ("acc", "seconds")))
    assert told_again == [
        (1.0, {"seconds": 2.0, "acc": 0.1}),
        (2.0, {"seconds": 4.0}),
        (4.0, {"seconds": 8.0, "acc": 0.3}),
    ]


Points = Iterator[tuple[int, dict[str, float]]]


@pytest.mark.parametrize(("also", "stopped"), [((), {2, 3}), ((CHEAP,), {3})])
def test_a_study_with_several_objectives_stops_fewer(
    tmp_path: Path, also: tuple[Objective, ...], stopped: set[int]
) -> None:
    """The cheap trial that is behind in accuracy goes on; the dear one that is behind does not."""

    def trained(configuration: Mapping[str, Scalar], _: int) -> Points:
        width = float(configuration["width"])  # type: ignore[arg-type]
        acc, cost = {0.2: (0.8, 5), 0.8: (0.9, 6), 0.5: (0.3, 1), 0.9: (0.3, 9)}[width]
        for step in range(1, 5):
            yield step, {"acc": acc * step / 4, "cost": float(cost)}

    history = run(
        tmp_path,
        trained,
        also=also,
        prune=Prune(rule="median", warmup=2),
        start=task().start[:4],
        budget=Budget(trials=4),
    )
    assert {trial.number for trial in history.trials if trial.state == "pruned"} == stopped


def test_seconds_are_judged_while_a_run_goes_on(tmp_path: Path) -> None:
    """With time as a further objective a quick trial is not stopped for being worse."""

    def trained(configuration: Mapping[str, Scalar], _: int) -> Points:
        width = float(configuration["width"])  # type: ignore[arg-type]
        for step in range(1, 5):
            yield step, {"acc": {0.2: 0.8, 0.8: 0.9}.get(width, 0.3) * step / 4}

    def slow(configuration: Mapping[str, Scalar]) -> float:
        width = float(configuration["width"])  # type: ignore[arg-type]
        return {0.5: 1.0, 0.9: 30.0}.get(width, 10.0)

    quick = Objective(metric="seconds", direction="minimize")
    wanted = task(
        also=(quick,),
        prune=Prune(rule="median", warmup=2),
        start=task().start[:4],
        budget=Budget(trials=4),
    )
    with SimulatedRunner(trained, seconds=slow) as runner:
        history = Study(wanted, tmp_path, runner=runner).run()
    assert [trial.state for trial in history.trials] == ["done", "done", "done", "pruned"]
