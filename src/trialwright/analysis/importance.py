"""How much each parameter matters for the objective, how sure that is, and what the trials showed.

A functional analysis of variance over the whole space (Hutter, Hoos and Leyton-Brown, ICML 2014),
on randomised trees refitted to resampled trials. What the same analysis finds in shuffled results
is what chance alone gives: a parameter that does not pass it is said to be undecided. It knows
trials with a value; failures are for the final analysis.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from trialwright.analysis.features import Scale
from trialwright.expression import Scalar
from trialwright.history import History, Trial
from trialwright.space import Choice, Configuration, Parameter, Space

Array = NDArray[np.float64]

FEWEST = 5
"""Trials with a value below which nothing is said about influence."""
MOST = 400
"""Trials that are looked at; of more, the best quarter of this and a random rest."""
ROUNDS = 40
"""Resamplings of the trials behind an interval, and shufflings of the results behind chance."""
TREES = 5
"""Trees per round."""
ROWS = 6000
"""Points of the space at which a tree is asked, all parameters together: bounds the time."""
CHANCE = 0.05
"""Probability that a parameter without any influence is called told."""
LEAST = 0.005
"""A share whose interval begins below this, at what is written as 0 %, is not told."""
LITTLE = 0.1
"""A share that is surely below this is called little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Influence:
    """What is known about one parameter's influence on the objective."""

    parameter: str
    share: float
    """Of the variation over the space that the trials explain, in [0, 1]; all sum to 1."""
    low: float
    high: float
    """The share's interval, 90 % over resampled trials."""
    sentence: str
    told: bool = False
    """Whether the share is more than chance would give."""
    varied: bool = True
    """Whether the trials differ in it at all."""
    little: bool = False
    """Whether it is surely below `LITTLE`."""


def importance(history: History) -> list[Influence]:
    """Return each parameter's influence, the surest and largest first. Deterministic.

    Only trials of the best trial's code version count. With too few, every interval is [0, 1].
    """
    known = history.memo.get("importance")
    if isinstance(known, tuple) and known[0] == history.sequence:
        return cast("list[Influence]", list(known[1]))
    found = _importance(history)
    history.memo["importance"] = (history.sequence, tuple(found))
    return found


def _importance(history: History) -> list[Influence]:
    if not history.space.parameters:
        return []
    best = history.best()
    trials = history.done(code=best.code if best else None)
    sign = history.task.objective.sign
    trials = [trial for trial in trials if math.isfinite(cast("float", trial.value))]
    if not history.trials or len(trials) < FEWEST:
        return [_unknown(p, trials) for p in history.space.parameters]
    values = np.array([trial.value for trial in trials], dtype=np.float64)
    chosen = _chosen(sign * values)
    trials, values = [trials[i] for i in chosen], values[chosen]
    variances = _analyse(history.space, [t.configuration for t in trials], sign * values)
    found = [
        _influence(parameter, trials, sign=sign, variances=variances, column=column)
        for column, parameter in enumerate(history.space.parameters)
    ]
    return sorted(found, key=lambda i: (not i.varied, not i.told, -i.share))


@dataclass(frozen=True, slots=True)
class _Variances:
    """Variance over the space due to each parameter, in squared utilities, shape (rounds, d)."""

    resampled: Array
    whole: Array
    """From all trials as they are; rounds differ by the trees' draws."""
    chance: Array
    """From all trials with their results shuffled."""

    @property
    def shares(self) -> Array:
        """Of resampled trials, summing to 1 per round; zeros where the trees found nothing."""
        sums = self.resampled.sum(axis=1, keepdims=True)
        return np.asarray(self.resampled / np.where(sums > 0, sums, 1.0))


