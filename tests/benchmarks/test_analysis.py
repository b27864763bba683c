"""The benchmark of the analysis: its campaign is what it says, and so are its figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import analysis
from trialwright.campaigns.read import read
from trialwright.insight.factors import strata_of, with_result
from trialwright.insight.measures import SEVERAL, SINGLE


def test_the_made_campaign_is_the_same_for_the_same_seed() -> None:
    """Another seed gives another campaign; the size is that which was asked for."""
    assert analysis.made(50) == analysis.made(50)
    assert analysis.made(50) != analysis.made(50, seed=1)
    assert len(analysis.made(50)) == 50


def test_the_made_campaign_reads_as_what_large_ones_are(tmp_path: Path) -> None:
    """Its log has agents, kinds, configurations, epochs, crashes, parents and durations."""
    log = tmp_path / analysis.NAME
    log.write_text("".join(json.dumps(row) + "\n" for row in analysis.made(400)))
    campaign = read(log)
    assert len(campaign.experiments) == 400
    assert not campaign.malformed
    assert campaign.direction == "maximize"
    assert {one.agent for one in campaign.experiments} == set(analysis.AGENTS)
    assert {one.category for one in campaign.experiments} == {*analysis.KINDS, "baseline"}
    assert strata_of(with_result(campaign.experiments)).by == ("epoch",)
    assert campaign.having("crash")
    assert all(one.seconds for one in campaign.experiments)
    assert all(one.configuration for one in campaign.experiments)
    best = campaign.best
    assert best is not None
    assert best.configuration is not None
    assert best.configuration["backbone"] == "zipformer"


def test_every_measure_and_picture_is_timed(tmp_path: Path) -> None:
    """Each measure, and each picture once per library, has its time; all trials were analysed."""
    log = tmp_path / analysis.NAME
    log.write_text("".join(json.dumps(row) + "\n" for row in analysis.made(300)))
    found = analysis.analyse(log)
    assert found["trials"] == 300
    assert found["measures"] == len(SINGLE) + len(SEVERAL)
    assert set(SINGLE) <= set(found["took"])
    assert {"kept_reverted", "convergence", "tree", "curves", "spend"} <= set(found["pictures"])
    for name, sizes in found["pictures"].items():
        assert f"{name} (screen)" in found["took"]
        assert min(sizes.values()) > 1_000


@pytest.mark.parametrize(
    ("seconds", "rss_mb", "status"), [(9.9, 1023.0, 0), (10.1, 200.0, 1), (5.0, 1025.0, 1)]
)
def test_the_last_line_has_the_keys_and_the_verdict(
    seconds: float, rss_mb: float, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """`ok` is said under ten seconds and a gigabyte, and not above; so is the exit status."""
    found = {"took": {"read": 1.0}, "refused": {}, "trials": 7, "measures": 1, "pictures": {}}
    assert analysis.told(found, analysis.Used(seconds, 4.0, rss_mb)) == status
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {"trials", "seconds", "rss_mb", "ok"} <= set(last)
    assert (last["trials"], last["seconds"], last["ok"]) == (7, seconds, not status)
