"""A Ray cluster as its runner needs it: joined or started, and what fits on it.

It knows no run. Ray is imported only here, in `rayworker` by Ray itself, and in `ray`, and only
once a study asks for it.
"""

from __future__ import annotations

import importlib
import logging
import math
import os
import secrets
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from trialwright.errors import RunnerError
from trialwright.execute.slots import cores
from trialwright.task import RunnerPlan

PROBE_S = 5.0
"""Seconds that an address has to answer. Ray itself tries for two minutes."""

STORE_BYTES = 100_000_000
"""Of the object store of a cluster that is started here: only orders and results go through it."""

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # What Ray prints of lost workers would stand between the lines of `run --json`; we tell it.
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",
}

Needs = Mapping[str, float]
"""What one run takes of a node, by Ray's names: CPU, GPU, memory, and the cluster's own."""

_HAIR = 1e-9


def load() -> Any:
    """Import Ray, quiet and without telling anybody of its use.

    Raises:
        RunnerError: it is not installed.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        return importlib.import_module("ray")
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise RunnerError(
            'runner: kind: ray needs Ray, which is not installed: pip install "trialwright[ray]"'
        ) from None


def connect(plan: RunnerPlan, *, folder: Path) -> bool:
    """Join the cluster that the plan names, or start one here; say whether `disconnect` is due.

    A process that is connected already stays so. `folder` is where a relative `working_dir` is.

    Raises:
        RunnerError: Ray is missing, or the cluster does not answer.
    """
    address = plan.address or os.environ.get("RAY_ADDRESS")
    if not address:
        _invent_token()
    ray = load()
    if address:
        _probe(address)
    if ray.is_initialized():
        if plan.runtime_env.working_dir or plan.runtime_env.pip:
            raise RunnerError(
                "this process is connected to Ray already, which settles what its nodes get:"
                " give runner.runtime_env to ray.init instead, or call ray.shutdown() first"
            )
        return False
    options = _options(plan, address=address, folder=folder)
    try:
        with _undisturbed():
            ray.init(**options)
    except Exception as error:  # whatever Ray raises, the cluster can't be used
        with suppress(Exception):
            ray.shutdown()
        raise RunnerError(_unreachable(address, error)) from error
    return True


def disconnect() -> None:
    """Let go of the cluster; one that was started here ends."""
    ray = load()
    with _undisturbed():
        ray.shutdown()


def nodes() -> list[dict[str, float]]:
    """Return what each living node has in all, by Ray's names."""
    return [dict(node["Resources"]) for node in load().nodes() if node["Alive"]]


def living() -> dict[str, str]:
    """Return the address of each node that the cluster has not lost, by its identity."""
    return {node["NodeID"]: node["NodeManagerAddress"] for node in load().nodes() if node["Alive"]}


def needs(plan: RunnerPlan, *, cpus: float, gpus: float) -> dict[str, float]:
    """Return what a run takes of its node."""
    found = {"CPU": cpus, **plan.resources}
    if gpus:
        found["GPU"] = gpus
    if plan.memory_bytes is not None:
        found["memory"] = float(plan.memory_bytes)
    return found


def fitting(there: Sequence[Mapping[str, float]], going: Sequence[Needs], need: Needs) -> int:
    """Return how many more runs of a need fit beside those that go on, the largest placed first.

    >>> fitting([{"CPU": 4, "GPU": 1}, {"CPU": 2}], [{"CPU": 1}], {"CPU": 1, "GPU": 0.4})
    2
    """
    left = [dict(node) for node in there]
    for other in sorted(going, key=lambda other: sum(other.values()), reverse=True):
        home = next((node for node in left if _times(node, other)), None)
        for name, amount in other.items():
            if home is not None:
                home[name] -= _share(name, amount)
    return sum(_times(node, need) for node in left)


def _times(node: Mapping[str, float], need: Needs) -> int:
    shares = {name: _share(name, amount) for name, amount in need.items()}
    return int(min((node.get(name, 0.0) + _HAIR) // share for name, share in shares.items()))


def _share(name: str, amount: float) -> float:
    """What an amount takes away: a GPU is shared by as many as fit on it, and no run has parts."""
    return 1 / math.floor(1 / amount + _HAIR) if name == "GPU" and amount < 1 else amount


def _options(plan: RunnerPlan, *, address: str | None, folder: Path) -> dict[str, Any]:
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    env = plan.runtime_env
    brought: dict[str, Any] = {"pip": list(env.pip)} if env.pip else {}
    if env.working_dir:
        remote = "://" in env.working_dir
        brought["working_dir"] = env.working_dir if remote else str(folder / env.working_dir)
    if env.excludes:
        brought["excludes"] = list(env.excludes)
    if brought:
        options["runtime_env"] = brought
    if address:
        return {**options, "address": address}
    here = cores()
    usual = 1.0 if isinstance(plan.cpus, str) else plan.cpus
    return {
        **options,
        "address": "local",
        "num_cpus": max(here, math.ceil((plan.workers or 1) * usual)),
        "resources": {
            name: amount * (plan.workers or here) for name, amount in plan.resources.items()
        },
        "object_store_memory": STORE_BYTES,
        "include_dashboard": False,
    }


def _invent_token() -> None:
    """Let a cluster that is started here serve nobody but this process.

    The token stays in the environment while the process lives: Ray's core keeps the first one.
    """
    if os.environ.get("RAY_AUTH_MODE", "token") != "token":
        return
    if "ray" not in sys.modules:
        os.environ["RAY_AUTH_MODE"] = "token"
    if "RAY_AUTH_TOKEN_PATH" not in os.environ:
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


def _probe(address: str) -> None:
    """Knock at an address.

    Raises:
        RunnerError: nobody answers.
    """
    if address in ("auto", "local"):
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=PROBE_S).close()
    except OSError as error:
        raise RunnerError(_unreachable(address, error)) from error


def _unreachable(address: str | None, error: BaseException) -> str:
    said = " ".join(str(error).split())[:300] or type(error).__name__
    if address is None:
        return f"Ray can't be started on this machine: {said}"
    if address == "auto":
        return (
            f"this machine is in no Ray cluster that answers ({said}): run `ray start`, name its"
            " address under runner.address, or leave the address out to start one"
        )
    token = (
        "" if isinstance(error, OSError) and not isinstance(error, ConnectionError) else
        " (if it is right: is RAY_AUTH_TOKEN the cluster's, and RAY_AUTH_MODE=token set?)"
    )  # fmt: skip
    return (
        f"no Ray cluster answers at {address}: {said}; check runner.address and that the cluster"
        f" runs (`ray status` there){token}"
    )


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep this process's own answer to SIGTERM, which Ray replaces, and its warnings to Ray."""
    main = threading.current_thread() is threading.main_thread()
    kept = signal.getsignal(signal.SIGTERM) if main else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            if kept is not None:
                signal.signal(signal.SIGTERM, kept)
