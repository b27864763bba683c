"""Rivals in processes of their own: asked and told, with conditions, defaults and failures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.rivals import client
from benchmarks.rivals.client import NAMES, Rival, stated
from benchmarks.tasks.evaluation import default_of, task_of

from trialwright.space import Choice, Float, Int, Ordinal, Space

ROOT = Path(__file__).resolve().parents[2]
COUNTER = """
from benchmarks.rivals.server import serve

class Counter:
    def __init__(self, problem):
        self.asked, self.told = 0, []
    def ask(self):
        self.asked += 1
        print("chatter of a library")
        return self.asked
    def values(self, trial):
        return {"trial": trial, "told": len(self.told)} | {
            f"{n}": loss + 1000 * failed for n, loss, failed in self.told
        }
    def tell(self, trial, loss, *, failed):
        self.told.append((trial, loss, failed))

serve(Counter)
"""


def test_a_failed_training_is_told_as_the_worst_one_seen() -> None:
    """Before any result it waits; what a library prints does not come between the answers."""
    stated_first = {"parameters": [], "seed": 0, "trials": 9, "startup": 3, "default": None}
    said = [{"ask": True}, {"loss": None}, {"ask": True}, {"loss": 2.0}, {"ask": True},
            {"loss": 1.0}, {"ask": True}, {"loss": None}, {"ask": True}]  # fmt: skip
    ended = subprocess.run(
        [sys.executable, "-c", COUNTER],
        input="\n".join(map(json.dumps, [stated_first, *said])) + "\n",
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    answers = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [answer["trial"] for answer in answers] == [1, 2, 3, 4, 5]
    assert [answer["told"] for answer in answers] == [0, 0, 2, 3, 4]
    assert {name: answers[-1][name] for name in "1234"} == {
        "1": 1002.0, "2": 2.0, "3": 1.0, "4": 1002.0,
    }  # fmt: skip


def test_conditions_on_one_parameter_are_passed_on() -> None:
    """By the numbers of the options that fulfil them; one on two parameters stays with us."""
    space = Space(
        (
            Choice("kernel", ("linear", "rbf", "poly")),
            Float("gamma", 0.1, 10.0, log=True, when="kernel in ['rbf', 'poly']"),
            Int("degree", 2, 8, step=3, when="kernel == 'poly'"),
            Ordinal("size", (8, 16), when="kernel == 'poly' and degree > 2"),
        )
    )
    told = {p.name: stated(p, space) for p in space.parameters}
    assert (told["kernel"]["kind"], told["kernel"]["high"], told["kernel"]["parent"]) == (
        "choice", 2, None,
    )  # fmt: skip
    assert (told["gamma"]["parent"], told["gamma"]["when"]) == ("kernel", [1, 2])
    assert (told["degree"]["low"], told["degree"]["high"], told["degree"]["when"]) == (0, 2, [2])
    assert told["size"]["parent"] is None


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("given", [False, True])
def test_a_rival_plays_a_space_with_conditions(name: str, *, given: bool) -> None:
    """The real library: legal trials, the default first, a crash survived, the same twice over."""
    if reason := client.missing(name):
        pytest.skip(reason)
    space = task_of("pipeline").space
    default = default_of("pipeline") if given else None

    def played() -> list[dict[str, object]]:
        found = []
        with Rival(name, space, seed=100, trials=6, startup=2, default=default) as rival:
            for loss in (0.5, None, 0.3, 0.4, 0.2, 0.6):
                found.append(rival.ask())
                rival.tell(loss)
        return found

    once = played()
    assert all(not space.check(configuration) for configuration in once)
    assert (once[0] == default_of("pipeline")) == given
    assert played() == once


def test_a_rival_without_an_environment_is_left_out_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason names the command that helps."""
    monkeypatch.setattr(client, "ENVIRONMENTS", tmp_path)
    assert "make rivals" in client.missing("hebo")
