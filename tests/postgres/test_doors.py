"""Studies whose ledger is on a server, as a user has them: real processes in several folders.

Each folder stands for a machine: it has the study file, and nothing else in common with the others.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest

from tests.app.commands import TRAIN, clear, command, environment, lay_out, ran
from tests.app.started import Started
from tests.postgres.server import PASSWORD, PostgresServer
from tests.postgres.warm import Starter
from tests.thoroughness import repeats
from trialwright.history import History, read
from trialwright.postgres.ledger import PostgresLedger
from trialwright.records import Launch, Opened
from trialwright.store import NOTE, Store
from trialwright.task import LedgerPlan

LIMIT_S = 100.0
LEASE = "2s"
KILLS = int(os.environ.get("TRIALWRIGHT_KILLS") or repeats(3, 5))
"""Rounds of the test that kills coordinators."""


def machine(
    folder: Path, url: str, *, sleep: float = 0.0, trials: int = 3, stuck: int | None = None
) -> Path:
    """Lay a study out in a folder of its own, its ledger at `url`; return the folder.

    There, runs take `sleep` seconds; those of trial `stuck` and all later ones don't end.
    """
    folder.mkdir()
    with lay_out(folder, sleep=sleep, trials=trials).open("a") as file:
        file.write(f"ledger: {{url: '{url}', lease: {LEASE}}}\n")
    if stuck is not None:
        waits = f"import os, time\nif int(os.environ['TRIALWRIGHT_TRIAL']) >= {stuck}:\n"
        (folder / "train.py").write_text(waits + "    time.sleep(600)\n" + TRAIN)
    return folder


@contextmanager
def coordinator(folder: Path, *words: str, **more: str) -> Iterator[Started]:
    """A process that runs the study, with what it says in a file beside it."""
    process = Started(folder, "run", "--plain", *words, file=folder / "said", **more)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def said(folder: Path) -> str:
    """What a coordinator has said so far."""
    path = folder / "said"
    return path.read_text() if path.exists() else ""


def until(true: Callable[[], object], what: str) -> None:
    """Wait for something that has to come."""
    deadline = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < deadline, f"it never came: {what}"
        time.sleep(0.05)


def stored(url: str, name: str = "toy") -> History:
    """The history as the server has it; a gap in it would raise."""
    return read(Store(Path("nowhere"), LedgerPlan(url=url), name))


def begun(url: str) -> bool:
    """Whether any trial has been started."""
    with closing(psycopg.connect(url)) as connection:
        try:
            row = connection.execute("SELECT 1 FROM trialwright.record WHERE kind = 'launch'")
        except psycopg.errors.UndefinedTable:
            return False
        return row.fetchone() is not None


def whole(url: str, trials: int) -> History:
    """The history of a study that came to its end: every trial once, and no configuration twice."""
    history = stored(url)
    assert history.closed is not None
    assert history.closed.reason == "budget"
    assert [trial.number for trial in history.done()] == list(range(trials))
    keys = [history.space.key(trial.configuration) for trial in history.trials]
    assert len(set(keys)) == trials
    return history


def holders(url: str) -> int:
    """How often the study was taken, by the token."""
    with closing(psycopg.connect(url)) as connection:
        row = connection.execute("SELECT token FROM trialwright.study").fetchone()
        assert row is not None
        return int(row[0])


@pytest.mark.slow
def test_a_study_runs_and_is_seen_from_a_machine_that_has_only_its_file(
    tmp_path: Path, database: str
) -> None:
    """Without the script, the data and the folder of results: every command that looks works."""
    here = machine(tmp_path / "here", database)
    assert ran(here, "run", "--plain").returncode == 0
    assert not (here / "runs" / "toy" / "ledger.db").exists()
    there = tmp_path / "there"
    there.mkdir()
    (there / "study.yaml").write_text((here / "study.yaml").read_text())
    looks = (("status",), ("show", "1"), ("best",), ("tree",), ("best", "--as", "yaml"))
    for words in looks:
        answer = ran(there, *words)
        assert answer.returncode == 0, answer.stderr
        assert answer.stdout == ran(here, *words).stdout
    assert list(there.iterdir()) == [there / "study.yaml"]
    whole(database, 3)
    for words in (("report",), ("notebook",), ("export", "--to", "sqlite:///out.db")):
        answer = ran(there, *words)
        assert answer.returncode == 0, answer.stderr
    assert (there / "runs" / "toy" / "report.html").is_file()
    clear(answer := ran(there, "log", "1"))
    assert "there is no log" in answer.stderr


def test_a_folder_of_results_says_where_its_ledger_is(tmp_path: Path, database: str) -> None:
    """By itself, also where the study file says nothing: `run --ledger` is enough, once."""
    lay_out(tmp_path)
    assert ran(tmp_path, "run", "--plain", "--ledger", database).returncode == 0
    results = tmp_path / "runs" / "toy"
    assert json.loads((results / NOTE).read_text())["ledger"] == database
    (tmp_path / "study.yaml").write_text(
        (tmp_path / "study.yaml").read_text().replace("trials: 3", "trials: 4")
    )
    assert ran(tmp_path, "run", "--plain").returncode == 0
    whole(database, 4)
    status = ran(tmp_path, "status", "--study", str(results), "--json")
    assert json.loads(status.stdout)["running"] is False
    assert len(read(results).trials) == 4
    assert not (results / "ledger.db").exists()


@pytest.mark.slow
def test_doors_of_another_machine_are_heard(tmp_path: Path, database: str) -> None:
    """While the study runs: wishes, trials and notes; it is seen to run, and where."""
    here = machine(tmp_path / "here", database, trials=8, stuck=1)
    there = machine(tmp_path / "there", database, trials=8)
    with coordinator(here) as running:
        until(lambda: begun(database), "a trial")
        assert f"process {running.pid} on " in ran(there, "status").stdout
        steered = ran(there, "steer", "try lr=0.25, depth=4", "--json")
        assert json.loads(steered.stdout)["trial"] is not None, steered.stderr
        offered = ran(there, "propose", "--set", "depth=9", "--by", "guest", "--json")
        number = json.loads(offered.stdout)["trial"]
        assert ran(there, "note", "seen from afar", "--by", "guest").returncode == 0
        busy = ran(there, "ask", "--by", "guest")
        clear(busy)
        assert f"process {running.pid} on " in busy.stderr
    history = stored(database)
    assert history.trials[number].proposal.by == "guest"
    assert [note.text for note in history.notes] == ["seen from afar"]


def test_runs_are_asked_for_and_told_from_several_machines(tmp_path: Path, database: str) -> None:
    """With nobody running the study, agents step it, each from a machine of its own."""
    here, there = (machine(tmp_path / name, database, trials=2) for name in ("here", "there"))
    first = json.loads(ran(here, "ask", "--by", "a", "--json").stdout)["run"]
    second = json.loads(ran(there, "ask", "--by", "b", "--json").stdout)["run"]
    assert first != second
    for folder, run, by in ((there, second, "b"), (here, first, "a")):
        told = ran(folder, "tell", run, "--metric", "val_acc=0.5", "--by", by)
        assert told.returncode == 0, told.stderr
    whole(database, 2)


@pytest.mark.slow
def test_the_second_coordinator_waits_and_takes_over_from_a_killed_one(
    tmp_path: Path, database: str
) -> None:
    """It says so; after `kill -9` of the first it goes on, and the study comes to its end."""
    first = machine(tmp_path / "first", database, trials=8, stuck=3)
    second = machine(tmp_path / "second", database, trials=8)
    with coordinator(first) as one:
        until(lambda: len(re.findall("done in", said(first))) == 3, "three results")
        with coordinator(second) as two:
            until(lambda: "waiting: " in said(second), "words on waiting")
            assert f"waiting: process {one.pid} on " in said(second)
            assert "started" not in said(second)
            one.kill()
            assert two.wait(LIMIT_S) == 0, said(second)
    history = whole(database, 8)
    assert holders(database) == 2
    # What was finished is kept; what the first had begun is run again.
    attempts = [trial.runs[-1].key.attempt for trial in history.trials]
    assert attempts == [0, 0, 0, 1, 1, 0, 0, 0]


@pytest.mark.slow
def test_a_coordinator_that_slept_through_a_takeover_writes_nothing_any_more(
    tmp_path: Path, database: str
) -> None:
    """It ends with one clear error, its runs with it; the study is the other's."""
    first = machine(tmp_path / "first", database, sleep=60, trials=3)
    second = machine(tmp_path / "second", database, trials=3)
    starts = str(tmp_path / "starts")
    with coordinator(first, STARTS=starts) as one:
        until(lambda: Path(starts).exists(), "a run")
        one.send_signal(signal.SIGSTOP)
        with coordinator(second) as two:
            assert two.wait(LIMIT_S) == 0, said(second)
        before = stored(database).sequence
        one.send_signal(signal.SIGCONT)
        assert one.wait(LIMIT_S) == 2
    assert "another coordinator took over the study 'toy'" in said(first)
    assert "Traceback" not in said(first)
    whole(database, 3)
    assert stored(database).sequence == before
    started = [int(line.split()[1]) for line in Path(starts).read_text().splitlines()]
    until(lambda: not any(map(alive, started)), "the end of its runs")


