"""The benchmark of research: its figures add up, runs are done once, its two studies match."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks import research
from trialwright.code.literals import literals, set_literals, tunable

needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="PyTorch is not installed")


def findings(**changes: object) -> research.Findings:
    """What a good run of the benchmark finds, with some of it changed."""
    plain: dict[str, object] = {
        "first": 1.08,
        "best_of_random": 1.05,
        "random": 20,
        "start": (1.08, 1.09, 1.10),
        "research": (1.01, 1.03, 1.02),
        "constants": (1.05, 1.06, 1.07),
        "rerun": ((1.02, 1.01), (1.015, 1.02)),
        "repeated": True,
        "kept": 3,
        "trials": (40, 50),
    }
    return research.Findings(**{**plain, **changes})  # type: ignore[arg-type]  # parts as it has them


def test_a_gain_is_the_paired_one_of_the_textbook() -> None:
    """Differences 0.07, 0.06, 0.08: mean 0.07, interval 4.303 * 0.01 / sqrt(3) to each side."""
    gain = findings().gain
    assert gain.mean == pytest.approx(0.07)
    assert gain.high - gain.mean == pytest.approx(4.3027 * 0.01 / 3**0.5, rel=1e-4)
    assert gain.interval == [round(gain.low, 5), round(gain.high, 5)]


def test_every_target_can_be_missed() -> None:
    """A start that random search beats, no gain, none over the constants, another outcome."""
    assert findings().ok
    assert not findings(first=1.16).ok
    assert not findings(start=(1.0, 1.09, 1.02)).ok
    assert not findings(constants=(1.0, 1.09, 1.02)).ok
    assert not findings(repeated=False).ok


def test_the_same_within_noise_is_less_than_twice_the_error_of_a_difference() -> None:
    """Four seeds with a deviation of 0.01: the error is 0.0071."""
    ours = [1.0, 1.01, 1.02, 1.03]
    assert research.within_noise(ours, [x + 0.013 for x in ours], deviation=0.01)
    assert not research.within_noise(ours, [x + 0.015 for x in ours], deviation=0.01)
    assert not research.within_noise(ours, [x - 0.015 for x in ours], deviation=0.01)


def test_both_studies_tune_the_same_constants_over_the_same_domains(tmp_path: Path) -> None:
    """So that nothing but the changes of structure tells them apart."""
    folder = research.repository(tmp_path)
    plan = research.Plan(hours=1.0, trials=None, random=20, fresh=8, cpu_seconds=20.0)
    whole, part = research.research_task(folder, plan), research.constants_task(folder, plan)
    source = (folder / "train.py").read_text()
    found = tunable(literals(source, "train.py", family=whole.model))
    theirs = {one.name: one.domain.allowed for one in found if one.domain}
    assert {f"train.py:{p.name}": p.allowed for p in part.space.parameters} == theirs
    assert part.space.defaults == {
        literal.name.partition(":")[2]: literal.value for literal in found
    }
    # What the command sets is what the editor would write.
    assert set_literals(source, {"train.py:HIDDEN": 64}) != source
    assert "HIDDEN={HIDDEN}" in part.command
    assert (whole.team, part.team) == (("editor",), ("expert",))
    assert whole.budget == part.budget
    assert whole.seeds == part.seeds
    assert whole.research is not None
    assert part.research is None


@needs_torch
def test_runs_are_done_once_and_constants_reach_the_script(tmp_path: Path) -> None:
    """What is recorded is not run again: the second time there is no script left to run."""
    folder = research.repository(tmp_path)
    record = tmp_path / "runs.jsonl"
    runs = research.Runs(record, cpu_seconds=0.3)
    tiny = {"HIDDEN": 64, "LEARNING_RATE": 1e-5}
    plain = runs.one(folder, 1, name="start", constants={})
    other = runs.one(folder, 1, name="start", constants=tiny)
    assert other.validation > plain.validation
    shutil.rmtree(folder)
    again = research.Runs(record, cpu_seconds=0.3)
    assert again.one(folder, 1, name="start", constants={}) == plain
    assert again.one(folder, 1, name="start", constants=tiny) == other
    with pytest.raises(FileNotFoundError):
        again.one(folder, 2, name="start", constants={})
