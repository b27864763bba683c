"""Caps on what models may cost: they hold within a conversation, over a kill, and over a resume."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.app.commands import ran as command_ran
from tests.app.started import Started
from tests.llm.servers import (
    READ,
    WRITTEN,
    Calls,
    Move,
    Provider,
    Request,
    Script,
    change,
    final,
    playing,
    serving,
)
from tests.llm.tasks import agent, asked, makers, ran, task
from trialwright.history import read
from trialwright.task import Agent, Budget

EACH = READ + WRITTEN
"""Tokens of one answer."""

STUDY = """\
name: capped
goal: maximize y
command: [python3, -c, "print('y={{rate}}', flush=True)"]
metrics: {{regex: ['y=(?P<y>\\S+)']}}
space:
  rate: {{float: [0, 1], default: 0.5}}
budget: {{trials: 8, {cap}}}
runner: {{workers: 1}}
team: [{{name: model, model: 'openai:m', base_url: '{url}', price: [1000, 1000]}}]
"""
"""A thousand dollars per million tokens: an answer of 120 tokens costs 0.12 dollars."""


def rates(index: int, _request: Request) -> Move:
    """A new rate at each question."""
    return final(change("rate", 0.01 + index / 100))


def test_a_cap_in_tokens_leaves_the_rest_to_the_others(tmp_path: Path) -> None:
    """After three answers nobody is asked any more, and the study makes all of its trials."""
    with serving("openai", rates) as server:
        budget = Budget(trials=8, tokens=3 * EACH)
        history = ran(task(agent(server), budget=budget), tmp_path)
    assert makers(history) == ["model"] * 3 + ["random"] * 5
    assert len(server.requests) == 3
    assert history.spent[0] == 3 * EACH


def test_a_cap_in_dollars_ends_a_conversation_before_its_next_request(tmp_path: Path) -> None:
    """A model that only looks things up stops when the money is gone, not at the bound of calls."""
    with serving("openai", playing(Calls("suggest", {}))) as server:
        budget = Budget(trials=2, usd=0.30)
        history = ran(task(agent(server, price=(1000, 1000)), budget=budget), tmp_path)
    assert len(server.requests) == 3
    assert history.spent[0] == 3 * EACH
    assert history.spent[1] == pytest.approx(0.36)
    assert "cap for language models is reached" in asked(history)[0].detail
    assert makers(history) == ["random"] * 2


def test_an_answer_that_is_paid_for_is_used(tmp_path: Path) -> None:
    """The answer that goes beyond the cap still makes its trial."""
    with serving("openai", rates) as server:
        history = ran(task(agent(server), budget=Budget(trials=2, tokens=50)), tmp_path)
    assert makers(history) == ["model", "random"]


def test_a_cap_in_model_time_leaves_the_rest_to_the_others(tmp_path: Path) -> None:
    """Every conversation takes some time: after the first one nobody is asked any more."""
    with serving("openai", rates) as server:
        budget = Budget(trials=4, model_time_s=1e-6)
        history = ran(task(agent(server), budget=budget), tmp_path)
    # The cap is looked at before a request, and by then the conversation has begun.
    assert server.requests == []
    assert "cap for language models is reached" in asked(history)[0].detail
    assert len(asked(history)) == 1
    assert makers(history) == ["random"] * 4


def test_a_cap_in_model_time_ends_a_conversation_before_its_next_request(tmp_path: Path) -> None:
    """A model that only looks things up stops when its time is up, not at the bound of calls."""

    def slowly(_index: int, _request: Request) -> Move:
        time.sleep(1.0)
        return Calls("suggest", {})

    with serving("openai", slowly) as server:
        budget = Budget(trials=2, model_time_s=2.0)
        history = ran(task(agent(server), budget=budget), tmp_path)
    assert len(server.requests) <= 2
    assert "cap for language models is reached" in asked(history)[0].detail
    assert makers(history) == ["random"] * 2


def test_a_program_is_held_to_model_time(tmp_path: Path) -> None:
    """A command line that answers nonsense is not started again once the time is used up."""
    slow = ("python3", "-c", "import time; time.sleep(2.2); print('nothing')")
    budget = Budget(trials=2, model_time_s=2.0)
    history = ran(task(Agent(name="cli", cli=slow), budget=budget), tmp_path)
    assert [one.requests for one in asked(history)] == [1]
    assert makers(history) == ["random"] * 2


@pytest.mark.slow
@pytest.mark.parametrize("cap", ["tokens: 400", "usd: 0.4"])
def test_a_cap_holds_over_a_kill_and_a_resume(cap: str, tmp_path: Path) -> None:
    """`kill -9` in the middle of a question; the next `run` counts what the first one spent."""
    with serving("openai", rates) as server:
        (tmp_path / "study.yaml").write_text(STUDY.format(cap=cap, url=server.url))
        _killed_at_question(server, tmp_path, number=2)
        before = read(tmp_path / "runs" / "capped")
        spent = before.spent[0]
        assert 0 < spent < 400
        answer = command_ran(tmp_path, "run", "--plain")
        assert answer.returncode == 0, answer.stderr
    history = read(tmp_path / "runs" / "capped")
    assert history.closed is not None
    assert history.closed.reason == "budget"
    assert makers(history).count("model") == 4
    assert makers(history)[4:] == ["random"] * 4
    # 360 is below the cap and a fourth question fits; 480 is above, and there is no fifth.
    proposing = sum(one.input_tokens + one.output_tokens for one in asked(history))
    assert proposing == 4 * EACH
    assert history.spent[0] == proposing


@pytest.mark.slow
def test_a_cap_in_model_time_holds_over_a_kill_and_a_resume(tmp_path: Path) -> None:
    """What the first session waited for its models counts in the next one, which asks nobody."""

    def late(index: int, request: Request) -> Move:
        if index == 0:
            time.sleep(3.0)
        return rates(index, request)

    with serving("openai", late) as server:
        text = STUDY.format(cap="model_time: 1h", url=server.url)
        (tmp_path / "study.yaml").write_text(text)
        _killed_at_question(server, tmp_path, number=1, script=late)
        before = read(tmp_path / "runs" / "capped")
        assert [one.seconds >= 3.0 for one in before.exchanges] == [True]
        told = command_ran(tmp_path, "status").stdout
        assert re.search(r"model \(.*\) has a share of \d+%", told.replace("\n", " "))
        assert re.search(r"Left of the caps: 3,5\d\d s", told.replace("\n", " "))
        (tmp_path / "study.yaml").write_text(text.replace("model_time: 1h", "model_time: 3s"))
        answer = command_ran(tmp_path, "run", "--plain")
        assert answer.returncode == 0, answer.stderr
        assert len(server.requests) == 2
    history = read(tmp_path / "runs" / "capped")
    assert makers(history) == ["model"] + ["random"] * 7
    assert history.exchanges == before.exchanges


def _killed_at_question(
    server: Provider, folder: Path, *, number: int, script: Script = rates
) -> None:
    """Run the study, and kill it when question `number` (from 0) is asked, before its answer."""
    process = Started(folder, "run", "--plain", file=folder / "said")

    def killing(index: int, request: Request) -> Move:
        if index == number:
            os.kill(process.pid, signal.SIGKILL)
        return script(index, request)

    server.script = killing
    process.wait(timeout=120)
    assert process.returncode == -signal.SIGKILL
    server.script = rates
