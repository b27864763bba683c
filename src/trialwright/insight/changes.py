"""Which kind of change it is to change settings: told by what differs, not by who proposed it.

It knows names, what they mean, and how far a value moved; no result but which was best so far.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from trialwright.campaigns.categories import kinds_in
from trialwright.expression import Scalar
from trialwright.history import History, Trial
from trialwright.knowledge.base import concept_of, family_of_names
from trialwright.records import Category
from trialwright.space import Choice, Space

SLIGHT = 0.05
"""Of a setting's range, on its scale: a model that moves everything a little changes what it moves
further."""

MEANT: Mapping[str, Category] = {
    "normalization": "architecture",
    "pooling": "architecture",
    "kernel": "architecture",
    "booster": "architecture",
    "max_leaves": "architecture",
    "min_leaf": "regularization",
    "split_gain": "regularization",
    "kernel_gamma": "regularization",
    "penalty": "regularization",
    "penalty_strength": "regularization",
    "class_weight": "data",
}
"""Concepts whose own names are no words of a kind."""


def kinds_changed(history: History) -> dict[int, tuple[Category, ...]]:
    """Return, by number, which kinds of settings each trial changes; () where nothing differs.

    Held against its parent; without one, against the trial before it or the best of its time,
    whichever it differs from in fewer settings. A study's first trial changes nothing.
    """
    space, sign = history.task.space, history.task.objective.sign
    family = family_of_names(space.names)
    found: dict[int, tuple[Category, ...]] = {}
    best: Trial | None = None
    for place, trial in enumerate(history.trials):
        parent = trial.proposal.parent
        bases: list[Trial | None] = [best, history.trials[place - 1] if place else None]
        if parent is not None and 0 <= parent < len(history.trials):
            bases = [history.trials[parent]]
        differ = [
            settings_changed(space, base.configuration, trial.configuration)
            for base in bases if base is not None
        ]  # fmt: skip
        found[trial.number] = kinds_of(min(differ, key=len, default=()), family)
        value = trial.value
        if value is not None and (best is None or sign * value > sign * (best.value or 0.0)):
            best = trial
    return found


def settings_changed(
    space: Space, before: Mapping[str, Scalar], after: Mapping[str, Scalar]
) -> tuple[str, ...]:
    """Return the settings that differ, those that hardly moved left out where others moved more.

    A setting that only came or went with another one's value is no change of its own.

    >>> from trialwright.space import Float
    >>> space = Space((Float("lr", 0, 1), Float("dropout", 0, 1)))
    >>> settings_changed(space, {"lr": 0.1, "dropout": 0.2}, {"lr": 0.5, "dropout": 0.21})
    ('lr',)
    """
    moved = {
        name: _moved(space, name, before[name], after[name])
        for name in space.names
        if name in before and name in after and before[name] != after[name]
    }
    further = tuple(name for name, step in moved.items() if step >= SLIGHT)
    return further or tuple(moved)


def _moved(space: Space, name: str, before: Scalar, after: Scalar) -> float:
    """How far a value went, as a share of its range; another choice is all of it."""
    parameter = space[name]
    if isinstance(parameter, Choice) or not (parameter.admits(before) and parameter.admits(after)):
        return 1.0
    return abs(parameter.to_unit(after) - parameter.to_unit(before))


def kinds_of(names: Sequence[str], family: str | None = None) -> tuple[Category, ...]:
    """Return the kinds that settings are of, each once, in the order of the settings.

    >>> kinds_of(["hidden_size", "layers", "weight_decay", "gadget"])
    ('architecture', 'regularization', 'hyperparameter')
    """
    return tuple(dict.fromkeys(_kind(name, family) for name in names))


@lru_cache(maxsize=4096)
def _kind(name: str, family: str | None) -> Category:
    for word in (concept_of(name, family=family) or name, name):
        if word in MEANT:
            return MEANT[word]
        known = [one for one in kinds_in(word) if one != "baseline"]
        if len(known) == 1:
            return known[0]
    return "hyperparameter"
