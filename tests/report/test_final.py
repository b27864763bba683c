"""The final analysis: what it says at each stage, and what it does not claim."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from scipy import stats

from tests.histories import DEFAULTS, NETWORK, Recorder, network_task, run_network, study_history
from trialwright.analysis.importance import Influence
from trialwright.history import History, read
from trialwright.propose.briefing import about
from trialwright.records import (
    CodeVersion,
    Curve,
    Hypothesis,
    Interval,
    Notice,
    Observation,
    Proposal,
)
from trialwright.report.advice import advice
from trialwright.report.figures import figures
from trialwright.report.final import final_analysis
from trialwright.report.html import to_html
from trialwright.report.markdown import to_markdown
from trialwright.report.rows import row
from trialwright.report.terminal import trial_view
from trialwright.space import Choice, Float, Int, Space


def recorded(folder: Path, *trials: tuple[dict, float | None], **more: object) -> Recorder:
    """A study whose trials have the given changes to the defaults, and values; None fails."""
    recorder = Recorder(folder, network_task(trials=len(trials)))
    for change, value in trials:
        configuration = NETWORK.canonical({**DEFAULTS, **change})
        trial = recorder.admit(Proposal(configuration=configuration, by="expert", **more))  # type: ignore[arg-type]
        key = recorder.launch(trial)
        observe(recorder, key, value)
    return recorder


def observe(recorder: Recorder, key, value: float | None) -> None:
    """End a run with a value, or out of memory."""
    if value is None:
        recorder.observe(
            Observation(
                run=key,
                outcome="failed",
                cause="out_of_memory_host",
                detail="lower batch_size",
                log_tail="MemoryError",
            )
        )
    else:
        recorder.observe(Observation(run=key, outcome="done", value=value))


def test_before_the_first_trial(tmp_path: Path) -> None:
    """An opened study without a trial has an analysis that says so, and no best."""
    analysis = final_analysis(Recorder(tmp_path, network_task()).close(sentence=None))
    assert analysis.headline == "No trial has been started yet."
    assert (analysis.best, analysis.gain, analysis.failures) == (None, None, ())


def test_mid_run(tmp_path: Path) -> None:
    """A study whose only run is going on says that there is no result yet."""
    recorder = Recorder(tmp_path, network_task())
    recorder.launch(recorder.admit(Proposal(configuration=DEFAULTS, by="expert")))
    assert "1 trial going on" in final_analysis(recorder.close(sentence=None)).headline


def test_when_everything_failed(tmp_path: Path) -> None:
    """All trials failed: no best, and one group that holds them all."""
    recorder = recorded(tmp_path, ({}, None), ({"hidden": 32}, None), ({"hidden": 16}, None))
    analysis = final_analysis(recorder.close())
    assert analysis.headline == "None of 3 finished trials gave a result."
    assert analysis.failures[0].trials == (0, 1, 2)
    assert analysis.failures[0].common is None


def test_a_gain_on_one_seed_is_unconfirmed(tmp_path: Path) -> None:
    """Without replicates no gain is called real, however large, and replication is advised."""
    recorder = recorded(tmp_path, ({}, 0.5), ({"hidden": 128}, 0.9))
    analysis = final_analysis(recorder.close())
    assert analysis.gain is not None
    assert not analysis.gain.confirmed
    assert "unconfirmed" in analysis.headline
    assert analysis.advice[0].command == "trialwright replicate 1 --seeds 3"


def replicated(folder: Path, first: list[float], second: list[float]) -> History:
    """Two trials with several seeds each."""
    recorder = recorded(folder, ({}, first[0]), ({"hidden": 128}, second[0]))
    for trial, values in ((0, first), (1, second)):
        keys = recorder.replicate(trial, seeds=len(values) - 1)
        for key, value in zip(keys, values[1:], strict=True):
            observe(recorder, key, value)
    return recorder.close()


def test_a_gain_beyond_noise_is_confirmed(tmp_path: Path) -> None:
    """A gain far above the spread over seeds is confirmed, and no more seeds are advised."""
    history = replicated(tmp_path, [0.50, 0.51, 0.49], [0.90, 0.91, 0.89])
    analysis = final_analysis(history)
    assert analysis.gain is not None
    assert analysis.gain.confirmed
    assert analysis.headline.endswith("0.4 higher (better) than trial 0, confirmed.")
    assert not any(piece.command for piece in analysis.advice)


def test_a_gain_within_noise_says_how_many_seeds_would_tell(tmp_path: Path) -> None:
    """A gain smaller than the noise is unconfirmed, with the number of seeds and the commands."""
    history = replicated(tmp_path, [0.50, 0.54, 0.46], [0.54, 0.58, 0.50])
    analysis = final_analysis(history)
    assert analysis.gain is not None
    assert not analysis.gain.confirmed
    assert analysis.gain.seeds_needed
    assert str(analysis.gain.seeds_needed) in analysis.gain.sentence
    commands = [piece.command for piece in analysis.advice if piece.command]
    needed = analysis.gain.seeds_needed
    assert commands == [f"trialwright replicate {n} --seeds {needed}" for n in (1, 0)]


def test_minimized_metrics_gain_downwards(tmp_path: Path) -> None:
    """Where smaller is better, the best trial is the smallest and its gain is positive."""
    history = study_history(tmp_path, trials=10, direction="minimize")
    analysis = final_analysis(history)
    assert analysis.best is not None
    assert analysis.best.value == min(trial.value for trial in history.done())
    assert analysis.gain is not None
    assert analysis.gain.difference > 0
    assert f" lower (better) than trial {analysis.gain.first}" in analysis.headline
    assert f" lower (better) than trial {analysis.gain.first}" in analysis.gain.sentence
    reading = next(f.reading for f in figures(history, analysis.influences) if f.id == "progress")
    assert f" lower (better) than the first (trial {analysis.gain.first})" in reading


def test_failures_are_told_with_what_they_share(tmp_path: Path) -> None:
    """Four of five trials with a large batch failed: the condition and both counts are said."""
    small = [({"batch_size": 32, "hidden": 20 + i}, 0.8) for i in range(12)]
    large = [({"batch_size": 512, "hidden": 60 + i}, None) for i in range(4)]
    recorder = recorded(tmp_path, *small, *large, ({"batch_size": 512, "hidden": 16}, 0.7))
    analysis = final_analysis(recorder.close())
    group = analysis.failures[0]
    assert group.common is not None
    assert (group.common.inside, group.common.outside) == (4, 0)
    assert "ran out of memory on the host" in group.sentence
    assert "4 of the" in group.sentence
    assert any("constraint" in piece.sentence for piece in analysis.advice)


def test_failures_that_share_nothing_are_not_explained(tmp_path: Path) -> None:
    """Failures spread over the space get no made-up condition."""
    trials = [({"hidden": 20 + 7 * i}, None if i in (2, 9) else 0.8) for i in range(12)]
    analysis = final_analysis(recorded(tmp_path, *trials).close())
    assert analysis.failures[0].common is None


def test_a_best_at_a_bound_advises_to_widen(tmp_path: Path) -> None:
    """The best at the upper end of a log range: widen it threefold; a bound of 0 is left alone."""
    trials = [({"learning_rate": rate}, rate) for rate in (0.01, 0.1, 0.5, 1.0)]
    trials += [({"dropout": 0.3}, 0.0)]
    sentences = [p.sentence for p in final_analysis(recorded(tmp_path, *trials).close()).advice]
    assert not any("dropout = 0 " in sentence for sentence in sentences)
    levels = [({"batch_size": size}, size / 100) for size in (64, 256, 512)]
    other = final_analysis(recorded(tmp_path / "levels", *levels).close())
    assert any("batch_size = 512 of trial 2 is at the last" in p.sentence for p in other.advice)


def test_a_narrow_whole_number_is_widened_by_one(tmp_path: Path) -> None:
    """At the upper end of 1 to 2 layers the advice is 3, not the 2 that is there already."""
    space = Space((Int("layers", 1, 2),))
    recorder = Recorder(tmp_path, replace(network_task(trials=3), space=space))
    for layers in (1, 2, 2):
        proposal = Proposal(configuration={"layers": layers}, by="expert")
        observe(recorder, recorder.launch(recorder.admit(proposal)), layers / 10)
    sentences = [advice.sentence for advice in final_analysis(recorder.close()).advice]
    assert any("let it reach 3." in sentence for sentence in sentences), sentences


def test_a_share_is_not_widened_beyond_one(tmp_path: Path) -> None:
    """Momentum at the upper end of 0 to 0.99 may go nearer to 1, and not past it."""
    space = Space((Float("momentum", 0.0, 0.99),))
    recorder = Recorder(tmp_path, replace(network_task(trials=3), space=space))
    for momentum in (0.0, 0.5, 0.99):
        proposal = Proposal(configuration={"momentum": momentum}, by="expert")
        observe(recorder, recorder.launch(recorder.admit(proposal)), momentum)
    sentences = [advice.sentence for advice in final_analysis(recorder.close()).advice]
    assert any("let it reach 0.995." in sentence for sentence in sentences), sentences


def test_what_changed_is_told_against_first_and_parent(tmp_path: Path) -> None:
    """The best trial's changes are listed against the first trial and against its parent."""
    recorder = recorded(tmp_path, ({}, 0.5), ({"hidden": 128}, 0.6))
    configuration = {**DEFAULTS, "hidden": 128, "dropout": 0.2}
    hypothesis = Hypothesis(claim="dropout helps", expects="better", against=1)
    proposal = Proposal(configuration=configuration, by="expert", parent=1, hypothesis=hypothesis)
    observe(recorder, recorder.launch(recorder.admit(proposal)), 0.7)
    best = final_analysis(recorder.close()).best
    assert best is not None
    assert [str(change) for change in best.from_first] == ["hidden 64 → 128", "dropout 0 → 0.2"]
    assert [str(change) for change in best.from_parent] == ["dropout 0 → 0.2"]
    assert (best.claim, best.hypothesis) == ("dropout helps", "consistent")


