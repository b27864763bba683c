"""A metric that is held out: on no surface before the study is over, and told once it is."""

from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from tests.app.commands import ran
from trialwright.analysis.heldout import told, veiled, withhold
from trialwright.analyst import written
from trialwright.app.logs import Veil
from trialwright.app.mcp.tools import Tools
from trialwright.bench import Bench
from trialwright.crew import Crew
from trialwright.desk import Desk, Told
from trialwright.execute.runner import Order
from trialwright.execute.simulate import SimulatedRunner
from trialwright.history import LEDGER, History, read
from trialwright.ledger import SqliteLedger
from trialwright.propose import briefing
from trialwright.propose.lookup import Lookup
from trialwright.records import Closed, Curve, Entry, Launch, Observation, RunKey
from trialwright.report import heldout as words
from trialwright.report import terminal
from trialwright.report.final import final_analysis
from trialwright.report.write import write
from trialwright.space import Float, Space
from trialwright.study import Study
from trialwright.studyfile import load
from trialwright.task import Agent, Budget, MetricRoute, Objective, Task

# One study that has ended, made in one worker.
pytestmark = pytest.mark.xdist_group("heldout")

MARK = "91737"
"""In every value of the metric that is held out, and in nothing else."""

TRAIN = """\
import argparse
import sys

from trialwright import emit

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--seed", type=int)
args = parser.parse_args()
value = 1 - (args.lr - 0.3) ** 2
secret = 0.91737 + (args.seed % 9) * 1e-7
for epoch in (1, 2, 3):
    emit(val_acc=value * epoch / 3, test_acc=secret, step=epoch)
    print(f"epoch {epoch} Test-Acc: {secret:.7f}")
    print(f"again: {secret:.7f} on unseen data")
if args.lr > 0.8:
    print(f"giving up at test acc {secret:.7f}", file=sys.stderr)
    sys.exit(f"no good: test_acc={secret:.7f}")
"""

STUDY = """\
name: secret
goal: maximize val_acc
heldout: test_acc
command: [python3, train.py, "{args}", "--seed={seed}"]
space:
  lr: {float: [0.001, 1.0], default: 0.1}
start: [{lr: 0.1}, {lr: 0.9}, {lr: 0.3}]
metrics: {regex: ['again: (?P<test_acc>\\S+) on unseen']}
budget: {trials: 3}
seeds: {screen: 2}
runner: {workers: 2}
team: [random]
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study that ran to its end, by the command line; its output is kept."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "train.py").write_text(TRAIN)
    (folder / "study.yaml").write_text(STUDY)
    answer = ran(folder, "run", "study.yaml", "--json")
    assert answer.returncode == 0, answer.stderr
    (folder / "events.jsonl").write_text(answer.stdout)
    (folder / "errors.txt").write_text(answer.stderr)
    return folder


@pytest.fixture
def underway(finished: Path, tmp_path: Path) -> Path:
    """The same, as it stood before it was closed: all runs ended, a larger budget."""
    folder = tmp_path / "underway"
    shutil.copytree(finished, folder)
    results = folder / "runs" / "secret"
    entries = read_entries(results)
    for left in results.glob(f"{LEDGER}*"):
        left.unlink()
    ledger = SqliteLedger(results / LEDGER)
    kept = [entry.record for entry in entries if not isinstance(entry.record, Closed)]
    ledger.append(kept, 0, at=1.75e9)
    ledger.close()
    (folder / "study.yaml").write_text(STUDY.replace("trials: 3", "trials: 9"))
    for report in results.glob("report.*"):
        report.unlink()
    return folder


def read_entries(results: Path) -> list[Entry]:
    """All entries of a study's ledger."""
    ledger = SqliteLedger(results / LEDGER, create=False)
    try:
        return ledger.read()
    finally:
        ledger.close()


def test_the_runs_did_report_it(finished: Path) -> None:
    """Or the tests below would show nothing: it is in every log, and in the ledger."""
    logs = [*(finished / "runs" / "secret" / "trials").glob("*/stdout.log")]
    # The second seed of a trial whose first has failed is not begun, if that is known in time.
    assert len(logs) in (5, 6)
    assert all(MARK in log.read_text() for log in logs)
    assert MARK.encode() in (finished / "runs" / "secret" / LEDGER).read_bytes()


def test_nothing_is_told_while_the_study_runs(finished: Path) -> None:
    """Of all lines of `run --json`, reports of runs included, only those of the end hold it."""
    events = [json.loads(line) for line in (finished / "events.jsonl").read_text().splitlines()]
    assert {"reported", "finished", "verdict"} <= {event["event"] for event in events}
    assert any("val_acc" in event["metrics"] for event in events if event["event"] == "reported")
    for event in events:
        assert MARK not in json.dumps(event), event["event"]
    assert MARK not in (finished / "errors.txt").read_text()


