"""The protocol's door, through the official client: a whole study, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from tests.app.commands import clear, command, environment, lay_out, ran
from tests.app.started import Started
from trialwright.app.mcp.server import prompt
from trialwright.history import read

TOKEN = "a-token-of-the-test"

TOOLS = {
    "read_task",
    "read_history",
    "read_trial",
    "read_importance",
    "suggest",
    "propose",
    "start_run",
    "wait_run",
    "prune_run",
    "ask_run",
    "report_run",
    "write_note",
    "write_claim",
}


@asynccontextmanager
async def over_stdio(folder: Path) -> AsyncIterator[Client]:
    """A client of a server process that speaks over its standard input and output."""
    words = command("mcp", "--by", "visitor")
    server = StdioServerParameters(command=words[0], args=words[1:], cwd=folder, env=environment())
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        async with Client(stdio_client(server, errlog=nowhere)) as client:
            yield client


@contextmanager
def served(folder: Path, *words: str) -> Iterator[str]:
    """A server process over HTTP; its address."""
    process = Started(
        folder, "mcp", "--http", "--by", "visitor", *words, TRIALWRIGHT_MCP_TOKEN=TOKEN
    )
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        assert line.startswith("serving http://127.0.0.1:"), line + process.stderr.read()
        yield line.removeprefix("serving ").strip()
    finally:
        process.terminate()
        process.close()


@asynccontextmanager
async def over_http(folder: Path) -> AsyncIterator[Client]:
    """A client of a server process over HTTP."""
    with served(folder) as url:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=60) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            yield client


WAYS = {"stdio": over_stdio, "http": over_http}


async def said(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool that must succeed; its document."""
    result = await client.call_tool(tool, arguments)
    text = result.content[0].text  # type: ignore[union-attr]
    assert not result.is_error, text
    document = json.loads(text)
    assert isinstance(document, dict)
    return document


