"""Realistic histories without running anything: a real function over a real space, recorded.

`study_history` makes a study of a small network on images: curves, overfitting, divergence, runs
out of memory, stopped runs, replicates, several proposers. Records go through a real ledger, and
diagnoses and verdicts come from the code that the study uses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from trialwright.analysis.compare import judge
from trialwright.analysis.curves import diagnose
from trialwright.expression import Scalar
from trialwright.history import History
from trialwright.ledger import SqliteLedger
from trialwright.records import (
    Admission,
    Closed,
    CodeVersion,
    Curve,
    Entry,
    Hypothesis,
    Interval,
    Launch,
    Machine,
    Notice,
    Observation,
    Opened,
    Proposal,
    Record,
    Request,
    RunKey,
)
from trialwright.space import Choice, Float, Int, Ordinal, Space
from trialwright.task import Budget, Objective, Task

NETWORK = Space(
    (
        Float("learning_rate", 1e-4, 1.0, log=True, default=0.001),
        Ordinal("batch_size", (16, 32, 64, 128, 256, 512), default=64),
        Int("hidden", 16, 512, log=True, default=64),
        Float("dropout", 0.0, 0.6, default=0.0),
        Choice("optimizer", ("adam", "sgd"), default="adam"),
        Float("momentum", 0.0, 0.99, default=0.9, when="optimizer == 'sgd'"),
        Float("weight_decay", 0.0, 0.1, default=0.01),
    )
)
"""A space with every kind of parameter; `weight_decay` is never varied by `study_history`."""

STEPS = 30
PROPOSERS = ("expert", "expert", "gp", "random")
DEFAULTS: dict[str, Scalar] = {
    "learning_rate": 0.001,
    "batch_size": 64,
    "hidden": 64,
    "dropout": 0.0,
    "optimizer": "adam",
    "weight_decay": 0.01,
}


@dataclass
class Recorder:
    """Writes what a study would write, one call per step, into a ledger in `folder`."""

    folder: Path
    task: Task
    history: History = field(default_factory=History)
    clock: float = 1.75e9

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ledger = SqliteLedger(self.folder / "ledger.db")
        self._waiting: list[tuple[float, Record]] = []
        self.note(
            Opened(task=self.task, seed=0, version="0.1.0"),
            CodeVersion(id="c0ffee123456", commit="9360669" + "0" * 33, files=("train.py",)),
            Machine(
                id="m1",
                host="bench",
                platform="Linux-6.1-x86_64",
                python="3.11.9",
                cores=2,
                packages={"numpy": "2.1.0", "scikit-learn": "1.9.1"},
            ),
        )

    def note(self, *records: Record, seconds: float = 0.0) -> None:
        """Take records in `seconds` later; `close` writes them."""
        self.clock += seconds
        for record in records:
            entry = Entry(self.history.sequence + 1, self.clock, record)
            self.history.extend([entry])
            self._waiting.append((self.clock, record))

    def admit(self, proposal: Proposal) -> int:
        """Admit a trial, and return its number."""
        number = len(self.history.trials)
        self.note(Admission(number=number, proposal=proposal, code=self.history.code))
        return number

    def launch(self, trial: int, *, seed: int = 0) -> RunKey:
        """Start a run of a trial."""
        key = RunKey(trial, seed, self.history.trials[trial].attempts(seed))
        self.note(Launch(run=key, seed=1000 + seed, command=("python", "train.py"), machine="m1"))
        return key

    def observe(self, observation: Observation) -> None:
        """End a run, diagnose it, and judge its trial."""
        diagnosis = diagnose(observation, self.task.objective)
        self.note(observation, diagnosis, seconds=observation.seconds)
        trial = self.history.trials[observation.run.trial]
        if trial.state in ("done", "failed", "pruned"):
            self.note(judge(trial, self.history))

    def replicate(self, trial: int, *, seeds: int) -> list[RunKey]:
        """Ask for more seeds of a trial, and start them."""
        first = self.history.trials[trial].planned
        self.note(Request(what="replicate", trial=trial, seeds=seeds))
        return [self.launch(trial, seed=first + i) for i in range(seeds)]

    def close(self, *, sentence: str | None = "all trials of the budget are done") -> History:
        """Write everything, read it back from the file, and return that history."""
        if sentence:
            self.note(Closed(reason="budget", sentence=sentence))
        # A commit waits for the disk: long studies are written in parts, each with one time.
        part = max(len(self._waiting) // 500, 1)
        for start in range(0, len(self._waiting), part):
            batch = self._waiting[start : start + part]
            self.ledger.append([record for _, record in batch], start, at=batch[0][0])
        self._waiting = []
        history = History(self.ledger.read())
        self.ledger.close()
        return history


def network_task(*, trials: int = 12, direction: str = "maximize", **changes: object) -> Task:
    """The task of `study_history`."""
    metric = "val_accuracy" if direction == "maximize" else "val_loss"
    task = Task(
        name="digits",
        description="A small network on images of digits.",
        objective=Objective(metric=metric, direction=direction),  # type: ignore[arg-type]
        space=NETWORK,
        command=("python", "train.py", "--config", "{config}"),
        budget=Budget(trials=trials, time_s=7200.0),
        team=("expert", "gp", "random"),
    )
    return replace(task, **changes)


def study_history(
    folder: Path, *, trials: int = 12, direction: str = "maximize", replicates: int = 0
) -> History:
    """Record a whole study; the best trial and the first get `replicates` more seeds.

    The same arguments give the same records, times apart.
    """
    recorder = Recorder(folder, network_task(trials=trials, direction=direction))
    rng = np.random.default_rng(1)
    for number in range(trials):
        trial = recorder.admit(_proposal(recorder.history, rng, by=PROPOSERS[number % 4]))
        run_network(recorder, recorder.launch(trial))
    best = recorder.history.best()
    if replicates and best is not None:
        for trial in sorted({0, best.number}):
            for key in recorder.replicate(trial, seeds=replicates):
                run_network(recorder, key)
    recorder.note(
        Notice(level="info", topic="machine", text="one run at a time: two cores, no GPU")
    )
    return recorder.close()


def run_network(recorder: Recorder, key: RunKey) -> None:
    """Let the made-up network train, and record what it showed."""
    trial = recorder.history.trials[key.trial]
    recorder.observe(network_observation(key, trial.configuration, recorder.task.objective))


def network_observation(
    key: RunKey, configuration: Mapping[str, Scalar], objective: Objective
) -> Observation:
    """What one run of the made-up network shows.

    Large batches of a wide network run out of memory, large rates diverge; the accuracy peaks near
    a rate of 0.01, 200 units and a dropout of 0.2.
    """
    values = {name: float(value) for name, value in configuration.items() if _number(value)}
    rng = np.random.default_rng([key.trial, key.seed, 7])
    memory = int(2e8 + values["batch_size"] * values["hidden"] * 3e4)
    seconds = 20.0 + 2000.0 / values["batch_size"]
    if values["batch_size"] >= 256 and values["hidden"] > 100:
        return Observation(
            run=key,
            outcome="failed",
            cause="out_of_memory_gpu",
            detail="CUDA ran out of memory: lower batch_size",
            log_tail="epoch 0\nRuntimeError: CUDA out of memory. Tried to allocate 2.1 GiB",
            seconds=3.0,
            exit_status=1,
            peak_memory_bytes=memory,
        )
    curve = _curve(values, sgd=configuration["optimizer"] == "sgd", rng=rng)
    if values["learning_rate"] > 0.3:
        return Observation(
            run=key,
            outcome="failed",
            cause="diverged",
            detail="the loss is NaN from step 4 on: lower learning_rate",
            curve=_diverging(curve),
            log_tail="epoch 4\nloss nan",
            seconds=5.0,
            exit_status=1,
        )
    metrics = {name: series[-1] for name, series in curve.series.items()}
    value = objective.value(list(curve.series[objective.metric]))
    if metrics["val_accuracy"] < 0.75:
        return Observation(
            run=key,
            outcome="pruned",
            curve=Curve(
                steps=curve.steps[:10], series={k: s[:10] for k, s in curve.series.items()}
            ),
            seconds=seconds / 3,
            exit_status=143,
        )
    return Observation(
        run=key,
        outcome="done",
        value=value,
        metrics=metrics,
        curve=curve,
        seconds=seconds,
        exit_status=0,
        peak_memory_bytes=memory,
    )


def _number(value: Scalar) -> bool:
    return isinstance(value, int | float)


def _curve(values: Mapping[str, float], *, sgd: bool, rng: np.random.Generator) -> Curve:
    rate, hidden = math.log10(values["learning_rate"]), math.log2(values["hidden"])
    top = 0.97 - 0.05 * (rate + 2) ** 2 - 0.008 * (hidden - 7.6) ** 2 - (0.03 if sgd else 0.0)
    steps = np.arange(1, STEPS + 1)
    rise = 1 - np.exp(-steps * (0.25 if rate > -3 else 0.08))
    greed = max(0.3 - values["dropout"], 0.0) * max(hidden - 5, 0) * 0.02
    train = 0.1 + (min(top + greed, 1.0) - 0.1) * rise
    late = np.maximum(steps - 15, 0) / 15
    held = 0.1 + (top - 0.12 * (values["dropout"] - 0.2) ** 2 - 0.1) * rise - greed * late
    held = held + rng.normal(0, 0.004, STEPS) + rng.normal(0, 0.003)
    return Curve(
        steps=tuple(float(step) for step in steps),
        series={
            "train_accuracy": tuple(float(v) for v in np.clip(train, 0, 1)),
            "val_accuracy": tuple(float(v) for v in np.clip(held, 0, 1)),
            "val_loss": tuple(float(v) for v in -np.log(np.clip(held, 0.01, 0.999))),
        },
    )


def _diverging(curve: Curve) -> Curve:
    series = {name: (*values[:3], float("nan")) for name, values in curve.series.items()}
    return Curve(steps=curve.steps[:4], series=series)


def _proposal(history: History, rng: np.random.Generator, *, by: str) -> Proposal:
    best = history.best()
    if not history.trials:
        return Proposal(
            configuration=DEFAULTS,
            by="expert",
            rationale="The script's own defaults: what everything else has to beat.",
            predicted=Interval(low=0.85, high=0.97),
            category="baseline",
        )
    if by == "random" or best is None:
        drawn = {**history.space.sample(rng), "weight_decay": 0.01}
        return Proposal(configuration=drawn, by="random", rationale="drawn at random")
    return _moved(history, rng, by=by)


def _moved(history: History, rng: np.random.Generator, *, by: str) -> Proposal:
    """Change one or two parameters of the best trial, and say why."""
    best = history.best()
    assert best is not None
    assert best.value is not None
    configuration = dict(best.configuration)
    names = [n for n in configuration if n != "weight_decay"]
    for name in rng.choice(names, size=min(2, len(names)), replace=False):
        configuration[name] = history.space[name].from_unit(float(rng.random()))
    if configuration["optimizer"] == "sgd":
        configuration.setdefault("momentum", 0.9)
    configuration = history.space.canonical(configuration)
    changed = [n for n in configuration if configuration[n] != best.configuration.get(n)]
    which = " and ".join(changed) or "nothing"
    return Proposal(
        configuration=configuration,
        by=by,
        parent=best.number,
        rationale=f"Trial {best.number} leads with {best.value:.4g}; changing {which} alone shows"
        " whether there is more to gain there.",
        reasons=dict.fromkeys(changed, "not yet explored around the best"),
        hypothesis=Hypothesis(
            claim=f"moving {which} beats trial {best.number}",
            expects="better",
            against=best.number,
            parameter=changed[0] if changed else None,
        ),
        predicted=Interval(low=best.value - 0.05, high=best.value + 0.03),
    )
