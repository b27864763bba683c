"""Proposals as user attributes, and back."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trialwright.optuna.attributes import attributes, proposal
from trialwright.records import Category, Hypothesis, Interval, Proposal

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
PROPOSALS = st.builds(
    Proposal,
    configuration=st.just({"lr": 0.1}),
    by=st.text(min_size=1),
    rationale=st.text(),
    reasons=st.dictionaries(st.text(), st.text()),
    hypothesis=st.none()
    | st.builds(
        Hypothesis,
        claim=st.text(),
        expects=st.sampled_from(["better", "worse", "no_worse", "same"]),
        against=st.none() | st.integers(0, 99),
        parameter=st.none() | st.text(),
    ),
    predicted=st.none() | st.builds(Interval, low=NUMBERS, high=NUMBERS, level=NUMBERS),
    parent=st.none() | st.integers(0, 99),
    category=st.sampled_from(get_args(Category)),
)


@settings(deadline=None)
@given(made=PROPOSALS)
def test_attributes_read_back_to_the_same_proposal(made: Proposal) -> None:
    """Nothing that a proposal says is lost on the way through a storage's JSON."""
    stored = json.loads(json.dumps(attributes(made)))
    assert proposal(stored, made.configuration) == made


@pytest.mark.parametrize("junk", [17, None, "x", [1], {"low": "a"}, {"claim": 3}])
def test_attributes_of_others_do_no_harm(junk: object) -> None:
    """Values of other types under our names are left out."""
    names = ("by", "rationale", "reasons", "hypothesis", "predicted", "parent", "category")
    found = proposal({f"trialwright:{name}": junk for name in names}, {"lr": 0.1})
    assert found.hypothesis is None
    assert found.predicted is None
    assert found.category == "hyperparameter"
