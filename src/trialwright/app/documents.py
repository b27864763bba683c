"""What the commands say with `--json`: a study, a trial, its best, as one JSON document each.

Keys are the words of the project. What JSON has no number for (NaN, infinities) is text.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from trialwright.analysis.pareto import front
from trialwright.analysis.validation import validation
from trialwright.execute.runner import run_folder
from trialwright.history import History, Run, Trial
from trialwright.report import team

MOST = 50
"""Trials of a front, and infeasible ones, that are told."""

Document = dict[str, "Json"]
Json = None | bool | int | float | str | list["Json"] | Document


MOST_PROMOTIONS = 50
"""The latest, that are told."""


def dumps(document: Document, *, indent: int | None = 2) -> str:
    """Write a document; `indent=None`: on one line."""
    return json.dumps(document, indent=indent, ensure_ascii=False, allow_nan=False)


def plain(value: object) -> Json:
    """Return a record, or any part of one, as JSON has it."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case tuple() | list():
            return [plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.name not in ("kind", "withheld")
        }
    return str(value)


def study_document(history: History, folder: Path, *, running: bool) -> Document:
    """Return where a study stands: budget, counts, what runs, the best."""
    task = history.task
    best = history.best()
    states = Counter(trial.state for trial in history.trials)
    return {
        "name": task.name,
        "goal": f"{task.objective.direction} {task.objective.metric}",
        **goals_document(history),
        "folder": str(folder),
        "running": running,
        "closed": plain(history.closed),
        "trials": {"total": len(history.trials), **{str(k): n for k, n in states.items()}},
        "runs": history.launches,
        "seconds": round(history.seconds, 3),
        "budget": plain(task.budget),
        "best": trial_document(best, folder) if best else None,
        "validation": plain(validation(history)),
        "promotions": [plain(promotion) for promotion in history.promotions[-MOST_PROMOTIONS:]],
        "team": [plain(one) for one in team.members(history)],
        "pending": [trial.number for trial in history.pending()],
        "notices": [plain(notice) for notice in history.notices],
    }


def goals_document(history: History) -> Document:
    """Return further objectives with the front, and requirements: of a study that has any."""
    task, found = history.task, front(history)
    document: Document = {}
    if task.also:
        document["also"] = [f"{one.direction} {one.metric}" for one in task.also]
    if found is not None:
        metrics = [one.metric for one in found.objectives]
        document["front"] = [
            {"trial": point.trial, **dict(zip(metrics, map(plain, point.values), strict=True))}
            for point in found.front[:MOST]
        ]
    if task.require:
        document["require"] = list(task.require)
        infeasible = [trial.number for trial in history.trials if trial.breach]
        document["infeasible"] = [*infeasible[-MOST:]]
    return document


def trial_document(trial: Trial, folder: Path, *, curves: bool = False) -> Document:
    """Return a trial: what was proposed and why, what it showed, what was decided."""
    return {
        "trial": trial.number,
        "state": trial.state,
        "value": plain(trial.value),
        "configuration": plain(trial.configuration),
        "proposal": plain(trial.proposal),
        "verdict": plain(trial.verdict),
        "code": trial.code,
        "runs": [_run_document(run, folder, curves=curves) for run in trial.runs],
    }


def _run_document(run: Run, folder: Path, *, curves: bool) -> Document:
    observation = plain(run.observation)
    if isinstance(observation, dict):
        observation.pop("run")
        if not curves:
            observation.pop("curve")
    diagnosis = plain(run.diagnosis)
    if isinstance(diagnosis, dict):
        diagnosis.pop("run")
    return {
        "seed_index": run.key.seed,
        "attempt": run.key.attempt,
        "seed": run.launch.seed,
        "command": list(run.launch.command),
        "folder": str(run_folder(folder, run.key)),
        "observation": observation,
        "diagnosis": diagnosis,
    }