async def wrong(client: Client, tool: str, **arguments: Any) -> str:
    """Call a tool that must fail; what it says."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error, result
    return str(result.content[0].text)  # type: ignore[union-attr]


async def ended(client: Client, run: str) -> dict[str, Any]:
    """Wait for a run to end."""
    while True:
        document = await said(client, "wait_run", run=run, timeout_s=20)
        if document["ended"]:
            return document


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_client_drives_a_study_from_an_empty_folder_to_a_best(tmp_path: Path, way: str) -> None:
    """Read, propose, run, wait, note: real runs of the script, judged, the best one found."""
    lay_out(tmp_path, trials=4)

    async def drive() -> None:
        async with WAYS[way](tmp_path) as client:
            assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS
            task = await said(client, "read_task")
            assert [p["name"] for p in task["parameters"]] == ["lr", "depth"]
            suggested = (await said(client, "suggest", n=2))["suggestions"]
            assert len(suggested) == 2
            await said(client, "propose", change={"lr": 0.1, "depth": 3}, why="the defaults")
            claim = {"text": "it overshoots", "extents": ["lr=0.5.."], "expect": "worse"}
            claimed = await said(client, "write_claim", **claim)
            assert (claimed["claim"], claimed["status"]) == (0, "open")
            assert claimed["tested"].startswith("val_acc is lower with lr from 0.5 on")
            for change in ({"lr": 0.3}, {"depth": 5}, {"lr": 0.9}):
                run = (await said(client, "start_run"))["run"]
                await ended(client, run)
                await said(client, "propose", change=change, why="one at a time", expect="better")
            last = await ended(client, (await said(client, "start_run"))["run"])
            assert last["hypothesis_status"] == "contradicted"
            await said(client, "write_note", text="0.3 and 5", trial=2)
            assert "budget" in await wrong(client, "start_run")
            history = await said(client, "read_history", sort="value")
            assert history["trials"][0]["configuration"] == {"lr": 0.3, "depth": 5}
            assert [one["text"] for one in history["claims"]] == ["it overshoots"]
            full = await said(client, "read_trial", trial=2)
            assert len(full["runs"][0]["curve"]["steps"]) == 3

    anyio.run(drive)
    history = read(tmp_path / "runs" / "toy")
    best = history.best()
    assert best is not None
    assert best.configuration == {"lr": 0.3, "depth": 5}
    assert {trial.proposal.by for trial in history.trials} == {"visitor"}
    assert [note.text for note in history.notes] == ["0.3 and 5"]
    assert history.closed is not None
    assert ran(tmp_path, "best", "--as", "args").stdout.strip() == "--lr=0.3 --depth=5"


@pytest.mark.slow
def test_what_is_wrong_is_told_to_the_agent(tmp_path: Path) -> None:
    """Wrong values, repeats, unknown trials and runs, missing metrics: each a clear error."""
    lay_out(tmp_path, trials=4)

    async def drive() -> None:
        async with over_http(tmp_path) as client:
            fault = await wrong(client, "propose", change={"lr": 7, "mu": 1}, why="x")
            assert "mu = 1 is unknown; the parameters are lr, depth" in fault
            assert "lr = 7.0 is not a number from 0.001 to 1" in fault
            await said(client, "propose", change={"lr": 0.2}, why="x")
            again = await wrong(client, "propose", change={"lr": 0.2}, why="x")
            assert "the same configuration as trial 0" in again
            assert "there is no trial 9" in await wrong(client, "read_trial", trial=9)
            assert "there is no trial 9" in await wrong(client, "start_run", trial=9)
            assert "there is no run '9'" in await wrong(client, "wait_run", run="9")
            assert "expect" in await wrong(client, "propose", change={}, why="", expect="best")
            fault = await wrong(client, "write_claim", text="x", extents=["mu"])
            assert "mu is no parameter; there are lr, depth" in fault
            asked = await said(client, "ask_run")
            told = {"run": asked["run"], "outcome": "done"}
            assert "tells val_acc" in await wrong(client, "report_run", **told)
            assert "does not go on here" in await wrong(
                client, "prune_run", run=asked["run"], why=""
            )
            failed = {**told, "outcome": "failed", "cause": "diverged", "detail": "NaN"}
            assert (await said(client, "report_run", **failed))["state"] == "failed"
            asked = await said(client, "ask_run")
            pruned = {"run": asked["run"], "outcome": "pruned", "points": [[1, {"val_acc": 0.1}]]}
            assert (await said(client, "report_run", **pruned))["state"] == "pruned"

    anyio.run(drive)


@pytest.mark.slow
def test_a_run_is_pruned_by_the_agent(tmp_path: Path) -> None:
    """A run that goes on here is stopped, counts as pruned, and the reason is kept as a note."""
    lay_out(tmp_path, sleep=60.0)

    async def drive() -> None:
        async with over_http(tmp_path) as client:
            run = (await said(client, "start_run"))["run"]
            waited = await said(client, "wait_run", run=run, timeout_s=0.2)
            assert waited["ended"] is False
            busy = await wrong(client, "ask_run")
            assert "is running the study" in busy
            pruned = await said(client, "prune_run", run=run, why="too slow")
            assert (pruned["ended"], pruned["state"]) == (True, "pruned")

    anyio.run(drive)
    history = read(tmp_path / "runs" / "toy")
    assert [note.text for note in history.notes] == ["pruned: too slow"]


@pytest.mark.slow
def test_a_fresh_agent_is_told_what_to_do(tmp_path: Path) -> None:
    """Instructions, prompts and resources say in one turn how to begin."""
    lay_out(tmp_path)

    async def drive() -> None:
        async with over_http(tmp_path) as client:
            assert client.instructions == prompt("guide")
            prompts = {one.name for one in (await client.list_prompts()).prompts}
            assert prompts == {"tune", "review"}
            tune = await client.get_prompt("tune")
            assert "`read_task`" in tune.messages[0].content.text  # type: ignore[union-attr]
            resources = {str(one.uri) for one in (await client.list_resources()).resources}
            assert resources == {
                "study://task", "study://history", "study://importance", "study://memory"
            }  # fmt: skip
            task = await client.read_resource("study://task")
            assert json.loads(task.contents[0].text)["goal"] == "maximize val_acc"  # type: ignore[union-attr]

    anyio.run(drive)


@pytest.mark.slow
def test_only_who_has_the_token_is_served(tmp_path: Path) -> None:
    """Without it, or with a wrong one, 401; a page of another site is turned away, too."""
    lay_out(tmp_path)
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    kind = {"Accept": "application/json, text/event-stream"}
    right = {**kind, "Authorization": f"Bearer {TOKEN}"}
    with served(tmp_path) as url:
        for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}):
            answer = httpx2.post(url, json=call, headers={**kind, **given})
            assert answer.status_code == 401
            assert "token is missing or wrong" in answer.text
        rebound = httpx2.post(url, json=call, headers={**right, "Host": "evil.example"})
        assert rebound.status_code in (403, 421)
        foreign = httpx2.post(url, json=call, headers={**right, "Origin": "http://evil.example"})
        assert foreign.status_code == 403
    assert not (tmp_path / "runs" / "toy" / "ledger.db").exists()


def test_a_host_that_others_reach_is_refused(tmp_path: Path) -> None:
    """The server listens on this machine only."""
    lay_out(tmp_path)
    answer = ran(tmp_path, "mcp", "--http", "--host", "0.0.0.0")
    clear(answer)
    assert "0.0.0.0 can be reached from other machines" in answer.stderr


def test_without_the_library_the_extra_is_named(tmp_path: Path) -> None:
    """Where the protocol's library is missing, the message says how to get it."""
    lay_out(tmp_path)
    probe = (
        "import sys; sys.modules['mcp'] = None; sys.argv = ['trialwright', 'mcp'];"
        "from trialwright.app.cli import main; main()"
    )
    answer = subprocess.run(
        [sys.executable, "-c", probe],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    clear(answer)
    assert "pip install 'trialwright[mcp]'" in answer.stderr


@pytest.mark.parametrize("name", ["guide", "tune", "review"])
def test_prompts_are_short(name: str) -> None:
    """Each prompt is read from its file, and costs a model no more than some 500 tokens."""
    assert 200 < len(prompt(name)) < 2200
