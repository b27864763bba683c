"""A history is a fold over entries: what it says of trials, and that replay equals live."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ledger_records import RECORDS, TASK
from trialwright.errors import LedgerError
from trialwright.history import History, Trial, sides
from trialwright.records import (
    RECORD,
    Admission,
    Closed,
    CodeVersion,
    Entry,
    Launch,
    Observation,
    Opened,
    Outcome,
    Promotion,
    Proposal,
    Record,
    Request,
    RunKey,
    Status,
    Verdict,
)
from trialwright.robust import Robust
from trialwright.space import Int, Space
from trialwright.task import FRESH, Objective, Seeds

ONE = replace(
    TASK,
    space=Space((Int("n", 0, 999),)),
    objective=Objective(metric="y", direction="minimize"),
    start=(),
    grid=None,
    seeds=Seeds(screen=1),
)


def entries(
    records: Sequence[Record], *, step: float = 1.0, after: History | None = None
) -> list[Entry]:
    """Number records from 1 or on from a history, `step` seconds apart."""
    first = after.sequence if after else 0
    numbers = range(first, first + len(records))
    return [
        Entry(i + 1, 100.0 + i * step, record) for i, record in zip(numbers, records, strict=True)
    ]


def opened(screen: int = 1) -> list[Record]:
    """The first records of a study whose trials have `screen` seeds."""
    task = replace(ONE, seeds=Seeds(screen=screen))
    return [Opened(task=task, seed=0, version="0"), CodeVersion(id="c1")]


def admit(number: int, n: int | None = None, code: str = "c1") -> Admission:
    """Trial `number`, with its own configuration unless given."""
    configuration = {"n": number if n is None else n}
    return Admission(
        number=number, proposal=Proposal(configuration=configuration, by="x"), code=code
    )


def launch(trial: int, seed: int = 0, attempt: int = 0, code: str | None = None) -> Launch:
    """A run's launch."""
    key = RunKey(trial, seed, attempt)
    return Launch(run=key, seed=seed, command=(), machine="m", code=code)


def end(
    trial: int, seed: int = 0, attempt: int = 0, *, outcome: Outcome = "done",
    value: float | None = None,
) -> Observation:  # fmt: skip
    """A run's end; a done one is worth its trial's number unless told."""
    worth = (float(trial) if value is None else value) if outcome == "done" else None
    return Observation(run=RunKey(trial, seed, attempt), outcome=outcome, value=worth, seconds=1)


def verdict(trial: int, status: Status = "kept") -> Verdict:
    """A verdict."""
    return Verdict(trial=trial, status=status, sentence="")


def told(*records: Record, screen: int = 1) -> History:
    """The history of a study with these records."""
    return History(entries([*opened(screen), *records]))


def trial_of(*records: Record, screen: int = 1) -> Trial:
    """The only trial of such a history."""
    (trial,) = told(admit(0), *records, screen=screen).trials
    return trial


def face(history: History) -> dict[str, object]:
    """Everything that a history says in public."""
    trials = [
        (t.number, t.state, t.value, t.values, t.missing, t.planned, t.rerun, t.code, t.verdict,
         t.run, t.runs, t.admitted_at)
        for t in history.trials
    ]  # fmt: skip
    best = history.best()
    return {
        "trials": trials,
        "sequence": history.sequence,
        "seconds": history.seconds,
        "launches": history.launches,
        "finished": [t.number for t in history.finished()],
        "done": [t.number for t in history.done()],
        "pending": [t.number for t in history.pending()],
        "favoured": [t.number for t in history.favoured()],
        "interrupted": [run.key for run in history.interrupted()],
        "best": best and best.number,
        "spread": history.spread(code="c1"),
        "requests": history.requests,
        "codes": list(history.codes),
        "closed": history.closed,
        "started": (history.started_at, history.updated_at),
    }


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(
            ["admit", "launch", "end", "end", "verdict", "replicate", "rerun", "code", "reopen"]
        ),
        st.integers(0, 9),
        st.sampled_from(["done", "done", "failed", "pruned", "cancelled"]),
    ),
    max_size=60,
)


