"""Three published campaigns: every row is accounted for, and what can be read comes out again."""

from __future__ import annotations

import os
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from trialwright.campaigns.campaign import Campaign
from trialwright.campaigns.read import parse, read
from trialwright.campaigns.write import results_tsv

NAMES = ("autoresearch_uci.jsonl", "zero_order_diffusion.tsv", "train_rtx5070.tsv")


@cache
def campaign(name: str) -> Campaign:
    """Return a published campaign; the test is skipped where the data is absent."""
    folder = os.environ.get("TRIALWRIGHT_DATA")
    path = Path(folder or "", "campaigns", name)
    if not folder or not path.is_file():
        pytest.skip(f"TRIALWRIGHT_DATA names no folder with campaigns/{name}")
    return read(path)


def counts(one: Campaign) -> tuple[int, int, int, int, int]:
    """Kept, discarded, crashed, other, malformed."""
    seen = Counter(experiment.status for experiment in one.experiments)
    return seen["keep"], seen["discard"], seen["crash"], seen["other"], len(one.malformed)


def test_log_of_json_lines() -> None:
    """195 experiments in JSON, 13 kept; the direction and the repeated number are the log's own."""
    one = campaign("autoresearch_uci.jsonl")
    assert (one.dialect, one.metric, one.direction) == ("JSON lines", "val_primary", "minimize")
    assert counts(one) == (13, 182, 0, 0, 0)
    assert "higher_is_better: false" in one.direction_from
    assert any("174 (lines 174-175)" in note for note in one.notes)
    backbones = Counter(experiment.extra["backbone"] for experiment in one.experiments)
    assert backbones == {"mlp": 51, "lightgbm": 50, "catboost": 50, "xgboost": 24,
                         "ft_transformer": 20}  # fmt: skip
    first = one.experiments[0]
    assert first.configuration is not None
    assert first.configuration["backbone_config.max_depth"] == 6
    assert (first.seed, first.at) == (0, 1787015027.0)
    assert first.seconds == pytest.approx(1.62545, abs=1e-5)


def test_log_with_rows_of_another_table() -> None:
    """1,127 rows, of which 78 have seven fields as of another table: each is told with its line."""
    one = campaign("zero_order_diffusion.tsv")
    assert (one.dialect, one.metric, one.direction) == ("autoresearch", "val_fid", "minimize")
    assert counts(one) == (209, 681, 115, 44, 78)
    assert len(one.experiments) + len(one.malformed) == 1127
    assert {bad.why for bad in one.malformed} == {"7 fields where the header has 5"}
    assert one.malformed[0].line == 860
    assert one.malformed[0].text.startswith("r65_g2_90min\tspsa\t")
    assert one.words == {"contender": 17, "done": 14, "NEW_BEST": 7, "BEST": 6}


def test_most_that_was_kept_was_no_improvement() -> None:
    """Of the 209 kept rows 200 do not improve the running best: order and statuses were kept."""
    best, improved = float("inf"), 0
    for experiment in campaign("zero_order_diffusion.tsv").experiments:
        if experiment.metric is None or experiment.status == "crash":
            continue
        improved += experiment.status == "keep" and experiment.metric < best
        best = min(best, experiment.metric)
    assert improved == 9
    found = campaign("zero_order_diffusion.tsv").best
    assert found is not None
    assert (found.metric, found.commit) == (49.0283, "f3bb5e2")


def test_zeros_that_stand_for_no_result() -> None:
    """Zeros as the crashes have them are no results, also in three rows that are no crashes."""
    one = campaign("zero_order_diffusion.tsv")
    assert all(experiment.metric != 0 for experiment in one.experiments)
    assert [experiment.line for experiment in one.repaired] == [421, 422, 1046]
    assert {experiment.status for experiment in one.repaired} == {"discard"}


def test_log_with_further_columns() -> None:
    """69 rows in eleven columns: 20 kept, 42 discarded, 7 crashed, none malformed."""
    one = campaign("train_rtx5070.tsv")
    assert one.dialect == "autoresearch with other columns"
    assert counts(one) == (20, 42, 7, 0, 0)
    assert one.best is not None
    assert (one.best.metric, one.best.memory_gb) == (1.115866, 9.6)
    assert one.best.metrics["tok_per_sec"] == 71000


@pytest.mark.parametrize("name", NAMES)
def test_published_campaign_is_exported_and_read_again(name: str) -> None:
    """Written in autoresearch's format and read again, all that the format can say is the same."""
    one = campaign(name)
    again = parse(results_tsv(one))
    assert again.dialect == "autoresearch"
    assert again.malformed == again.repaired == ()
    assert again.metric == one.metric
    for left, right in zip(one.experiments, again.experiments, strict=True):
        assert (left.number, left.commit, left.status) == (right.number, right.commit, right.status)
        assert left.metric == right.metric
        assert left.memory_gb == right.memory_gb
        assert " ".join(left.description.split()) == right.description
