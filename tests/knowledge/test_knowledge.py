"""The knowledge base: names are understood, domains are usable, and the data are sound."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trialwright import knowledge
from trialwright.expression import Scalar, evaluate
from trialwright.knowledge import (
    advice,
    concept_of,
    family_of,
    family_of_names,
    guess_domain,
    metric_facts,
    move_rules,
    recipes,
    settled,
)
from trialwright.knowledge.base import lineage
from trialwright.records import Cause, Finding
from trialwright.space import Choice, Float, Int, Space


def loaded(name: str) -> Any:
    text = files("trialwright.knowledge").joinpath(name).read_text(encoding="utf-8")
    return yaml.safe_load(text)


FAMILIES = sorted(loaded("families.yaml"))
CONCEPTS = sorted(loaded("concepts.yaml"))


@pytest.mark.parametrize(
    ("name", "concept"),
    [
        ("lr", "learning_rate"),
        ("--learning-rate", "learning_rate"),
        ("learningRate", "learning_rate"),
        ("optimizer.lr", "learning_rate"),
        ("eta", "learning_rate"),
        ("wd", "weight_decay"),
        ("weight_decay", "weight_decay"),
        ("attention_dropout", "dropout"),
        ("hidden_size", "width"),
        ("model.hidden_dim", "width"),
        ("num_boost_round", "n_estimators"),
        ("bs", "batch_size"),
        ("n_layer", "layers"),
        ("zorgs", None),
    ],
)
def test_names_are_understood(name: str, concept: str | None) -> None:
    """Usual spellings, flags, camel case and dotted names mean what they mean; others nothing."""
    assert concept_of(name) == concept


def test_a_family_gives_a_name_its_own_meaning() -> None:
    """`alpha` is a weight decay for scikit-learn's MLP and a penalty for a linear model."""
    assert concept_of("alpha", family="sklearn_mlp") == "weight_decay"
    assert concept_of("alpha", family="linear") == "penalty_strength"
    assert concept_of("gamma", family="svm") == "kernel_gamma"
    assert concept_of("gamma", family="xgboost") == "split_gain"


@pytest.mark.parametrize(
    ("text", "family"),
    [
        ("import xgboost as xgb", "xgboost"),
        ("from sklearn.neural_network import MLPClassifier", "sklearn_mlp"),
        ("A GCN on Cora in plain torch", "gcn"),
        ("AutoModelForSequenceClassification.from_pretrained('distilbert')", "finetuning"),
        ("T5ForConditionalGeneration.from_pretrained('t5-small')", "t5"),
        ("import torch\nself.conv = nn.Conv2d(3, 16, 3)", "cnn"),
        ("import torch\nself.rnn = nn.LSTM(8, 8)", "rnn"),
        ("model = DeepFM(config)  # recbole", "deepfm"),
        ("LightGCN on MovieLens", "lightgcn"),
        ("VGAE for link prediction on Pubmed", "vgae"),
        ("from sklearn.svm import SVC", "svm"),
        ("RandomForestClassifier(n_estimators=10)", "forest"),
        ("import lightgbm", "lightgbm"),
        ("gcn", "gcn"),
        ("print('hello')", None),
        ("", None),
    ],
)
def test_families_are_recognised(text: str, family: str | None) -> None:
    """Sources and descriptions give the kind of model away; nothing is made of nothing."""
    assert family_of(text) == family


def test_a_space_gives_its_family_away() -> None:
    """Three telling names suffice; two do not."""
    names = ["max_depth", "min_child_weight", "colsample_bytree", "reg_alpha"]
    assert family_of_names(names) == "xgboost"
    assert family_of_names(names[:1]) is None


def test_advice_is_refined_by_family_and_optimizer() -> None:
    """A graph network takes 0.01, fine-tuning far less, and SGD more than Adam."""
    general, graph, tuned = (advice("lr", family=f) for f in (None, "gcn", "finetuning"))
    assert general is not None
    assert graph is not None
    assert tuned is not None
    assert tuned.default < general.default < graph.default  # type: ignore[operator]
    assert settled(general, {"optimizer": "sgd"}).default > 10 * general.default  # type: ignore[operator]
    assert settled(general, {"optimizer": "adam"}) == general
    assert advice("zorgs") is None


