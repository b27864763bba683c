"""`trialwright dashboard`: opens the door, prints the address that lets one in, serves."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import typer

from trialwright.errors import StudyError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
SHORTEST = 16
"""Characters of a token that others on the network can guess at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the command line asks for."""

    runs: Path
    host: str
    port: int
    token: str | None


def dashboard(wishes: Wishes) -> None:
    """Serve the dashboard until a Ctrl-C.

    Raises:
        StudyError: there are no studies to show, or the address can't be used.
    """
    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise StudyError(
            "the dashboard's libraries are missing: pip install trialwright[dashboard]"
        )
    _check(wishes)
    from trialwright.app.dashboard.feed import Shelf
    from trialwright.app.dashboard.guard import Door
    from trialwright.app.dashboard.server import application, serve

    shelf = Shelf(wishes.runs)
    with listening(wishes.host, wishes.port) as opened:
        port = opened.getsockname()[1]
        door = Door(wishes.host, port, wishes.token or secrets.token_urlsafe(24))
        if wishes.host not in LOOPBACK:
            typer.echo(
                f"warning: {wishes.host} can be reached from other machines, and what goes over the"
                " network is not encrypted: whoever has the token can stop and steer these studies",
                err=True,
            )
        typer.echo(f"dashboard: {door.url}")
        typer.echo("Ctrl-C ends it; the studies go on")
        serve(application(shelf, door), opened)


def _check(wishes: Wishes) -> None:
    if not wishes.runs.exists():
        raise StudyError(f"{wishes.runs} does not exist: name a folder of studies, or a study")
    if wishes.host not in LOOPBACK and wishes.token is None:
        raise StudyError(
            f"{wishes.host} can be reached from other machines: choose a --token for it on purpose,"
            " or listen on 127.0.0.1 and come through a tunnel"
        )
    if wishes.token is not None and len(wishes.token) < SHORTEST:
        raise StudyError(f"the token is too short: take at least {SHORTEST} characters")


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Open a socket; port 0 takes any that is free.

    Raises:
        StudyError: the address can't be used.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        family, kind, protocol, _, address = found[0]
        opened = socket.socket(family, kind, protocol)
    except OSError as error:
        raise StudyError(f"{host} is no address of this machine ({error})") from None
    with opened:
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind(address)
            opened.listen(64)
        except OSError as error:
            raise StudyError(
                f"port {port} of {host} can't be used ({error}): give another --port"
            ) from None
        yield opened
