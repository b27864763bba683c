"""The reference values that were computed by hand on published campaigns, each beside ours.

`pytest -s` prints them: what the reference says, what we find, and on which log.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from trialwright.campaigns.campaign import Campaign
from trialwright.campaigns.read import read
from trialwright.expression import Scalar
from trialwright.insight.convergence import convergence
from trialwright.insight.entropy import entropy
from trialwright.insight.measured import Measured
from trialwright.insight.pivots import pivots
from trialwright.insight.rates import keeps
from trialwright.insight.shares import variance_shares
from trialwright.insight.streaks import streaks

UCI, DIFFUSION, TRAIN = "autoresearch_uci.jsonl", "zero_order_diffusion.tsv", "train_rtx5070.tsv"


@cache
def campaign(name: str) -> Campaign:
    """Return a published campaign; the test is skipped where the data is absent."""
    folder = os.environ.get("TRIALWRIGHT_DATA")
    path = Path(folder or "", "campaigns", name)
    if not folder or not path.is_file():
        pytest.skip(f"TRIALWRIGHT_DATA names no folder with campaigns/{name}")
    return read(path)


def having(status: str) -> Callable[[Campaign], int]:
    """Return what counts the experiments with a status."""
    return lambda one: sum(experiment.status == status for experiment in one.experiments)


def repeated(one: Campaign) -> int:
    """Return how many of the log's own numbers are there more than once."""
    return sum(n > 1 for n in Counter(experiment.label for experiment in one.experiments).values())


def of(measure: Callable[[Campaign], Measured], key: str) -> Callable[[Campaign], Scalar | None]:
    """Return what takes one figure of a measure."""
    return lambda one: measure(one).values[key]


def backbone(measure: Callable[..., Measured]) -> Callable[[Campaign], Measured]:
    """Return a measure of the backbone, instead of the kind of change."""
    return lambda one: measure(one, factor="backbone")


REFERENCES: tuple[tuple[str, str, Callable[[Campaign], Scalar | None], str], ...] = (
    (UCI, "experiments", lambda one: len(one.experiments), "195"),
    (UCI, "kept", having("keep"), "13"),
    (UCI, "experiment numbers that are there twice", repeated, "1"),
    (UCI, "entropy of the backbone, bits", of(backbone(entropy), "entropy_bits"), "2.222"),
    (UCI, "longest dry streak", of(streaks, "longest"), "69"),
    (UCI, "pivot rate after a discard", of(backbone(pivots), "pivot_rate"), "5.5 %"),
    (UCI, "factor that is told first", of(variance_shares, "factor"), "backbone"),
    (UCI, "eta^2 of the backbone, pooled", of(variance_shares, "eta2"), "0.49"),
    (UCI, "F of the same", of(variance_shares, "f"), "46"),
    (UCI, "eta^2 within the main task", of(variance_shares, "main_eta2"), "0.06"),
    (UCI, "omega^2 of the same", of(variance_shares, "main_omega2"), "0.03"),
    (UCI, "results of the main task", of(variance_shares, "main_n"), "143"),
    (UCI, "backbones in it", of(variance_shares, "main_levels"), "5"),
    (UCI, "c of the power law", of(convergence, "free_c"), "0.0002"),
    (UCI, "R2 of the same", of(convergence, "free_r2"), "0.91"),
    (DIFFUSION, "rows", lambda one: len(one.experiments) + len(one.malformed), "1127"),
    (DIFFUSION, "rows with 7 fields", lambda one: len(one.malformed), "78"),
    (DIFFUSION, "kept", having("keep"), "209"),
    (DIFFUSION, "kept that do not improve the best", of(keeps, "not_improving"), "200"),
    (TRAIN, "rows", lambda one: len(one.experiments), "69"),
    (TRAIN, "kept", having("keep"), "20"),
    (TRAIN, "discarded", having("discard"), "42"),
    (TRAIN, "crashed", having("crash"), "7"),
    (TRAIN, "longest dry streak", of(streaks, "longest"), "11"),
)
"""The log, what is meant, ours, and the reference as it is written."""


def written(value: Scalar | None, *, as_in: str) -> str:
    """Return a figure with as many digits as the reference has."""
    if isinstance(value, str) or value is None:
        return str(value)
    if as_in.endswith(" %"):
        return f"{written(100 * value, as_in=as_in.removesuffix(' %'))} %"
    return f"{value:.{len(as_in.partition('.')[2])}f}"


@pytest.mark.parametrize(
    ("log", "what", "ours", "reference"),
    REFERENCES,
    ids=[f"{one[0]}: {one[1]}" for one in REFERENCES],
)
def test_reference_values(
    log: str, what: str, ours: Callable[[Campaign], Scalar | None], reference: str
) -> None:
    """Each is equal to the digits in which it is given."""
    found = written(ours(campaign(log)), as_in=reference)
    print(f"{log}: {what}: reference {reference}, ours {found}")
    assert found == reference


def test_the_pooled_share_is_told_for_what_it_is() -> None:
    """The backbone seems to matter since it went with the task: the notes say so."""
    measure = variance_shares(campaign(UCI))
    assert measure.values["strata_by"] == "data.path"
    assert "counts as the factor's when they are pooled" in measure.notes[0]
    assert "which may be chance" in measure.sentence


def test_the_power_law_of_the_published_campaign_is_refused() -> None:
    """An R2 of 0.91 does not save a law whose c goes to 0: no a, b, c is told.

    Where an optimiser stops on the way to 0 is its own affair; ours stops where the power can't be
    told from a logarithm, c ln N = 0.001, which for 195 trials is the reference's 0.0002.
    """
    measure = convergence(campaign(UCI))
    assert measure.refused
    assert "c goes to 0 (0.0002)" in measure.sentence
    assert not {"a", "b", "c"} & set(measure.values)
    assert measure.values["leading"] == "logarithm"


def test_rows_that_are_no_experiments_are_reported() -> None:
    """The 78 rows of seven fields are told with their lines and their reason, statuses foreign."""
    one = campaign(DIFFUSION)
    assert {bad.why for bad in one.malformed} == {"7 fields where the header has 5"}
    assert set(one.words) == {"contender", "done", "NEW_BEST", "BEST"}
