"""Fixed records of every kind, for ledgers to hold: one small study of two trials."""

from __future__ import annotations

import math
from dataclasses import replace

from trialwright.editable import Research
from trialwright.records import (
    Admission,
    Analysis,
    Block,
    Claim,
    Closed,
    CodeVersion,
    Curve,
    Diagnosis,
    Edit,
    Exchange,
    Extent,
    Hypothesis,
    Instructions,
    Interval,
    Launch,
    Machine,
    Notice,
    Observation,
    Opened,
    Promotion,
    Proposal,
    Record,
    Refusal,
    Request,
    RunKey,
    Verdict,
)
from trialwright.space import Choice, Float, Int, Ordinal, Space
from trialwright.task import (
    Budget,
    Delivery,
    Environment,
    Keep,
    Limits,
    MetricRoute,
    Objective,
    Prune,
    RunnerPlan,
    Seeds,
    Task,
)

TASK = Task(
    name="water",
    objective=Objective(metric="val_f1", direction="maximize", reduce="mean_last", window=3),
    space=Space(
        (
            Float("learning_rate", 0.001, 1.0, log=True, default=0.1, description="step size"),
            Int("max_depth", 3, 11, step=2, default=5),
            Choice("booster", ("gbtree", "dart", None, True, 1), default="gbtree"),
            Float("rate_drop", 0.0, 0.5, step=0.125, when="booster == 'dart'"),
            Ordinal("batch", (16, 32, 64)),
        ),
        ("max_depth * learning_rate <= 5",),
    ),
    description='Is it potable? "Quotes", ünïcode, \n lines.',
    command=("python", "train.py", "{config}"),
    folder="/study",
    workdir="run",
    delivery=Delivery(base="base.yaml", format="json", argument="--{name} {value}"),
    environment=Environment(passed=("API_KEY",), set={"LR": "{learning_rate}"}),
    metrics=MetricRoute(patterns=(r"f1 (?P<val_f1>\S+)",), file="m.csv", rename={"f1": "val_f1"}),
    start=({"learning_rate": 0.3},),
    grid={"max_depth": (3, 5)},
    limits=Limits(run_s=600.0, memory_bytes=2**32, stall_s=60.0),
    budget=Budget(trials=30, runs=60, time_s=7200.0),
    seeds=Seeds(screen=2, study=7),
    prune=Prune(rule="asha", first=2),
    keep=Keep(files=("*.pt",), trials=3),
    code=("*.py",),
    team=("expert", "tpe"),
    runner=RunnerPlan(workers=2, cpus=2.0, gpus=0.5),
    model="xgboost",
    confidence=0.9,
)
FIRST = Proposal(
    configuration={"learning_rate": 0.1, "max_depth": 5, "booster": "gbtree", "batch": 32},
    by="expert",
    rationale="The defaults of this kind of model.",
)
SECOND = Proposal(
    configuration={
        "learning_rate": 0.05,
        "max_depth": 7,
        "booster": "dart",
        "rate_drop": 0.125,
        "batch": 16,
    },
    by="tpe",
    rationale="Dense in good trials.",
    reasons={"max_depth": "underfitting"},
    hypothesis=Hypothesis(
        claim="Deeper trees fit better.", expects="better", against=0, parameter="max_depth"
    ),
    predicted=Interval(low=0.5, high=0.7, level=0.8),
    parent=0,
    category="architecture",
)
CURVE = Curve(
    steps=(1.0, 2.0, 3.5),
    series={"val_f1": (0.1, math.inf, 0.6), "loss": (None, -math.inf, 0.2)},
)


def _launch(trial: int, seed: int) -> Launch:
    return Launch(
        run=RunKey(trial, seed, 0),
        seed=1000 + seed,
        command=("python", "train.py", "config.json"),
        machine="m1",
        code="c1" if seed else None,
    )


