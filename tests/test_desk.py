"""The desk: runs handed out and told of, offers, notes; alone and beside a `run`."""

from __future__ import annotations

import math
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.app.commands import command, environment, lay_out
from trialwright.analysis.claims import standings
from trialwright.desk import Assignment, Desk, Offer, Told
from trialwright.errors import StudyBusy, StudyError
from trialwright.history import History, read
from trialwright.records import Admission, Claim, Extent, Observation, Refusal, Request, RunKey
from trialwright.report.write import write
from trialwright.study import Study
from trialwright.studyfile import load
from trialwright.task import RunnerPlan

LIMIT_S = 60.0


def desk(folder: Path, *, by: str = "visitor", **layout: float) -> Desk:
    """A desk for a small study that was laid out in `folder`."""
    if not (folder / "study.yaml").exists():
        lay_out(folder, **layout)  # type: ignore[arg-type]
    return Desk(Study(load(folder / "study.yaml"), folder / "runs" / "toy"), by=by)


def refused(answer: object) -> str:
    """The faults of a refusal."""
    assert isinstance(answer, Refusal)
    return "; ".join(answer.faults)


def until(seen: object, what: str) -> None:
    """Wait for something to be seen by a callable."""
    deadline = time.monotonic() + LIMIT_S
    while not seen():  # type: ignore[operator]
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@contextmanager
def coordinator(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A real `trialwright run` of the study in `folder`, with its first run going on."""
    process = subprocess.Popen(
        command("run", "--plain"),
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        ledger = folder / "runs" / "toy" / "ledger.db"
        until(lambda: ledger.exists() and desk(folder).history().launches, "a first run")
        yield process
        said, _ = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 0, said
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_a_study_is_driven_from_nothing_by_asking_and_telling(tmp_path: Path) -> None:
    """Each run that is asked for is another configuration; what is told is judged by the study."""
    agent = desk(tmp_path, trials=3)
    for value in (0.5, 0.7, 0.6):
        asked = agent.ask()
        trial = agent.tell(str(asked.run), Told(outcome="done", metrics={"val_acc": value}))
        assert trial.value == value
        assert trial.verdict is not None
    history = read(agent.study.folder)
    assert [trial.value for trial in history.trials] == [0.5, 0.7, 0.6]
    assert history.best() is history.trials[1]
    assert history.closed is not None
    assert history.closed.reason == "budget"


def test_a_run_is_handed_out_ready_to_be_run(tmp_path: Path) -> None:
    """Command, seed and variables are there, and the configuration lies in its file."""
    asked = desk(tmp_path).ask()
    assert f"--lr={asked.trial.configuration['lr']}" in asked.order.command
    assert f"--seed={asked.order.seed}" in asked.order.command
    assert asked.environment["TRIALWRIGHT_SEED"] == str(asked.order.seed)
    assert "lr:" in Path(asked.environment["TRIALWRIGHT_CONFIG"]).read_text()
    assert asked.order.folder.is_dir()


def test_what_was_interrupted_needs_no_cluster_to_be_taken_up(tmp_path: Path) -> None:
    """Where the runs' own machine has GPUs, an agent on one without them is handed the run anew."""
    lay_out(tmp_path, sleep=5.0)
    with pytest.raises(AssertionError), coordinator(tmp_path) as process:
        process.kill()
    task = replace(load(tmp_path / "study.yaml"), runner=RunnerPlan(gpus=4))
    asked = Desk(Study(task, tmp_path / "runs" / "toy"), by="visitor").ask()
    assert asked.run.trial == 0
    assert asked.run.attempt == 1


def test_two_that_ask_are_handed_different_runs(tmp_path: Path) -> None:
    """A run that is handed out is nobody else's until it is told of."""
    one, two = desk(tmp_path, by="one").ask(), desk(tmp_path, by="two").ask()
    assert (one.run, two.run) == (RunKey(0, 0, 0), RunKey(1, 0, 0))
    assert one.trial.configuration != two.trial.configuration
    out = desk(tmp_path).history().handed_out()
    assert [run.launch.by for run in out] == ["one", "two"]


def test_the_study_goes_on_beside_runs_that_are_handed_out(tmp_path: Path) -> None:
    """`run` leaves such a run alone, does the others, and the agent may tell of it afterwards."""
    agent = desk(tmp_path, trials=3)
    asked = agent.ask()
    history = Study(load(tmp_path / "study.yaml"), agent.study.folder).run()
    assert [len(trial.runs) for trial in history.trials] == [1, 1, 1]
    assert history.trials[0].state == "running"
    told = agent.tell(str(asked.run), Told(outcome="done", metrics={"val_acc": 2.0}))
    assert told.verdict is not None
    assert told.verdict.against is not None


def test_a_run_that_nobody_tells_of_can_be_taken_back(tmp_path: Path) -> None:
    """`rerun` has the study run the trial itself; the agent's word then comes too late."""
    agent = desk(tmp_path, trials=1)
    asked = agent.ask()
    study = Study(load(tmp_path / "study.yaml"), agent.study.folder)
    study.rerun(0)
    history = study.run()
    assert history.trials[0].value is not None
    with pytest.raises(StudyError, match="not handed out"):
        agent.tell(str(asked.run), Told(outcome="done", metrics={"val_acc": 9.0}))
    assert read(agent.study.folder).trials[0].value == history.trials[0].value


@pytest.mark.parametrize(
    ("told", "state", "status"),
    [
        (Told(outcome="failed", cause="diverged", detail="loss is NaN"), "failed", "failed"),
        (Told(outcome="pruned", metrics={"val_acc": 0.1}, step=1), "pruned", "discarded"),
    ],
)
def test_failed_and_pruned_runs_are_told(
    tmp_path: Path, told: Told, state: str, status: str
) -> None:
    """Neither gives a value; each has the verdict that the study's own runs would have."""
    agent = desk(tmp_path)
    trial = agent.tell(str(agent.ask().run), told)
    assert (trial.state, trial.value) == (state, None)
    assert trial.verdict is not None
    assert trial.verdict.status == status


def test_points_become_the_curve_that_is_diagnosed(tmp_path: Path) -> None:
    """The objective is reduced from the points as from a run's own curve."""
    agent = desk(tmp_path)
    points = tuple((float(step), {"val_acc": step / 10}) for step in range(1, 9))
    trial = agent.tell(str(agent.ask().run), Told(outcome="done", points=points))
    assert trial.value == 0.8
    assert trial.runs[0].diagnosis is not None
    assert "still_improving" in trial.runs[0].diagnosis.findings


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (Told(outcome="done", metrics={"acc": 1.0}), "tells val_acc, the goal's metric; told: acc"),
        (Told(outcome="done", metrics={"val_acc": math.nan}), "is no result: tell the run as fail"),
        (Told(outcome="done", metrics={"val_acc": 1.0}, seconds=-1), "can't have taken -1"),
        (Told(outcome="done", points=((math.nan, {"val_acc": 1.0}),)), "a finite number"),
    ],
)
def test_what_makes_no_sense_is_not_taken_in(tmp_path: Path, told: Told, words: str) -> None:
    """The message says what was told and what is expected; the run stays handed out."""
    agent = desk(tmp_path)
    asked = agent.ask()
    with pytest.raises(StudyError, match=words):
        agent.tell(str(asked.run), told)
    assert [run.key for run in agent.history().handed_out()] == [asked.run]


