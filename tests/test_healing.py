"""Studies that heal themselves, one per cause of failure: real scripts and processes, no model."""

from __future__ import annotations

import socket
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from trialwright.analysis.compare import hypothesis_status
from trialwright.analysis.features import Features
from trialwright.execute.runner import Event, run_folder
from trialwright.history import History
from trialwright.ledger import SqliteLedger
from trialwright.propose.evidence import Evidence
from trialwright.propose.prior import Prior
from trialwright.records import Entry, Launch, Notice, Observation, RunKey
from trialwright.space import Choice, Float, Ordinal, Space
from trialwright.study import Study
from trialwright.task import Budget, Keep, Limits, MetricRoute, Objective, RunnerPlan, Task

NETWORK = Space(
    (
        Ordinal("batch_size", (16, 32, 64, 128, 256), default=256),
        Float("learning_rate", 1e-4, 1.0, log=True, default=0.9),
        Choice("clip", (None, 0.5, 1.0, 5.0), default=None),
    )
)

CUDA = """
import sys
class OutOfMemoryError(RuntimeError): pass
OutOfMemoryError.__module__ = "torch"
batch, rate, clip = sys.argv[1:4]
print("epoch 1")
if int(batch) > {fits}:
    raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 79 GiB")
print(f"y={{int(batch) / 1000}}")
"""


def task(folder: Path, script: str, **changes: object) -> Task:
    """A task that runs `script` with batch size, learning rate and clipping; defaults first."""
    (folder / "train.py").write_text(script)
    given = {
        "name": "t",
        "objective": Objective(metric="y"),
        "space": NETWORK,
        "command": (
            sys.executable,
            "train.py",
            "{batch_size}",
            "{learning_rate}",
            "{clip?{clip}:none}",
        ),
        "folder": str(folder),
        "metrics": MetricRoute(patterns=(r"^y=(?P<y>\S+)",)),
        "start": ({},),
        "budget": Budget(trials=3),
        "team": ("random",),
        "runner": RunnerPlan(workers=1),
        "limits": Limits(grace_s=0.3),
    }
    return Task(**{**given, **changes})  # type: ignore[arg-type]


def said(history: History, topic: str) -> list[str]:
    """What notices of a topic say."""
    return [notice.text for notice in history.notices if notice.topic == topic]


def test_gpu_memory_is_healed_by_smaller_batches(tmp_path: Path) -> None:
    """256 and 128 do not fit: the second remedy in a row does, and the record says that it ran."""
    history = Study(task(tmp_path, CUDA.format(fits=64)), tmp_path / "runs").run()
    first, second, third = history.trials
    causes = [trial.run.observation.cause for trial in (first, second)]
    assert causes == ["out_of_memory_gpu"] * 2
    assert [trial.configuration["batch_size"] for trial in history.trials] == [256, 128, 64]
    assert (second.proposal.by, second.proposal.parent) == ("healer", 0)
    assert (third.proposal.by, third.proposal.parent, third.state) == ("healer", 1, "done")
    rest = {name: v for name, v in third.configuration.items() if name != "batch_size"}
    assert rest == {name: first.configuration[name] for name in rest}
    assert "ran out of GPU memory with batch_size = 128" in third.proposal.rationale
    assert hypothesis_status(history, second) == "contradicted"
    assert hypothesis_status(history, third) == "supported"
    assert said(history, "healing") == [
        "trial 1 did not heal trial 0: with batch_size = 128 it failed (out of memory gpu)",
        "trial 2 healed trial 1: it ran with batch_size = 64",
    ]


def test_the_feasibility_model_is_told(tmp_path: Path) -> None:
    """What the failures and the cure showed makes large batches look less feasible than small."""
    wanted = task(tmp_path, CUDA.format(fits=64), budget=Budget(trials=5))
    history = Study(wanted, tmp_path / "runs").run()
    evidence = Evidence(wanted, history, Prior(wanted))
    assert {0, 1} <= {trial.number for trial in evidence.failed}
    at = history.trials[0].configuration
    large, small = ({**at, "batch_size": size} for size in (256, 32))
    chances = evidence.feasibility.log_probability(Features(NETWORK).of([large, small]))
    assert chances[0] < chances[1]


def test_remedies_end_after_two_generations(tmp_path: Path) -> None:
    """What fails with a quarter of the batch too fails for another reason: no third remedy."""
    history = Study(
        task(tmp_path, CUDA.format(fits=0), budget=Budget(trials=9)), tmp_path / "runs"
    ).run()
    healed = [trial for trial in history.trials if trial.proposal.by == "healer"]
    assert [trial.configuration["batch_size"] for trial in healed[:2]] == [128, 64]
    assert all(trial.proposal.parent != healed[1].number for trial in history.trials)
    assert history.closed is not None
    assert history.closed.reason == "failed"


