"""Trials as a model reads them: what decides is there, what misleads is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.llm.servers import change, final, playing, serving
from tests.llm.tasks import SPACE, agent, ran, task
from trialwright.execute.simulate import SimulatedRunner
from trialwright.history import History
from trialwright.propose import briefing, sheet
from trialwright.propose.lookup import Lookup
from trialwright.propose.sheet import Digits
from trialwright.records import Hypothesis, Interval, Proposal
from trialwright.space import Configuration
from trialwright.study import Study
from trialwright.task import Agent, Budget, Objective, Task

STEPS = 40
PEAK = 13
"""The step of the best validation value: between the points that an even choice would show."""


def curves(configuration: Configuration, _seed: int) -> Iterator[tuple[float, Mapping[str, float]]]:
    """Validation peaks early and falls; training and the test set tell other stories."""
    rate = configuration["rate"]
    assert isinstance(rate, float)
    for step in range(1, STEPS + 1):
        yield (
            float(step),
            {
                "val_f1": 0.8 - 0.0001 * rate - 0.001 * abs(step - PEAK),
                "train_f1": 0.5 + 0.01 * step,
                "val_loss": 0.4 + 0.002 * abs(step - 20),
                "train_loss": 1 / step,
                "test_f1": 0.123456,
            },
        )


def curved(folder: Path, *, trials: int = 8, **changes: object) -> History:
    """A study of such runs."""
    what: Task = task("random", trials=trials, space=SPACE)
    what = replace(what, objective=Objective(metric="val_f1"), **changes)  # type: ignore[arg-type]
    with SimulatedRunner(curves, slots=1) as runner:
        return Study(what, folder, runner=runner).run()


def test_the_peak_of_a_curve_is_shown(tmp_path: Path) -> None:
    """The best point stands in the line, in the brief line, and in the trial in full."""
    history = curved(tmp_path, trials=2)
    trial = history.trials[0]
    for text in (
        sheet.line(history, trial),
        sheet.line(history, trial, curves=False),
        sheet.in_full(history, trial),
    ):
        assert f"@{PEAK}" in text


def test_no_metric_of_the_test_set_is_shown(tmp_path: Path) -> None:
    """A model must not choose by it: neither its curve nor its last value is there."""
    history = curved(tmp_path, trials=2)
    shown = sheet.line(history, history.trials[0]) + sheet.in_full(history, history.trials[0])
    assert "test_f1" not in shown
    assert "0.1235" not in shown


def test_held_out_losses_come_before_training(tmp_path: Path) -> None:
    """Beside the objective stand the validation loss and the objective's own training side."""
    line = sheet.line((history := curved(tmp_path, trials=2)), history.trials[0])
    assert line.index("val_f1 ") < line.index("val_loss ") < line.index("train_f1 ends")
    assert "train_loss" not in line


def test_a_metric_is_a_number_not_a_text(tmp_path: Path) -> None:
    """Metrics in full are JSON numbers."""
    history = curved(tmp_path, trials=1)
    assert '"val_loss":0.44' in sheet.in_full(history, history.trials[0])


def test_results_are_written_as_finely_as_they_differ() -> None:
    """Results that differ in the fifth digit are told apart; others have no needless digits."""
    close = [0.5674, 0.56788, 0.56792, 0.567955]
    written = [Digits.of(close)(value) for value in close]
    assert len(set(written)) == len(close)
    assert Digits.of([0.61, 0.84, 0.72])(0.8412345) == "0.8412"
    assert Digits.of([])(0.123456789) == "0.12346"
    assert Digits.of([1e300, -1e300])(float("nan")) == "nan"


