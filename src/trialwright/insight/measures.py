"""Every measure, in the order in which a report tells them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

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
from trialwright.insight.measured import Measured
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

SINGLE: Mapping[str, Measure] = {
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
}
"""By name."""

SEVERAL: Mapping[str, Comparison] = {
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
}
"""By name; those that need two campaigns say so."""


def measured(campaign: Campaign) -> list[Measured]:
    """Return every measure of one campaign."""
    return [measure(campaign) for measure in SINGLE.values()]


def compared(campaigns: Sequence[Campaign]) -> list[Measured]:
    """Return every measure of several campaigns side by side."""
    return [comparison(campaigns) for comparison in SEVERAL.values()]
