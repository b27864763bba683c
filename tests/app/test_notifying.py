"""Messages to real receivers from real studies: once each, and never at the study's expense."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.app.receivers import SECRET, Receiver, nobody, receiver, until
from trialwright.app import posting
from trialwright.app.notifying import Notifier
from trialwright.app.posting import Pace, deliver
from trialwright.execute.simulate import SimulatedRunner
from trialwright.history import History, read
from trialwright.notify import NOTIFIED
from trialwright.space import Configuration, Float, Space
from trialwright.store import store_in
from trialwright.study import Study
from trialwright.task import Budget, Objective, Seeds, Task
from trialwright.webhook import Topic, Webhook

QUICK = Pace(timeout_s=60.0, waits_s=(0.01, 0.02, 0.03), patience_s=120.0)
PATIENT = Pace(timeout_s=60.0, waits_s=(), patience_s=0.2)


def document(text: str = "hello") -> dict[str, object]:
    """What is posted."""
    return {"text": text}


def posted(url: str, pace: Pace = QUICK) -> str:
    """Deliver a message; why it could not be."""
    return deliver(url, document(), pace, over=threading.Event())


def test_a_receiver_that_stumbles_is_tried_again() -> None:
    """After 500, 503 and 429 the message arrives, and once."""
    with receiver([500, 503, 429]) as there:
        assert posted(there.url) == ""
    assert len(there.came) == 4
    assert there.taken == [document()]


def test_a_receiver_that_stays_broken_is_given_up() -> None:
    """After the last attempt it is said how it answered, without the address."""
    with receiver([500] * 9) as there:
        fault = posted(there.url)
    assert fault == "answered 500 (attempt 4, the last)"
    assert len(there.came) == 4


@pytest.mark.parametrize("status", [400, 403, 404, 410, 301, 302, 307])
def test_what_another_attempt_can_not_mend_is_given_up_at_once(status: int) -> None:
    """A refusal and a redirection are final: nothing is sent where the user did not say."""
    with receiver() as elsewhere, receiver([status], headers={"Location": elsewhere.url}) as there:
        fault = posted(there.url)
        assert elsewhere.came == []
    assert fault == f"answered {status} (attempt 1, the last)"
    assert len(there.came) == 1


def test_nobody_there_and_nobody_answering_are_told_apart() -> None:
    """A refused connection and a silent receiver each have their words."""
    assert "refused" in posted(nobody())
    with receiver(held=True) as there:
        fault = posted(there.url, Pace(timeout_s=0.05, waits_s=(0.0,)))
    assert fault == "no answer in time (attempt 2, the last)"


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/" + SECRET, "http://[::1/" + SECRET,
                                 "http://a b/" + SECRET, "ftp://h/" + SECRET])  # fmt: skip
def test_no_fault_has_the_address_in_it(url: str) -> None:
    """Whatever is wrong with an address, what is said does not repeat it."""
    fault = posted(url, Pace(timeout_s=1.0, waits_s=()))
    assert fault
    assert SECRET not in fault


def test_a_receivers_wish_to_wait_is_heeded_within_bounds() -> None:
    """`Retry-After` lengthens the wait; what is no number does not, and a year is not waited."""
    with receiver([429], headers={"Retry-After": "9e9"}) as there:
        attempt = posting.post(there.url, b"{}", timeout_s=5.0)
        assert (attempt.again, attempt.after_s) == (True, 9e9)
        there.statuses.append(429)
        over = threading.Event()
        over.set()
        pace = Pace(waits_s=(0.0,), longest_s=0.01)
        assert "no time was left" in deliver(there.url, document(), pace, over=over)
    with receiver([429], headers={"Retry-After": "soon"}) as there:
        assert posting.post(there.url, b"{}", timeout_s=5.0).after_s == 0.0


# -- with a study

SPACE = Space((Float("lr", 0.0, 1.0, default=0.0),))
DONE = "all 5 trials of the budget are done"


def rising(configuration: Configuration, seed: int) -> float:
    """Better with `lr`; seeds hardly matter."""
    lr = configuration["lr"]
    assert isinstance(lr, float)
    return lr + 0.001 * (seed % 3)


def task(*webhooks: Webhook, **changes: object) -> Task:
    """Five trials, the first three of them given: each better than the one before."""
    plain = Task(
        name="small",
        objective=Objective(metric="y"),
        space=SPACE,
        command=("true",),
        start=({"lr": 0.1}, {"lr": 0.5}, {"lr": 1.0}),
        team=("random",),
        seeds=Seeds(screen=3),
        budget=Budget(trials=5),
        notify=webhooks,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def run(
    what: Task,
    folder: Path,
    *,
    said: list[str] | None = None,
    pace: Pace = QUICK,
    best_every_s: float = 0.0,
    function: Callable[[Configuration, int], float] = rising,
    during: Callable[[Study, History], None] | None = None,
) -> History:
    """Run a study that tells its webhooks, one run at a time."""
    lines = [] if said is None else said
    with SimulatedRunner(function, slots=1) as runner:
        study = Study(what, folder, runner=runner)
        with Notifier(
            what, study.store, lines.append, environ={}, pace=pace, best_every_s=best_every_s
        ) as notifier:

            def watch(history: History, event: Any) -> None:
                notifier(history, event)
                if during is not None:
                    during(study, history)

            history = study.run(watch)
            notifier.finish(history, folder / "report.html")
    return history


def events(there: Receiver) -> list[str]:
    """The ids of the messages that were taken, in the form `json`."""
    return [body["id"] for body in there.taken]


def hook(there: Receiver, *on: Topic) -> Webhook:
    """A webhook at a receiver, in the form `json`."""
    return Webhook(url=there.url, format="json", **({"on": on} if on else {}))  # type: ignore[arg-type]


def notices(folder: Path) -> list[str]:
    """What the ledger says of messages."""
    return [one.text for one in read(folder).notices if one.topic == NOTIFIED]


def test_a_study_tells_of_best_budget_and_end(tmp_path: Path) -> None:
    """Each message once, with its facts; the ledger says that it was told, and not where."""
    with receiver() as there:
        run(task(hook(there)), tmp_path)
    ids = events(there)
    assert sorted(ids) == ["best:1", "best:2", "budget:trials:5", "finished:budget:15:2"]
    end = there.taken[ids.index("finished:budget:15:2")]
    assert (end["event"], end["study"], end["trial"]) == ("finished", "small", 2)
    assert end["reason"] == "budget"
    assert end["report"] == str(tmp_path / "report.html")
    assert end["probability"] > 0.95
    assert [text.split()[0] for text in notices(tmp_path)] == ids
    assert all(text.endswith("told to http://127.0.0.1:" + there.url.split(":")[2].split("/")[0]
               + "/...") for text in notices(tmp_path))  # fmt: skip


def test_nothing_but_the_study_file_has_the_address(tmp_path: Path) -> None:
    """Neither ledger nor any other file in the study's folder."""
    with receiver() as there:
        run(task(hook(there)), tmp_path)
        assert there.paths
        assert all(SECRET in path for path in there.paths)
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.name != "study.yaml":
            assert SECRET.encode() not in path.read_bytes(), path


