"""The loop: what is admitted, run, judged and resumed, with a simulated and with a real runner."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trialwright.errors import ProposerError, StudyError
from trialwright.execute.runner import Event, Finished
from trialwright.execute.simulate import SimulatedRunner
from trialwright.expression import Scalar
from trialwright.history import History, read
from trialwright.ledger import SqliteLedger
from trialwright.propose.baselines import Random
from trialwright.records import Hypothesis, Proposal, Request
from trialwright.space import Choice, Float, Int, Space
from trialwright.study import Study
from trialwright.task import Budget, Keep, Objective, Prune, RunnerPlan, Seeds, Task

SPACE = Space(
    (
        Float("lr", 1e-4, 1e-1, log=True),
        Int("depth", 1, 8),
        Choice("booster", ("tree", "dart")),
        Float("drop", 0.0, 0.5, when="booster == 'dart'"),
    ),
    ("lr * depth <= 0.4",),
)


def task(**changes: object) -> Task:
    """A task over `SPACE`, proposed at random unless told otherwise."""
    settings = {
        "name": "t",
        "objective": Objective(metric="y"),
        "space": SPACE,
        "command": ("true",),
        "budget": Budget(trials=6),
        "team": ("random",),
    }
    return Task(**{**settings, **changes})  # type: ignore[arg-type]


def score(configuration: Mapping[str, Scalar], seed: int) -> float:
    """A smooth value with a best at lr = 0.01, depth = 4."""
    lr, depth = float(configuration["lr"]), float(configuration["depth"])  # type: ignore[arg-type]
    return -((math.log10(lr) + 2) ** 2) - (depth - 4) ** 2


def run(folder: Path, function=score, *, watch=None, proposer=None, **changes: object) -> History:
    """Run a study with a simulated runner."""
    with SimulatedRunner(function) as runner:
        return Study(task(**changes), folder, runner=runner, proposer=proposer).run(watch)


class Scripted:
    """A proposer that returns what it is given, turn by turn, then nothing."""

    name = "scripted"

    def __init__(self, turns: Sequence[object]) -> None:
        self._turns = list(turns)

    def __call__(self, task: Task, history: History, n: int, rng: np.random.Generator) -> object:
        return self._turns.pop(0) if self._turns else []


def legal(**values: Scalar) -> Proposal:
    """A proposal whose configuration is legal unless `values` break it."""
    configuration = {"lr": 0.01, "depth": 4, "booster": "tree", **values}
    return Proposal(configuration=configuration, by="scripted", rationale="because")


def test_budget_of_trials(tmp_path: Path) -> None:
    """A study ends when its trials are done, each with a value and a verdict."""
    history = run(tmp_path)
    assert history.closed is not None
    assert history.closed.reason == "budget"
    assert [trial.number for trial in history.done()] == list(range(6))
    assert all(trial.verdict for trial in history.trials)


def test_replay_equals_live(tmp_path: Path) -> None:
    """Reading the ledger again gives the history that the session ended with."""
    live = run(tmp_path)
    again = read(tmp_path)
    for name in ("sequence", "trials", "refusals", "notices", "launches", "seconds", "closed"):
        assert getattr(again, name) == getattr(live, name), name
    assert again.best() == live.best()


def test_same_seed_same_study(tmp_path: Path) -> None:
    """Two studies with one seed propose the same; another seed proposes something else."""
    runner = RunnerPlan(workers=1)
    one, two = (run(tmp_path / name, runner=runner) for name in "ab")
    other = run(tmp_path / "c", seeds=Seeds(study=1))
    configurations = [[trial.configuration for trial in h.trials] for h in (one, two, other)]
    assert configurations[0] == configurations[1]
    assert configurations[0] != configurations[2]


def test_finite_space_is_exhausted(tmp_path: Path) -> None:
    """A space of four cells ends after four trials, none twice, however large the budget."""
    space = Space((Choice("a", (1, 2)), Choice("b", (True, False))))
    history = run(tmp_path, lambda c, s: float(c["a"]), space=space, budget=Budget(trials=50))
    assert history.closed is not None
    assert history.closed.reason == "exhausted"
    assert len({space.key(trial.configuration) for trial in history.trials}) == 4


def test_start_and_grid_come_first(tmp_path: Path) -> None:
    """The user's configurations run first, completed from defaults, then the grid's cells."""
    space = Space((Choice("a", (1, 2, 3)), Float("x", 0, 1, default=0.25)))
    history = run(
        tmp_path,
        lambda c, s: float(c["x"]),
        space=space,
        start=({"a": 2},),
        grid={"a": (1, 3)},
        budget=Budget(trials=4),
    )
    assert [trial.proposal.by for trial in history.trials] == ["user", "grid", "grid", "random"]
    assert history.trials[0].configuration == {"a": 2, "x": 0.25}
    assert [trial.configuration["a"] for trial in history.trials[1:3]] == [1, 3]


def test_start_outside_the_space(tmp_path: Path) -> None:
    """A start configuration outside the space is an error before anything is written."""
    with pytest.raises(StudyError, match=r"start 1: depth = 99"):
        Study(task(start=({"depth": 99},)), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_refusals_name_every_fault(tmp_path: Path) -> None:
    """What a proposer offers outside the space is refused, with the reasons."""
    bad = [legal(lr=3.0, depth=9), legal(lr=0.1, depth=8), "no proposal", legal(drop=0.2)]
    history = run(tmp_path, proposer=Scripted([bad, [], []]), budget=Budget(trials=1))
    faults = [refusal.faults for refusal in history.refusals]
    assert any("lr = 3.0" in fault for fault in faults[0])
    assert any("depth = 9" in fault for fault in faults[0])
    assert "breaks the constraint" in faults[1][0]
    assert "str is not a Proposal" in faults[2][0]
    # `drop` is inactive under booster = tree: canonical form leaves it out, and the trial runs.
    assert history.trials[0].configuration == {"lr": 0.01, "depth": 4, "booster": "tree"}


def test_reserved_names_and_invented_trials_are_refused(tmp_path: Path) -> None:
    """A proposer can't pass for the user, and can't refer to trials that do not exist."""
    posing = replace(legal(), by="user")
    orphan = replace(legal(), parent=7)
    claim = replace(legal(), hypothesis=Hypothesis(claim="c", expects="better", against=-1))
    history = run(tmp_path, proposer=Scripted([[posing, orphan, claim]]), budget=Budget(trials=1))
    assert len(history.refusals) == 3
    assert history.trials[0].proposal.by == "random"


def test_repeats_are_refused(tmp_path: Path) -> None:
    """The same configuration is not run again: not in one batch, not later, not spelt otherwise."""
    turns = [[legal(), legal()], [legal(depth=4.0), legal(drop=0.3), legal(depth=5)]]
    history = run(tmp_path, proposer=Scripted(turns), budget=Budget(trials=2))
    assert [trial.configuration["depth"] for trial in history.trials] == [4, 5]
    faults = [refusal.faults[0] for refusal in history.refusals]
    assert faults == ["the same configuration as trial 0"] * 2


def test_raising_proposer_loses_its_turn(tmp_path: Path) -> None:
    """A proposer that raises costs a notice, not the study."""

    class Raising:
        name = "raising"

        def __call__(self, *_: object) -> list[Proposal]:
            raise ProposerError("no key: set EXAMPLE_KEY")

    history = run(tmp_path, proposer=Raising())
    assert len(history.done()) == 6
    assert [notice.topic for notice in history.notices] == ["proposer"]
    assert "EXAMPLE_KEY" in history.notices[0].text


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
    st.lists(st.integers(), max_size=2), st.just(object()), st.just({"a": 1}),
)  # fmt: skip
configurations = st.one_of(
    st.dictionaries(
        st.one_of(st.sampled_from(["lr", "depth", "booster", "drop", "x"]), st.integers()),
        st.one_of(scalars, st.sampled_from([0.01, 0.1, 4, 8, "tree", "dart", 0.2, "4", 4.0])),
        max_size=6,
    ),
    st.fixed_dictionaries(
        {
            "lr": st.sampled_from([0.01, 0.05, 0.1]),
            "depth": st.sampled_from([1, 4, 8, 4.0, True]),
            "booster": st.sampled_from(["tree", "dart"]),
        },
        optional={"drop": st.sampled_from([0.0, 0.2, 0.9])},
    ),
    scalars,
)
legal_ones = st.sampled_from([legal(), legal(depth=3), legal(depth=4.0), legal(drop=0.2)])
hostile = st.one_of(
    st.lists(legal_ones, min_size=1, max_size=4),
    st.lists(
        st.one_of(
            scalars,
            legal_ones,
            st.builds(
                Proposal,
                configuration=configurations,
                by=st.one_of(st.sampled_from(["user", "rerun", "x"]), scalars),
                rationale=scalars,
                parent=st.one_of(st.none(), st.integers(), scalars),
            ),
        ),
        max_size=6,
    ),
    scalars,
)


@settings(max_examples=40, deadline=None)
@given(turns=st.lists(hostile, max_size=8), workers=st.integers(1, 3))
def test_nothing_illegal_or_repeated_reaches_a_run(
    turns: list[object], workers: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever a proposer returns, runs get legal configurations, each once."""
    reached: list[dict[str, Scalar]] = []

    def observe(configuration: Mapping[str, Scalar], seed: int) -> float:
        reached.append(dict(configuration))
        return score(configuration, seed)

    with SimulatedRunner(observe, slots=workers) as runner:
        Study(
            task(budget=Budget(trials=8)),
            tmp_path_factory.mktemp("hostile"),
            runner=runner,
            proposer=Scripted(turns),  # type: ignore[arg-type]  # hostile on purpose
        ).run()
    assert len(reached) == 8
    assert all(SPACE.check(configuration) == () for configuration in reached)
    assert all(configuration == SPACE.canonical(configuration) for configuration in reached)
    assert len({SPACE.key(configuration) for configuration in reached}) == 8


