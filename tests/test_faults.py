"""Studies that are broken in every way that we know: the short form of `benchmarks/faults.py`.

Beside it, what a full disk may not take from a run, looked at on its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.breaking.machine import Skipped, disk, fill
from benchmarks.breaking.plan import KINDS, planned
from benchmarks.faults import TARGETS, play, totals

from tests.execute.orders import Heard, script
from tests.thoroughness import repeats
from trialwright.execute.local import LocalRunner
from trialwright.execute.underway import recorded
from trialwright.task import RunnerPlan

NAUGHTY = tuple(name for name in KINDS if "run-" in name)

GROUPS: dict[str, tuple[tuple[str, ...], int, int]] = {
    "killed": (("coordinator", "guard", "coordinator+guard", "run"), 30, 100),
    "naughty": (NAUGHTY, 14, 50),
    "disk": (("disk-full",), 6, 24),
    "clock": (("clock-jump",), 2, 3),
    "server": (("postgres-restart",), 4, 10),
    "model": (("endpoint-down", "endpoint-slow", "endpoint-garbage"), 3, 12),
    "ray": (("ray-node",), 1, 1),
}
"""Kinds of each test, and its rounds, quick and thorough: 60 or 200 in all."""

HELD = """
import os, time
for step in range(3):
    print('@trialwright {"step": %d, "y": %d}' % (step, step), flush=True)
while not os.path.exists("../go"):
    time.sleep(0.01)
"""


def test_every_fault_has_its_round() -> None:
    """The groups hold each kind once, and 60 rounds or 200; each kind gets its turn in either."""
    named = [kind for kinds, _, _ in GROUPS.values() for kind in kinds]
    assert sorted(named) == sorted(KINDS)
    for form, rounds in ((1, 60), (2, 200)):
        plans = [planned(group[form], seed=1, only=group[0]) for group in GROUPS.values()]
        assert sum(map(len, plans)) == rounds
        assert {one.kind for plan in plans for one in plan} == set(KINDS)


def test_rounds_are_shared_out() -> None:
    """The number of rounds is what was asked for, the same each time; every kind has its least."""
    kinds = [one.kind for one in planned(2000, seed=3)]
    assert len(kinds) == 2000
    assert min(kinds.count(name) for name in KINDS) == 10
    assert kinds == [one.kind for one in planned(2000, seed=3)]
    assert kinds != [one.kind for one in planned(2000, seed=4)]
    assert len(planned(7, seed=0)) == 7


def _marks(group: str) -> list[pytest.MarkDecorator]:
    """Tests with clusters go one after the other, and Ray's own warnings are Ray's."""
    if group != "ray":
        return [pytest.mark.xdist_group(f"fault-{group}")]
    return [pytest.mark.xdist_group("ray"), pytest.mark.filterwarnings("ignore")]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("group", [pytest.param(name, marks=_marks(name)) for name in GROUPS])
def test_nothing_is_lost_or_done_twice(group: str, tmp_path: Path) -> None:
    """Whatever is broken at whatever moment: each run ends once, nothing is left or torn."""
    kinds, *forms = GROUPS[group]
    rounds = repeats(*forms)
    table = play(planned(rounds, seed=1, only=kinds), tmp_path)
    assert [row.counts.notes for row in table.values() if row.counts.notes] == []
    found = totals(table)
    assert {name: found[name] for name in TARGETS} == TARGETS
    assert found["rounds"] + found["skipped"] == rounds
    if not found["rounds"]:
        pytest.skip("; ".join(row.why for row in table.values()))


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own, which can be filled."""
    try:
        with disk(tmp_path / "disk") as folder:
            yield folder
    except Skipped as reason:
        pytest.skip(str(reason))


def test_how_a_run_ended_is_written_on_a_full_disk(small: Path, tmp_path: Path) -> None:
    """Its result is that of a run that ended well, now and for whoever recovers it later."""
    order = script(small, HELD)
    with LocalRunner(RunnerPlan(workers=1)) as runner:
        heard = Heard()
        runner.start(order, heard)
        for _ in range(3):
            heard.report()
        fill(small, spare=0)
        (tmp_path / "go").touch()
        observation = heard.observation()
        assert (observation.outcome, observation.value) == ("done", 2.0)
        written = recorded(order.folder)
        assert written is not None
        assert (written.status, written.why) == (0, None)
        found = runner.recover(order)
        assert found is not None
        assert (found.outcome, found.value) == ("done", 2.0)
