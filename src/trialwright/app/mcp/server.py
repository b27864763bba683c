"""The server: tools, resources and prompts, over standard input and output or over HTTP.

Over HTTP it listens on this machine only, asks for a token, and answers no page of another site.
"""

from __future__ import annotations

import functools
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ToolError
from mcp.server.transport_security import TransportSecuritySettings
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from trialwright import __version__
from trialwright.app.mcp.tools import Tools
from trialwright.errors import StudyError, TrialwrightError

LOOPBACK = ("127.0.0.1", "localhost")
"""Where a server over HTTP may listen, and the names by which it may be called."""


def prompt(name: str) -> str:
    """Return the text of a prompt: `guide`, `code`, `tune`, `review`."""
    return files(__package__).joinpath("prompts", f"{name}.md").read_text(encoding="utf-8")


def server(tools: Tools) -> MCPServer:
    """Return a server with all that an agent needs to tune a study."""
    built = MCPServer(
        "trialwright",
        title="Trialwright",
        instructions=prompt("guide") + (prompt("code") if tools.code else ""),
        version=__version__,
        log_level="WARNING",
    )
    for tool in (
        tools.read_task,
        tools.read_history,
        tools.read_trial,
        tools.read_importance,
        tools.suggest,
        tools.propose,
        tools.start_run,
        tools.wait_run,
        tools.prune_run,
        tools.ask_run,
        tools.report_run,
        tools.write_note,
        tools.write_claim,
    ):
        built.add_tool(_answering(tool, ToolError), structured_output=False)
    if tools.code is not None:
        for more in (tools.code.read_code, tools.code.read_diff, tools.code.propose_edit):
            built.add_tool(_answering(more, ToolError), structured_output=False)
    _add_resources(built, tools)
    for name, title in (("tune", "Tune the study"), ("review", "Review the study")):
        built.prompt(name, title=title, description=title)(_without_arguments(prompt, name))
    return built


def guarded(built: MCPServer, token: str) -> ASGIApp:
    """Return the server as an application for HTTP, at `/mcp`, for whoever has the token."""
    hosts = [f"{name}:*" for name in LOOPBACK]
    app = built.streamable_http_app(
        transport_security=TransportSecuritySettings(
            allowed_hosts=hosts, allowed_origins=[f"http://{host}" for host in hosts]
        )
    )
    return Guarded(app, token)


class Guarded:
    """An application that answers 401 to whoever has not the token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not secrets.compare_digest(given, self._expected):
                message = "the token is missing or wrong: send `Authorization: Bearer TOKEN`"
                refusal = JSONResponse(
                    {"error": message}, 401, headers={"WWW-Authenticate": "Bearer"}
                )
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Open a socket of this machine; port 0 takes any that is free.

    Raises:
        StudyError: the host can be reached from elsewhere, or the port is taken.
    """
    if host not in LOOPBACK:
        raise StudyError(
            f"{host} can be reached from other machines: listen on {LOOPBACK[0]} (through a tunnel,"
            " if you must)"
        )
    # Named as TCP, else asyncio leaves Nagle on, and an answer waits 40 ms for an acknowledgement.
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((LOOPBACK[0], port))
        opened.listen(64)
        yield opened
    except OSError as error:
        raise StudyError(f"port {port} can't be used ({error}): give another --port") from None
    finally:
        opened.close()


def _add_resources(built: MCPServer, tools: Tools) -> None:
    for uri, reader in (
        ("study://task", tools.read_task),
        ("study://history", tools.read_history),
        ("study://importance", tools.read_importance),
    ):
        name = uri.removeprefix("study://")
        read = _without_arguments(_answering(reader, ResourceError))
        built.resource(uri, name=name, description=reader.__doc__, mime_type="application/json")(
            read
        )
    built.resource(
        "study://memory",
        name="memory",
        description=tools.read_memory.__doc__,
        mime_type="text/markdown",
    )(_without_arguments(_answering(tools.read_memory, ResourceError)))
    built.resource("study://trial/{trial}", name="trial", description=tools.read_trial.__doc__)(
        _answering(tools.read_trial, ResourceError)
    )


def _without_arguments(call: Callable[..., str], *given: object) -> Callable[[], str]:
    """A call that an agent can't give arguments to."""

    def called() -> str:
        return call(*given)

    return called


def _answering(call: Callable[..., str], error: type[Exception]) -> Callable[..., str]:
    """Turn what goes wrong on purpose into words for the agent."""

    @functools.wraps(call)
    def answered(*args: object, **kwargs: object) -> str:
        try:
            return call(*args, **kwargs)
        except TrialwrightError as fault:
            raise error(str(fault)) from None

    return answered
