"""All pictures of a campaign, in the order in which a report shows them."""

from __future__ import annotations

from collections.abc import Sequence

from trialwright.campaigns.campaign import Campaign
from trialwright.insight.measured import Measured
from trialwright.report.pictures import (
    behaviour,
    convergence,
    kinds,
    pace,
    progress,
    settings,
    shares,
    trials,
)
from trialwright.report.pictures.course import Course
from trialwright.report.pictures.picture import Picture
from trialwright.report.pictures.trials import Runs


def album(
    campaign: Campaign, found: Sequence[Measured] = (), *, runs: Runs | None = None
) -> list[Picture]:
    """Return the pictures that a campaign gives material for.

    `found` has what was measured of it (`insight.measures.measured`); pictures of measures that
    are absent or refused are left out. `runs` has curves and seeds (`trials.runs_of` a study);
    without it, the curves are those that the campaign's log has.
    """
    course = Course(campaign)
    runs = runs or Runs(curves={one.number: one.curve for one in campaign.experiments if one.curve})
    told = {one.name: one for one in found if not one.refused}
    # A fit that is refused is drawn as what it is: the curve, and why no law is to be read off it.
    course_found = next((one for one in found if one.name == convergence.NAME), None)
    measures = [draw(told[name], course) for name, draw in behaviour.DRAWN.items() if name in told]
    varied = settings.settings_of(course)
    drawn = [
        progress.kept_reverted(course),
        convergence.convergence(course_found, course) if course_found else None,
        progress.personal_bests(course),
        kinds.category_timeline(course),
        kinds.category_shares(course),
        pace.rolling_success(course),
        pace.dry_streaks(course),
        *measures,
        shares.variance_shares(told["variance_shares"]) if "variance_shares" in told else None,
        shares.influence(course, varied),
        settings.parallel(course, varied),
        settings.slices(course, varied),
        trials.tree(course),
        trials.curves(course, runs),
        trials.seeds_spread(course, runs),
        progress.spend(course),
    ]
    return [picture for picture in drawn if picture is not None]