def story(operations: Sequence[tuple[str, int, str]]) -> list[Record]:
    """A possible course of a study: each operation acts on what is there, or does nothing."""
    records: list[Record] = opened(2)
    codes, trials = ["c1"], 0
    running: list[RunKey] = []
    attempts: dict[tuple[int, int], int] = {}
    for what, pick, outcome in operations:
        match what:
            case "admit":
                records.append(admit(trials, code=codes[-1]))
                trials += 1
            case "launch" if trials:
                seat = (pick % trials, pick % 3)
                key = RunKey(*seat, attempts.get(seat, 0))
                attempts[seat] = key.attempt + 1
                running.append(key)
                records.append(launch(key.trial, key.seed, key.attempt, code=codes[-1]))
            case "end" if running:
                key = running.pop(pick % len(running))
                value = float(pick) if outcome == "done" else None
                records.append(
                    Observation(run=key, outcome=outcome, value=value)  # type: ignore[arg-type]
                )
            case "verdict" if trials:
                statuses: tuple[Status, ...] = ("kept", "discarded", "unconfirmed")
                records.append(verdict(pick % trials, statuses[pick % 3]))
            case "replicate" | "rerun" if trials:
                request = "replicate" if what == "replicate" else "rerun"
                records.append(Request(what=request, trial=pick % trials, seeds=1))
            case "code":
                codes.append(f"c{pick}")
                records.append(CodeVersion(id=codes[-1]))
            case "reopen":
                records.append(Closed(reason="stopped", sentence=""))
                records.append(records[0])
    return records


@settings(max_examples=200, deadline=None)
@given(operations=OPERATIONS, cut=st.integers(0, 60))
def test_replay_equals_live(operations: list[tuple[str, int, str]], cut: int) -> None:
    """One by one, in two pieces, or read back from JSON: the same entries, the same history."""
    told_entries = entries(story(operations))
    live = History()
    for entry in told_entries:
        live.extend([entry])
        face(live)  # looking must change nothing
    pieces = History(told_entries[:cut])
    pieces.extend(told_entries[cut:])
    stored = [
        replace(e, record=RECORD.validate_json(RECORD.dump_json(e.record))) for e in told_entries
    ]
    assert face(live) == face(History(told_entries)) == face(pieces) == face(History(stored))


@settings(max_examples=100, deadline=None)
@given(operations=OPERATIONS)
def test_the_indices_agree_with_the_trials(operations: list[tuple[str, int, str]]) -> None:
    """What is kept current for speed is, after each entry, what a walk over all trials finds."""
    history = History()
    told_entries = entries(story(operations))
    for entry in told_entries:
        history.extend([entry])
        afresh = History(told_entries[: entry.sequence])
        for code in ["", *history.codes]:
            best, found = history.best(code=code), afresh.best(code=code)
            assert (best and best.number) == (found and found.number)
        assert history.done() == [t for t in history.trials if t.value is not None]
        in_favour = ("kept", "unconfirmed")
        favoured = [t for t in history.trials if t.verdict and t.verdict.status in in_favour]
        assert history.favoured() == favoured
        both = [*history.pending(), *history.finished()]
        assert sorted(t.number for t in both) == list(range(len(history.trials)))
        assert {t.state for t in history.finished()} <= {"done", "failed", "pruned"}
        for code in history.codes:
            squares, degrees = spread_of(history, code)
            assert history.spread(code=code)[0] == pytest.approx(squares, abs=1e-9)
            assert history.spread(code=code)[1] == degrees


