"""What was kept, of a campaign whose log does not say: what was better than all before."""

from __future__ import annotations

import math
from dataclasses import replace

from trialwright.campaigns.campaign import Campaign, Experiment, Status
from trialwright.campaigns.vocabulary import ENDED

DERIVED = (
    "the log does not say what was kept: counted as kept is what was better than all before it,"
    " as discarded what was not"
)


def with_kept(campaign: Campaign) -> Campaign:
    """Return a campaign in which something is kept, told by its results if need be.

    A log that calls any experiment kept is left as it is, and so is one of which nobody knows which
    way is better, or which has words for what became of them that nobody knows, and a study of
    ours. Discarded and crashed ones stay what they are, and so does what has no result.

    >>> rows = [Experiment(number=n, line=n, metric=m, status="other", word="finished")
    ...         for n, m in enumerate((0.7, 0.6, 0.8, None), 1)]
    >>> logged = Campaign(name="c", metric="acc", direction="maximize", experiments=tuple(rows),
    ...                   dialect="runs")
    >>> [one.status for one in with_kept(logged).experiments]
    ['keep', 'discard', 'keep', 'other']
    """
    said = any(one.status == "keep" for one in campaign.experiments)
    ours = campaign.dialect.startswith("trialwright")
    if said or ours or campaign.direction is None:
        return campaign
    strange = [word for word in campaign.words if word.casefold() not in ENDED]
    if strange:
        listed = ", ".join(repr(word) for word in strange[:4])
        note = f"nothing is known to be kept: what {listed} means, --map keep=WORD says"
        return campaign if note in campaign.notes else replace(
            campaign, notes=(*campaign.notes, note)
        )  # fmt: skip
    sign = 1.0 if campaign.direction == "minimize" else -1.0
    best = math.inf
    found: list[Experiment] = []
    for one in campaign.experiments:
        if one.status == "crash" or one.metric is None:
            found.append(one)
            continue
        value = sign * one.metric
        better: Status = "keep" if value < best else "discard"
        found.append(replace(one, status=better) if one.status == "other" else one)
        best = min(best, value)
    if found == list(campaign.experiments):
        return campaign
    notes = tuple(note for note in campaign.notes if not note.startswith("no column says what"))
    return replace(campaign, experiments=tuple(found), notes=(*notes, DERIVED))
