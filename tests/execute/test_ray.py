"""Runs on a real Ray cluster of this machine: raylets, workers, and nodes that are killed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.execute.orders import Heard, alive, ended, pids, script
from tests.execute.runner_conformance import RunnerConformance
from tests.execute.test_local import ENDLESS, FAILING, QUICK
from trialwright.execute import raycluster
from trialwright.execute.ray import RayRunner
from trialwright.execute.runner import Order
from trialwright.task import RunnerPlan

ray = pytest.importorskip("ray")

pytestmark = [
    pytest.mark.xdist_group("ray"),
    pytest.mark.filterwarnings("ignore"),  # Ray's own
]

HEAD = {"num_cpus": 2, "object_store_memory": 80_000_000, "include_dashboard": False}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """One node with two cores, and this process connected to it."""
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
    with RayRunner(RunnerPlan(kind="ray")) as runner:
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