def test_one_seed_gains_are_unconfirmed(tmp_path: Path) -> None:
    """Without an estimate of the noise a better trial is unconfirmed, a worse one discarded."""
    turns = [[legal()], [legal(depth=3)], [legal(depth=5, lr=0.011)]]
    values = {4: 1.0, 3: 0.5, 5: 2.0}
    history = run(
        tmp_path,
        lambda c, s: values[c["depth"]],
        proposer=Scripted(turns),
        budget=Budget(trials=3),
        runner=RunnerPlan(workers=1),
    )
    verdicts = [trial.verdict for trial in history.trials]
    assert [verdict.status for verdict in verdicts] == ["kept", "discarded", "unconfirmed"]
    assert verdicts[2].against == 0
    assert history.best() is history.trials[2]


def test_replicates_turn_a_guess_into_a_verdict(tmp_path: Path) -> None:
    """With replicates the gain gets a probability: kept when far beyond noise."""
    noise = {}

    def noisy(configuration: Mapping[str, Scalar], seed: int) -> float:
        spread = np.random.default_rng(seed).normal(0, 0.01)
        return noise.setdefault((configuration["depth"], seed), float(configuration["depth"])) + spread  # fmt: skip  # noqa: E501

    turns = [[legal(depth=3)], [legal(depth=4)]]
    runner = SimulatedRunner(noisy, slots=1)
    settings = {"budget": Budget(trials=2), "proposer": Scripted(turns)}
    study = Study(
        task(budget=settings["budget"]), tmp_path, runner=runner, proposer=settings["proposer"]
    )
    study.run()
    assert study.history.trials[1].verdict.status == "unconfirmed"
    for number in (0, 1):
        study.replicate(number, 3)
    history = study.run()
    assert [len(trial.values) for trial in history.trials] == [4, 4]
    verdict = history.trials[1].verdict
    assert verdict.status == "kept"
    assert verdict.probability > 0.999
    assert len(history.trials) == 2, "replicates are runs, not trials"


