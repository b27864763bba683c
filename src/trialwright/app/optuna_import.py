"""`import`: an Optuna study as a study file, and a ledger that holds its trials.

Equal parameters become one trial with several runs. How a run was started is not known, so launches
have no command, and trials no code version: they count with the first code that runs.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import optuna
import typer
from optuna.trial import FrozenTrial

from trialwright import __version__
from trialwright.analysis.compare import judge
from trialwright.analysis.curves import diagnose
from trialwright.app.documents import Document, dumps, plain
from trialwright.app.place import FILE, RUNS, shown
from trialwright.errors import StudyError
from trialwright.expression import Scalar
from trialwright.history import History
from trialwright.ledger import SqliteLedger
from trialwright.optuna.attributes import TRIAL
from trialwright.optuna.space import Translation, inferred, widest
from trialwright.optuna.storages import explained, stored
from trialwright.optuna.trials import launch, observation_of, proposal_of
from trialwright.propose.mirror import quiet
from trialwright.records import (
    Admission,
    Entry,
    Notice,
    Observation,
    Opened,
    Outcome,
    Record,
    RunKey,
)
from trialwright.store import LEDGER
from trialwright.studyfile import dump
from trialwright.task import Budget, Objective, Task

UNKNOWN_CODE = ""
"""Code version of trials that came from elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the command line asks for."""

    url: str
    folder: Path
    name: str | None = None
    metric: str | None = None
    trials: int = 10
    """Further trials in the budget."""
    json: bool = False


@dataclass(slots=True)
class Found:
    """What a study's trials became."""

    history: History = field(default_factory=History)
    records: list[Record] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    """How many trials, by reason."""

    def note(self, *records: Record) -> None:
        """Take further records in."""
        for record in records:
            self.history.extend([Entry(self.history.sequence + 1, 0.0, record)])
            self.records.append(record)


def import_study(wishes: Wishes) -> None:
    """Write the study file and the ledger of an Optuna study, and tell what was taken.

    Raises:
        StudyError: the study can't be read or said, or the folder holds one already.
    """
    with quiet(), explained(wishes.url):
        study = stored(wishes.url, wishes.name)
        trials = study.get_trials(deepcopy=False)
    translation = _translation(study, trials)
    task = _task(study, translation, wishes)
    results = wishes.folder / RUNS / task.name
    for path in (wishes.folder / FILE, results / LEDGER):
        if path.exists():
            raise StudyError(f"{path} is there already: name another folder with --to")
    found = _taken(trials, translation, task)
    if not found.history.trials:
        reasons = [f"{name}: {why}" for name, why in translation.omitted.items()]
        reasons += [f"{count} {reason}" for reason, count in found.left_out.items()]
        raise StudyError("none of the study's trials can be taken: " + "; ".join(reasons))
    _write(found, task, results, heading=_heading(study.study_name))
    _tell(found, translation, results, wishes)


def _translation(study: optuna.Study, trials: Sequence[FrozenTrial]) -> Translation:
    if len(study.directions) > 1:
        raise StudyError(
            f"the study {study.study_name!r} has {len(study.directions)} objectives; Trialwright"
            " tunes for one"
        )
    ended = [trial for trial in trials if trial.state.is_finished()]
    translation = inferred(ended, widest)
    if translation is None:
        raise StudyError(
            f"the study {study.study_name!r} has no parameters that a study file can say: none of"
            f" its {len(ended)} finished trials shows one"
        )
    return translation


def _task(study: optuna.Study, translation: Translation, wishes: Wishes) -> Task:
    metric = wishes.metric or (study.metric_names or ["value"])[0]
    maximize = study.direction.name == "MAXIMIZE"
    return Task(
        name=re.sub(r"[^A-Za-z0-9_.-]+", "-", study.study_name).strip("-._")[:100] or "optuna",
        objective=Objective(metric=metric, direction="maximize" if maximize else "minimize"),
        space=translation.space,
        folder=str(wishes.folder.absolute()),
        budget=Budget(trials=wishes.trials),
    )


