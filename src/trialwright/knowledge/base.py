"""Reads the knowledge base, and answers what a name means for a kind of model.

The files beside this module are the knowledge; this module only looks things up. It does not know
a space, a history or a result.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import Any, Literal, cast

import yaml

from trialwright.expression import Scalar, evaluate, names

Effect = Literal["fit", "progress", "time", "memory", "stability", "recall"]
"""What raising a parameter may do; see `concepts.yaml`."""

Range = tuple[float, float]

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_NOTHING: Mapping[str, float] = {}

_ENOUGH = 2.0
"""Weight of markers from which on a text counts as telling of a family."""


@dataclass(frozen=True, slots=True)
class Step:
    """A usual change: times `factor`, or plus `amount`."""

    factor: float = 1.0
    amount: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What holds instead where another concept has a matching value, as SGD's learning rates do."""

    when: Mapping[str, str]
    """Concept -> regular expression on its value."""
    given: str = ""
    """An expression over facts of the task, which must be known and hold; ""."""
    default: float | str | None = None
    """A number, or an expression over facts."""
    good: tuple[float | str, float | str] | None = None
    options: Mapping[str, float] = field(default_factory=dict)
    why: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What is known of one parameter."""

    concept: str
    default: float | None = None
    good: Range | None = None
    """The range that usually holds the best value."""
    domain: Range | None = None
    """The range worth searching."""
    log: bool = False
    rank: int = 2
    """1 decides, 2 matters, 3 fine-tunes."""
    raises: Mapping[str, int] = field(default_factory=dict)
    """`Effect` -> +1 or -1."""
    step: Step = field(default_factory=Step)
    relative: tuple[float, Range] | None = None
    """Default and good range as shares of a given range, where absolute values tell nothing."""
    options: Mapping[str, float] = field(default_factory=dict)
    """Odds of each option, in lower case."""
    why: str = ""
    source: str = ""
    variants: tuple[Variant, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A configuration that is known to do well, by concept."""

    name: str
    values: Mapping[str, Scalar]
    source: str
    signs: tuple[str, ...] = ()
    """Findings of a diagnosis that call for it."""

    def fitting(self, concepts: Collection[str]) -> str:
        """Name it for a space of these concepts: without the parts that speak of what it lacks.

        >>> recipe = Recipe(name="wider, with strong dropout", values={"dropout": 0.7}, source="")
        >>> recipe.fitting({"dropout"}), recipe.fitting({"width"})
        ('wider, with strong dropout', 'wider')
        """
        lacking = [concept.replace("_", " ") for concept in self.values if concept not in concepts]
        parts = [
            part for part in self.name.split(", ") if not any(word in part for word in lacking)
        ]
        return ", ".join(parts) or "a recipe of which a part applies here"


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveRule:
    """What to change after having seen something; see `moves.yaml`."""

    name: str
    signs: tuple[str, ...]
    text: str
    weight: float
    effect: Mapping[str, int] = field(default_factory=dict)
    concepts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricFacts:
    """What a metric can be, and what a sensible first run shows; None where that is unknown."""

    low: float | None = None
    high: float | None = None
    expects: Range | None = None
    classes: bool = False
    """Whether it lives on how well the rarer class is found."""
    numbers: bool = False
    """Whether it is of predicted numbers, not of classes: of a regression."""
    positive_weight: str | None = None
    """The weight of the positive class that suits a `value` reached without one; an expression."""


def concept_of(name: str, *, family: str | None = None) -> str | None:
    """Return the concept behind a parameter's name, if it is known.

    >>> concept_of("optimizer.lr"), concept_of("alpha", family="sklearn_mlp")
    ('learning_rate', 'weight_decay')
    """
    last = normal(name.rsplit(".", 1)[-1])
    found = _named(last, family) or _by_alias(normal(name))
    prefix, _, rest = last.partition("_")
    if found is None and rest and (prefix in _prefixes()):
        found = _named(rest, family)
    return found


def family_of_prefix(name: str) -> str | None:
    """Return the kind of model that a parameter's first word names, as in `forest_max_depth`.

    >>> family_of_prefix("svm_c"), family_of_prefix("learning_rate")
    ('svm', None)
    """
    return _prefixes().get(normal(name).partition("_")[0].partition(".")[0])


def depth(known: Advice) -> int:
    """Return how late a value can be settled: 0 always, 1 beside options, 2 beside numbers."""
    if not known.variants:
        return 0
    wanted = [t for v in known.variants for t in (v.given, v.default, *(v.good or ()))]
    mentioned = {name for text in wanted if isinstance(text, str) and text for name in names(text)}
    return 2 if mentioned & set(_load("concepts.yaml")) else 1


