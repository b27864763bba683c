"""Who may write a study's course: taking over, being taken over, and never two at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.ledger_records import RECORDS
from tests.postgres.server import PostgresServer
from trialwright.errors import LeaseLost, StudyBusy
from trialwright.postgres.lease import Holding, Lease, acquire, held_by
from trialwright.postgres.ledger import PostgresLedger

LONG = Holding(lease_s=3600.0)
"""So long that nothing renews it while a test goes on."""

HOLDER = """
import sys, time
from trialwright.postgres.lease import Holding, acquire
lease = acquire(sys.argv[1], "study", Holding(lease_s=1.0))
print(lease.token, flush=True)
time.sleep(600)
"""
LIMIT_S = 30.0


def until(true: Callable[[], bool]) -> None:
    """Wait for something that has to come."""
    deadline = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


def expire(url: str) -> None:
    """Let the lease end by the server's clock."""
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE trialwright.study SET expires = now() - interval '1 second'")


@contextmanager
def held(url: str, holding: Holding = LONG) -> Iterator[Lease]:
    """Hold the study while the block runs."""
    lease = acquire(url, "study", holding)
    try:
        yield lease
    finally:
        lease.close()


@contextmanager
def holder(url: str) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the study, for one second at a time."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, url], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_one_at_a_time(database: str) -> None:
    """The second is told who has it; once that lets go, it has it at once, with a larger token."""
    with held(database) as first:
        with pytest.raises(StudyBusy, match=f"process {os.getpid()} on .*study 'study' at"):
            acquire(database, "study", LONG)
        assert held_by(database, "study") is not None
    assert held_by(database, "study") is None
    with held(database) as second:
        assert second.token > first.token


def test_another_study_of_the_database_is_free(database: str) -> None:
    """Leases are per study."""
    with held(database):
        acquire(database, "other", LONG).close()


def test_a_live_holder_keeps_it(database: str) -> None:
    """It renews: three times its lease later it still has it."""
    with held(database, Holding(lease_s=0.6)) as lease:
        with psycopg.connect(database, autocommit=True) as connection:
            ends = "SELECT extract(epoch FROM expires)::float8 FROM trialwright.study"

            def end() -> float:
                row = connection.execute(ends).fetchone()
                assert row is not None
                return float(row[0])

            first = end()
            until(lambda: end() > first + 1.8)
        assert not lease.lost


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_who_has_gone_silent_is_taken_over_from(database: str, number: signal.Signals) -> None:
    """Killed or only asleep: who waits is told once whom for, and has it when the lease ends."""
    said: list[str] = []
    with holder(database) as process:
        process.send_signal(number)
        with held(database, Holding(lease_s=3600.0, wait=said.append)) as lease:
            assert lease.token == 2
            now = held_by(database, "study")
            assert now is not None
            assert f"process {os.getpid()} " in now.name
    assert len(said) == 1
    assert f"waiting: process {process.pid} on" in said[0]


def test_an_append_of_a_former_holder_is_refused(database: str) -> None:
    """Even where its sequence is the right one; doors, which hold nothing, still append."""
    with held(database) as first:
        one = PostgresLedger(database, "study", lease=first)
        one.append(RECORDS[:2], 0)
        expire(database)
        with held(database) as second:
            two = PostgresLedger(database, "study", lease=second)
            assert len(two.read()) == 2
            with pytest.raises(LeaseLost, match="another coordinator took over the study"):
                one.append(RECORDS[2:3], 2)
            with pytest.raises(LeaseLost):
                one.append([], 2)
            assert len(two.append(RECORDS[2:3], 2)) == 1
            with pytest.raises(LeaseLost):
                one.append(RECORDS[3:4], 2)
            door = PostgresLedger(database, "study", create=False)
            door.append(RECORDS[3:4], 3)
            assert len(two.read()) == 4
            for ledger in (one, two, door):
                ledger.close()


def test_letting_go_late_takes_nothing_from_the_next(database: str) -> None:
    """A former holder's release is not the holder's."""
    first = acquire(database, "study", LONG)
    expire(database)
    with held(database) as second:
        first.close()
        now = held_by(database, "study")
        assert now is not None
        two = PostgresLedger(database, "study", lease=second)
        two.append(RECORDS[:1], 0)
        two.close()


