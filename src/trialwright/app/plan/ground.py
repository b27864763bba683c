"""What a plan rests on: how long runs take, how often they fail, what they bring, as far as known.

From a study's history, a table of results, or what a person says. What nobody knows is assumed, and
`Ground.basis` says so in words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trialwright.analysis.durations import Durations
from trialwright.analysis.failing import Failing
from trialwright.analysis.surrogate import Data, Surrogate, fit
from trialwright.app.plan import table as tables
from trialwright.app.plan.table import Table
from trialwright.ending import SETUP
from trialwright.errors import StudyError
from trialwright.history import History, Run
from trialwright.space import Configuration
from trialwright.task import Agent, Task

Array = NDArray[np.float64]

KNOWN = 8
"""Results from which on a model of the landscape says something of results to come."""

LATEST = 400
"""Runs, at most, from which times and failures are learnt."""

THINKING_S = 10.0
"""Seconds that an answer of a model is taken to need before it has given any."""

HALF = 0.5
"""Part of a whole run's time after which a run fails, before any has failed."""

EVEN = 13
"""Configurations over the space from which a smooth landscape is made where none is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a person wants planned, and says beforehand."""

    workers: tuple[int, ...] = ()
    """(): 1, 2, 4 and 8, and what the study file says."""
    teams: tuple[tuple[str, ...], ...] = ()
    """(): the study's own."""
    trials: int | None = None
    """In all; None: as the study file's budget says."""
    run_s: float | None = None
    failures: float | None = None
    table: Path | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """How a metric went on its way to a run's value: steps, and what was still lacking there."""

    steps: tuple[float, ...]
    gaps: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """All that worlds are drawn from."""

    task: Task
    history: History
    run_s: float | None
    """Seconds of every run, where they don't follow from what is known."""
    durations: Durations | None
    rate: float | None
    """Of failures, where it is said."""
    failing: Failing
    shares: tuple[float, ...]
    """Of a whole run's time, after which runs failed."""
    passing: float
    """Part of the failures that pass when a run is tried again."""
    model: Surrogate
    table: Table | None
    shapes: tuple[Shape, ...]
    others: tuple[tuple[Configuration, Mapping[str, float]], ...]
    """Further metrics, as trials showed them."""
    thinking: Mapping[str, float]
    """Seconds of each model's turn."""
    rated: bool
    """Whether anything is known of how good results will be."""
    basis: tuple[str, ...]
    """In words, sentence by sentence."""


def ground(task: Task, history: History, wishes: Wishes) -> Ground:
    """Gather what is known.

    Raises:
        StudyError: nobody knows how long a run takes, or the table can't be used.
    """
    table = None if wishes.table is None else tables.read(wishes.table, task)
    runs = _ended(history)
    done = [run for run in runs if _outcome(run) == "done"]
    timed = wishes.run_s is None and not (table is not None and table.timed)
    run_s, said = wishes.run_s, ""
    if run_s is not None:
        said = f"every run takes {run_s:g} s, as you say"
    elif timed and not done:
        run_s, said = _stated(task, wishes)
    durations = None
    if timed and done:
        durations = Durations.fitted(task.space, _places(task, history, done), _seconds(done))
        said = f"run times as {_count(len(done), 'run')} took them, by configuration"
    elif not timed and run_s is None:
        said = "run times from the table"
    failed = [run for run in runs if _outcome(run) == "failed"]
    judged = [*done, *failed]
    shapes = _shapes(task, done)
    model, quality = _landscape(task, history, shapes)
    return Ground(
        task=task,
        history=history,
        run_s=run_s,
        durations=durations,
        rate=wishes.failures if judged or wishes.failures is not None else 0.0,
        failing=Failing.fitted(
            task.space,
            _places(task, history, judged),
            [_outcome(run) == "failed" for run in judged],
        ),
        shares=_shares(task, history, failed, durations),
        passing=sum(_cause(run) == "transient" for run in failed) / max(len(failed), 1),
        model=model,
        table=table,
        shapes=shapes,
        others=_others(task, history),
        thinking=_thinking(task, history),
        rated=table is not None or len(history.done()) >= KNOWN,
        basis=(
            said,
            _of_failures(table, wishes, failed=len(failed), runs=len(judged)),
            f"results from {_count(len(table.rows), 'row')} of the table" if table else quality,
            *_models(task, history),
            *_curves(task, shapes),
        ),
    )


# -- reading a history


def _ended(history: History) -> list[Run]:
    """The latest runs that ended, their own way or by a limit; a broken set-up is mended by now."""
    runs = [run for trial in history.trials for run in trial.runs if _cause(run) not in SETUP]
    return [run for run in runs if _outcome(run) in ("done", "failed")][-LATEST:]


def _outcome(run: Run) -> str:
    return run.observation.outcome if run.observation is not None else ""


def _cause(run: Run) -> str:
    return (run.observation.cause or "") if run.observation is not None else ""


def _seconds(runs: Sequence[Run]) -> list[float]:
    return [run.observation.seconds for run in runs if run.observation is not None]


def _places(task: Task, history: History, runs: Sequence[Run]) -> list[Configuration]:
    """Where runs lie in the present space: one from before it grew is completed."""
    return [task.space.complete(history.trials[run.key.trial].configuration) for run in runs]


def _stated(task: Task, wishes: Wishes) -> tuple[float, str]:
    """How long a run takes before there was any, by the study file."""
    limit, budget = task.limits.run_s, task.budget
    if limit is not None:
        return limit, f"every run takes the whole {limit:g} s of its time limit, at most"
    trials = wishes.trials or budget.trials or budget.runs
    if budget.time_s is not None and trials:
        workers = task.runner.workers or 1
        each = budget.time_s * workers / trials
        return each, (
            f"every run takes {each:.3g} s, so that {trials} of them just fill the time budget of"
            f" {budget.time_s:g} s on {_count(workers, 'worker')}"
        )
    raise StudyError(
        "nobody knows how long a run takes: the study has none that ended well, and its file has"
        " no time limit; say it with --seconds-per-run, or give a --table with a column `seconds`,"
        " or run the study for some trials first"
    )


