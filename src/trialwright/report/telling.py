"""The story of a study from the top, in the order in which a stranger asks.

What was asked, what was found, is it real, what it costs, what mattered, how it was searched, what
failed, what next, how to reproduce. Both reports render it; neither computes anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trialwright.history import History
from trialwright.report import certainty, dependence, front, heldout, seeds
from trialwright.report.again import Again, again
from trialwright.report.asked import Asked, Point, asked
from trialwright.report.certainty import Side
from trialwright.report.claimed import ClaimRow, claim_rows
from trialwright.report.final import FinalAnalysis
from trialwright.report.mattered import mattered
from trialwright.report.searched import Searched, ended, searched
from trialwright.report.story import Story, story
from trialwright.report.team import TeamSection, section


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """All that a report says, figures and the table of trials left out."""

    measure: str
    """What decides."""
    asked: Asked
    verdict: str
    """Whether it is real, in a sentence."""
    certain: tuple[Point, ...]
    side: Side | None
    costs: tuple[Point, ...]
    mattered: tuple[Point, ...]
    front: front.Section | None
    heldout: tuple[str, ...]
    seeds: dependence.Section | None
    claims: tuple[ClaimRow, ...]
    searched: Searched
    ended: str
    """How many runs gave a result."""
    team: TeamSection | None
    story: Story | None
    again: Again
    verdicts: str
    """What the words of a verdict mean."""


def telling(history: History, analysis: FinalAnalysis) -> Telling:
    """Return the story of a study, at any stage of it."""
    return Telling(
        measure=seeds.measure(history.task),
        asked=asked(history),
        verdict=certainty.verdict(history, analysis),
        certain=certainty.points(history, analysis),
        side=certainty.side_by_side(history),
        costs=certainty.costs(history),
        mattered=mattered(analysis.influences),
        front=front.section(history),
        heldout=tuple(heldout.sentences(history)),
        seeds=dependence.section(history),
        claims=tuple(claim_rows(history)),
        searched=searched(history, analysis),
        ended=ended(history),
        team=section(history),
        story=story(history),
        again=again(history),
        verdicts=certainty.verdicts(history),
    )


def sentences(told: Telling, analysis: FinalAnalysis) -> Iterator[str]:
    """Yield every sentence of the story that states what was found; not what people wrote."""
    yield analysis.headline
    yield told.verdict
    yield from (said for _, said in told.asked.points)
    yield from (said for _, said in told.certain)
    yield from told.side.remarks if told.side else ()
    yield from (said for _, said in told.costs)
    yield from (said for _, said in told.mattered)
    yield from (one.sentence for one in analysis.influences)
    yield from told.heldout
    yield from told.seeds.sentences if told.seeds else ()
    yield from told.searched.sentences
    yield from (one.sentence for one in told.searched.measures)
    yield told.ended
    yield from (group.sentence for group in analysis.failures)
    yield from (piece.sentence for piece in analysis.advice)
    yield from (step.does for step in told.again.steps)