def test_an_append_that_meets_a_takeover_waits_for_it_and_is_refused(database: str) -> None:
    """There is no moment between the look at the token and the write."""
    with held(database) as first, psycopg.connect(database) as taking:
        ledger = PostgresLedger(database, "study", lease=first)
        ledger.append(RECORDS[:1], 0)
        taking.execute("UPDATE trialwright.study SET token = token + 1")  # not committed yet
        raised: list[BaseException] = []

        def append() -> None:
            try:
                ledger.append(RECORDS[1:2], 1)
            except LeaseLost as error:
                raised.append(error)

        thread = threading.Thread(target=append)
        thread.start()
        with psycopg.connect(database, autocommit=True) as looking:
            waiting = (
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                " AND datname = current_database()"
            )
            until(lambda: looking.execute(waiting).fetchone() == (1,))
        taking.commit()
        thread.join(LIMIT_S)
        assert len(raised) == 1
        ledger.close()
    door = PostgresLedger(database, "study", create=False)
    assert len(door.read()) == 1
    door.close()


def test_a_takeover_that_meets_an_append_sees_it(database: str) -> None:
    """Who took over reads all that was ever accepted: it waits for what is on its way."""
    with held(database) as first, psycopg.connect(database) as appending:
        appending.execute("SELECT 1 FROM trialwright.study WHERE token = 1 FOR SHARE")
        appending.execute(
            "INSERT INTO trialwright.record SELECT 1, 1, 0, 'notice', '{}', gen_random_uuid()"
        )
        expire_later = threading.Thread(target=expire, args=(database,))
        expire_later.start()
        with psycopg.connect(database, autocommit=True) as looking:
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            until(lambda: looking.execute(waiting).fetchone() == (1,))
            count = "SELECT count(*) FROM trialwright.record"
            assert looking.execute(count).fetchone() == (0,)
            appending.commit()
            expire_later.join(LIMIT_S)
            acquire(database, "study", LONG).close()
            assert looking.execute(count).fetchone() == (1,)
        assert first.token == 1


def test_who_only_reads_finds_out_too(database: str) -> None:
    """A coordinator whose runs take hours does not append: its reads end it."""
    with held(database, Holding(lease_s=0.6)) as lease:
        ledger = PostgresLedger(database, "study", lease=lease)
        ledger.read()
        with psycopg.connect(database) as connection:
            connection.execute("UPDATE trialwright.study SET token = token + 1")
        until(lambda: lease.lost)
        with pytest.raises(LeaseLost):
            ledger.read()
        ledger.close()


def test_a_lease_outlives_a_crash_of_the_server(server: PostgresServer, database: str) -> None:
    """Its holder goes on with the same token."""
    with held(database, Holding(lease_s=0.6)) as lease:
        ledger = PostgresLedger(database, "study", lease=lease)
        ledger.append(RECORDS[:1], 0)
        server.restart()
        ledger.append(RECORDS[1:2], 1)
        with psycopg.connect(database, autocommit=True) as connection:
            valid = "SELECT expires > clock_timestamp() FROM trialwright.study"
            until(lambda: connection.execute(valid).fetchone() == (True,))
        assert not lease.lost
        ledger.close()


def test_a_step_is_waited_for(database: str) -> None:
    """Whoever holds a study for a moment only, as agents do, is no reason to give up."""
    step = acquire(database, "study", Holding(lease_s=3600.0, step=True))
    found: list[Lease] = []
    thread = threading.Thread(target=lambda: found.append(acquire(database, "study", LONG)))
    thread.start()
    thread.join(1.0)
    assert thread.is_alive()
    step.close()
    thread.join(LIMIT_S)
    assert found[0].token == 2
    found[0].close()


def test_waiting_can_be_stopped(database: str) -> None:
    """A Ctrl-C while waiting is heard."""
    said: list[str] = []
    with held(database):
        impatient = Holding(lease_s=9.0, wait=said.append, stopped=lambda: bool(said))
        with pytest.raises(StudyBusy, match="stopped while waiting"):
            acquire(database, "study", impatient)
    assert len(said) == 1
