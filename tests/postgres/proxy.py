"""A wire between a client and a server on this machine that can be cut at a chosen moment."""

from __future__ import annotations

import socket
import threading
from typing import Literal

Moment = Literal["asked", "answered"]
"""Cut once the request has come, before the server sees it; or once the server's answer has."""


class Proxy:
    """Passes bytes on, both ways, each connection in threads of its own."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]
        self.cuts = 0
        """How often it was cut."""
        self._cut: tuple[bytes, Moment] | None = None
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self, words: bytes, moment: Moment) -> None:
        """Cut the next connection that sends `words`, once."""
        self._cut = (words, moment)

    def close(self) -> None:
        """Take no more connections."""
        self._door.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._door.accept()
            except OSError:
                return
            upstream = socket.create_connection(("127.0.0.1", self._target))
            threading.Thread(target=self._up, args=(client, upstream), daemon=True).start()
            threading.Thread(target=self._down, args=(client, upstream), daemon=True).start()

    def _up(self, client: socket.socket, upstream: socket.socket) -> None:
        try:
            while chunk := client.recv(1 << 16):
                if self._cut is not None and self._cut[0] in chunk:
                    if self._cut[1] == "asked":
                        self._cut = None
                        self.cuts += 1
                        break
                    self._cut = (b"", "answered")
                upstream.sendall(chunk)
        except OSError:
            pass
        self._end(client, upstream)

    def _down(self, client: socket.socket, upstream: socket.socket) -> None:
        try:
            while chunk := upstream.recv(1 << 16):
                if self._cut == (b"", "answered"):
                    self._cut = None
                    self.cuts += 1
                    break
                client.sendall(chunk)
        except OSError:
            pass
        self._end(client, upstream)

    @staticmethod
    def _end(*ends: socket.socket) -> None:
        for end in ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
            finally:
                end.close()
