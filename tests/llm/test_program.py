"""A coding agent's command line as a member: real programs, scripted."""

from __future__ import annotations

import json
import sys
import tracemalloc
from pathlib import Path

import psutil
import pytest

from tests.llm.servers import change
from tests.llm.tasks import PLAIN, asked, makers, ran, task
from trialwright.errors import StudyError
from trialwright.study import Study
from trialwright.task import Agent

GOOD = json.dumps({"proposals": [change("rate", 0.25)]})
OUTSIDE = json.dumps({"proposals": [change("rate", 25)]})

NOISY = f"""
print("Thinking about {{it}} ... [1/3]")
print('{{"proposals": "an earlier draft"}}')
print("Here you are:\\n```json\\n" + {GOOD!r} + "\\n```\\n")
print("Anything else? {{")
"""

COUNTED = """
import pathlib, sys
prompt = sys.stdin.read()
place = pathlib.Path({folder!r})
number = len(list(place.glob("prompt*")))
(place / f"prompt{{number}}").write_text(prompt)
print({answers!r}[min(number, len({answers!r}) - 1)])
"""


def program(script: str, folder: Path, **changes: object) -> Agent:
    """A member whose program is this Python script."""
    path = folder / "program.py"
    path.write_text(script)
    return Agent(name="coder", cli=(sys.executable, str(path)), **changes)  # type: ignore[arg-type]


def counted(folder: Path, *answers: str) -> Agent:
    """A member that prints these in turn, and writes down what it reads."""
    return program(COUNTED.format(folder=str(folder), answers=answers), folder)


def test_an_answer_is_found_in_whatever_is_printed_around_it(tmp_path: Path) -> None:
    """Noise, drafts, fences and loose braces do no harm; tokens are an estimate, and say so."""
    history = ran(task(program(NOISY, tmp_path), trials=1), tmp_path / "study")
    (trial,) = history.trials
    assert (trial.proposal.by, trial.configuration["rate"]) == ("coder", 0.25)
    (exchange,) = asked(history)
    assert (exchange.outcome, exchange.requests, exchange.estimated) == ("answered", 1, True)
    assert exchange.input_tokens > 500
    assert exchange.repairs == ()


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_wrong_answer_is_put_right_by_a_second_start(wrapped: bool, tmp_path: Path) -> None:
    """The second prompt says what was wrong and what is allowed; a `result` is unwrapped."""
    good = json.dumps({"type": "result", "result": f"```json\n{GOOD}\n```"}) if wrapped else GOOD
    member = counted(tmp_path, OUTSIDE, "no idea", good)
    history = ran(task(member, trials=1), tmp_path / "study")
    assert makers(history) == ["coder"]
    (exchange,) = asked(history)
    assert (exchange.requests, exchange.repairs) == (3, ("outside", "format"))
    first, second, third = ((tmp_path / f"prompt{number}").read_text() for number in range(3))
    assert "is not a number from 0 to 1" in second
    assert second.startswith(first.rstrip())
    assert "it holds no JSON object" in third


def test_repairs_end(tmp_path: Path) -> None:
    """A program that never gets it right is started three times in a turn, and costs the turn."""
    history = ran(task("expert", counted(tmp_path, OUTSIDE), trials=5), tmp_path / "study")
    assert set(makers(history)) == {"expert"}
    for exchange in asked(history):
        assert (exchange.outcome, exchange.repairs) == ("failed", ("outside",) * 3)
    assert sum(exchange.requests for exchange in asked(history)) == 3 * len(asked(history)) > 0


def test_a_failing_program_says_why(tmp_path: Path) -> None:
    """The status and the last line of what it said stand in the ledger."""
    script = "import sys; print('warming up'); sys.exit('please log in first')"
    history = ran(task(program(script, tmp_path), trials=1), tmp_path / "study")
    assert makers(history) == ["random"]
    assert asked(history)[0].detail.endswith("ended with status 1: please log in first")


HANGING = """
import os, subprocess, sys, time
children = [
    subprocess.Popen(["sleep", "600"]),
    subprocess.Popen(["sleep", "600"], start_new_session=True),
]
with open({path!r}, "w") as file:
    file.write(" ".join(str(one) for one in (os.getpid(), *(child.pid for child in children))))
time.sleep(600)
"""


def test_a_hanging_program_is_ended_with_its_children(tmp_path: Path) -> None:
    """After the member's `timeout` nothing of it is left, not even in a session of its own."""
    script = HANGING.format(path=str(tmp_path / "pids"))
    member = program(script, tmp_path, timeout_s=2.0)
    history = ran(task(member, trials=1), tmp_path / "study")
    assert makers(history) == ["random"]
    assert asked(history)[0].detail.endswith("gave no answer in 2 s")
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 3
    alive = [pid for pid in pids if psutil.pid_exists(pid)]
    gone, _ = psutil.wait_procs([psutil.Process(pid) for pid in alive], timeout=10)
    assert len(gone) == len(alive)


def test_endless_output_is_bounded_in_memory(tmp_path: Path) -> None:
    """A program that prints without end is ended like one that hangs, its words not kept."""
    script = "while True: print('y' * 100_000)"
    member = program(script, tmp_path, timeout_s=1.0)
    tracemalloc.start()
    try:
        history = ran(task(member, trials=1), tmp_path / "study")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert asked(history)[0].outcome == "failed"
    assert peak < 40 * 2**20


def test_a_program_that_reads_nothing_may_answer(tmp_path: Path) -> None:
    """The prompt need not be read, and a program starts in a folder that holds nothing."""
    script = f"import os; assert os.listdir('.') == []; print({GOOD!r})"
    history = ran(task(program(script, tmp_path), trials=1), tmp_path / "study")
    assert makers(history) == ["coder"]


def test_a_missing_program_is_named_at_the_start(tmp_path: Path) -> None:
    """Nothing runs, and no folder is made."""
    with pytest.raises(StudyError, match="no program 'no-such-agent' is on the PATH"):
        Study(
            task(Agent(name="coder", cli=("no-such-agent", "-p"))),
            tmp_path / "study",
            environ=PLAIN,
        )
    assert not (tmp_path / "study").exists()
