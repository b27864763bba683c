"""Named structural rewrites of training code: what each does, why, and whether it applies.

The edits themselves need LibCST, which the extra `research` brings; the list does not.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from types import ModuleType

from trialwright.errors import ProposerError
from trialwright.records import Category


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """An edit of the syntax tree, with a name."""

    name: str
    category: Category
    why: str
    """A sentence, with its source in the literature."""
    needs: str
    """A regular expression: a script without it is not looked at any further."""
    inverse: str | None = None
    """The rewrite that takes it back, to the character where nothing else has changed."""

    def applies(self, source: str) -> bool:
        """Say whether it is sure what to do with a script.

        Raises:
            ProposerError: LibCST is not installed.
            SyntaxError: the source is no Python.
        """
        return bool(re.search(self.needs, source)) and bool(_catalog().applies(self.name, source))

    def apply(self, source: str) -> str:
        """Return the script rewritten; unchanged where it does not apply.

        Raises:
            ProposerError: LibCST is not installed.
            SyntaxError: the source is no Python.
        """
        return _applied(self.name, source) if re.search(self.needs, source) else source


_TORCH = r"\btorch\b"
_SKLEARN = r"\bsklearn\b"


def _rewrite(
    name: str, category: Category, why: str, *, needs: str, inverse: str | None = None
) -> Rewrite:
    return Rewrite(name=name, category=category, why=why, needs=needs, inverse=inverse)


_OPTIMIZERS = (
    ("sgd", "SGD with momentum often generalises better than Adam, at 10 to 100 times its rate"
     " (Wilson et al. 2017, arXiv 1705.08292)"),
    ("adam", "Adam does well over the widest range of learning rates (Kingma and Ba 2015,"
     " arXiv 1412.6980)"),
    ("adamw", "decay apart from the gradient regularises all weights alike (Loshchilov and Hutter"
     " 2019, arXiv 1711.05101)"),
    ("nadam", "Nesterov's momentum speeds Adam up a little (Dozat 2016, ICLR workshop)"),
    ("rmsprop", "a running mean of squared gradients without momentum suits recurrent and"
     " non-stationary problems (Tieleman and Hinton 2012, lecture 6.5)"),
    ("adagrad", "rates that fall with what was seen suit sparse features (Duchi et al. 2011,"
     " JMLR 12)"),
)  # fmt: skip
_SCHEDULES = (
    ("cosine", "a rate that falls along a cosine ends in a better minimum than a constant one"
     " (Loshchilov and Hutter 2017, arXiv 1608.03983)"),
    ("one-cycle", "one rise and one fall of the rate trains in fewer rounds (Smith and Topin 2019,"
     " arXiv 1708.07120)"),
    ("step", "dividing the rate when progress stalls is how residual networks were trained"
     " (He et al. 2016, arXiv 1512.03385)"),
    ("warmup", "a slow start keeps large rates stable (Goyal et al. 2017, arXiv 1706.02677)"),
)  # fmt: skip
_ACTIVATIONS = (
    ("relu", "rectifiers are cheap and do not saturate (Nair and Hinton 2010, ICML)"),
    ("gelu", "GELU does a little better than ReLU in transformers and elsewhere (Hendrycks and"
     " Gimpel 2016, arXiv 1606.08415)"),
    ("silu", "SiLU was found best by search over activations (Ramachandran et al. 2017,"
     " arXiv 1710.05941)"),
    ("tanh", "tanh is bounded and smooth, which suits small regression problems (LeCun et al. 1998,"
     " Efficient BackProp)"),
)  # fmt: skip
_NORMS = (
    ("layer", "normalised layers train faster, whatever the size of the batch (Ba et al. 2016,"
     " arXiv 1607.06450)"),
    ("rms", "RMSNorm does as well as LayerNorm at less cost (Zhang and Sennrich 2019,"
     " arXiv 1910.07467); PyTorch 2.4 or later"),
    ("batch", "batch normalisation lets convolutions train at higher rates (Ioffe and Szegedy 2015,"
     " arXiv 1502.03167)"),
)  # fmt: skip
_WEIGHTS = (
    ("kaiming", "weights scaled for rectifiers keep signals alive through depth (He et al. 2015,"
     " arXiv 1502.01852)"),
    ("xavier", "weights scaled by fan-in and fan-out keep gradients even (Glorot and Bengio 2010,"
     " AISTATS)"),
    ("orthogonal", "orthogonal weights keep norms through depth (Saxe et al. 2014,"
     " arXiv 1312.6120)"),
)  # fmt: skip

REWRITES: tuple[Rewrite, ...] = (
    *(_rewrite(f"optimizer-{name}", "optimizer", why, needs=_TORCH) for name, why in _OPTIMIZERS),
    *(
        _rewrite(f"schedule-{name}", "schedule", why, needs=_TORCH, inverse="schedule-none")
        for name, why in _SCHEDULES
    ),
    _rewrite(
        "schedule-none",
        "schedule",
        "a schedule must be worth its knobs: a constant rate is the control (Godbole et al. 2023,"
        " Deep learning tuning playbook)",
        needs="lr_scheduler",
    ),
    *(
        _rewrite(f"schedule-to-{name}", "schedule", why, needs="lr_scheduler")
        for name, why in _SCHEDULES
        if name != "warmup"
    ),
    _rewrite(
        "clip-gradients",
        "regularization",
        "a bound on the gradient's norm tames the steps that wreck a run (Pascanu et al. 2013,"
        " arXiv 1211.5063)",
        needs=_TORCH,
        inverse="no-clipping",
    ),
    _rewrite(
        "no-clipping",
        "regularization",
        "clipping that never acts, or always does, only hides the learning rate (Godbole et al."
        " 2023, Deep learning tuning playbook)",
        needs="clip_grad",
    ),
    _rewrite(
        "early-stopping",
        "regularization",
        "stopping where validation no longer improves regularises, and saves time (Prechelt 1998,"
        " Early stopping, but when?)",
        needs=r"torch|partial_fit",
    ),
    _rewrite(
        "label-smoothing",
        "regularization",
        "softened targets keep a classifier from overconfidence (Szegedy et al. 2016,"
        " arXiv 1512.00567)",
        needs=r"cross_entropy|CrossEntropyLoss",
        inverse="no-label-smoothing",
    ),
    _rewrite(
        "no-label-smoothing",
        "regularization",
        "softened targets harm where confidence is what one measures (Mueller et al. 2019,"
        " arXiv 1906.02629)",
        needs="label_smoothing",
    ),
    *(_rewrite(f"init-{name}", "hyperparameter", why, needs=_TORCH) for name, why in _WEIGHTS),
    *(
        _rewrite(f"activation-{name}", "architecture", why, needs=_TORCH)
        for name, why in _ACTIVATIONS
    ),
    *(
        _rewrite(f"norm-{name}", "architecture", why, needs="Sequential", inverse="norm-none")
        for name, why in _NORMS
    ),
    _rewrite(
        "norm-none",
        "architecture",
        "normalisation costs time, and shallow networks seldom need it (Godbole et al. 2023, Deep"
        " learning tuning playbook)",
        needs="Norm",
    ),
    _rewrite(
        "layer-to-rms-norm",
        "architecture",
        "RMSNorm does as well as LayerNorm at less cost (Zhang and Sennrich 2019,"
        " arXiv 1910.07467); PyTorch 2.4 or later",
        needs="LayerNorm",
    ),
    _rewrite(
        "rms-to-layer-norm",
        "architecture",
        "LayerNorm also takes the mean out (Ba et al. 2016, arXiv 1607.06450)",
        needs="RMSNorm",
    ),
    _rewrite(
        "dropout",
        "regularization",
        "dropped units cannot rely on each other (Srivastava et al. 2014, JMLR 15)",
        needs="Sequential",
        inverse="no-dropout",
    ),
    _rewrite(
        "no-dropout",
        "regularization",
        "a network that underfits needs no dropout (Godbole et al. 2023, Deep learning tuning"
        " playbook)",
        needs="Dropout",
    ),
    _rewrite(
        "extra-trees",
        "architecture",
        "splits drawn at random lower the variance of a forest further (Geurts et al. 2006,"
        " Machine Learning 63)",
        needs="RandomForest",
        inverse="random-forest",
    ),
    _rewrite(
        "random-forest",
        "architecture",
        "forests of best splits are the strongest default on tables (Breiman 2001, Machine"
        " Learning 45)",
        needs="ExtraTrees",
        inverse="extra-trees",
    ),
    _rewrite(
        "histogram-boosting",
        "architecture",
        "binned features make boosting many times faster at the same quality (Ke et al. 2017,"
        " LightGBM, NeurIPS 30)",
        needs=r"\bGradientBoosting",
    ),
    _rewrite(
        "lasso",
        "architecture",
        "an L1 penalty leaves out features that bring nothing (Tibshirani 1996, JRSS B 58)",
        needs=r"\bRidge\b",
        inverse="ridge",
    ),
    _rewrite(
        "ridge",
        "architecture",
        "an L2 penalty shares weight among correlated features (Hoerl and Kennard 1970,"
        " Technometrics 12)",
        needs=r"\bLasso\b",
        inverse="lasso",
    ),
    _rewrite(
        "scale-inputs",
        "data",
        "distances, margins and gradients need inputs of one scale (LeCun et al. 1998, Efficient"
        " BackProp; scikit-learn user guide)",
        needs=_SKLEARN,
        inverse="unscale-inputs",
    ),
    _rewrite(
        "unscale-inputs",
        "data",
        "inputs that are of one scale already lose meaning by scaling (scikit-learn user guide,"
        " Preprocessing data)",
        needs="StandardScaler",
    ),
    _rewrite(
        "estimator-early-stopping",
        "regularization",
        "stopping by a held-out share regularises, and saves time (Prechelt 1998, Early stopping,"
        " but when?)",
        needs=r"MLP(C|R)|SGD(C|R)|HistGradientBoosting",
        inverse="estimator-no-early-stopping",
    ),
    _rewrite(
        "estimator-no-early-stopping",
        "regularization",
        "small data can't spare the share that early stopping holds out (scikit-learn user guide)",
        needs="early_stopping",
    ),
    _rewrite(
        "mlp-adam",
        "optimizer",
        "Adam does well over the widest range of learning rates (Kingma and Ba 2015,"
        " arXiv 1412.6980)",
        needs=r"MLP(C|R)",
    ),
    _rewrite(
        "mlp-lbfgs",
        "optimizer",
        "on small data a quasi-Newton method converges faster and further (scikit-learn user guide,"
        " Neural network models)",
        needs=r"MLP(C|R)",
    ),
    _rewrite(
        "mlp-tanh",
        "architecture",
        "tanh is bounded and smooth, which suits small problems (LeCun et al. 1998, Efficient"
        " BackProp)",
        needs=r"MLP(C|R)",
    ),
    _rewrite(
        "mlp-relu",
        "architecture",
        "rectifiers do not saturate (Nair and Hinton 2010, ICML)",
        needs=r"MLP(C|R)",
    ),
    _rewrite(
        "balanced-classes",
        "regularization",
        "weights by class keep the rare one from being ignored (King and Zeng 2001, Political"
        " Analysis 9)",
        needs=r"LogisticRegression|SVC|RandomForestC|ExtraTreesC|RidgeClassifier|SGDC",
        inverse="unbalanced-classes",
    ),
    _rewrite(
        "unbalanced-classes",
        "regularization",
        "weights by class distort probabilities (King and Zeng 2001, Political Analysis 9)",
        needs="class_weight",
    ),
)
"""Every rewrite. Averages of weights over time are none of them: which of two models is then to be
evaluated is not told by the text."""


def rewrite(name: str) -> Rewrite:
    """Return the rewrite of this name.

    Raises:
        KeyError: there is none.

    >>> rewrite("clip-gradients").inverse
    'no-clipping'
    """
    return {one.name: one for one in REWRITES}[name]


def applicable(source: str) -> tuple[Rewrite, ...]:
    """Return the rewrites that apply to a script.

    Raises:
        ProposerError: LibCST is not installed.
        SyntaxError: the source is no Python.
    """
    return tuple(one for one in REWRITES if one.applies(source))


def _applied(name: str, source: str) -> str:
    rewritten: str = _catalog().rewritten(name, source)
    try:
        ast.parse(rewritten)
    except (SyntaxError, ValueError):
        return source
    return rewritten


def _catalog() -> ModuleType:
    try:
        from trialwright.code import catalog
    except ImportError as error:
        raise ProposerError(
            "rewriting code needs LibCST, which is not installed: pip install trialwright[research]"
        ) from error
    return catalog
