"""Runs on a real Ray cluster of this machine: raylets, workers, and nodes that are killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.execute.orders import (
    PATIENCE_S,
    Heard,
    alive,
    ended,
    in_background,
    pids,
    script,
)
from tests.execute.runner_conformance import RunnerConformance
from tests.execute.test_local import ENDLESS, FAILING, QUICK
from tests.execute.test_local_leftovers import LITTER_AND_STAY
from trialwright.errors import RunnerError
from trialwright.execute import raycluster
from trialwright.execute.ray import PLACE, RayRunner
from trialwright.execute.runner import Order
from trialwright.history import read
from trialwright.task import Limits, RunnerPlan, RuntimeEnv

ray = pytest.importorskip("ray")

pytestmark = [
    pytest.mark.xdist_group("ray"),
    pytest.mark.filterwarnings("ignore"),  # Ray's own
]

HEAD = {"num_cpus": 2, "num_gpus": 1, "object_store_memory": 80_000_000, "include_dashboard": False}
PLAN = RunnerPlan(kind="ray", gpus=0)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """One node with two cores and a GPU that is none, and this process connected to it."""
    from ray.cluster_utils import Cluster

    raycluster.load()
    cluster = Cluster(initialize_head=True, head_node_args=HEAD)
    raycluster.connect(RunnerPlan(kind="ray", address=cluster.address), folder=Path())
    yield cluster
    raycluster.disconnect()
    cluster.shutdown()


@pytest.fixture
def runner(cluster: Any) -> Iterator[RayRunner]:
    """As many slots as the node has cores."""
    with RayRunner(PLAN) as runner:
        yield runner


@dataclass
class RayBench:
    """Orders of Python scripts."""

    runner: RayRunner
    folder: Path

    def quick(self, number: int = 0) -> Order:
        """Report three times."""
        return script(self.folder, QUICK, number=number)

    def failing(self, number: int = 0) -> Order:
        """Report once, then raise."""
        return script(self.folder, FAILING, number=number)

    def endless(self, number: int = 0) -> Order:
        """Report once, then sleep."""
        return script(self.folder, ENDLESS, number=number)


class TestConformance(RunnerConformance):
    """The Ray runner keeps the promises of every runner."""

    @pytest.fixture
    def bench(self, runner: RayRunner, tmp_path: Path) -> RayBench:
        """A Ray runner with scripts."""
        return RayBench(runner, tmp_path)


def place(order: Order) -> dict[str, Any]:
    """Where a run went, once it has begun."""
    until(lambda: _place(order) is not None)
    found = _place(order)
    assert found is not None
    return found


def _place(order: Order) -> dict[str, Any] | None:
    try:
        found = json.loads((order.folder / PLACE).read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def until(true: Callable[[], bool], *, within_s: float = PATIENCE_S) -> None:
    """Wait until something holds; give up as late as the other tests of runners."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.05)


def test_slots_are_what_the_nodes_hold(cluster: Any) -> None:
    """Cores, GPUs and the user's own bound bound what goes on at a time."""
    plans = [
        PLAN,
        RunnerPlan(kind="ray", gpus=0, cpus=2),
        RunnerPlan(kind="ray", gpus=0, cpus=0.5),
        RunnerPlan(kind="ray", gpus=0.5),
        RunnerPlan(kind="ray"),
        RunnerPlan(kind="ray", gpus=0, workers=7),
        RunnerPlan(kind="ray", gpus=0, memory_bytes=10**15, workers=1),
    ]
    found = []
    for plan in plans:
        with RayRunner(plan) as runner:
            found.append(runner.slots)
    assert found == [2, 1, 4, 2, 1, 7, 1]


@pytest.mark.parametrize(
    ("plan", "asked"),
    [
        (RunnerPlan(kind="ray", gpus=8), "GPU 8"),
        (RunnerPlan(kind="ray", resources={"tpu": 1}), "tpu 1"),
        (RunnerPlan(kind="ray", memory_bytes=10**15), r"memory 1e\+15"),
    ],
)
def test_what_no_node_has_is_said_at_once(cluster: Any, plan: RunnerPlan, asked: str) -> None:
    """A demand that can't be met is an error that names it and what there is, no endless wait."""
    with pytest.raises(RunnerError, match=rf"no node .*{asked}.* there is .*CPU 2, GPU 1"):
        RayRunner(plan)