def test_deeper_trees_get_smaller_steps() -> None:
    """XGBoost's usual learning rates fall with the depth of its trees, whole or not."""
    known = advice("eta", family="xgboost")
    assert known is not None
    usual = [settled(known, {"max_depth": depth}).good for depth in (3, 6, 9, 9.0, 12)]
    tops = [ends[1] for ends in usual if ends is not None]
    assert tops[0] > tops[1] > tops[2] == tops[3] == tops[4]


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("data_dir", "data"), ("seed", 0), ("random_state", 42), ("device", "cpu"),
        ("num_workers", 4), ("verbose", True), ("log_interval", 10), ("test_size", 0.2),
        ("save_path", "x"), ("n_jobs", -1), ("epochs_between_logs", 5), ("num_classes", 10),
        ("wandb_project", "p"), ("fp16", False), ("val_split", 0.1), ("max_length", 128),
        ("n_samples", 1000), ("port", 8080), ("", 1), ("cv", 5), ("output", "out"),
        ("eval_every", 2), ("loss_weight_file", "w"), ("dry_run", False),
    ],
)  # fmt: skip
def test_what_is_no_hyperparameter_is_left_alone(name: str, default: Scalar) -> None:
    """Paths, seeds, devices, sizes of data, switches and intervals are not to be tuned."""
    assert guess_domain(name, default, family=None) is None


@pytest.mark.parametrize(
    ("name", "default", "family"),
    [
        ("lr", 0.001, None), ("lr", 5.0, None), ("lr", 1e-9, None), ("dropout", 0.1, None),
        ("dropout", 0, None), ("weight_decay", 0.0, None), ("momentum", 0.9, None),
        ("batch_size", 64, None), ("batch_size", 4096, None), ("hidden", 300, None),
        ("epochs", 3, None), ("epochs", 1, None), ("epochs", 1000, None),
        ("n_estimators", 100, "xgboost"), ("max_depth", 6, "xgboost"),
        ("subsample", 1.0, "xgboost"), ("min_child_weight", 1, "xgboost"),
        ("reg_lambda", 1, "xgboost"), ("gamma", 0.0, "xgboost"), ("C", 1.0, "svm"),
        ("alpha", 1e-4, "sklearn_mlp"), ("num_leaves", 31, "lightgbm"), ("k", 5, "knn"),
        ("temperature", 0.07, None), ("aux_weight", 0.5, None), ("num_layers", 2, "gcn"),
    ],
)  # fmt: skip
def test_a_domain_holds_the_default_and_leaves_room(
    name: str, default: float, family: str | None
) -> None:
    """The default is a legal value of its type, and there is something to search."""
    domain = guess_domain(name, default, family=family)
    assert isinstance(domain, Float | Int)
    assert domain.default == default
    assert Space((domain,)).check({name: default}) == ()
    assert domain.low < domain.high
    if isinstance(default, int) and default >= 1:
        assert isinstance(domain, Int)


def test_learning_rates_are_searched_on_a_log_scale() -> None:
    """Orders of magnitude matter for rates, not for shares."""
    rate, share = guess_domain("lr", 0.01, family=None), guess_domain("dropout", 0.1, family=None)
    assert isinstance(rate, Float)
    assert rate.log
    assert isinstance(share, Float)
    assert not share.log


def test_a_switch_that_is_an_architecture_is_a_choice() -> None:
    """Batch normalisation may be tried on and off; `--debug` may not."""
    assert isinstance(guess_domain("batch_norm", True, family=None), Choice)
    assert guess_domain("debug", False, family=None) is None