def test_first_failures_wait_for_their_remedies(tmp_path: Path) -> None:
    """Four first runs fail alike, which would end the study: but a remedy is still to run."""
    starts = ({}, {"learning_rate": 0.5})
    wanted = task(
        tmp_path,
        CUDA.format(fits=64),
        start=starts,
        runner=RunnerPlan(workers=2, cpus=0.1),
        budget=Budget(trials=6),
    )
    history = Study(wanted, tmp_path / "runs").run()
    assert history.closed.reason == "budget"
    healed = [trial for trial in history.trials if trial.proposal.by == "healer"]
    assert {trial.configuration["batch_size"] for trial in healed} == {128, 64}
    assert any(trial.state == "done" for trial in healed)


def test_healing_can_be_turned_off(tmp_path: Path) -> None:
    """With `heal: false` nobody but the team proposes."""
    history = Study(task(tmp_path, CUDA.format(fits=64), heal=False), tmp_path / "runs").run()
    assert "healer" not in {trial.proposal.by for trial in history.trials}
    assert said(history, "healing") == []


def test_a_breach_of_the_memory_limit_is_healed_by_smaller_batches(tmp_path: Path) -> None:
    """A run that really takes too much is killed, and one with half of it ends well."""
    script = """
import sys, time
held = bytearray(int(sys.argv[1]) * 2**20)
for place in range(0, len(held), 4096):
    held[place] = 1
if int(sys.argv[1]) > 128:
    time.sleep(60)
print("y=1")
"""
    wanted = task(
        tmp_path,
        script,
        limits=Limits(memory_bytes=210 * 2**20, grace_s=0.3),
        budget=Budget(trials=2),
    )
    history = Study(wanted, tmp_path / "runs").run()
    assert history.trials[0].run.observation.cause == "out_of_memory_host"
    assert len(history.trials[0].runs) == 1
    assert history.trials[1].configuration["batch_size"] == 128
    assert said(history, "healing") == ["trial 1 healed trial 0: it ran with batch_size = 128"]
    assert said(history, "pace") == []


CROWDED = """
import os, pathlib, sys, time
study = pathlib.Path(os.environ["TRIALWRIGHT_STUDY_FOLDER"])
alive = pathlib.Path("alive")
mine = alive / os.environ["TRIALWRIGHT_TRIAL"]
starts = pathlib.Path("starts")

def until(ready):
    deadline = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.01)

# The first is there before the others, and until all that began beside it failed and are reaped.
until(lambda: mine.name == "0" or starts.exists())
others = list(alive.iterdir())
mine.touch()
try:
    with starts.open("a") as file:
        print(mine.name, file=file)
    if others:
        raise MemoryError("the other one has it all")
    beside = [study / "trials" / f"{number:04d}-0.0" / "exit.json" for number in range(1, BESIDE)]
    until(lambda: mine.name != "0" or all(path.exists() for path in beside))
    time.sleep(0.3)
    if BESIDE == 4 and mine.name == "0" and os.environ["TRIALWRIGHT_RUN"].endswith("0000/0.0"):
        raise MemoryError("it died with the others")
    print("y=1")
finally:
    mine.unlink()
"""


def test_runs_that_crowd_each_other_out_are_run_fewer_at_a_time(tmp_path: Path) -> None:
    """Two do not fit together: one fails, is tried again alone, and from then on none overlaps."""
    (tmp_path / "alive").mkdir()
    wanted = task(
        tmp_path,
        CROWDED.replace("BESIDE", "2"),
        runner=RunnerPlan(workers=2, cpus=0.1),
        budget=Budget(trials=5),
    )
    history = Study(wanted, tmp_path / "runs").run()
    crowded = history.trials[1]
    assert [run.observation.outcome for run in crowded.runs] == ["failed", "done"]
    assert crowded.runs[0].observation.cause == "out_of_memory_host"
    assert [trial.state for trial in history.trials] == ["done"] * 5
    assert "healer" not in {trial.proposal.by for trial in history.trials}
    (notice,) = said(history, "pace")
    assert "beside 1 other run: at most 1 at a time" in notice
    assert (tmp_path / "starts").read_text().split() == ["0", "1", "1", "2", "3", "4"]
    assert _most_at_a_time(tmp_path / "runs") == (2, 1)


def test_first_runs_that_crowd_each_other_out_are_no_reason_to_give_up(tmp_path: Path) -> None:
    """The first four die together: the study goes on with fewer at a time, and all end well."""
    (tmp_path / "alive").mkdir()
    wanted = task(
        tmp_path,
        CROWDED.replace("BESIDE", "4"),
        runner=RunnerPlan(workers=4, cpus=0.1),
        budget=Budget(trials=5),
    )
    history = Study(wanted, tmp_path / "runs").run()
    assert history.closed.reason == "budget"
    assert [trial.state for trial in history.trials] == ["done"] * 5
    first = [trial.runs[0].observation.outcome for trial in history.trials[:4]]
    assert first == ["failed"] * 4
    assert "healer" not in {trial.proposal.by for trial in history.trials}
    assert "at most 2 at a time" in said(history, "pace")[0]