def test_devices_and_threads_are_as_ray_gives_them(cluster: Any, tmp_path: Path) -> None:
    """A run sees the GPU that Ray gave its worker, none without; threads are its cores."""
    source = (
        "import os; print(os.environ.get('CUDA_VISIBLE_DEVICES'), os.environ['OMP_NUM_THREADS'],"
        "'RAY_AUTH_TOKEN' in os.environ); print('@trialwright {\"y\": 1}')"
    )
    plain = {"PATH": "/bin", "CUDA_VISIBLE_DEVICES": "7"}
    printed = []
    for number, plan in enumerate([RunnerPlan(kind="ray", gpus=0.5, cpus=2), PLAN]):
        order = script(
            tmp_path, source, number=number, environment=plain, gpus=plan.gpus, cpus=plan.cpus
        )
        with RayRunner(plan) as runner:
            assert ended(runner, order).outcome == "done"
        printed.append((order.folder / "stdout.log").read_text().splitlines()[0])
    assert printed == ["0 2 False", " 1 False"]


@pytest.mark.parametrize(
    ("source", "limits", "cause"),
    [
        ("import time; time.sleep(60)", Limits(run_s=0.5, grace_s=0.2), "timed_out"),
        ("import time; time.sleep(60)", Limits(stall_s=0.5, grace_s=0.2), "stalled"),
        (
            "x = b'x' * 300_000_000; import time; time.sleep(60)",
            Limits(memory_bytes=100_000_000),
            "out_of_memory_host",
        ),
    ],
)
def test_limits_are_kept_there(
    runner: RayRunner, tmp_path: Path, source: str, limits: Limits, cause: str
) -> None:
    """Time, silence and memory are bounded on the node by the same code as here."""
    observation = ended(runner, script(tmp_path, source, limits=limits))
    assert (observation.outcome, observation.cause) == ("failed", cause)


def test_nothing_is_left_of_a_run_that_is_stopped(runner: RayRunner, tmp_path: Path) -> None:
    """Child, session, daemon and nameless daemon of a pruned run are gone when it is `Finished`."""
    heard = Heard()
    handle = runner.start(script(tmp_path, LITTER_AND_STAY), heard)
    heard.report()
    found = pids(tmp_path, count=4)
    assert len(alive(found)) == 4
    handle.stop("pruned")
    assert heard.observation().outcome == "pruned"
    assert alive(found) == []


def test_a_worker_serves_one_run_after_the_other(runner: RayRunner, tmp_path: Path) -> None:
    """A second run finds the first one's worker: no process of Ray's has to start for it."""
    orders = [script(tmp_path, QUICK, number=number) for number in range(3)]
    for order in orders:
        assert ended(runner, order).outcome == "done"
    assert len({place(order)["pid"] for order in orders}) == 1


def test_a_run_that_waits_for_a_node_can_be_cancelled(cluster: Any, tmp_path: Path) -> None:
    """Where more is asked for than there is room for, runs wait, and are let go without one."""
    with RayRunner(RunnerPlan(kind="ray", gpus=0, cpus=2, workers=2)) as runner:
        heard = Heard()
        first = runner.start(script(tmp_path, ENDLESS, cpus=2.0), heard)
        heard.report()
        second = runner.start(script(tmp_path, ENDLESS, number=1, cpus=2.0), heard)
        second.stop("cancelled")
        assert heard.observation().run.trial == 1
        third = runner.start(script(tmp_path, QUICK, number=2, cpus=2.0), heard)
        first.stop("pruned")
        assert heard.observation().outcome == "pruned"
        assert heard.observation().outcome == "done"
        third.stop("cancelled")


def test_a_worker_that_is_killed_fails_its_run_and_leaves_nothing(
    runner: RayRunner, tmp_path: Path
) -> None:
    """The run is one to be tried again, with what it had reported; its tree ends by the guard."""
    heard = Heard()
    order = script(tmp_path, LITTER_AND_STAY)
    runner.start(order, heard)
    heard.report()
    found = pids(tmp_path, count=4)
    there = place(order)
    os.kill(there["pid"], signal.SIGKILL)
    observation = heard.observation()
    assert (observation.outcome, observation.cause) == ("failed", "transient")
    assert there["node"] in observation.detail
    assert observation.curve.points("y") == [(1.0, 1.0)]
    until(lambda: alive(found) == [])
    assert ended(runner, script(tmp_path, QUICK, number=1)).outcome == "done"