COMMANDS = (
    ("status",), ("status", "--json"), ("show", "0"), ("show", "0", "--json"), ("show", "1"),
    ("show", "1", "--json"), ("log", "0"), ("log", "1"), ("log", "1", "--tail", "3"),
    ("best",), ("best", "--json"), ("history",), ("history", "--json"), ("suggest", "--json"),
    ("report", "--json"), ("ask", "--json"), ("note", "looks good", "--json"),
    ("propose", "--set", "lr=0.2", "--json"),
)  # fmt: skip


def test_no_command_tells_it_before_the_end(underway: Path) -> None:
    """Neither for people nor as JSON, nor what it writes: reports, with their hidden parts."""
    for words_ in COMMANDS:
        answer = ran(underway, *words_)
        assert answer.returncode == 0, (words_, answer.stderr)
        assert MARK not in answer.stdout + answer.stderr, words_
    results = underway / "runs" / "secret"
    for name in ("report.md", "report.html"):
        text = (results / name).read_text()
        assert MARK not in text, name
        assert "is held out, and is told when the study is over" in text
    assert "val_acc" in (results / "report.html").read_text()


def test_no_tool_of_an_agent_tells_it_before_the_end(underway: Path) -> None:
    """The protocol's tools, over a study with failed runs whose logs end with it."""
    study = Study(load(underway / "study.yaml"), underway / "runs" / "secret")
    desk = Desk(study, by="visitor")
    bench = Bench(study)
    tools = Tools(desk, bench)
    answers = [
        tools.read_task(),
        tools.read_history(last=50),
        *(tools.read_trial(number) for number in range(3)),
        tools.read_importance(),
        tools.suggest(2),
        tools.propose({"lr": 0.25}, "in between"),
    ]
    started = json.loads(tools.start_run())["run"]
    answers += [tools.wait_run(started, timeout_s=60.0)]
    bench.close()
    assert '"ended": true' in answers[-1]
    assert "giving up" in answers[3]
    for answer in answers:
        assert MARK not in answer


def test_an_agent_that_tells_it_does_not_put_it_before_others(underway: Path) -> None:
    """What is told of a run that was handed out is taken aside too, in the request as well."""
    study = Study(load(underway / "study.yaml"), underway / "runs" / "secret")
    desk = Desk(study, by="visitor")
    order = desk.ask()
    told_ = Told(outcome="done", metrics={"val_acc": 0.5, "test_acc": 0.917370001})
    trial = desk.tell(str(order.run), told_)
    history = desk.history()
    assert trial.runs[-1].observation is not None
    assert trial.runs[-1].observation.metrics == {"val_acc": 0.5}
    for _, request in history.requests:
        if request.observation is not None:
            assert "test_acc" not in request.observation.metrics
    shown = [repr(run.observation) for one in history.trials for run in one.runs]
    assert MARK not in "".join(shown)


def test_no_prompt_of_a_model_holds_it(underway: Path) -> None:
    """What a Creator reads and may look up, what an Executor is shown, what an analyst is given."""
    results = underway / "runs" / "secret"
    agent = Agent(name="model", cli=("true",))
    task = load(underway / "study.yaml")
    history = read(results)
    rng = np.random.default_rng(0)
    crew = Crew(task, results, {})
    lookup = Lookup(task, history, crew._around.log, rng)
    texts = [
        briefing.instructions(task, agent),
        briefing.state(task, history, 2, rng),
        *(lookup.show_trial(number) for number in range(3)),
        *(lookup.read_log(number) for number in range(3)),
        lookup.list_trials(),
        lookup.show_influence(),
        written(final_analysis(history)),
    ]
    assert any("giving up" in text for text in texts)
    for text in texts:
        assert MARK not in text


def test_no_proposer_finds_it_in_the_history(underway: Path) -> None:
    """A history that a proposer is given does not hand it out, whatever is read of its trials."""
    history = read(underway / "runs" / "secret")
    assert history.heldout() == {}
    assert MARK not in repr(history.trials)
    assert all("test_acc" not in trial.measures for trial in history.trials)
    assert told(history) is None


def test_it_is_told_when_the_study_is_over(finished: Path, tmp_path: Path) -> None:
    """With the gap to the goal, of the best trial and of the first, in reports and at the end."""
    history = read(finished / "runs" / "secret")
    found = told(history)
    assert found is not None
    best, first = history.best(), history.trials[0]
    assert best is not None
    assert found.best.trial == best.number == 2
    assert found.first is not None
    assert found.first.trial == first.number
    assert found.best.seeds == 2
    assert found.best.heldout == pytest.approx(0.91737, abs=1e-6)
    assert found.best.gap == pytest.approx(0.91737 - 1.0, abs=1e-6)
    assert found.first.gap == pytest.approx(0.91737 - 0.96, abs=1e-6)
    said = " ".join(words.sentences(history))
    assert "Trial 2: test_acc = 0.91737 over 2 seeds, 0.0826 below val_acc (1)." in said
    write(history, tmp_path)
    for name in ("report.md", "report.html"):
        assert "0.91737" in (tmp_path / name).read_text()
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(terminal.summary(history))
    assert "0.91737" in console.export_text()
    assert MARK in ran(finished, "log", "0").stdout
    document = json.loads(ran(finished, "report", "--json").stdout)
    assert document["heldout"]["best"]["heldout"] == pytest.approx(0.91737, abs=1e-6)


