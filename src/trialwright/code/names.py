"""What names in code say: a seed, a place for files, a switch, a budget. Knows no values."""

from __future__ import annotations

import re

from trialwright.knowledge.base import normal

_SEED = re.compile(r"(.*[._])?(random_|manual_|rng_)?(seed|random_state|rng)(_?\d)?", re.IGNORECASE)
_OF_SEEDS = re.compile(r"pythonhashseed|(.*[._])?seeds?([._].*)?", re.IGNORECASE)
_PLACE = re.compile(
    r"(log|out|output|outputs|save|ckpt|checkpoint|checkpoints|result|results|tb|tensorboard|run"
    r"|work|exp|model_save|export|artifact)s?_?(dir|folder|path|root|directory|to)"
    r"|logdir|outdir|savedir|workdir|rundir|output|out",
    re.IGNORECASE,
)
_SWITCHES = frozenset(
    """
    amsgrad anneal annealing attention augment augmentation average averaged balance balanced
    batchnorm bias bidirectional bn bootstrap center centered clip cosine cutmix decay dropout
    early ema fit gate gated intercept layernorm linear log loops mixup momentum nesterov norm
    normalise normalize normalized oblivious oversample pca pool pooling preactivation residual
    scale scaled scaling schedule shrinking skip smote standardise standardize stopping tie tied
    tta warm warmup weighted whiten
    """.split()  # noqa: SIM905  # twelve words a line are read, fifty lines are not
)
"""Words in the names of switches that change how a model learns."""

_NO_SWITCH = frozenset({"no", "cuda", "gpu", "file", "dir", "print"})

_BUDGET = re.compile(
    r".*budget.*|.*(^|_)(seconds|secs|minutes|hours|wall_?clock)(_.*)?|.*deadline.*"
)
_SPLIT = frozenset(
    {"val", "valid", "validation", "test", "eval", "evaluation", "holdout", "dev", "split"}
)

KINDS = frozenset(
    {
        "loss",
        "criterion",
        "model",
        "net",
        "arch",
        "architecture",
        "backbone",
        "encoder",
        "scheduler",
    }
)
"""Names that usually are part of the task, but are knobs where the script lists a few options."""


def words(name: str) -> frozenset[str]:
    """Return the words of a name, in lower case.

    >>> sorted(words("weightDecay_FINAL"))
    ['decay', 'final', 'weight']
    """
    return frozenset(part for part in normal(name).split("_") if part)


def is_seed(name: str) -> bool:
    """Say whether a name is that of a random seed.

    >>> is_seed("random_state"), is_seed("SEED"), is_seed("seedling")
    (True, True, False)
    """
    plain = name.replace("-", "_")
    return is_seed_option(plain) or bool(_OF_SEEDS.fullmatch(plain))


def is_seed_option(name: str) -> bool:
    """Say whether a setting of this name takes one seed, as a runner would pass it."""
    return bool(_SEED.fullmatch(name))


def is_place(name: str) -> bool:
    """Say whether a name is that of a folder that a script writes to."""
    return bool(_PLACE.fullmatch(name))


def is_switch(name: str) -> bool:
    """Say whether a name is that of a switch which changes how a model learns."""
    found = frozenset(part for part in re.split(r"[_\W]+", name.lower()) if part)
    return bool(found & _SWITCHES) and not found & _NO_SWITCH


def is_budget(name: str) -> bool:
    """Say whether a name bounds the time of a run."""
    return bool(_BUDGET.fullmatch(normal(name)))


def is_held_out(name: str) -> bool:
    """Say whether a name speaks of the data held out."""
    return bool(words(name) & _SPLIT)