def test_every_value_of_the_best_has_its_reason(tmp_path: Path) -> None:
    """What was taken over from a parent has the parent's reason; what was changed since has not."""
    recorder = Recorder(tmp_path, network_task())
    said = {"hidden": "wide enough", "dropout": "as usual", "batch_size": "fits"}
    steps: tuple[tuple[dict, dict], ...] = (
        ({}, said),
        ({"dropout": 0.2}, {"dropout": "it overfits"}),
        ({"dropout": 0.2, "hidden": 128}, {}),
    )
    for number, (change, reasons) in enumerate(steps):
        proposal = Proposal(
            configuration={**DEFAULTS, **change},
            by="expert",
            parent=number - 1 if number else None,
            reasons=reasons,
        )
        observe(recorder, recorder.launch(recorder.admit(proposal)), 0.5 + 0.1 * number)
    history = recorder.close()
    best = final_analysis(history).best
    assert best is not None
    assert best.reasons == {"dropout": "it overfits (trial 1)", "batch_size": "fits (trial 0)"}
    for page in (to_markdown, to_html):
        assert "it overfits (trial 1)" in page(history, final_analysis(history)).replace("\\", "")
    lines = to_markdown(history, final_analysis(history)).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("| parameter"))
    assert lines[at].count("|") == lines[at + 1].count("|") == lines[at + 2].count("|") == 5


