"""The suite from end to end: on real tasks, killed, resumed, and read again from what it stored."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from benchmarks.contenders import METHODS, given_default, trace
from benchmarks.measured import BLIND, FAIR, GIVEN
from benchmarks.ours import LACKING
from benchmarks.suite import QUICK_METHODS, QUICK_TASKS
from benchmarks.tasks import evaluation
from benchmarks.tasks.evaluation import NAMES, needs_of, task_of

ROOT = Path(__file__).resolve().parents[2]
PLAYED = ("expert-blind", "random", "tpe+default")


def command(folder: Path, *extra: str) -> list[str]:
    """A tiny suite."""
    return [
        sys.executable, str(ROOT / "benchmarks" / "suite.py"), "--tasks", "iris,wine",
        "--methods", ",".join(PLAYED), "--first-seed", "100", "--seeds", "2", "--trials", "4",
        "--workers", "1", "--cache", str(folder / "cache"), *extra,
    ]  # fmt: skip


def stored(folder: Path) -> set[Path]:
    """Trajectories that are complete."""
    return set((folder / "cache" / "traces").rglob("*.json"))


def run(folder: Path, out: str) -> dict[str, object]:
    """Run it to its end; return the last line."""
    ended = subprocess.run(
        command(folder, "--out", str(folder / out)),
        check=False, capture_output=True, text=True, timeout=170,
    )  # fmt: skip
    assert ended.returncode in (0, 1), ended.stderr[-2000:]
    summary: dict[str, object] = json.loads(ended.stdout.splitlines()[-1])
    return summary


@pytest.mark.slow
def test_a_killed_suite_goes_on_and_a_second_one_trains_nothing(tmp_path: Path) -> None:
    """What was played before a kill is kept as it is; the last run needs the trajectories alone."""
    with subprocess.Popen(
        command(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as first:  # fmt: skip
        until = time.monotonic() + 120
        while not stored(tmp_path) and time.monotonic() < until and first.poll() is None:
            time.sleep(0.02)
        first.send_signal(signal.SIGKILL)
    before = {path: path.read_bytes() for path in stored(tmp_path)}
    assert before
    told = run(tmp_path, "one")
    assert all(path.read_bytes() == content for path, content in before.items())
    assert len(stored(tmp_path)) == 2 * 2 * len(PLAYED)
    for name in ("iris", "wine"):
        trained = tmp_path / "cache" / name
        trained.rename(tmp_path / f"away-{name}")
    assert run(tmp_path, "two") == told
    assert not (tmp_path / "cache" / "iris").exists()
    for file in ("trials.csv", "regret.csv", "ranks.csv", "summary.json", "page.md", "regret.svg"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    assert set(told["regret"]) == set(PLAYED)
    assert set(told["regret"][BLIND]) == {"1", "3", "4"}
    assert set(told["wilcoxon_p"]) == {"random", "tpe+default"}
    with (tmp_path / "one" / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * 4 * len(PLAYED)


def test_every_peer_has_both_arms_and_every_ablation_is_there() -> None:
    """A default is given to exactly those that say so; ablations go without."""
    for name in FAIR:
        assert not given_default(name)
        assert given_default(f"{name}+default")
    assert given_default(GIVEN)
    assert not given_default(BLIND)
    assert {f"{BLIND}-no-{lacking}" for lacking in LACKING} <= set(METHODS)
    assert not any(given_default(method) for method in METHODS if method.startswith(BLIND))


def test_the_quick_suite_needs_nothing_that_may_be_missing() -> None:
    """Its tasks need neither data nor a library beyond the package's own."""
    assert set(QUICK_TASKS) <= set(NAMES)
    assert not any(needs_of(task) for task in QUICK_TASKS)
    assert set(QUICK_METHODS) <= set(METHODS)


@pytest.mark.parametrize("method", ["random", "expert", "expert-blind-no-history"])
def test_a_method_plays_legal_trials_from_the_default_if_it_is_given_one(
    method: str, tmp_path: Path
) -> None:
    """On a task with conditions, inactive parameters are absent, and a trajectory is kept."""
    task = task_of("digits_svm")
    steps = trace("digits_svm", method, 100, 3, cache=tmp_path)
    assert len(steps) == 3
    assert all(not task.space.check(step.configuration) for step in steps)
    default = evaluation.default_of("digits_svm")
    assert (dict(steps[0].configuration) == default) == given_default(method)
    (kept,) = (tmp_path / "traces" / "digits_svm").iterdir()
    assert trace("digits_svm", method, 100, 3, cache=tmp_path) == steps
    kept.write_text("[]")
    assert trace("digits_svm", method, 100, 3, cache=tmp_path) == []


def test_each_ablation_changes_what_the_expert_tries(tmp_path: Path) -> None:
    """Without knowledge, history or a surrogate the trials differ from the expert's own."""
    whole = trace("wine", BLIND, 100, 4, cache=tmp_path)
    for lacking in ("knowledge", "history", "surrogate"):
        steps = trace("wine", f"{BLIND}-no-{lacking}", 100, 4, cache=tmp_path)
        assert [s.configuration for s in steps] != [s.configuration for s in whole], lacking
