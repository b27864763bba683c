"""What kind of change a change of code is, with what speaks for it: rules over names, as data."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from trialwright.knowledge import concept_of
from trialwright.records import Category

ALIKE = 0.7
"""From this share of the strongest kind's weight on, a second kind weighs alike."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One sign of a category."""

    category: Category
    sign: str
    """In words: `AdamW came`, `dropout was set`."""
    weight: float = 1.0


_CONCEPTS: dict[str, Category] = {
    "learning_rate": "hyperparameter",
    "batch_size": "hyperparameter",
    "optimizer": "optimizer",
    "momentum": "optimizer",
    "beta2": "optimizer",
    "weight_decay": "regularization",
    "dropout": "regularization",
    "label_smoothing": "regularization",
    "gradient_clip": "regularization",
    "augmentation": "regularization",
    "l1": "regularization",
    "l2_trees": "regularization",
    "inverse_regularization": "regularization",
    "penalty_strength": "regularization",
    "l1_ratio": "regularization",
    "penalty": "regularization",
    "epochs": "schedule",
    "warmup": "schedule",
    "scheduler": "schedule",
    "n_estimators": "schedule",
    "width": "architecture",
    "embedding": "architecture",
    "layers": "architecture",
    "heads": "architecture",
    "activation": "architecture",
    "normalization": "architecture",
    "pooling": "architecture",
    "max_depth": "architecture",
    "max_leaves": "architecture",
    "kernel": "architecture",
    "booster": "architecture",
}
"""What changing a concept of the knowledge base changes; others are hyperparameters."""

_NAMES: tuple[tuple[Category, str], ...] = (
    (
        "systems",
        r"compile|autocast|GradScaler|bfloat16|float16|half|cuda|num_workers|pin_memory|fused|foreach"
        r"|set_num_threads|n_jobs|checkpoint\w*|channels_last|flash\w*|non_blocking|persistent_workers"
        r"|prefetch\w*|set_float32_matmul_precision|grad\w*_accum\w*|device_batch_size|micro_?batch\w*"
        r"|empty_cache|amp|tf32|allow_tf32|DistributedDataParallel|FSDP",
    ),
    (
        "schedule",
        r"lr_scheduler|lr_schedule|\w*schedul\w*|warm_?up\w*|warm_?down\w*|cool_?down\w*|\w*anneal\w*"
        r"|one_?cycle\w*|cosine\w*|get_lr\w*|T_max|T_0|pct_start|eta_min|milestones|step_size|lrm"
        r"|final_lr\w*|lr_decay\w*|min_lr|curriculum\w*|patience|param_groups",
    ),
    (
        "regularization",
        r"\w*dropout\w*|drop_?path\w*|weight_decay|wd|label_smoothing|mix_?up\w*|cut_?mix\w*|cut_?out"
        r"|clip_grad\w*|max_norm|early_stop\w*|ema|ema_\w+|swa\w*|AveragedModel|z_loss|augment\w*|l1|l2"
        r"|reg_lambda|reg_alpha|stochastic_depth|Random(Crop|HorizontalFlip|Rotation|Erasing)",
    ),
    (
        "optimizer",
        r"sgd|n?adam\w?|radam|rmsprop|adagrad|adadelta|adafactor|lion|muon|lamb|lbfgs|shampoo|soap"
        r"|lookahead|momentum|nesterov|\w*betas|beta_?[12]|amsgrad|ns_steps|solver"
        r"|zeropower\w*|newton\w*|optimizer_cls",
    ),
    (
        "data",
        r"\w*token\w*izer\w*|vocab\w*|\w*Dataset\w*|transforms|sampler|\w*Sampler|\w*Scaler|PCA"
        r"|normali[sz]e_\w+|make_pipeline|SMOTE|\w*Imputer|OneHotEncoder|OrdinalEncoder|Tfidf\w*"
        r"|PolynomialFeatures|train_test_split|collate\w*|shards?|block_size|seq_len\w*|max_seq_len",
    ),
    (
        "architecture",
        r"Linear|Conv\w*|\w*Norm(\dd)?|rms_norm|layer_norm|batch_norm|(Leaky)?ReLU|GELU|SiLU|Tanh|ELU"
        r"|relu|gelu|silu|tanh|elu|leaky_relu|square|\w*Attention\w*|attn\w*|mlp|ffn|swiglu|Embedding"
        r"|LSTM|GRU|RNN|Transformer\w*|n_layers?|n_heads?|n_kv_heads?|n_embd|d_model|depth|head_dim"
        r"|aspect_ratio|window_pattern|hidden\w*|Sequential|ModuleList|residual\w*|skip|softcap|rotary\w*"
        r"|rope|moe|experts?|\w*Pool\w*|\w+(Classifier|Regressor)|Ridge|Lasso|ElasticNet|SV[CR]"
        r"|LogisticRegression|LinearRegression|criterion|kernel",
    ),
    (
        "hyperparameter",
        r"lr|\w+_lr|learning_rate\w*|eta0|total_batch\w*|batch_size|init\w*_?(std|scale|gain)?|temperature"
        r"|kaiming\w*|xavier\w*|orthogonal\w*|trunc_normal_|normal_|zeros_|subsample|colsample\w*|alpha|beta"
        r"|gamma",
    ),
)
"""Names in the code that speak for a category, whole; small and capital letters alike."""

_PATTERNS = tuple((category, re.compile(names, re.IGNORECASE)) for category, names in _NAMES)
_SCHEDULE_CLASS = re.compile(r"[A-Z][a-z]\w*LR")


def of_literal(name: str) -> Category:
    """Return the kind of change that another value of a literal is.

    >>> of_literal("ADAM_BETAS"), of_literal("n_layer"), of_literal("MATRIX_LR")
    ('optimizer', 'architecture', 'hyperparameter')
    """
    named = of_name(name)
    concept = concept_of(name)
    if named in ("systems", "schedule") or concept is None:
        return named or "hyperparameter"
    return _CONCEPTS.get(concept, named or "hyperparameter")


def of_name(name: str) -> Category | None:
    """Return the category that a name in code speaks for; None if it tells nothing."""
    if _SCHEDULE_CLASS.fullmatch(name):
        return "schedule"
    return next((kind for kind, pattern in _PATTERNS if pattern.fullmatch(name)), None)


def decide(evidence: Iterable[Evidence]) -> Category | None:
    """Return the category that most speaks for; `multi` where several weigh alike."""
    weights: Counter[Category] = Counter()
    for sign in evidence:
        weights[sign.category] += sign.weight  # type: ignore[assignment]  # weights are no counts
    ranked = sorted(weights.values(), reverse=True)
    if not ranked:
        return None
    if len(ranked) > 1 and ranked[1] >= ALIKE * ranked[0]:
        return "multi"
    return max(weights, key=lambda category: weights[category])
