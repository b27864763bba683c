"""A run as trackers know runs: parameters, metrics by step, tags, a status. Pure."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from trialwright.expression import Scalar
from trialwright.history import History, Run, Trial
from trialwright.records import UNKNOWN_SEED, Curve, RunKey
from trialwright.report.words import line

PREFIX = "trialwright."
"""Of our tags."""

VALUE = "trialwright/objective"
"""The name under which a run's final objective is among its metrics."""

LONGEST = 500
"""Characters of a rationale that are copied."""

Status = Literal["running", "done", "failed", "pruned", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """All that a tracker is told of one run."""

    key: str
    """Says which run of which study it is, wherever its copy lies."""
    run: RunKey
    parameters: Mapping[str, Scalar]
    curve: Curve
    value: float | None
    last: Mapping[str, float]
    """The last value of each metric: of some there is no curve."""
    tags: Mapping[str, str]
    status: Status
    began_at: float
    ended_at: float | None
    """Both in seconds since the epoch."""

    @property
    def name(self) -> str:
        """The run's name."""
        seed = f" seed {self.run.seed}" if self.run.seed else ""
        again = f" attempt {self.run.attempt}" if self.run.attempt else ""
        return f"trial {self.run.trial}{seed}{again}"

    @property
    def digest(self) -> str:
        """Changes with anything that a tracker is told, but for the points of a run that goes on.

        Curves and parameters never change once a run has ended.
        """
        told = repr((self.status, self.value, sorted(self.tags.items()), self.ended_at))
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def points(self) -> list[tuple[str, float, float, float]]:
        """Return (metric, step, value, seconds since the epoch) of all that was measured.

        Nobody kept when each step was reached: they are spread evenly over the run.
        """
        end = self.began_at if self.ended_at is None else self.ended_at
        count = max(len(self.curve.steps), 1)
        found = []
        for name in self.curve.series:
            for place, (step, value) in enumerate(self.curve.points(name)):
                at = self.began_at + (end - self.began_at) * (place + 1) / count
                found.append((name, step, value, at))
        single = [name for name in self.last if name not in self.curve.series]
        found += [(name, 0.0, self.last[name], end) for name in single]
        if self.value is not None:
            found.append((VALUE, 0.0, self.value, end))
        return found


def study_id(history: History) -> str:
    """Return what tells this study from others of its name."""
    return f"{history.task.name}-{round(history.started_at * 1000):x}"


def key_of(study: str, run: RunKey) -> str:
    """Return what tells a run from all others."""
    return f"{study}/{run}"


def copied(trial: Trial, run: Run, history: History) -> Copy:
    """Return a run as trackers are told of it."""
    seen = run.observation
    study = study_id(history)
    return Copy(
        key=key_of(study, run.key),
        run=run.key,
        parameters=trial.configuration,
        curve=seen.curve if seen else Curve(),
        value=seen.value if seen else None,
        last=seen.metrics if seen else {},
        tags={name: text for name, text in _tags(trial, run, history, study).items() if text},
        status=_status(trial, run, history),
        began_at=run.launched_at,
        ended_at=run.ended_at,
    )


def whole(step: float) -> int:
    """Return a step as trackers count them: whole, and within 64 bits.

    >>> whole(2.5), whole(float("nan"))
    (2, 0)
    """
    return 0 if not math.isfinite(step) else max(min(math.floor(step), 2**62), -(2**62))


def _status(trial: Trial, run: Run, history: History) -> Status:
    if run.observation is not None:
        return run.observation.outcome
    # Whoever ran it is gone, and it was taken up again or never will be.
    later = trial.every.get(run.key.seed)
    gone = (later is not None and later is not run) or (
        history.closed is not None and not run.handed_out
    )
    return "cancelled" if gone else "running"


def _tags(trial: Trial, run: Run, history: History, study: str) -> dict[str, str]:
    proposal, verdict, seen = trial.proposal, trial.verdict, run.observation
    code = run.launch.code or trial.admission.code
    version = history.codes.get(code)
    seed = run.launch.seed
    told = {
        "study": study,
        "run": key_of(study, run.key),
        "trial": str(trial.number),
        "seed": "unknown" if seed == UNKNOWN_SEED else str(seed),
        "seed_index": str(run.key.seed),
        "attempt": str(run.key.attempt),
        "by": proposal.by,
        "category": proposal.category,
        "parent": "" if proposal.parent is None else str(proposal.parent),
        "rationale": line(proposal.rationale, most=LONGEST),
        "edit": line(proposal.edit.summary, most=LONGEST) if proposal.edit else "",
        "verdict": verdict.status if verdict else "",
        "verdict_sentence": line(verdict.sentence, most=LONGEST) if verdict else "",
        "probability": f"{verdict.probability:.4g}"
        if verdict and verdict.probability is not None
        else "",
        "diagnosis": line(run.diagnosis.sentence, most=LONGEST) if run.diagnosis else "",
        "outcome": seen.outcome if seen else "",
        "cause": (seen.cause or "") if seen else "",
        "detail": line(seen.detail, most=LONGEST) if seen else "",
        "code": code,
        "commit": (version.commit or "") if version else "",
        "tree": trial.tree,
    }
    return {PREFIX + name: text for name, text in told.items()}
