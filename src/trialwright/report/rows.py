"""Each trial as the facts that a reader wants of it; and which trials a bounded table has."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from trialwright.analysis.compare import HypothesisStatus, hypothesis_status, yardstick
from trialwright.history import History, Run, Trial
from trialwright.records import UNKNOWN_SEED, Proposal
from trialwright.report import counting, words
from trialwright.report.words import Change
from trialwright.research.naming import title

LOG_TAIL = 2000
"""Characters of a failed run's log that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run of a trial."""

    seed: int
    """Its index."""
    given: int | None
    """The seed that the run was given; None: not recorded, of an imported run."""
    handed: bool
    """Whether the command or the script's files are known to take it."""
    attempt: int
    outcome: str
    value: float | None
    seconds: float | None
    memory_bytes: int | None
    diagnosis: str
    detail: str
    log_tail: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One trial."""

    number: int
    by: str
    standing: str
    """Its verdict, or where it stands while it has none."""
    value: float | None
    deviation: float | None
    """Standard deviation over seeds; None with fewer than two."""
    seeds: int
    parent: int | None
    changed: tuple[Change, ...]
    """Against its parent; without one, against the first trial."""
    edit: str
    """What it changes of its parent's code, in a line; '' if nothing."""
    configuration: Mapping[str, str]
    reasons: Mapping[str, str]
    rationale: str
    claim: str
    hypothesis: HypothesisStatus | None
    yardstick: str
    """What decides it; '' where that is not a measured difference."""
    predicted: str
    verdict: str
    diagnosis: str
    seconds: float
    runs: tuple[RunRow, ...]

    def what(self, *, most: int) -> str:
        """Say what changed against the parent: up to `most` parameters, and the code."""
        if self.number == 0:
            return "first trial"
        parts = (words.listed(self.changed, most=most), self.edit)
        return "; ".join(filter(None, parts)) or "nothing"


def row(trial: Trial, history: History) -> Row:
    """Describe a trial."""
    proposal = trial.proposal
    origin = 0 if proposal.parent is None else proposal.parent
    values = list(trial.values.values())
    shown, handed = trial.run, not counting.unseeded(history)
    return Row(
        number=trial.number,
        by=words.line(proposal.by, most=40),
        standing=standing(trial),
        value=trial.value,
        deviation=statistics.stdev(values) if len(values) > 1 else None,
        seeds=len(values),
        parent=proposal.parent,
        changed=words.changes(history.trials[origin].configuration, trial.configuration),
        edit=_edit(proposal),
        configuration={name: words.value(value) for name, value in trial.configuration.items()},
        reasons={name: words.line(reason) for name, reason in proposal.reasons.items()},
        rationale=words.line(proposal.rationale),
        claim=words.claimed(proposal.hypothesis.claim) if proposal.hypothesis else "",
        hypothesis=hypothesis_status(history, trial) if proposal.hypothesis else None,
        yardstick=yardstick(history, trial),
        predicted=predicted(trial),
        verdict=words.line(trial.verdict.sentence) if trial.verdict else "",
        diagnosis=words.line(shown.diagnosis.sentence) if shown and shown.diagnosis else "",
        seconds=sum(run.observation.seconds for run in trial.runs if run.observation),
        runs=tuple(_run(run, handed=handed) for run in trial.runs),
    )


def _edit(proposal: Proposal) -> str:
    edit = proposal.edit
    if edit is None:
        return ""
    size = f"{words.count(edit.added, 'line')} more, {edit.removed} fewer"
    return f"{words.line(title(proposal))} ({size})"


def standing(trial: Trial, *, going: bool = True) -> str:
    """Return a trial's verdict in one word, or its state where that says more.

    `going` tells whether a process is running the study: without one no trial is running.
    """
    begun = any(run.observation is None for run in trial.latest.values())
    if trial.state == "cancelled" or (begun and not going):
        return "interrupted"
    if trial.state == "running" and not going:
        return "queued"
    if trial.state in ("queued", "running", "pruned") or trial.verdict is None:
        return trial.state
    return "infeasible" if trial.breach else trial.verdict.status


def predicted(trial: Trial) -> str:
    """Say what was predicted for a trial, and whether the first seed's value fell into it."""
    interval = trial.proposal.predicted
    if interval is None:
        return ""
    low, high = words.number(interval.low), words.number(interval.high)
    claim = f"{low} to {high} ({interval.level:.0%})"
    seen = trial.values.get(0)
    if seen is None:
        return claim
    return f"{claim}, seen {words.number(seen)}: {place(seen, interval.low, interval.high)}"


def place(seen: float, low: float, high: float) -> str:
    """Say where a value lies against an interval."""
    return "above it" if seen > high else "below it" if seen < low else "inside"


def chosen(history: History, *, most: int) -> list[Trial]:
    """Return at most `most` trials by number: all, else the best, the latest and failed ones."""
    trials = history.trials
    if len(trials) <= most:
        return list(trials)
    sign = history.task.objective.sign
    ranked = sorted(history.done(), key=lambda trial: -sign * (trial.value or 0.0))
    failed = [trial for trial in trials if trial.state == "failed"]
    picked = {0: trials[0]}
    for group, share in ((ranked, 0.6), (failed[-most:], 0.15), (trials[::-1], 1.0)):
        room = min(int(share * most), most - len(picked))
        picked |= {trial.number: trial for trial in group[:room]}
    return [picked[number] for number in sorted(picked)]


def _outcome(run: Run) -> str:
    if run.observation is None:
        return "running or interrupted"
    return "interrupted" if run.observation.outcome == "cancelled" else run.observation.outcome


def _run(run: Run, *, handed: bool) -> RunRow:
    seen = run.observation
    return RunRow(
        seed=run.key.seed,
        given=None if run.launch.seed == UNKNOWN_SEED else run.launch.seed,
        handed=handed,
        attempt=run.key.attempt,
        outcome=_outcome(run),
        value=seen.value if seen else None,
        seconds=seen.seconds if seen else None,
        memory_bytes=seen.peak_memory_bytes if seen else None,
        diagnosis=words.line(run.diagnosis.sentence) if run.diagnosis else "",
        detail=words.line(seen.detail, most=400) if seen else "",
        log_tail=words.plain(seen.log_tail)[-LOG_TAIL:] if seen else "",
        warnings=tuple(words.line(warning) for warning in seen.warnings) if seen else (),
    )