@pytest.mark.parametrize(
    ("run", "words"),
    [
        ("first", "'first' is no run"),
        ("7/0.0", "there is no trial 7"),
        ("0/0.4", "run 0000/0.4 is not handed out.*now: 0000/0.0"),
    ],
)
def test_an_unknown_run_is_named_with_those_that_are_out(
    tmp_path: Path, run: str, words: str
) -> None:
    """A wrong run is an error that says which runs there are."""
    agent = desk(tmp_path)
    agent.ask()
    with pytest.raises(StudyError, match=words):
        agent.tell(run, Told(outcome="done", metrics={"val_acc": 1.0}))


def test_a_run_is_told_of_once(tmp_path: Path) -> None:
    """The second word about a run is refused, and changes nothing."""
    agent = desk(tmp_path)
    run = str(agent.ask().run)
    agent.tell(run, Told(outcome="done", metrics={"val_acc": 0.5}))
    with pytest.raises(StudyError, match="told of already"):
        agent.tell(run, Told(outcome="done", metrics={"val_acc": 0.9}))
    assert agent.trial(0).value == 0.5


def test_many_may_come_at_once(tmp_path: Path) -> None:
    """Whoever finds the desk taken waits: each agent is handed a run of its own."""
    agents = [desk(tmp_path, by=f"agent{number}", trials=6) for number in range(6)]
    with ThreadPoolExecutor(len(agents)) as pool:
        asked = list(pool.map(lambda agent: agent.ask().run, agents))
    assert sorted(run.trial for run in asked) == list(range(6))


def test_a_word_that_crossed_another_changes_nothing(tmp_path: Path) -> None:
    """Of two words about a run that were both noted before either was served, the first counts."""
    agent = desk(tmp_path)
    run = agent.ask().run
    for value in (0.5, 0.9):
        told = Observation(run=run, outcome="done", value=value, metrics={"val_acc": value})
        agent.study.request(Request(what="tell", observation=told))
    agent.propose(Offer(change={"lr": 0.2}))
    assert agent.trial(0).value == 0.5


