"""From campaigns to what was measured of each, and of all of them side by side."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from trialwright.app.analyze.sources import Wish, campaigns_in, of_study
from trialwright.campaigns.campaign import Campaign
from trialwright.campaigns.given import given
from trialwright.campaigns.kept import with_kept
from trialwright.errors import CampaignError
from trialwright.history import History
from trialwright.insight.factors import OWN, factors_of, level_of, named
from trialwright.insight.measured import Measured
from trialwright.insight.measures import SEVERAL, SINGLE

_Subject = TypeVar("_Subject")
Source = str | Path | History | Campaign


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What measures are asked about."""

    factor: str | None = None
    by: str | None = None
    """What tells the parts of a campaign apart."""
    window: int | None = None
    """Experiments."""


@dataclass(frozen=True, slots=True)
class Analysed:
    """A campaign with what was measured of it."""

    campaign: Campaign
    measures: tuple[Measured, ...]


@dataclass(frozen=True, slots=True)
class Analysis:
    """Campaigns, each with its measures, and the measures of all side by side."""

    parts: tuple[Analysed, ...]
    compared: tuple[Measured, ...] = ()


def analyze(
    what: Source | Sequence[Source],
    *,
    factor: str | None = None,
    by: str | None = None,
    window: int | None = None,
    map: Iterable[str] = (),  # noqa: A002  # as the command's option
) -> list[Measured]:
    r"""Measure how a search behaved: of one campaign by itself, of several side by side.

    `what` is what `trialwright analyze` takes (a study's folder, an Optuna storage, a log, an
    export), a `History`, a `Campaign`, or a sequence of these. `map` has pairs as its `--map`.
    Each measure has figures (`values`), a table where there is one, a sentence, and says why where
    it can't be told (`refused`).

    >>> from trialwright.campaigns.read import parse
    >>> rows = "".join(f"c{n}\t{n % 7}.5\t{'keep' if n < 4 else 'discard'}\ttry {n}\n"
    ...                for n in range(1, 21))
    >>> found = analyze(parse("commit\tval_loss\tstatus\tdescription\n" + rows))
    >>> next(one for one in found if one.name == "success").values["kept"]
    3

    Raises:
        TrialwrightError: a source can't be read, or nothing in it is of `factor` or `by`.
    """
    sources = [what] if isinstance(what, Source) else list(what)
    wish = Wish(given=given(map))
    campaigns = [one for source in sources for one in _campaigns(source, wish)]
    analysis = analysed(campaigns, Options(factor=factor, by=by, window=window))
    return list(analysis.compared if len(analysis.parts) > 1 else analysis.parts[0].measures)


def _campaigns(source: Source, wish: Wish) -> list[Campaign]:
    match source:
        case History():
            return [of_study(source)]
        case Campaign():
            return [with_kept(source)]
    return campaigns_in(source, wish)


def analysed(campaigns: Sequence[Campaign], options: Options) -> Analysis:
    """Return what was measured of campaigns, or of their parts.

    Raises:
        CampaignError: there are none, or none has anything of the factor that is asked about.
    """
    if not campaigns:
        raise CampaignError("there is no campaign to analyse")
    if options.by is not None:
        campaigns = [part for one in campaigns for part in divided(one, options.by)]
    if options.factor is not None:
        _check(campaigns, options.factor)
    parts = tuple(_analysed(one, options) for one in campaigns)
    several = len(parts) > 1
    compared = [_asked(measure, options)(list(campaigns)) for measure in SEVERAL.values()]
    return Analysis(parts, tuple(compared) if several else ())


def _analysed(campaign: Campaign, options: Options) -> Analysed:
    factor = None if options.factor is None else named(campaign, options.factor)
    asked = replace(options, factor=factor)
    return Analysed(campaign, tuple(_asked(one, asked)(campaign) for one in SINGLE.values()))


def _asked(
    measure: Callable[[_Subject], Measured], options: Options
) -> Callable[[_Subject], Measured]:
    """A measure with those of the options that it takes."""
    takes = inspect.signature(measure).parameters
    wished = {"factor": options.factor, "window": options.window}
    # A pivot is one of the kind of change, whichever setting variance is told of.
    own = {key: value for key, value in wished.items() if value is not None and key in takes}
    if "factor" in own and takes["factor"].default is not None:
        del own["factor"]
    return lambda subject: measure(subject, **own)


def divided(campaign: Campaign, by: str) -> list[Campaign]:
    """Return the parts of a campaign by an agent, a task, a setting: a campaign each.

    Raises:
        CampaignError: no experiment has a level of that name, or all have the same.
    """
    _check([campaign], by)
    factor = named(campaign, by)
    levels = [level_of(one, factor) for one in campaign.experiments]
    parts = []
    for level in dict.fromkeys(one for one in levels if one is not None):
        own = [one for one, its in zip(campaign.experiments, levels, strict=True) if its == level]
        note = f"{by} {level} alone: {len(own)} of {len(levels)} experiments of {campaign.name}"
        parts.append(
            replace(
                campaign,
                name=level,
                experiments=tuple(own),
                malformed=(),
                notes=(*campaign.notes, note),
            )
        )
    if len(parts) < 2:
        raise CampaignError(f"{campaign.name} has one {by} alone, {parts[0].name}: nothing to part")
    return parts


def _check(campaigns: Sequence[Campaign], factor: str) -> None:
    for campaign in campaigns:
        full = named(campaign, factor)
        if any(level_of(one, full) is not None for one in campaign.experiments):
            return
    settings = {key for campaign in campaigns for key in factors_of(campaign)}
    settings |= {
        one
        for one in OWN
        for campaign in campaigns
        if any(level_of(row, one) is not None for row in campaign.experiments)
    }
    there = ", ".join(sorted(settings)[:16]) or "none"
    raise CampaignError(f"no experiment has a {factor!r}; what they can be told apart by: {there}")
