"""What a call costs at each door, with a study of some size behind it.

Reading, proposing, asking and telling: at the desk within a process, through the protocol over
standard input and output and over HTTP, and as a command of the shell.

    python benchmarks/doors.py [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from trialwright.desk import Desk, Offer, Told
from trialwright.study import Study
from trialwright.studyfile import load

TOKEN = "doors"
CALLS = ("history", "suggest", "propose", "ask", "tell")
STUDY = """\
name: doors
goal: maximize y
command: [python3, train.py, "{args}"]
space:
  x: {float: [0.0, 1.0], default: 0.5}
  z: {float: [0.0, 1.0], default: 0.5}
budget: {trials: 100000}
"""
TOOL = {"history": "read_history", "ask": "ask_run", "tell": "report_run"}

Seconds = dict[str, list[float]]


def laid_out(folder: Path, trials: int) -> Path:
    """Write a study into a folder and tell of `trials` runs; return its file."""
    (folder / "train.py").write_text("print('nothing')\n")
    file = folder / "study.yaml"
    file.write_text(STUDY)
    desk = Desk(Study(load(file), folder / "runs" / "doors"), by="filler")
    for number in range(trials):
        desk.propose(Offer(change={"x": number / trials, "z": (number * 0.618) % 1.0}))
        asked = desk.ask()
        desk.tell(str(asked.run), Told(outcome="done", metrics={"y": number / trials}))
    return file


def values(round_: int, way: str) -> dict[str, float]:
    """A configuration that nobody tried."""
    return {"x": (0.1234 + 0.0137 * round_) % 1, "z": (len(way) * 0.0917 + 0.00311 * round_) % 1}


@contextmanager
def timed(seconds: Seconds, call: str) -> Iterator[None]:
    """Add the time of a call."""
    began = time.perf_counter()
    yield
    seconds[call].append(time.perf_counter() - began)


def at_the_desk(file: Path, rounds: int) -> Seconds:
    """Call the desk itself."""
    seconds: Seconds = {call: [] for call in CALLS}
    desk = Desk(Study(load(file), file.parent / "runs" / "doors"))
    for number in range(rounds):
        with timed(seconds, "history"):
            desk.history()
        with timed(seconds, "suggest"):
            desk.suggest()
        with timed(seconds, "propose"):
            desk.propose(Offer(change=values(number, "desk")))
        with timed(seconds, "ask"):
            run = str(desk.ask().run)
        with timed(seconds, "tell"):
            desk.tell(run, Told(outcome="done", metrics={"y": 0.5}))
    return seconds


def in_the_shell(file: Path, rounds: int) -> Seconds:
    """Call the commands, each a process of its own."""
    seconds: Seconds = {call: [] for call in CALLS}

    def called(call: str, *words: str) -> Any:
        with timed(seconds, call):
            output = subprocess.run(
                [sys.executable, "-m", "trialwright.app.cli", call, *words, "--json"],
                cwd=file.parent,
                capture_output=True,
                check=True,
            ).stdout
        return json.loads(output)

    for number in range(rounds):
        called("history", "--last", "20")
        called("suggest")
        chosen = [f"{name}={value}" for name, value in values(number, "shell").items()]
        called("propose", *(word for one in chosen for word in ("--set", one)))
        run = called("ask")["run"]
        called("tell", run, "--metric", "y=0.5")
    return seconds


@asynccontextmanager
async def over_stdio(folder: Path) -> Any:
    """A client over standard input and output."""
    words = ["-m", "trialwright.app.cli", "mcp"]
    server = StdioServerParameters(command=sys.executable, args=words, cwd=folder)
    with Path(os.devnull).open("w") as nowhere:
        async with Client(stdio_client(server, errlog=nowhere)) as client:
            yield client


@asynccontextmanager
async def over_http(folder: Path) -> Any:
    """A client over HTTP."""
    server = subprocess.Popen(
        [sys.executable, "-m", "trialwright.app.cli", "mcp", "--http", "--token", TOKEN],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stderr is not None
    url = server.stderr.readline().removeprefix("serving ").strip()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    try:
        async with (
            httpx2.AsyncClient(headers=headers, timeout=60) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            yield client
    finally:
        server.terminate()
        server.wait()


def over_protocol(way: Callable[[Path], Any], file: Path, rounds: int) -> Seconds:
    """Call the tools of a server through the official client."""
    seconds: Seconds = {call: [] for call in CALLS}

    async def drive() -> None:
        async with way(file.parent) as client:
            for number in range(-1, rounds):
                await _round(client, number, seconds if number >= 0 else {c: [] for c in CALLS})

    async def _round(client: Client, number: int, kept: Seconds) -> None:
        async def called(call: str, **arguments: Any) -> Any:
            answer: Awaitable[Any] = client.call_tool(TOOL.get(call, call), arguments)
            with timed(kept, call):
                result = await answer
            assert not result.is_error, result
            return json.loads(result.content[0].text)

        await called("history")
        await called("suggest")
        await called("propose", change=values(number, way.__name__), why="")
        run = (await called("ask"))["run"]
        await called("tell", run=run, outcome="done", metrics={"y": 0.5})

    anyio.run(drive)
    return seconds


def main() -> None:
    """Print a table of medians in milliseconds, and as the last line the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer calls, a smaller study")
    quick = parser.parse_args().quick
    trials, rounds = (10, 3) if quick else (100, 15)
    with tempfile.TemporaryDirectory() as folder:
        file = laid_out(Path(folder), trials)
        found = {
            "desk": at_the_desk(file, rounds),
            "stdio": over_protocol(over_stdio, file, rounds),
            "http": over_protocol(over_http, file, rounds),
            "shell": in_the_shell(file, rounds),
        }
    medians = {
        door: {call: round(1000 * statistics.median(times), 1) for call, times in seconds.items()}
        for door, seconds in found.items()
    }
    print(f"median milliseconds per call; {rounds} calls each, {trials} trials behind them")
    print(f"{'':<8}" + "".join(f"{call:>10}" for call in CALLS))
    for door, told in medians.items():
        print(f"{door:<8}" + "".join(f"{told[call]:>10.1f}" for call in CALLS))
    print(json.dumps({"trials": trials, "rounds": rounds, "ms": medians}))


if __name__ == "__main__":
    main()
