"""Which literals of a script may be tuned, over which values; why the others are left alone.

What names mean is the knowledge base's. Here stands what follows from where a literal is written:
sizes that other layers share, arguments of calls about data, rates of parameter groups.
"""

from __future__ import annotations

import math
import re

from trialwright.code.names import (
    KINDS,
    is_budget,
    is_held_out,
    is_place,
    is_seed,
    is_switch,
    words,
)
from trialwright.code.spots import Spot
from trialwright.errors import SpaceError
from trialwright.expression import Scalar
from trialwright.knowledge import advice, concept_of, family_of, guess_domain
from trialwright.knowledge.base import is_ignored
from trialwright.space import Choice, Float, Int, Ordinal, Parameter

MOST_OPTIONS = 8

HALF_KNOWN = "only one of its options is known"
"""Why a text is left that may well have been set to the one option that the script compares it
with: another version of the script knew the other one."""

Judged = tuple[Parameter | None, str]
"""The domain, and where it is from; or None, and why."""

_ASIDE = re.compile(
    r"print|open|input|exit|len|range|round|int|float|str|sum|min|max|sorted|enumerate|zip|isinstance"
    r"|make_\w+|load\w*|fetch_\w+|read_\w+|to_(csv|json|numpy|excel)|save\w*|dump\w*|genfromtxt"
    r"|train_test_split|random_split|\w*(Fold|ShuffleSplit|TimeSeriesSplit)|cross_val\w*|cross_validate"
    r"|\w*_(score|error|loss_report|report|matrix|curve)|linspace|arange|logspace|full|zeros|ones|array"
    r"|rand\w*|uniform|normal\w*|choice|choices|sample|shuffle|permutation|isclose|allclose|clip|quantile"
    r"|percentile|mean|std|var|argmax|argmin|topk|view|reshape|permute|transpose|flatten|squeeze"
    r"|info|debug|warning|error|log|log_metric|add_scalar|init|basicConfig|sleep|run|Popen|check_output"
    r"|plot|scatter|hist|bar|legend|figure|subplots|savefig|grid|imshow|fill_between|axvline|axhline|text"
    r"|ArgumentParser|add_argument_group|add_parser|add_subparsers|getenv|get|pop|join|split|format"
    r"|compile|autocast|GradScaler|manual_seed|seed|set_num_threads|tqdm|trange|partial|dataclass"
    r"|Path|namedtuple|Enum|TypeVar|field|Tokenizer|SummaryWriter|DictWriter|writer|softmax|log_softmax"
)
"""Calls about data, files, figures and figures of merit, by the last part of their names."""

_LAYER = re.compile(
    r"(.*\.)?nn\.[A-Z]\w*"
    r"|Linear|LazyLinear|Bilinear|Embedding\w*|Conv\w+|LSTM|GRU|RNN|\w+Norm\w*|MultiheadAttention|\w*Pool\w+"
)
_DOUBLED = frozenset({"width", "embedding", "heads", "batch_size"})
"""Sizes that go by factors of two: whatever divided them still does."""

_SCHEDULER = re.compile(r".*LR|.*WarmRestarts|.*LROnPlateau|.*Schedule(r)?")

_OPTIONS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (r"MLP(Classifier|Regressor)", "activation", ("relu", "tanh", "logistic")),
    (r"MLP(Classifier|Regressor)", "solver", ("adam", "sgd", "lbfgs")),
    (r"SV[CR]|NuSV[CR]", "kernel", ("rbf", "linear", "poly", "sigmoid")),
    (
        r"(RandomForest|ExtraTrees|DecisionTree|ExtraTree)Classifier",
        "criterion",
        ("gini", "entropy"),
    ),
    (r"KNeighbors(Classifier|Regressor)", "weights", ("uniform", "distance")),
    (r"SGDClassifier", "penalty", ("l2", "l1", "elasticnet")),
    (r"(RandomForest|ExtraTrees)(Classifier|Regressor)", "max_features", ("sqrt", "log2")),
)
"""Options of scikit-learn's estimators, none of which needs another argument."""

_TRACKERS = frozenset(["wandb", "tensorboard", "mlflow", "comet", "neptune"])
_SHARES = frozenset(["ratio", "frac", "fraction", "share", "prob", "probability", "pct"])
_FACTORS = frozenset(["mult", "multiplier", "expansion", "expand", "ratio", "factor"])


