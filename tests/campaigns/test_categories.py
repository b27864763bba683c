"""Kinds of change inferred from descriptions, and how far they agree with those declared."""

from __future__ import annotations

from typing import get_args

import pytest

from trialwright.campaigns.campaign import Experiment
from trialwright.campaigns.categories import (
    RULES,
    agreement,
    category_of,
    change_in,
    declared,
    kinds_in,
)
from trialwright.records import Category

SAID = {
    "increase LR to 0.04": "hyperparameter",
    "3x LR increase (matrix 0.001->0.003, scalar 0.01->0.03)": "hyperparameter",
    "TOTAL_BATCH_SIZE 2^17->2^16 (212 steps vs 105, more updates)": "hyperparameter",
    "switch to GeLU": "architecture",
    "DEPTH 12->10 (34.9M tokens, 11.3GB, new best)": "architecture",
    "HEAD_DIM 64->128 (faster, more tokens 14M, lower VRAM)": "architecture",
    "weight tying with std=0.001 init": "multi",
    "Muon optimizer for 2D matrix weights (no improvement)": "optimizer",
    "Adam beta2 0.95->0.999 (more stable variance, 1068 steps, new best)": "optimizer",
    "WARMDOWN 0.1->0.05 worse (needs some cooldown for convergence)": "schedule",
    "FINAL_LR_FRAC 0.0->0.1 no improvement": "schedule",
    "WEIGHT_DECAY 0.1->0.0 marginal simplification win": "regularization",
    "grad clip max_norm=1.0": "regularization",
    "dropout 0.1 + batch size 64": "multi",
    "shuffle documents within shards": "data",
    "Exp146 MLP add dow_sin on Exp136 recipe (MLP cycle 22/50)": "data",
    "torch.compile with bf16": "systems",
    "DEVICE_BATCH_SIZE 8->16 at D_MODEL=512": "multi",
    "baseline": "baseline",
    "R60 curriculum 0.6 3hr repro2": "baseline",
    "lottery run 3": None,
    "": None,
}


@pytest.mark.parametrize("description", SAID)
def test_category_of_a_description(description: str) -> None:
    """A description as published campaigns have them is of the kind that a reader would say."""
    assert category_of(description) == SAID[description], kinds_in(description)


def test_every_rule_knows_its_own_example() -> None:
    """Each rule's example is of its kind, and every kind but `multi` has a rule."""
    assert [category_of(rule.example) for rule in RULES] == [rule.category for rule in RULES]
    assert {rule.category for rule in RULES} | {"multi"} == set(get_args(Category))


def test_reasons_and_results_are_no_change() -> None:
    """What stands behind the change, why and with what effect, does not decide its kind."""
    long = (
        "Bottleneck: attention too slow. Hypothesis: smaller batch = more optimizer steps."
        " Evidence: depth is fine. Result: val_bpb 2.14"
    )
    assert change_in(long) == "smaller batch = more optimizer steps."
    assert category_of("LR 0.03->0.04 (hypothesis: muon converges faster): val 1.2") == (
        "hyperparameter"
    )
    assert category_of("depth=4: loss diverged as if lr were too high") == "architecture"


def test_agreement_with_declared_categories() -> None:
    """Agreement counts what is declared in our words or alike; foreign and unknown ones apart."""
    rows = [
        ("arch", "DEPTH 12"),
        ("lr", "dropout 0.2"),
        ("vibes", "lr 1"),
        ("data", "hm"),
        (None, "x"),
    ]
    found = agreement(
        Experiment(number=n, line=n, metric=1.0, status="keep", category=said, description=text)
        for n, (said, text) in enumerate(rows, 1)
    )
    assert (found.compared, found.same, found.foreign, found.unknown) == (2, 1, 1, 1)
    assert found.mistaken == (("hyperparameter", "regularization", 1),)
    assert declared("tokenizer/data") == "data"
    assert declared("Multi") == "multi"
