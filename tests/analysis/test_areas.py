"""What each proposer moves: shares, focus, and how far apart, with what chance would bring."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.histories import DEFAULTS, NETWORK, Recorder, network_task
from trialwright.analysis.areas import focus, specialisations
from trialwright.analysis.information import divergence
from trialwright.history import History
from trialwright.records import Proposal


def studied(folder: Path, *moves: tuple[str, str]) -> History:
    """A study in which (who, which parameter) were moved, each to a value of its own."""
    recorder = Recorder(folder, replace(network_task(), team=("expert", "random")))
    for number, (by, name) in enumerate(moves):
        parameter = NETWORK[name]
        values = {**DEFAULTS, name: parameter.from_unit((number + 0.5) / (len(moves) + 1))}
        recorder.admit(Proposal(configuration=NETWORK.canonical(values), by=by))
    return recorder.history


def test_who_moves_one_thing_each_is_focused_and_apart(tmp_path: Path) -> None:
    """Nothing in common: 1 bit apart, and hardly ever so by chance."""
    moves = [("a", "hidden"), ("b", "dropout")] * 8
    found = specialisations(studied(tmp_path, *moves))
    assert found["a"].moved == {"hidden": 1.0}
    assert found["a"].observed == ("hidden",)
    assert found["a"].focus == 1.0
    assert found["a"].apart == found["b"].apart == 1.0
    assert found["a"].p is not None
    assert found["a"].p < 0.01


def test_who_moves_the_same_is_not_apart(tmp_path: Path) -> None:
    """The same moves: nothing apart, and chance brings as much always."""
    moves = [(by, name) for name in ("hidden", "dropout") * 4 for by in ("a", "b")]
    found = specialisations(studied(tmp_path, *moves))
    assert found["a"].apart == 0.0
    assert found["a"].p == 1.0
    assert found["a"].focus is not None
    assert 0 < found["a"].focus < 1


def test_little_is_not_called_special(tmp_path: Path) -> None:
    """Of two trials nothing is said; of three against three, nothing surer than chance allows."""
    two = specialisations(studied(tmp_path / "2", *[("a", "hidden"), ("b", "dropout")] * 2))
    assert two["a"].apart is None
    assert two["a"].p is None
    three = specialisations(studied(tmp_path / "3", *[("a", "hidden"), ("b", "dropout")] * 3))
    assert three["a"].apart == 1.0
    assert three["a"].p is not None
    assert three["a"].p > 0.05


def test_a_trial_that_moves_much_counts_once(tmp_path: Path) -> None:
    """Shares are of trials, not of parameters: two thirds of this member's are the first's."""
    recorder = Recorder(tmp_path, network_task())
    for number in (80, 90):
        values = {**DEFAULTS, "hidden": number}
        recorder.admit(Proposal(configuration=NETWORK.canonical(values), by="a"))
    values = {**DEFAULTS, "dropout": 0.3, "batch_size": 128}
    recorder.admit(Proposal(configuration=NETWORK.canonical(values), by="a"))
    [found] = specialisations(recorder.history).values()
    assert found.trials == 3
    assert {n: round(s, 3) for n, s in found.moved.items()} == {
        "hidden": 0.667,
        "batch_size": 0.167,
        "dropout": 0.167,
    }


def test_the_figures_have_their_ends() -> None:
    """Even shares are no focus; what is in between is in between."""
    assert focus(np.array([0.25] * 4)) == 0.0
    assert divergence(np.array([0.5, 0.5]), np.array([0.5, 0.5])) == 0.0
    assert 0 < divergence(np.array([0.9, 0.1]), np.array([0.1, 0.9])) < 1
