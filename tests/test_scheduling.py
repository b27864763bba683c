"""What runs when: runs that need more than is free wait, cheap ones go first. Real processes."""

from __future__ import annotations

import sys
from pathlib import Path

from trialwright.history import History
from trialwright.space import Choice, Int, Space
from trialwright.study import Study
from trialwright.task import Budget, Limits, MetricRoute, Objective, RunnerPlan, Schedule, Task

SPACE = Space((Choice("model", ("small", "large")), Int("epochs", 1, 9)))

BESIDE = """
import pathlib, sys, time
model, mine = sys.argv[1], pathlib.Path("alive") / "-".join(sys.argv[1:])
mine.touch()
others = [path.name for path in mine.parent.iterdir() if path != mine]
try:
    assert not others if model == "large" else not any("large" in name for name in others), others
    time.sleep(0.2)
    print("y=1")
finally:
    mine.unlink()
"""


def study(folder: Path, script: str, **changes: object) -> History:
    """Run a study of `script` over `SPACE`."""
    (folder / "train.py").write_text(script)
    given = {
        "name": "t",
        "objective": Objective(metric="y"),
        "space": SPACE,
        "command": (sys.executable, "train.py", "{model}", "{epochs}"),
        "folder": str(folder),
        "metrics": MetricRoute(patterns=(r"^y=(?P<y>\S+)",)),
        "team": ("random",),
        "limits": Limits(grace_s=0.3),
    }
    return Study(Task(**{**given, **changes}), folder / "runs").run()  # type: ignore[arg-type]


def test_a_run_waits_until_what_it_takes_is_free(tmp_path: Path) -> None:
    """Whoever takes all cores runs beside nobody, and is not passed over by small ones."""
    (tmp_path / "alive").mkdir()
    models = ("small", "small", "large", "small", "large", "large", "small", "small")
    starts = tuple({"model": model, "epochs": 1 + i} for i, model in enumerate(models))
    history = study(
        tmp_path,
        BESIDE,
        start=starts,
        budget=Budget(trials=len(starts)),
        runner=RunnerPlan(workers=3, cpus="1000 if model == 'large' else 0.01"),
    )
    details = [trial.run.observation.detail for trial in history.trials]
    assert details == [""] * len(models)
    launched = [run.launched_at for trial in history.trials for run in trial.runs]
    assert launched == sorted(launched)


def test_cheap_cells_of_a_grid_go_first(tmp_path: Path) -> None:
    """By the study file's own cost, whatever the order of the grid."""
    history = study(
        tmp_path,
        "print('y=1')\n",
        grid={"model": ("large", "small"), "epochs": (9, 1, 5)},
        budget=Budget(trials=6),
        runner=RunnerPlan(workers=1),
        schedule=Schedule(first="cheap", cost="epochs * (10 if model == 'large' else 1)"),
    )
    cells = [(t.configuration["model"], t.configuration["epochs"]) for t in history.trials]
    assert cells == [
        ("small", 1),
        ("small", 5),
        ("small", 9),
        ("large", 1),
        ("large", 5),
        ("large", 9),
    ]
