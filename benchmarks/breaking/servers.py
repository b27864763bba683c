"""Faults of servers: PostgreSQL restarted under a study, a model's endpoint that fails it."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

import pytest

from benchmarks.breaking.machine import Skipped
from benchmarks.breaking.scene import Scene
from benchmarks.breaking.warm import kill
from tests.llm.servers import Hangs, Move, Refuses, Request, Says, Sends, change, final, serving
from tests.postgres.server import PostgresServer
from tests.postgres.server import serving as postgres_serving

TIMEOUT_S = 0.4
"""Seconds that a study waits for an answer of the endpoint."""

GARBAGE: tuple[Move, ...] = (
    Sends(b"<html>502 Bad Gateway</html>"),
    Sends(b'{"id": "1", "object": "chat.completion", "choi', promised=4000),
    Sends(b"\x00\xff\xfe" * 300),
    Sends(b"{}"),
    Sends(b'{"choices": []}'),
    Says("I would rather not."),
    Refuses(500),
    Refuses(429, {"Retry-After": "1"}),
    final({"changes": [{"name": "x", "value": "NaN", "why": "no"}]}),
    final({"changes": [{"name": "y", "value": 10**400, "why": "no"}]}),
)


def postgres(scene: Scene, server: PostgresServer) -> None:
    """The server with the ledger crashes and comes up again; at times the coordinator, too."""
    scene.write(more=f"ledger: {{url: '{server.fresh()}', lease: 2s}}\n")
    process = scene.start()
    scene.until_random_moment(process)
    if scene.rng.random() < 1 / 3:
        kill(process)
    server.restart()
    scene.finish(process)


def endpoint(scene: Scene, how: str) -> None:
    """A member of the team asks an endpoint that fails from some answer on, for good or not."""
    if find_spec("pydantic_ai") is None:
        raise Skipped("models need the extra `llm`")
    begins = scene.rng.randint(0, 3)
    ends = begins + scene.rng.randint(1, 4)
    with serving("openai", _script(how, begins, ends, scene)) as server:
        model = (
            f"{{model: 'openai:some-model', base_url: '{server.url}', name: model,"
            f" timeout: {TIMEOUT_S}s}}"
        )
        scene.write(team=f"[random, {model}]")
        process = scene.start()
        if how != "down":
            scene.finish(process)
            return
        scene.until_random_moment(process)
    # Nobody listens there any more.
    scene.finish(process)


def _script(how: str, begins: int, ends: int, scene: Scene) -> Callable[[int, Request], Move]:
    seed = scene.rng.randrange(10**6)

    def move(index: int, _: Request) -> Move:
        if begins <= index < ends:
            if how == "slow":
                return Hangs()
            if how == "garbage":
                return GARBAGE[(seed + index) % len(GARBAGE)]
        return final(change("x", round((seed * 0.37 + index * 0.173) % 2 - 1, 6)))

    return move


def started_postgres() -> tuple[PostgresServer, Callable[[], None]]:
    """Start a server, and return it with what ends it.

    Raises:
        Skipped: it can't be.
    """
    holding = postgres_serving()
    try:
        server = holding.__enter__()
    except pytest.skip.Exception as reason:
        raise Skipped(str(reason)) from None
    return server, lambda: holding.__exit__(None, None, None)
