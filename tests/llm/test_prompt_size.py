"""What a model reads per turn is bounded, whatever the task, the history and the logs are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import prompt_growth
from tests.histories import NETWORK, study_history
from tests.llm.servers import Calls, change, final, playing, serving, told
from tests.llm.tasks import PLAIN, SPACE, agent, ran, task
from trialwright.errors import ProposerError
from trialwright.execute.simulate import SimulatedRunner
from trialwright.history import History
from trialwright.llm.conversation import Line
from trialwright.propose.creator import Creator, Surroundings
from trialwright.space import Choice, Configuration, Float, Space
from trialwright.study import Study
from trialwright.task import Objective, Task

Metrics = Mapping[str, float]


def sent(what: Task, history: History, *, role: str = "") -> int:
    """Tokens of a Creator's first request, everything in it, at four characters each."""
    with serving("openai", playing(final())) as server:
        creator = Creator(
            Line(agent(server, role=role), PLAIN),
            Surroundings(told=lambda _: None, log=lambda _: ""),
        )
        with pytest.raises(ProposerError):
            creator(what, history, 2, np.random.default_rng(0))
        return math.ceil(server.requests[0].size / 4)


def test_ten_parameters_and_ten_trials_take_at_most_2500_tokens(tmp_path: Path) -> None:
    """With three curves per run, descriptions, the optimiser's state, tools and schema."""
    known = prompt_growth.history(tmp_path, parameters=10, trials=10)
    assert len(known.done()) == 10
    assert 1000 < sent(known.task, known) <= prompt_growth.FIRST


@pytest.mark.slow
def test_a_long_history_takes_hardly_more_than_a_short_one(tmp_path: Path) -> None:
    """From 30 trials on nothing grows: what matters is shown, the rest can be asked for."""
    short = prompt_growth.history(tmp_path / "short", parameters=10, trials=30)
    long = prompt_growth.history(tmp_path / "long", parameters=10, trials=1500)
    first, last = sent(short.task, short), sent(long.task, long)
    assert last <= prompt_growth.LARGEST
    assert last < 1.15 * first


def test_fifty_parameters_with_long_words_stay_below_6000_tokens(tmp_path: Path) -> None:
    """Long names, descriptions, options, a role and a description of pages: all is cut to fit."""
    wordy = [
        Float(f"strength_of_augmentation_{i:02d}", 0.0, 1.0, default=0.5, description="word " * 90)
        for i in range(25)
    ]
    options = [
        Choice(f"kind_of_block_{i:02d}", tuple(f"option_{j:02d}" for j in range(30)))
        for i in range(18)
    ]
    space = Space((*NETWORK.parameters, *wordy, *options))
    assert len(space.parameters) == 50
    usual = task("random", trials=8, space=space, description="All of it matters. " * 2000)
    what = replace(usual, objective=Objective(metric="val_accuracy"))
    with SimulatedRunner(wide_curves) as runner:
        history = Study(what, tmp_path, runner=runner, environ=PLAIN).run()
    assert len(history.done()) == 8
    assert sent(what, history, role="Be bold. " * 2000) <= prompt_growth.LARGEST


def wide_curves(configuration: Configuration, seed: int) -> Iterator[tuple[float, Metrics]]:
    """The benchmark's curves, for a space that calls its width otherwise."""
    return prompt_growth.curves({**configuration, "width": configuration["hidden"]}, seed)


def test_the_state_says_what_is_unknown(tmp_path: Path) -> None:
    """Without curves the model is told that fitting can't be judged, and for which trials."""
    with serving("openai", playing(final(change("rate", 0.2)))) as server:
        ran(task(agent(server), trials=2, start=({"rate": 0.9},)), tmp_path)
    assert "Trials 0 reported no curve" in server.requests[0].text


def test_answers_of_tools_are_bounded(tmp_path: Path) -> None:
    """Each tool's answer is short after sixty trials with curves."""
    history = study_history(tmp_path, trials=60)
    what = replace(history.task, team=("expert",))
    calls = [
        Calls("show_trial", {"number": 3}),
        Calls("read_log", {"number": 3}),
        Calls("list_trials", {"order": "best", "state": "any"}),
        Calls("list_trials", {"order": "latest", "state": "failed"}),
        Calls("show_influence", {}),
        Calls("suggest", {}),
    ]
    with serving("openai", playing(*calls, final())) as server:
        around = Surroundings(told=lambda _: None, log=lambda _: "x" * 90_000)
        with pytest.raises(ProposerError):
            Creator(Line(agent(server), PLAIN), around)(what, history, 1, np.random.default_rng(0))
        answers = told(server.requests[len(calls)], "openai")
    assert len(answers) == len(calls)
    assert all(10 < len(answer) <= 3_200 for answer in answers)


def test_a_configuration_can_be_asked_about(tmp_path: Path) -> None:
    """`predict` answers for a legal configuration, and names the fault of another."""
    good: Configuration = {"rate": 0.2, "depth": 3, "kind": "tree"}
    calls = [
        Calls("predict", {"configuration": good}),
        Calls("predict", {"configuration": {**good, "depth": 90}}),
        Calls("show_trial", {"number": 50}),
    ]
    with serving("openai", playing(*calls, final(change("rate", 0.2)))) as server:
        ran(task(agent(server), trials=1), tmp_path)
        answers = told(server.requests[3], "openai")
    assert "runs to its end with probability 1.00" in answers[0]
    assert "depth = 90" in answers[1]
    assert "there is no trial 50" in answers[2]
    assert SPACE.check(good) == ()
