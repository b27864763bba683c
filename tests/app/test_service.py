"""A study as a service: real processes that are started, killed, asked to stop and looked at."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.app.commands import clear, command, environment, lay_out, ran
from tests.app.receivers import SECRET, receiver, until
from trialwright.app.service import card
from trialwright.app.service.log import NAME, ServiceLog, last_line
from trialwright.app.service.plan import ABANDONED, AT_WORK, BROKEN, HOPELESS, Plan
from trialwright.app.service.supervisor import Rules, Supervisor, ending
from trialwright.history import History, read
from trialwright.store import locked

RESULTS = Path("runs") / "toy"
PATIENCE_S = 150.0

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for a study; whatever serves it is gone afterwards."""
    yield tmp_path
    there = card.read(tmp_path / RESULTS)
    if there is not None and (there.alive or locked(tmp_path / RESULTS)):
        for pid in (there.pid, there.coordinator):
            with suppress(ProcessLookupError):
                if pid is not None and pid != os.getpid():
                    os.kill(pid, signal.SIGKILL)
    until(lambda: not locked(tmp_path / RESULTS))


@contextmanager
def going(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A command that goes on beside the test, ended with the block."""
    process = subprocess.Popen(
        command(*words),
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def fine(answer: subprocess.CompletedProcess[str]) -> str:
    """What a command printed that did its work."""
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def log_of(folder: Path) -> str:
    """The service's log."""
    return (folder / RESULTS / NAME).read_text()


def card_of(folder: Path) -> card.Card:
    """The service's card."""
    there = card.read(folder / RESULTS)
    assert there is not None
    return there


def history_of(folder: Path) -> History:
    """What is known of the study."""
    return read(folder / RESULTS)


def ended(folder: Path) -> bool:
    """Whether the service is gone."""
    return not card.alive(folder / RESULTS)


def test_a_study_is_served_looked_at_and_stopped(folder: Path) -> None:
    """`serve` returns, says how to look, follow and stop; `status` knows it; `stop` ends it."""
    lay_out(folder, sleep=1.0, trials=50)
    said = fine(ran(folder, "serve"))
    assert f"follow: tail -F {RESULTS / NAME}" in said
    assert f"status: trialwright status {RESULTS}" in said
    assert f"stop:   trialwright stop {RESULTS}" in said
    there = card_of(folder)
    assert there.alive
    assert there.state == "running"
    assert f"process {there.pid}" in said
    # Detached: in a session of its own, and a child of nobody who could hang up.
    assert os.getsid(there.pid) == there.pid
    assert psutil.Process(there.pid).terminal() is None
    until(lambda: " done in " in log_of(folder))
    status = fine(ran(folder, "status"))
    assert f"(process {there.pid} on {there.host}, coordinator {there.coordinator})" in status
    assert "it runs as a service since 20" in status
    assert "last event: 20" in status
    document = json.loads(fine(ran(folder, "status", "--json")))
    assert document["running"]
    assert document["service"]["pid"] == there.pid
    assert document["service"]["state"] == "running"
    assert document["service"]["last_event"]
    assert document["notification_failed"] is None
    again = ran(folder, "serve")
    clear(again)
    assert "runs as a service already" in again.stderr
    said = fine(ran(folder, "stop"))
    assert "it finishes its running trials first" in said
    assert "it is down: stopped on request; run it again to resume" in said
    assert ended(folder)
    history = history_of(folder)
    assert history.closed is not None
    assert history.closed.reason == "stopped"
    assert not history.interrupted()
    assert not psutil.pid_exists(there.coordinator or 0)
    assert card_of(folder).state == "ended"
    assert "the service has ended, with status 0" in last_line(folder / RESULTS)
    assert "it runs as a service" not in fine(ran(folder, "status"))


def test_the_log_has_a_line_per_event(folder: Path) -> None:
    """Start, end and verdict of each trial, the report and the end, each with its time."""
    lay_out(folder, trials=2)
    fine(ran(folder, "serve"))
    until(lambda: ended(folder))
    lines = log_of(folder).splitlines()
    assert all(line[:2] == "20" and line[19:21] == "Z " for line in lines)
    events = [line[21:] for line in lines]
    assert events[0].startswith("the service of ")
    assert events[1].startswith(f"{AT_WORK}: process ")
    for number in (0, 1):
        (start,) = (line for line in events if line.startswith(f"trial {number} started"))
        assert "; why: " in start
        assert any(line.startswith(f"trial {number} done in ") for line in events)
        assert any(line.startswith(f"trial {number} is ") for line in events)
    report = folder / RESULTS / "report.html"
    assert events[-3:] == [
        f"report: {report}",
        "ended (budget): all 2 trials of the budget are done",
        "the service has ended, with status 0",
    ]
    assert report.is_file()


@pytest.mark.slow
def test_a_killed_coordinator_is_started_again(folder: Path) -> None:
    """After `kill -9` the service goes on where the ledger ends, and loses no finished run."""
    lay_out(folder, sleep=0.6, trials=500)
    fine(ran(folder, "serve"))
    first = card_of(folder)
    until(lambda: len(history_of(folder).finished()) >= 2)
    assert first.coordinator is not None
    os.kill(first.coordinator, signal.SIGKILL)
    until(lambda: card_of(folder).restarts == 1 and card_of(folder).state == "running")
    second = card_of(folder)
    assert second.pid == first.pid
    assert second.coordinator != first.coordinator
    assert "its coordinator was started again 1 times" in fine(ran(folder, "status"))
    before = len(history_of(folder).finished())
    until(lambda: len(history_of(folder).finished()) > before)
    assert "it is down: stopped on request" in fine(ran(folder, "stop"))
    log = log_of(folder)
    assert "the coordinator was killed by SIGKILL; it is started again in 1 s" in log
    assert log.count(AT_WORK) == 2
    history = history_of(folder)
    assert not history.pending()
    runs = [run for trial in history.trials for run in trial.runs]
    done = [run.key.trial for run in runs if run.observation and run.observation.outcome == "done"]
    assert sorted(done) == list(range(len(history.trials)))


def test_a_study_without_hope_is_not_started_again(folder: Path) -> None:
    """A study whose first runs all fail alike ends its service, with the status of `run`."""
    lay_out(folder, trials=9)
    (folder / "train.py").write_text("import nothing_of_this_name\n")
    with going(folder, "serve", "--foreground") as process:
        out, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == HOPELESS, out
    assert out.count(AT_WORK) == 1
    assert "ended (failed): the first " in out
    assert "started again" not in out


def test_bad_input_is_told_at_once_and_leaves_nothing(folder: Path) -> None:
    """A broken file, and a command that is not there, are told by `serve` itself."""
    file = lay_out(folder)
    text = file.read_text()
    file.write_text(text.replace("maximize val_acc", "maximise val_acc"))
    clear(ran(folder, "serve"))
    file.write_text(text.replace("python3, train.py", "no-such-command, train.py"))
    clear(ran(folder, "serve"))
    assert not (folder / "runs").exists()


@pytest.mark.slow
def test_input_that_breaks_later_is_not_tried_again(folder: Path) -> None:
    """A coordinator that finds its study file broken after a crash ends the service."""
    file = lay_out(folder, sleep=0.6, trials=500)
    fine(ran(folder, "serve"))
    there = card_of(folder)
    file.write_text("goal: nothing\n")
    assert there.coordinator is not None
    os.kill(there.coordinator, signal.SIGKILL)
    until(lambda: ended(folder))
    assert card_of(folder).state == "failed"
    log = log_of(folder)
    assert "study.yaml:1:7: goal: 'nothing' must be" in log
    assert f"the service has ended, with status {BROKEN}" in log


def test_stop_now_ends_the_running_trials(folder: Path) -> None:
    """`stop --now` does not wait for a long run; the run is to be run again on resume."""
    lay_out(folder, sleep=600.0, trials=4)
    fine(ran(folder, "serve"))
    until(lambda: history_of(folder).launches == 2)
    said = fine(ran(folder, "stop", "--now"))
    assert "stopping its running trials" in said
    assert "it is down: stopped on request" in said
    assert "2 trials to be run again on resume" in said
    assert ended(folder)
    assert len(history_of(folder).interrupted()) == 2


def test_stop_ends_a_run_in_another_terminal(folder: Path) -> None:
    """What is no service is asked through the ledger, too; the JSON says how it ended."""
    lay_out(folder, sleep=1.0, trials=50)
    with going(folder, "run") as process:
        until(lambda: locked(folder / RESULTS))
        until(lambda: history_of(folder).launches > 0)
        document = json.loads(fine(ran(folder, "stop", "--json")))
        out, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, out
    assert document["closed"]["reason"] == "stopped"
    assert document["pending"] == []


def test_stop_without_anything_to_stop_says_so(folder: Path) -> None:
    """Nothing is noted in the ledger, so that the next run is not stopped."""
    lay_out(folder, trials=1)
    fine(ran(folder, "run"))
    before = history_of(folder).sequence
    assert "nothing is running the study" in fine(ran(folder, "stop"))
    assert history_of(folder).sequence == before


def test_what_runs_elsewhere_is_not_served(folder: Path) -> None:
    """A study that a terminal runs is refused, with the way to look and to stop."""
    lay_out(folder, sleep=600.0, trials=4)
    with going(folder, "run"):
        until(lambda: locked(folder / RESULTS))
        answer = ran(folder, "serve")
        clear(answer)
        assert "is running the study" in answer.stderr
        assert "trialwright stop" in answer.stderr
        fine(ran(folder, "stop", "--now"))


def test_the_foreground_ends_in_order_on_a_signal(folder: Path) -> None:
    """As systemd has it: SIGTERM stops at once and in order, and the log is on standard output."""
    lay_out(folder, sleep=600.0, trials=4)
    with going(folder, "serve", "--foreground") as process:
        until(lambda: card.alive(folder / RESULTS) and card_of(folder).state == "running")
        assert card_of(folder).pid == process.pid
        until(lambda: history_of(folder).launches == 2)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, out
    assert "ended (stopped)" in out
    assert out.splitlines() == log_of(folder).splitlines()
    assert len(history_of(folder).interrupted()) == 2


def test_stop_ends_a_service_between_two_starts(folder: Path) -> None:
    """Asked while no coordinator is there, the service starts none."""
    file = lay_out(folder, trials=1)
    fine(ran(folder, "run"))
    sequence = history_of(folder).sequence
    plan = Plan(file=str(file), folder=str(folder / RESULTS), since=sequence)
    log = ServiceLog(folder / RESULTS)
    rules = Rules(wait_s=3600.0, longest_wait_s=3600.0)
    result: list[int] = []

    def serve() -> None:
        with card.held(folder / RESULTS) as own:
            result.append(Supervisor(plan, own, log, rules).run())

    # No coordinator can work while the ledger is no ledger.
    ledger = folder / RESULTS / "ledger.db"
    kept = ledger.read_bytes()
    ledger.write_bytes(b"nothing of a ledger" * 99)
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    until(lambda: card.alive(folder / RESULTS) and card_of(folder).state == "waiting")
    ledger.write_bytes(kept)
    answer = ran(folder, "stop")
    thread.join()
    assert "it is down" in fine(answer)
    assert result == [0]
    assert "stopped on request while no coordinator was running" in log_of(folder)


@pytest.mark.slow
def test_a_service_that_can_not_go_on_gives_up_and_tells(folder: Path) -> None:
    """After so many crashes in a row, with growing waits; the webhooks hear of it."""
    file = lay_out(folder, trials=1)
    fine(ran(folder, "run"))
    with receiver() as there:
        file.write_text(f"{file.read_text()}notify: {{url: '{there.url}', format: json}}\n")
        (folder / RESULTS / "ledger.db").write_bytes(b"nothing of a ledger" * 99)
        lines: list[str] = []
        plan = Plan(file=str(file), folder=str(folder / RESULTS))
        rules = Rules(crashes=1, wait_s=0.01)
        with card.held(folder / RESULTS) as own:
            assert Supervisor(plan, own, lines.append, rules).run() == ABANDONED
    assert sum("started again in" in line for line in lines) == 1
    assert any("the service gives up: its coordinator crashed 2 times in a row" in line
               for line in lines)  # fmt: skip
    (body,) = there.taken
    assert body["reason"] == "crashed"
    assert "toy stands still on" in body["text"]
    assert card_of(folder).state == "abandoned"


@pytest.mark.slow
def test_a_served_study_tells_its_webhooks_once(folder: Path) -> None:
    """Over a `kill -9` and a receiver that stumbles; the address is in no log and no run."""
    file = lay_out(folder, sleep=3.0, trials=5)
    script = folder / "train.py"
    script.write_text(
        "import os\nopen(os.environ['TRIALWRIGHT_FOLDER'] + '/hook', 'w').write("
        "os.environ.get('HOOK', 'none'))\n" + script.read_text()
    )
    with receiver([200, 500]) as there:
        file.write_text(f"{file.read_text()}notify: {{url: $HOOK, format: json}}\n")
        assert "was told" in fine(ran(folder, "serve", "--test-notify", HOOK=there.url[:-1] + "t"))
        there.taken.clear()
        fine(ran(folder, "serve", HOOK=there.url))
        there.until(1)
        until(lambda: any("told to $HOOK" in n.text for n in history_of(folder).notices))
        coordinator = card_of(folder).coordinator
        assert coordinator is not None
        os.kill(coordinator, signal.SIGKILL)
        until(lambda: ended(folder))
        ids = [body["id"] for body in there.taken]
    assert len(ids) == len(set(ids))
    assert "budget:trials:5" in ids
    assert ids[-1].startswith("finished:budget:")
    assert there.taken[-1]["report"] == str(folder / RESULTS / "report.html")
    assert SECRET not in log_of(folder)
    hooks = [path.read_text() for path in (folder / RESULTS).rglob("hook")]
    assert set(hooks) == {"none"}


def test_status_says_when_a_message_last_failed(folder: Path) -> None:
    """A refused message is in the ledger, and `run` and `status` say so."""
    with receiver([404] * 9) as there:
        file = lay_out(folder, trials=1)
        file.write_text(f"{file.read_text()}notify: '{there.url}'\n")
        answer = ran(folder, "run")
    assert answer.returncode == 0
    assert "not told to http://127.0.0.1:" in answer.stderr
    said = fine(ran(folder, "status"))
    assert "a notification last failed at 20" in said
    assert "answered 404 (attempt 1, the last)" in said
    document = json.loads(fine(ran(folder, "status", "--json")))
    assert document["notification_failed"]["at"] > time.time() - 3600
    assert SECRET not in said + json.dumps(document) + answer.stdout + answer.stderr


@pytest.mark.slow
def test_a_coordinator_outlives_its_supervisor(folder: Path) -> None:
    """Without a supervisor the study goes on, its log is still written, and `stop` ends it."""
    lay_out(folder, sleep=0.6, trials=500)
    fine(ran(folder, "serve"))
    there = card_of(folder)
    os.kill(there.pid, signal.SIGKILL)
    until(lambda: not card.alive(folder / RESULTS))
    lines = len(log_of(folder).splitlines())
    until(lambda: len(log_of(folder).splitlines()) > lines + 4)
    assert locked(folder / RESULTS)
    assert "is gone, without having ended in order" in fine(ran(folder, "status"))
    assert "it is down: stopped on request" in fine(ran(folder, "stop"))
    until(lambda: "ended (stopped)" in log_of(folder))


def test_the_log_is_bounded(tmp_path: Path) -> None:
    """A full log is set aside in place of the one before; lines stay whole and in order."""
    log = ServiceLog(tmp_path, largest=2000)
    for number in range(400):
        log(f"event {number}\nwith \x1b[31mmore")
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) == 2
    assert max(sizes) < 2100
    kept = "".join((tmp_path / name).read_text() for name in (f"{NAME}.1", NAME)
                   if (tmp_path / name).exists()).splitlines()  # fmt: skip
    numbers = [int(line.split()[3]) for line in kept]
    assert numbers == list(range(numbers[0], 400))
    assert all(line.isprintable() for line in kept)
    log("the last")
    assert last_line(tmp_path).endswith(" the last")


def test_a_log_that_can_not_be_written_ends_nothing(tmp_path: Path) -> None:
    """Where there is no folder any more, lines are lost, and nothing else."""
    ServiceLog(tmp_path / "gone")("a line")
    assert last_line(tmp_path / "gone") == ""


def test_endings_are_said_in_words() -> None:
    """Signals by their names, our own statuses by what they mean."""
    assert ending(-11) == "was killed by SIGSEGV"
    assert ending(70) == "failed with status 70"
    assert ending(BROKEN) == "can't run this study"