def domain_of(
    spot: Spot, *, parameter: str, family: str | None, compared: tuple[Scalar, ...]
) -> Judged:
    """Judge a literal; the domain goes by the name `parameter`, and holds the present value."""
    why = _aside(spot)
    if why:
        return None, why
    family = family_of(spot.context) or family if spot.kind == "argument" else family
    try:
        match spot.value:
            case bool() as value:
                return _switch(spot, value, parameter)
            case str() as text:
                return _word(spot, text, parameter, compared)
            case None:
                return _open(spot, parameter, family)
            case number:
                return _number(spot, number, parameter, family)
    except SpaceError as error:
        return None, str(error)


def _aside(spot: Spot) -> str:
    """Why a literal is no setting, whatever its value; '' if it may be one."""
    if is_seed(spot.name):
        return "a seed"
    if is_place(spot.name):
        return "a place for files"
    if is_budget(spot.name):
        return "the time that a run may take"
    if is_held_out(spot.name) or (spot.kind == "argument" and is_held_out(spot.near)):
        return "about the data held out"
    if spot.idle:
        return "every call sets it"
    return _aside_by_call(spot) if spot.kind == "argument" else ""


def _aside_by_call(spot: Spot) -> str:
    last = spot.context.rpartition(".")[2]
    if _ASIDE.fullmatch(last):
        return f"an argument of {last}"
    dropped = spot.name == "p" or concept_of(spot.name) == "dropout"
    if _LAYER.fullmatch(spot.context) and not dropped:
        return "a layer's own, which other layers may share"
    return ""


def _switch(spot: Spot, value: bool, parameter: str) -> Judged:  # noqa: FBT001
    if spot.kind == "argument" and _SCHEDULER.fullmatch(spot.context.rpartition(".")[2]):
        return None, "depends on the optimizer"
    telling = is_switch(spot.name) and not words(spot.name) & _TRACKERS
    if telling or concept_of(spot.name) == "normalization":
        return Choice(parameter, (value, not value), default=value), "a switch"
    return None, _unknown(spot, "a switch")


def _word(spot: Spot, text: str, parameter: str, compared: tuple[Scalar, ...]) -> Judged:
    listed = [
        options
        for callee, name, options in _OPTIONS
        if spot.name == name and re.fullmatch(callee, spot.context.rpartition(".")[2])
    ]
    own = spot.options or ((text, *compared) if compared else ())
    options = tuple(dict.fromkeys(own or (listed[0] if listed else ())))
    kinds = words(spot.name) & KINDS
    if "loss" in kinds or ("criterion" in kinds and "gini" not in options):
        return None, "the metric may depend on it"
    if is_ignored(spot.name) and not kinds:
        return None, "part of the task or of the machine"
    if options == (text,) and text in compared:
        return None, HALF_KNOWN
    if text not in options or not 2 <= len(options) <= MOST_OPTIONS:
        return None, "its options are not known"
    return Choice(parameter, options, default=text), "the options that it takes"


def _open(spot: Spot, parameter: str, family: str | None) -> Judged:
    """A setting that is off, or unbounded, by default."""
    known = advice(spot.name, family=family)
    if known is None or known.good is None or known.relative is not None or is_ignored(spot.name):
        return None, _unknown(spot, "off by default")
    low, high = known.good
    middle = known.default if known.default is not None else math.sqrt(max(low, 1e-9) * high)
    whole = isinstance(guess_domain(spot.name, None, family=family), Int)
    values = sorted({float(low), float(middle), float(high)})
    options = [round(value) if whole else value for value in values]
    return Choice(parameter, (None, *options)), "off by default; else the range known to be good"


def _number(  # noqa: PLR0911  # a case each
    spot: Spot, value: float, parameter: str, family: str | None
) -> Judged:
    if spot.options:
        return _listed(spot, value, parameter)
    if value < 0:
        return None, "negative, which often means off"
    if spot.kind == "argument" and _SCHEDULER.fullmatch(spot.context.rpartition(".")[2]):
        return _of_schedule(spot, value, parameter)
    if is_ignored(spot.name) and not (words(spot.name) & _SHARES and "warmup" in words(spot.name)):
        return None, "part of the task or of the machine"
    concept = concept_of(spot.name, family=family)
    if concept in _DOUBLED and isinstance(value, int) and value > 1 and not value % 2:
        return _doubled(value, parameter), "from its name, by factors of two"
    if concept == "coefficient" and not _may_be_coefficient(spot):
        return None, "its meaning is not known"
    meaning = "dropout" if spot.name == "p" and "ropout" in spot.context else spot.name
    meaning = "max_grad_norm" if spot.context.endswith("clip_grad_norm_") else meaning
    known = guess_domain(meaning, value, family=family)
    if known is not None:
        return _renamed(known, parameter), "from its name and value"
    return _by_words(spot, value, parameter)