def test_small_gain_says_how_many_seeds(tmp_path: Path) -> None:
    """A gain within the noise stays unconfirmed and says how many seeds would tell."""

    def noisy(configuration: Mapping[str, Scalar], seed: int) -> float:
        spread = np.random.default_rng([seed, configuration["depth"]]).normal(0, 1.0)
        return spread * 0.5 + 0.3 * configuration["depth"]

    turns = [[legal(depth=3)], [legal(depth=4)], [legal(depth=5, lr=0.02)]]
    runner = SimulatedRunner(noisy, slots=1)
    study = Study(task(budget=Budget(trials=3)), tmp_path, runner=runner, proposer=Scripted(turns))
    study.run()
    for number in range(3):
        study.replicate(number, 3)
    verdicts = [trial.verdict for trial in study.run().trials]
    open_ones = [verdict for verdict in verdicts if verdict.status == "unconfirmed"]
    assert open_ones
    assert all(0.5 < verdict.probability < 0.95 for verdict in open_ones)
    assert all(verdict.seeds_needed is None or verdict.seeds_needed > 0 for verdict in open_ones)


def test_unused_knob_and_seed_are_reported(tmp_path: Path) -> None:
    """Identical results from different configurations, or seeds, raise one warning each."""
    study = Study(
        task(budget=Budget(trials=3)),
        tmp_path,
        runner=SimulatedRunner(lambda c, s: 0.123456789),
    )
    study.run()
    study.replicate(0, 1)
    history = study.run()
    assert {"knob", "seed"} <= {notice.topic for notice in history.notices}
    knob = next(notice for notice in history.notices if notice.topic == "knob")
    assert "lr" in knob.text