def test_a_guard_that_is_killed_fails_its_run(runner: RayRunner, tmp_path: Path) -> None:
    """Nobody asked for the end: the run is tried again, in another worker."""
    heard = Heard()
    order = script(tmp_path, ENDLESS)
    runner.start(order, heard)
    heard.report()
    (guard,) = psutil.Process(place(order)["pid"]).children()
    guard.kill()
    observation = heard.observation()
    assert (observation.outcome, observation.cause) == ("failed", "transient")
    assert "guard" in observation.detail
    assert ended(runner, script(tmp_path, QUICK, number=1)).outcome == "done"


def test_a_final_result_outlives_its_worker(runner: RayRunner, tmp_path: Path) -> None:
    """What a script declared complete counts, whatever becomes of the worker afterwards."""
    heard = Heard()
    source = 'import time; print(\'@trialwright {"y": 5, "final": true}\', flush=True)'
    order = script(tmp_path, source + "; time.sleep(120)")
    runner.start(order, heard)
    heard.report()
    os.kill(place(order)["pid"], signal.SIGKILL)
    assert (heard.observation().outcome, runner.recover(order).value) == ("done", 5.0)  # type: ignore[union-attr]


def test_what_a_run_showed_is_recovered(runner: RayRunner, tmp_path: Path) -> None:
    """After a crash of the coordinator a finished run is observed again from its folder."""
    order = script(tmp_path, QUICK)
    seen = ended(runner, order)
    found = runner.recover(order)
    assert found is not None
    assert (found.outcome, found.value, found.curve) == ("done", 3.0, seen.curve)
    cancelled = script(tmp_path, ENDLESS, number=1)
    heard = Heard()
    handle = runner.start(cancelled, heard)
    heard.report()
    handle.stop("cancelled")
    heard.observation()
    assert runner.recover(cancelled) is None


# -- what can't work


def test_a_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Ray the error is one line with the command."""
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RunnerError, match=r'pip install "trialwright\[ray\]"'):
        RayRunner(PLAN)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "ray://[::1]:1"])
def test_an_address_where_nobody_is_is_said_in_seconds(address: str) -> None:
    """Ray itself would try for two minutes, and then end the process."""
    began = time.monotonic()
    with pytest.raises(RunnerError, match="no Ray cluster answers at"):
        RayRunner(RunnerPlan(kind="ray", address=address))
    assert time.monotonic() - began < PATIENCE_S / 2


def test_code_can_not_be_sent_over_a_connection_that_is_there(cluster: Any) -> None:
    """What nodes get is settled when a process connects: asking for it later is an error."""
    with pytest.raises(RunnerError, match="connected to Ray already"):
        RayRunner(RunnerPlan(kind="ray", runtime_env=RuntimeEnv(working_dir=".")))


# -- studies, coordinators that are killed, nodes that are lost

SCRIPT = """
import argparse, os, pathlib, time

parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float)
parser.add_argument("--out")
parser.add_argument("--seconds", type=float, default=0)
arguments = parser.parse_args()
for step in range(1, 6):
    time.sleep(arguments.seconds / 5)
    print('@trialwright {"step": %d, "y": %r}' % (step, 1 - arguments.x**2), flush=True)
out = pathlib.Path(arguments.out)
(out / "model.bin").write_bytes(b"weights" * 300_000)
if "ENDS" in os.environ:
    with open(os.environ["ENDS"], "a") as ends:
        ends.write(os.environ["TRIALWRIGHT_TRIAL"] + "\\n")
"""


def study(folder: Path, *, runner: str, trials: int = 3, seconds: float = 0) -> Path:
    """Write a script and a study of it, in a folder of their own."""
    folder.mkdir()
    (folder / "train.py").write_text(SCRIPT)
    path = folder / "study.yaml"
    path.write_text(
        f"""
