"""`trialwright mcp`: open a study for agents, until they are done."""

from __future__ import annotations

import secrets
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import typer

from trialwright.app.mcp.tools import Tools
from trialwright.app.place import to_run
from trialwright.app.running import opened
from trialwright.bench import Bench
from trialwright.desk import Desk
from trialwright.errors import StudyError


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the command line asks for."""

    study: Path | None
    by: str
    http: bool
    host: str
    port: int
    token: str | None


def serve(wishes: Wishes) -> None:
    """Serve a study until the client goes, or a Ctrl-C.

    Raises:
        TrialwrightError: there is no such study, or it can't be served.
    """
    if find_spec("mcp") is None:
        raise StudyError("the protocol's library is not installed: pip install 'trialwright[mcp]'")
    from trialwright.app.mcp.server import server

    place = to_run(wishes.study or Path(), None)
    desk = Desk(opened(place), by=wishes.by)
    # A study of its own: the bench holds it in its own thread.
    with closing(Bench(opened(place))) as bench:
        tools = Tools(desk, bench)
        if wishes.http:
            _serve_http(tools, wishes)
        else:
            server(tools).run("stdio")


def _serve_http(tools: Tools, wishes: Wishes) -> None:
    import uvicorn

    from trialwright.app.mcp.server import guarded, listening, server

    token = wishes.token or secrets.token_urlsafe(24)
    config = uvicorn.Config(guarded(server(tools), token), log_level="warning", lifespan="on")
    with listening(wishes.host, wishes.port) as door:
        url = f"http://{wishes.host}:{door.getsockname()[1]}/mcp"
        typer.echo(f"serving {url}", err=True)
        if wishes.token is None:
            typer.echo(f"token: {token}", err=True)
        uvicorn.Server(config).run(sockets=[door])
