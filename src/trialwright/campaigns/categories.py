"""What kind of change a description speaks of: rules over its words, as data.

The kinds are those of a proposal. A guess from words, to stand beside what a log declares, never in
its place.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from trialwright.campaigns.campaign import Experiment
from trialwright.campaigns.vocabulary import normal
from trialwright.records import Category


@dataclass(frozen=True, slots=True)
class Rule:
    """Words that speak for a category, with a description that they are for."""

    category: Category
    words: str
    """Alternatives of a regular expression; `_` is a blank, a dash, or nothing."""
    example: str


RULES = (
    Rule(
        "baseline",
        r"baselines?|replicate[sd]?|replication|repro(?:duc\w*)?\d*|re_?run|re_?eval\w*"
        r"|same config(?:uration)?"
        r"|another seed|seed=?\d*|noise (?:check|floor)|variance test|confirm\w*|sanity check",
        "R60 curriculum 0.6 3hr repro2",
    ),
    Rule(
        "regularization",
        r"dropout|drop_?path|stochastic_depth|weight_?decay|wd\d*|l1|l2(?:_leaf_reg)?"
        r"|reg_?(?:lambda|alpha)|regulari[sz]\w+"
        r"|label_?smooth\w*|mix_?up|cut_?mix|cut_?out|grad\w*_?clip\w*|clip\w* grad\w*"
        r"|early_stop\w*|ema|swa|z_?loss|augment\w*"
        r"|min_?child_?weight|gamma|path_?smooth|min_?data_?in_?leaf",
        "WEIGHT_DECAY 0.1->0.0 marginal simplification win",
    ),
    Rule(
        "schedule",
        r"warm_?ups?|warm_?down\w*|cool_?down|anneal\w*|cosine|schedul\w+|decay steps|lr_decay"
        r"|final_?lr\w*|one_?cycle|cyclic"
        r"|curriculum|epochs?|num_?steps|n_?estimators|iterations|longer training|patience"
        r"|early_stopping_rounds",
        "warmdown_ratio 0.4->0.1 (more time at peak LR)",
    ),
    Rule(
        "optimizer",
        r"adam\w*|muon|sgd|momentum|nesterov|lion|adafactor|rmsprop|lamb|shampoo|soap"
        r"|optimi[sz]ers?|beta_?[12]|betas"
        r"|newton_schulz|ns_steps|spsa|lookahead|sam|preconditio\w+",
        "Adam beta2 0.95->0.9 slightly worse",
    ),
    Rule(
        "data",
        r"data(?:_?sets?)?|shuffl\w+|token\w*izer|vocab\w*|sequence packing|sampl(?:er|ing)"
        r"|features?|resampl\w+|normali[sz]e inputs?"
        r"|impute\w*|train split|shards?|documents?|lags?|one_?hot",
        "shuffle documents within shards",
    ),
    Rule(
        "systems",
        r"compile\w*|bf_?16|fp_?(?:16|8)|tf32|flash_?attn|flash_?attention|fused|kernels?|cuda"
        r"|triton|throughput|checkpointing"
        r"|grad\w*_accum\w*|device_?batch_?size|micro_?batch\w*|data_?loader|num_?workers"
        r"|mixed precision|parallel\w*|oom fix|n_jobs",
        "DEVICE_BATCH_SIZE 8->16 (19.4GB, 22.3M tokens)",
    ),
    Rule(
        "architecture",
        r"depth|n_?layers?|layers?|width|n_?embd|d_?model|d_?state|d_?conv|hidden(?:_dim|_size)?"
        r"|head_?dim|n_?heads?|heads"
        r"|attention|attn|mlp|ffn|swiglu|geglu|gelu|relu|silu|squared relu|activation|rms_?norm"
        r"|layer_?norm|batch_?norm|qk_?norm"
        r"|norm_first|pre_?ln|post_?ln|residual|skip connection|embedding|rope|rotary"
        r"|window_?(?:pattern|size)|weight_?tying|tied|softcap"
        r"|expand|convs?|convolution\w*|moe|experts?|gat(?:e|es|ed|ing)|value embed\w*|backbone"
        r"|architecture|(?:ft_)?transformer"
        r"|num_?leaves|max_?depth|patch(?:_size)?|e\d{2,4}|d\d{1,2}|unet|ensemble\w*",
        "HEAD_DIM 64->128 (faster, more tokens)",
    ),
    Rule(
        "hyperparameter",
        r"lr|\w*_lr\d*|lrs|learning_?rates?|eta|batch_?size|total_?batch\w*|batch|eps\w*|epsilon"
        r"|np=?\d*|n_?perts=?\d*|temperature"
        r"|subsample|colsample\w*|feature_?fraction|bagging_?\w+|max_?bin|hyper_?param\w*"
        r"|init(?:ial\w*)?(?:_(?:std|scale))?|std"
        r"|random_?strength|border_?count|huber\w*|loss weights?",
        "3x LR increase (matrix 0.001->0.003)",
    ),
    Rule(
        "data",
        r"(?:add|drop|replace|remove|stack)(?:ed|ing)? [a-z0-9]+_[a-z0-9_]+",
        "add rh_iws to the inputs",
    ),
)
"""By their order: a replicate names what it repeats; a name that nobody knows is an input's."""

