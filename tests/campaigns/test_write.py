"""Autoresearch's results.tsv: what is written is read again, and a file is kept up with a study."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.histories import study_history
from trialwright.campaigns.campaign import Campaign, Experiment, Status
from trialwright.campaigns.read import parse, read
from trialwright.campaigns.write import history_tsv, keep_up, results_tsv
from trialwright.errors import CampaignError
from trialwright.history import History

HEADER = "commit\tval_accuracy\tmemory_gb\tstatus\tdescription\n"
OTHERS = "a1b2c3d\t0.500000\t44.0\tkeep\tbaseline of somebody\n"

commits = st.from_regex(r"[0-9a-f]{7}", fullmatch=True) | st.just("")
texts = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=40
) | st.sampled_from(['"quoted"', '"', "a\tb\nc", "# 7", "val_bpb", "keep", "0.000000", "  "])
metrics = st.floats(allow_nan=False, allow_infinity=False, width=64).filter(
    lambda value: abs(value) < 999
)
memories = st.floats(min_value=0.01, max_value=640) | st.none()


@st.composite
def experiments(draw: st.DrawFn) -> tuple[Experiment, ...]:
    """Rows that have nothing but what the format has a column for."""
    found = []
    for number in range(1, draw(st.integers(0, 8)) + 1):
        status: Status = draw(st.sampled_from(("keep", "discard", "crash", "other")))
        word = draw(st.sampled_from(("contender", "NEW_BEST", "done"))) if status == "other" else ""
        found.append(
            Experiment(
                number=number,
                line=number + 1,
                commit=draw(commits),
                metric=draw(st.none() | metrics) if status != "crash" else None,
                memory_gb=draw(memories),
                status=status,
                word=word,
                description=" ".join(draw(texts).split()),
            )
        )
    return tuple(found)


@settings(max_examples=150, deadline=None)
@given(experiments())
def test_what_is_written_is_read_again(rows: tuple[Experiment, ...]) -> None:
    """Commit, metric to the last digit, memory, status and description survive in full."""
    one = Campaign(
        name="c", metric="val_loss", direction="minimize", experiments=rows, dialect="autoresearch"
    )
    again = parse(results_tsv(one), name="c")
    assert again.experiments == rows
    assert (again.metric, again.direction, again.dialect) == (
        "val_loss",
        "minimize",
        "autoresearch",
    )
    assert again.malformed == ()


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    """A study of 30 trials: kept, discarded, failed and stopped ones."""
    return study_history(tmp_path_factory.mktemp("study"), trials=30)


def ended(history: History) -> list[int]:
    """The trials that a results.tsv has a row for."""
    return [t.number for t in history.trials if t.state in ("done", "failed", "pruned")]


def test_study_as_a_results_tsv(history: History) -> None:
    """A row per trial that has ended: kept by the verdict, crashed where it failed, with why."""
    one = parse(history_tsv(history, {0: "0123456789abcdef"}))
    assert (one.dialect, one.metric, one.direction) == (
        "autoresearch",
        "val_accuracy",
        "maximize",
    )
    assert len(one.experiments) == len(ended(history)) > 20
    assert one.malformed == one.repaired == ()
    first = one.experiments[0]
    assert (first.commit, first.status) == ("0123456", "keep")
    assert first.description == "The script's own defaults: what everything else has to beat."
    seen = set()
    for number, row in zip(ended(history), one.experiments, strict=True):
        trial = history.trials[number]
        assert row.commit == (f"trial-{number}" if number else "0123456")
        kept = (
            trial.state == "done" and trial.verdict is not None and trial.verdict.status == "kept"
        )
        assert (row.status == "keep") == kept
        assert (row.status == "crash") == (trial.state == "failed")
        assert row.metric == (trial.value if row.status != "crash" else None)
        seen.add(row.status)
    assert seen == {"keep", "discard", "crash"}


def test_file_is_kept_up(history: History, tmp_path: Path) -> None:
    """A file grows with the study, is the same however often it is written, and left alone then."""
    path = tmp_path / "results.tsv"
    assert keep_up(path, history, {0: "0123456789"})
    before = path.stat().st_mtime_ns
    assert not keep_up(path, history, {0: "0123456789"})
    assert path.stat().st_mtime_ns == before
    assert path.read_text() == history_tsv(history, {0: "0123456789"})
    assert list(tmp_path.iterdir()) == [path]


def test_rows_of_others_stay(history: History, tmp_path: Path) -> None:
    """Rows from before the study stand in front as they were; its own stale rows are replaced."""
    path = tmp_path / "results.tsv"
    path.write_text(HEADER + OTHERS + "trial-0\t0.1\t0.0\tdiscard\tstale\n")
    assert keep_up(path, history)
    assert path.read_text() == HEADER + OTHERS + history_tsv(history).removeprefix(HEADER)
    assert not keep_up(path, history)
    assert read(path).experiments[0].description == "baseline of somebody"


def test_file_begins_with_what_was_tried_earlier(history: History, tmp_path: Path) -> None:
    """The rows of the checkout's own results.tsv come first in the study's, once."""
    path = tmp_path / "results.tsv"
    for _ in range(2):
        keep_up(path, history, earlier=HEADER + OTHERS)
        assert path.read_text() == HEADER + OTHERS + history_tsv(history).removeprefix(HEADER)


def test_other_columns_are_kept(history: History, tmp_path: Path) -> None:
    """A file with another order and further columns keeps them; the study's rows fit in."""
    path = tmp_path / "results.tsv"
    path.write_text(
        "Commit\tstatus\tval_accuracy\tsteps\tmemory_gb\tdescription\r\n"
        "a1b2c3d\tkeep\t0.5\t953\t44.0\tbaseline\r\n"
    )
    keep_up(path, history)
    one = read(path)
    assert len(one.experiments) == len(ended(history)) + 1
    assert one.malformed == ()
    assert one.experiments[0].metrics == {"steps": 953}
    assert [row.metric for row in one.experiments[1:]] == [
        row.metric for row in parse(history_tsv(history)).experiments
    ]


@pytest.mark.parametrize(
    "content",
    [b"notes of mine\n", b"commit,val_accuracy\n", b"commit\tval_loss\tstatus\n", b"\xff\xfe"],
)
def test_foreign_file_is_left_alone(history: History, tmp_path: Path, content: bytes) -> None:
    """A file that is no results.tsv of this metric is refused and stays as it is."""
    path = tmp_path / "results.tsv"
    path.write_bytes(content)
    with pytest.raises(CampaignError, match=r"results\.tsv"):
        keep_up(path, history)
    assert path.read_bytes() == content
