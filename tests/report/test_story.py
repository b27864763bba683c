"""Every number that the story of a report says is a figure of the record."""

from __future__ import annotations

import math
import re
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import pytest
from scipy import stats

from tests.histories import network_task, study_history
from tests.report.strangers import planted
from trialwright.analysis.compare import compare, scatter
from trialwright.history import History, Run, Trial, read
from trialwright.report.claims import faults
from trialwright.report.final import final_analysis
from trialwright.report.known import Known
from trialwright.report.markdown import to_markdown
from trialwright.report.numerals import Numeral, numerals
from trialwright.report.telling import sentences, telling
from trialwright.space import Float, Parameter, Space
from trialwright.study import Study
from trialwright.task import Budget, Objective, Task

_TO_TRY = re.compile(r": (?:try|let it reach) [^\s,]+\.?$")
"""What advice says to try is no figure of the record: nobody has tried it."""


def unborne(history: History, said: str, known: Known, figures: list[float]) -> list[Numeral]:
    """The numbers of a sentence that neither its trials' records nor the figures have."""
    said = _TO_TRY.sub("", said)
    wrong, _ = faults(said, known, [])
    return [
        one
        for one in numerals(said)
        if any(fault.start < one.end and one.start < fault.end for fault in wrong)
        and not one.among(figures)
    ]


def story_of(history: History) -> list[str]:
    """Every sentence of a study's story, as the report tells it."""
    analysis = final_analysis(history)
    return [said for said in sentences(telling(history, analysis), analysis) if said]


def figures_of(history: History) -> list[float]:
    """What can be worked out of the record by hand, without the code that writes sentences."""
    parts = (_runs(history), _failed(history), _foretold(history), _computed(history))
    found = [float(one) for part in parts for one in part]
    # What is nearly certain is written as `over 0.999`.
    return [*found, *(0.999 for one in found if 0.999 < one < 1)]


def _runs(history: History) -> Iterator[float]:
    """Counts, times, and what seeds scatter by."""
    observed = [run.observation for trial in history.trials for run in trial.runs]
    seconds = [one.seconds for one in observed if one is not None]
    yield from (len(history.trials), history.launches, len(seconds), history.seconds, sum(seconds))
    best = history.best()
    for trial in history.done():
        memory = [run.observation.peak_memory_bytes for run in trial.runs if run.observation]
        yield statistics.fmean(m or 0 for m in memory) / 2**20
        yield from _scatter(trial)
        if best is not None and trial is not best:
            yield from _against(best, trial, history)


def _scatter(trial: Trial) -> Iterator[float]:
    """The spread of a trial's seeds, and what it would be without each of them."""
    values = list(trial.values.values())
    for left in ([], *([one] for one in values)):
        rest = [one for one in values if one not in left]
        if len(rest) > 1:
            yield from (statistics.stdev(rest), statistics.fmean(rest), len(rest), len(values))
            yield statistics.fmean(rest) - statistics.stdev(rest)


def _failed(history: History) -> Iterator[float]:
    """Runs that gave nothing, and those that count as failed, with the exact interval of a rate."""
    sign, threshold = history.task.objective.sign, history.task.seeds.failure
    yield from Counter(_outcome(run) for trial in history.trials for run in trial.runs).values()
    ranked = sorted(history.done(), key=lambda trial: -sign * (trial.value or 0.0))
    for group in (history.trials, ranked[:6], *([trial] for trial in history.trials)):
        runs = [run.observation for trial in group for run in trial.latest.values()]
        # What ran out of memory, or was stopped early, says nothing of its seed.
        told = [one for one in runs if one and (one.value is not None or one.cause == "diverged")]
        bad = sum(
            one.value is None or (threshold is not None and sign * (one.value - threshold) < 0)
            for one in told
        )
        low, high = _exact(bad, len(told))
        yield from (bad, len(told), bad / max(len(told), 1), low, high)


def _outcome(run: Run) -> str:
    return run.observation.outcome if run.observation else ""


def _exact(hits: int, total: int) -> tuple[float, float]:
    """The exact 95% interval of a share (Clopper and Pearson)."""
    low = stats.beta.ppf(0.025, hits, total - hits + 1) if hits else 0.0
    high = stats.beta.ppf(0.975, hits + 1, total - hits) if hits < total else 1.0
    return float(low), float(high)


