"""`export`: a study as one of Optuna's, for its dashboard and all else that reads its storages.

One Optuna trial per trial: runs are aggregated, the values of each seed stand in the attributes.
The rationale becomes the trial's note in optuna-dashboard, in the form in which that keeps notes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import optuna
import typer
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from trialwright import __version__
from trialwright.app.documents import Document, dumps, plain
from trialwright.app.place import to_read
from trialwright.history import History, Trial
from trialwright.optuna.attributes import PREFIX, TRIAL, WORDS, attributes
from trialwright.optuna.storages import explained, made, shown
from trialwright.propose.distributions import to_distributions
from trialwright.propose.mirror import quiet
from trialwright.records import Observation

NOTE_PART = 2045
"""Characters of a note that optuna-dashboard keeps in one attribute of the study."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the command line asks for."""

    url: str
    study: Path | None = None
    name: str | None = None
    force: bool = False
    json: bool = False


def export_study(wishes: Wishes) -> None:
    """Write a study's trials into a new Optuna study, and tell where it is.

    Raises:
        StudyError: the storage can't be written, or holds a study of that name.
    """
    history = to_read(wishes.study).history()
    task = history.task
    name = wishes.name or task.name
    with quiet():
        study = made(wishes.url, name, task.objective.direction, replaced=wishes.force)
        with explained(wishes.url):
            left_out = _fill(study, history)
    taken = len(history.trials) - sum(left_out.values())
    if wishes.json:
        document: Document = {
            "storage": shown(wishes.url),
            "study": name,
            "trials": taken,
            "left_out": dict(left_out),
        }
        typer.echo(dumps(document))
        return
    typer.echo(f"wrote {taken} trials to the Optuna study {name!r} in {shown(wishes.url)}")
    for state, count in left_out.items():
        typer.echo(f"left out: {count} {state}")


def _fill(study: optuna.Study, history: History) -> Counter[str]:
    """Add the trials that have ended; return how many have not, by state."""
    task = history.task
    study.set_metric_names([task.objective.metric])
    study.set_user_attr(PREFIX + "version", __version__)
    _note(study, None, _about(history))
    distributions = to_distributions(task.space)
    left_out: Counter[str] = Counter()
    for trial in history.trials:
        if trial.state not in ("done", "failed", "pruned"):
            left_out[trial.state] += 1
            continue
        frozen = _frozen(trial, task.objective.metric, distributions)
        number = study._storage.create_new_trial(study._study_id, template_trial=frozen)
        _note(study, number, _words(trial))
    return left_out