def spread_of(history: History, code: str) -> tuple[float, int]:
    """Squared deviations from trials' means, and their degrees, the slow way."""
    squares, degrees = 0.0, 0
    for trial in history.trials:
        values = list(trial.values.values())
        if trial.code == code and len(values) > 1:
            mean = sum(values) / len(values)
            squares += sum((value - mean) ** 2 for value in values)
            degrees += len(values) - 1
    return squares, degrees


def test_a_rerun_takes_the_value_away_until_it_ends() -> None:
    """`done` lists trials with a value, so what reads it never meets one without."""
    records = (admit(0), launch(0), end(0, value=1), Request(what="rerun", trial=0))
    assert [t.number for t in told(*records).done()] == [0]
    assert told(*records, launch(0, 0, 1)).done() == []
    assert [t.value for t in told(*records, launch(0, 0, 1), end(0, 0, 1, value=2)).done()] == [2]


@pytest.mark.parametrize(
    ("records", "screen", "state", "value", "missing"),
    [
        ((), 1, "queued", None, (0,)),
        ((launch(0),), 1, "running", None, ()),
        ((launch(0), end(0, value=3)), 1, "done", 3.0, ()),
        ((launch(0), end(0, value=3)), 2, "running", 3.0, (1,)),
        ((launch(0), end(0, value=3), launch(0, 1)), 2, "running", 3.0, ()),
        ((launch(0), end(0, value=3), launch(0, 1), end(0, 1, value=4)), 2, "done", 3.5, ()),
        ((launch(0), end(0, outcome="failed")), 1, "failed", None, ()),
        ((launch(0), end(0, outcome="pruned")), 1, "pruned", None, ()),
        ((launch(0), end(0, outcome="cancelled")), 1, "cancelled", None, ()),
        (
            (launch(0), launch(0, 1), end(0, value=3), end(0, 1, outcome="failed")),
            2, "failed", None, (),
        ),
        (
            (launch(0), launch(0, 1), end(0, outcome="pruned"), end(0, 1, outcome="failed")),
            2, "failed", None, (),
        ),
        ((launch(0), launch(0, 1), end(0, outcome="failed")), 2, "running", None, ()),
        (
            (launch(0), end(0, outcome="failed"), launch(0, 0, 1), end(0, 0, 1, value=5)),
            1, "done", 5.0, (),
        ),
        (
            (launch(0), end(0, value=3), Request(what="replicate", trial=0, seeds=2)),
            1, "running", 3.0, (1, 2),
        ),
        (
            (launch(0), end(0, value=3), Request(what="rerun", trial=0)),
            1, "running", 3.0, (),
        ),
        (
            (launch(0), end(0, value=3), Request(what="rerun", trial=0), launch(0, 0, 1)),
            1, "running", None, (),
        ),
        (
            (launch(0), end(0, value=3), Request(what="rerun", trial=0), launch(0, 0, 1),
             end(0, 0, 1, value=9)),
            1, "done", 9.0, (),
        ),
    ],
)  # fmt: skip
def test_a_trial_stands_where_its_runs_put_it(
    records: tuple[Record, ...], screen: int, state: str, value: float | None,
    missing: tuple[int, ...],
) -> None:  # fmt: skip
    """Seeds, retries, replicates and reruns: the latest attempt of each seed counts."""
    trial = trial_of(*records, screen=screen)
    assert (trial.state, trial.value, trial.missing) == (state, value, missing)


def test_the_value_is_the_mean_over_seeds_and_the_run_shown_is_the_first_seeds() -> None:
    """A robust objective is a mean; `run` is the latest attempt of seed 0."""
    trial = trial_of(
        launch(0), launch(0, 1), launch(0, 2), end(0, value=1), end(0, 1, value=2),
        end(0, 2, value=6), launch(0, 0, 1), end(0, 0, 1, value=4), screen=3,
    )  # fmt: skip
    assert trial.values == {0: 4.0, 1: 2.0, 2: 6.0}
    assert trial.value == 4.0
    assert trial.run is not None
    assert trial.run.key == RunKey(0, 0, 1)
    assert (trial.attempts(0), trial.attempts(1)) == (2, 1)