def alive(process: int) -> bool:
    """Whether a process is there, and no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_second_coordinator_gives_up_where_it_is_told_to(tmp_path: Path, database: str) -> None:
    """`--no-wait`: one clear error that says who runs the study."""
    first, second = (machine(tmp_path / name, database, stuck=0) for name in ("one", "two"))
    with coordinator(first) as one:
        until(lambda: begun(database), "a trial")
        answer = ran(second, "run", "--plain", "--no-wait")
        clear(answer)
        assert f"process {one.pid} on " in answer.stderr


@pytest.mark.slow
def test_killed_at_random_moments_no_study_forks(tmp_path: Path, database: str) -> None:
    """Two coordinators, the one at work killed again and again: nothing is lost or done twice.

    `TRIALWRIGHT_KILLS` says how often.
    """
    rng, trials, killed = random.Random(7), 3 * KILLS + 4, 0
    folders = [
        machine(tmp_path / name, database, sleep=0.2, trials=trials) for name in ("one", "two")
    ]
    logs = (tmp_path / f"said{number}" for number in count())
    with closing(Starter()) as starter:

        def start(folder: Path) -> int:
            return starter.start(folder, next(logs), "run", "--plain")

        running = [start(folder) for folder in folders]
        try:
            while killed < KILLS and all(map(alive, running)):
                time.sleep(rng.uniform(0.0, 1.0))
                at_work = holder(database) if begun(database) else None
                if at_work in running:
                    finished = acknowledged(database)
                    os.kill(at_work, signal.SIGKILL)
                    until(lambda gone=at_work: not alive(gone), "its end")
                    killed += 1
                    index = running.index(at_work)
                    running[index] = start(folders[index])
                    assert finished <= acknowledged(database)
            until(lambda: not any(map(alive, running)), "the end of the study")
        finally:
            for process in filter(alive, running):
                os.kill(process, signal.SIGKILL)
    assert killed >= min(KILLS, 3)
    complaints = [path.read_text() for path in tmp_path.glob("*.err")]
    assert [text for text in complaints if "Traceback" in text or "trialwright:" in text] == []
    tell_of(whole(database, trials), database, killed)


def holder(url: str) -> int | None:
    """The process that holds the study now."""
    with closing(psycopg.connect(url)) as connection:
        row = connection.execute(
            "SELECT holder FROM trialwright.study WHERE expires > clock_timestamp()"
        ).fetchone()
    return None if row is None or row[0] is None else int(row[0].split()[1])


def acknowledged(url: str) -> set[int]:
    """The trials that are done."""
    return {trial.number for trial in stored(url).done()}


def tell_of(history: History, url: str, killed: int) -> None:
    """Hold a study that was killed often to its promises."""
    with closing(PostgresLedger(url, "toy", create=False)) as ledger:
        entries = ledger.read()
    sessions = [entry for entry in entries if isinstance(entry.record, Opened)]
    launches = [entry.record.run for entry in entries if isinstance(entry.record, Launch)]
    # Many are killed before they have written anything.
    assert len(sessions) > killed // 5
    assert len(set(launches)) == len(launches), "a run was launched twice"
    for trial in history.trials:
        observed = [run for run in trial.runs if run.observation is not None]
        assert [run.observation.outcome for run in observed if run.observation] == ["done"]
        assert observed[0] is trial.runs[-1], "a finished run was done again"


@pytest.mark.slow
def test_a_server_that_restarts_in_the_middle_of_a_study_loses_nothing(
    tmp_path: Path, server: PostgresServer, database: str
) -> None:
    """It crashes twice; the study waits and goes on, the same coordinator to its end."""
    here = machine(tmp_path / "here", database, sleep=0.4, trials=8)
    with coordinator(here) as running:
        for done in (2, 4):
            until(lambda done=done: len(re.findall("done in", said(here))) >= done, "results")
            before = stored(database).sequence
            server.restart()
            assert stored(database).sequence >= before
        assert running.wait(LIMIT_S) == 0, said(here)
    history = whole(database, 8)
    assert all(len(trial.runs) == 1 for trial in history.trials)
    assert holders(database) == 1


def test_a_variable_holds_the_password_and_nothing_else_does(
    tmp_path: Path, server: PostgresServer, database: str
) -> None:
    """Not the folder, the ledger, the logs, nor the runs' environments."""
    server.sql(f"GRANT CREATE ON DATABASE {database.rpartition('/')[2]} TO guarded")
    here = machine(tmp_path / "here", "$LAB")
    (here / "train.py").write_text(TRAIN + "\nprint(dict(os.environ))\n")
    clear(answer := ran(here, "run", "--plain"))
    assert "the variable LAB says, and it is not set here" in answer.stderr
    guarded = database.replace("postgres@", f"guarded:{PASSWORD}@")
    assert ran(here, "run", "--plain", LAB=guarded).returncode == 0
    assert "3 of 3 trials" in ran(here, "status", LAB=guarded).stdout
    whole(guarded, 3)
    texts = [path.read_bytes() for path in here.rglob("*") if path.is_file()]
    assert [text for text in texts if PASSWORD.encode() in text] == []
    logs = [path.read_text() for path in here.rglob("stdout.log")]
    assert len(logs) == 3
    assert all("PATH" in log for log in logs)
    bodies = server.sql("SELECT body FROM trialwright.record", database.rpartition("/")[2])
    assert "$LAB" in bodies
    assert PASSWORD not in bodies