name: far
goal: maximize y
command: {sys.executable} train.py --x={{x}} --out={{folder}} --seconds={seconds}
space: {{x: {{float: [-1, 1]}}}}
team: [random]
budget: {{trials: {trials}}}
environment: {{set: {{ENDS: {folder.parent / "ends"}}}}}
runner: {runner}
"""
    )
    return path


def trialwright(*words: str | Path) -> subprocess.Popen[str]:
    """Start the command as a user would, in a process group of its own."""
    return subprocess.Popen(
        [Path(sys.executable).with_name("trialwright"), *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def printed(process: subprocess.Popen[str]) -> str:
    """Wait for a command that has to end well, and return what it printed."""
    out, err = process.communicate(timeout=170)
    assert process.returncode == 0, out + err
    return out


def test_code_that_is_sent_runs_in_the_nodes_own_folder(cluster: Any, tmp_path: Path) -> None:
    """With `working_dir` nothing is shared: code goes there; log, metrics and files come back."""
    path = study(
        tmp_path / "home",
        runner=f"{{kind: ray, address: '{cluster.address}', gpus: 0, workers: 2,"
        " runtime_env: {working_dir: ., excludes: [runs]}}",
    )
    out = printed(trialwright("run", path, "--json"))
    assert all(json.loads(line) for line in out.splitlines())
    history = read(tmp_path / "home" / "runs" / "far")
    assert [trial.state for trial in history.trials] == ["done"] * 3
    for trial in history.trials:
        folder = tmp_path / "home" / "runs" / "far" / "trials" / f"{trial.number:04d}-0.0"
        assert json.loads((folder / PLACE).read_text())["shared"] is False
        assert (folder / "model.bin").read_bytes() == b"weights" * 300_000
        assert (folder / "stdout.log").read_text().count("@trialwright") == 5
        assert len((folder / "metrics.jsonl").read_text().splitlines()) == 5
        assert json.loads((folder / "exit.json").read_text())["status"] == 0
        assert trial.run is not None
        assert trial.run.observation is not None
        assert len(trial.run.observation.curve.steps) == 5
    shown = printed(trialwright("log", "1", path))
    assert shown.count("@trialwright") == 5


COORDINATOR = """
import sys
from pathlib import Path
from tests.execute.orders import Heard, script
from tests.execute.test_local_leftovers import LITTER_AND_STAY
from trialwright.execute.ray import RayRunner
from trialwright.task import RunnerPlan

folder, address = Path(sys.argv[1]), sys.argv[2]
plan = RunnerPlan(kind="ray", address=address or None, gpus=0, workers=2)
with RayRunner(plan) as runner:
    heard = Heard()
    for number in range(2):
        runner.start(script(folder, LITTER_AND_STAY, number=number), heard)
    heard.report()
    heard.report()
    print("ready", flush=True)
    heard.observation()
