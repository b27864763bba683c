"""Edits of scikit-learn code: other estimators of a family, scaling, options of estimators."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import libcst as cst

from trialwright.code.trees import (
    Code,
    Edits,
    keyword,
    new_statement,
    starred,
    walk,
    with_keyword,
    without_keyword,
)

_SCALED = re.compile(
    r"MLP(Classifier|Regressor)|KNeighbors(Classifier|Regressor)|SV[CR]|NuSV[CR]|LinearSV[CR]"
    r"|LogisticRegression|SGD(Classifier|Regressor)|Ridge|Lasso|ElasticNet|RidgeClassifier"
)
"""Estimators whose result depends on the scale of their inputs."""

_SCALING = re.compile(r"Scaler|Pipeline|make_pipeline|\bscale\(|normali[sz]e|ColumnTransformer")
_PLAIN_USES = frozenset({"fit", "predict", "predict_proba", "score", "decision_function"})
_EVALUATIONS = frozenset(
    {"cross_val_score", "cross_validate", "cross_val_predict", "clone", "print"}
)


@dataclass(frozen=True, slots=True)
class Swap:
    """Two estimators of one module that take the same arguments, after renaming some."""

    source: str
    target: str
    kept: frozenset[str]
    """Keyword arguments that mean the same."""
    renamed: Mapping[str, str] = field(default_factory=dict)


_FOREST = frozenset(
    """
    n_estimators criterion max_depth min_samples_split min_samples_leaf max_features max_leaf_nodes
    min_impurity_decrease bootstrap n_jobs random_state verbose class_weight ccp_alpha warm_start
    """.split()  # noqa: SIM905  # a dozen words a line
)
_PENALISED = frozenset(
    {"alpha", "fit_intercept", "copy_X", "max_iter", "tol", "positive", "random_state"}
)
_GRADIENT = frozenset({"learning_rate", "max_depth", "min_samples_leaf", "random_state", "verbose"})


def swap_estimator(*swaps: Swap) -> Callable[[Code], Edits | None]:
    """Return the edit that turns estimators into others of their family, imports included."""

    def edit(code: Code) -> Edits | None:
        found: dict[cst.CSTNode, cst.CSTNode] = {}
        for swap in swaps:
            new = _swapped(code, swap)
            if new is None:
                return None
            found |= new
        return found or None

    return edit


def forest(source: str, target: str) -> Callable[[Code], Edits | None]:
    """Return the swap between forests, which differ in how splits are drawn."""
    kinds = ("Classifier", "Regressor")
    return swap_estimator(*(Swap(source + kind, target + kind, _FOREST) for kind in kinds))


def histogram_boosting() -> Callable[[Code], Edits | None]:
    """Return the swap from exact to histogram gradient boosting."""
    kinds = ("Classifier", "Regressor")
    renamed = {"n_estimators": "max_iter"}
    return swap_estimator(
        *(
            Swap(f"GradientBoosting{kind}", f"HistGradientBoosting{kind}", _GRADIENT, renamed)
            for kind in kinds
        )
    )


def penalised(source: str, target: str) -> Callable[[Code], Edits | None]:
    """Return the swap between linear models that differ in their penalty."""
    return swap_estimator(Swap(source, target, _PENALISED))


def scale_inputs(code: Code) -> Edits | None:
    """Put a scaler before an estimator that needs one, as a pipeline."""
    found = [
        (call, name)
        for call, name in code.calls
        if name.startswith("sklearn.") and _SCALED.fullmatch(name.rpartition(".")[2])
    ]
    if _SCALING.search(code.text) or len(found) != 1 or not _plainly_used(code, found[0][0]):
        return None
    last = _last_import(code)
    if last is None:
        return None
    call = found[0][0]
    pipeline = cst.parse_expression(f"make_pipeline(StandardScaler(), {code.text_of(call)})")
    imports = [
        new_statement(code, "from sklearn.pipeline import make_pipeline"),
        new_statement(code, "from sklearn.preprocessing import StandardScaler"),
    ]
    return {call: pipeline, last: cst.FlattenSentinel([last, *imports])}


def unscale_inputs(code: Code) -> Edits | None:
    """Take out a pipeline of a standard scaler and one estimator."""
    edits: dict[cst.CSTNode, cst.CSTNode | cst.RemovalSentinel] = {}
    for call, name in code.calls:
        pair = name == "sklearn.pipeline.make_pipeline" and len(call.args) == 2
        if pair and code.text_of(call.args[0].value) == "StandardScaler()":
            edits[call] = call.args[1].value
    if len(edits) != 1:
        return None
    for text in ("make_pipeline", "StandardScaler"):
        uses = code.named(text)
        lines = [line for line in code.module.body if _imports_only(code, line, text)]
        if len(uses) == 2 and len(lines) == 1:
            edits[lines[0]] = cst.RemoveFromParent()
    return edits


def set_option(
    estimators: str, name: str, value: str, *, usual: str = "", unless: str = ""
) -> Callable[[Code], Edits | None]:
    """Return the edit that sets an option of certain estimators, where it is absent or a literal.

    `usual` is what they have where it is absent; where `unless` is found, nothing is edited.
    """

    def edit(code: Code) -> Edits | None:
        edits: dict[cst.CSTNode, cst.CSTNode] = {}
        for call, full in code.calls:
            last = full.rpartition(".")[2]
            if not full.startswith("sklearn.") or not re.fullmatch(estimators, last):
                continue
            present = keyword(call, name)
            literal = present is None or isinstance(present.value, cst.SimpleString)
            if starred(call) or not literal or (unless and re.search(unless, code.text)):
                return None
            now = code.text_of(present.value) if present else usual
            if now.strip("'\"") != value.strip("'\""):
                edits[call] = with_keyword(call, name, value)
        return edits or None

    return edit


def drop_option(estimators: str, name: str) -> Callable[[Code], Edits | None]:
    """Return the edit that leaves an option of certain estimators to its default."""

    def edit(code: Code) -> Edits | None:
        found = [
            call
            for call, full in code.calls
            if full.startswith("sklearn.")
            and re.fullmatch(estimators, full.rpartition(".")[2])
            and keyword(call, name)
        ]
        return {call: without_keyword(call, name) for call in found} or None

    return edit


def _swapped(code: Code, swap: Swap) -> dict[cst.CSTNode, cst.CSTNode] | None:
    """Every mention of an estimator by the other's name; None where an argument has no equal."""
    calls = [call for call, name in code.calls if _is(name, swap.source)]
    names = code.named(swap.source)
    if not calls:
        return {}
    if code.named(swap.target) or any(starred(call) for call in calls):
        return None
    edits: dict[cst.CSTNode, cst.CSTNode] = {}
    for call in calls:
        given = [arg.keyword.value if arg.keyword else "" for arg in call.args]
        if not all(name in swap.kept or name in swap.renamed for name in given):
            return None
        args = [
            arg.with_changes(keyword=cst.Name(swap.renamed.get(name, name)))
            for arg, name in zip(call.args, given, strict=True)
        ]
        edits[call] = call.with_changes(func=_by(call.func, swap.target), args=args)
    inside = {node for call in calls for node in walk(call)}
    for name in names:
        if name not in inside:
            edits[name] = name.with_changes(value=swap.target)
    return edits