def test_a_variable_names_the_server_for_studies_that_say_nothing(
    tmp_path: Path, database: str
) -> None:
    """By its name, and only for those that were not begun elsewhere."""
    lay_out(tmp_path)
    (tmp_path / "other").mkdir()
    lay_out(tmp_path / "other")
    assert ran(tmp_path / "other", "run", "--plain").returncode == 0
    assert ran(tmp_path, "run", "--plain", TRIALWRIGHT_LEDGER=database).returncode == 0
    whole(database, 3)
    noted = json.loads((tmp_path / "runs" / "toy" / NOTE).read_text())
    assert noted["ledger"] == "$TRIALWRIGHT_LEDGER"
    status = ran(tmp_path / "other", "status", "--json", TRIALWRIGHT_LEDGER=database)
    assert json.loads(status.stdout)["trials"]["done"] == 3
    assert not (tmp_path / "other" / "runs" / "toy" / NOTE).exists()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f"ledger: postgresql://me:{PASSWORD}@127.0.0.1/lab", "there is a password in the URL"),
        (f"ledger: 'postgresql://127.0.0.1/lab?password={PASSWORD}'", "a password in the URL"),
        ("ledger: mysql://127.0.0.1/lab", "must be postgresql://"),
        ("ledger: $1x", "is no variable"),
        ("ledger: {lease: 5s}", "needs a url"),
        ("ledger: {url: $LAB, lease: 0.5s}", "from 1s to 1h"),
        ("ledger: 3", "must be text"),
    ],
)
def test_a_wrong_ledger_is_a_problem_with_its_line(tmp_path: Path, line: str, words: str) -> None:
    """As every problem of a study file; a password is not repeated."""
    with lay_out(tmp_path).open("a") as file:
        file.write(line + "\n")
    answer = ran(tmp_path, "run", "--plain")
    clear(answer)
    assert words in answer.stderr
    assert re.match(r"trialwright: study.yaml:11:\d+: ledger", answer.stderr)
    assert PASSWORD not in answer.stderr
    assert not (tmp_path / "runs").exists()