def test_stop_and_resume(tmp_path: Path) -> None:
    """A stopped study goes on where it was: numbers continue, nothing is run twice."""
    counts: list[int] = []
    with SimulatedRunner(score, slots=1) as runner:
        study = Study(task(), tmp_path, runner=runner)

        def stop_after_two(history: History, event: Event | None) -> None:
            if isinstance(event, Finished) and len(history.done()) == 2:
                study.stop()

        history = study.run(stop_after_two)
        assert history.closed.reason == "stopped"
        counts.append(len(history.trials))
        history = Study(task(), tmp_path, runner=runner).run()
    assert counts == [2]
    assert [len(trial.runs) for trial in history.trials] == [1] * 6


def test_requests_arrive_while_the_study_runs(tmp_path: Path) -> None:
    """A door's request, appended by another writer mid-run, is served and nothing is lost."""
    asked = []

    def ask_once(history: History, event: Event | None) -> None:
        if not asked and len(history.done()) == 2:
            asked.append(True)
            door = SqliteLedger(tmp_path / "ledger.db")
            door.append([Request(what="replicate", trial=0, seeds=2)], door.read()[-1].sequence)
            door.close()

    history = run(tmp_path, watch=ask_once)
    assert len(history.trials[0].runs) == 3
    assert len(history.done()) == 6
    assert read(tmp_path).trials == history.trials


def test_rerun_is_an_attempt_of_the_same_run(tmp_path: Path) -> None:
    """`rerun` runs the first seed again; the trial keeps its number and gets no new seed."""
    study = Study(task(budget=Budget(trials=2)), tmp_path, runner=SimulatedRunner(score))
    study.run()
    study.rerun(1)
    history = study.run()
    assert [str(run.key) for run in history.trials[1].runs] == ["0001/0.0", "0001/0.1"]
    with pytest.raises(StudyError, match="no trial 9"):
        study.rerun(9)


