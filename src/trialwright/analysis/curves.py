"""The Executor's reading of one run: its curves and its ending, as findings, numbers, a sentence.

It knows a run's observation and which metric is the objective. It does not know the configuration,
nor what to change: that is the expert's business.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trialwright.records import Diagnosis, Finding, Observation
from trialwright.task import Objective

Array = NDArray[np.float64]

Side = Literal["train", "held_out", "bare"]

FEWEST = 3
"""Finite points below which a series is no curve."""
LAST = 5
"""Points at a curve's end, at least, whose ups and downs are looked at."""
UNSTABLE = 0.03
"""Part of all that a curve spans, from which on a swing between its last points is told."""
MOST = 400
"""Points that are looked at; longer curves are averaged over blocks."""

_TRAIN = re.compile(r"(?:^|(?<=[_./-]))(?:train|training|trn|tr)(?:$|(?=[_./-]))", re.IGNORECASE)
_HELD_OUT = re.compile(
    r"(?:^|(?<=[_./-]))(?:valid|validation|val|dev|eval|heldout|test)(?:$|(?=[_./-]))",
    re.IGNORECASE,
)
_TEST = re.compile(r"(?:^|(?<=[_./-]))test(?:$|(?=[_./-]))", re.IGNORECASE)
_FALLING = re.compile(
    r"loss|error|err$|mse|mae|mape|rmse|perplexity|ppl|nll|deviance|bpb|bpc|wer|cer|fid|log_?loss"
    r"|merror|logloss|cross_?entropy",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Shape:
    """One series, told as numbers; `gain` is the value times +1 or -1, larger better."""

    steps: Array
    gain: Array
    noise: float
    """Standard deviation around the trend."""
    best: int
    """Index of the best point."""
    slope: float
    """Gain per step over the last quarter."""
    late: float
    """Gain over the last quarter, by its robust slope."""
    late_error: float
    """Standard error of `late`."""

    @property
    def rise(self) -> float:
        """From the first point to the best one, at least 0."""
        return float(self.gain[self.best] - self.gain[0])

    @property
    def luck(self) -> float:
        """How far the best of so many noisy points stands above the trend."""
        return self.noise * math.sqrt(2.0 * math.log(max(len(self.gain), 2)))

    @property
    def hardly_moved(self) -> bool:
        """Whether the best point is no better than the first, but for noise."""
        return self.rise - self.luck <= 3 * self.noise

    @property
    def fall(self) -> float:
        """From the best point to the last one, at least 0, less what noise alone makes of it."""
        return max(float(self.gain[self.best] - self.gain[-1]) - self.luck, 0.0)

    @property
    def end(self) -> Array:
        """The gains of the last quarter, `LAST` points at least."""
        return self.gain[-max(len(self.gain) // 4, LAST) :]

    @property
    def swing(self) -> float:
        """The largest step up or down within the end, whichever is smaller: 0 on a way one way."""
        steps = np.diff(self.end)
        return max(min(float(np.max(steps)), float(-np.min(steps))), 0.0)

    @property
    def end_sd(self) -> float:
        """Standard deviation within the end around a straight line."""
        end = self.end
        if len(end) < LAST:
            return 0.0
        at = np.arange(len(end), dtype=np.float64)
        left = end - np.polynomial.Polynomial.fit(at, end, 1)(at)
        return float(np.sqrt(np.sum(left**2) / (len(end) - 2)))

    @property
    def flat_since(self) -> int:
        """Index of the first point within noise, or a hundredth of the span, of the best."""
        near = self.gain >= self.gain[self.best] - max(self.noise, 0.01 * self.span)
        return int(np.argmax(near))

    @property
    def since(self) -> float:
        """What was gained from there to the best point, at least 0."""
        return float(self.gain[self.best] - self.gain[self.flat_since])

    @property
    def span(self) -> float:
        """Between the worst and the best point."""
        return float(np.ptp(self.gain))

    @property
    def spike(self) -> tuple[float, float] | None:
        """The gains beside the best point where it stands out from both, by more than scatter."""
        if not 0 < self.best < len(self.gain) - 1:
            return None
        before, after = float(self.gain[self.best - 1]), float(self.gain[self.best + 1])
        usual = 1.2 * float(np.median(np.abs(np.diff(self.gain))))
        lead = float(self.gain[self.best]) - max(before, after)
        return (before, after) if lead > max(self.noise, usual) else None


@dataclass(frozen=True, slots=True)
class Pair:
    """A training series beside the held-out series of the same metric."""

    train: Shape
    held_out: Shape
    train_name: str
    held_out_name: str
    sign: int

    @property
    def gap(self) -> float:
        """How much better training ended than the held-out series."""
        return float(self.train.gain[-1] - self.held_out.gain[-1])


def diagnose(observation: Observation, objective: Objective) -> Diagnosis:
    """Read a run: what its curves show, in findings, numbers and one sentence. Never raises.

    Numbers: `points`, `best_step`, `best`, `last`, `slope` (of the objective per step, over the
    last quarter, in its own sign), `noise_sd`, `drop` (from best to last, at least 0), `swing` and
    `end_sd` (the ups and downs of the last points, and their scatter), `flat_since` and `since`
    (the step from which little changed, and what was gained from there), and `gap` where a
    training series pairs with a held-out one, with `turned` (1 if that one is past its best).

    >>> from trialwright.records import Curve, RunKey
    >>> run = Observation(run=RunKey(0, 0, 0), outcome="done", value=0.5, curve=Curve(
    ...     steps=(1, 2, 3, 4, 5, 6, 7, 8), series={"acc": (.1, .2, .3, .4, .5, .6, .7, .8)}))
    >>> diagnose(run, Objective(metric="acc")).findings
    ('still_improving',)
    """
    ending = _ending(observation)
    points = observation.curve.points(objective.metric)
    shape = shape_of(points, sign=objective.sign)
    if shape is None:
        broken = _broke_off(points)
        diverged: list[Finding] = ["diverged"] if broken else []
        return Diagnosis(
            run=observation.run,
            findings=_unique([*ending, *diverged]) or ("no_curve",),
            sentence=_plain_sentence(observation, objective, broken=broken),
        )
    pair = _pair(observation, objective)
    found = _unique([*ending, *_read(shape, pair, observation, objective)])
    return Diagnosis(
        run=observation.run,
        findings=found or ("healthy",),
        sentence=_sentence(found, shape=shape, pair=pair, observation=observation, of=objective),
        numbers=_numbers(shape, pair, objective),
    )


def overfits(reading: Diagnosis) -> bool:
    """Say whether a run got worse while training went on: training that is ahead is not enough.

    >>> from trialwright.records import RunKey
    >>> ahead = {"gap": 0.1, "turned": 0.0}
    >>> key, found = RunKey(0, 0, 0), ("overfitting",)
    >>> overfits(Diagnosis(run=key, findings=found, sentence="", numbers=ahead))
    False
    """
    return "overfitting" in reading.findings and reading.numbers.get("turned", 1.0) > 0


def told(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the findings that a reader is told: nothing underfits where training is far ahead.

    The expert's moves look at all of them.

    >>> told(("overfitting", "underfitting", "noisy"))
    ('overfitting', 'noisy')
    """
    ahead = "overfitting" in findings
    return tuple(one for one in findings if not (ahead and one == "underfitting"))


def shape_of(points: list[tuple[float, float]], *, sign: int) -> Shape | None:
    """Describe a series of (step, value); None if it has too few finite points."""
    finite = [(s, v) for s, v in points if math.isfinite(s) and math.isfinite(v) and abs(v) < 1e150]
    if len(finite) < FEWEST:
        return None
    finite.sort(key=lambda point: point[0])
    steps, gain = _blocks(np.array(finite, dtype=np.float64), sign=sign)
    noise = _noise(gain)
    tail = max(len(gain) // 4, FEWEST)
    slope = _robust_slope(steps[-tail:], gain[-tail:])
    late = slope * float(steps[-1] - steps[-tail])
    return Shape(
        steps=steps,
        gain=gain,
        noise=noise,
        best=int(np.argmax(gain)),
        slope=slope,
        late=late,
        late_error=noise * math.sqrt(12.0 / tail),
    )


def spelled(seconds: float) -> str:
    """Return a time as people say it.

    >>> spelled(300), spelled(60), spelled(90), spelled(7200)
    ('5 minutes', '1 minute', '90 seconds', '2 hours')
    """
    for size, unit in ((3600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}" + ("" if seconds == size else "s")
    return f"{seconds:g} second" + ("" if seconds == 1 else "s")


def dips(gain: Sequence[float], shown: Iterable[int], *, least: float) -> list[int]:
    """Return the lowest points between neighbours of `shown` that lie deeper than `least`.

    The deepest comes first; `gain` is finite, and `shown` are indices.

    >>> dips([0.1, 0.8, 0.4, 0.8, 0.7, 0.8], [0, 1, 3, 5], least=0.05)
    [2, 4]
    """
    found = []
    for start, end in pairwise(sorted(shown)):
        if end - start > 1:
            low = min(range(start + 1, end), key=lambda at: gain[at])
            found.append((min(gain[start], gain[end]) - gain[low], low))
    return [low for depth, low in sorted(found, reverse=True) if depth > least]


def _ending(observation: Observation) -> list[Finding]:
    findings: list[Finding] = []
    if observation.outcome == "failed":
        findings.append("failed")
    if observation.outcome == "pruned":
        findings.append("pruned")
    if observation.cause == "diverged":
        findings.append("diverged")
    return findings


def _broke_off(points: list[tuple[float, float]]) -> bool:
    return bool(points) and not math.isfinite(points[-1][1])


def _read(
    shape: Shape, pair: Pair | None, observation: Observation, objective: Objective
) -> Iterator[Finding]:
    """Yield what the objective's curve and the training pair show, gravest first."""
    if _diverged(observation, objective, shape):
        yield "diverged"
        return
    overfitting = pair is not None and _is_overfitting(pair)
    collapsed = _is_collapsed(shape)
    if collapsed and not overfitting:
        yield "late_collapse"
    if overfitting or (not collapsed and pair is None and _turned(shape)):
        yield "overfitting"
    climbing = _is_climbing(shape)
    if pair is not None and not overfitting and _is_underfitting(pair, shape, climbing=climbing):
        yield "underfitting"
    elif shape.hardly_moved and len(shape.gain) >= 5 and not climbing and not collapsed:
        yield "underfitting" if shape.span > 0 else "plateaued"
    if climbing and not overfitting and not collapsed:
        yield "still_improving"
    elif _is_flat(shape) and not overfitting and not collapsed:
        yield "plateaued"
    if len(shape.gain) >= 8 and shape.noise > 0.15 * shape.span > 0:
        yield "noisy"
    elif _is_unstable(shape):
        yield "unstable"


def _is_unstable(shape: Shape) -> bool:
    """The last points go up and down by a good part of all that was learnt."""
    return len(shape.gain) >= 2 * LAST and shape.swing > UNSTABLE * shape.span > 0


def _is_collapsed(shape: Shape) -> bool:
    """It had learnt something, and lost most of it; or it lost far more than noise explains."""
    learnt = shape.rise > 4 * shape.noise and shape.fall > 0.5 * shape.rise
    return shape.fall > 3 * shape.noise and (learnt or shape.fall > 8 * shape.noise)


def _diverged(observation: Observation, objective: Objective, shape: Shape) -> bool:
    """Say whether any loss ended in NaN or infinity, or exploded from where it started."""
    for metric in observation.curve.series:
        points = observation.curve.points(metric)
        if _broke_off(points) and (metric == objective.metric or falls(metric)):
            return True
    start, end = abs(float(shape.gain[0])), abs(float(shape.gain[-1]))
    worse = shape.gain[-1] < shape.gain[0]
    return bool(worse and end > 10 * max(start, 1e-3) and shape.fall > 10 * shape.noise)


def _is_overfitting(pair: Pair) -> bool:
    """The held-out series turned while training went on, or stays far behind training."""
    held, train = pair.held_out, pair.train
    turned = _turned(held)
    since = int(np.searchsorted(train.steps, held.steps[held.best]))
    went_on = train.gain[-1] > train.gain[min(since, len(train.gain) - 1)] - train.noise
    if turned and went_on:
        return True
    # A gap that is most of what training gained says the same of a series that has not turned.
    # It must also be a good part of the value itself, or any small difference would be called so.
    lead = pair.gap - max(float(train.gain[0] - held.gain[0]), 0.0)
    level = max(abs(float(held.gain[-1])), abs(float(train.gain[-1])))
    wide = lead > 4 * (held.noise + train.noise) and lead > 0.1 * level
    return wide and lead > 0.5 * max(train.rise, 1e-12)


def _turned(shape: Shape) -> bool:
    """Past its best for at least a fifth of the steps, and lower by more than noise."""
    early = shape.best < 0.8 * (len(shape.gain) - 1)
    lost = shape.fall > max(3 * shape.noise, 0.02 * shape.span)
    return early and lost and shape.late < shape.late_error


def _is_underfitting(pair: Pair, shape: Shape, *, climbing: bool) -> bool:
    """Training is no better than the held-out series, and both still move."""
    scale = max(pair.train.span, pair.held_out.span, 1e-12)
    together = pair.gap < 0.05 * scale + pair.held_out.noise
    return together and (climbing or shape.hardly_moved)


def _is_climbing(shape: Shape) -> bool:
    """The last quarter brought more than noise, and more than a hundredth of all that was won."""
    if shape.late <= max(3 * shape.late_error, 0.02 * shape.span):
        return False
    return shape.best >= 0.75 * (len(shape.gain) - 1)


def _is_flat(shape: Shape) -> bool:
    """The last half brought next to nothing."""
    if shape.span == 0.0:
        return True
    half = len(shape.gain) // 2
    later = float(np.max(shape.gain[half:]) - np.max(shape.gain[: half + 1]))
    return later <= max(0.01 * shape.span, shape.noise) and abs(shape.late) <= max(
        3 * shape.late_error, 0.02 * shape.span
    )


def _pair(observation: Observation, objective: Objective) -> Pair | None:
    """Find the training and held-out series of one metric, that of the objective if it has both."""
    by_stem: dict[str, dict[str, str]] = {}
    for name in observation.curve.series:
        which, stem = side(name)
        by_stem.setdefault(stem, {}).setdefault(which, name)
    own = side(objective.metric)[1]
    for stem in sorted(by_stem, key=lambda stem: (stem != own, not falls(stem), stem)):
        sides = by_stem[stem]
        # A bare `loss` beside `val_loss` is the training loss (Keras' naming).
        train = sides.get("train") or (sides.get("bare") if "held_out" in sides else None)
        held_out = sides.get("held_out") or (sides.get("bare") if "train" in sides else None)
        if train is None or held_out is None:
            continue
        sign = objective.sign if stem == own else (-1 if falls(stem) else 1)
        shapes = [shape_of(observation.curve.points(name), sign=sign) for name in (train, held_out)]
        if shapes[0] is not None and shapes[1] is not None:
            return Pair(shapes[0], shapes[1], train, held_out, sign)
    return None


def side(name: str) -> tuple[Side, str]:
    """Split a metric's name into its side and what it measures.

    >>> side("val_loss"), side("train/accuracy"), side("lr")
    (('held_out', 'loss'), ('train', 'accuracy'), ('bare', 'lr'))
    """
    sides: tuple[tuple[Side, re.Pattern[str]], ...] = (("train", _TRAIN), ("held_out", _HELD_OUT))
    for which, pattern in sides:
        if pattern.search(name):
            stem = re.sub(r"[_./-]+", "_", pattern.sub("", name)).strip("_").lower()
            return which, stem or "loss"
    return "bare", name.lower()


def is_test(name: str) -> bool:
    """Say whether a metric is of the test set, by its name: nobody may choose by it.

    >>> is_test("test_accuracy"), is_test("latest_loss")
    (True, False)
    """
    return bool(_TEST.search(name))


def falls(metric: str) -> bool:
    """Say whether smaller is better, by a metric's name."""
    return bool(_FALLING.search(metric))


def _blocks(points: Array, *, sign: int) -> tuple[Array, Array]:
    """Average runs of points where there are more than `MOST`; first and last stand alone."""
    steps, gain = points[:, 0], sign * points[:, 1]
    if len(steps) <= MOST:
        return steps, gain
    inner = np.array_split(np.arange(1, len(steps) - 1), MOST - 2)
    parts = [np.array([0]), *inner, np.array([len(steps) - 1])]
    return np.array([steps[p].mean() for p in parts]), np.array([gain[p].mean() for p in parts])


def _noise(gain: Array) -> float:
    """Estimate the standard deviation around a smooth trend, from second differences.

    They cancel a line; for white noise their variance is 6 sigma^2 (Gasser, Sroka and
    Jennen-Steinmetz, Biometrika 1986). What is far out of line is a jump, and left out.
    """
    if len(gain) < 4:
        return 0.0
    second = gain[:-2] - 2.0 * gain[1:-1] + gain[2:]
    second = second - np.median(second)
    usual = 1.4826 * float(np.median(np.abs(second)))
    inside = second[np.abs(second) <= 4 * usual] if usual > 0 else second[second == 0]
    return float(np.sqrt(np.mean(inside**2)) / math.sqrt(6.0))


def _robust_slope(steps: Array, gain: Array) -> float:
    """Return the median of the slopes between all pairs of points (Theil and Sen)."""
    i, j = np.triu_indices(len(steps), 1)
    run = steps[j] - steps[i]
    slopes = (gain[j] - gain[i])[run > 0] / run[run > 0]
    return float(np.median(slopes)) if len(slopes) else 0.0


def _numbers(shape: Shape, pair: Pair | None, objective: Objective) -> dict[str, float]:
    sign = objective.sign
    numbers = {
        "points": float(len(shape.gain)),
        "best_step": float(shape.steps[shape.best]),
        "best": sign * float(shape.gain[shape.best]),
        "last": sign * float(shape.gain[-1]),
        "last_step": float(shape.steps[-1]),
        "slope": sign * shape.slope,
        "noise_sd": shape.noise,
        "swing": shape.swing,
        "end_sd": shape.end_sd,
        "flat_since": float(shape.steps[shape.flat_since]),
        "since": shape.since,
        "drop": float(shape.gain[shape.best] - shape.gain[-1]),
    }
    if pair is not None:
        numbers["gap"] = pair.gap
        numbers["turned"] = float(_turned(pair.held_out))
    return numbers


def _plain_sentence(observation: Observation, objective: Objective, *, broken: bool) -> str:
    if observation.outcome == "failed":
        cause = (observation.cause or "other").replace("_", " ")
        return f"Failed ({cause})" + (f": {observation.detail}" if observation.detail else ".")
    if broken:
        return f"{objective.metric} became NaN or infinite: training diverged."
    if observation.outcome == "pruned":
        return "Stopped early, behind the other trials."
    if observation.value is not None:
        after = _given(observation)
        return f"{objective.metric} {observation.value:.5g}{after}, without a curve to read."
    return "There is no curve to read."


def _sentence(
    found: tuple[Finding, ...],
    *,
    shape: Shape,
    pair: Pair | None,
    observation: Observation,
    of: Objective,
) -> str:
    sign, at = of.sign, float(shape.steps[shape.best])
    best, last = sign * float(shape.gain[shape.best]), sign * float(shape.gain[-1])
    base = f"{of.metric} {last:.5g} at step {shape.steps[-1]:g}"
    base += (
        f", best {best:.5g} at step {at:g}" if shape.best < len(shape.gain) - 1 else ", its best"
    )
    words: dict[Finding, str] = {
        "failed": f"the run failed ({(observation.cause or 'other').replace('_', ' ')})",
        "pruned": "stopped early, behind the other trials",
        "diverged": "training diverged",
        "late_collapse": f"collapsed late, by {shape.fall:.3g} from its best",
        "overfitting": _overfitting_words(pair, at),
        "underfitting": "underfits: training is no better than validation, or hardly moves",
        "still_improving": f"still improving by {abs(shape.slope):.3g} per step at the end",
        "plateaued": _flat_words(shape),
        "noisy": f"noisy, with a standard deviation of {shape.noise:.3g} around the trend",
        "unstable": f"unstable: it swings by {shape.swing:.2g} between its last steps, so"
        " differences below that say little",
    }
    base += _given(observation)
    said = [words[finding] for finding in told(found) if finding in words]
    return f"{base}: {'; '.join(said)}." if said else f"{base}: a healthy run."


def _given(observation: Observation) -> str:
    """That a run was ended for having had its time; '' if it was not."""
    given_s = observation.given_s
    done = observation.outcome == "done" and given_s is not None
    return f", ended after its {spelled(given_s)}" if done and given_s is not None else ""


def _overfitting_words(pair: Pair | None, at: float) -> str:
    if pair is None:
        return f"overfits: it turned after step {at:g}"
    gap = f"{pair.train_name} is ahead of {pair.held_out_name} by {pair.gap:.3g} at the end"
    held = pair.held_out
    if not _turned(held):
        # The series may be at its best all the same: a number, and no word for it.
        return gap
    turn = f"{pair.held_out_name} is best at step {held.steps[held.best]:g} and then worsens"
    return f"overfits: {turn} while training goes on; {gap}"


def _flat_words(shape: Shape) -> str:
    """Since when little changed, and how much it was: trials may differ by less than that."""
    said = f"flat since about step {shape.steps[shape.flat_since]:g}"
    lost = float(shape.gain[shape.best] - shape.gain[-1])
    but = [f"{shape.since:.2g} gained since"] if shape.since > 0 else []
    but += [f"{lost:.2g} lost from its best"] if lost > max(shape.noise, 0.01 * shape.span) else []
    return f"{said}, but for {' and '.join(but)}" if but else said


def _unique(findings: list[Finding]) -> tuple[Finding, ...]:
    return tuple(dict.fromkeys(findings))