@given(
    st.sampled_from(CONCEPTS) | st.text(max_size=12),
    st.one_of(
        st.none(), st.booleans(), st.integers(-(10**9), 10**9), st.floats(), st.text(max_size=5)
    ),
    st.sampled_from([*FAMILIES, None, "unheard of"]),
)
@example(name="activation", default=1.797693134862316e307, family=None)
@settings(deadline=None)
def test_any_argument_gives_a_legal_domain_or_none(
    name: str, default: Scalar, family: str | None
) -> None:
    """Whatever the default: never an exception, never a domain that its own default breaks."""
    domain = guess_domain(name, default, family=family)
    if domain is not None and domain.default is not None:
        assert domain.admits(domain.coerce(domain.default))


def test_metrics_are_known_by_their_last_part() -> None:
    """`val_f1` is an F1, `train/loss` a loss, and nothing is claimed of what is not known."""
    assert metric_facts("val_f1").classes
    assert metric_facts("test/accuracy").high == 1
    assert metric_facts("eval_loss").expects is None
    assert metric_facts("r2").low is None
    assert metric_facts("zorgs") == knowledge.MetricFacts()


def test_the_weight_for_f1_puts_the_threshold_at_half_of_it() -> None:
    """At weight w the decision moves to 1 / (1 + w): for (2 - F)/F that is F/2."""
    expression = metric_facts("val_f1").positive_weight
    assert expression is not None
    weight = evaluate(expression, {"value": 0.5})
    assert 1 / (1 + float(weight)) == pytest.approx(0.25)  # type: ignore[arg-type]


def test_everything_has_a_source_that_exists() -> None:
    """Each piece of advice, recipe and variant names a source, and no source is idle."""
    sources, used = loaded("sources.yaml"), set()
    for concept, facts in loaded("concepts.yaml").items():
        assert facts.get("source") in sources, concept
        used |= {facts["source"]} | {v["source"] for v in facts.get("under", [])}
    for family, facts in loaded("families.yaml").items():
        for concept, own in (facts.get("parameters") or {}).items():
            assert concept in CONCEPTS, (family, concept)
            used |= {own["source"]} if "source" in own else set()
            used |= {v["source"] for v in own.get("under", [])}
        used |= {recipe["source"] for recipe in facts.get("recipes", [])}
    assert used <= set(sources)


def test_data_are_consistent() -> None:
    """Defaults lie in their ranges, recipes and rules name concepts, patterns compile."""
    for family in [None, *FAMILIES]:
        for concept in CONCEPTS:
            known = advice(concept, family=family)
            assert known is not None
            if known.good is not None and known.default is not None:
                assert known.good[0] <= known.default <= known.good[1], (family, concept)
            if known.good is not None and known.domain is not None and known.log:
                assert known.domain[0] > 0, (family, concept)
            assert known.rank in (1, 2, 3)
        for recipe in recipes(family):
            assert set(recipe.values) <= set(CONCEPTS)
    for family, facts in loaded("families.yaml").items():
        assert facts.get("parent", family) in FAMILIES
        assert set(facts.get("knobs", [])) <= set(CONCEPTS)
        assert all(re.compile(pattern) for pattern in facts["markers"])
        assert lineage(family)[0] == family


def test_recipes_answer_findings_that_exist() -> None:
    """Each recipe's signs are findings of a diagnosis; some family has one against overfitting."""
    signs = {sign for family in FAMILIES for recipe in recipes(family) for sign in recipe.signs}
    assert "overfitting" in signs
    assert signs <= set(Finding.__args__)  # type: ignore[attr-defined]


def test_rules_look_for_signs_that_exist() -> None:
    """Each rule's signs are findings, causes, or its own three words, and it does something."""
    own = ("any", "classes", "gap")
    known = {*Finding.__args__, *Cause.__args__, *own}  # type: ignore[attr-defined]
    effects = {
        effect for c in CONCEPTS for effect in (advice(c) or knowledge.Advice(concept=c)).raises
    }
    for rule in move_rules():
        assert set(rule.signs) <= known, rule.name
        assert rule.effect or rule.concepts, rule.name
        assert set(rule.concepts) <= set(CONCEPTS), rule.name
        assert set(rule.effect) <= effects, rule.name
