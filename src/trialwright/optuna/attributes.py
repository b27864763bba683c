"""What a proposal says, as user attributes of an Optuna trial, and read back from them.

Optuna's own tools show them as they are, so each is a plain value with a telling name. Nothing is
kept anywhere else: who reads the study again knows what was proposed, by whom, and why.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeVar, get_args

from pydantic import TypeAdapter, ValidationError

from trialwright.expression import Scalar
from trialwright.records import Category, Hypothesis, Interval, Proposal

PREFIX = "trialwright:"
"""Before the name of each attribute, so that none meets one of the user's own."""

TRIAL = PREFIX + "trial"
"""The attribute with a trial's own number, in a study that we exported."""

WORDS = frozenset({PREFIX + "rationale", PREFIX + "reasons", PREFIX + "hypothesis"})
"""The attributes that hold sentences."""

Plain = Scalar | list["Plain"] | dict[str, "Plain"]
"""What an attribute can hold."""

_T = TypeVar("_T")
_HYPOTHESIS = TypeAdapter(Hypothesis)
_INTERVAL = TypeAdapter(Interval)


def attributes(proposal: Proposal) -> dict[str, Plain]:
    """Return what a proposal says besides its configuration; what it does not say is left out.

    >>> proposal = Proposal(configuration={}, by="expert", predicted=Interval(low=0.8, high=0.9))
    >>> attributes(proposal)["trialwright:predicted"]
    {'low': 0.8, 'high': 0.9, 'level': 0.9}
    """
    hypothesis, predicted = proposal.hypothesis, proposal.predicted
    found: dict[str, Plain] = {
        "by": proposal.by,
        "rationale": proposal.rationale,
        "reasons": dict(proposal.reasons),
        "category": proposal.category,
    }
    if hypothesis is not None:
        found["hypothesis"] = {
            "claim": hypothesis.claim,
            "expects": hypothesis.expects,
            "against": hypothesis.against,
            "parameter": hypothesis.parameter,
        }
    # Databases behind Optuna hold JSON, which has no word for an infinity.
    if predicted is not None and math.isfinite(predicted.low) and math.isfinite(predicted.high):
        found["predicted"] = {
            "low": predicted.low,
            "high": predicted.high,
            "level": predicted.level,
        }
    if proposal.parent is not None:
        found["parent"] = proposal.parent
    return {PREFIX + key: value for key, value in found.items() if value not in ("", {})}


def proposal(attrs: Mapping[str, object], configuration: Mapping[str, Scalar]) -> Proposal:
    """Return the proposal that attributes tell of; one by `optuna` where they tell of none.

    Anybody can write attributes: what is not of the stated type is left out.

    >>> proposal({}, {"lr": 0.1}).by
    'optuna'
    """
    told = {key.removeprefix(PREFIX): v for key, v in attrs.items() if key.startswith(PREFIX)}
    reasons, parent, category = told.get("reasons"), told.get("parent"), told.get("category")
    known: dict[str, Category] = {name: name for name in get_args(Category)}
    return Proposal(
        configuration=configuration,
        by=_text(told.get("by")) or "optuna",
        rationale=_text(told.get("rationale")),
        reasons=_texts(reasons) if isinstance(reasons, Mapping) else {},
        hypothesis=_read(_HYPOTHESIS, told.get("hypothesis")),
        predicted=_read(_INTERVAL, told.get("predicted")),
        parent=parent if isinstance(parent, int) else None,
        category=known.get(_text(category), "hyperparameter"),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(values: Mapping[object, object]) -> dict[str, str]:
    return {str(key): value for key, value in values.items() if isinstance(value, str)}


def _read(adapter: TypeAdapter[_T], value: object) -> _T | None:
    if value is None:
        return None
    try:
        return adapter.validate_python(value)
    except ValidationError:
        return None