def _is(name: str, estimator: str) -> bool:
    return name.startswith("sklearn.") and name.endswith(f".{estimator}")


def _by(function: cst.BaseExpression, name: str) -> cst.BaseExpression:
    if isinstance(function, cst.Attribute):
        return function.with_changes(attr=cst.Name(name))
    return cst.Name(name)


def _plainly_used(code: Code, call: cst.Call) -> bool:
    """Whether an estimator is only fitted, asked and evaluated, so that a pipeline is the same."""
    outer = code.parents.get(call)
    if isinstance(outer, cst.Attribute):
        fit = code.parents.get(outer)
        if outer.attr.value != "fit" or not isinstance(fit, cst.Call) or len(fit.args) != 2:
            return False
        outer = code.parents.get(fit)
    if not isinstance(outer, cst.Assign) or len(outer.targets) != 1:
        return isinstance(outer, cst.Arg) and _evaluates(code, outer)
    target = outer.targets[0].target
    if not isinstance(target, cst.Name):
        return False
    return all(_plain_use(code, use) for use in code.named(target.value) if use is not target)


def _plain_use(code: Code, use: cst.Name) -> bool:
    outer = code.parents.get(use)
    if isinstance(outer, cst.Attribute) and outer.value is use:
        call = code.parents.get(outer)
        weighted = isinstance(call, cst.Call) and any(arg.keyword for arg in call.args)
        return outer.attr.value in _PLAIN_USES and not weighted
    return isinstance(outer, cst.Arg) and outer.value is use and _evaluates(code, outer)


def _evaluates(code: Code, arg: cst.Arg) -> bool:
    call = code.parents.get(arg)
    return isinstance(call, cst.Call) and code.text_of(call.func) in _EVALUATIONS


def _last_import(code: Code) -> cst.CSTNode | None:
    """The last import from scikit-learn at the top of the script."""
    found = [
        line
        for line in code.module.body
        if isinstance(line, cst.SimpleStatementLine)
        and len(line.body) == 1
        and isinstance(line.body[0], cst.ImportFrom)
        and code.text_of(line.body[0]).startswith("from sklearn")
    ]
    return found[-1] if found else None


def _imports_only(code: Code, line: cst.CSTNode, name: str) -> bool:
    """Whether a line imports this name and nothing else."""
    if not isinstance(line, cst.SimpleStatementLine) or len(line.body) != 1:
        return False
    inner = line.body[0]
    if not isinstance(inner, cst.ImportFrom) or isinstance(inner.names, cst.ImportStar):
        return False
    return [code.text_of(alias.name) for alias in inner.names] == [name]
