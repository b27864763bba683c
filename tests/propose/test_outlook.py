"""The optimiser's words for a model: what it expects is what it expects, and doubts stand once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from tests.histories import DEFAULTS, Recorder, network_task
from tests.propose.test_expert import boosting_task, noisy_study
from trialwright.emit import TAG
from trialwright.expression import Scalar
from trialwright.history import History
from trialwright.propose import briefing
from trialwright.propose.evidence import Evidence
from trialwright.propose.lookup import Lookup
from trialwright.propose.prior import Prior
from trialwright.records import Observation, Proposal


def skewed(folder: Path) -> History:
    """Results close together at their best, with a tail of bad ones."""
    recorder = Recorder(folder, network_task())
    for rate, value in ((1e-3, 0.90), (3e-3, 0.905), (6e-3, 0.902), (1e-2, 0.88), (0.3, 0.3)):
        proposal = Proposal(configuration={**DEFAULTS, "learning_rate": rate}, by="x")
        key = recorder.launch(recorder.admit(proposal))
        recorder.observe(Observation(run=key, outcome="done", value=value))
    return recorder.close()


def test_what_is_expected_is_the_models_median(tmp_path: Path) -> None:
    """Where the interval is skewed its middle lies far from what the model expects."""
    history = skewed(tmp_path)
    lookup = Lookup(history.task, history, lambda _: "", np.random.default_rng(0))
    values: Mapping[str, Scalar] = {**DEFAULTS, "learning_rate": 0.05}
    shown = re.match(r"expects ([\d.]+) \(90%: ([\d.]+) to ([\d.]+)\)", lookup.predict({**values}))
    assert shown is not None
    said, low, high = map(float, shown.groups())
    model = Evidence(history.task, history, Prior(history.task)).model
    assert model is not None
    mean, _ = model.utility(model.features.of([values]))
    assert said == pytest.approx(float(model.scale.to_value(mean)[0]), abs=0.005)
    assert abs(said - (low + high) / 2) > 0.01
    assert low < said < high


def test_a_fresh_draw_is_its_values_alone() -> None:
    """Where most values are drawn anew no reason stands beside them, and no former value."""
    what = boosting_task()
    drawn = []
    for seed in range(8):
        history = noisy_study(seed, spread=0.01).history
        state = briefing.state(what, history, 1, np.random.default_rng(seed))
        drawn += [line for line in state.splitlines() if "a fresh draw: " in line]
        assert "drawn anew" not in state
        assert state.count("ever varied") == 1
    assert drawn
    for line in drawn:
        values = line.partition("a fresh draw: ")[2].partition(". Expects")[0]
        assert len(values.split(", ")) >= 5
        assert "->" not in values
        assert "(" not in values


def test_what_was_never_varied_is_named_once_from_the_second_trial_on(tmp_path: Path) -> None:
    """With one result nothing was varied, and that is all that is said."""
    history = skewed(tmp_path / "five")
    state = briefing.state(history.task, history, 1, np.random.default_rng(0))
    assert state.count("ever varied") == 1
    assert "Never varied, so nothing is known of them: batch_size, hidden," in state
    recorder = Recorder(tmp_path / "one", network_task())
    key = recorder.launch(recorder.admit(Proposal(configuration=DEFAULTS, by="x")))
    recorder.observe(Observation(run=key, outcome="done", value=0.5))
    first = briefing.state(recorder.task, recorder.close(), 1, np.random.default_rng(0))
    assert "No parameter was varied yet" in first
    assert "always" not in first


def test_a_log_is_shown_without_what_was_reported_to_the_study(tmp_path: Path) -> None:
    """Numbers that the table has are not read again as lines of the protocol."""
    history = skewed(tmp_path)
    report = TAG + '{"step": 1, "metrics": {"y": 0.25}}\n'
    logs = {
        "loaded\n" + 500 * report + "done " + report: "<data>\nloaded\ndone \n</data>",
        500 * report: "the log has nothing but the numbers that were reported",
        "": "no log",
    }
    for log, shown in logs.items():
        lookup = Lookup(history.task, history, lambda _, log=log: log, np.random.default_rng(0))
        assert [line.strip() for line in lookup.read_log(0).splitlines()] == [
            line.strip() for line in shown.splitlines()
        ]