def test_runs_of_another_code_version_are_not_pooled() -> None:
    """After a rerun under changed files only the new version's runs count."""
    trial = trial_of(
        launch(0), end(0, value=1), launch(0, 1), end(0, 1, value=3),
        launch(0, 0, 1, code="c2"), end(0, 0, 1, value=10), screen=2,
    )  # fmt: skip
    assert (trial.code, trial.values, trial.missing) == ("c2", {0: 10.0}, (1,))


def test_seconds_leave_the_gaps_between_sessions_out() -> None:
    """A study that lay overnight has not used its time budget."""
    records = [*opened(), admit(0), Closed(reason="stopped", sentence=""), opened()[0], launch(0)]
    times = [0.0, 2.0, 5.0, 6.0, 50_000.0, 50_004.0]
    history = History(
        Entry(i + 1, at, record) for i, (at, record) in enumerate(zip(times, records, strict=True))
    )
    assert history.seconds == 10.0
    assert (history.started_at, history.updated_at) == (0.0, 50_004.0)
    assert history.closed is None


def test_a_clock_that_was_set_back_takes_no_time_away() -> None:
    """Wall clocks jump; the sum never falls."""
    history = History(
        Entry(i + 1, at, record)
        for i, (at, record) in enumerate(zip((9.0, 3.0, 4.0), [*opened(), admit(0)], strict=True))
    )
    assert history.seconds == 1.0


def test_the_best_is_the_favoured_trial_with_the_best_value_and_the_first_of_equals() -> None:
    """Verdicts decide who is in the running, the objective's direction who leads."""
    runs = [r for n, v in enumerate((3, 1, 1, 0)) for r in (admit(n), launch(n), end(n, value=v))]
    history = told(*runs)
    assert history.best() is None
    history = told(
        *runs, verdict(0), verdict(1), verdict(2, "unconfirmed"), verdict(3, "discarded")
    )
    best = history.best()
    assert best is not None
    assert best.number == 1
    later = told(*runs, verdict(3), verdict(3, "discarded"), verdict(0)).best()
    assert later is not None
    assert later.number == 0


def test_the_best_follows_each_record_that_changes_it() -> None:
    """A verdict, one taken back, a run of the leader that is repeated; less is better."""
    course: list[tuple[Record, int]] = [
        (verdict(0), 0),
        (verdict(1), 1),
        (verdict(1, "discarded"), 0),
        (verdict(1), 1),
        (launch(1, attempt=1), 0),
        (end(1, attempt=1, value=0.5), 1),
        (launch(1, attempt=2), 0),
        (end(1, attempt=2, value=9), 0),
    ]
    runs = [r for n, v in enumerate((3, 1)) for r in (admit(n), launch(n), end(n, value=v))]
    history = told(*runs)
    for record, leader in course:
        history.extend(entries([record], after=history))
        best = history.best()
        assert best is not None
        assert best.number == leader


def test_the_best_of_a_new_code_version_starts_anew() -> None:
    """Values of different versions are not compared; the old best stays reachable by its code."""
    history = told(
        admit(0), launch(0), end(0, value=1), verdict(0), CodeVersion(id="c2"),
        admit(1, code="c2"), launch(1), end(1, value=5), verdict(1),
    )  # fmt: skip
    best, old = history.best(), history.best(code="c1")
    assert best is not None
    assert old is not None
    assert (best.number, old.number, history.code) == (1, 0, "c2")


def test_seen_holds_per_code_version_and_tried_over_all() -> None:
    """The same configuration may be run again once the files have changed."""
    history = told(admit(0, n=7), CodeVersion(id="c2"))
    assert history.seen({"n": 7.0}, code="c1") == 0
    assert history.seen({"n": 7}, code="c2") is None
    assert history.seen({"n": 8}, code="c1") is None
    assert history.tried({"n": 7})
    assert not history.tried({"n": 8})