def test_run_budget_holds_replicates_back(tmp_path: Path) -> None:
    """`budget.runs` counts every launch, replicates included."""
    study = Study(task(budget=Budget(trials=2, runs=3)), tmp_path, runner=SimulatedRunner(score))
    study.run()
    study.replicate(0, 5)
    history = study.run()
    assert history.launches == 3
    assert history.closed.reason == "budget"


def test_all_failing_stops_at_once(tmp_path: Path) -> None:
    """First runs that all fail the same way end the study with the log's last lines."""
    (tmp_path / "train.py").write_text("import no_such_package_at_all\n")
    study = Study(
        task(
            command=("python3", "train.py"),
            folder=str(tmp_path),
            budget=Budget(trials=50),
            runner=RunnerPlan(workers=2),
        ),
        tmp_path / "runs",
    )
    history = study.run()
    assert history.closed.reason == "failed"
    assert "no_such_package_at_all" in history.closed.sentence
    assert "stdout.log" in history.closed.sentence
    assert len(history.trials) <= 4


def test_transient_failures_are_retried_and_bounded(tmp_path: Path) -> None:
    """A lost connection costs an attempt, not the trial; three attempts are the most."""
    calls: list[float] = []

    def flaky(configuration: Mapping[str, Scalar], seed: int) -> float:
        lr = float(configuration["lr"])  # type: ignore[arg-type]
        calls.append(lr)
        if lr == 0.02 or calls.count(lr) < 3:
            raise ConnectionResetError(104, "Connection reset by peer")
        return lr

    history = run(
        tmp_path,
        flaky,
        proposer=Scripted([[legal(lr=0.01)], [legal(lr=0.02)]]),
        budget=Budget(trials=2),
    )
    assert [run.key.attempt for run in history.trials[0].runs] == [0, 1, 2]
    assert [trial.state for trial in history.trials] == ["done", "failed"]
    assert len(history.trials[1].runs) == 3
    assert history.trials[1].verdict.status == "failed"


def test_a_run_that_falls_behind_is_stopped(tmp_path: Path) -> None:
    """A real process below the median of earlier runs is ended early, and its trial discarded."""
    (tmp_path / "train.py").write_text(
        "import sys, time\nfrom trialwright import emit\n"
        "for step in range(1, 21):\n"
        "    emit(step=step, y=float(sys.argv[1]))\n    time.sleep(0.05)\n"
    )
    history = Study(
        task(
            command=(sys.executable, "train.py", "{lr}"),
            folder=str(tmp_path),
            start=({"lr": 0.05}, {"lr": 0.04}, {"lr": 0.03}, {"lr": 0.001}),
            budget=Budget(trials=4),
            prune=Prune(rule="median", warmup=3),
            runner=RunnerPlan(workers=1),
        ),
        tmp_path / "runs",
    ).run()
    assert [trial.state for trial in history.trials] == ["done", "done", "done", "pruned"]
    stopped = history.trials[3]
    assert len(stopped.run.observation.curve.steps) < 20
    assert stopped.value is None
    assert stopped.verdict.status == "discarded"
    assert history.best().number == 0


def test_changed_script_opens_a_code_version(tmp_path: Path) -> None:
    """Editing the script between sessions opens a new version, with a warning; best is of it."""
    script = tmp_path / "train.py"
    text = "import sys\nfrom trialwright import emit\nemit(y={sign}float(sys.argv[1]))\n"
    settings = {
        "command": (sys.executable, "train.py", "{lr}"),
        "folder": str(tmp_path),
        "runner": RunnerPlan(workers=1),
    }
    script.write_text(text.format(sign=""))
    Study(task(**settings, budget=Budget(trials=2)), tmp_path / "runs").run()
    script.write_text(text.format(sign="-"))
    history = Study(task(**settings, budget=Budget(trials=4)), tmp_path / "runs").run()
    assert len(history.codes) == 2
    assert [trial.code == history.code for trial in history.trials] == [False, False, True, True]
    assert any(notice.topic == "code" for notice in history.notices)
    assert history.best().number >= 2
    assert history.trials[2].verdict.against is None