"""


def _killed(folder: Path, address: str) -> list[int]:
    """Kill a coordinator whose runs go on, and return their processes."""
    with in_background(folder, COORDINATOR, address) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        found = pids(folder, count=8)
        assert len(alive(found)) == 8
        process.kill()
    return found


def test_a_killed_coordinator_leaves_no_process(cluster: Any, tmp_path: Path) -> None:
    """After `kill -9` the runs end on the cluster: their worker goes, and the guard sees it."""
    found = _killed(tmp_path, cluster.address)
    until(lambda: alive(found) == [])
    until(lambda: all((tmp_path / "trials" / f"000{n}-0.0" / "exit.json").exists() for n in (0, 1)))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_killed_coordinator_takes_its_own_cluster_along(tmp_path: Path) -> None:
    """Of a cluster that was started for the study nothing is left either."""
    before = set(psutil.pids())
    found = _killed(tmp_path, "")
    until(lambda: alive(found) == [])
    # Two agents of Ray's look only now and then whether their raylet is there.
    until(lambda: _of_ray(set(psutil.pids()) - before) == [], within_s=150)


def _of_ray(found: set[int]) -> list[int]:
    names = []
    for pid in found:
        try:
            command = psutil.Process(pid).cmdline()
        except psutil.Error:
            continue
        if any("/ray/" in word or word.startswith("ray::") for word in command[:3]):
            names.append(pid)
    return names


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_trials_of_a_node_that_is_lost_run_elsewhere(cluster: Any, tmp_path: Path) -> None:
    """A node is killed in mid-study: each trial ends once, and the record names the loss."""
    lab = {"num_cpus": 1, "resources": {"lab": 1}, "object_store_memory": 80_000_000}
    nodes = [cluster.add_node(**lab) for _ in range(2)]
    try:
        path = study(
            tmp_path / "home",
            runner=f"{{kind: ray, address: '{cluster.address}', gpus: 0, cpus: 1,"
            " resources: {lab: 1}}",
            trials=60,
            seconds=0.5,
        )
        # Read all along: what it prints of sixty trials is more than a pipe holds.
        reading = ThreadPoolExecutor(1).submit(printed, trialwright("run", path, "--json"))
        trials = tmp_path / "home" / "runs" / "far" / "trials"
        until(lambda: len(_ends(tmp_path)) >= 25, within_s=150)
        lost = nodes.pop()
        _cut_off(_going_on(trials, lost.node_id))
        cluster.remove_node(lost, allow_graceful=False)
        out = reading.result()
        assert all(json.loads(line) for line in out.splitlines())
    finally:
        for node in nodes:
            cluster.remove_node(node)
    history = read(tmp_path / "home" / "runs" / "far")
    assert [trial.state for trial in history.trials] == ["done"] * 60
    assert sorted(_ends(tmp_path)) == list(range(60))
    runs = [run for trial in history.trials for run in trial.runs]
    failed = [run.observation for run in runs if run.observation and run.observation.cause]
    assert [observation.cause for observation in failed] == ["transient"]
    assert "was lost" in failed[0].detail
    used = {json.loads(found.read_text())["node_id"] for found in trials.glob(f"*/{PLACE}")}
    assert len(used) == 2


def _ends(folder: Path) -> list[int]:
    """The trials whose script has come to its end, each as often as it has."""
    path = folder / "ends"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def _going_on(trials: Path, node_id: str) -> int:
    """Wait for a run that has begun at a node and has a while to go; return its worker."""
    found: list[int] = []

    def look() -> bool:
        for path in trials.glob(f"*/{PLACE}"):
            try:
                there = json.loads(path.read_text())
                steps = (path.parent / "stdout.log").read_text().count("@trialwright")
            except (OSError, ValueError):
                continue
            if steps < 3 and isinstance(there, dict) and there["node_id"] == node_id:
                found.append(int(there["pid"]))
        return bool(found)

    until(look)
    return found[0]


def _cut_off(worker: int) -> None:
    """End a node as a power cut does: its raylet, and all that runs below it, at once."""
    raylet = psutil.Process(worker).parent()
    assert raylet is not None
    for process in [raylet, *raylet.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


STRANGER = """
import sys
import ray
try:
    ray.init(address=sys.argv[1], logging_level="CRITICAL", log_to_driver=False)
except ConnectionError:
    print("refused")
else:
    print("let in")
"""


@pytest.mark.slow
def test_a_cluster_of_our_own_serves_nobody_without_its_token(tmp_path: Path) -> None:
    """A cluster that is started for a study asks for a token, which only its process has."""
    source = """
import os, sys
from trialwright.execute.ray import RayRunner
from trialwright.task import RunnerPlan
with RayRunner(RunnerPlan(kind="ray", workers=1)):
    import ray
    print(ray.get_runtime_context().gcs_address, os.environ["RAY_AUTH_TOKEN"], flush=True)
    sys.stdin.read()
"""
    home = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    home["HOME"] = str(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", source],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=home,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        address, token = process.stdout.readline().split()
        answers = [
            subprocess.run(
                [sys.executable, "-c", STRANGER, address],
                env={**home, **told}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                text=True, check=False, timeout=120,
            ).stdout.strip()
            for told in ({}, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token})
        ]  # fmt: skip
        process.communicate("")
    assert answers == ["refused", "let in"]
    assert not (tmp_path / ".ray" / "auth_token").exists()


@pytest.mark.slow
def test_a_run_that_rays_memory_monitor_ends_is_out_of_memory(tmp_path: Path) -> None:
    """Ray kills a worker where its node runs out of memory: the cause says so, and what to set."""
    source = """
import sys
from pathlib import Path
from tests.execute.orders import ended, script
from trialwright.execute.ray import RayRunner
from trialwright.task import RunnerPlan
with RayRunner(RunnerPlan(kind="ray", gpus=0, workers=1)) as runner:
    observation = ended(runner, script(Path(sys.argv[1]), "import time; time.sleep(100)"))
    print(observation.outcome, observation.cause, "memory:" in observation.detail)
"""
    monitor = {"RAY_memory_usage_threshold": "0.001", "RAY_memory_monitor_refresh_ms": "1000"}
    answer = subprocess.run(
        [sys.executable, "-c", source, str(tmp_path)],
        env={**os.environ, **monitor}, cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE, text=True, check=True, timeout=170,
    )  # fmt: skip
    assert answer.stdout.split() == ["failed", "out_of_memory_host", "True"]