def test_a_password_on_the_command_line_is_refused(tmp_path: Path) -> None:
    """Others see it there; it is not repeated."""
    lay_out(tmp_path)
    url = f"postgresql://me:{PASSWORD}@127.0.0.1/lab"
    answer = ran(tmp_path, "run", "--plain", "--ledger", url)
    clear(answer)
    assert "there is a password in the URL" in answer.stderr
    assert PASSWORD not in answer.stderr


def test_a_server_that_is_not_there_is_one_clear_error(tmp_path: Path, database: str) -> None:
    """For every door, and nothing is left behind."""
    here = machine(tmp_path / "here", re.sub(r":\d+/", ":1/", database))
    for words in (("run", "--plain"), ("status",), ("best",), ("steer", "slower"), ("history",)):
        answer = ran(here, *words)
        clear(answer)
        assert "is the server running" in answer.stderr
        assert len(answer.stderr.strip().splitlines()) == 1
    assert not (here / "runs").exists()


def test_a_study_stays_where_it_was_begun(tmp_path: Path, server: PostgresServer) -> None:
    """Neither from a file to a server, nor to a server that does not have it."""
    lay_out(tmp_path)
    assert ran(tmp_path, "run", "--plain").returncode == 0
    answer = ran(tmp_path, "run", "--plain", "--ledger", server.fresh())
    clear(answer)
    assert "was begun with its ledger in ledger.db, and stays there" in answer.stderr
    remote = machine(tmp_path / "remote", server.fresh())
    assert ran(remote, "run", "--plain").returncode == 0
    answer = ran(remote, "run", "--plain", "--ledger", server.fresh())
    clear(answer)
    assert "no study 'toy' at" in answer.stderr
    text = (remote / "study.yaml").read_text()
    (remote / "study.yaml").write_text(text.replace("name: toy", "name: toy2"))
    answer = ran(remote, "run", "--plain", "--folder", "runs/toy")
    clear(answer)
    assert "holds the runs of the study 'toy', not of 'toy2'" in answer.stderr


def test_without_psycopg_the_error_says_what_to_install(tmp_path: Path) -> None:
    """An interpreter that does not find it, as it is without the extra."""
    here = machine(tmp_path / "here", "postgresql://127.0.0.1/lab")
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        "import sys\n"
        "from importlib.machinery import PathFinder\n"
        "class Without(PathFinder):\n"
        "    @classmethod\n"
        "    def find_spec(cls, name, path=None, target=None):\n"
        "        return None if name == 'psycopg' else super().find_spec(name, path, target)\n"
        "sys.meta_path = [Without if one is PathFinder else one for one in sys.meta_path]\n"
    )
    path = os.pathsep.join((str(hidden), os.environ.get("PYTHONPATH", "")))
    answer = subprocess.run(
        command("status"), cwd=here, env=environment(PYTHONPATH=path),
        capture_output=True, text=True, check=False, timeout=LIMIT_S,
    )  # fmt: skip
    assert answer.returncode == 2
    assert 'pip install "trialwright[postgres]"' in answer.stderr