def advice(name: str, *, family: str | None = None) -> Advice | None:
    """Return what is known of a parameter of this name in a model of this family.

    >>> advice("learning_rate", family="gcn").default
    0.01
    """
    concept = concept_of(name, family=family)
    return None if concept is None else _advice(concept, family)


def settled(
    known: Advice, concepts: Mapping[str, Scalar], facts: Mapping[str, float] = _NOTHING
) -> Advice:
    """Return the advice that holds given other concepts' values, such as the optimizer, and facts.

    >>> advice("n_neighbors", family="knn").default
    10.0
    """
    for variant in known.variants:
        found = _fitting(variant, concepts, facts)
        if found is not None:
            default, good = found
            return replace(
                known,
                default=known.default if default is None else default,
                good=good or known.good,
                relative=None if default is not None else known.relative,
                options=variant.options or known.options,
                why=variant.why or known.why,
                source=variant.source or known.source,
                variants=(),
            )
    return known


def _fitting(
    variant: Variant, concepts: Mapping[str, Scalar], facts: Mapping[str, float]
) -> tuple[float | None, Range | None] | None:
    """The default and the good range of a variant; None if it does not hold here."""
    if not all(
        re.fullmatch(pattern, str(concepts.get(concept, "")).lower())
        for concept, pattern in variant.when.items()
    ):
        return None
    wanted = [variant.given, variant.default, *(variant.good or ())]
    needed = {name for text in wanted if isinstance(text, str) and text for name in names(text)}
    if not needed <= facts.keys() or (variant.given and not evaluate(variant.given, facts)):
        return None
    good = (
        None
        if variant.good is None
        else (_worked(variant.good[0], facts), _worked(variant.good[1], facts))
    )
    return None if variant.default is None else _worked(variant.default, facts), good


def _worked(value: float | str, facts: Mapping[str, float]) -> float:
    return float(evaluate(value, facts) if isinstance(value, str) else value)  # type: ignore[arg-type]  # expressions of this package give numbers


def recipes(family: str | None) -> tuple[Recipe, ...]:
    """Return the recipes of a family and then of those it belongs to, best first."""
    found = [recipe for kind in lineage(family) for recipe in _families()[kind].get("recipes", [])]
    return tuple(
        Recipe(
            name=r["name"],
            values=r["values"],
            source=_source(r["source"]),
            signs=tuple(r.get("sign") or ()),
        )
        for r in found
    )


def family_of(text: str) -> str | None:
    """Guess the kind of model from a script's source, a description, or a family's own name.

    >>> family_of("from xgboost import XGBClassifier"), family_of("hello")
    ('xgboost', None)
    """
    if normal(text.strip()) in _families():
        return normal(text.strip())
    own = {kind: _weight(kind, text) for kind in _families()}
    totals = {
        kind: sum(own[ancestor] for ancestor in lineage(kind))
        for kind, weight in own.items()
        if weight > 0
    }
    best = max(totals, key=lambda kind: totals[kind], default=None)
    return best if best is not None and totals[best] >= _ENOUGH else None


def family_of_names(names: Iterable[str]) -> str | None:
    """Guess the kind of model from the parameters that it has; at least three must speak for it."""
    concepts = {concept_of(name) for name in names}
    votes = {
        kind: len(concepts & set(facts.get("knobs") or ())) for kind, facts in _families().items()
    }
    best = max(votes, key=lambda kind: votes[kind])
    return best if votes[best] >= 3 else None


def metric_facts(metric: str) -> MetricFacts:
    """Return what is known of a metric by its name; nothing is, of an unknown one."""
    stem = re.sub(r"^(train|training|val|valid|validation|dev|test|eval)_+", "", normal(metric))
    for entry in _load("metrics.yaml"):
        if re.fullmatch(entry["pattern"], stem):
            low, high = entry["range"]
            expects = entry.get("expects")
            return MetricFacts(
                low=low,
                high=high,
                expects=(float(expects[0]), float(expects[1])) if expects else None,
                classes=bool(entry.get("classes", False)),
                numbers=bool(entry.get("numbers", False)),
                positive_weight=entry.get("positive_weight"),
            )
    return MetricFacts()


