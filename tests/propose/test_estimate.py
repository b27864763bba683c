"""What models are expected to cost: held against what servers on loopback are really sent."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import prompt_growth
from tests.app.commands import ran as command_ran
from tests.llm.servers import READ, WRITTEN, Move, Request, change, final, playing, serving
from tests.llm.tasks import PLAIN, agent, asked, ran, task
from trialwright.execute.simulate import SimulatedRunner
from trialwright.propose.estimate import REQUESTS, estimate
from trialwright.study import Study
from trialwright.task import Agent, Budget, RunnerPlan

STUDY = """\
name: expected
goal: maximize y
command: [python3, -c, "print('y={{rate}}', flush=True)"]
metrics: {{regex: ['y=(?P<y>\\S+)']}}
space:
  rate: {{float: [0, 1], default: 0.5}}
budget: {{trials: {trials}, tokens: 100000}}
runner: {{workers: 1}}
team: [{{name: model, model: 'openai:m', base_url: '{url}', price: [1, 4]}}]
"""

MODEL = Agent(name="model", model="openai:some-model", base_url="http://127.0.0.1:9")


def rates(index: int, _request: Request) -> Move:
    """A new rate at each question."""
    return final(change("rate", 0.01 + index / 100))


def test_a_full_prompt_is_about_as_long_as_expected(tmp_path: Path) -> None:
    """Twenty trials of ten parameters with curves: what is sent is within a quarter of that."""
    what = replace(prompt_growth.task(10, 20), team=("random", MODEL))
    found = estimate(what)
    assert found is not None
    with serving("openai", playing(final(change("learning_rate", 0.2)))) as server:
        team = ("random", agent(server))
        with SimulatedRunner(prompt_growth.curves) as runner:
            Study(replace(what, team=team), tmp_path, runner=runner, environ=PLAIN).run()
        sent = server.requests[-1].size / 4
    assert found.members[0].read == pytest.approx(sent, rel=0.25)


def test_the_first_estimate_is_near_what_a_whole_study_took() -> None:
    """Ten trials of ten parameters took a model 24,275 tokens, in 1.1 requests per turn."""
    found = estimate(replace(prompt_growth.task(10, 10), team=(MODEL,)))
    assert found is not None
    assert 24_275 / 2 < found.tokens < 24_275 * 2


def test_turns_come_to_what_is_expected(tmp_path: Path) -> None:
    """One member and one worker: a turn for each trial that is not the user's own, and the last."""
    with serving("openai", rates) as server:
        what = task(agent(server), trials=6, start=({"rate": 0.9}, {"rate": 0.8}))
        found = estimate(what)
        history = ran(what, tmp_path)
    assert found is not None
    assert (found.trials, found.members[0].turns) == (4, 5)
    assert len(asked(history)) == 4
    assert [one.purpose for one in history.exchanges][-1] == "analyse"


def test_turns_follow_shares_and_batches() -> None:
    """Four workers are served by one turn at first; shares of a team add up."""
    alone = replace(task(MODEL, trials=10), runner=RunnerPlan(workers=4))
    found = estimate(alone)
    assert found is not None
    assert found.members[0].turns == 6 + 1 + 1
    both = task("expert", MODEL, replace(MODEL, name="other"), trials=30)
    shared = estimate(both)
    assert shared is not None
    first, second = shared.members
    assert first.share == second.share
    assert first.turns == pytest.approx(30 * first.share + 1)
    assert second.turns == pytest.approx(30 * first.share)