def _shares(
    task: Task, history: History, failed: Sequence[Run], durations: Durations | None
) -> tuple[float, ...]:
    if durations is None or not failed:
        return (HALF,)
    expected = np.exp(durations.rows(_places(task, history, failed)) @ durations.mean)
    return tuple(
        float(min(max(seconds, 0.0) / whole, 4.0))
        for seconds, whole in zip(_seconds(failed), expected, strict=True)
    )


def _landscape(task: Task, history: History, shapes: Sequence[Shape]) -> tuple[Surrogate, str]:
    """A model of what results are, and what it is made of in words."""
    code = history.code if history.opened and history.done(code=history.code) else None
    trials = history.done(code=code) if history.opened else []
    values = [(t, t.value) for t in trials if t.value is not None]
    if not values:
        return _smooth(task), "nothing is known of the results: how good they will be is unknown"
    seen = [(t.configuration, value, max(len(t.values), 1)) for t, value in values]
    # Who was stopped early was behind: without them, all of the landscape would look good.
    seen += [(place, value, 1) for place, value in _stopped(task, history, shapes)]
    model = fit(
        task.space,
        Data(
            configurations=[task.space.complete(place) for place, _, _ in seen],
            values=np.array([value for _, value, _ in seen]),
            sign=task.objective.sign,
            seeds=np.array([count for _, _, count in seen], dtype=np.float64),
        ),
    )
    told = max(model.explained, 0.0)
    said = f"results from a model of {_count(len(values), 'trial')}"
    if len(values) < KNOWN:
        return model, f"{said}: too few to say how good they will be"
    return model, f"{said}, which foretells {told:.0%} of what sets the better ones apart"


def _smooth(task: Task) -> Surrogate:
    """A landscape as good as any: for teams to have something to look at."""
    rng = np.random.default_rng(0)
    points = [task.space.sample(rng) for _ in range(EVEN)]
    middle = task.space.encode([task.space.complete({})])
    apart = np.square(task.space.encode(points) - middle).sum(axis=1)
    values = -task.objective.sign * apart
    return fit(task.space, Data(configurations=points, values=values, sign=task.objective.sign))


def _shapes(task: Task, done: Sequence[Run]) -> tuple[Shape, ...]:
    """Curves, where somebody looks at them while runs go on."""
    if task.prune is None:
        return ()
    found = []
    for run in done[-50:]:
        seen = run.observation
        points = seen.curve.points(task.objective.metric) if seen else []
        if seen is not None and seen.value is not None and len(points) > 1:
            gaps = tuple(value - seen.value for _, value in points)
            found.append(Shape(tuple(step for step, _ in points), gaps))
    return tuple(found)


def _stopped(
    task: Task, history: History, shapes: Sequence[Shape]
) -> list[tuple[Configuration, float]]:
    """Trials that were stopped early, with what they would have shown, as far as others tell."""
    found = []
    for trial in history.trials if shapes else ():
        seen = trial.run.observation if trial.run else None
        if seen is None or seen.outcome != "pruned":
            continue
        points = seen.curve.points(task.objective.metric)
        points = [(step, value) for step, value in points if math.isfinite(value)]
        if points:
            step, value = points[-1]
            gaps = [float(np.interp(step, one.steps, one.gaps)) for one in shapes]
            found.append((trial.configuration, value - float(np.median(gaps))))
    return found


def _others(task: Task, history: History) -> tuple[tuple[Configuration, Mapping[str, float]], ...]:
    """Metrics beside the objective, where the study looks at any."""
    if not (task.require or task.also):
        return ()
    trials = history.done()[-LATEST:] if history.opened else []
    metric = task.objective.metric
    return tuple(
        (
            task.space.complete(trial.configuration),
            {n: v for n, v in trial.measures.items() if n not in (metric, "seconds")},
        )
        for trial in trials
    )


def _thinking(task: Task, history: History) -> dict[str, float]:
    """Seconds of a turn, by model: as the latest took."""
    found = {}
    for agent in task.team:
        if isinstance(agent, Agent):
            had = [
                one.seconds
                for one in history.exchanges
                if one.by == agent.name and one.purpose == "propose" and one.requests
            ][-20:]
            found[agent.name] = sum(had) / len(had) if had else THINKING_S
    return found


# -- in words


def _of_failures(table: Table | None, wishes: Wishes, *, failed: int, runs: int) -> str:
    if wishes.failures is not None:
        return f"{wishes.failures:.0%} of the runs fail, as you say"
    if table is not None and any(row.value is None for row in table.rows):
        return "failures from the table"
    if not runs:
        return "no run is taken to fail"
    return f"failures as they were: {failed} of {_count(runs, 'run')}"


def _models(task: Task, history: History) -> list[str]:
    agents = [one.name for one in task.team if isinstance(one, Agent)]
    if not agents:
        return []
    thinking = _thinking(task, history)
    asked = {one.by for one in history.exchanges if one.purpose == "propose"}
    turns = ", ".join(
        f"{name} {thinking[name]:.0f} s a turn{'' if name in asked else ' (a guess)'}"
        for name in agents
    )
    return [f"no model was asked: the expert proposed in the place of {turns}"]


def _curves(task: Task, shapes: Sequence[Shape]) -> list[str]:
    if task.prune is None or shapes:
        return []
    return ["early stopping is not counted: no curve is known yet"]


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"