_WHY = re.compile(
    r"\s*(?:\((?:hypothesis|evidence)|[;:]\s*(?:val|result|evidence|hypothesis)|\bevidence:"
    r"|\bresult:|\s[—–]\s|\s--\s"
    r"|\bon exp\d+|\bbecause\b|\bsince\b|\bvs\b|:\s(?=\D)).*",
    re.IGNORECASE | re.DOTALL,
)
"""Where reasons, results and what it was tried on begin."""
_ASIDE = re.compile(r"\s*\([^()]*\)")
_LEAD = re.compile(
    r"^(?:(?:bottleneck|problem|observation)\b.*?\bhypothesis:\s*|hypothesis:\s*"
    r"|(?:exp(?:eriment)?\s*\d+|r\d+[a-z]?|trial\s*\d+|t\+\d+)[\s:.-]+|from champion:?\s*"
    r"|(?:mlp|catboost(?: plain)?|lightgbm|xgboost|ft-transformer(?: pre-ln)?)\s+(?=\w))",
    re.IGNORECASE,
)
"""A label, or the model that was changed: neither says how."""


def _compiled(words: str) -> re.Pattern[str]:
    loose = words.replace("_?", "[ _-]?").replace("\\w*_[", "\\w*[ _-][")
    return re.compile(rf"(?<![a-z0-9])(?:{loose})(?![a-z0-9])")


_PATTERNS = tuple((rule.category, _compiled(rule.words)) for rule in RULES)


def category_of(description: str) -> Category | None:
    """Return the kind of change that a description speaks of; None if no rule knows its words.

    What is said of the reasons and of the result is left out. Several kinds are `multi`.

    >>> category_of("WARMDOWN_RATIO 0.5->0.3"), category_of("dropout 0.1 + batch size 64")
    ('schedule', 'multi')
    """
    found = kinds_in(description)
    if "baseline" in found:
        return "baseline"
    return found[0] if len(found) == 1 else "multi" if found else None


def kinds_in(description: str) -> tuple[Category, ...]:
    """Return every kind of change that a description speaks of.

    What belongs to one kind is taken out before the next is looked for: `grad clip` is no `clip`.
    """
    text = change_in(description).casefold()
    found: list[Category] = []
    for category, pattern in _PATTERNS:
        text, times = pattern.subn(" ", text)
        if times and not (category == "data" and "data" in found):
            found.append(category)
    return tuple(found)


def change_in(description: str) -> str:
    """Return the part of a description that says what was changed, without reasons and results.

    >>> change_in("Exp2 from champion: max_depth 4"), change_in("DEPTH 12->14 — worse, fewer steps")
    ('max_depth 4', 'DEPTH 12->14')
    """
    text = description.strip()
    while (shorter := _LEAD.sub("", text)) != text:
        text = shorter
    for pattern in (_WHY, _ASIDE):
        text = pattern.sub("", text).strip() or text
    return text


SAME: dict[str, Category] = {
    "hyperparameters": "hyperparameter",
    "hyperparam": "hyperparameter",
    "hparam": "hyperparameter",
    "hp": "hyperparameter",
    "lr": "hyperparameter",
    "learning_rate": "hyperparameter",
    "tuning": "hyperparameter",
    "arch": "architecture",
    "model": "architecture",
    "structure": "architecture",
    "optimiser": "optimizer",
    "optim": "optimizer",
    "scheduler": "schedule",
    "lr_schedule": "schedule",
    "training_schedule": "schedule",
    "tokenizer": "data",
    "tokenizer_data": "data",
    "features": "data",
    "dataset": "data",
    "regularisation": "regularization",
    "reg": "regularization",
    "system": "systems",
    "infra": "systems",
    "infrastructure": "systems",
    "performance": "systems",
    "replicate": "baseline",
    "baseline_replicate": "baseline",
    "seed": "baseline",
    "multiple": "multi",
    "mixed": "multi",
    "combination": "multi",
}
"""Declared categories under other names."""


# A log has few words for it, and each of a dozen measures asks it of each experiment.
@lru_cache(maxsize=4096)
def declared(category: str) -> Category | None:
    """Return the kind that a log's own word for a category means; None if it is none of ours.

    >>> declared("Arch"), declared("vibes")
    ('architecture', None)
    """
    name = normal(category)
    return next((rule.category for rule in RULES if rule.category == name), None) or (
        "multi" if name == "multi" else SAME.get(name)
    )


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far inferred categories are those that the log declares."""

    compared: int
    """Experiments with a declared category of ours, and an inferred one."""
    same: int
    foreign: int
    """Declared categories that are none of ours."""
    unknown: int
    """Descriptions that no rule knows, though a category is declared."""
    mistaken: tuple[tuple[Category, Category, int], ...] = ()
    """Declared, inferred, how often: where they differ, the most frequent first."""


def agreement(experiments: Iterable[Experiment]) -> Agreement:
    """Compare inferred categories with declared ones, where a log has any."""
    pairs = list(_pairs(experiments))
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    differ = Counter((a, b) for a, b in both if a != b)
    return Agreement(
        compared=len(both),
        same=sum(a == b for a, b in both),
        foreign=sum(a is None for a, _ in pairs),
        unknown=sum(a is not None and b is None for a, b in pairs),
        mistaken=tuple((a, b, n) for (a, b), n in differ.most_common()),
    )


def _pairs(experiments: Iterable[Experiment]) -> Iterator[tuple[Category | None, Category | None]]:
    for one in experiments:
        if one.category is not None:
            yield declared(one.category), category_of(one.description)