def test_an_offer_is_handed_out_before_the_team_is_asked(tmp_path: Path) -> None:
    """It becomes a trial with its author, words and hypothesis; unnamed values stay as they are."""
    agent = desk(tmp_path)
    agent.tell(str(agent.ask().run), Told(outcome="done", metrics={"val_acc": 0.5}))
    offer = Offer(change={"lr": 0.2}, why="too slow", expect="better", reasons={"lr": "higher"})
    admitted = agent.propose(offer)
    assert isinstance(admitted, Admission)
    proposal = agent.ask().trial.proposal
    assert proposal == admitted.proposal
    assert (proposal.by, proposal.parent, proposal.rationale) == ("visitor", 0, "too slow")
    assert proposal.configuration == {**agent.trial(0).configuration, "lr": 0.2}
    assert proposal.hypothesis is not None
    assert (proposal.hypothesis.against, proposal.hypothesis.parameter) == (0, "lr")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lr": 5.0}, "lr = 5.0 is not a number from 0.001 to 1"),
        ({"lr": "high"}, "lr = 'high' is not a number"),
        ({"momentum": 0.9}, "momentum = 0.9 is unknown; the parameters are lr, depth"),
        ({"lr": 0.1, "depth": 3}, "the same configuration as trial 0"),
    ],
)
def test_a_wrong_offer_is_refused_with_reasons(
    tmp_path: Path, change: dict[str, float], words: str
) -> None:
    """No such configuration becomes a trial; the refusal is on record."""
    agent = desk(tmp_path)
    assert isinstance(agent.propose(Offer(change={"lr": 0.1, "depth": 3})), Admission)
    assert words in refused(agent.propose(Offer(change=change)))
    assert len(agent.history().trials) == 1
    assert len(agent.history().refusals) == 1


def test_no_offer_exceeds_the_budget(tmp_path: Path) -> None:
    """When all trials are admitted, an offer is refused with that reason."""
    agent = desk(tmp_path, trials=1)
    agent.ask()
    said = refused(agent.propose(Offer(change={"lr": 0.2})))
    assert said.startswith("the one trial of the budget")
    with pytest.raises(StudyError, match="nothing to run: the one trial"):
        agent.ask()


@pytest.mark.parametrize("name", ["user", "random", "", "a b", "x" * 41])
def test_an_agent_takes_no_name_of_the_study(tmp_path: Path, name: str) -> None:
    """Else its trials would count as the user's, or as a member's of the team."""
    with pytest.raises(StudyError, match="can't be called"):
        desk(tmp_path, by=name)


def test_notes_are_kept_with_author_and_trial(tmp_path: Path) -> None:
    """A note is in the history; one about no trial, empty or endless, is refused."""
    agent = desk(tmp_path)
    agent.note("the data has duplicates")
    agent.ask()
    agent.note(" looks lucky ", 0)
    kept = [(note.text, note.by, note.trial) for note in read(agent.study.folder).notes]
    assert kept == [("the data has duplicates", "visitor", None), ("looks lucky", "visitor", 0)]
    for text, trial in (("x", 4), (" ", None), ("x" * 4001, None)):
        with pytest.raises(StudyError):
            agent.note(text, trial)


