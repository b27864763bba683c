"""Answers that can't be used: told, repaired a bounded number of times, counted, passed on."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.llm.servers import (
    Calls,
    Provider,
    Request,
    Says,
    Sends,
    Wire,
    change,
    final,
    playing,
    serving,
    told,
)
from tests.llm.tasks import agent, asked, makers, ran, score, task
from tests.thoroughness import repeats
from trialwright.execute.simulate import SimulatedRunner
from trialwright.history import History
from trialwright.space import Choice, Float, Int, Space
from trialwright.study import Study
from trialwright.task import Budget, Task

HUGE = 10**400

FAULTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "out of the space": (change("rate", 1.5), "outside", "rate = 1.5 is not a number from 0 to 1"),
    "an unknown parameter": (change("rat", 0.5), "unknown", "rat = 0.5 is unknown; the parameters"),
    "an unknown option": (change("kind", "forest"), "outside", "kind = 'forest'"),
    "a number as text": (change("rate", "0.4"), "outside", "rate = '0.4'"),
    "a fraction of a whole number": (change("depth", 3.5), "outside", "depth = 3.5"),
    "nothing": (change("rate", None), "outside", "rate"),
    "a huge whole number": (change("depth", HUGE), "outside", "depth"),
    "an unknown parent": (change("rate", 0.4, parent=7), "parent", "parent 7 is no trial"),
    "a negative parent": (change("rate", 0.4, parent=-1), "parent", "there are 0 to 0"),
    "an unknown rival": (change("rate", 0.4, against=9), "parent", "against 9 is no trial"),
    "a repeat": (change("rate", 0.9), "repeat", "it repeats trial 0"),
    "a repeat in other words": (
        {"parent": 0, "changes": [{"name": "depth", "value": 3}]}, "repeat", "it repeats trial 0",
    ),
    "a list for a value": (change("rate", [0.1]), "format", "value"),
    "a text for the changes": ({"changes": "rate=0.1"}, "format", "list"),
    "no changes at all": ({"rationale": "none"}, "format", "changes"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_counted_and_put_right(fault: str, tmp_path: Path) -> None:
    """The model reads what is wrong and what was allowed; its next answer becomes the trial."""
    wrong, cause, words = FAULTS[fault]
    with serving("openai", playing(final(wrong), final(change("rate", 0.35)))) as server:
        history = ran(task(agent(server), trials=2, start=({"rate": 0.9},)), tmp_path)
    assert makers(history) == ["user", "model"]
    assert history.trials[1].configuration["rate"] == 0.35
    assert [exchange.repairs for exchange in asked(history)] == [(cause,)]
    assert words in told(server.requests[-1], "openai")[-1]
    assert history.refusals == []


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_reach_no_run(text: str, tmp_path: Path) -> None:
    """JSON as models write it may say NaN; the space does not hold it, in a value or a promise."""
    arguments = '{"proposals": [{"changes": [{"name": "rate", "value": %s}]}]}' % text  # noqa: UP031
    promise = json.dumps(change("rate", 0.35)).replace("}]", f'}}], "low": {text}, "high": 1', 1)
    with serving(
        "openai", playing(_raw(arguments), _raw('{"proposals": [' + promise + "]}"))
    ) as server:
        history = ran(task(agent(server), trials=1), tmp_path)
    assert len(asked(history)[0].repairs) >= 1
    assert history.trials[0].proposal.predicted is None
    assert 0 <= score(history.trials[0].configuration, 0) <= 1


def _raw(arguments: str) -> Sends:
    """An answer whose arguments are this text, as it stands."""
    function = {"name": "final_result", "arguments": arguments}
    call = {"id": "call_1", "type": "function", "function": function}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    body = {"id": "1", "object": "chat.completion", "created": 1, "model": "m"}
    return Sends(json.dumps({**body, "choices": [choice]}).encode())


def test_an_empty_list_is_told(tmp_path: Path) -> None:
    """No proposal is no answer."""
    with serving("openai", playing(final(), final(change("rate", 0.1)))) as server:
        history = ran(task(agent(server), trials=1), tmp_path)
    assert asked(history)[0].repairs == ("empty",)
    assert makers(history) == ["model"]


def test_after_two_repairs_the_next_member_takes_the_turn(tmp_path: Path) -> None:
    """Three answers per turn and no more; the trial that takes the turn says whose it was."""
    with serving("openai", playing(final(change("rate", 5)))) as server:
        history = ran(task("expert", agent(server), trials=5), tmp_path)
    turns = asked(history)
    assert turns
    assert {turn.repairs for turn in turns} == {("outside",) * 3}
    assert len(server.requests) == 3 * len(turns)
    assert set(makers(history)) == {"expert"}
    assert any("model lost its turn" in trial.proposal.rationale for trial in history.trials)


def test_a_batch_half_right_is_used_by_half(tmp_path: Path) -> None:
    """What was right in the last answer becomes trials when repairs are used up."""
    script = playing(final(change("rate", 0.2), change("rate", 7)))
    with (
        serving("openai", script) as server,
        SimulatedRunner(score, slots=2) as runner,
    ):
        history = Study(task(agent(server), trials=2), tmp_path, runner=runner, environ={}).run()
    assert history.trials[0].proposal.by == "model"
    assert history.trials[0].configuration["rate"] == 0.2
    assert asked(history)[0].repairs == ("outside",) * 3


def test_words_without_end_are_cut(tmp_path: Path) -> None:
    """A model that writes a book still makes its trial."""
    long = "because " * 20_000
    wordy = {
        "changes": [{"name": "rate", "value": 0.2, "why": long}],
        "rationale": long,
        "claim": long,
        "against": 0,
    }
    with serving("openai", playing(final(wordy))) as server:
        history = ran(task(agent(server), trials=2, start=({"rate": 0.9},)), tmp_path)
    proposal = history.trials[1].proposal
    assert proposal.by == "model"
    assert proposal.hypothesis is not None
    assert len(proposal.rationale) + len(proposal.hypothesis.claim) < 5000


# -- anything at all

CONDITIONAL = Space(
    (
        Float("rate", 1e-4, 1.0, log=True, default=0.1),
        Int("depth", 1, 4, default=3),
        Choice("kind", ("tree", "dart", None, True), default="tree"),
        Float("drop", 0.0, 0.5, default=0.1, when="kind == 'dart' and rate > 0.01"),
    ),
    constraints=("rate * depth <= 2",),
)

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.just(HUGE), st.floats(), st.text(max_size=8),
    st.sampled_from(["tree", "dart", 0.5, 2, 0.02, "\ud800", "NaN"]),
)  # fmt: skip
NAMES = st.sampled_from(["rate", "depth", "kind", "drop"]) | st.text(max_size=6)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
CHANGES = st.fixed_dictionaries({"name": NAMES, "value": SCALARS}, optional={"why": JSON})
PROPOSALS = st.fixed_dictionaries(
    {"changes": st.lists(CHANGES, max_size=4)},
    optional={
        "parent": st.none() | st.integers(-2, 6) | JSON,
        "against": st.none() | st.integers(-2, 6) | JSON,
        "claim": st.text(max_size=20) | JSON,
        "expects": st.sampled_from(["better", "same"]) | JSON,
        "low": st.floats() | JSON,
        "high": st.floats() | JSON,
        "category": st.sampled_from(["data", "multi"]) | JSON,
        "rationale": JSON,
    },
)
ANSWERS = st.one_of(
    st.lists(PROPOSALS, max_size=3).map(lambda found: {"proposals": found}),
    st.dictionaries(st.sampled_from(["proposals", "x"]), JSON),
)
MOVES = st.one_of(
    ANSWERS.map(lambda answer: _raw(json.dumps(answer))),
    ANSWERS.map(lambda answer: _raw(json.dumps(answer)[:-3])),
    st.text(max_size=30).map(Says),
    st.tuples(
        st.sampled_from(["show_trial", "read_log", "list_trials", "predict", "nothing"]),
        st.dictionaries(st.sampled_from(["number", "configuration", "order"]), JSON),
    ).map(lambda call: _call(*call)),
)


def _call(tool: str, arguments: Mapping[str, Any]) -> Calls | Sends:
    return Calls(tool, json.loads(json.dumps(arguments, allow_nan=True)))


ANSWERED, STUDIES = 10, repeats(25, 100)
"""Answers of one fuzzed study, and studies: 250 answers, or a thousand."""


@pytest.mark.slow
@pytest.mark.timeout(300)
@settings(
    max_examples=STUDIES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(moves=st.lists(MOVES, min_size=ANSWERED, max_size=ANSWERED))
def test_hundreds_of_answers_of_any_kind(moves: list[Any], fuzzed: Provider) -> None:
    """No crash, no illegal run, no repeat, and the study ends with all of its trials."""
    first = len(fuzzed.requests)

    def script(index: int, _request: Request) -> Any:
        return moves[index - first] if index - first < len(moves) else Says("")

    fuzzed.script = script
    what = task(agent(fuzzed), trials=5, space=CONDITIONAL)
    with tempfile.TemporaryDirectory() as folder:
        legal(_study(what, Path(folder)))


def legal(history: History) -> None:
    """Hold a history to what every one of them must be."""
    assert history.closed is not None
    assert history.closed.reason == "budget"
    space = history.space
    configurations = [trial.configuration for trial in history.trials]
    assert len(configurations) == history.task.budget.trials
    assert [faults for one in configurations if (faults := space.check(one))] == []
    assert len({space.key(one) for one in configurations}) == len(configurations)
    assert {trial.proposal.by for trial in history.trials} <= {"model", "random"}


def _study(what: Task, folder: Path) -> History:
    with SimulatedRunner(lambda *_: 1.0, slots=1) as runner:
        return Study(what, folder, runner=runner, environ={}).run()


@pytest.fixture(scope="module")
def fuzzed() -> Any:
    """One provider for all of the fuzzed answers."""
    wire: Wire = "openai"
    with serving(wire, playing(Says(""))) as server:
        yield server


def test_the_fuzz_reaches_what_it_should() -> None:
    """Among the drawn answers are legal ones: else nothing was shown about those."""
    what = {"proposals": [change("rate", 0.02)]}
    with (
        serving("openai", playing(_raw(json.dumps(what)))) as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        one = task(agent(server), space=CONDITIONAL, budget=Budget(trials=1))
        history = _study(one, Path(folder))
    assert makers(history) == ["model"]
