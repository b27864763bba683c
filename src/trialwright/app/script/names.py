"""What a metric's name says: whether it is one, which way is better, on which data it was taken."""

from __future__ import annotations

import re

from trialwright.app.script.setting import Split
from trialwright.task import Direction


def vocabulary(words: str) -> frozenset[str]:
    """Return the words of a text as a set."""
    return frozenset(words.split())


_HIGHER = vocabulary(
    "acc accuracy accuracies top1 top5 prec1 prec5 acc1 acc5 f1 fscore f1score auc auroc"
    " rocauc auprc prauc roc ap map map50 r2 rsquared precision recall score scores reward"
    " rewards return returns iou miou jaccard dice bleu rouge meteor ndcg mrr psnr ssim"
    " kappa mcc spearman pearson corr correlation specificity sensitivity likelihood em hits"
    " hit win winrate throughput episodic elo silhouette correct"
)
_LOWER = vocabulary(
    "loss losses error errors err rmse mse mae mape rmsle msle smape logloss nll perplexity"
    " ppl cer wer eer bpc bpb fid brier deviance crossentropy entropy kl regret cost"
    " residual distance misclassification"
)
_FILLERS = vocabulary(
    "average avg mean final current the set overall total of on is our now results result"
)
_VALIDATION = vocabulary("val valid validation dev eval evaluation heldout holdout cv oof va")
_TEST = frozenset(["test", "testing", "te"])
_TRAIN = frozenset(["train", "training", "tr"])
_STEP = vocabulary(
    "epoch epochs step steps iter iters iteration iterations it round batch update ep globalstep"
)


def slug(text: str) -> str:
    """Return a legal metric name: lower case, digits and underscores; '' if nothing is left.

    >>> slug("Average  valid/Macro-F1")
    'valid_macro_f1'
    """
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", text).lower().replace("²", "2")
    parts = [part for part in re.split(r"[^a-z0-9]+", text) if part]
    kept = [part for part in parts if part not in _FILLERS] or parts
    name = "_".join(kept)
    return name if not name[:1].isdigit() else f"m_{name}"


def is_metric(name: str) -> bool:
    """Say whether a name is one of a measure of quality."""
    return bool(set(_tokens(name)) & (_HIGHER | _LOWER))


def is_step(name: str) -> bool:
    """Say whether a name counts epochs or steps."""
    tokens = _tokens(name)
    return bool(tokens) and tokens[-1] in _STEP and not is_metric(name)


def direction_of(name: str) -> Direction | None:
    """Return which way is better; None if the name does not say.

    >>> direction_of("val_loss"), direction_of("neg_mean_squared_error"), direction_of("elapsed")
    ('minimize', 'maximize', None)
    """
    tokens = _tokens(name)
    found: Direction | None = None
    for token in tokens:
        if token in _HIGHER and found is None:
            found = "maximize"
        elif token in _LOWER:
            found = "minimize"
    if found == "minimize" and "neg" in tokens:
        return "maximize"
    return found


def split_of(text: str) -> Split:
    """Return the data that a text speaks of; the data held out goes before the data learnt from."""
    tokens = set(_tokens(text))
    if tokens & _VALIDATION or "cross_val" in text:
        return "validation"
    if tokens & _TEST:
        return "test"
    return "train" if tokens & _TRAIN else ""


def _tokens(name: str) -> list[str]:
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().replace("²", "2")
    tokens = [part for part in re.split(r"[^a-z0-9]+", text) if part]
    # `val2`, `X_valid1`: a trailing number is no part of the word, except in f1, r2, top5.
    return [t if t in _HIGHER else t.rstrip("0123456789") or t for t in tokens]