def test_predictions_are_held_against_results(tmp_path: Path) -> None:
    """Calibration counts the results inside their intervals, and says if they are too narrow."""
    trials = [({"hidden": 20 + i}, 0.5 + 0.04 * i) for i in range(12)]
    predicted = Interval(low=0.49, high=0.59)
    calibration = final_analysis(
        recorded(tmp_path, *trials, predicted=predicted).close()
    ).calibration
    assert calibration is not None
    assert (calibration.inside, calibration.total) == (3, 12)
    assert "90% was claimed: the predicted intervals are too narrow." in calibration.sentence


@pytest.mark.parametrize(
    ("inside", "total", "said"),
    [
        (5, 8, "in keeping, but n is small: 8 results can tell little."),
        (8, 13, "the predicted intervals are too narrow."),
        (90, 100, "90% was claimed: in keeping."),
        (60, 60, "the predicted intervals are wider than they need to be."),
    ],
)
def test_a_coverage_is_held_against_its_exact_interval(
    tmp_path: Path, inside: int, total: int, said: str
) -> None:
    """62% on 8 results endorses nothing, on 13 it contradicts 90%; the interval is SciPy's own."""
    trials = [({"hidden": 17 + i}, 0.5 if i < inside else 0.7) for i in range(total)]
    predicted = Interval(low=0.4, high=0.6)
    analysis = final_analysis(recorded(tmp_path, *trials, predicted=predicted).close())
    assert analysis.calibration is not None
    exact = stats.binomtest(inside, total).proportion_ci(0.95, method="exact")
    sentence = analysis.calibration.sentence
    assert f"exact 95% interval {exact.low:.0%} to {exact.high:.0%}" in sentence
    assert sentence.endswith(said)


