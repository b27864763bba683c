"""Receivers of webhooks on loopback: real HTTP, statuses from a script, what came is kept."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PATIENCE_S = 150.0
SECRET = "T0/B0/s3cr3t"
"""Stands in the path of each address, and must come up nowhere."""


@dataclass
class Receiver:
    """What listens at an address."""

    url: str
    statuses: list[int]
    """Of the next answers; 200 once there are none left."""
    headers: dict[str, str]
    hold: threading.Event
    """Answers wait for it."""
    came: list[dict[str, Any]] = field(default_factory=list)
    """Bodies, one per attempt."""
    taken: list[dict[str, Any]] = field(default_factory=list)
    """Bodies that were answered with 200."""
    paths: list[str] = field(default_factory=list)

    def texts(self) -> list[str]:
        """The texts that were taken."""
        return [body["text"] for body in self.taken]

    def until(self, count: int) -> None:
        """Wait until so many messages were taken."""
        until(lambda: len(self.taken) >= count)


def until(there: Callable[[], object]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE_S
    while not there():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@contextmanager
def receiver(
    statuses: Sequence[int] = (), *, held: bool = False, headers: dict[str, str] | None = None
) -> Iterator[Receiver]:
    """Listen for posts; with `held` no answer is sent before `hold` is set."""
    hold = threading.Event()
    if not held:
        hold.set()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    # Waited for at the end: what is answered is noted only after its sender has the answer.
    server.daemon_threads = False
    url = f"http://127.0.0.1:{server.server_port}/services/{SECRET}"
    there = Receiver(url, list(statuses), headers or {}, hold)
    server.receiver = there  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield there
    finally:
        hold.set()
        server.shutdown()
        thread.join()
        server.server_close()


def nobody() -> str:
    """An address at which nothing listens."""
    with receiver() as gone:
        return gone.url


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Keep what came, and answer as the script has it."""
        there: Receiver = self.server.receiver  # type: ignore[attr-defined]
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        there.paths.append(self.path)
        there.came.append(body)
        status = there.statuses.pop(0) if there.statuses else 200
        there.hold.wait(PATIENCE_S)
        try:
            self.send_response(status)
            for name, value in there.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()
        except OSError:
            return
        if status == 200:
            there.taken.append(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""