DIVERGES = """
import math, sys
rate, clip = float(sys.argv[2]), sys.argv[3]
calm = rate < {rate} or clip != "none"
for step in range(3):
    print("y=0.5" if calm or step == 0 else "y=nan")
"""


@pytest.mark.parametrize(
    ("calm", "changed"),
    [
        (0.5, [{"learning_rate": 0.3}]),
        (0.01, [{"learning_rate": 0.3}, {"learning_rate": 0.3, "clip": 1.0}]),
    ],
)
def test_divergence_is_healed_by_smaller_steps_and_then_by_clipping(
    tmp_path: Path, calm: float, changed: list[dict[str, object]]
) -> None:
    """A third of the learning rate first; where that is not enough, gradients are clipped."""
    wanted = task(tmp_path, DIVERGES.format(rate=calm), budget=Budget(trials=1 + len(changed)))
    history = Study(wanted, tmp_path / "runs").run()
    first, *healed = history.trials
    assert first.run.observation.cause == "diverged"
    for trial, change in zip(healed, changed, strict=True):
        assert trial.proposal.by == "healer"
        assert trial.configuration == {**first.configuration, **change}
    assert healed[-1].state == "done"
    assert said(history, "healing")[-1].startswith(f"trial {len(changed)} healed")


def test_a_missing_module_stops_the_study_with_the_fix_and_it_goes_on_after(tmp_path: Path) -> None:
    """Nothing that is tuned cures it: the study says what to install, and resumes when it is."""
    wanted = task(tmp_path, "import notthere_xyz\nprint('y=1')\n", budget=Budget(trials=4))
    history = Study(wanted, tmp_path / "runs").run()
    assert history.closed.reason == "failed"
    assert "-m pip install notthere_xyz" in history.closed.sentence
    assert len(history.trials) == 2
    assert "healer" not in {trial.proposal.by for trial in history.trials}
    (tmp_path / "notthere_xyz.py").write_text("")
    resumed = Study(wanted, tmp_path / "runs").run()
    assert resumed.closed.reason == "budget"
    assert [trial.state for trial in resumed.trials[2:]] == ["done", "done"]


def test_a_module_that_some_configurations_miss_is_told_once(tmp_path: Path) -> None:
    """Where others run, the study goes on, and a warning says what some of them need."""
    script = "import sys\nif sys.argv[3] != 'none': import notthere_xyz\nprint('y=1')\n"
    starts = ({}, {"clip": 0.5}, {"clip": 5.0})
    history = Study(task(tmp_path, script, start=starts), tmp_path / "runs").run()
    assert [trial.state for trial in history.trials] == ["done", "failed", "failed"]
    (notice,) = said(history, "task")
    assert "some configurations can't run" in notice
    assert "pip install notthere_xyz" in notice


@contextmanager
def resetting_server(resets: int) -> Iterator[int]:
    """A server on loopback that resets its first connections, and answers all further ones."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for count in range(100):
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(2)
                    if count < resets:
                        linger = struct.pack("ii", 1, 0)
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    else:
                        connection.sendall(b"1")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]


def test_a_connection_that_breaks_is_tried_again(tmp_path: Path) -> None:
    """A reset by a real server costs two attempts, not the trial."""
    with resetting_server(2) as port:
        script = f"""
import socket
with socket.create_connection(("127.0.0.1", {port})) as connection:
    connection.sendall(b"hi")
    print("y=" + connection.recv(1).decode())
