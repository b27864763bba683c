"""Which edit of the tree stands behind each name of a rewrite. Loads LibCST."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from trialwright.code import estimators, layers, loops
from trialwright.code.optimizers import to_optimizer
from trialwright.code.trees import Code, Edits, edited, read

_MLP = "MLP(Classifier|Regressor)"
_STOPPING = "(MLP|SGD|HistGradientBoosting)(Classifier|Regressor)"
_BALANCED = "LogisticRegression|(Linear)?SVC|(RandomForest|ExtraTrees|Ridge|SGD)Classifier"

EDITS: Mapping[str, Callable[[Code], Edits | None]] = {
    **{
        f"optimizer-{name.lower()}": to_optimizer(name)
        for name in ("SGD", "Adam", "AdamW", "NAdam", "RMSprop", "Adagrad")
    },
    **{f"schedule-{kind}": loops.insert_schedule(kind) for kind in loops.SCHEDULES},
    **{
        f"schedule-to-{kind}": loops.swap_schedule(kind)
        for kind in loops.SCHEDULES
        if kind != "warmup"
    },
    "schedule-none": loops.remove_schedule,
    "clip-gradients": loops.clip_gradients,
    "no-clipping": loops.remove_clipping,
    "early-stopping": loops.stop_early,
    "label-smoothing": loops.smooth_labels,
    "no-label-smoothing": loops.sharpen_labels,
    "init-kaiming": loops.initialise('kaiming_normal_(module.weight, nonlinearity="relu")'),
    "init-xavier": loops.initialise("xavier_uniform_(module.weight)"),
    "init-orthogonal": loops.initialise("orthogonal_(module.weight)"),
    **{
        f"activation-{name.lower()}": layers.to_activation(name)
        for name in ("ReLU", "GELU", "SiLU", "Tanh")
    },
    "norm-layer": layers.insert_norm("LayerNorm"),
    "norm-rms": layers.insert_norm("RMSNorm"),
    "norm-batch": layers.insert_norm("BatchNorm2d"),
    "norm-none": layers.remove_norm,
    "layer-to-rms-norm": layers.swap_norm("LayerNorm", "RMSNorm"),
    "rms-to-layer-norm": layers.swap_norm("RMSNorm", "LayerNorm"),
    "dropout": layers.insert_dropout,
    "no-dropout": layers.remove_dropout,
    "extra-trees": estimators.forest("RandomForest", "ExtraTrees"),
    "random-forest": estimators.forest("ExtraTrees", "RandomForest"),
    "histogram-boosting": estimators.histogram_boosting(),
    "lasso": estimators.penalised("Ridge", "Lasso"),
    "ridge": estimators.penalised("Lasso", "Ridge"),
    "scale-inputs": estimators.scale_inputs,
    "unscale-inputs": estimators.unscale_inputs,
    "estimator-early-stopping": estimators.set_option(
        _STOPPING, "early_stopping", "True", unless=r"partial_fit|early_stopping|lbfgs"
    ),
    "estimator-no-early-stopping": estimators.drop_option(_STOPPING, "early_stopping"),
    "mlp-adam": estimators.set_option(_MLP, "solver", '"adam"', usual="adam"),
    "mlp-lbfgs": estimators.set_option(
        _MLP, "solver", '"lbfgs"', usual="adam", unless="partial_fit|early_stopping"
    ),
    "mlp-tanh": estimators.set_option(_MLP, "activation", '"tanh"', usual="relu"),
    "mlp-relu": estimators.set_option(_MLP, "activation", '"relu"', usual="relu"),
    "balanced-classes": estimators.set_option(
        _BALANCED, "class_weight", '"balanced"', unless="class_weight|partial_fit"
    ),
    "unbalanced-classes": estimators.drop_option(_BALANCED, "class_weight"),
}


def applies(name: str, source: str) -> bool:
    """Say whether the rewrite of this name has anything to edit in a script.

    Raises:
        SyntaxError: the source is no Python.
    """
    return bool(EDITS[name](read(source)))


def rewritten(name: str, source: str) -> str:
    """Return a script with the rewrite of this name made; unchanged where it does not apply.

    Raises:
        SyntaxError: the source is no Python.
    """
    code = read(source)
    edits = EDITS[name](code)
    return edited(code, edits) if edits else source