def test_cancelled_and_unfinished_runs_are_interrupted_until_taken_up_again() -> None:
    """Resume reads this list."""
    records = [admit(0), launch(0), admit(1), launch(1), end(1, outcome="cancelled")]
    assert [r.key for r in told(*records).interrupted()] == [RunKey(0, 0, 0), RunKey(1, 0, 0)]
    taken_up = told(*records, launch(1, 0, 1), end(1, 0, 1))
    assert [r.key for r in taken_up.interrupted()] == [RunKey(0, 0, 0)]


@pytest.mark.parametrize(
    "record", [launch(0), end(0), verdict(3), RECORDS[8], admit(4)], ids=lambda r: r.kind
)
def test_records_about_what_is_not_there_are_a_ledger_error(record: Record) -> None:
    """A fold over a damaged ledger ends with the entry's number, not with a traceback."""
    with pytest.raises(LedgerError, match="trial"):
        told(record)


def test_a_gap_or_a_repeated_entry_is_a_ledger_error() -> None:
    """Entries come in order, each once."""
    first, second, third = entries([*opened(), admit(0)])
    for wrong in ([first, third], [first, first], [second]):
        with pytest.raises(LedgerError, match="has a gap"):
            History(wrong)
    history = History([first, second])
    history.extend([third])
    assert history.sequence == 3


def test_requests_for_trials_that_are_not_there_change_nothing() -> None:
    """A door may be late or wrong; the request is still on record."""
    history = told(
        admit(0), Request(what="replicate", trial=5, seeds=1), Request(what="rerun", trial=-1)
    )
    assert (history.trials[0].planned, history.trials[0].rerun) == (1, False)
    assert [sequence for sequence, _ in history.requests] == [4, 5]


def test_an_empty_history_knows_nothing() -> None:
    """Before the first session there is no task to speak of."""
    history = History()
    assert (history.opened, history.sequence, history.code, history.seconds) == (False, 0, "", 0.0)
    assert history.trials == history.done() == history.pending() == []
    with pytest.raises(LedgerError, match="no study yet"):
        history.task  # noqa: B018  # asking is the point


def test_a_done_run_without_a_finite_value_has_no_value() -> None:
    """NaN never becomes a trial's value, since `done` needs one."""
    objective = Objective(metric="y")
    assert objective.value([1.0, math.nan]) is None
    trial = trial_of(launch(0), Observation(run=RunKey(0, 0, 0), outcome="done", value=None))
    assert trial.value is None


def promotion(trial: int, seeds: int, *, fresh: bool = False) -> Promotion:
    """A trial gets more seeds."""
    return Promotion(trial=trial, seeds=seeds, fresh=fresh, reason="a contender")


def test_a_promoted_trial_is_due_again_and_done_once_its_seeds_are() -> None:
    """A promotion plans seeds up to a number in all, whatever was planned before."""
    history = History(entries([*opened(), admit(0), launch(0), end(0, value=1.0)]))
    history.extend(entries([promotion(0, 3), promotion(0, 2)], after=history))
    trial = history.trials[0]
    assert (trial.missing, trial.state, history.pending()) == ((1, 2), "running", [trial])
    more = [launch(0, 1), end(0, 1, value=2.0), launch(0, 2), end(0, 2, value=3.0)]
    history.extend(entries(more, after=history))
    assert (trial.state, trial.value, history.pending()) == ("done", 2.0, [])


