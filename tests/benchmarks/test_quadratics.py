"""The benchmark of the two quadratics: its figures, its picture, and what stands in its way."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from benchmarks.quadratics import DRAWN, TASKS, Plan, best, figures, table

from benchmarks import quadratics

SCRIPT = Path(quadratics.__file__)
PLAN = Plan(methods=DRAWN, seeds=2, trials=4, workers=1)


def searches(*, ours: float) -> quadratics.Searches:
    """Two seeds of four trials each; ours ends at a value of its own."""
    ends = dict.fromkeys(DRAWN, 2.0) | {"expert-blind": ours}
    return {
        (task, method): [
            [
                ({"x": 0.0, "y": 0.0}, 8.0 + seed),
                ({"x": 1.0, "y": 1.0}, 4.0),
                ({"x": 2.0, "y": 2.0}, None),
                ({"x": 1.5, "y": 2.0}, ends[method]),
            ]
            for seed in range(2)
        ]
        for task in TASKS
        for method in DRAWN
    }


def test_the_best_so_far_is_the_mean_over_seeds_of_the_lowest_value() -> None:
    """By hand: 8 and 9 at first, 4 after three trials, one of which failed, then the end."""
    found = searches(ours=1.0)
    assert best(found[TASKS[0], "random"][0], 3) == 4.0
    shown = figures(PLAN, found, Path("quadratics.svg"))
    for task in TASKS:
        assert shown["value"][task]["random"] == {"1": 8.5, "3": 4.0, "4": 2.0}
        assert shown["value"][task]["expert-blind"]["4"] == 1.0
    assert "8.5000 ±" in table(PLAN, found)


@pytest.mark.parametrize(("ours", "ok"), [(1.9, True), (2.0, False)])
def test_it_is_ok_only_if_ours_ends_below_random(ours: float, *, ok: bool) -> None:
    """A tie is no lead."""
    assert figures(PLAN, searches(ours=ours), Path("quadratics.svg"))["ok"] is ok


def test_the_picture_has_a_panel_for_each_search_and_is_the_same_each_time(tmp_path: Path) -> None:
    """Three methods on two functions, as SVG without a date; every trial is a point."""
    pytest.importorskip("matplotlib")
    paths = [tmp_path / name / "q.svg" for name in ("first", "again")]
    for path in paths:
        quadratics.draw(PLAN, searches(ours=1.0), path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    groups = [element.get("id", "") for element in ET.parse(paths[0]).iter()]
    assert sum(name.startswith("axes_") for name in groups) == len(DRAWN) * len(TASKS)


def test_the_optimum_lies_where_the_value_is_0() -> None:
    """The star of the picture is where the task's script says."""
    assert [quadratics.optimum(task) for task in TASKS] == [(2.0, 3.0), (3.0, 5.0)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--methods", "luck"], "there is no method 'luck'"), (["--trials", "0"], "at least one")],
)
def test_what_can_not_be_run_is_said_at_once(arguments: list[str], said: str) -> None:
    """A wrong name ends with status 2, one clear line, and a JSON line that is not ok."""
    ended = subprocess.run(
        [sys.executable, SCRIPT, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 2
    assert said in ended.stderr
    assert json.loads(ended.stdout.splitlines()[-1])["ok"] is False