def test_slack_gets_one_text_and_nothing_else(tmp_path: Path) -> None:
    """The usual form is what Slack reads."""
    with receiver() as there:
        run(task(Webhook(url=there.url, on=("finished",))), tmp_path)
    (body,) = there.taken
    assert list(body) == ["text"]
    assert DONE in body["text"]


def test_nothing_is_told_twice_when_a_study_is_resumed(tmp_path: Path) -> None:
    """Stopped and gone on with, raised and gone on with: only what is new is told."""
    with receiver() as there:

        def stopping(study: Study, history: History) -> None:
            if len(history.finished()) >= 2:
                study.stop()

        what = task(hook(there, "best", "budget"))
        run(what, tmp_path, during=stopping)
        assert events(there) == ["best:1"]
        run(what, tmp_path)
        assert sorted(events(there)) == ["best:1", "best:2", "budget:trials:5"]
        run(what, tmp_path)
        run(replace(what, budget=Budget(trials=6)), tmp_path)
    assert sorted(events(there)) == ["best:1", "best:2", "budget:trials:5", "budget:trials:6"]


def test_the_same_end_is_told_once(tmp_path: Path) -> None:
    """Running a spent study again says nothing; a longer one ends anew."""
    with receiver() as there:
        what = task(hook(there, "finished"))
        run(what, tmp_path)
        run(what, tmp_path)
        run(replace(what, budget=Budget(trials=6)), tmp_path)
    assert [one.rpartition(":")[0] for one in events(there)] == [
        "finished:budget:15", "finished:budget:18",
    ]  # fmt: skip


