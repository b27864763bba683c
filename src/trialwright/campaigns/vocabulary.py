"""What columns and statuses are called in logs of strangers, as data."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

from trialwright.campaigns.campaign import Status
from trialwright.task import Direction


def words(text: str) -> frozenset[str]:
    """Return the words of a text as a set."""
    return frozenset(text.split())


def ordered(text: str) -> tuple[str, ...]:
    """Return the words of a text in their order."""
    return tuple(text.split())


Role = Literal[
    "number",
    "commit",
    "metric",
    "memory",
    "status",
    "description",
    "category",
    "agent",
    "task",
    "seconds",
    "seed",
    "at",
]
"""What a column may be for."""

ROLES: dict[Role, tuple[str, ...]] = {
    "number": ordered(
        "experiment_num experiment_number experiment_id experiment_no exp_num exp_id"
        " exp_no exp experiment iteration iter round trial trial_number run_number number"
        " num no index idx run_id run id"
    ),
    "commit": ordered(
        "commit commit_hash commit_id git_commit git_hash git_sha commit_sha short_hash"
        " hash sha rev revision"
    ),
    "status": ordered(
        "status decision verdict outcome kept keep accepted accept improved action state"
        " result keep_discard keep_or_discard kept_discarded"
    ),
    "description": ordered(
        "description desc beschreibung change changes change_description idea hypothesis experiment"
        " summary what notes note comment comments message rationale strategy title name"
        " label tag"
    ),
    "category": ordered("category change_category change_type type kind area"),
    "agent": ordered("agent agent_id agent_name author proposer proposed_by by llm"),
    "task": ordered("task task_name task_id dataset benchmark problem"),
    "seconds": ordered(
        "seconds seconds_elapsed elapsed_seconds elapsed_s elapsed duration_s"
        " duration_seconds duration runtime_s runtime time_s wall_time wall_s"
        " training_seconds train_seconds total_seconds train_time minutes elapsed_min"
        " duration_min runtime_min train_time_min"
    ),
    "seed": ("seed", "random_seed", "rng_seed"),
    "at": ordered("timestamp datetime time date ts created_at started_at finished_at at"),
}
"""The names of columns by what they say, the surest first; `memory` and `metric` go by rules."""

MEMORY = re.compile(
    r"(?:peak_|max_|gpu_)*(?:vram|mem|memory)(?:_usage|_used|_peak|_allocated)?(?:_(gb|gib|mb|mib))?"
)

METRICS = ordered("metric val_metric primary_metric objective val_primary primary fitness value")
"""Names that say of themselves that this is what counts."""

VALIDATION = words("val valid validation dev eval holdout heldout cv oof")
TEST = words("test testing")
TRAIN = words("train training")

HIGHER = words(
    "acc accuracy f1 auc auroc auprc ap map r2 precision recall score reward return"
    " iou miou dice bleu rouge ndcg mrr psnr ssim kappa mcc spearman pearson"
    " correlation sharpe sortino elo winrate throughput tflops gflops speedup tok"
    " toks fps silhouette profit"
)
LOWER = words(
    "loss error err rmse mse mae mape smape logloss nll perplexity ppl cer wer eer"
    " bpc bpb fid brier deviance crossentropy entropy kl regret distance latency ms"
)
ASIDE = words(
    "n num count params steps step tokens mfu flops delta improvement gain cost lr"
    " batch size depth width layers epochs epoch budget seed rank complexity pct"
    " percent drawdown dd flags"
)
"""Words of names that are hardly what a campaign is about."""

NEVER_ZERO = words("bpb bpc fid perplexity ppl")
"""Words of metrics that a model which ran can't bring to zero: there it stands for no result."""

STATUSES: dict[Status, frozenset[str]] = {
    "keep": words(
        "keep kept keeping accept accepted advance advanced adopt adopted merge merged"
        " commit committed improve improved improvement win success confirm-keep baseline"
        " behalten übernommen"
        " base ✓ ✔ ✅ 保留 保留✔ 基线 采纳"
    ),
    "discard": words(
        "discard discarded revert reverted reverting reject rejected rollback rolled-back"
        " rolledback drop dropped undo undone abandon abandoned no-improvement worse"
        " pruned regressed regression screen-discard confirm-discard killed kill neutral ✗ ✘ ❌"
        " 回滚 丢弃 放弃 verworfen zurückgenommen"
    ),
    "crash": words(
        "crash crashed fail failed failure error errored oom timeout timed-out nan"
        " diverged broken exception invalid 💥 崩溃 失败"
    ),
    "other": frozenset(),
}
"""Words for what became of an experiment. `baseline` is kept: later ones have to beat it."""

ENDED = words(
    "finished finish completed complete done ok ended terminated running pending scheduled other"
    " succeeded inactive active"
)
"""Words that say that a run ended, or did not yet: nothing of what became of its change."""

YES = words("true yes y 1")
NO = words("false no n 0")
ASKS = words("kept keep accepted accept improved")
"""Columns whose `yes` means that the experiment was kept."""


@lru_cache(maxsize=4096)
def normal(name: str) -> str:
    """Return a column's name as it is compared.

    >>> normal(" **Val BPB** "), normal("memory (GB)"), normal("#")
    ('val_bpb', 'memory_gb', 'number')
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[\W_]+", "_", spaced.casefold()).strip("_") or ("number" if "#" in name else "")


def tokens(name: str) -> tuple[str, ...]:
    """Return the words of a name, without the numbers behind them."""
    parts = [part for part in normal(name).split("_") if part]
    return tuple(p if p in HIGHER else p.rstrip("0123456789") or p for p in parts)


def direction_of(metric: str) -> Direction | None:
    """Return which way is better by the name of a metric; None if it does not say.

    >>> direction_of("val_bpb"), direction_of("sharpe"), direction_of("complexity")
    ('minimize', 'maximize', None)
    """
    said = set(tokens(metric))
    if said & LOWER:
        return "maximize" if said & {"neg", "negative"} else "minimize"
    return "maximize" if said & HIGHER else None


def status_of(word: str, *, column: str = "status") -> Status:
    """Return what a word in a status column says; `other` if that is none of the three.

    >>> status_of("KEEP"), status_of("Discarded (worse)"), status_of("NEW_BEST")
    ('keep', 'discard', 'other')
    >>> status_of("yes", column="kept")
    'keep'
    """
    plain = re.sub(r"[*`_\s\[\]]+", "-", word.casefold()).strip("-.!")
    if normal(column) in ASKS and plain in YES | NO:
        return "keep" if plain in YES else "discard"
    first = re.split(r"[-(:,;/（]", plain)[0]
    for said in (plain, re.split(r"-?[(（]", plain)[0], first):
        for status, known in STATUSES.items():
            if said in known:
                return status
    return "other"
