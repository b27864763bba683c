"""Logs of tuners and people that nobody here has met: read rightly, or refused with a reason.

Each is written as its tool's documentation has it, or as people write tables.
"""

from __future__ import annotations

import json

import pytest

from trialwright.campaigns.campaign import Campaign
from trialwright.campaigns.kept import DERIVED, with_kept
from trialwright.campaigns.read import parse
from trialwright.errors import CampaignError

LOGS: dict[str, str] = {}
LOGS["aide"] = json.dumps(
    {
        "nodes": [
            {
                "step": i,
                "plan": f"plan {i}",
                "metric": {"value": 0.8 + i / 100, "maximize": True},
                "is_buggy": i == 2,
                "exec_time": 12.5 + i,
            }
            for i in range(6)
        ]
    }
)
LOGS["raytune"] = (
    "trial_id,status,mean_accuracy,training_iteration,time_total_s,config/lr,config/depth\n"
    + "".join(
        f"a{i}b{i},{'ERROR' if i == 3 else 'TERMINATED'},{0.7 + i / 100},10,{30 + i},"
        f"{10**-i},{i + 1}\n"
        for i in range(6)
    )
)
LOGS["optuna"] = (
    ",number,value,datetime_start,datetime_complete,duration,params_lr,params_opt,state\n"
    + "".join(
        f"{i},{i},{'' if i == 2 else 0.5 - i / 100},2024-01-01 00:0{i}:00,"
        f"2024-01-01 00:0{i}:30,0 days 00:00:30,{0.1 / (i + 1)},adam,"
        f"{'FAIL' if i == 2 else 'PRUNED' if i == 3 else 'COMPLETE'}\n"
        for i in range(6)
    )
)
LOGS["keras"] = "".join(
    json.dumps(
        {
            "trial_id": f"0{i}",
            "hyperparameters": {"space": [], "values": {"lr": 0.1, "units": 32 * i}},
            "score": 0.8 + i / 50,
            "status": "INVALID" if i == 2 else "COMPLETED",
        }
    )
    + "\n"
    for i in range(6)
)
LOGS["hyperopt"] = json.dumps(
    [
        {
            "tid": i,
            "loss": 1 / (i + 1),
            "status": "fail" if i == 2 else "ok",
            "params": {"lr": 0.1 * i},
            "eval_time": 1.7e9,
        }
        for i in range(6)
    ]
)
LOGS["smac"] = json.dumps(
    {
        "stats": {},
        "data": [
            [1, None, 0, 0.0, 0.25, 0.1, 1, 1.0, 2.0, {}],
            [2, None, 0, 0.0, 0.2, 0.1, 1, 1.0, 2.0, {}],
        ],
        "configs": {"1": {"a": 1}},
    }
)
LOGS["sacred"] = "".join(
    json.dumps(
        {
            "_id": i,
            "experiment": {"name": "net"},
            "status": "FAILED" if i == 2 else "COMPLETED",
            "config": {"lr": 0.1 * i, "seed": i},
            "result": None if i == 2 else 0.9 + i / 100,
            "start_time": "2024-01-01T00:00:00",
        }
    )
    + "\n"
    for i in range(6)
)
LOGS["guild"] = "run,operation,started,time,status,label,lr,val_loss\n" + "".join(
    f"{i}abc,train,2024-01-01 00:0{i}:00,0:01:30,{'error' if i == 2 else 'completed'},"
    f"lr={i},{0.1 * i},{1 / (i + 1)}\n"
    for i in range(6)
)
LOGS["neptune"] = (
    "sys/id,sys/state,sys/creation_time,sys/running_time,parameters/lr,metrics/val_acc\n"
    + "".join(
        f"NET-{i},inactive,2024-01-01T00:0{i}:00Z,{60 + i},{0.1 * i},{0.8 + i / 100}\n"
        for i in range(6)
    )
)
LOGS["german"] = "Nr;Status;Beschreibung;val_loss\n" + "".join(
    f"{i};{'behalten' if i % 2 else 'verworfen'};Tiefe {i};"
    f"{f'{1 / (i + 1):.4f}'.replace('.', ',')}\n"
    for i in range(6)
)
LOGS["org"] = (
    "| exp | change | val_acc | verdict |\n|-----+--------+--------+--------|\n"
    + "".join(
        f"| {i} | depth {i} | {0.8 + i / 100} | {'kept' if i % 2 else 'reverted'} |\n"
        for i in range(6)
    )
)
LOGS["flaml"] = "".join(
    json.dumps(
        {
            "record_id": i,
            "iter_per_learner": i,
            "logged_metric": None,
            "trial_time": 1.5,
            "wall_clock_time": 3.0 * i,
            "validation_loss": 0.3 - i / 100,
            "config": {"n_estimators": 10 * i},
            "learner": "lgbm",
            "sample_size": 1000,
        }
    )
    + "\n"
    for i in range(6)
)
LOGS["kind"] = "exp\tΔ\tval_bpb (↓)\tverdict\tidea\n" + "".join(
    f"{i}\t{-0.01 * i}\t{1 - i / 100}\t{'✅ keep' if i % 2 else '❌'}\tidea {i}\n" for i in range(6)
)


