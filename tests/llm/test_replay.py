"""A recorded study, played back: the same proposals, and nobody is asked."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.app.commands import clear
from tests.app.commands import ran as command_ran
from tests.llm.servers import (
    Calls,
    Move,
    Refuses,
    Request,
    Says,
    change,
    final,
    serving,
)
from tests.llm.tasks import agent, asked, makers, ran, task
from trialwright.crew import TAPE
from trialwright.errors import ProposerError
from trialwright.history import History, read
from trialwright.llm.tape import Player, Recorder, Turn
from trialwright.records import Proposal
from trialwright.task import Budget

MOVES: list[Move] = [
    Calls("suggest", {}),
    final(change("rate", 7)),
    final(change("rate", 0.21, rationale="first\u2028line\x85é", claim="better", low=0.1, high=1)),
    Refuses(401),  # the second turn is lost
    Calls("show_trial", {"number": 0}),
    Refuses(401),  # the third one is lost half way
    final(change("rate", 0.22)),
    Says("no idea"),
    final(change("depth", 6, parent=0)),
]


def script(index: int, _request: Request) -> Move:
    """The moves, and legal changes behind them."""
    return MOVES[index] if index < len(MOVES) else final(change("rate", 0.3 + index / 1000))


def proposals(history: History) -> list[Proposal]:
    """Everything that was proposed, in order."""
    return [trial.proposal for trial in history.trials]


def test_a_replay_proposes_exactly_the_same(tmp_path: Path) -> None:
    """Tools, repairs, lost turns and odd characters included; the server is gone."""
    with serving("openai", script) as server:
        what = task("random", agent(server, timeout_s=5.0), trials=14)
        recorded = ran(what, tmp_path / "recorded")
    asked_for = len(server.requests)
    played = ran(what, tmp_path / "played", replay=tmp_path / "recorded" / TAPE)
    assert proposals(played) == proposals(recorded)
    assert makers(recorded).count("model") >= 3
    assert [one.outcome for one in asked(recorded)].count("failed") == 2
    assert len(server.requests) == asked_for
    for one, other in zip(asked(played), asked(recorded), strict=True):
        assert (one.input_tokens, one.output_tokens, one.repairs, one.outcome) == (
            other.input_tokens,
            other.output_tokens,
            other.repairs,
            other.outcome,
        )
        assert one.seconds == other.seconds


def test_a_replay_asks_no_more_than_a_cap_in_time_left_room_for(tmp_path: Path) -> None:
    """A first answer that used the time up does so again, though nobody waits for it now."""

    def late(index: int, _request: Request) -> Move:
        time.sleep(2.1)
        return final(change("rate", 0.3 + index / 1000))

    with serving("openai", late) as server:
        what = task("expert", agent(server), budget=Budget(trials=8, model_time_s=2.0))
        recorded = ran(what, tmp_path / "recorded")
    played = ran(what, tmp_path / "played", replay=tmp_path / "recorded" / TAPE)
    assert len(asked(recorded)) == 1
    assert asked(played) == asked(recorded)
    assert proposals(played) == proposals(recorded)


def test_a_replay_needs_no_key(tmp_path: Path) -> None:
    """What the study needed to ask is not needed to play back; a missing recording is an error."""
    with serving("openai", script) as server:
        what = task(agent(server, key="MY_KEY"), trials=2)
        recorded = ran(what, tmp_path / "recorded", environ={"MY_KEY": "k"})
    played = ran(what, tmp_path / "played", replay=tmp_path / "recorded" / TAPE)
    assert proposals(played) == proposals(recorded)
    with pytest.raises(ProposerError, match="there is no recording to replay in"):
        ran(what, tmp_path / "other", replay=tmp_path / "nothing.jsonl")


def test_a_recording_that_is_none_is_named_with_its_line(tmp_path: Path) -> None:
    """A damaged line in the middle is an error; one cut off at the end is not."""
    path = tmp_path / TAPE
    Recorder(path).keep(Turn("m", "propose", 0), {"a": 1})
    good = path.read_bytes()
    path.write_bytes(good + good[:20])
    assert Player(path).next(Turn("m", "propose", 0)) == {"a": 1}
    path.write_bytes(good + b"{}\n" + good)
    with pytest.raises(ProposerError, match=r"exchanges.jsonl:2 is no recorded answer"):
        Player(path)


def test_a_turn_that_a_kill_cut_short_counts_as_it_was_asked_again(tmp_path: Path) -> None:
    """Answers of the killed session for a turn give way to those of the next one."""
    path, first, second = tmp_path / TAPE, Turn("m", "propose", 0), Turn("m", "propose", 1)
    killed = Recorder(path)
    killed.keep(first, {"answer": 1})
    killed.keep(second, {"answer": "lost"})
    with path.open("ab") as file:
        file.write(b'{"by": "m", "purp')
    Recorder(path).keep(second, {"answer": 2})
    player = Player(path)
    assert [player.next(first), player.next(second)] == [{"answer": 1}, {"answer": 2}]
    with pytest.raises(ProposerError, match="no further answer to m"):
        player.next(second)


STUDY = """\
goal: maximize y
command: [python3, -c, "print('y={{rate}}', flush=True)"]
metrics: {{regex: ['y=(?P<y>\\S+)']}}
space:
  rate: {{float: [0, 1], default: 0.5}}
budget: {{trials: 3}}
runner: {{workers: 1}}
team: [{{name: model, model: 'openai:m', base_url: '{url}', key: SOME_KEY}}]
"""


@pytest.mark.slow
def test_the_command_plays_a_recording_back(tmp_path: Path) -> None:
    """`run --replay FILE` gives the same trials from the file alone: no server, no key."""
    with serving("openai", lambda i, _: final(change("rate", 0.1 + i / 100))) as server:
        (tmp_path / "study.yaml").write_text(STUDY.format(url=server.url))
        first = command_ran(tmp_path, "run", "--plain", "--folder", "one", SOME_KEY="k")
        assert first.returncode == 0, first.stderr
    again = command_ran(
        tmp_path, "run", "--plain", "--folder", "two", "--replay", f"one/{TAPE}", SOME_KEY=""
    )
    assert again.returncode == 0, again.stderr
    recorded, played = read(tmp_path / "one"), read(tmp_path / "two")
    assert makers(recorded) == ["model"] * 3
    assert proposals(played) == proposals(recorded)
    missing = command_ran(tmp_path, "run", "--folder", "three", "--replay", "none.jsonl")
    clear(missing)
    assert "there is no recording to replay in none.jsonl" in missing.stderr
    assert not (tmp_path / "three").exists()


@given(text=st.text(st.characters(exclude_categories=()), max_size=30))
def test_any_text_survives(text: str) -> None:
    """Line separators of every kind, and what is no legal UTF-8."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / TAPE
        Recorder(path).keep(Turn("m", "propose", 0), {"text": text})
        assert Player(path).next(Turn("m", "propose", 0)) == {"text": text}
        assert json.loads(path.read_text())["number"] == 0
