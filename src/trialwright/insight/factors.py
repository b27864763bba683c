"""What experiments differ in, as levels: which factors a campaign has, its tasks and code epochs.

A factor is a setting with few values (`backbone`, `optimizer`), the kind of change, or the agent.
It knows no results but which experiments have one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trialwright.campaigns.campaign import Campaign, Experiment
from trialwright.campaigns.categories import category_of, declared
from trialwright.expression import Scalar
from trialwright.knowledge.base import normal

ARCHITECTURE = (
    "architecture",
    "arch",
    "backbone",
    "model",
    "model_name",
    "model_type",
    "encoder",
    "network",
    "net",
    "algorithm",
    "estimator",
    "classifier",
)
"""Last parts of names that speak of the architecture, the plainest first."""

TASKS = ("task", "dataset", "task_name", "dataset_name", "benchmark", "data.path", "data.name")
"""Settings that say what an experiment was about, where the log has no column for it."""

NO_FACTORS = re.compile(
    r"(.*_)?(seed|description|name|id|path|dir|folder|file|notes?|commit|fingerprint|host|device)s?"
)
"""Names of settings that tell experiments apart without being tried out."""

MOST_LEVELS = 60
"""More values are no levels of a factor."""
MOST_NUMBERS = 8
"""The same, of numbers: more are a scale."""
PRESENT = 0.9
"""The share of results that must have a setting; what fewer have depends on another setting."""
DESCRIBED = 0.5
"""The share whose kind of change must be known."""
OWN = ("category", "agent", "task", "epoch")
"""Factors that every experiment may have, beside its settings."""


@dataclass(frozen=True, slots=True)
class Strata:
    """Which experiments are of one sample: the same task, and the same version of the code."""

    labels: tuple[str, ...]
    """Of each experiment, in order; '' where nothing tells them apart."""
    by: tuple[str, ...]
    """What tells them apart: `data.path`, `epoch`; () if nothing does."""

    @property
    def several(self) -> bool:
        """Whether there is more than one."""
        return len(set(self.labels)) > 1


def with_result(experiments: Iterable[Experiment]) -> list[Experiment]:
    """Return the experiments that have a result and did not crash, in order."""
    return [one for one in experiments if one.metric is not None and one.status != "crash"]


def category_level(experiment: Experiment) -> str | None:
    """Return the kind of change: as declared, under our name for it, else as its description says.

    >>> category_level(Experiment(number=1, line=1, metric=1.0, status="keep", category="Arch"))
    'architecture'
    """
    if experiment.category:
        return declared(experiment.category) or experiment.category
    return category_of(experiment.description)


def level_of(experiment: Experiment, factor: str) -> str | None:
    """Return an experiment's level of a factor; None where it has none.

    A factor is `category`, `agent`, `task`, `epoch`, a setting by its name, or a column of the log.
    A setting of that name goes before the other four.

    >>> one = Experiment(number=1, line=1, metric=1.0, status="keep",
    ...                  configuration={"backbone": "mlp", "depth": 3})
    >>> level_of(one, "backbone"), level_of(one, "depth"), level_of(one, "width")
    ('mlp', '3', None)
    """
    value = (experiment.configuration or {}).get(factor)
    if value is not None:
        return _shown(value)
    match factor:
        case "category":
            return category_level(experiment)
        case "agent":
            return experiment.agent
        case "task":
            return experiment.task
    number = experiment.metrics.get(factor)
    return experiment.extra.get(factor) or (None if number is None else _shown(number))


def _shown(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def named(campaign: Campaign, factor: str) -> str:
    """Return the factor that a name means: itself, or the one setting whose last part it is."""
    having = {key for one in campaign.experiments for key in one.configuration or {}}
    having |= {key for one in campaign.experiments for key in (*one.extra, *one.metrics)}
    if factor in having or factor in OWN:
        return factor
    ending = sorted(key for key in having if key.rsplit(".", 1)[-1] == factor)
    return ending[0] if len(ending) == 1 else factor


def factors_of(campaign: Campaign) -> tuple[str, ...]:
    """Return the factors of a campaign, the one that looks like the architecture first.

    Settings with few values that nearly all results have, in the order in which the log has them.
    Without any, the kind of change, where there are several kinds; else ().
    """
    experiments = with_result(campaign.experiments)
    about = set(strata_of(experiments).by)
    names = dict.fromkeys(key for one in experiments for key in one.configuration or {})
    columns = dict.fromkeys(key for one in experiments for key in one.extra)
    names |= {key: None for key in columns if _architecture(key) is not None}
    found = [key for key in names if key not in about and _is_factor(experiments, key)]
    ranks = {key: _architecture(key) for key in found}
    first = [key for key in found if ranks[key] is not None]
    first.sort(key=lambda key: ranks[key] or 0)
    rest = [key for key in found if key not in first]
    if not found and _is_factor(experiments, "category"):
        return ("category",)
    return (*first, *rest)


def is_architecture(key: str) -> bool:
    """Say whether a setting's name says that it chooses the kind of model."""
    return _architecture(key) is not None


def _architecture(key: str) -> int | None:
    last = normal(key.rsplit(".", 1)[-1])
    return ARCHITECTURE.index(last) if last in ARCHITECTURE else None


def _is_factor(experiments: Sequence[Experiment], key: str) -> bool:
    last = normal(key.rsplit(".", 1)[-1])
    if NO_FACTORS.fullmatch(last) and _architecture(key) is None:
        return False
    levels = [level_of(one, key) for one in experiments]
    counts = Counter(level for level in levels if level is not None)
    if sum(counts.values()) < (DESCRIBED if key == "category" else PRESENT) * len(levels):
        return False
    most = MOST_NUMBERS if _numbers(experiments, key) else MOST_LEVELS
    repeated = sum(count > 1 for count in counts.values())
    return repeated >= 2 and len(counts) <= min(most, len(levels) // 2)


def _numbers(experiments: Sequence[Experiment], key: str) -> bool:
    values = [(one.configuration or {}).get(key) for one in experiments]
    known = [value for value in values if value is not None]
    return bool(known) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in known
    )


def task_key(experiments: Sequence[Experiment]) -> str | None:
    """Return what tells the tasks of experiments apart: `task`, or a setting; None if nothing."""
    if len({one.task for one in experiments}) > 1:
        return "task"
    for key in TASKS:
        if len({(one.configuration or {}).get(key) for one in experiments}) > 1:
            return key
    return None


def strata_of(experiments: Sequence[Experiment]) -> Strata:
    """Return each experiment's task and code epoch, as far as they differ.

    A path stands for what its last part says: the same data at two places is one task.
    """
    key = task_key(experiments)
    parts: list[list[str]] = []
    by: list[str] = []
    if key is not None:
        tasks = [_task(level_of(one, key) or "") for one in experiments]
        if len(set(tasks)) > 1:
            parts.append(tasks)
            by.append(key)
    epochs = [one.extra.get("epoch", "") for one in experiments]
    if len(set(epochs)) > 1:
        parts.append(epochs)
        by.append("epoch")
    if not parts:
        return Strata(("",) * len(experiments), ())
    return Strata(tuple(" | ".join(one) for one in zip(*parts, strict=True)), tuple(by))


def _task(text: str) -> str:
    """What a path is of, told by its last part; other text is left as it is."""
    last = re.split(r"[\\/]", text.rstrip("\\/"))[-1]
    return re.sub(r"\.(csv|tsv|json|jsonl|parquet|npz|npy|txt|zip|gz)$", "", last) or text
