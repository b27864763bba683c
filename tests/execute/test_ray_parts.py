"""What the Ray runner is made of, without Ray: orders that move, folders that come home, room."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.execute.orders import command
from trialwright.execute.raycluster import fitting
from trialwright.execute.rayhome import Home
from trialwright.execute.rayworker import Found, News, Shipment, moved, settled
from trialwright.execute.runner import Order
from trialwright.records import Observation, RunKey
from trialwright.task import MetricRoute


def order(folder: Path) -> Order:
    """Order a run that names its folder, a neighbour of it, and the study, everywhere."""
    run = folder / "trials" / "0000-0.0"
    return command(
        folder,
        "python",
        f"--out={run}",
        str(run / "log"),
        f"{run}-old",
        environment={
            "OUT": str(run),
            "TRIALWRIGHT_RUN": f"{run}#0000/0.0",
            "PATH": "/coordinator/bin",
            "CUDA_VISIBLE_DEVICES": "7",
            "HOSTNAME": "coordinator",
        },
        files={run / "config.yaml": b"x: 1\n"},
        metrics=MetricRoute(file=str(run / "m.csv")),
        cpus=3.0,
    )


def test_an_order_moves_with_every_path_in_it(tmp_path: Path) -> None:
    """Command, environment, files and metrics follow the folder; its neighbours and names stay."""
    before = order(tmp_path)
    there = Path("/there/run")
    after = moved(before, before.folder, there)
    assert after.command == (
        "python", "--out=/there/run", "/there/run/log", f"{before.folder}-old",
    )  # fmt: skip
    assert (after.folder, after.workdir) == (there, tmp_path)
    assert after.environment["OUT"] == "/there/run"
    assert after.environment["TRIALWRIGHT_RUN"] == before.environment["TRIALWRIGHT_RUN"]
    assert after.files == {there / "config.yaml": b"x: 1\n"}
    assert after.metrics.file == "/there/run/m.csv"


def test_a_node_settles_what_is_its_own(tmp_path: Path) -> None:
    """GPUs and names are the node's, programs are found there too, threads are the run's cores."""
    home = order(tmp_path)
    shipment = Shipment(
        order=home,
        secret="",
        marker=tmp_path / "ray.json",
        code=None,
        python="/no/such/python",
        own_packages=False,
    )
    node = {"PATH": "/node/bin", "CUDA_VISIBLE_DEVICES": "2", "RAY_AUTH_TOKEN": "secret"}
    found = settled(home, shipment, node).environment
    assert found["CUDA_VISIBLE_DEVICES"] == "2"
    assert "HOSTNAME" not in found
    assert "RAY_AUTH_TOKEN" not in found
    assert found["PATH"] == "/coordinator/bin:/node/bin"
    assert found["OMP_NUM_THREADS"] == "3"
    assert settled(replace(home, gpus=0.0), shipment, node).environment[
        "CUDA_VISIBLE_DEVICES"
    ] == ""  # fmt: skip


def test_the_log_at_home_follows_the_one_that_is_away(tmp_path: Path) -> None:
    """Pieces are put behind each other; a log that was cut there is cut here."""
    here = order(tmp_path)
    here.folder.mkdir(parents=True)
    home = Home(here, away=Path("/there"))
    log = here.folder / "stdout.log"
    home.take(News((), 0, b"one\ntwo\n"))
    home.take(News((), 8, b"three\n"))
    assert (log.read_bytes(), home.log_at) == (b"one\ntwo\nthree\n", 14)
    home.take(News((), 14, b""))
    assert log.read_bytes() == b"one\ntwo\nthree\n"
    home.take(News((), 0, b"cut\n"))
    assert (log.read_bytes(), home.log_at) == (b"cut\n", 4)


def test_what_is_too_large_stays_and_is_named(tmp_path: Path) -> None:
    """Small files come first, the record of the end last; names that lead out are not followed."""
    here = order(tmp_path)
    here.folder.mkdir(parents=True)
    content = {
        "exit.json": b"{}",
        "stdout.log": b"said\n",
        "a/small.txt": b"12345",
        "big.bin": b"123456",
        "../outside": b"1",
    }
    asked: list[str] = []

    def read(name: str, at: int) -> bytes:
        asked.append(name)
        return content[name][at : at + 3]

    home = Home(here, away=Path("/there"))
    found = [Found(name, len(data), 0o640) for name, data in content.items()]
    warnings = home.bring(found, read, most_bytes=10)
    assert (here.folder / "a" / "small.txt").read_bytes() == b"12345"
    assert (here.folder / "stdout.log").read_bytes() == b"said\n"
    assert asked[-1] == "exit.json"
    assert not (here.folder / "big.bin").exists()
    assert not (here.folder.parent / "outside").exists()
    assert len(warnings) == 1
    assert "big.bin" in warnings[0]
    observation = Observation(
        run=RunKey(0, 0, 0), outcome="failed", detail="see /there/log", log_tail="/there: no"
    )
    told = home.translated(observation, warnings=warnings)
    assert told.detail == f"see {here.folder}/log"
    assert told.log_tail == f"{here.folder}: no"
    assert told.warnings == warnings


@pytest.mark.parametrize(
    ("nodes", "going", "need", "more"),
    [
        ([{"CPU": 4}], [], {"CPU": 1}, 4),
        ([{"CPU": 4}], [{"CPU": 1}] * 3, {"CPU": 2}, 0),
        ([{"CPU": 4}, {"CPU": 2}], [{"CPU": 4}], {"CPU": 2}, 1),
        ([{"CPU": 8, "GPU": 2}], [], {"CPU": 1, "GPU": 0.4}, 4),
        ([{"CPU": 8, "GPU": 2}], [{"CPU": 1, "GPU": 0.5}], {"CPU": 1, "GPU": 1}, 1),
        ([{"CPU": 8}], [], {"CPU": 1, "GPU": 1}, 0),
        ([{"CPU": 8, "memory": 3e9}], [], {"CPU": 1, "memory": 1e9}, 3),
        ([{"CPU": 0.3}], [], {"CPU": 0.1}, 3),
        ([], [], {"CPU": 1}, 0),
    ],
)
def test_room_is_counted_node_by_node(
    nodes: list[dict[str, float]], going: list[dict[str, float]], need: dict[str, float], more: int
) -> None:
    """A run fits on one node, not on the sum of them; a share of a GPU is a share of one GPU."""
    assert fitting(nodes, going, need) == more
