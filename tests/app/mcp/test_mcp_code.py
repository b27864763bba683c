"""The protocol's door to a study of code, through the official client."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio
import pytest

from tests.app.mcp.test_mcp import TOOLS, ended, over_stdio, said, wrong
from tests.research.conftest import EVALUATOR, TRAIN, git
from trialwright.history import read

CODE = {"read_code", "read_diff", "propose_edit"}

STUDY = f"""\
name: loss
goal: minimize loss
command: [{sys.executable}, train.py]
research: {{editable: [train.py], sandbox: none}}
budget: {{trials: 3}}
runner: {{workers: 1}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with a study of its code."""
    files = {"train.py": TRAIN, "evaluator.py": EVALUATOR, "study.yaml": STUDY}
    for name, text in {
        **files,
        ".env": "KEY=secret\n",
        "api_key.txt": "a\n",
        ".gitignore": "runs\n",
    }.items():
        (tmp_path / name).write_text(text)
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "begin")
    return tmp_path


@pytest.mark.slow
def test_a_client_edits_code_through_the_protocol(project: Path) -> None:
    """Read, propose in all ways, run here, see the diff; what is refused says why."""

    async def drive() -> None:
        async with over_stdio(project) as client:
            assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS | CODE
            task = await said(client, "read_task")
            assert task["research"]["editable"] == ["train.py"]
            listed = await said(client, "read_code")
            assert [*listed["editable"]] == ["train.py"]
            assert "evaluator.py" in listed["frozen"]
            assert (await said(client, "read_code", file="train.py"))["code"] == TRAIN
            part = await said(client, "read_code", file="train.py", first=3, lines=1)
            assert part["code"] == "RATE = 0.5\n"
            assert not {".env", "api_key.txt"} & {*listed["frozen"]}
            for name in (".env", "api_key.txt", "../train.py", "/etc/passwd", ".git/config"):
                assert "there is no file" in await wrong(client, "read_code", file=name)
            run = (await said(client, "start_run"))["run"]
            await ended(client, run)
            swap = {"file": "train.py", "search": "RATE = 0.5", "replace": "RATE = 0.75"}
            told = {"rationale": "nearer", "category": "hyperparameter", "claim": "it gets better"}
            held = {"expects": "better", "low": -0.5, "high": 0.5}
            offered = await said(client, "propose_edit", edits=[swap], **told, **held)
            assert (offered["trial"], offered["edit"]["inferred"]) == (1, "hyperparameter")
            assert offered["predicted"]["level"] == 0.9
            hack = {"evaluator.py": "def loss(x):\n    return -1.0\n"}
            fault = await wrong(client, "propose_edit", files=hack, **told)
            assert "evaluator.py may not be edited" in fault
            assert "trial 1" in await wrong(client, "propose_edit", edits=[swap], parent=0, **told)
            assert "does not occur" in await wrong(
                client, "propose_edit", edits=[{**swap, "search": "RATE = 9"}], **told
            )
            assert "one way" in await wrong(client, "propose_edit", **told)
            assert "`low` and `high`" in await wrong(
                client, "propose_edit", edits=[swap], low=1.0, **told
            )
            assert "not handed out" in await wrong(client, "ask_run")
            done = await ended(client, (await said(client, "start_run", trial=1))["run"])
            assert done["value"] == 0.0
            assert done["hypothesis_status"] != "contradicted"
            diff = await said(client, "read_diff", trial=1)
            assert diff["against"] == "trial 0"
            assert "-RATE = 0.5\n+RATE = 0.75\n" in diff["patch"]
            assert (await said(client, "read_code", file="train.py"))["trial"] == 1

    anyio.run(drive)
    history = read(project / "runs" / "loss")
    assert [trial.value for trial in history.trials] == [1.0, 0.0]
    assert len(history.refusals) == 2
    assert git(project, "status", "--porcelain") == ""