def _against(best: Trial, other: Trial, history: History) -> Iterator[float]:
    """Two trials seed by seed; and the probability that a verdict would give."""
    common = sorted(best.values.keys() & other.values.keys())
    apart = [best.values[seed] - other.values[seed] for seed in common]
    if len(apart) > 2:
        half = stats.sem(apart) * stats.t.ppf(0.975, len(apart) - 1)
        mean = statistics.fmean(apart)
        yield from (mean, mean - half, mean + half, len(apart), sum(one > 0 for one in apart))
    found = compare(best, other, history)
    if found is not None and found.probability is not None:
        yield from (found.probability, found.seeds_needed or 0, history.task.confidence)
    if found is not None and found.error is not None:
        yield float(stats.t.ppf(0.95, found.degrees)) * found.error
    else:
        yield float(stats.norm.ppf(0.95)) * math.sqrt(2) * scatter(best, other)


def _foretold(history: History) -> Iterator[float]:
    """How probable each claim said a gain is; how many results fell into their intervals."""
    for trial in history.trials:
        if trial.proposal.hypothesis is not None:
            yield from map(float, re.findall(r"a gain: (0\.\d+)", trial.proposal.hypothesis.claim))
    held = [
        (trial.proposal.predicted, trial.values.get(0, trial.value))
        for trial in history.done()
        if trial.proposal.predicted
    ]
    if not held:
        return
    inside = sum(bool(p.low <= (value or 0.0) <= p.high) for p, value in held if p)
    total = len(held)
    yield from (inside, total, inside / total, *_exact(inside, total))
    yield from (p.level for p, _ in held if p)
    values = [value or 0.0 for _, value in held]
    yield statistics.median(p.high - p.low for p, _ in held if p)
    yield max(values) - min(values)
    pairs = [(p, value) for (p, _), (_, value) in permutations(held, 2) if p]
    yield sum(p.low <= (value or 0.0) <= p.high for p, value in pairs) / max(len(pairs), 1)


def _computed(history: History) -> Iterator[float]:
    """What code has estimated, as numbers: influences, measures, groups of failures."""
    analysis = final_analysis(history)
    for one in analysis.influences:
        yield from (one.share, one.low, one.high)
    for measure in telling(history, analysis).searched.measures:
        yield from (value for value in measure.values.values() if isinstance(value, int | float))
        for row in measure.table.rows if measure.table else ():
            yield from (cell for cell in row if isinstance(cell, int | float))
    for trial in history.trials:
        texts = [trial.verdict.sentence if trial.verdict else ""]
        texts += [run.diagnosis.sentence for run in trial.runs if run.diagnosis]
        yield from (number.said for text in texts for number in numerals(text))


def held_against(history: History) -> tuple[list[tuple[str, str]], int, int]:
    """What is not borne out; how many numbers there were, and how many planted were missed."""
    known, figures = Known(history), figures_of(history)
    wrong, count, missed = [], 0, 0
    for said in story_of(history):
        wrong += [(one.text, said) for one in unborne(history, said, known, figures)]
        for one in numerals(said):
            if one.unit or "." not in one.text or len(one.text) < 5 or _TO_TRY.search(said):
                continue
            count += 1
            other = f"{one.said * 1.2345:.6g}"
            planted_ = said[: one.start] + other + said[one.end :]
            found = unborne(history, planted_, known, figures)
            missed += not any(number.text == other for number in found)
    return wrong, count, missed


def made(folder: Path, name: str) -> History:
    """A study to tell of."""
    match name:
        case "several seeds":
            return study_history(folder, trials=14, replicates=3)
        case "one seed":
            return study_history(folder, trials=14, direction="minimize")
        case _:
            return planted(folder)


@pytest.mark.parametrize("name", ["several seeds", "one seed", "mean less a deviation"])
def test_every_number_of_a_story_is_in_the_record(tmp_path: Path, name: str) -> None:
    """No sentence has a number of its own; nearly every planted one is found, however it stands."""
    wrong, count, missed = held_against(made(tmp_path, name))
    assert wrong == []
    assert count > 20
    assert missed / count < 0.1, (missed, count)


