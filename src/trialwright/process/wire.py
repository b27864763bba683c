"""What a coordinator and its guard say to each other: JSON behind four bytes of length.

It knows no process and no run. Standard library only, as the guard imports nothing else.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator, Mapping

Message = Mapping[str, object]

_LENGTH = struct.Struct(">I")
_CHUNK = 65536

_encode = json.JSONEncoder(separators=(",", ":")).encode


def pack(message: Message) -> bytes:
    """Return a message as it goes over the wire; strings may hold undecodable bytes of paths."""
    body = _encode(message).encode()
    return _LENGTH.pack(len(body)) + body


class Reader:
    """Takes messages off a stream socket as they become complete."""

    def __init__(self, source: socket.socket) -> None:
        self._source = source
        self._buffer = bytearray()
        self.ended = False
        """Whether the other side has closed its end, or is gone."""

    def read(self) -> Iterator[dict[str, object]]:
        """Receive once, and yield what became complete; the socket must be readable."""
        try:
            chunk = self._source.recv(_CHUNK)
        except (ConnectionError, TimeoutError):
            chunk = b""
        self.ended = not chunk
        self._buffer += chunk
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            yield json.loads(body)
