"""The log of AgentHPO, as its authors released one: a heading per experiment, a block per run.

The sample is made by hand after environments/gcn/node_classification/append.log of
github.com/ssui-liu/AgentHPO: a run that broke on a lost key, its repair, one outside of the space.
The trajectory is there as the project's later script logs it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from trialwright.campaigns.given import given
from trialwright.campaigns.kept import DERIVED, with_kept
from trialwright.campaigns.read import parse, read
from trialwright.errors import CampaignError

LOG = """\
**********Experiment 1**********
I start from the usual values for this network.

Configurations:
\tnum_layers: 2
\tlearning_rate: 1e-3
\toptimizer: adam
\thidden_size: 16
Training Trajectory:
Epoch: [0, 5]
Train Loss: [1.9459, 1.8]
Val Acc: [0.12, 0.44]
Total Training Time: 3.125s
Final Test Accuracy: 0.7140%
Finished Training

**********Experiment 2**********

Configurations:
\tnum_layers: 3
\thidden_size: 24
Error occurred: 'optimizer'
Traceback: Traceback (most recent call last):
  File "main.py", line 28, in main
    optimizer: configs['optimizer']
KeyError: 'optimizer'

Finished Training

Configurations:
\tnum_layers: 3
\tlearning_rate: 0.001
\toptimizer: adam
\thidden_size: 24
Total Training Time: 4.5s
Final Test Accuracy: 0.7310%
Finished Training

**********Experiment 3**********

**********Experiment 4**********

Configurations:
\tnum_layers: 3
\tlearning_rate: 0.01
"""


def test_every_run_of_the_script_is_an_experiment() -> None:
    """Settings, results and times are read; a run that broke is a crash, its repair another run."""
    one = parse(LOG)
    assert (one.dialect, one.metric, one.direction) == (
        "AgentHPO",
        "Final Test Accuracy",
        "maximize",
    )
    assert [(e.label, e.status, e.metric, e.seconds) for e in one.experiments] == [
        ("1", "other", 0.714, 3.125),
        ("2", "crash", None, None),
        ("2", "other", 0.731, 4.5),
    ]
    first, broken, repaired = one.experiments
    assert first.configuration == {
        "num_layers": 2,
        "learning_rate": 0.001,
        "optimizer": "adam",
        "hidden_size": 16,
    }
    assert first.description == "I start from the usual values for this network."
    assert first.extra["trajectory.Val Acc"] == "[0.12, 0.44]"
    assert broken.configuration == {"num_layers": 3, "hidden_size": 24}
    assert broken.extra["failure"] == "'optimizer'"
    assert repaired.configuration is not None
    assert repaired.configuration["optimizer"] == "adam"


def test_what_is_no_run_is_told_with_its_line() -> None:
    """A heading without settings, and settings without an end, are malformed."""
    assert [(bad.line, bad.why) for bad in parse(LOG).malformed] == [
        (39, "an experiment without settings"),
        (43, "settings with neither a result nor an error"),
    ]
    with pytest.raises(CampaignError, match="2 blocks of settings, none with a result"):
        parse("Configurations:\n\tlr: 1\n\nConfigurations:\n\tlr: 2\n")


def test_a_log_is_called_by_its_folder(tmp_path: Path) -> None:
    """All such logs are called append.log: the folder tells them apart."""
    (tmp_path / "cora").mkdir()
    (tmp_path / "cora" / "append.log").write_text(LOG)
    assert read(tmp_path / "cora" / "append.log").name == "cora"


def test_what_was_kept_is_what_was_better_than_all_before() -> None:
    """Such a log says nothing of keeping: results do, and a note says so; crashes stay crashes."""
    one = with_kept(parse(LOG))
    assert [e.status for e in one.experiments] == ["keep", "crash", "keep"]
    assert DERIVED in one.notes
    assert with_kept(one) == one
    said = parse("commit\tval_bpb\tstatus\tdescription\na1b2c3d\t0.9\tdiscard\tx\n")
    assert with_kept(said) == said
    unknown = parse("lr,speed,state\n1,2,done\n2,3,done\n", given=given(["metric=speed"]))
    assert unknown.direction is None
    assert with_kept(unknown) == unknown