def test_artefacts_of_the_best_are_kept(tmp_path: Path) -> None:
    """Declared files stay for the best trials and are removed from the others."""
    (tmp_path / "train.py").write_text(
        "import os, pathlib, sys\nfrom trialwright import emit\n"
        "folder = pathlib.Path(os.environ['TRIALWRIGHT_FOLDER'])\n"
        "(folder / 'model.pt').write_text('weights')\n(folder / 'note.txt').write_text('x')\n"
        "emit(y=float(sys.argv[1]))\n"
    )
    history = Study(
        task(
            command=(sys.executable, "train.py", "{lr}"),
            folder=str(tmp_path),
            keep=Keep(files=("*.pt",), trials=2),
        ),
        tmp_path / "runs",
    ).run()
    best = sorted(history.done(), key=lambda trial: -trial.value)[:2]
    kept = {int(path.parent.name.split("-")[0]) for path in (tmp_path / "runs").rglob("model.pt")}
    assert kept == {trial.number for trial in best}
    assert len(list((tmp_path / "runs").rglob("note.txt"))) == 6


def test_two_coordinators_exclude_each_other(tmp_path: Path) -> None:
    """A second `run` on the same folder is refused while the first is going on."""
    started = threading.Event()

    def slow(configuration: Mapping[str, Scalar], seed: int) -> float:
        started.set()
        time.sleep(0.3)
        return 1.0

    first = threading.Thread(
        target=lambda: run(tmp_path, slow, budget=Budget(trials=1)), daemon=True
    )
    first.start()
    assert started.wait(10)
    with pytest.raises(StudyError, match="is running the study"):
        run(tmp_path)
    first.join(10)


def test_random_proposer_is_the_default_fallback(tmp_path: Path) -> None:
    """A proposer with nothing to say leaves the turn to chance."""
    history = run(tmp_path, proposer=Scripted([]))
    assert {trial.proposal.by for trial in history.trials} == {Random().name}


def test_a_replicated_leader_keeps_its_lead_over_whom_it_beats(tmp_path: Path) -> None:
    """More seeds, less lucky than the first, don't hand the lead to a trial with one lucky seed."""
    values = {(4, 0): 1.0, (3, 0): 0.9, (4, 1): 0.5, (4, 2): 0.6}
    seeds: dict[int, int] = {}

    def train(configuration: Mapping[str, Scalar], seed: int) -> float:
        index = seeds.setdefault(seed, len(seeds))
        return values[int(configuration["depth"]), index]  # type: ignore[arg-type]

    study = Study(
        task(budget=Budget(trials=2)),
        tmp_path,
        runner=SimulatedRunner(train),
        proposer=Scripted([[legal(depth=3)], [legal(depth=4)]]),
    )
    study.run()
    study.replicate(1, 2)
    history = study.run()
    assert history.trials[1].value == pytest.approx(0.7)
    assert history.best() is history.trials[1]


def test_a_goal_that_was_never_reported_stops_at_once_and_may_be_put_right(tmp_path: Path) -> None:
    """A misspelt metric ends the study after two runs; with the goal corrected it goes on."""

    def named(metric: str) -> Task:
        return task(objective=Objective(metric=metric), budget=Budget(trials=8))

    def train(configuration: Mapping[str, Scalar], seed: int) -> dict[str, float]:
        return {"val_acc": score(configuration, seed)}

    with SimulatedRunner(train) as runner:
        history = Study(named("f1"), tmp_path, runner=runner).run()
        assert history.closed.reason == "failed"
        assert "val_acc" in history.closed.sentence
        assert len(history.trials) == 2
        history = Study(named("val_acc"), tmp_path, runner=runner).run()
    assert history.closed.reason == "budget"
    assert len(history.done()) == 6
    with pytest.raises(StudyError, match="new study"):
        Study(named("f1"), tmp_path, runner=SimulatedRunner(train)).run()