@cache
def move_rules() -> tuple[MoveRule, ...]:
    """Return every rule of what to change next."""
    return tuple(
        MoveRule(
            name=entry["name"],
            signs=tuple(entry["sign"]),
            text=entry["text"],
            weight=float(entry["weight"]),
            effect=entry.get("effect") or {},
            concepts=entry.get("concepts") or {},
        )
        for entry in _load("moves.yaml")
    )


def is_ignored(name: str) -> bool:
    """Say whether a name is known to be no hyperparameter: a path, a seed, a device, ..."""
    last = normal(name.rsplit(".", 1)[-1])
    return any(re.fullmatch(pattern, last) for pattern in _load("ignored.yaml"))


def normal(name: str) -> str:
    """Lower case, with `_` for any separator, and between the words of camel case."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip("-"))
    return re.sub(r"[\s.\-/]+", "_", spaced).lower()


def lineage(family: str | None) -> tuple[str, ...]:
    """Return the family and those it belongs to; () for None or an unknown one."""
    chain: list[str] = []
    while family is not None and family in _families() and family not in chain:
        chain.append(family)
        family = _families()[family].get("parent")
    return tuple(chain)


@cache
def _load(name: str) -> Any:
    text = files("trialwright.knowledge").joinpath(name).read_text(encoding="utf-8")
    return yaml.load(text, Loader=_LOADER)  # noqa: S506  # a safe loader, in C where there is one


def _families() -> dict[str, dict[str, Any]]:
    return cast("dict[str, dict[str, Any]]", _load("families.yaml"))


def _named(name: str, family: str | None) -> str | None:
    for kind in lineage(family):
        own = _families()[kind].get("names") or {}
        if name in own:
            return str(own[name])
    return _by_alias(name)


@cache
def _prefixes() -> dict[str, str]:
    return {
        str(prefix): kind
        for kind, facts in _families().items()
        for prefix in facts.get("prefixes") or ()
    }


@cache
def _by_alias(name: str) -> str | None:
    concepts = _load("concepts.yaml").items()
    for concept, facts in concepts:
        if name == concept or name in facts["aliases"]:
            return str(concept)
    for concept, facts in concepts:
        if any(re.fullmatch(alias, name) for alias in facts["aliases"]):
            return str(concept)
    return None


@cache
def _advice(concept: str, family: str | None) -> Advice:
    facts: dict[str, Any] = dict(_load("concepts.yaml")[concept])
    for kind in reversed(lineage(family)):
        own = (_families()[kind].get("parameters") or {}).get(concept) or {}
        # A family's own absolute values outweigh the shares of a range that hold in general.
        if "default" in own and "relative" not in own and "relative" in facts:
            own = {**own, "relative": facts["relative"]}
        facts |= own
    relative = facts.get("relative")
    return Advice(
        concept=concept,
        default=None if facts.get("default") is None else float(facts["default"]),
        good=_range(facts.get("good")),
        domain=_range(facts.get("domain")),
        log=facts.get("scale") == "log",
        rank=int(facts.get("rank", 2)),
        raises=facts.get("raises") or {},
        step=_step(facts.get("step")),
        relative=(
            (float(relative["default"]), cast("Range", tuple(relative["good"])))
            if relative
            else None
        ),
        options=_odds(facts.get("options")),
        why=str(facts.get("why", "")),
        source=_source(facts.get("source")),
        variants=tuple(_variant(entry) for entry in facts.get("under") or ()),
    )


def _variant(entry: Mapping[str, Any]) -> Variant:
    return Variant(
        when=entry.get("when") or {},
        given=entry.get("given", ""),
        default=entry.get("default"),
        good=tuple(entry["good"]) if entry.get("good") else None,
        options=_odds(entry.get("options")),
        why=entry.get("why", ""),
        source=_source(entry.get("source")),
    )


def _odds(table: Mapping[object, float] | None) -> dict[str, float]:
    return {str(option).lower(): float(odds) for option, odds in (table or {}).items()}


def _step(text: str | None) -> Step:
    if not text:
        return Step()
    return Step(factor=float(text[1:])) if str(text)[0] == "x" else Step(amount=float(text))


def _range(ends: list[float] | None) -> Range | None:
    return (float(ends[0]), float(ends[1])) if ends else None


def _source(key: str | None) -> str:
    return str(_load("sources.yaml")[key]) if key else ""


def _weight(kind: str, text: str) -> float:
    markers = _families()[kind].get("markers") or {}
    return sum(
        float(weight)
        for pattern, weight in markers.items()
        if re.search(pattern, text, re.IGNORECASE)
    )
