"""What agents read of a study: short documents, bounded whatever its size.

The documents of `--json` elsewhere (`documents`) hold everything; these hold what one needs to
decide what to try next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from trialwright.analysis.claims import Standing, contradicting, standings, statement
from trialwright.analysis.compare import hypothesis_status
from trialwright.analysis.curves import told
from trialwright.analysis.importance import Influence
from trialwright.app.documents import Document, Json, goals_document, plain
from trialwright.desk import Assignment
from trialwright.history import History, Note, State, Trial
from trialwright.records import Category, Edit, Observation, Proposal
from trialwright.task import Task

Sort = Literal["number", "value"]

MOST = 50
"""Trials in one answer, unless more are asked for."""

WORDS = 600
"""Characters of any one text."""

WISHES = 10
"""Of a person, the latest."""

TAIL = 1500
"""Characters of a failed run's log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which trials to show, and in which order."""

    state: State | None = None
    by: str | None = None
    last: int | None = MOST
    """Only so many, the latest (or the best, if sorted by value)."""
    sort: Sort = "number"

    def chosen(self, history: History) -> list[Trial]:
        """Return the trials: by number, or the best first and those without a value left out."""
        trials = [
            trial
            for trial in history.trials
            if self.state in (None, trial.state) and self.by in (None, trial.proposal.by)
        ]
        if self.sort == "number":
            return trials if self.last is None else trials[max(len(trials) - self.last, 0) :]
        sign = history.task.objective.sign
        valued = [(trial.value, trial) for trial in trials if trial.value is not None]
        valued.sort(key=lambda pair: (-sign * pair[0], pair[1].number))
        return [trial for _, trial in valued][: self.last]


def task_digest(task: Task, history: History) -> Document:
    """Return what is to be improved, what may vary, and what is left of the budget."""
    states = Counter(str(trial.state) for trial in history.trials)
    best = history.best()
    latest = history.wishes[-WISHES:][::-1]
    return {
        "name": task.name,
        "goal": f"{task.objective.direction} {task.objective.metric}",
        **goals_document(history),
        "reduce": f"{task.objective.reduce} over the steps of a run",
        "description": _short(task.description),
        **({"instructions": history.instructions} if history.instructions else {}),
        **({"wishes": [_short(wish.text) for wish in latest]} if latest else {}),
        "parameters": [
            {
                "name": parameter.name,
                "allowed": parameter.allowed,
                **({"default": plain(parameter.default)} if parameter.default is not None else {}),
                **({"when": parameter.when} if parameter.when else {}),
                **({"description": _short(parameter.description)} if parameter.description else {}),
            }
            for parameter in task.space.parameters
        ],
        "constraints": list(task.space.constraints),
        **_research(task),
        "command": list(task.command),
        "budget": plain(task.budget),
        "trials": {"total": len(history.trials), **dict(sorted(states.items()))},
        "runs": history.launches,
        "best": trial_digest(best, history) if best else None,
        "handed_out": [str(run.key) for run in history.handed_out()],
        "closed": history.closed.sentence if history.closed else None,
    }


def history_digest(history: History, choice: Filter) -> Document:
    """Return trials in short, the best, and the latest notes."""
    best = history.best()
    chosen = choice.chosen(history)
    return {
        "goal": f"{history.task.objective.direction} {history.task.objective.metric}",
        "total": len(history.trials),
        "shown": len(chosen),
        "best": best.number if best else None,
        "trials": [trial_digest(trial, history) for trial in chosen],
        "notes": [note_digest(note) for note in history.notes[-MOST:]],
        "claims": [standing_digest(one, history) for one in standings(history)[-MOST:]],
        "refused": [
            {"by": refusal.proposal.by, "faults": [_short(fault) for fault in refusal.faults]}
            for refusal in history.refusals[-5:]
        ],
    }


def trial_digest(trial: Trial, history: History, *, full: bool = False) -> Document:
    """Return a trial in short; `full`: with all of its runs, curves and the end of failed logs."""
    proposal, verdict, run = trial.proposal, trial.verdict, trial.run
    document: Document = {
        "trial": trial.number,
        "state": trial.state,
        "value": plain(trial.value),
        **proposal_digest(proposal),
        "verdict": f"{verdict.status}: {_short(verdict.sentence)}" if verdict else None,
    }
    if proposal.hypothesis is not None:
        document["hypothesis_status"] = hypothesis_status(history, trial)
    if run is not None and run.diagnosis is not None:
        document["diagnosis"] = _short(run.diagnosis.sentence)
    notes = [note_digest(note) for note in history.notes if note.trial == trial.number]
    if notes:
        document["notes"] = list(notes[-MOST:])
    if full:
        document["runs"] = [
            {
                "run": str(one.key),
                "seed": one.launch.seed,
                "handed_out_to": one.launch.by or None,
                "findings": list(told(one.diagnosis.findings)) if one.diagnosis else [],
                **(_observation(one.observation) if one.observation else {"outcome": None}),
            }
            for one in trial.runs
        ]
    return document


