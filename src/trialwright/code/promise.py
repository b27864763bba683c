"""Which rewrites are tried first: those known to help most often, as data with reasons.

An order for want of results: how often each kind has paid in the study itself counts beside it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Promise:
    """A place in the order of rewrites."""

    names: str
    """A regular expression over the names of rewrites, whole."""
    rank: int
    """Smaller is earlier."""
    why: str
    """With its source."""
    unless: str = ""
    """A regular expression over names of metrics that such a rewrite can only harm."""


_PROBABILITIES = r"loss|nll|bits|bp[bc]|perplexity|ppl|entropy|brier|calib|ece\b"

PROMISES: tuple[Promise, ...] = (
    Promise(
        "schedule-(to-)?cosine",
        0,
        "a decaying rate is the default of every recipe, and gains on average over optimizers even"
        " untuned (Godbole et al. 2023, Deep learning tuning playbook; Schmidt et al. 2021,"
        " arXiv 2007.01547)",
    ),
    Promise(
        "scale-inputs",
        0,
        "distances, margins and gradients need inputs of one scale (scikit-learn user guide,"
        " Importance of feature scaling)",
    ),
    Promise(
        "clip-gradients|schedule-warmup",
        1,
        "the two remedies for unstable training, to be tried before anything that needs a lower"
        " rate (Godbole et al. 2023, Deep learning tuning playbook)",
    ),
    Promise(
        "norm-(layer|batch)",
        1,
        "normalised layers bear higher rates (Ioffe and Szegedy 2015, arXiv 1502.03167)",
    ),
    Promise(
        "optimizer-(adamw|adam)|mlp-adam",
        1,
        "a well-known optimizer with an adaptive rate is where recipes begin, and does no worse"
        " than simpler ones once tuned (Choi et al. 2019, arXiv 1910.05446)",
    ),
    Promise(
        "schedule-(to-)?one-cycle|mlp-lbfgs|histogram-boosting|extra-trees",
        1,
        "strong alternatives to the default of their kind (Smith and Topin 2019, arXiv 1708.07120;"
        " scikit-learn user guide; Grinsztajn et al. 2022, arXiv 2207.08815)",
    ),
    Promise(
        "label-smoothing",
        2,
        "keeps a classifier from overconfidence (Szegedy et al. 2016, arXiv 1512.00567), and spoils"
        " the probabilities that a loss measures (Mueller et al. 2019, arXiv 1906.02629)",
        unless=_PROBABILITIES,
    ),
    Promise(
        "balanced-classes",
        2,
        "keeps the rare class from being ignored, and distorts probabilities (King and Zeng 2001,"
        " Political Analysis 9)",
        unless=_PROBABILITIES,
    ),
    Promise(
        "dropout|activation-(gelu|silu)|norm-rms|optimizer-nadam|schedule-(to-)?step",
        2,
        "help in some networks and seldom harm: small gains in large comparisons (Narang et al."
        " 2021, arXiv 2102.11972; Schmidt et al. 2021, arXiv 2007.01547)",
    ),
    Promise(
        "optimizer-sgd",
        3,
        "does as well only once its own rate is tuned: the first trial of it seldom shows that"
        " (Choi et al. 2019, arXiv 1910.05446)",
    ),
    Promise(
        "init-.*",
        3,
        "the library's own weights are a sound default, and matter little where layers are"
        " normalised (Zhang et al. 2019, arXiv 1901.09321)",
    ),
    Promise(
        "optimizer-(rmsprop|adagrad)|activation-tanh",
        4,
        "older choices that later ones took the place of (Schmidt et al. 2021, arXiv 2007.01547;"
        " Glorot et al. 2011, AISTATS)",
    ),
    Promise(
        "no-.*|.*-none|un.*|estimator-no-.*",
        4,
        "taking away what somebody chose is a control: it comes behind what may gain (Godbole et"
        " al. 2023, Deep learning tuning playbook)",
    ),
)
"""First match counts; what is not named has `UNKNOWN`."""

UNKNOWN = 3


def rank_of(name: str) -> int:
    """Return the place of a rewrite in the order; smaller is earlier.

    >>> rank_of("schedule-cosine") < rank_of("activation-gelu") < rank_of("no-dropout")
    True
    """
    known = _promise(name)
    return UNKNOWN if known is None else known.rank


def promising(name: str, metric: str) -> bool:
    """Say whether a rewrite may gain anything in a metric of this name.

    >>> promising("label-smoothing", "accuracy"), promising("label-smoothing", "val_bits")
    (True, False)
    """
    known = _promise(name)
    return known is None or not (known.unless and re.search(known.unless, metric.lower()))


def _promise(name: str) -> Promise | None:
    return next((one for one in PROMISES if re.fullmatch(one.names, name)), None)
