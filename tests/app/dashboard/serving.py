"""A dashboard that is served for a test: a real server on this machine, and requests to it."""

from __future__ import annotations

import http.client
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import pytest

pytest.importorskip("uvicorn", reason="the dashboard's libraries are not installed")

from tests.histories import DEFAULTS, Recorder, network_task
from trialwright.app.dashboard.command import listening
from trialwright.app.dashboard.feed import Shelf, key_of
from trialwright.app.dashboard.guard import Door
from trialwright.app.dashboard.server import application, server_of
from trialwright.history import History
from trialwright.records import Launch, Observation, Proposal, RunKey, Verdict

PATIENCE_S = 60.0
TOKEN = "a-token-of-the-tests"


@dataclass(frozen=True)
class Answer:
    """What the server said."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self):
        """The text, read as JSON."""
        return json.loads(self.text)


@dataclass
class Visitor:
    """Somebody who asks a dashboard; by default one who has the token's cookie."""

    door: Door
    root: Path
    cookie: str = ""
    sent: dict[str, str] = field(default_factory=dict)

    def key(self, folder: Path) -> str:
        """Name a study in addresses."""
        return key_of(folder, self.root)

    def get(self, path: str, **headers: str) -> Answer:
        """Ask for a page."""
        return self.ask("GET", path, headers=headers)

    def post(self, path: str, form: Mapping[str, str], **headers: str) -> Answer:
        """Send a form, as a page of the dashboard would."""
        own = {"Origin": f"http://{self.door.netloc}", **headers}
        body = urlencode({"csrf": self.door.csrf, **form})
        own["Content-Type"] = "application/x-www-form-urlencoded"
        return self.ask("POST", path, headers=own, body=body)

    def ask(
        self, method: str, path: str, *, headers: Mapping[str, str], body: str | None = None
    ) -> Answer:
        """Send a request with exactly these headers, and the cookie."""
        connection = http.client.HTTPConnection("127.0.0.1", self.door.port, timeout=60)
        try:
            named = {"Cookie": self.cookie} if self.cookie else {}
            connection.request(method, path, body, {**named, **headers})
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, told, answer.read().decode())
        finally:
            connection.close()

    @contextmanager
    def events(self, path: str) -> Iterator[Iterator[tuple[str, object]]]:
        """Hold a stream of events: what each is, and its data."""
        connection = http.client.HTTPConnection("127.0.0.1", self.door.port, timeout=60)
        connection.request("GET", path, headers={"Cookie": self.cookie})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        try:
            yield _events(answer)
        finally:
            connection.close()


def _events(answer: http.client.HTTPResponse) -> Iterator[tuple[str, object]]:
    kind = "message"
    while line := answer.readline():
        name, _, data = line.decode().strip().partition(": ")
        if name == "event":
            kind = data
        elif name == "data":
            yield kind, json.loads(data)
            kind = "message"


@contextmanager
def served(root: Path) -> Iterator[Visitor]:
    """Serve the studies in a folder, or one study."""
    with listening("127.0.0.1", 0) as opened:
        door = Door("127.0.0.1", opened.getsockname()[1], TOKEN)
        server = server_of(application(Shelf(root), door))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]})
        thread.start()
        try:
            until(lambda: server.started)
            yield Visitor(door, root, cookie=f"{door.cookie}={door.session}")
        finally:
            server.should_exit = server.force_exit = True
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


def until(true: Callable[[], object]) -> None:
    """Wait for something that happens on its own."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def text_of(page: str) -> str:
    """Return the text of a page in one line, without its elements."""
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def long_study(folder: Path, *, trials: int) -> History:
    """Record a study of many trials: trial `n` is worth `n % 1000`, and each is discarded."""
    recorder = Recorder(folder, network_task(trials=trials))
    for number in range(trials):
        values = {**DEFAULTS, "hidden": 16 + number % 400, "dropout": number / trials / 2}
        by = ("expert", "gp")[number % 2]
        recorder.admit(Proposal(configuration=values, by=by, parent=0 if number else None))
        key = RunKey(number, 0, 0)
        recorder.note(
            Launch(run=key, seed=1, command=("python", "train.py"), machine="m1"),
            Observation(run=key, outcome="done", value=float(number % 1000), seconds=1.0),
            Verdict(trial=number, status="kept" if number == 999 else "discarded", sentence="so"),
            seconds=1.0,
        )
    return recorder.close()