def changed_code(folder: Path, *, results: int) -> History:
    """Ten results under one version of the code, then `results` worse ones under the next."""
    recorder = recorded(folder, *(({"hidden": 20 + i}, 0.5 + i / 100) for i in range(10)))
    recorder.note(
        Notice(level="warning", topic="code", text="the task's files changed (train.py)"),
        CodeVersion(id="2222", files=("train.py",)),
    )
    for number in range(results):
        configuration = NETWORK.canonical({**DEFAULTS, "hidden": 100 + number})
        trial = recorder.admit(Proposal(configuration=configuration, by="expert"))
        observe(recorder, recorder.launch(trial), 0.3 - number / 100)
    return recorder.close()


def test_after_a_change_of_the_code_its_own_results_count(tmp_path: Path) -> None:
    """Headline, advice, failures and calibration are of the newest code, and a warning says so."""
    analysis = final_analysis(changed_code(tmp_path, results=2))
    assert "Trial 10 is the best of 2 results of the newest code" in analysis.headline
    assert analysis.warnings == (
        "the code has changed: 2 results of its newest version (2222) count here, and 10 of before"
        " do not",
    )
    assert not any("came late" in piece.sentence for piece in analysis.advice)
    assert analysis.gain is None


def test_without_results_of_the_newest_code_those_before_count(tmp_path: Path) -> None:
    """Just after a change there is nothing else to tell of, and the analysis says whose it is."""
    analysis = final_analysis(changed_code(tmp_path, results=0))
    assert "Trial 9 is the best of 10 results of earlier code" in analysis.headline
    assert "nothing has a result under its newest version (2222)" in analysis.warnings[0]


def test_failures_of_the_newest_code_are_told_before_it_has_a_result(tmp_path: Path) -> None:
    """Code whose every run fails is what a reader has to hear of."""
    recorder = recorded(tmp_path, ({}, 0.5), ({"hidden": 128}, None))
    recorder.note(CodeVersion(id="2222"))
    trial = recorder.admit(Proposal(configuration={**DEFAULTS, "hidden": 32}, by="expert"))
    observe(recorder, recorder.launch(trial), None)
    assert final_analysis(recorder.close()).failures[0].trials == (1, 2)


def seeded(folder: Path, command: str, *values: list[float], script: str = "") -> list[str]:
    """The advice on two trials, each with a value per seed, of a command in a folder."""
    (folder / "train.py").write_text(script)
    task = network_task(command=tuple(command.split()), folder=str(folder))
    recorder = Recorder(folder, task)
    return [
        f"{piece.sentence} {piece.command or ''}"
        for piece in final_analysis(run_under_seeds(recorder, *values)).advice
    ]