def _taken(trials: Sequence[FrozenTrial], translation: Translation, task: Task) -> Found:
    found = Found()
    groups: dict[str, list[FrozenTrial]] = {}
    configurations: dict[str, dict[str, Scalar]] = {}
    for trial in trials:
        configuration = translation.configuration(trial.params)
        if not trial.state.is_finished():
            found.left_out[trial.state.name.lower()] += 1
        elif len(configuration) < len(trial.params) or task.space.check(configuration):
            found.left_out["with parameters that do not fit the space"] += 1
        else:
            key = task.space.key(configuration)
            groups.setdefault(key, []).append(trial)
            configurations[key] = configuration
    total = len(groups) + (task.budget.trials or 0)
    found.note(
        Opened(
            task=replace(task, budget=Budget(trials=total)),
            seed=task.seeds.study,
            version=__version__,
            changes=("imported from Optuna",),
        )
    )
    numbers = {_number(trial): number for number, key in enumerate(groups) for trial in groups[key]}
    for key, runs in groups.items():
        _note_trial(found, runs, configurations[key], numbers)
    text = "these trials come from Optuna and count as results of the first code that is run"
    found.note(Notice(level="info", topic="import", text=text))
    return found


def _note_trial(
    found: Found,
    runs: Sequence[FrozenTrial],
    configuration: Mapping[str, Scalar],
    numbers: Mapping[int, int],
) -> None:
    number = len(found.history.trials)
    made = proposal_of(runs[0], configuration)
    hypothesis = made.hypothesis
    if hypothesis is not None:
        against = _earlier(hypothesis.against, numbers, number)
        hypothesis = replace(hypothesis, against=against)
    made = replace(made, parent=_earlier(made.parent, numbers, number), hypothesis=hypothesis)
    found.note(Admission(number=number, proposal=made, code=UNKNOWN_CODE))
    objective = found.history.task.objective
    for observed in _observed(runs, number, objective.metric):
        found.note(launch(observed.run), observed, diagnose(observed, objective))
    found.note(judge(found.history.trials[number], found.history))


def _observed(runs: Sequence[FrozenTrial], number: int, metric: str) -> Iterator[Observation]:
    """The runs of one trial: what did not end well as earlier attempts, then a seed for each value.

    So a failure that a later try with equal parameters mended does not hide that one's value.
    """
    order: tuple[Outcome, ...] = ("failed", "pruned", "done")
    found = [observation_of(run, RunKey(number, 0, 0), metric) for run in runs]
    seed = attempt = 0
    for observed in sorted(found, key=lambda observed: order.index(observed.outcome)):
        yield replace(observed, run=RunKey(number, seed, attempt))
        if observed.outcome == "done":
            seed, attempt = seed + 1, 0
        else:
            attempt += 1


def _number(trial: FrozenTrial) -> int:
    """The number under which the trial's attributes speak of it: ours, if we exported it."""
    ours = trial.user_attrs.get(TRIAL)
    return ours if isinstance(ours, int) else trial.number


def _earlier(other: int | None, numbers: Mapping[int, int], number: int) -> int | None:
    found = None if other is None else numbers.get(other)
    return found if found is not None and found < number else None


def _heading(name: str) -> str:
    return (
        f"# The Optuna study {name!r}, imported. To go on, say how one run is started:\n"
        '# command: [python, train.py, "{args}", "--seed={seed}"]\n'
    )


def _write(found: Found, task: Task, results: Path, *, heading: str) -> None:
    results.mkdir(parents=True, exist_ok=True)
    ledger = SqliteLedger(results / LEDGER)
    try:
        ledger.append(found.records, 0, at=time.time())
    finally:
        ledger.close()
    # Paths in a study file are relative to it: so it can be moved beside the script.
    lines = dump(found.history.task).splitlines(keepends=True)
    text = heading + "".join(line for line in lines if not line.startswith("folder:"))
    Path(task.folder, FILE).write_text(text, encoding="utf-8")


def _tell(found: Found, translation: Translation, results: Path, wishes: Wishes) -> None:
    history, file = found.history, wishes.folder / FILE
    states = Counter(trial.state for trial in history.trials)
    renamed = {theirs: ours for theirs, ours in translation.ours.items() if theirs != ours}
    if wishes.json:
        document: Document = {
            "study": str(file),
            "folder": str(results),
            "trials": len(history.trials),
            "runs": history.launches,
            "states": plain(states),
            "left_out": plain(found.left_out),
            "renamed": plain(renamed),
            "omitted": plain(translation.omitted),
        }
        typer.echo(dumps(document))
        return
    counted = ", ".join(f"{count} {state}" for state, count in states.items())
    typer.echo(f"took {history.launches} runs as {len(history.trials)} trials: {counted}")
    for reason, count in found.left_out.items():
        typer.echo(f"left out: {count} {reason}")
    for theirs, ours in renamed.items():
        typer.echo(f"renamed: {theirs!r} is {ours} in the study file")
    for name, why in translation.omitted.items():
        typer.echo(f"not in the space: {name!r}: {why}")
    typer.echo(f"wrote {shown(file)}; add the command to it, then: trialwright run {shown(file)}")
