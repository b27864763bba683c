"""The circuit's benchmark: its figures add up, fresh seeds are run once, its quick form works."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from benchmarks import circuit

needs_torch = pytest.mark.skipif(
    find_spec("torch") is None, reason="PyTorch is not installed: `make torch` adds it"
)


def seeds(*values: float | None) -> circuit.Seeds:
    """What a configuration did, with voltages that are always explained."""
    return circuit.Seeds(values=values, voltages=(0.97,) * len(values), threshold=0.6)


def test_the_figures_of_a_configuration_can_be_checked_by_hand() -> None:
    """Mean, spread, variation, failed and trapped seeds; a run without a value counts as 0."""
    found = seeds(0.9, 0.7, 0.5, None)
    assert found.mean == pytest.approx(0.525)
    assert found.sd == pytest.approx(0.38622, abs=1e-5)
    assert found.cv == pytest.approx(0.73566, abs=1e-5)
    assert (found.failed, found.trapped) == (2, 2)
    assert "failed  2 of 4 [7%, 93%]" in found.row("found")


def test_fishers_test_is_that_of_the_tea() -> None:
    """Three of four against one of four is the lady tasting tea: p = 0.486."""
    tea = circuit.Regime("050", seeds(0.1, 0.1, 0.1, 0.9), seeds(0.9, 0.9, 0.9, 0.1), 1.0)
    assert tea.p == pytest.approx(0.4857, abs=1e-4)
    assert not tea.ok


def test_a_regime_is_ok_if_steadier_better_and_in_time() -> None:
    """A third of the variation is asked for, at no smaller mean, within the hour."""
    wild = seeds(*[0.1, 0.9] * 6)
    steady = seeds(*[0.90, 0.92] * 6)
    assert circuit.Regime("000", wild, steady, 60.0).ok
    assert not circuit.Regime("000", wild, steady, 3700.0).ok
    assert not circuit.Regime("000", steady, wild, 60.0).ok
    assert not circuit.Regime("000", wild, seeds(*[0.10, 0.11] * 6), 60.0).ok


def test_choices_go_into_the_settings(tmp_path: Path) -> None:
    """A configuration's dotted names replace what the script would take, and nothing else."""
    base = circuit.EXAMPLE / "base.yaml"
    settings = circuit.merged(base, {"model.embedding": 7})
    assert settings["model"]["embedding"] == 7
    settings["model"]["embedding"] = 2
    assert settings == yaml.safe_load(base.read_text())


@needs_torch
def test_fresh_seeds_are_trained_once(tmp_path: Path) -> None:
    """What is recorded is not run again: the second time there is no script left to run."""
    example = circuit.tiny(tmp_path)
    record = tmp_path / "fresh.jsonl"
    first = circuit.Fresh(example, record, sigma=0.5, threshold=0.6)
    found = first.seeds({"train.loops": 1}, 1, study=0)
    assert found.values[0] is not None
    shutil.rmtree(example)
    again = circuit.Fresh(example, record, sigma=0.5, threshold=0.6)
    assert again.seeds({"train.loops": 1}, 1, study=0) == found


@needs_torch
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_quick_form_prints_a_table_and_its_figures() -> None:
    """The quick form searches, trains on fresh seeds, and ends with one JSON object."""
    answer = subprocess.run(
        [sys.executable, circuit.__file__, "--quick"],
        capture_output=True,
        text=True,
        timeout=570,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert "Fisher's exact p" in answer.stdout
    assert "published:" in answer.stdout
    figures = json.loads(answer.stdout.splitlines()[-1])
    assert figures["ok"] is True
    assert {"cv_ratio_050", "p_050", "failed_050", "targets"} <= set(figures)