def run_under_seeds(recorder: Recorder, *values: list[float]) -> History:
    """The study of a recorder: a trial per list, a seed per value."""
    for hidden, series in zip((64, 128), values, strict=False):
        configuration = {**DEFAULTS, "hidden": hidden}
        trial = recorder.admit(Proposal(configuration=configuration, by="expert"))
        observe(recorder, recorder.launch(trial), series[0])
        keys = recorder.replicate(trial, seeds=len(series) - 1) if len(series) > 1 else []
        for key, value in zip(keys, series[1:], strict=True):
            observe(recorder, key, value)
    return recorder.close()


def test_what_is_deterministic_is_not_to_be_replicated(tmp_path: Path) -> None:
    """Identical results under several seeds: no more are advised, and why is said."""
    said = seeded(tmp_path, "python train.py --seed={seed}", [0.5, 0.5], [0.6, 0.6])
    assert "Trials 0 and 1 give identical results under different seeds" in said[0]
    assert not any("replicate" in piece for piece in said)


def test_a_seed_that_nobody_hands_over_is_not_said_to_be_got(tmp_path: Path) -> None:
    """Where the command has no place for a seed, no row says that the script got one."""
    for command, handed in (("python train.py", False), ("python train.py --seed={seed}", True)):
        folder = tmp_path / str(handed)
        folder.mkdir()
        seeded(folder, command, [0.5])
        history = read(folder)
        assert row(history.trials[0], history).runs[0].handed is handed
        said = Console(width=120, color_system=None, record=True, file=StringIO())
        said.print(trial_view(history, 0))
        assert ("the script got" in said.export_text()) is handed


def test_what_gets_no_seed_is_not_to_be_replicated(tmp_path: Path) -> None:
    """Where nothing hands the script a seed, that comes before any replicate."""
    said = seeded(tmp_path, "python train.py", [0.5], [0.6])
    assert "Nothing hands the script a seed" in said[0]
    assert not any("trialwright replicate" in piece for piece in said)


@pytest.mark.parametrize(
    ("command", "advised"),
    [
        ("python train.py --seed 0", "replace the 0 after --seed by {seed}"),
        ("python train.py trainer.seed=7", "replace the 7 in trainer.seed=7 by {seed}"),
        ("python train.py --epochs 3", "Nothing hands the script a seed"),
    ],
)
def test_a_fixed_seed_is_named_where_it_stands(tmp_path: Path, command: str, advised: str) -> None:
    """The advice says what to write instead, and no number of seeds is said to come yet."""
    assert advised in seeded(tmp_path, command, [0.5], [0.6])[0]
    history = read(tmp_path)
    gain = final_analysis(history).gain
    assert gain is not None
    assert "nothing hands the script a seed" in gain.sentence
    assert "(the script got no seed)" in to_html(history, final_analysis(history))
    assert ("the command names none" in about(history.task)) is ("seed" not in command)


@pytest.mark.parametrize(
    ("command", "script"),
    [
        ("python train.py --seed={seed}", ""),
        ("python train.py", "import os\nseed = os.environ['TRIALWRIGHT_SEED']\n"),
    ],
)
def test_what_gets_a_seed_is_to_be_replicated(tmp_path: Path, command: str, script: str) -> None:
    """By its command or by its own asking: then more seeds tell of the noise."""
    assert "trialwright replicate 1" in seeded(tmp_path, command, [0.5], [0.6], script=script)[0]


def test_noise_of_its_own_is_to_be_replicated(tmp_path: Path) -> None:
    """A script that is handed no seed and differs all the same has noise to measure."""
    said = seeded(tmp_path, "python train.py", [0.50, 0.54, 0.46], [0.54, 0.58, 0.50])
    assert any("trialwright replicate" in piece for piece in said)


