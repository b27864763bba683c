"""Whole studies over the three wire formats: tools, repairs, and everything that goes wrong."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.llm.servers import (
    READ,
    WIRES,
    WRITTEN,
    Calls,
    Hangs,
    Move,
    Refuses,
    Says,
    Sends,
    Wire,
    change,
    final,
    playing,
    serving,
    told,
)
from tests.llm.tasks import agent, asked, makers, ran, task
from trialwright.history import read
from trialwright.task import Agent


@pytest.mark.parametrize("wire", WIRES)
def test_a_tool_a_repair_and_a_rate_limit_in_one_conversation(wire: Wire, tmp_path: Path) -> None:
    """A model looks something up, is told what is out of range, is put off once, and is right."""
    script = playing(
        Calls("suggest", {}),
        final(change("rate", 7.5)),
        Refuses(429, {"Retry-After": "1"}),
        final(change("rate", 0.25, claim="a smaller rate helps", low=0.9, high=1.0)),
    )
    with serving(wire, script) as server:
        history = ran(task(agent(server), trials=1), tmp_path)
    (trial,) = history.trials
    assert (trial.proposal.by, trial.configuration["rate"]) == ("model", 0.25)
    assert trial.proposal.reasons == {"rate": "the curve says so"}
    # Three answers came; the fourth request was the one put off, sent again as it was.
    assert [len(told(request, wire)) for request in server.requests] == [0, 1, 2, 2]
    assert "from the defaults: " in told(server.requests[1], wire)[0]
    assert "rate = 7.5 is not a number from 0 to 1" in told(server.requests[2], wire)[1]
    (exchange,) = asked(read(tmp_path))
    assert (exchange.outcome, exchange.repairs) == ("answered", ("outside",))
    assert (exchange.requests, exchange.input_tokens, exchange.output_tokens) == (
        3,
        3 * READ,
        3 * WRITTEN,
    )
    assert exchange.model == f"{wire}:some-model"
    assert read(tmp_path).spent == (3 * (READ + WRITTEN), 0.0)


CUT = b'{"id": "1", "choices": [{"index"'
BROKEN: dict[str, Move] = {
    "silence": Hangs(),
    "an answer cut off": Sends(CUT, promised=4000),
    "half of a JSON text": Sends(CUT),
    "no text at all": Sends(b"\xff\xfe\x00<html>"),
    "an empty object": Sends(b"{}"),
    "a server's fault": Refuses(500),
    "a refused key": Refuses(401),
    "words in place of an answer": Says("I would lower the rate."),
}


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_provider_costs_its_turns_only(wire: Wire, fault: str, tmp_path: Path) -> None:
    """Whatever comes in place of an answer, the rest of the team makes the trials."""
    with serving(wire, playing(BROKEN[fault])) as server:
        team = task("expert", agent(server, timeout_s=0.3), trials=4)
        history = ran(team, tmp_path)
    assert server.requests
    assert history.closed is not None
    assert (history.closed.reason, set(makers(history))) == ("budget", {"expert"})
    exchanges = asked(history)
    assert {exchange.outcome for exchange in exchanges} == {"failed"}
    assert all(exchange.detail for exchange in exchanges)
    assert any("model lost its turn" in trial.proposal.rationale for trial in history.trials)


def test_words_are_asked_for_again_and_counted(tmp_path: Path) -> None:
    """An answer without the stated form is a repair of its own kind, as often as it is told."""
    with serving("openai", playing(Says("lower the rate"), final(change("rate", 0.1)))) as server:
        history = ran(task(agent(server), trials=1), tmp_path)
    assert makers(history) == ["model"]
    assert asked(history)[0].repairs == ("format",)


@pytest.mark.parametrize("wire", WIRES)
def test_a_dead_port_costs_its_turns_only(wire: Wire, tmp_path: Path) -> None:
    """Nobody listens at the address: the study ends all the same."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, never listening: every connection is refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        dead = Agent(name="model", model=f"{wire}:m", base_url=url, timeout_s=0.3)
        history = ran(task(dead, trials=2), tmp_path)
    assert history.closed is not None
    assert history.closed.reason == "budget"
    assert makers(history) == ["random", "random"]
    assert [exchange.outcome for exchange in asked(history)] == ["failed", "failed"]
    assert any("model can't propose" in notice.text for notice in history.notices)


def test_what_goes_beyond_the_asked_number_is_not_looked_at(tmp_path: Path) -> None:
    """A good first proposal is taken, whatever stands behind what was asked for."""
    script = playing(final(change("rate", 0.25), change("rate", 99.0), change("no", 1)))
    with serving("openai", script) as server:
        history = ran(task(agent(server), trials=1), tmp_path)
    assert makers(history) == ["model"]
    assert asked(history)[0].repairs == ()


def test_calls_of_tools_are_bounded(tmp_path: Path) -> None:
    """A model that looks things up for ever is told to answer, and then loses its turn."""
    with serving("openai", playing(Calls("show_influence", {}))) as server:
        history = ran(task(agent(server), trials=1), tmp_path)
    assert makers(history) == ["random"]
    assert len(server.requests) == 9
    assert told(server.requests[-1], "openai")[-1] == "No calls are left: give your answer now."
    assert asked(history)[0].outcome == "failed"