def test_a_member_that_has_answered_is_reckoned_from_its_answers(tmp_path: Path) -> None:
    """With ten more trials: its own tokens, requests and seconds, and the rest of the caps."""
    with serving("openai", rates) as server:
        history = ran(task(agent(server, price=(1, 4)), trials=3), tmp_path)
        more = task(
            agent(server, price=(1, 4)),
            budget=Budget(trials=13, tokens=1000, usd=1, model_time_s=3600),
        )
    found = estimate(more, history)
    assert found is not None
    [member] = found.members
    assert member.measured
    assert (found.trials, member.turns) == (10, 11)
    assert (member.requests, member.read, member.written) == (1, READ, WRITTEN)
    assert found.tokens == 11 * (READ + WRITTEN)
    assert found.usd == pytest.approx(11 * (READ * 1 + WRITTEN * 4) / 1_000_000)
    assert found.seconds is not None
    assert found.left_tokens == 1000 - history.spent[0]
    assert found.fraction == pytest.approx(found.left_tokens / found.tokens)
    assert "Left of the caps: 640 tokens, $1.00, 3," in str(found)
    assert str(found).endswith(" s, enough for 48% of it.")


def test_prices_are_told_as_what_they_are() -> None:
    """Known, free, or known to nobody, which leaves the sum without one."""
    words = {
        price: str(estimate(task(replace(MODEL, price=price), trials=9)))
        for price in ((1.0, 4.0), (0.0, 0.0), None)
    }
    assert "tokens ($" in words[(1.0, 4.0)]
    assert "model ($" in words[(1.0, 4.0)]
    assert "(free)" in words[(0.0, 0.0)]
    assert "model (at a price that nobody knows)" in words[None]
    mixed = estimate(task(replace(MODEL, price=(1, 4)), replace(MODEL, name="b"), trials=9))
    assert mixed is not None
    assert mixed.usd is None
    listed = estimate(task(Agent(name="c", model="anthropic:claude-sonnet-4-5"), trials=9))
    assert listed is not None
    assert listed.usd is not None
    assert listed.usd > 0.05


def test_nothing_is_expected_where_nobody_is_asked() -> None:
    """No model, or no trial left; without a number of trials it is so much for every ten."""
    assert estimate(task("expert", "gp", trials=9)) is None
    assert estimate(task(MODEL, trials=1, start=({"rate": 0.9},))) is None
    unbounded = estimate(task(MODEL, budget=Budget(time_s=60)))
    assert unbounded is not None
    assert (unbounded.trials, unbounded.bounded) == (10, False)
    assert "for every 10 trials" in str(unbounded)
    assert "No cap is set." in str(unbounded)


def test_a_program_and_a_hard_thinker_are_reckoned_as_such() -> None:
    """A program answers at its first start; effort takes what an answer may take."""
    program = estimate(task(Agent(name="p", cli=("true",)), trials=9))
    thinker = estimate(task(replace(MODEL, effort="high", output_tokens=9000), trials=9))
    assert program is not None
    assert thinker is not None
    assert program.members[0].requests == 1
    assert (thinker.members[0].requests, thinker.members[0].written) == (REQUESTS, 9000)


@pytest.mark.slow
def test_the_command_tells_before_it_asks(tmp_path: Path) -> None:
    """The first line of `run`, the first object of `run --json`; what is left when it goes on."""
    with serving("openai", rates) as server:
        (tmp_path / "study.yaml").write_text(STUDY.format(trials=2, url=server.url))
        first = command_ran(tmp_path, "run", "--plain")
        (tmp_path / "study.yaml").write_text(STUDY.format(trials=4, url=server.url))
        second = command_ran(tmp_path, "run", "--json")
        again = command_ran(
            tmp_path, "run", "--plain", "--replay", "runs/expected/exchanges.jsonl",
            "--folder", "again",
        )  # fmt: skip
    assert first.returncode == second.returncode == again.returncode == 0
    line = first.stdout.splitlines()[0]
    assert line.startswith("models: about ")
    assert "for the 2 trials to come: model ($" in line
    assert line.endswith("Left of the caps: 100,000 tokens.")
    event = json.loads(second.stdout.splitlines()[0])
    assert event["event"] == "estimate"
    assert (event["estimate"]["trials"], event["estimate"]["bounded"]) == (2, True)
    assert event["estimate"]["left_tokens"] < 100_000
    assert "enough for" not in event["sentence"]
    assert "models: about" not in again.stdout
    report = (tmp_path / "runs" / "expected" / "report.md").read_text()
    assert "were to be expected for the 4 trials that were the team's to propose" in report
