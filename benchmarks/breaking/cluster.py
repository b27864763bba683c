"""Faults of machines on a Ray cluster: a node is cut off in the middle of a study."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psutil

from benchmarks.breaking.machine import Skipped
from benchmarks.breaking.scene import Scene

HEAD = {"num_cpus": 1, "object_store_memory": 80_000_000, "include_dashboard": False}
NODE = {"num_cpus": 1, "resources": {"lab": 1}, "object_store_memory": 80_000_000}


def node(scene: Scene, cluster: Any) -> None:
    """One of two nodes is lost, as by a power cut: its raylet and all below it, at once."""
    nodes: list[Any] = []
    try:
        nodes += [_added(cluster), _added(cluster)]
        scene.trials, scene.pace = 8, 0.3
        scene.write(
            runner=f"{{kind: ray, address: '{cluster.address}', gpus: 0, cpus: 1,"
            " resources: {lab: 1}}"
        )
        process = scene.start_cold()
        scene.until_random_moment(process)
        lost = nodes.pop(scene.rng.randrange(2))
        _cut_off(lost)
        with suppress(Exception):  # most of it is gone already
            cluster.remove_node(lost, allow_graceful=False)
        scene.finish(process if scene.ended(process) == 0 else scene.start_cold())
    finally:
        for left in nodes:
            cluster.remove_node(left)


def _added(cluster: Any) -> Any:
    try:
        return cluster.add_node(**NODE)
    except Exception as error:  # noqa: BLE001  # Ray raises no narrower one
        raise Skipped(f"no node came up, as on a machine that is too busy: {error}") from None


def _cut_off(lost: Any) -> None:
    """End a raylet with everything below it: workers, guards, runs."""
    for told in lost.all_processes["raylet"]:
        with suppress(psutil.NoSuchProcess):
            raylet = psutil.Process(told.process.pid)
            for process in [raylet, *raylet.children(recursive=True)]:
                with suppress(psutil.NoSuchProcess):
                    process.kill()


def started() -> tuple[Any, Callable[[], None]]:
    """Start a cluster with a head that runs nothing, and return it with what ends it.

    Raises:
        Skipped: Ray is not installed.
    """
    try:
        from ray.cluster_utils import Cluster
    except ImportError:
        raise Skipped("a cluster needs the extra `ray`") from None
    from trialwright.execute import raycluster

    raycluster.load()
    before = set(psutil.Process().children())
    try:
        cluster = Cluster(initialize_head=True, head_node_args=HEAD)
    except Exception as error:  # noqa: BLE001  # Ray raises no narrower one
        for left in set(psutil.Process().children()) - before:
            left.kill()
        raise Skipped(f"no cluster came up, as on a machine that is too busy: {error}") from None
    return cluster, cluster.shutdown
