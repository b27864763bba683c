"""Seeds in words: what a reader is told of promotions and of fresh seeds, in every view."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from trialwright.app.documents import study_document
from trialwright.execute.simulate import SimulatedRunner
from trialwright.expression import Scalar
from trialwright.history import History
from trialwright.report import seeds, terminal
from trialwright.report.final import final_analysis
from trialwright.report.html import to_html
from trialwright.report.markdown import to_markdown
from trialwright.robust import Robust
from trialwright.space import Float, Space
from trialwright.study import Study
from trialwright.task import Budget, Objective, Seeds, Task


def noisy(configuration: Mapping[str, Scalar], seed: int) -> float:
    """Better the larger x; noise of 0.1; half of the seeds fail at x = 1."""
    x = float(configuration["x"])  # type: ignore[arg-type]
    rng = np.random.default_rng([seed, int(1e6 * x)])
    return x + 0.1 * float(rng.normal())


def told(folder: Path, **changes: object) -> History:
    """A study of two trials, the second far better, with fresh seeds."""
    settings: dict[str, object] = {"screen": 2, "confirm": 4, "fresh": 6, "failure": 0.3}
    task = Task(
        name="t",
        objective=Objective(metric="r2"),
        space=Space((Float("x", 0, 1),)),
        budget=Budget(trials=2),
        start=({"x": 0.2}, {"x": 0.8}),
        team=("random",),
        seeds=Seeds(**{**settings, **changes}),  # type: ignore[arg-type]
        command=("true",),
    )
    with SimulatedRunner(noisy, slots=2) as runner:
        return Study(task, folder, runner=runner).run()


def shown(history: History, view: str) -> str:
    """What a view says, as text."""
    if view == "markdown":
        return to_markdown(history, final_analysis(history))
    if view == "html":
        return to_html(history, final_analysis(history))
    console = Console(width=300, color_system=None, record=True, file=StringIO())
    console.print(getattr(terminal, view)(history))
    return console.export_text()


@pytest.mark.parametrize("view", ["summary", "best_view", "markdown", "html"])
def test_the_winner_is_announced_with_its_fresh_seeds_everywhere(tmp_path: Path, view: str) -> None:
    """Shrinkage, gain with interval, failures with the exact one, clean seeds still needed."""
    said = shown(told(tmp_path), view)
    for part in (
        "6 fresh seeds, which no selection saw, trial 1 has r2 =",
        "seeds that selected it: it looked",
        "95% interval of the gain",
        ": confirmed.",
        "0 of 6 fresh seeds of trial 1 failed",
        "exact 95% interval 0% to 46%",
        "7 more clean seeds of trial 1 would rule out that 25% of seeds fail.",
    ):
        assert part in said.replace("\\", ""), part


def test_the_overview_says_what_seeds_are_for_and_who_got_more(tmp_path: Path) -> None:
    """The policy in words, and the last promotion with its reason."""
    history = told(tmp_path)
    said = shown(history, "overview")
    assert "2 seeds each, contenders 4, 6 fresh ones for the winner" in said
    assert "gets 6 fresh seeds" in said
    assert all(line.startswith("trial 1 gets") for line in seeds.granted(history, 1))
    one = Console(width=200, color_system=None, record=True, file=StringIO())
    one.print(terminal.trial_view(history, 1))
    assert "Fresh seed 5 (the script got" in one.export_text()


def test_the_document_holds_the_validation_in_numbers(tmp_path: Path) -> None:
    """What `status --json` says agrees with the sentences."""
    document = study_document(told(tmp_path), tmp_path, running=False)
    found = document["validation"]
    assert isinstance(found, dict)
    assert found["confirmed"] is True
    winner = found["winner"]
    assert isinstance(winner, dict)
    assert (winner["trial"], winner["total"], winner["failures"]) == (1, 6, 0)


def test_what_a_trial_is_worth_is_named_for_what_it_is(tmp_path: Path) -> None:
    """Judged by the worst seed, no view calls the number the metric itself."""
    history = told(tmp_path, objective=Robust(kind="worst"))
    best = history.best()
    assert best is not None
    assert best.value == min(best.values.values())
    for view in ("overview", "summary", "markdown", "html"):
        assert "worst r2 = " in shown(history, view)


def test_without_fresh_seeds_nothing_is_announced(tmp_path: Path) -> None:
    """A study that asks for none says nothing of them, nor of seeds where each trial has one."""
    history = told(tmp_path, fresh=0, confirm=None, screen=1)
    assert seeds.announced(history) == ()
    assert seeds.policy(history.task) == ""