def test_fresh_seeds_are_seen_by_no_selection() -> None:
    """Neither value, noise nor best change by them; one that fails fails nobody."""
    history = History(entries([*opened(screen=2), admit(0), *both(0, 1.0, 2.0)]))
    history.extend(entries([promotion(0, 3, fresh=True)], after=history))
    trial = history.trials[0]
    before = (trial.value, trial.values, history.spread(code="c1"), history.best())
    assert trial.missing == (FRESH, FRESH + 1, FRESH + 2)
    runs = [launch(0, FRESH), launch(0, FRESH + 1), launch(0, FRESH + 2)]
    ends = [end(0, FRESH, value=9.0), end(0, FRESH + 1, outcome="failed")]
    history.extend(entries([*runs, *ends], after=history))
    assert trial.state == "running"
    assert [run.key.seed for run in history.interrupted()] == [FRESH + 2]
    history.extend(entries([end(0, FRESH + 2, outcome="cancelled")], after=history))
    assert trial.state == "cancelled"
    assert [run.key.seed for run in history.interrupted()] == [FRESH + 2]
    again = [launch(0, FRESH + 2, 1), end(0, FRESH + 2, 1, value=8.0)]
    history.extend(entries(again, after=history))
    assert (trial.state, history.pending()) == ("done", [])
    assert before == (trial.value, trial.values, history.spread(code="c1"), history.best())
    assert [run.observation.value for run in trial.fresh.values() if run.observation] == [
        9.0,
        None,
        8.0,
    ]


def test_fresh_seeds_are_dropped_when_the_code_changes() -> None:
    """They would be of other code; the trial keeps its value, and is not waited for."""
    records = [*opened(), admit(0), launch(0), end(0, value=1.0), promotion(0, 2, fresh=True)]
    history = History(entries([*records, launch(0, FRESH), end(0, FRESH), CodeVersion(id="c2")]))
    assert history.pending() == []
    assert (history.trials[0].missing, history.trials[0].state) == ((), "done")
    assert history.trials[0].value == 1.0


def test_the_best_is_the_best_by_the_robust_objective() -> None:
    """By the worst seed the steady trial leads; by the mean the other one does."""
    found = {}
    for kind in ("mean", "worst"):
        seeds = Seeds(screen=2, objective=Robust(kind=kind))  # type: ignore[arg-type]
        task = replace(ONE, objective=Objective(metric="y"), seeds=seeds)
        trials = [
            admit(0),
            *both(0, 0.6, 0.7),
            verdict(0),
            admit(1),
            *both(1, 0.2, 1.9),
            verdict(1),
        ]
        records = [Opened(task=task, seed=0, version="0"), CodeVersion(id="c1"), *trials]
        best = History(entries(records)).best()
        assert best is not None
        found[kind] = (best.number, best.value)
    assert found == {"mean": (1, 1.05), "worst": (0, 0.6)}


def test_confirmed_trials_are_compared_over_all_of_their_seeds() -> None:
    """Up to `confirm` seeds the common ones decide; from there on every seed counts."""
    seeds = Seeds(screen=1, confirm=2, most=4)
    task = replace(ONE, objective=Objective(metric="y"), seeds=seeds)
    records = [Opened(task=task, seed=0, version="0"), CodeVersion(id="c1")]
    records += [admit(0), launch(0), end(0, value=1.0), verdict(0)]
    records += [admit(1), launch(1), end(1, value=2.0), verdict(1)]
    history = History(entries(records))
    more = [promotion(1, 2), launch(1, 1), end(1, 1, value=-2.0)]
    history.extend(entries(more, after=history))
    ones = history.trials
    assert sides(ones[1], ones[0], task) == ([2.0], [1.0])
    assert history.best() is ones[1]
    more = [promotion(0, 3), launch(0, 1), end(0, 1, value=2.5), launch(0, 2), end(0, 2, value=2.0)]
    history.extend(entries(more, after=history))
    assert sides(ones[0], ones[1], task) == ([1.0, 2.5, 2.0], [2.0, -2.0])
    assert history.best() is ones[0]


def both(trial: int, first: float, second: float) -> list[Record]:
    """Two seeds of a trial, done."""
    return [
        launch(trial), end(trial, value=first), launch(trial, 1), end(trial, 1, value=second),
    ]  # fmt: skip