def test_what_could_not_be_told_before_is_told_on_resume(tmp_path: Path) -> None:
    """Decided from the ledger, not from memory: a session that was killed has told nobody."""
    with receiver() as there:
        what = task(hook(there, "best"))
        run(replace(what, notify=()), tmp_path)
        run(what, tmp_path)
    assert events(there) == ["best:2"]


def test_new_bests_are_throttled_to_the_latest(tmp_path: Path) -> None:
    """Within the interval only the first is told at once, and at the end the last."""
    with receiver() as there:
        run(task(hook(there, "best")), tmp_path, best_every_s=3600.0)
    assert events(there) == ["best:1", "best:2"]
    with receiver() as other:
        run(task(hook(other, "best", "finished")), tmp_path / "other", best_every_s=3600.0)
    assert events(other) == ["best:1", "finished:budget:15:2"]


def test_failures_are_told_once_while_they_last(tmp_path: Path) -> None:
    """Ten runs of which half fail are one message."""

    def failing(configuration: Configuration, seed: int) -> float:
        lr = configuration["lr"]
        assert isinstance(lr, float)
        if lr > 0.2:
            raise ValueError("it diverged")
        return rising(configuration, seed)

    with receiver() as there:
        what = task(hook(there, "failures"), budget=Budget(trials=9))
        run(what, tmp_path, function=failing)
    (body,) = there.taken
    assert body["event"] == "failures"
    assert body["failed"] >= 5
    assert "of the last" in body["text"]


def test_each_target_gets_what_it_asked_for(tmp_path: Path) -> None:
    """Two receivers with topics of their own; one that is broken costs the other nothing."""
    with receiver() as one, receiver([500] * 99) as two, receiver() as three:
        hooks = (hook(one, "budget"), hook(two), hook(three, "finished"))
        run(task(*hooks), tmp_path)
    assert events(one) == ["budget:trials:5"]
    assert events(three) == ["finished:budget:15:2"]
    assert two.taken == []
    lost = [text for text in notices(tmp_path) if "not told to" in text]
    assert len(lost) == 4
    assert all("answered 500 (attempt 4, the last)" in text for text in lost)


def test_a_message_given_up_is_not_tried_again(tmp_path: Path) -> None:
    """A later session does not send old news to a receiver that has come back."""
    with receiver([500] * 4) as there:
        what = task(hook(there, "budget"))
        run(what, tmp_path)
        assert there.taken == []
        run(what, tmp_path)
        assert there.taken == []


def test_a_silent_receiver_delays_no_run(tmp_path: Path) -> None:
    """All trials end while the first message is still held; at the end it is given up, and said."""
    said: list[str] = []
    with receiver(held=True) as there:
        history = run(task(hook(there)), tmp_path, said=said, pace=PATIENT)
        assert history.closed is not None
        assert history.closed.sentence == DONE
        assert len(there.came) <= 1
        assert there.taken == []
    assert len(said) == 4
    assert all("took too long" in line for line in said)
    assert len(notices(tmp_path)) == 4


def test_telling_of_the_end_adds_no_time_to_the_study(tmp_path: Path) -> None:
    """What is noted behind the end has the time of the end."""
    with receiver([500, 500]) as there:
        run(task(hook(there, "finished")), tmp_path, pace=replace(QUICK, waits_s=(0.3, 0.3)))
        assert len(there.taken) == 1
    with closing(store_in(tmp_path).open()) as ledger:
        last, before = (entry for entry in reversed(ledger.read()[-2:]))
    assert before.record.kind == "closed"
    assert last.at == before.at


def test_a_variable_that_is_not_set_is_said_and_ends_nothing(tmp_path: Path) -> None:
    """The study runs, and the others are told."""
    said: list[str] = []
    with receiver() as there:
        hooks = (Webhook(url="$NOT_THERE"), hook(there, "finished"))
        run(task(*hooks), tmp_path, said=said)
    assert said == [
        "notify: $NOT_THERE is not set here to an http:// or https:// address: it is not told"
    ]
    assert len(there.taken) == 1


def test_a_notice_beside_a_running_study_is_no_fork(tmp_path: Path) -> None:
    """Messages during a study are in its ledger in order, and the study lost nothing."""
    counts = []
    with receiver() as there:

        def waiting(study: Study, history: History) -> None:
            counts.append(len(history.trials))
            if len(history.finished()) == 3:
                until(lambda: len(there.taken) >= 2)

        run(task(hook(there)), tmp_path, during=waiting)
    history = read(tmp_path)
    assert len(history.trials) == 5
    assert history.launches == 15
    assert len(notices(tmp_path)) == 4