def _frozen(
    trial: Trial, metric: str, distributions: Mapping[str, BaseDistribution]
) -> FrozenTrial:
    states = {"done": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
    configuration = dict(trial.configuration)
    said = attributes(trial.proposal)
    words = {key: value for key, value in said.items() if key in WORDS}
    frozen = create_trial(
        state=states[trial.state],
        value=trial.value,
        params=configuration,
        distributions={name: distributions[name] for name in configuration},
        intermediate_values=_intermediate(trial, metric),
        user_attrs={**{key: said[key] for key in said if key not in words}, **dict(_short(trial))},
        system_attrs={**words, **dict(_long(trial))},
    )
    ended = [run.ended_at for run in trial.runs if run.ended_at is not None]
    if ended:
        frozen.datetime_start = _local(trial.runs[0].launched_at)
        frozen.datetime_complete = _local(max(ended))
    return frozen


def _intermediate(trial: Trial, metric: str) -> dict[int, float]:
    """The mean over the runs that the trial's state rests on, at the steps that all of them have.

    Optuna's steps are whole numbers: where ours are not, points are counted from 1.
    """
    curves = [dict(seen.curve.points(metric)) for seen in _telling(trial)]
    if not curves:
        return {}
    steps = sorted(set.intersection(*map(set, curves)))
    whole = all(step.is_integer() and step >= 0 for step in steps)
    means = [math.fsum(curve[step] for curve in curves) / len(curves) for step in steps]
    return {
        int(step) if whole else place: mean
        for place, (step, mean) in enumerate(zip(steps, means, strict=True), start=1)
    }


def _telling(trial: Trial) -> list[Observation]:
    ended = [run.observation for run in trial.latest.values() if run.observation is not None]
    return [seen for seen in ended if seen.outcome == trial.state]


def _short(trial: Trial) -> Iterator[tuple[str, object]]:
    """What the dashboard prints on one line each, and what it can draw: numbers and names."""
    yield TRIAL, trial.number
    yield PREFIX + "values", {str(seed): value for seed, value in trial.values.items()}
    runs = [run.observation for run in trial.latest.values() if run.observation is not None]
    yield PREFIX + "seconds", round(math.fsum(seen.seconds for seen in runs), 3)
    if trial.verdict is not None:
        yield PREFIX + "verdict", trial.verdict.status
    for seen in _telling(trial)[:1]:
        if seen.cause is not None:
            yield PREFIX + "cause", seen.cause
        for name, value in seen.metrics.items():
            yield f"{PREFIX}metric:{name}", plain(value)


def _long(trial: Trial) -> Iterator[tuple[str, object]]:
    """Sentences besides the proposal's: in user attributes they would make the page very wide."""
    if trial.verdict is not None:
        yield PREFIX + "verdict_words", trial.verdict.sentence
    if trial.run is not None and trial.run.diagnosis is not None:
        yield PREFIX + "diagnosis", trial.run.diagnosis.sentence


def _words(trial: Trial) -> str:
    """What a person reads of a trial, as Markdown."""
    proposal, verdict = trial.proposal, trial.verdict
    parts = [
        f"**Trial {trial.number}**, proposed by {_bare(proposal.by)}",
        _bare(proposal.rationale),
    ]
    reasons = [f"- **{_bare(name)}**: {_bare(why)}" for name, why in proposal.reasons.items()]
    parts.append("\n".join(reasons))
    if proposal.hypothesis is not None:
        parts.append(f"Hypothesis: {_bare(proposal.hypothesis.claim)}")
    if proposal.predicted is not None:
        known = proposal.predicted
        parts.append(f"Predicted: {known.low:.6g} to {known.high:.6g} ({known.level:.0%})")
    if verdict is not None:
        parts.append(f"Verdict: {verdict.status}. {_bare(verdict.sentence)}")
    return "\n\n".join(part for part in parts if part)


def _about(history: History) -> str:
    task = history.task
    best = history.best()
    lines = [f"**{_bare(task.name)}**, exported from Trialwright {__version__}"]
    lines += [_bare(task.description)] if task.description else []
    if best is not None and best.verdict is not None:
        lines.append(f"Best: trial {best.number}. {_bare(best.verdict.sentence)}")
    return "\n\n".join(lines)


def _bare(text: str) -> str:
    """Text without what Markdown takes for markup or a link: a model may have written anything."""
    for mark in "\\`*_[]<>#!|":
        text = text.replace(mark, "\\" + mark)
    return text


def _note(study: optuna.Study, trial: int | None, text: str) -> None:
    """Write a note where optuna-dashboard looks for it, in parts, under the trial's id."""
    prefix = "dashboard:" if trial is None else f"dashboard:{trial}:"
    storage, identity = study._storage, study._study_id
    storage.set_study_system_attr(identity, prefix + "note_ver", 1)
    for part, start in enumerate(range(0, len(text), NOTE_PART)):
        key = f"{prefix}note_str:{part}"
        storage.set_study_system_attr(identity, key, text[start : start + NOTE_PART])


def _local(at: float) -> datetime:
    """As Optuna writes times: local, without a zone."""
    return datetime.fromtimestamp(at, tz=UTC).astimezone().replace(tzinfo=None)