RECORDS: tuple[Record, ...] = (
    Opened(task=TASK, seed=7, version="0.1.0", schema_version=1),
    CodeVersion(id="c1", commit="abc", dirty=True, files=("train.py",)),
    Machine(
        id="m1",
        host="box",
        platform="Linux",
        python="3.11.7",
        cores=2,
        gpus=("H200",),
        packages={"numpy": "2.0"},
    ),
    Refusal(
        proposal=Proposal(configuration={"max_depth": 99}, by="tpe"),
        faults=("max_depth = 99 is not a whole number from 3 to 11",),
    ),
    Admission(number=0, proposal=FIRST, code="c1"),
    _launch(0, 0),
    _launch(0, 1),
    Observation(
        run=RunKey(0, 0, 0),
        outcome="done",
        value=0.6,
        metrics={"val_f1": 0.6, "loss": 0.2},
        curve=CURVE,
        seconds=12.5,
        peak_memory_bytes=2**28,
        exit_status=0,
        warnings=("a warning",),
    ),
    Diagnosis(
        run=RunKey(0, 0, 0),
        findings=("still_improving", "noisy"),
        sentence="It still improves at the last step.",
        numbers={"slope": 0.1, "odd": math.inf},
    ),
    Observation(run=RunKey(0, 1, 0), outcome="done", value=0.5, seconds=11.0, exit_status=0),
    Verdict(
        trial=0,
        status="kept",
        sentence="The first.",
        probability=0.97,
        seeds_needed=3,
    ),
    Admission(number=1, proposal=SECOND, code="c1"),
    _launch(1, 0),
    Observation(
        run=RunKey(1, 0, 0),
        outcome="failed",
        cause="out_of_memory_gpu",
        detail="CUDA out of memory: lower batch",
        log_tail="Traceback\n\x1b[31mRuntimeError\x1b[0m: \u2603",
        exit_status=137,
    ),
    Verdict(trial=1, status="failed", sentence="It failed.", against=0),
    Notice(level="warning", topic="knob", text="batch changes nothing", trial=1),
    Request(what="replicate", trial=0, seeds=2),
    Request(what="stop", now=True),
    Closed(reason="stopped", sentence="Stopped by hand."),
    Opened(
        schema_version=1,
        task=TASK,
        seed=7,
        version="0.1.0",
        changes=("budget.trials: 10 became 30",),
    ),
)

SINCE_2: tuple[Record, ...] = (
    Exchange(
        by="gpt",
        purpose="propose",
        model="openai:gpt",
        requests=2,
        input_tokens=1500,
        cached_tokens=900,
        output_tokens=120,
        usd=0.0125,
        seconds=3.5,
        repairs=("outside",),
    ),
    Request(
        what="propose",
        by="codex",
        proposal=Proposal(configuration={"max_depth": 7}, by="codex", rationale="Deeper."),
    ),
    Request(what="note", by="ann", text="The data has duplicates.", trial=1),
    Analysis(by="gpt", text="Trial 0 is best.", struck=("0.99",), trials=2),
)
"""Kinds of records that came with version 2 of the schema."""

CLAIM = Claim(
    by="expert",
    text="Deep trees fail at a high learning rate.",
    what="rate",
    region=(Extent(parameter="max_depth", low=9.0), Extent(parameter="learning_rate", low=0.5)),
    metric="failure",
    threshold=0.25,
    where="booster == 'gbtree'",
)
SINCE_3: tuple[Record, ...] = (
    Promotion(trial=0, seeds=4, reason="a contender: 0.81, the best so far"),
    Promotion(trial=0, seeds=8, fresh=True, reason="the winner, before it is announced"),
    Block(number=1, first=0, last=1, best=0, value=0.55),
    Analysis(by="gpt", text="Trial 0 led.", trials=2, block=1),
    Instructions(text="Leave the depth alone."),
    Request(what="steer", text="try max_depth=7"),
    CLAIM,
    Request(what="claim", by="agent", claim=CLAIM),
)
"""Kinds of records, and uses of them, that came with version 3."""
SINCE_4: tuple[Record, ...] = (
    Opened(
        task=replace(
            TASK,
            research=Research(editable=("train.py",), frozen=("data.py",)),
        ),
        seed=3,
        version="0.1.0",
    ),
    Admission(
        number=2,
        proposal=Proposal(
            configuration=FIRST.configuration,
            by="editor",
            parent=0,
            edit=Edit(
                patch="--- a/train.py\n+++ b/train.py\n@@ -1 +1 @@\n-x = 1\n+x = 2\n",
                tree="4b825dc642cb6eb9a060e54bf8d69288fbee4904",
                files=("train.py",),
                added=1,
                removed=1,
                inferred="hyperparameter",
                summary="train.py: x 1 -> 2",
            ),
        ),
        code="c1",
    ),
)
"""What came with version 4: edits of code, and what may be edited."""