def test_still_improving_advises_longer_training(tmp_path: Path) -> None:
    """Where the best run's curve still rises at its end, longer training is advised."""
    recorder = Recorder(tmp_path, network_task())
    run_network(recorder, recorder.launch(recorder.admit(Proposal(configuration=DEFAULTS, by="x"))))
    analysis = final_analysis(recorder.close())
    assert any("train longer" in piece.sentence for piece in analysis.advice)


@pytest.mark.parametrize("turned", [True, False])
def test_to_stop_earlier_is_advised_only_where_it_got_worse(tmp_path: Path, turned: bool) -> None:
    """Training that is ahead of a best last step calls for regularisation, and no less training."""
    recorder = Recorder(tmp_path, network_task())
    steps = tuple(float(step) for step in range(1, 25))
    held = [0.5 + 0.01 * min(s, 10) - (0.01 * max(s - 10, 0) if turned else 0) for s in steps]
    if not turned:
        held = [value + 0.0005 * step for value, step in zip(held, steps, strict=True)]
    train = tuple(0.5 + 0.02 * step for step in steps)
    curve = Curve(steps=steps, series={"val_accuracy": tuple(held), "train_accuracy": train})
    key = recorder.launch(recorder.admit(Proposal(configuration=DEFAULTS, by="x")))
    recorder.observe(Observation(run=key, outcome="done", value=held[-1], curve=curve))
    history = recorder.close()
    [said] = [one.sentence for one in advice(history, (), ()) if "regularise" in one.sentence]
    assert ("stop earlier" in said and "rather than" not in said) is turned
    curves = next(figure for figure in figures(history, ()) if "with a curve" in figure.reading)
    assert ("1 overfitted" in curves.reading) is turned


@pytest.mark.parametrize("trials", [3, 12, 40])
def test_no_sentence_is_broken(tmp_path: Path, trials: int) -> None:
    """Every sentence of an analysis ends as a sentence, without a doubled or a stray mark."""
    analysis = final_analysis(study_history(tmp_path, trials=trials, replicates=2))
    sentences = [i.sentence for i in analysis.influences] + [p.sentence for p in analysis.advice]
    sentences += [group.sentence for group in analysis.failures]
    sentences += [analysis.gain.sentence] if analysis.gain else []
    for sentence in sentences:
        assert sentence.endswith("."), sentence
        assert ".." not in sentence
        assert "  " not in sentence
        assert "None" not in sentence


def told(parameter: str, *, varied: bool = True) -> Influence:
    """An influence that the trials tell of."""
    return Influence(
        parameter=parameter, share=0.9, low=0.5, high=1.0, sentence="", told=varied, varied=varied
    )


@pytest.mark.parametrize(("falls", "advised"), [(True, False), (False, True)])
def test_no_gap_is_advised_where_results_only_get_worse(
    falls: bool, advised: bool, tmp_path: Path
) -> None:
    """An empty end of a range is worth a look beside the best trial, not beside the worst."""
    rates = (0.0001, 0.0003, 0.001, 0.003, 0.01)
    values = [0.9 - 0.1 * i if falls else 0.5 + 0.1 * i for i in range(len(rates))]
    trials = [({"learning_rate": rate}, v) for rate, v in zip(rates, values, strict=True)]
    history = recorded(tmp_path, *trials).close()
    said = [one.sentence for one in advice(history, [told("learning_rate")], ())]
    assert any("no trial lies between 0.01 and 1" in text for text in said) == advised


def test_what_was_never_varied_gets_a_value_to_try(tmp_path: Path) -> None:
    """The advice names one: the default, else another part of the range; and a bound it sits at."""
    trials = [({"hidden": 32 + i, "dropout": 0.6, "weight_decay": 0.05}, 0.5) for i in range(5)]
    history = recorded(tmp_path, *trials).close()
    names = ("dropout", "weight_decay", "learning_rate", "optimizer")
    said = {
        name: one.sentence
        for name in names
        for one in advice(history, [told(name, varied=False)], ())
        if one.sentence.startswith(name)
    }
    assert said["weight_decay"] == "weight_decay was never varied: try 0.01, its default."
    assert said["optimizer"] == "optimizer was never varied: try sgd."
    assert "from 0.6, the upper end of its range: try 0, its default" in said["dropout"]
    assert "or let it reach 0.9" in said["dropout"]
    assert "try another value" not in said["learning_rate"]