def test_what_became_of_claim_and_interval_is_told(tmp_path: Path) -> None:
    """A line says the verdict, where the claim stands, and whether the interval held."""
    answers = [
        final(change("rate", 0.3, claim="better", low=0.9, high=1.0)),
        final(change("rate", 0.9, claim="better still", low=0.99, high=1.0)),
    ]
    with serving("openai", playing(*answers)) as server:
        history = ran(task(agent(server), trials=2), tmp_path)
    first, second = (sheet.line(history, trial) for trial in history.trials)
    assert "kept, claim supported, interval held" in first
    assert "discarded, claim contradicted, interval missed" in second


def test_a_first_claim_is_kept_and_held_to_its_interval(tmp_path: Path) -> None:
    """With nothing to compare with, a claim is not dropped."""
    answer = final(change("rate", 0.9, claim="near the top", low=0.99, high=1.0))
    with serving("openai", playing(answer)) as server:
        history = ran(task(agent(server), trials=1), tmp_path)
    hypothesis = history.trials[0].proposal.hypothesis
    assert hypothesis == Hypothesis(
        claim="near the top", expects="better", against=None, parameter="rate"
    )
    assert "claim contradicted" in sheet.line(history, history.trials[0])


def test_all_of_sixteen_trials_are_shown_and_the_ends_of_many(tmp_path: Path) -> None:
    """Up to sixteen nothing is left out; of more, the first and the worst are always there."""
    few = curved(tmp_path / "few", trials=16)
    assert len(briefing.telling(few)) == 16
    many = curved(tmp_path / "many", trials=40)
    shown = {trial.number for trial in briefing.telling(many)}
    worst = min(many.done(), key=lambda trial: trial.value or 0.0)
    assert {0, worst.number} <= shown


def test_the_rules_say_what_of_a_claim_is_checked(tmp_path: Path) -> None:
    """A second half about another metric would go unchecked: the model reads so beforehand."""
    history = curved(tmp_path, trials=1)
    rules = " ".join(
        briefing.instructions(history.task, Agent(name="m", model="openai:any")).split()
    )
    assert "Only what it says of the goal's metric is checked" in rules


def test_the_state_says_what_counts_and_what_seeds_do(tmp_path: Path) -> None:
    """Which value of a run counts, and that seeds may change nothing where none is named."""
    history = curved(tmp_path, trials=1, budget=Budget(trials=1))
    for reduce, words in (
        ("last", "the last value"),
        ("best", "the best value"),
        ("mean_last", "the mean of a run's last 5 values"),
    ):
        objective = Objective(metric="val_f1", reduce=reduce)  # type: ignore[arg-type]
        assert words in briefing.about(replace(history.task, objective=objective))
    assert "more may change nothing" in briefing.about(history.task)
    seeded = replace(history.task, command=("train", "{seed}"))
    assert "more may change nothing" not in briefing.about(seeded)


def test_a_full_trial_does_not_repeat_its_line(tmp_path: Path) -> None:
    """What the table has is not sent again; reasons are whole."""
    history = curved(tmp_path, trials=2)
    trial = history.trials[1]
    long = "because the curve says so, " * 12
    told = replace(trial.admission.proposal, rationale=long, predicted=Interval(low=0.1, high=0.2))
    assert isinstance(told, Proposal)
    trial.admission = replace(trial.admission, proposal=told)
    full = sheet.in_full(history, trial)
    assert sheet.line(history, trial) not in full
    assert long.strip() in full
    assert "characters)" not in full


def test_the_optimisers_words_are_short_and_honest(tmp_path: Path) -> None:
    """A suggestion is what changes against the best; what nobody varied is called a guess."""
    answers = [final(change("rate", rate)) for rate in (0.2, 0.4, 0.6, 0.8, 0.1)]
    with serving("openai", playing(*answers)) as server:
        history = ran(task(agent(server), trials=5), tmp_path)
    state = briefing.state(history.task, history, 1, np.random.default_rng(0))
    best = history.best()
    assert best is not None
    assert f"- from trial {best.number}: " in state
    assert "Never varied, so nothing is known of them: depth, kind." in state
    assert "depth 0%" not in state
    assert " -> " in state


