"""Whom a study file tells, and that the address goes no further than that file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from trialwright.edits import edits
from trialwright.errors import StudyFileError
from trialwright.ledger import SqliteLedger
from trialwright.records import Opened
from trialwright.studyfile import dump, parse
from trialwright.task import Task
from trialwright.webhook import TOPICS, Webhook, named, without_addresses

SECRET = "T0/B0/s3cr3t"
ADDRESS = f"https://me:pw@hooks.example/{SECRET}?token=abc"
SMALL = """\
goal: maximize val_f1
command: [python, train.py, "{config}"]
space: {lr: {float: [0.1, 1.0]}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the script that the study names."""
    (tmp_path / "train.py").write_text("")
    return tmp_path


def read(notify: str, folder: Path) -> Task:
    """The task of a study file that says `notify`."""
    return parse(f"{SMALL}notify: {notify}\n", path=folder / "study.yaml")


@pytest.mark.parametrize(
    ("text", "url", "on", "form"),
    [
        (ADDRESS, ADDRESS, TOPICS, "slack"),
        ("${HOOK}", "${HOOK}", TOPICS, "slack"),
        ("[$HOOK]", "$HOOK", TOPICS, "slack"),
        ("{url: $HOOK, on: budget}", "$HOOK", ("budget",), "slack"),
        ("[{url: $HOOK, on: [finished, best], format: json}]", "$HOOK", ("best", "finished"),
         "json"),
    ],
)  # fmt: skip
def test_an_address_alone_and_with_more(
    text: str, url: str, on: tuple[str, ...], form: str, folder: Path
) -> None:
    """Every way to write it gives the same kind of webhook, and is written back as it was."""
    task = read(text, folder)
    (webhook,) = task.notify
    assert (webhook.url, webhook.on, webhook.format) == (url, on, form)
    again = parse(dump(task), path=folder / "study.yaml")
    assert again == task
    assert again.notify[0].url == url


def test_no_address_is_told_in_a_problem(folder: Path) -> None:
    """Whatever is wrong with it, the message does not repeat it."""
    for wrong in (f"'htps://h/{SECRET}'", f"[{{url: 'h/{SECRET}', on: nothing}}]",
                  f"['https://h/{SECRET}', 'https://h/{SECRET}']"):  # fmt: skip
        with pytest.raises(StudyFileError, match="notify") as caught:
            read(wrong, folder)
        assert SECRET not in str(caught.value)


def test_the_ledger_has_the_host_alone(folder: Path, tmp_path: Path) -> None:
    """What is written and what is shown of a task; read again, nothing counts as changed."""
    task = read(ADDRESS, folder)
    ledger = SqliteLedger(tmp_path / "ledger.db")
    ledger.append([Opened(task=task, seed=0, version="0")], 0)
    (entry,) = ledger.read()
    ledger.close()
    assert isinstance(entry.record, Opened)
    kept = entry.record.task
    assert [webhook.url for webhook in kept.notify] == ["https://hooks.example/..."]
    for path in tmp_path.glob("ledger*"):
        assert SECRET.encode() not in path.read_bytes()
    for shown in (repr(task), str(task.notify), repr(kept)):
        assert SECRET not in shown
        assert "pw" not in shown
    assert edits(kept, task) == ()
    (change,) = edits(kept, replace(task, notify=(Webhook(url="$HOOK"),)))
    assert "https://hooks.example/..." in change
    assert "$HOOK" in change


def test_a_variable_stands_for_an_address_only_if_it_holds_one() -> None:
    """Unset, empty and other texts are none."""
    webhook = Webhook(url="${HOOK}")
    assert webhook.address({"HOOK": f" {ADDRESS}\n"}) == ADDRESS
    for environ in ({}, {"HOOK": ""}, {"HOOK": "file:///etc/passwd"}, {"HOOK": "https://"}):
        assert webhook.address(environ) is None


def test_webhooks_of_one_host_have_names_of_their_own() -> None:
    """Who was told what is told apart by them."""
    hooks = [Webhook(url=f"https://h.example/{n}") for n in range(3)] + [Webhook(url="$A")]
    assert named(hooks) == ["https://h.example/...", "https://h.example/...#2",
                            "https://h.example/...#3", "$A"]  # fmt: skip


def test_runs_do_not_inherit_addresses() -> None:
    """Unless the study file passes the variable on by its name."""
    environ = {"HOOK": "https://h/x", "OTHER": "1"}
    hooks = [Webhook(url="$HOOK")]
    assert without_addresses(environ, hooks) == {"OTHER": "1"}
    assert without_addresses(environ, hooks, passed=["HOOK"]) == environ