def read(name: str) -> Campaign:
    """Return a log as it is analysed."""
    return with_kept(parse(LOGS[name]))


READ = {
    "raytune": ("mean_accuracy", "maximize", "crash", {"lr": 0.001, "depth": 4.0}, 3),
    "optuna": ("value", None, "crash", {"lr": 0.1 / 3, "opt": "adam"}, 2),
    "hyperopt": ("loss", "minimize", "crash", {"lr": 0.2}, 2),
    "sacred": ("result", None, "crash", {"lr": 0.2, "seed": 2}, 2),
    "guild": ("val_loss", "minimize", "crash", None, 2),
    "german": ("val_loss", "minimize", "discard", None, 2),
    "org": ("val_acc", "maximize", "discard", None, 2),
    "kind": ("val_bpb (↓)", "minimize", "discard", None, 2),
}
"""Metric, direction, and of the experiment in that place its status and its settings."""


@pytest.mark.parametrize("name", READ)
def test_logs_of_other_tools_are_read(name: str) -> None:
    """The metric, which way it goes, failures and settings are what the tool means by them."""
    metric, direction, status, settings, place = READ[name]
    one = read(name)
    assert (one.metric, one.direction, len(one.experiments)) == (metric, direction, 6)
    assert one.experiments[place].status == status
    if settings is not None:
        found = one.experiments[place].configuration
        assert found is not None
        assert {**found} == pytest.approx(settings)


def test_trials_that_are_invalid_have_failed() -> None:
    """Keras' word for a trial that could not be run."""
    assert read("keras").experiments[2].status == "crash"


@pytest.mark.parametrize("name", ["aide", "smac", "neptune", "flaml"])
def test_what_cannot_be_read_is_said(name: str) -> None:
    """Where no column says what was kept, the message names what was seen and what would help."""
    with pytest.raises(CampaignError, match="Tried:") as told:
        parse(LOGS[name])
    if name in ("aide", "flaml"):
        assert "--map status=COLUMN --map metric=COLUMN" in str(told.value)


def test_words_that_nobody_knows_are_no_reason_to_guess_what_was_kept() -> None:
    """A log that says what became of each is not overruled by its results; a note asks for it."""
    rows = "".join(f"{i}\t{'paf' if i % 2 else 'pof'}\tidea {i}\t{1 / i}\n" for i in range(1, 9))
    one = with_kept(parse("exp\tstatus\tidea\tval_loss\n" + rows))
    assert {e.status for e in one.experiments} == {"other"}
    assert DERIVED not in one.notes
    assert any("'paf'" in note and "--map keep=WORD" in note for note in one.notes)