def test_a_claim_has_one_full_stop(tmp_path: Path) -> None:
    """A claim that ends in a full stop stands before its status without it."""
    recorder = recorded(tmp_path, ({}, 0.5))
    hypothesis = Hypothesis(claim="Dropout helps.", expects="better", against=0)
    configuration = {**DEFAULTS, "dropout": 0.2}
    proposal = Proposal(configuration=configuration, by="expert", parent=0, hypothesis=hypothesis)
    observe(recorder, recorder.launch(recorder.admit(proposal)), 0.7)
    history = recorder.close()
    best = final_analysis(history).best
    assert best is not None
    assert best.claim == "Dropout helps"
    assert "Dropout helps: consistent" in to_markdown(history, final_analysis(history))


@pytest.mark.parametrize(("step", "advised"), [(0.01, True), (1e-6, False)])
def test_a_late_best_calls_for_more_trials_only_by_a_real_gain(
    tmp_path: Path, step: float, advised: bool
) -> None:
    """A last result that is ahead by far less than results differ says nothing of the budget."""
    values = [0.70, 0.71, 0.72, 0.73, 0.74, 0.75, 0.76, 0.75]
    trials = [({"hidden": 32 + i}, value) for i, value in enumerate(values)]
    late = [({"hidden": 300 + i}, 0.76 + step * i) for i in (1, 2)]
    history = recorded(tmp_path, *trials, *late).close()
    said = [one.sentence for one in advice(history, [], ())]
    assert any("came late" in text for text in said) == advised


def test_advice_keeps_to_what_is_usual_and_means_something(tmp_path: Path) -> None:
    """A value to try is usual for such a model; a regression has no classes to weigh."""
    space = Space(
        (
            Int("num_layers", 1, 5, default=2),
            Choice("optimizer", ("adam", "sgd"), default="adam"),
            Float("scale_pos_weight", 1.0, 10.0, default=1.0),
            Float("rate", 0.0, 1.0),
        )
    )

    def said(metric: str) -> list[str]:
        task = network_task(trials=6)
        task = replace(
            task, space=space, model="gcn", objective=replace(task.objective, metric=metric)
        )
        recorder = Recorder(tmp_path / metric, task)
        for number in range(6):
            configuration = space.complete({"rate": number / 10})
            trial = recorder.admit(Proposal(configuration=configuration, by="expert"))
            observe(recorder, recorder.launch(trial), 0.5)
        history = recorder.close()
        names = ("num_layers", "optimizer", "scale_pos_weight")
        found = advice(history, [told(name, varied=False) for name in names], ())
        return [one.sentence for one in found if "never" in one.sentence]

    layers = "num_layers was never varied: try 3."
    assert said("val_r2") == [layers]
    assert len(said("val_f1")) == 2
    assert said("val_f1_score")[1].startswith("scale_pos_weight was never varied")


def test_a_reason_names_the_step_that_it_tells_of(tmp_path: Path) -> None:
    """Less than in the parent may be more than in the first trial, which it stands beside."""
    recorder = Recorder(tmp_path, network_task())
    steps = ((0.0, {}), (0.4, {"dropout": "more of it"}), (0.2, {"dropout": "less of it"}))
    for number, (dropout, reasons) in enumerate(steps):
        proposal = Proposal(
            configuration={**DEFAULTS, "dropout": dropout},
            by="expert",
            parent=number - 1 if number else None,
            reasons=reasons,
        )
        observe(recorder, recorder.launch(recorder.admit(proposal)), 0.5 + 0.1 * number)
    best = final_analysis(recorder.close()).best
    assert best is not None
    assert best.reasons == {"dropout": "less of it (from 0.4 in trial 1)"}