def test_a_wrong_number_planted_in_the_headline_fails(tmp_path: Path) -> None:
    """A value, a gain and a trial that does not exist: each is found on its own."""
    history = made(tmp_path, "several seeds")
    headline, known, figures = final_analysis(history).headline, Known(history), figures_of(history)
    assert unborne(history, headline, known, figures) == []
    best = history.best()
    assert best is not None
    value, gain = re.findall(r"\d\.\d+", headline)
    for right, wrong in ((value, "0.91234"), (gain, "0.4321")):
        found = unborne(history, headline.replace(right, wrong), known, figures)
        assert [one.text for one in found] == [wrong]
    lost, _ = faults(headline.replace(f"Trial {best.number}", "Trial 77"), known, [])
    assert lost


@pytest.mark.slow
def test_every_number_of_the_demos_story_is_in_its_record(tmp_path: Path) -> None:
    """The demo really run: its report says nothing that its ledger does not."""
    command = (str(Path(sys.executable).with_name("trialwright")), "demo", str(tmp_path / "demo"))
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    wrong, count, missed = held_against(read(tmp_path / "demo" / "runs" / "digits"))
    assert wrong == []
    assert count > 20
    assert missed / count < 0.1, (missed, count)


def headings(page: str) -> list[str]:
    """The parts of a report, from the top."""
    return re.findall(r"^## (.*)$", page, re.MULTILINE)


def test_a_story_is_told_from_the_top(tmp_path: Path) -> None:
    """What was asked comes first, how to reproduce it after what to do next, the record last."""
    history = made(tmp_path, "several seeds")
    assert headings(to_markdown(history, final_analysis(history))) == [
        "What was asked",
        "What was found",
        "Is it real?",
        "What it costs",
        "What mattered",
        "How it was searched",
        "What failed",
        "What to do next",
        "How to reproduce it",
        "Every trial",
    ]


def test_parameters_are_told_with_meaning_range_and_default(tmp_path: Path) -> None:
    """A stranger reads what each knob is, what it may be, and when it applies."""
    history = made(tmp_path, "several seeds")
    knobs = {one.name: one for one in telling(history, final_analysis(history)).asked.knobs}
    parameters: dict[str, Parameter] = {one.name: one for one in network_task().space.parameters}
    assert knobs.keys() == parameters.keys()
    rate = knobs["learning_rate"]
    assert (rate.allowed, rate.default) == ("a number from 0.0001 to 1, log scale", "0.001")
    assert knobs["momentum"].allowed.endswith(", when optimizer == 'sgd'")


def test_each_answer_names_the_number_that_it_is_about(tmp_path: Path) -> None:
    """Beyond noise in one number and not in the other is no contradiction: both are named."""
    history = made(tmp_path, "mean less a deviation")
    told = telling(history, final_analysis(history))
    names = [name for name, _ in told.certain]
    assert "Gain over the first, in mean wiring_r2 - 1 sd" in names
    assert "Gain over the first, in the mean of wiring_r2" in names
    assert "Two numbers" in names
    plain = made(tmp_path / "plain", "several seeds")
    names = [name for name, _ in telling(plain, final_analysis(plain)).certain]
    assert "Gain over the first, in val_accuracy" in names
    assert "Two numbers" not in names


def test_the_way_to_the_same_result_is_exact(tmp_path: Path) -> None:
    """Commands, the very command of the best trial, and each seed with its number."""
    history = made(tmp_path, "several seeds")
    best = history.best()
    assert best is not None
    told = telling(history, final_analysis(history)).again
    assert f"trialwright rerun {best.number}" in [step.command for step in told.steps]
    assert told.direct is not None
    assert told.direct.command == "python train.py"
    assert told.steps[-1].command == "trialwright run --folder again --seed 0"
    assert "study's seed (0)" in told.steps[-1].does
    assert "numpy==2.1.0" in told.places[0].packages


def test_a_function_of_a_program_has_no_command_to_rerun(tmp_path: Path) -> None:
    """Only the program that made a study has its function: no command is named that would fail."""
    task = Task(
        name="parabola",
        objective=Objective(metric="y"),
        space=Space((Float("x", -1, 1),)),
        function=lambda configuration, seed: -(float(configuration["x"]) ** 2),
        budget=Budget(trials=3),
        team=("random",),
    )
    history = Study(task, tmp_path).run()
    commands = [step.command for step in telling(history, final_analysis(history)).again.steps]
    assert commands == ["trialwright best --as yaml"]