def test_a_study_that_goes_on_takes_it_back(finished: Path, tmp_path: Path) -> None:
    """With a larger budget the same study is not over: nothing is handed out until it is again."""
    folder = tmp_path / "on"
    shutil.copytree(finished, folder)
    study = STUDY.replace("trials: 3", "trials: 4")
    (folder / "study.yaml").write_text(study)
    seen: list[dict[RunKey, float]] = []

    def watch(history: History, _: object) -> None:
        if history.closed is None:
            seen.append(history.heldout())

    history = Study(load(folder / "study.yaml"), folder / "runs" / "secret").run(watch)
    assert len(seen) > 2
    assert not any(seen)
    assert len(history.heldout()) > 4


class Recovering(SimulatedRunner):
    """A simulated runner that finds what an interrupted run showed, as the local one does."""

    def recover(self, order: Order) -> Observation | None:
        """Return what the run showed before its coordinator was killed."""
        metrics = {"val": 0.5, "test_f1": 0.91737}
        return Observation(run=order.run, outcome="done", value=0.5, metrics=metrics)


def test_what_a_killed_coordinator_left_is_taken_aside_too(tmp_path: Path) -> None:
    """The result of a run that ended meanwhile is read from the disk, by another way."""
    wanted = task(command=("true",), team=("random",), budget=Budget(trials=1))
    with Recovering(lambda configuration, seed: 0.5) as runner:
        before = Study(wanted, tmp_path, runner=runner).run()
        kept = [entry.record for entry in read_entries(tmp_path)]
        launched = next(i for i, record in enumerate(kept) if isinstance(record, Launch))
        for left in tmp_path.glob(f"{LEDGER}*"):
            left.unlink()
        ledger = SqliteLedger(tmp_path / LEDGER)
        ledger.append(kept[: launched + 1], 0, at=1.75e9)
        ledger.close()
        history = Study(wanted, tmp_path, runner=runner).run()
    assert before.heldout() == {}
    seen = history.trials[0].runs[0].observation
    assert seen is not None
    assert seen.metrics == {"val": 0.5}
    assert [*history.heldout().values()] == [0.91737]


def task(**changes: object) -> Task:
    """A task with a metric held out, read by a pattern and under another name."""
    plain = {
        "name": "t",
        "objective": Objective(metric="val"),
        "space": Space((Float("x", 0, 1),)),
        "heldout": "test_f1",
        "metrics": MetricRoute(
            patterns=(r"final (?P<score>\S+)",), rename={"score": "test_f1", "F1T": "test_f1"}
        ),
    }
    return Task(**{**plain, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("test_f1=0.5123", "test_f1=#"),
        ("Test F1 is 5.1e-1 (51.2%)", "Test F1 is # (#)"),
        ("TestF1: .51", "TestF1: #"),
        ('{"val": 0.8, "test-f1": -0.51}', '{"val": #, "test-f1": #}'),
        ("F1T 0.51", "F1T #"),
        ("final 0.51", "final #"),
        ("val 0.81 epoch 3", "val 0.81 epoch 3"),
        ("testing f2 at 3", "testing f2 at 3"),
    ],
)
def test_a_line_that_tells_of_it_loses_its_numbers(line: str, shown: str) -> None:
    """However the name is spelt, under the script's own name, and by the patterns that read it."""
    assert veiled(line, task()) == shown
    assert veiled(line, task(heldout=None)) == line


def test_a_log_is_veiled_wherever_it_is_cut() -> None:
    """Chunks end anywhere, in the middle of a number or of a letter of two bytes."""
    text = "épo 1\ntest_f1=0.5123\nval=0.7\ntest_f1=0.6".encode()
    for size in (1, 2, 3, 7, 100):
        out = io.BytesIO()
        veil = Veil(out, task())
        for start in range(0, len(text), size):
            veil.write(text[start : start + size])
        veil.finish()
        assert out.getvalue().decode() == "épo 1\ntest_f1=#\nval=0.7\ntest_f1=#"


def test_taking_it_aside_twice_changes_nothing() -> None:
    """Results pass more than one hand: what was taken aside once stays so."""
    seen = Observation(
        run=RunKey(0, 0, 0),
        outcome="done",
        value=0.8,
        metrics={"val": 0.8, "test_f1": 0.7},
        curve=Curve(steps=(1.0,), series={"val": (0.8,), "test_f1": (0.7,)}),
    )
    once = withhold(seen, task())
    assert once.withheld == 0.7
    assert once.curve.series == {"val": (0.8,)}
    assert withhold(once, task()) == once
    assert re.search("test_f1", repr(once)) is None