def test_a_claim_is_written_down_and_tested_by_later_trials(tmp_path: Path) -> None:
    """It is open until later trials compare its sides; the report says where it stands."""
    agent = desk(tmp_path, trials=8)
    agent.tell(str(agent.ask().run), Told(outcome="done", metrics={"val_acc": 0.5}))
    region = (Extent(parameter="lr", low=0.2),)
    claim = Claim(by="", text=" too\nslow ", what="region", region=region)
    assert agent.claim(claim) == 0
    [standing] = standings(agent.history())
    assert (standing.claim.by, standing.claim.text, standing.status) == (
        "visitor",
        "too slow",
        "open",
    )
    other = desk(tmp_path, by="other")
    for change in ({"lr": 0.3, "depth": 5}, {"lr": 0.15, "depth": 5}):
        assert isinstance(other.propose(Offer(change=change, parent=0)), Admission)
    for value in (0.9, 0.6):
        other.tell(str(other.ask().run), Told(outcome="done", metrics={"val_acc": value}))
    [standing] = standings(read(agent.study.folder))
    assert (standing.status, standing.comparisons, standing.trials) == ("tentative", 1, (1, 2))
    write(agent.history(), agent.study.folder)
    for name in ("report.md", "report.html"):
        text = (agent.study.folder / name).read_text()
        assert "too slow" in text, name
        assert "tentative" in text, name


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"region": (Extent(parameter="momentum"),)}, "momentum is no parameter"),
        ({"region": (Extent(parameter="lr", low=7.0),)}, "holds no value of a number from 0.001"),
        ({"region": (Extent(parameter="lr", low=0.0),)}, "nothing could contradict the claim"),
        ({"region": (Extent(parameter="lr"),)}, "say which values of lr"),
        ({"text": " "}, "1 to 400 characters"),
        ({"what": "no_effect", "region": (Extent(parameter="lr"),)}, "below which threshold"),
        ({"what": "rate"}, "which share of seeds"),
        ({"what": "interaction"}, "interaction is about 2 parameters, not 1"),
        ({"where": "momentum > 1"}, "momentum"),
    ],
)
def test_a_claim_that_cannot_be_tested_is_refused(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    """The message says what to do; nothing is written down."""
    agent = desk(tmp_path)
    whole = Claim(by="", text="x", what="region", region=(Extent(parameter="lr", low=0.2),))
    with pytest.raises(StudyError, match=words):
        agent.claim(replace(whole, **changes))  # type: ignore[arg-type]
    assert agent.history().claims == []


def test_the_same_claim_is_made_once(tmp_path: Path) -> None:
    """Other words make it no other claim."""
    agent = desk(tmp_path)
    claim = Claim(by="", text="x", what="region", region=(Extent(parameter="lr", low=0.2),))
    agent.claim(claim)
    with pytest.raises(StudyError, match="claim 0 says the same already"):
        desk(tmp_path, by="other").claim(replace(claim, text="y"))


def test_notes_stand_in_both_reports(tmp_path: Path) -> None:
    """With their author and trial, and harmless whatever is in them."""
    agent = desk(tmp_path, trials=1)
    agent.tell(str(agent.ask().run), Told(outcome="done", metrics={"val_acc": 0.5}))
    agent.note("too <script>alert(1)</script> lucky", 0)
    write(agent.history(), agent.study.folder)
    html = (agent.study.folder / "report.html").read_text()
    assert "visitor on trial 0: too &lt;script&gt;alert(1)&lt;/script&gt; lucky" in html
    markdown = (agent.study.folder / "report.md").read_text()
    assert "- visitor on trial 0: too &lt;script&gt;alert(1)&lt;/script&gt; lucky" in markdown


def test_a_suggestion_is_what_the_team_would_propose_and_admits_nothing(tmp_path: Path) -> None:
    """Asked twice, it is the same; the study is not even opened for it."""
    agent = desk(tmp_path)
    first, second = agent.suggest(2), agent.suggest(2)
    assert [p.configuration for p in first] == [p.configuration for p in second]
    assert len(first) == 2
    assert not agent.study.folder.exists()


def test_an_agents_time_is_not_the_studys(tmp_path: Path) -> None:
    """Between a question and its answer the study's time budget stands still."""
    agent = desk(tmp_path)
    asked = agent.ask()
    before = agent.history().seconds
    time.sleep(0.6)
    agent.note("still busy")
    agent.tell(str(asked.run), Told(outcome="done", metrics={"val_acc": 0.5}))
    assert agent.history().seconds - before < agent.trial(0).runs[0].observation.seconds  # type: ignore[union-attr]


def test_whoever_runs_the_study_serves_the_desk(tmp_path: Path) -> None:
    """Beside a real `run`, offers are admitted or refused and run, notes kept, and asking waits."""
    agent = desk(tmp_path, sleep=0.9, trials=8)
    with coordinator(tmp_path):
        admitted = agent.propose(Offer(change={"lr": 0.25, "depth": 5}, why="a hunch"))
        assert isinstance(admitted, Admission)
        repeat = refused(agent.propose(Offer(change={"lr": 0.25, "depth": 5})))
        assert repeat == f"the same configuration as trial {admitted.number}"
        agent.note("from beside")
        with pytest.raises(StudyBusy, match=r"is running the study.*`propose` and `note`"):
            agent.ask()
    history = read(agent.study.folder)
    trial = history.trials[admitted.number]
    assert (trial.proposal.by, trial.state) == ("visitor", "done")
    assert not trial.runs[0].launch.by
    assert [note.text for note in history.notes] == ["from beside"]


def test_a_run_is_told_of_while_the_study_runs(tmp_path: Path) -> None:
    """An agent that took its run before may tell of it to whoever runs the study now."""
    agent = desk(tmp_path, sleep=0.9, trials=5)
    asked: Assignment = agent.ask()
    with coordinator(tmp_path):
        trial = agent.tell(str(asked.run), Told(outcome="done", metrics={"val_acc": 0.5}))
        assert trial.verdict is not None
    assert read(agent.study.folder).trials[0].value == 0.5


def test_a_stop_is_heard_while_results_pour_in(tmp_path: Path) -> None:
    """A request that comes between two results of a busy study is acted upon."""
    agent = desk(tmp_path, sleep=0.15, trials=400)
    with coordinator(tmp_path):
        agent.study.request(Request(what="stop"))
    history: History = read(agent.study.folder)
    assert history.closed is not None
    assert history.closed.reason == "stopped"
    assert len(history.trials) < 400
