"""Predictions held against results: how often they held, how they missed, how wide they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from scipy.special import stdtrit

from trialwright.analysis.rates import interval
from trialwright.analysis.standing import interval_score
from trialwright.campaigns.campaign import Campaign, Experiment
from trialwright.insight.measured import Measured, Table, refusal
from trialwright.insight.sequence import mean
from trialwright.insight.telling import count, number, percent, shares, span
from trialwright.records import Interval
from trialwright.robust import deviation

LEVEL = 0.9
"""That a predicted interval claims where the log does not say: that of our own proposals."""
LEVELS = ("predicted_level", "prediction_level")
LOWS = ("predicted_low", "prediction_low", "expected_low", "predicted_min")
HIGHS = ("predicted_high", "prediction_high", "expected_high", "predicted_max")
RESULT = "predicted_result"
"""The result that a prediction is for, of our own studies: the metric is the mean over seeds."""


@dataclass(frozen=True, slots=True)
class Held:
    """One prediction beside its result."""

    place: int
    """In the log, from 0."""
    predicted: Interval
    result: float

    @property
    def error(self) -> float:
        """The result less the middle of the prediction."""
        return self.result - (self.predicted.low + self.predicted.high) / 2

    @property
    def width(self) -> float:
        """Of the interval."""
        return self.predicted.high - self.predicted.low

    @property
    def inside(self) -> bool:
        """Whether the result lies in the interval."""
        return self.predicted.low <= self.result <= self.predicted.high


def held(campaign: Campaign) -> list[Held]:
    """Return every predicted interval that has a result, crashes left out.

    A prediction is of one run, so of our studies the result is the first seed's, as in the report,
    and one for other code than ran is left out; other logs have one result, which it is held to.
    """
    ours = any(RESULT in one.metrics for one in campaign.experiments)
    found = []
    for place, one in enumerate(campaign.experiments):
        predicted = _predicted(one)
        result = one.metrics.get(RESULT) if ours else one.metric
        if predicted is not None and result is not None and one.status != "crash":
            found.append(Held(place, predicted, result))
    return found


def promises(campaign: Campaign) -> Measured:
    """Measure the calibration of predicted intervals.

    `coverage` is the share of results inside, with its exact interval, beside the level that was
    claimed; `bias` the mean of result less middle, with Student's interval; `sharpness` the median
    width, also relative to the scatter of the results; `score` the mean interval score (Gneiting
    and Raftery 2007, equation 43), smaller better.
    """
    name, title = "promises", "What was predicted, and what came"
    found = held(campaign)
    if not found:
        return refusal(name, title, "no experiment with a result has a predicted interval")
    inside, n = sum(one.inside for one in found), len(found)
    low, high = interval(inside, n)
    level = mean([one.predicted.level for one in found])
    errors = [one.error for one in found]
    bias, bias_low, bias_high = centre(errors)
    width = median(one.width for one in found)
    scatter = deviation([one.result for one in found]) if n > 1 else 0.0
    if low <= level <= high:
        verdict = "as claimed, as far as so few can tell" if n < 30 else "as claimed"
    else:
        verdict = "too sure" if high < level else "too cautious"
    return Measured(
        name=name,
        title=title,
        sentence=f"{inside} of {count(n, 'prediction')} held: {percent(inside / n)}"
        f" ({shares(low, high)}) where {percent(level)} was claimed, so {verdict}; results lie"
        f" {number(bias)} from the middle on average ({span(bias_low, bias_high)}).",
        values={"n": n, "inside": inside, "coverage": inside / n, "coverage_low": low,
                "coverage_high": high, "level": level, "bias": bias, "bias_low": bias_low,
                "bias_high": bias_high, "sharpness": width,
                "sharpness_relative": width / scatter if scatter > 0 else None,
                "score": mean([interval_score(one.predicted, one.result) for one in found])},
        table=Table(columns=("experiment", "low", "high", "result", "inside"),
                    rows=tuple((one.place + 1, one.predicted.low, one.predicted.high, one.result,
                                one.inside) for one in found)),
        notes=tuple(_notes(campaign)),
    )  # fmt: skip


def _notes(campaign: Campaign) -> list[str]:
    told = {key for one in campaign.experiments for key in one.metrics}
    notes = ["held against the result of the first seed: a prediction is of one run"]
    return [
        *(notes if RESULT in told else []),
        *(["over all versions of the code"]
          if len({one.extra.get("epoch") for one in campaign.experiments}) > 1 else []),
        *([] if told & {*LEVELS}
          else [f"the log does not say which level was claimed: taken for {percent(LEVEL)}"]),
    ]  # fmt: skip


def centre(values: Sequence[float]) -> tuple[float, float | None, float | None]:
    """Return the mean of values with Student's interval at 95 %, which two of them take.

    >>> centre([2.0])
    (2.0, None, None)
    """
    if len(values) < 2:
        return values[0], None, None
    middle = mean(values)
    half = float(stdtrit(len(values) - 1, 0.975)) * deviation(values) / math.sqrt(len(values))
    return middle, middle - half, middle + half


def _predicted(experiment: Experiment) -> Interval | None:
    told = {key.casefold(): value for key, value in experiment.metrics.items()}
    low = next((told[key] for key in LOWS if key in told), None)
    high = next((told[key] for key in HIGHS if key in told), None)
    if low is None or high is None or not math.isfinite(high - low) or high < low:
        return None
    level = next((told[key] for key in LEVELS if key in told), LEVEL)
    return Interval(low=low, high=high, level=level if 0 < level < 1 else LEVEL)
