"""Providers on loopback: real HTTP in the three wire formats, answers from a script.

A server asks its script for a move per request; what it was sent is kept for tests to look at.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Wire = Literal["openai", "anthropic", "google"]
WIRES: tuple[Wire, ...] = ("openai", "anthropic", "google")

READ, WRITTEN = 100, 20
"""Tokens that every answer claims to have read and written."""

FINAL = "final_result"
"""The tool by which a model gives its answer."""


@dataclass(frozen=True)
class Calls:
    """The model calls a tool."""

    tool: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Says:
    """The model writes text."""

    text: str


@dataclass(frozen=True)
class Refuses:
    """The provider answers with an error status."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sends:
    """The provider sends these bytes; `promised` is the length that it announces."""

    body: bytes
    promised: int | None = None


@dataclass(frozen=True)
class Hangs:
    """The provider takes the request, and sends nothing before the server closes."""


Move = Calls | Says | Refuses | Sends | Hangs


@dataclass(frozen=True)
class Request:
    """What a client sent."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]
    size: int
    """Characters of the body."""

    @property
    def text(self) -> str:
        """Everything that was sent, as text."""
        return json.dumps(self.body, ensure_ascii=False)


Script = Callable[[int, Request], Move]


def final(*proposals: Mapping[str, Any]) -> Calls:
    """The model's answer: these proposals."""
    return Calls(FINAL, {"proposals": list(proposals)})


def change(name: str, value: object, **more: object) -> dict[str, Any]:
    """A proposal that changes one parameter."""
    return {"changes": [{"name": name, "value": value, "why": "the curve says so"}], **more}


def playing(*moves: Move) -> Script:
    """A script of these moves, the last of which repeats."""
    return lambda index, _request: moves[min(index, len(moves) - 1)]


class Provider(ThreadingHTTPServer):
    """A provider that speaks `wire`, and does what `script` says."""

    daemon_threads = True

    def __init__(self, wire: Wire, script: Script, *, creator_only: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.creator_only = creator_only
        self.wire, self.script = wire, script
        self.requests: list[Request] = []
        self.taking = threading.Lock()
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        """The base URL, as a study file names it."""
        host, port = self.server_address[0], self.server_address[1]
        return f"http://{host!s}:{port}{'/v1' if self.wire == 'openai' else ''}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that went away."""


@contextmanager
def serving(wire: Wire, script: Script, *, creator_only: bool = True) -> Iterator[Provider]:
    """Hold a provider that is up within the context."""
    server = Provider(wire, script, creator_only=creator_only)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_POST(self) -> None:
        """Answer one request as the script says."""
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        request = Request(self.path, dict(self.headers), json.loads(text), len(text))
        if self.server.creator_only and '"proposals"' not in request.text:
            # Some other question than the Creator's: not what these scripts are about.
            self._send(400, b'{"error": {"message": "not today"}}', headers={})
            return
        with self.server.taking:
            index = len(self.server.requests)
            self.server.requests.append(request)
        match self.server.script(index, request):
            case Hangs():
                self.server.closing.wait(30)
                self.close_connection = True
            case Refuses(status=status, headers=headers):
                self._send(status, b'{"error": {"message": "no"}}', headers=headers)
            case Sends(body=body, promised=promised):
                self._send(200, body, headers={}, length=promised)
            case Calls() | Says() as move:
                body = json.dumps(_BODIES[self.server.wire](move, request)).encode()
                self._send(200, body, headers={})

    def _send(
        self, status: int, body: bytes, *, headers: Mapping[str, str], length: int | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def _openai(move: Calls | Says, request: Request) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None}
    if isinstance(move, Calls):
        function = {"name": move.tool, "arguments": json.dumps(move.arguments)}
        message["tool_calls"] = [{"id": "call_1", "type": "function", "function": function}]
    else:
        message["content"] = move.text
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": request.body["model"],
        "choices": [
            {
                "index": 0,
                "message": message,
                "finish_reason": "tool_calls" if isinstance(move, Calls) else "stop",
            }
        ],
        "usage": {
            "prompt_tokens": READ,
            "completion_tokens": WRITTEN,
            "total_tokens": READ + WRITTEN,
        },
    }


def _anthropic(move: Calls | Says, request: Request) -> dict[str, Any]:
    if isinstance(move, Calls):
        part = {"type": "tool_use", "id": "tu_1", "name": move.tool, "input": move.arguments}
    else:
        part = {"type": "text", "text": move.text}
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": request.body["model"],
        "content": [part],
        "stop_reason": "tool_use" if isinstance(move, Calls) else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": READ, "output_tokens": WRITTEN},
    }


def _google(move: Calls | Says, request: Request) -> dict[str, Any]:
    if isinstance(move, Calls):
        part: dict[str, Any] = {"functionCall": {"name": move.tool, "args": move.arguments}}
    else:
        part = {"text": move.text}
    return {
        "candidates": [
            {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}
        ],
        "modelVersion": "gemini-test",
        "responseId": "r1",
        "usageMetadata": {
            "promptTokenCount": READ,
            "candidatesTokenCount": WRITTEN,
            "totalTokenCount": READ + WRITTEN,
        },
    }


_BODIES: Mapping[Wire, Callable[[Calls | Says, Request], dict[str, Any]]] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "google": _google,
}


def told(request: Request, wire: Wire) -> Sequence[str]:
    """What a request tells the model of its last answer, or of the tool that it called."""
    match wire:
        case "openai":
            return [str(m["content"]) for m in request.body["messages"] if m["role"] == "tool"]
        case "anthropic":
            parts = [p for m in request.body["messages"] for p in m["content"]]
            return [str(p["content"]) for p in parts if p.get("type") == "tool_result"]
        case "google":
            parts = [p for m in request.body["contents"] for p in m["parts"]]
            return [str(p["functionResponse"]) for p in parts if "functionResponse" in p]
