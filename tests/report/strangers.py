"""A study as a stranger meets it: a search that moves, and results whose truth is planted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.histories import Recorder
from trialwright.expression import Scalar
from trialwright.history import History
from trialwright.records import Interval, Observation, Proposal, RunKey
from trialwright.robust import Robust
from trialwright.space import Choice, Float, Int, Space
from trialwright.task import Budget, Objective, Seeds, Task

SPACE = Space(
    (
        Int("loops", 1, 12, log=True, default=2),
        Float("rate", 0.0, 1.0, default=0.1),
        Float("width", 0.0, 1.0, default=0.2),
        Float("jitter", 0.0, 1.0, default=0.0),
        Choice("kind", ("adam", "rmsprop"), default="adam"),
    )
)

DESCRIPTION = (
    "Recovers the wiring of a circuit from its voltages.\n"
    "The functions must be exact before\nthe weights can be.\n\n"
    "Seeds of one configuration end far apart.\n" * 2 + "\nWanted: one that works for every seed."
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A trial: what it changes in its parent, what its seeds give, how long a run takes."""

    change: Mapping[str, Scalar]
    values: Sequence[float]
    parent: int | None = None
    took: float = 6.0
    predicted: tuple[float, float] | None = None


PLANTED = (
    Row(change={}, values=(0.55, 0.57, 0.53, 0.56, 0.54, 0.85)),
    Row(
        change={"loops": 3, "rate": 0.15, "width": 0.25, "jitter": 0.1},
        values=(0.50, 0.48, 0.52, 0.49, 0.47, 0.51),
        parent=0,
        predicted=(0.45, 0.49),
    ),
    Row(
        change={"loops": 4, "rate": 0.2, "width": 0.3, "jitter": 0.2},
        values=(0.60, 0.0, 0.63),
        parent=0,
        predicted=(0.3, 0.9),
    ),
    Row(
        change={"loops": 5, "rate": 0.2, "width": 0.3, "jitter": 0.3},
        values=(0.66, 0.64, 0.65, 0.67, 0.63, 0.66),
        parent=0,
        took=9.0,
        predicted=(0.2, 1.0),
    ),
    Row(change={"rate": 0.25}, values=(0.55, 0.56, 0.54, 0.53, 0.57, 0.55), parent=3),
    Row(
        change={"loops": 7, "jitter": 0.4, "rate": 0.3},
        values=(0.69, 0.70, 0.68, 0.70, 0.69, 0.71),
        parent=3,
        predicted=(0.1, 0.3),
    ),
    Row(change={"jitter": 0.9, "kind": "rmsprop"}, values=(0.30, 0.31, 0.29), parent=5),
    Row(
        change={"loops": 11, "jitter": 0.5, "width": 0.4, "rate": 0.35},
        values=(0.73, 0.74, 0.72, 0.75, 0.73, 0.74),
        parent=5,
        took=13.0,
    ),
    Row(
        change={"rate": 0.5, "width": 0.5, "jitter": 0.55},
        values=(0.82, 0.84, 0.81, 0.83, 0.82, 0.83),
        parent=7,
        took=13.0,
    ),
    Row(
        change={"rate": 0.7, "width": 0.7},
        values=(0.90, 0.72, 0.91, 0.92, 0.90, 0.93, 0.91, 0.92, 0.90),
        parent=8,
        took=14.0,
    ),
)
"""`loops` grows with the search, and stands still over the last two steps, which gain most."""


def planted_task(**changes: object) -> Task:
    """A task whose objective hides in its seeds: the mean less one standard deviation."""
    usual: dict[str, object] = {
        "seeds": Seeds(
            screen=3, confirm=6, most=12, objective=Robust(kind="spread", amount=1.0), failure=0.6
        ),
        "description": DESCRIPTION,
        "budget": Budget(trials=12, runs=60),
    }
    return Task(
        name="circuit",
        objective=Objective(metric="wiring_r2"),
        space=SPACE,
        command=("python", "train.py"),
        team=("expert",),
        **{**usual, **changes},  # type: ignore[arg-type]
    )


def planted(
    folder: Path, rows: Sequence[Row] = PLANTED, *, closed: bool = True, **changes: object
) -> History:
    """Record the study, trial by trial."""
    recorder = Recorder(folder, planted_task(**changes))
    done: list[dict[str, Scalar]] = []
    for row in rows:
        before = dict(SPACE.defaults) if row.parent is None else done[row.parent]
        done.append({**before, **row.change})
        low_high = row.predicted
        trial = recorder.admit(
            Proposal(
                configuration=done[-1],
                by="expert",
                parent=row.parent,
                reasons=dict.fromkeys(row.change, "drawn anew, near the best so far"),
                predicted=Interval(low=low_high[0], high=low_high[1]) if low_high else None,
            )
        )
        _run(recorder, trial, row)
    if not closed:
        return recorder.close(sentence=None)
    return recorder.close(sentence="all 60 runs of the budget are done")


def _run(recorder: Recorder, trial: int, row: Row) -> None:
    """The seeds that every trial gets, and once they are judged the others."""
    screen = recorder.task.seeds.screen
    _end(recorder, [recorder.launch(trial, seed=seed) for seed in range(screen)], row)
    if len(row.values) > screen:
        _end(recorder, recorder.replicate(trial, seeds=len(row.values) - screen), row)


def _end(recorder: Recorder, keys: Sequence[RunKey], row: Row) -> None:
    for key in keys:
        value = row.values[key.seed]
        recorder.observe(Observation(run=key, outcome="done", value=value, seconds=row.took))
