"""Every measure, in the order in which a report tells them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import TypeVar

from trialwright.campaigns.campaign import Campaign
from trialwright.insight.convergence import convergence
from trialwright.insight.costs import costs
from trialwright.insight.duels import duels, ranks
from trialwright.insight.effects import factor_effects
from trialwright.insight.entropy import categories, entropy, innovation
from trialwright.insight.hypotheses import (
    agents_have_characters,
    breadth_predicts,
    context_matters,
    discoveries_separate,
    efficiency_varies,
    hypotheses,
    late_steps_differ,
    measure_of,
    shifting_helps,
)
from trialwright.insight.levels import factor_levels
from trialwright.insight.measured import Measured, refusal
from trialwright.insight.pivots import pivots
from trialwright.insight.promises import promises
from trialwright.insight.rates import keeps, success
from trialwright.insight.repeats import repeats
from trialwright.insight.shares import variance_shares
from trialwright.insight.specialisation import specialisation, specialisation_between
from trialwright.insight.streaks import plateaus, streaks
from trialwright.insight.strides import strides

Measure = Callable[[Campaign], Measured]
"""Of one campaign."""

Comparison = Callable[[Sequence[Campaign]], Measured]
"""Of several campaigns side by side."""

_Subject = TypeVar("_Subject", Campaign, Sequence[Campaign])


def guarded(
    measures: Mapping[str, Callable[[_Subject], Measured]],
) -> dict[str, Callable[[_Subject], Measured]]:
    """Return measures that are refused, with the error, where they can't be computed.

    A log that nobody has thought of must not keep all other measures from its reader.
    """
    return {name: _guarded(name, measure) for name, measure in measures.items()}


def _guarded(name: str, measure: Callable[[_Subject], Measured]) -> Callable[[_Subject], Measured]:
    # Who asks which options a measure takes is to see those of the measure itself.
    @wraps(measure)
    def told(subject: _Subject, **options: object) -> Measured:
        try:
            return measure(subject, **options)
        except Exception as error:  # noqa: BLE001  # one measure of one log, whatever is wrong
            what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            title = name.replace("_", " ").capitalize()
            return refusal(name, title, f"could not be computed: {what}")

    return told


SINGLE: Mapping[str, Measure] = guarded({
    "variance_shares": variance_shares,
    "factor_effects": factor_effects,
    "factor_levels": factor_levels,
    "convergence": convergence,
    "success": success,
    "keeps": keeps,
    "categories": categories,
    "entropy": entropy,
    "innovation": innovation,
    "pivots": pivots,
    "streaks": streaks,
    "plateaus": plateaus,
    "repeats": repeats,
    "strides": strides,
    "specialisation": specialisation,
    "promises": promises,
    "costs": costs,
})  # fmt: skip
"""By name; one that fails is refused."""

SEVERAL: Mapping[str, Comparison] = guarded({
    "duels": duels,
    "ranks": ranks,
    "specialisation_between": specialisation_between,
    "hypotheses": hypotheses,
    "h1_breadth": measure_of(breadth_predicts),
    "h2_shifting": measure_of(shifting_helps),
    "h3_context": measure_of(context_matters),
    "h4_efficiency": measure_of(efficiency_varies),
    "h5_late_steps": measure_of(late_steps_differ),
    "h6_discoveries": measure_of(discoveries_separate),
    "h7_character": measure_of(agents_have_characters),
})  # fmt: skip
"""By name; those that need two campaigns say so."""


def measured(campaign: Campaign) -> list[Measured]:
    """Return every measure of one campaign."""
    return [measure(campaign) for measure in SINGLE.values()]


def compared(campaigns: Sequence[Campaign]) -> list[Measured]:
    """Return every measure of several campaigns side by side."""
    return [comparison(campaigns) for comparison in SEVERAL.values()]
