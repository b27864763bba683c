"""What measures and pictures say: grammar with few of everything, and what fails is named."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

import pytest

from trialwright.campaigns.campaign import Campaign, Experiment, Status
from trialwright.insight.measured import Measured
from trialwright.insight.measures import SEVERAL, SINGLE, compared, guarded, measured
from trialwright.report.pictures.album import album

COUNTED = (
    "result|experiment|trial|improvement|campaign|level|factor|replicate|window|streak|plateau"
    "|prediction|agent|category|kind|configuration|parent|run|setting|baseline|value|change|step"
    "|gain|repeat|cell|seed|column|row|time|version"
)
ONE = re.compile(r"(?<![\d.,%/-])1 (?!is\b|was\b|has\b|does\b|less\b|s\b)[a-z]+s\b(?! alone)")
MANY = re.compile(rf"(?<![\d.,-])(?:0|[2-9]|[1-9]\d+) (?:[a-z-]+ )?(?:{COUNTED})\b(?!s)")


def wrong(text: str) -> list[str]:
    """Return where a noun does not go with its number."""
    marked = ["(s)"] if "(s)" in text else []
    return marked + [found[0] for pattern in (ONE, MANY) for found in pattern.finditer(text)]


def few(n: int, kept: int, crashed: int, agents: int) -> Campaign:
    """Return a campaign with so many of each; the kept ones come first, each better."""

    def row(i: int) -> Experiment:
        status: Status = "keep" if i < kept else "crash" if i >= n - crashed else "discard"
        metric = None if status == "crash" else 1.0 / (i + 1) if status == "keep" else 2.0 + i
        return Experiment(
            number=i + 1, line=i + 1, metric=metric, status=status, label=str(i),
            description="dropout 0.1" if i % 2 else "depth 12", seconds=10.0, at=1e9 + 60 * i,
            configuration={"lr": 0.1 * (i % 3 + 1), "backbone": "ab"[i % 2], "dropout": i % 2 / 10},
            seed=i % agents, agent="ab"[i % agents],
            extra={"parent": str(i - 1) if i else "", "epoch": "x" if i < n // 2 else "y"},
            metrics={"predicted_low": 0.0, "predicted_high": 1.5, "predicted_level": 0.9},
        )  # fmt: skip

    return Campaign(
        name=f"few {n}", metric="loss", direction="minimize", dialect="made",
        experiments=tuple(row(i) for i in range(n)),
    )  # fmt: skip


def campaigns() -> Iterator[Campaign]:
    """Yield campaigns with 0, 1, 2 and a few experiments, kept and crashed ones, agents."""
    for n in (0, 1, 2, 3, 6, 25):
        for kept in (0, 1, 2, 3):
            for crashed in (0, 1, 2):
                if kept + crashed <= n:
                    yield from (few(n, kept, crashed, agents) for agents in (1, 2))


def texts(found: list[Measured]) -> Iterator[tuple[str, str]]:
    """Yield every sentence and note with the measure's name."""
    for one in found:
        yield from ((one.name, text) for text in (one.sentence, *one.notes))


def test_nouns_go_with_their_numbers() -> None:
    """With none, one and two of everything, no measure and no picture says `1 results`."""
    for campaign in campaigns():
        found = measured(campaign)
        drawn = [(picture.name, picture.reading) for picture in album(campaign, found)]
        bad = [(name, wrong(text), text) for name, text in (*texts(found), *drawn) if wrong(text)]
        assert not bad, campaign.name


def test_nouns_go_with_their_numbers_side_by_side() -> None:
    """The same of what compares campaigns."""
    several = [few(n, kept, 0, 1) for n, kept in ((1, 0), (2, 1), (6, 2), (25, 3))]
    for one, other in combinations(several, 2):
        pair = [_of(one, "A"), _of(other, "B")]
        bad = [(name, text) for name, text in texts(compared(pair)) if wrong(text)]
        assert not bad


def _of(campaign: Campaign, agent: str) -> Campaign:
    rows = tuple(replace(row, agent=agent) for row in campaign.experiments)
    return replace(campaign, name=agent, experiments=rows)


def test_no_measure_fails_of_few() -> None:
    """Whatever there is too little of is refused with a reason, not by an error."""
    for campaign in campaigns():
        for name, measure in SINGLE.items():
            found = measure(campaign)
            assert "could not be computed" not in found.sentence, (name, found.sentence)
    for name, comparison in SEVERAL.items():
        told = comparison([few(n, 0, 0, 1) for n in (0, 1, 2)])
        assert "could not be computed" not in told.sentence, (name, told.sentence)


def test_a_measure_that_fails_is_named_with_its_error() -> None:
    """Others are measured all the same; who asks which options it takes still learns it."""

    def broken(campaign: Campaign) -> Measured:
        raise ZeroDivisionError(f"{campaign.name} by zero")

    found = guarded({"odd_one": broken})["odd_one"](few(3, 1, 0, 1))
    assert found.refused
    assert (found.name, found.title) == ("odd_one", "Odd one")
    assert found.sentence == "could not be computed: ZeroDivisionError: few 3 by zero"


@pytest.mark.parametrize("text", ["over 1 trials", "1 results", "2 trial", "kept experiment(s)"])
def test_the_check_finds_what_it_is_for(text: str) -> None:
    """The patterns find the faults that they were written for."""
    assert wrong(text)