def _chosen(gains: Array) -> NDArray[np.intp]:
    if len(gains) <= MOST:
        return np.arange(len(gains))
    order = np.argsort(-gains, kind="stable")
    rest = np.random.default_rng(0).permutation(order[MOST // 4 :])
    return np.sort(np.concatenate([order[: MOST // 4], rest[: MOST - MOST // 4]]))


def _analyse(space: Space, configurations: Sequence[Configuration], gains: Array) -> _Variances:
    """Fit trees to resampled, whole and shuffled trials, and split their variance by parameter."""
    rng = np.random.default_rng(0)
    layout = _Layout(space)
    targets = Scale.fitted(gains, sign=1).to_utility(gains)
    forest = _Forest(layout.of(configurations).astype(np.float32), rng)
    probe = _Probe.drawn(layout, rng)
    count = len(gains)
    once = np.ones(count)
    resampled, whole, chance = [], [], []
    for _ in range(ROUNDS):
        weights = np.bincount(rng.integers(count, size=count), minlength=count).astype(float)
        resampled.append(probe.variances(forest.fit(targets, weights=weights)))
        whole.append(probe.variances(forest.fit(targets, weights=once)))
        chance.append(probe.variances(forest.fit(rng.permutation(targets), weights=once)))
    return _Variances(np.array(resampled), np.array(whole), np.array(chance))


@dataclass(frozen=True)
class _Forest:
    """Trials laid out for trees, shape (n, columns), and the draws that make the trees differ."""

    points: NDArray[np.float32]
    rng: np.random.Generator

    def fit(self, targets: Array, *, weights: Array) -> Callable[[NDArray[np.float32]], Array]:
        """Fit `TREES` randomised trees, and return the mean of their predictions."""
        # Imported late: scikit-learn takes a second, and most commands never come here.
        from sklearn.tree import ExtraTreeRegressor

        # Small leaves would hand the noise of single trials to whichever parameter splits them off.
        leaf = max(len(targets) // 25, 1)
        trees = [
            ExtraTreeRegressor(max_features=None, min_samples_leaf=leaf, random_state=int(state))
            for state in self.rng.integers(2**31, size=TREES)
        ]
        for tree in trees:
            tree.fit(self.points, targets, sample_weight=weights, check_input=False)

        def predict(rows: NDArray[np.float32]) -> Array:
            return np.asarray(np.mean([t.tree_.predict(rows)[:, 0] for t in trees], axis=0))

        return predict


@dataclass(frozen=True)
class _Layout:
    """Columns of a configuration for trees: numbers in [0, 1], options one column each.

    Inactive parameters stand at -1, where one split tells them apart.
    """

    space: Space

    def of(self, configurations: Sequence[Configuration]) -> Array:
        """Lay out legal configurations, shape (n, columns)."""
        units = self.space.encode(configurations)
        active = np.array([[n in c for n in self.space.names] for c in configurations], dtype=bool)
        return self.of_units(units, active=active)

    def of_units(self, units: Array, *, active: NDArray[np.bool_]) -> Array:
        """Lay out points of the unit cube, shape (n, d)."""
        columns = []
        for index, parameter in enumerate(self.space.parameters):
            unit, is_active = units[:, index], active[:, index]
            if isinstance(parameter, Choice):
                cell = np.minimum((unit * parameter.count).astype(int), parameter.count - 1)
                # The last option is none of the others: a column more would count it twice.
                options = range(max(parameter.count - 1, 1))
                columns += [(cell == option) & is_active for option in options]
            else:
                columns.append(np.where(is_active, unit, -1.0))
        return np.column_stack(columns).astype(np.float64)


@dataclass(frozen=True)
class _Probe:
    """Points of the unit cube at which the trees are asked.

    Two draws, and the first with each coordinate in turn from the second (Saltelli et al., Comput.
    Phys. Commun. 2010). The cube's coordinates are independent even where a parameter applies under
    a condition only: elsewhere its coordinate has no effect.
    """

    rows: NDArray[np.float32]
    """Shape ((d + 2) * m, columns)."""
    parameters: int

    @staticmethod
    def drawn(layout: _Layout, rng: np.random.Generator) -> _Probe:
        """Draw the points."""
        count = len(layout.space)
        size = max(ROWS // (count + 2), 16)
        first, second = rng.random((size, count)), rng.random((size, count))
        mixed = [first, second]
        for column in range(count):
            swapped = first.copy()
            swapped[:, column] = second[:, column]
            mixed.append(swapped)
        units = np.concatenate(mixed)
        rows = layout.of_units(units, active=_active(layout.space, units))
        return _Probe(rows.astype(np.float32), count)

    def variances(self, predict: Callable[[NDArray[np.float32]], Array]) -> Array:
        """Return the variance of the prediction due to each parameter, shape (d,).

        The mean of its first-order and its total variance: its Shapley effect where no interaction
        has more than two parameters (Owen, SIAM/ASA J. Uncertainty Quantification 2014). Both by
        Jansen's estimators.
        """
        outputs = predict(self.rows).reshape(self.parameters + 2, -1)
        first, second, swapped = outputs[0], outputs[1], outputs[2:]
        total = np.mean((first - swapped) ** 2, axis=1) / 2
        alone = np.var(outputs[:2]) - np.mean((second - swapped) ** 2, axis=1) / 2
        # An unused parameter has no total variance; its first-order one is sampling error.
        return np.asarray(np.where(total > 0, (np.clip(alone, 0, total) + total) / 2, 0.0))


def _active(space: Space, units: Array) -> NDArray[np.bool_]:
    active = np.ones(units.shape, dtype=bool)
    if all(parameter.when is None for parameter in space.parameters):
        return active
    for row, unit in enumerate(units):
        configuration = space.decode(unit)
        active[row] = [name in configuration for name in space.names]
    return active


def _influence(
    parameter: Parameter, trials: Sequence[Trial], *, sign: int, variances: _Variances, column: int
) -> Influence:
    having = [trial for trial in trials if parameter.name in trial.configuration]
    if len({repr(trial.configuration.get(parameter.name)) for trial in trials}) < 2:
        return _unknown(parameter, trials)
    shares, chance = variances.shares[:, column], variances.chance[:, column]
    share = float(shares.mean())
    low, high = (float(bound) for bound in np.quantile(shares, [0.05, 0.95]))
    whole = float(variances.whole[:, column].mean())
    beyond = bool((1 + np.sum(chance >= whole)) / (1 + len(chance)) <= CHANCE)
    # What may as well be nothing is not told, whatever shuffled results say.
    told = beyond and low >= LEAST
    if not told:
        # An influence that chance matches would not have been seen, however the trials fell.
        hidden = float(np.quantile(chance, 0.95)) / max(
            float(variances.whole.mean(axis=0).sum()), 1e-12
        )
        low, high = 0.0, min(max(high, hidden), 1.0)
    words = _sureness(len(having), share, low=low, high=high, told=told)
    shown = [_where(parameter, having, sign=sign)]
    # Of many parameters some rank well by chance: a direction is of what can be told.
    shown += [_direction(parameter, having, sign=sign)] if told else []
    if len(having) < len(trials):
        shown.append(f"It applied in {len(having)} of {len(trials)} trials.")
    return Influence(
        parameter=parameter.name,
        share=share,
        low=low,
        high=high,
        told=told,
        little=_little(len(having), high=high, told=told),
        sentence=" ".join([words, *filter(None, shown)]),
    )


def _unknown(parameter: Parameter, trials: Sequence[Trial]) -> Influence:
    values = {
        repr(t.configuration[p]): t.configuration[p]
        for t in trials
        if (p := parameter.name) in t.configuration
    }
    if not values and trials:
        sentence = "It applied in no trial with a result, so its influence is unknown."
    elif len(values) == 1 and len(trials) > 1:
        sentence = (
            f"It was {_shown(next(iter(values.values())))} in all {len(trials)} trials with a"
            " result, so its influence is unknown."
        )
    else:
        have = {0: "No trial has", 1: "Only 1 trial has"}.get(
            len(trials), f"Only {len(trials)} trials have"
        )
        sentence = f"{have} a result: too few to tell (at least {FEWEST} are needed)."
    return Influence(
        parameter=parameter.name,
        share=0.0,
        low=0.0,
        high=1.0,
        sentence=sentence,
        varied=len(values) > 1,
    )


def _little(count: int, *, high: float, told: bool) -> bool:
    return not told and high < LITTLE and count >= 4 * FEWEST


def _sureness(count: int, share: float, *, low: float, high: float, told: bool) -> str:
    if _little(count, high=high, told=told):
        return f"Hardly matters: at most {high:.0%} of the variation."
    if not told:
        return f"Can't be told from chance with {count} trials (0 to {high:.0%} of the variation)."
    degree = "Decisive" if low >= 0.5 else "Matters"
    return f"{degree}: {share:.0%} of the variation ({low:.0%} to {high:.0%})."


def _where(parameter: Parameter, trials: Sequence[Trial], *, sign: int) -> str:
    """Where the best quarter of the trials lies, if that says anything."""
    if len(trials) < FEWEST:
        return ""
    ranked = sorted(trials, key=lambda trial: -sign * cast("float", trial.value))
    top = ranked[: max(len(trials) // 4, 2)]
    values = [trial.configuration[parameter.name] for trial in top]
    if isinstance(parameter, Choice):
        return _counted(parameter, trials, top=top)
    ordered = sorted(values, key=parameter.to_unit)
    low, high = ordered[0], ordered[-1]
    place = f"at {_shown(low)}" if low == high else f"between {_shown(low)} and {_shown(high)}"
    return f"The best {len(top)} of {len(trials)} trials lie {place}."


def _counted(parameter: Choice, trials: Sequence[Trial], *, top: Sequence[Trial]) -> str:
    counts = []
    for option in parameter.options:
        tried = [t for t in trials if t.configuration[parameter.name] == option]
        best = sum(trial in top for trial in tried)
        if tried:
            counts.append((best, f"{best} of the {len(tried)} with {_shown(option)}"))
    counts.sort(key=lambda pair: -pair[0])
    return (
        f"Among the best {len(top)} of {len(trials)} trials are {', '.join(c[1] for c in counts)}."
    )


def _direction(parameter: Parameter, trials: Sequence[Trial], *, sign: int) -> str:
    """Which way is better, where the ranks say so with 95 % over a two-sided test."""
    if isinstance(parameter, Choice) or len(trials) < FEWEST:
        return ""
    units = [parameter.to_unit(trial.configuration[parameter.name]) for trial in trials]
    gains = [sign * cast("float", trial.value) for trial in trials]
    if len(set(units)) < 3 or len(set(gains)) < 3:
        return ""
    from scipy import stats  # takes a second to import: not for who only looks

    correlation, chance = stats.spearmanr(units, gains)
    if not chance < CHANCE:
        return ""
    way = "Larger" if correlation > 0 else "Smaller"
    return f"{way} was better (rank correlation {correlation:+.2f})."


def _shown(value: Scalar) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
