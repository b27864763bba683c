"""The views for a terminal: legible at 80 columns without colour, at every stage, inert."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from tests.histories import DEFAULTS, Recorder, network_task, study_history
from tests.report.test_final import changed_code
from tests.report.test_write import hostile, stages
from trialwright.history import History
from trialwright.records import Observation, Proposal
from trialwright.report.final import final_analysis
from trialwright.report.terminal import ADVICE, best_view, overview, summary, trial_view


def shown(view: RenderableType, *, width: int = 80) -> str:
    """What a terminal without colour shows."""
    console = Console(width=width, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(view)
    return capture.get()


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    """A finished study of 30 trials with replicates."""
    return study_history(tmp_path_factory.mktemp("study"), trials=30, replicates=3)


def test_overview_tells_how_it_stands(history: History) -> None:
    """The overview has the goal, the budget used, the best with its reason, and verdicts."""
    said = shown(overview(history))
    best = history.best()
    assert best is not None
    assert "maximize val_accuracy" in said
    assert "30 of 30 trials, 36 runs" in said
    assert f"(trial {best.number}, " in said
    assert "“" in said
    assert "discarded" in said


def test_trial_view_tells_all_about_a_trial(history: History, tmp_path: Path) -> None:
    """A trial's view has its changes, hypothesis, prediction, seeds, curve, diagnosis and logs."""
    best = history.best()
    assert best is not None
    said = shown(trial_view(history, best.number, folder=Path("runs/digits")), width=120)
    assert f"trial {best.proposal.parent}" in said
    assert "not yet explored around the best" in said
    assert "hypothesis" in said
    assert "predicted" in said
    assert [f"Seed {seed} (the script got 100{seed})" in said for seed in range(4)] == [True] * 4
    assert "█" in said
    assert "diagnosis" in said
    assert f"runs/digits/trials/{best.number:04d}-0.0/stdout.log" in said


def test_trial_view_of_a_failure_shows_the_log(history: History) -> None:
    """A failed trial's view has the cause, the remedy and the end of the log."""
    failed = next(trial for trial in history.trials if trial.state == "failed")
    said = shown(trial_view(history, failed.number))
    seen = failed.runs[0].observation
    assert seen is not None
    assert seen.log_tail.splitlines()[-1] in said
    assert "failure" in said


def test_unknown_trial_is_named_with_those_there(history: History) -> None:
    """A trial that is not there is an error that says which are."""
    with pytest.raises(KeyError, match="0 to 29"):
        trial_view(history, 30)


def test_summary_ends_with_what_next(history: History) -> None:
    """The end of a run shows the best configuration, the evidence, failures and what to do."""
    said = shown(summary(history))
    assert "gain" in said
    assert "What failed" in said
    assert "What to do next" in said
    assert "learning_rate" in said


@pytest.mark.parametrize(("trials", "said"), [(6, False), (7, True)])
def test_what_is_left_out_is_said(tmp_path: Path, trials: int, said: bool) -> None:
    """The overview says that it lists the latest trials, and of how many."""
    history = study_history(tmp_path, trials=trials)
    assert (f"the latest 6 of {trials} trials" in shown(overview(history))) is said


def test_advice_that_is_left_out_is_counted(tmp_path: Path) -> None:
    """The end of a run has the most pressing advice, and says how much more the report has."""
    history = study_history(tmp_path, trials=30)
    given = len(final_analysis(history).advice)
    assert given > ADVICE
    assert f"The report has {given - ADVICE} more." in shown(summary(history))


@pytest.mark.parametrize("view", [overview, summary, best_view])
def test_nothing_is_wider_than_the_terminal(history: History, view) -> None:
    """At 80 columns no line is longer."""
    assert max(len(line) for line in shown(view(history)).splitlines()) <= 80


@pytest.mark.parametrize(
    "stage", ["opened", "queued", "running", "all failed", "one trial", "mid-run"]
)
def test_views_at_every_stage(tmp_path: Path, stage: str) -> None:
    """Each view has something to say from the first record on."""
    history = stages(tmp_path, stage)
    for view in (overview, summary, best_view):
        assert shown(view(history)).strip()
    for trial in history.trials:
        assert f"Trial {trial.number}" in shown(trial_view(history, trial.number))


def test_hostile_text_is_shown_and_inert(tmp_path: Path) -> None:
    """Markup in a rationale is shown as it is; escape sequences and direction marks are gone."""
    history = hostile(tmp_path)
    for view in (overview(history), summary(history), trial_view(history, 2)):
        said = shown(view)
        assert "\x1b" not in said
        assert "\u202e" not in said
        assert "</script>" in said


@pytest.mark.parametrize("stopped", [True, False])
def test_what_was_cut_off_is_interrupted(tmp_path: Path, *, stopped: bool) -> None:
    """Cancelled by a second Ctrl-C or killed with its study, a run is to be run again, not on."""
    recorder = Recorder(tmp_path, network_task())
    for hidden in (32, 64):
        proposal = Proposal(configuration={**DEFAULTS, "hidden": hidden}, by="expert")
        key = recorder.launch(recorder.admit(proposal))
        if stopped:
            recorder.observe(Observation(run=key, outcome="cancelled"))
    recorder.admit(Proposal(configuration={**DEFAULTS, "hidden": 128}, by="expert"))
    history = recorder.close(sentence="stopped on request" if stopped else None)
    said = shown(overview(history, going=False))
    assert "interrupted  trials 0 and 1: to be run again on resume" in said
    assert "waiting      trial 2" in said
    assert "running" not in said
    assert "cancelled" not in said + shown(trial_view(history, 0))
    assert said.count("interrupted") == 3


def test_while_a_process_runs_the_study_its_runs_are_running(tmp_path: Path) -> None:
    """What has not ended goes on, as long as someone is there to see it end."""
    history = stages(tmp_path, "mid-run")
    assert "running     trial 1" in shown(overview(history, going=True))
    assert "running" not in shown(overview(history, going=False))


@pytest.mark.parametrize("view", [overview, summary])
def test_a_change_of_the_code_is_told_before_any_number(tmp_path: Path, view) -> None:
    """Which results count comes first, whatever other warnings there are."""
    said = " ".join(shown(view(changed_code(tmp_path, results=2)), width=200).split())
    warning = "warning: the code has changed: 2 results of its newest version"
    assert -1 < said.find(warning) < said.find("val_accuracy = 0.3")