"""
        history = Study(task(tmp_path, script, budget=Budget(trials=1)), tmp_path / "runs").run()
    (trial,) = history.trials
    assert [run.observation.cause for run in trial.runs] == ["transient", "transient", None]
    assert trial.state == "done"
    assert "healer" not in {one.proposal.by for one in history.trials}


def test_a_spike_of_failures_is_met_by_probes(tmp_path: Path) -> None:
    """When a disk goes away runs go one at a time; once a probe ends well, side by side again."""
    broken = tmp_path / "broken"
    wanted = task(
        tmp_path,
        "import pathlib\nassert not pathlib.Path('broken').exists(), 'gone'\nprint('y=1')\n",
        runner=RunnerPlan(workers=2, cpus=0.1),
        budget=Budget(trials=22),
    )

    def watch(history: History, _: Event | None) -> None:
        spoken = said(history, "pace")
        failed = sum(trial.state == "failed" for trial in history.trials)
        if len(history.done()) >= 5 and not spoken:
            broken.touch()
        elif spoken and failed >= 7:
            broken.unlink(missing_ok=True)

    history = Study(wanted, tmp_path / "runs").run(watch)
    opened, closed = said(history, "pace")
    assert "5 of the last 8 runs failed (other)" in opened
    assert "runs go one at a time" in opened
    assert "ended well" in closed
    assert history.closed.reason == "budget"
    beside, between = _most_at_a_time(tmp_path / "runs")
    assert between == 1
    assert beside == 2


def test_only_the_pattern_that_fails_goes_one_at_a_time(tmp_path: Path) -> None:
    """Runs that clip at 5 all fail: they wait for each other, and the others go on beside them."""
    starts = [{"learning_rate": 0.1 + 0.01 * place, "clip": None} for place in range(20)]
    for place in (*range(5, 10), 11, 12, 13, 16):
        starts[place]["clip"] = 5.0
    wanted = task(
        tmp_path,
        "import sys, time\nassert sys.argv[3] == 'none'\ntime.sleep(0.3)\nprint('y=1')\n",
        start=tuple(starts),
        runner=RunnerPlan(workers=3, cpus=0.1),
        budget=Budget(trials=len(starts)),
    )
    history = Study(wanted, tmp_path / "runs").run()
    (opened,) = said(history, "pace")
    assert "runs with clip = 5.0 go one at a time" in opened
    assert history.closed.reason == "budget"
    held, most = False, 0
    going: dict[RunKey, bool] = {}
    for entry in entries(tmp_path / "runs"):
        match entry.record:
            case Notice(topic="pace"):
                held = True
                going = {}
            case Launch(run=run) if held:
                going[run] = starts[run.trial]["clip"] == 5.0
                assert sum(going.values()) <= 1
                most = max(most, len(going))
            case Observation(run=run):
                going.pop(run, None)
    assert most >= 2


def entries(folder: Path) -> list[Entry]:
    """Everything that a study recorded."""
    ledger = SqliteLedger(folder / "ledger.db", create=False)
    try:
        return ledger.read()
    finally:
        ledger.close()


def _most_at_a_time(folder: Path) -> tuple[int, int]:
    """How many runs went on at a time in all, and of those launched between the two notices."""
    going: dict[object, bool] = {}
    probing, most, between = False, 0, 0
    for entry in entries(folder):
        match entry.record:
            case Notice(topic="pace"):
                probing = not probing
            case Launch(run=run):
                going[run] = probing
                most = max(most, len(going))
                between = max(between, sum(going.values()))
            case Observation(run=run):
                going.pop(run)
    return most, between


def test_nothing_is_launched_below_the_floor_of_the_disk(tmp_path: Path) -> None:
    """With less free than asked for the study ends with what to do, and goes on when there is."""
    wanted = task(tmp_path, "print('y=1')\n")
    full = replace(wanted, runner=RunnerPlan(workers=1, disk_floor_bytes=2**62))
    history = Study(full, tmp_path / "runs").run()
    assert history.launches == 0
    assert history.trials == []
    assert history.closed.reason == "stopped"
    assert "runner.disk_floor" in history.closed.sentence
    assert len(said(history, "disk")) == 1
    resumed = Study(
        replace(wanted, runner=RunnerPlan(workers=1, disk_floor_bytes=1)), tmp_path / "runs"
    ).run()
    assert resumed.closed.reason == "budget"
    assert len(resumed.done()) == 3


def test_old_folders_go_and_those_of_the_best_stay(tmp_path: Path) -> None:
    """The latest runs keep their folders, failed ones apart; the best, and whose files stay, do."""
    script = """
import os, pathlib, sys
batch = int(sys.argv[1])
pathlib.Path(os.environ["TRIALWRIGHT_FOLDER"], "model.pt").touch()
assert batch != 16
print(f"y={batch}")
"""
    sizes = (256, 128, 16, 64, 16, 32, 64, 32)
    rates = [0.5 + 0.01 * place for place in range(len(sizes))]
    starts = tuple(
        {"batch_size": size, "learning_rate": rate} for size, rate in zip(sizes, rates, strict=True)
    )
    wanted = task(
        tmp_path,
        script,
        start=starts,
        budget=Budget(trials=len(sizes)),
        keep=Keep(runs=3, files=("*.pt",), trials=2),
    )
    history = Study(wanted, tmp_path / "runs").run()
    left = [
        trial.number
        for trial in history.trials
        if run_folder(tmp_path / "runs", trial.runs[0].key).exists()
    ]
    assert history.best().number == 0
    assert left == [0, 1, 2, 4, 7]
    assert (run_folder(tmp_path / "runs", history.trials[2].runs[0].key) / "stdout.log").exists()
    kept = sorted(path.parent.name for path in (tmp_path / "runs" / "trials").glob("*/model.pt"))
    assert kept == ["0000-0.0", "0001-0.0"]