def proposal_digest(proposal: Proposal) -> Document:
    """Return what is proposed, by whom, why, and what is expected of it."""
    hypothesis, predicted = proposal.hypothesis, proposal.predicted
    document: Document = {
        "by": proposal.by,
        "configuration": plain(proposal.configuration),
        "why": _short(proposal.rationale),
    }
    if proposal.reasons:
        document["reasons"] = {name: _short(text) for name, text in proposal.reasons.items()}
    if proposal.parent is not None:
        document["parent"] = proposal.parent
    if proposal.edit is not None:
        document["edit"] = edit_digest(proposal.edit, proposal.category)
    if hypothesis is not None:
        document["expects"] = hypothesis.expects
        document["against"] = hypothesis.against
        document["claim"] = _short(hypothesis.claim)
    if predicted is not None:
        document["predicted"] = {
            "low": plain(predicted.low),
            "high": plain(predicted.high),
            "level": predicted.level,
        }
    return document


def edit_digest(edit: Edit, declared: Category) -> Document:
    """Return a change of code in short; the patch itself is `read_diff`'s."""
    return {
        "summary": _short(edit.summary),
        "files": list(edit.files[:MOST]),
        "added": edit.added,
        "removed": edit.removed,
        "nodes": edit.nodes,
        "declared": declared,
        "inferred": edit.inferred,
    }


def _research(task: Task) -> Document:
    """What of the code may be changed, where any may."""
    plan = task.research
    if plan is None:
        return {}
    frozen = ", ".join(plan.frozen) or "all that git tracks and is not editable"
    return {"research": {"editable": [*plan.editable], "frozen": frozen, "lines": plan.lines}}


def assignment_digest(assignment: Assignment, *, metric: str) -> Document:
    """Return a run that is handed out: what to run, and how to tell of it."""
    order = assignment.order
    return {
        "run": str(assignment.run),
        "trial": assignment.trial.number,
        "seed": order.seed,
        "proposal": proposal_digest(assignment.trial.proposal),
        "command": list(order.command),
        "environment": {**assignment.environment},
        "workdir": str(order.workdir),
        "folder": str(order.folder),
        "tell": f"{metric} when it is done, else that it failed (and why) or was pruned",
    }


def importance_digest(influences: Sequence[Influence]) -> list[Json]:
    """Return each parameter's influence, the surest and largest first."""
    return [
        {
            "parameter": one.parameter,
            "share": round(one.share, 3),
            "interval": [round(one.low, 3), round(one.high, 3)],
            "told_from_chance": one.told,
            "sentence": one.sentence,
        }
        for one in influences
    ]


def note_digest(note: Note) -> Document:
    """Return a note with its author."""
    return {"text": _short(note.text), "by": note.by, "trial": note.trial}


def standing_digest(standing: Standing, history: History) -> Document:
    """Return a claim, where it stands, and what could contradict it."""
    claim = standing.claim
    return {
        "claim": standing.number,
        "by": claim.by,
        "text": _short(claim.text),
        "tested": statement(claim, history.task.objective.metric),
        "status": standing.status,
        "shown": standing.sentence,
        "comparisons": standing.comparisons,
        "estimate": plain(standing.estimate),
        "contradicted_by": contradicting(claim),
    }


def _observation(seen: Observation) -> Document:
    document: Document = {
        "outcome": seen.outcome,
        "value": plain(seen.value),
        "metrics": plain(seen.metrics),
        "seconds": round(seen.seconds, 3),
        "curve": plain(seen.curve),
    }
    if seen.outcome == "failed":
        document["cause"] = seen.cause
        document["detail"] = _short(seen.detail)
        # What a script printed is text to read, never a word to follow.
        document["log_tail_untrusted"] = seen.log_tail[-TAIL:]
    if seen.warnings:
        document["warnings"] = [_short(warning) for warning in seen.warnings]
    return document


def _short(text: str) -> str:
    return text if len(text) <= WORDS else text[: WORDS - 3] + "..."