def _may_be_coefficient(spot: Spot) -> bool:
    """Names such as alpha mean something only where the call is known, or the script says so."""
    return spot.kind != "argument" or family_of(spot.context) is not None


def _listed(spot: Spot, value: float, parameter: str) -> Judged:
    numbers = [option for option in spot.options if isinstance(option, int | float)]
    if value not in numbers or not 2 <= len(numbers) <= MOST_OPTIONS or is_ignored(spot.name):
        return None, _unknown(spot, "its options are not known")
    return Ordinal(parameter, tuple(sorted(numbers)), default=value), "the script's own choices"


def _of_schedule(spot: Spot, value: float, parameter: str) -> Judged:
    if spot.name in ("gamma", "factor") and 0 < value < 1:
        return Float(parameter, 0.05, 0.99, default=float(value)), "the decay of a schedule"
    if spot.name in ("step_size", "patience") and isinstance(value, int) and value > 0:
        ends = max(1, value // 3), value * 3
        return Int(parameter, *ends, log=True, default=value), "when a schedule decays"
    if spot.name == "pct_start" and 0 < value < 1:
        return Float(parameter, 0.05, 0.5, default=float(value)), "the share of a warm-up"
    if spot.name == "max_lr" and value > 0:
        return _tenfold(float(value), parameter), "a learning rate"
    return None, "tied to the length of training"


def _by_words(spot: Spot, value: float, parameter: str) -> Judged:  # noqa: PLR0911  # a case each
    """Judge a name whose words are known, though the whole is not: `EMBEDDING_LR`."""
    found = words(spot.name)
    last = spot.name.lower().rpartition("_")[2]
    whole = isinstance(value, int)
    if value > 0 and (last == "lr" or spot.name.lower().endswith("learning_rate")):
        return _tenfold(float(value), parameter), "a learning rate, around its value"
    if found & {"decay", "wd"} and found & {"weight", "wd", "l2"}:
        if value:
            return _tenfold(float(value), parameter), "weight decay, around its value"
        return Float(parameter, 0.0, 0.1, default=0.0), "weight decay"
    if whole and value > 1 and (found & {"batch", "accum", "accumulation"}):
        return _doubled(int(value), parameter), "from its name, by factors of two"
    if last in _SHARES and 0 <= value <= 1 and (not whole or value == 0):
        high = min(1.0, max(0.3, 2 * value))
        return Float(parameter, 0.0, high, default=float(value)), "a share"
    if (last in _FACTORS or found & {"softcap", "cap", "momentum"}) and value > 0:
        return _around(value, parameter), "around its value"
    if found & {"init", "initial"} and found & {"std", "scale", "gain"} and value > 0:
        return _tenfold(float(value), parameter), "the scale of the first weights, around its value"
    return None, _unknown(spot, "its meaning is not known")


def _tenfold(value: float, parameter: str) -> Float:
    ends = (float(f"{value / 10:.6g}"), float(f"{value * 10:.6g}"))
    return Float(parameter, *ends, log=True, default=value)


def _around(value: float, parameter: str) -> Parameter:
    """From half to twice the value; a share stays below 1."""
    if isinstance(value, int):
        return Int(parameter, max(1, value // 2), value * 2, log=True, default=value)
    high = 2 * value if value >= 1 else min(2 * value, (1 + value) / 2)
    return Float(parameter, value / 2, high, default=value)


def _doubled(value: int, parameter: str) -> Ordinal:
    """From a quarter to four times the value; never more than twice of what is large already."""
    down = [value // 2**k for k in (2, 1) if value % 2**k == 0]
    up = [value * 2, value * 4] if value < 64 else [value * 2]
    return Ordinal(parameter, tuple(sorted({*down, value, *up})), default=value)


def _renamed(domain: Parameter, name: str) -> Parameter:
    match domain:
        case Float(low=low, high=high, log=log, default=default):
            return Float(name, low, high, log=log, default=default)
        case Int(low=low, high=high, log=log, default=default):
            return Int(name, low, high, log=log, default=default)
        case Choice(options=options, default=default):
            return Choice(name, options, default=default)
        case Ordinal(levels=levels, default=default):
            return Ordinal(name, levels, default=default)


def _unknown(spot: Spot, otherwise: str) -> str:
    return "part of the task or of the machine" if is_ignored(spot.name) else otherwise