def test_a_prediction_beyond_what_was_varied_is_called_a_guess(tmp_path: Path) -> None:
    """Values that are left out are the best trial's; a parameter never varied makes a guess."""
    answers = [final(change("rate", rate)) for rate in (0.2, 0.4, 0.6, 0.8)]
    with serving("openai", playing(*answers)) as server:
        history = ran(task(agent(server), trials=4), tmp_path)
    lookup = Lookup(history.task, history, lambda _: "", np.random.default_rng(0))
    near = lookup.predict({"rate": 0.3})
    far = lookup.predict({"depth": 9})
    assert "expects" in near
    assert "guess" not in near
    assert "A guess, the truth may lie well outside: never varied: depth (always 3)" in far
    assert "unheard_of" in lookup.predict({"unheard_of": 1})
    assert "depth" in lookup.predict({"depth": [1, 2]})


def test_a_claim_in_full_names_its_yardstick(tmp_path: Path) -> None:
    """A model that asks for a trial reads from which difference on its claim is decided."""
    what = replace(task("random", trials=2, space=SPACE), objective=Objective(metric="val_f1"))
    with SimulatedRunner(swinging, slots=1) as runner:
        history = Study(what, tmp_path, runner=runner).run()
    trial = history.trials[1]
    claim = Hypothesis(claim="better", expects="better", against=0)
    trial.admission = replace(trial.admission, proposal=replace(trial.proposal, hypothesis=claim))
    assert "decides nothing, by how the ends of the two curves scatter): better" in sheet.in_full(
        history, trial
    )


def swinging(
    configuration: Configuration, _seed: int
) -> Iterator[tuple[float, Mapping[str, float]]]:
    """It levels off early, swings, has its best at a spike and a hole near it."""
    rate = configuration["rate"]
    assert isinstance(rate, float)
    for step in range(1, STEPS + 1):
        level = 0.8 - 0.6 * 0.6**step + 0.004 * (step % 2) + 0.003 * rate
        yield float(step), {"val_f1": {13: 0.85, 15: 0.7}.get(step, level)}


def test_a_thinned_curve_shows_its_hole_and_its_spike(tmp_path: Path) -> None:
    """The points drawn of a swinging curve look like no smooth climb."""
    what = replace(task("random", trials=2, space=SPACE), objective=Objective(metric="val_f1"))
    with SimulatedRunner(swinging, slots=1) as runner:
        history = Study(what, tmp_path, runner=runner).run()
    line = sheet.line(history, history.trials[0])
    assert " 15:0.7 " in line
    assert "best 0.85@13 at a spike: neighbours 0.8" in line
    smooth = curved(tmp_path / "smooth", trials=2)
    assert "spike" not in sheet.line(smooth, smooth.trials[0])


def test_flat_is_said_at_the_scale_of_the_differences_between_trials(tmp_path: Path) -> None:
    """A curve that moved since by more than trials differ is not called flat in the table."""
    what = replace(task("random", trials=6, space=SPACE), objective=Objective(metric="val_f1"))

    def apart(
        configuration: Configuration, _seed: int
    ) -> Iterator[tuple[float, Mapping[str, float]]]:
        """It rises and stays, at a level that hangs on the rate."""
        rate = configuration["rate"]
        assert isinstance(rate, float)
        for step in range(1, STEPS + 1):
            yield float(step), {"val_f1": 0.8 - 0.6 * 0.6**step + scale * rate}

    for scale, said in ((0.5, True), (0.0001, False)):
        with SimulatedRunner(apart, slots=1) as runner:
            history = Study(what, tmp_path / str(scale), runner=runner).run()
        trial = history.trials[0]
        assert trial.run is not None
        assert trial.run.diagnosis is not None
        assert "plateaued" in trial.run.diagnosis.findings
        assert ("flat from" in sheet.line(history, trial)) is said
