"""The figures as tables: against the record, bounded at any size, absent where there is nothing."""

from __future__ import annotations

from pathlib import Path

from tests.histories import DEFAULTS, Recorder, network_task, study_history
from trialwright.history import History
from trialwright.records import Observation, Proposal
from trialwright.report import tabled
from trialwright.report.final import final_analysis
from trialwright.report.markdown import to_markdown
from trialwright.report.telling import telling


def valued(folder: Path, *values: float, direction: str = "maximize") -> History:
    """A study whose trials have these values, one seed each."""
    recorder = Recorder(folder, network_task(direction=direction))
    for number, value in enumerate(values):
        proposal = Proposal(configuration={**DEFAULTS, "hidden": 40 + number}, by="random")
        key = recorder.launch(recorder.admit(proposal))
        recorder.observe(Observation(run=key, outcome="done", value=value))
    return recorder.close()


def test_each_new_best_is_a_row(tmp_path: Path) -> None:
    """Trials 0, 2 and 4 beat all before them; the equal of a best one did not."""
    table = tabled.rises(valued(tmp_path / "up", 0.5, 0.4, 0.6, 0.6, 0.9))
    assert table is not None
    assert table.rows == (
        ("0", "0.5", "–", "random"),
        ("2", "0.6", "+0.1", "random"),
        ("4", "0.9", "+0.4", "random"),
    )
    down = tabled.rises(valued(tmp_path / "down", 0.5, 0.4, 0.6, direction="minimize"))
    assert down is not None
    assert [row[:3] for row in down.rows] == [("0", "0.5", "–"), ("1", "0.4", "+0.1")]


def test_where_nothing_rose_there_is_no_table(tmp_path: Path) -> None:
    """A first trial that stays the best has not come along in any way; nor has it a curve."""
    history = valued(tmp_path, 0.5, 0.4)
    assert tabled.rises(history) is None
    assert tabled.curves(history) is None


def test_many_rises_keep_both_ends(tmp_path: Path) -> None:
    """Of 30 the first six and the last six stay, and the note counts the others."""
    table = tabled.rises(valued(tmp_path, *(number / 100 for number in range(30))))
    assert table is not None
    assert [row[0] for row in table.rows] == [*map(str, range(6)), *map(str, range(24, 30))]
    assert "18 rows in the middle left out" in table.note


def test_markdown_has_the_tables_of_a_study(tmp_path: Path) -> None:
    """Shares, curves and the rises stand in the text, each number as the record has it."""
    history = study_history(tmp_path, trials=24)
    analysis = final_analysis(history)
    text = to_markdown(history, analysis)
    for title in ("How the best result came along", "The influence of each parameter"):
        assert f"### {title}\n\n| " in text
    shares = tabled.shares(analysis.influences, history)
    assert shares is not None
    known = {one.parameter: one for one in analysis.influences}
    for name, _, share, interval, told in shares.rows:
        one = known[name]
        assert (share, interval) == (f"{one.share:.0%}", f"{one.low:.0%} to {one.high:.0%}")
        assert (told == "yes") == one.told
    curves, best = tabled.curves(history), history.best()
    assert curves is not None
    assert best is not None
    assert best.run is not None
    assert best.run.observation is not None
    points = dict(best.run.observation.curve.points(history.task.objective.metric))
    for step, value, *_ in curves.rows:
        assert value == (f"{points[float(step)]:.5g}" if float(step) in points else "–")
    assert f"### {curves.title.replace('_', chr(92) + '_')}\n" in text


def test_equals_of_the_best_are_named(tmp_path: Path) -> None:
    """A headline with one trial must not hide that others came to the same value."""
    history = valued(tmp_path, 0.5, 0.9, 0.9, 0.7, 0.9)
    told = telling(history, final_analysis(history))
    equally = dict(told.certain)["Equally good"]
    assert equally == "Trials 2 and 4 came to exactly the same value as trial 1."
    alone = valued(tmp_path / "alone", 0.5, 0.9)
    assert "Equally good" not in dict(telling(alone, final_analysis(alone)).certain)


def test_single_runs_are_said_to_be_single(tmp_path: Path) -> None:
    """No interval is promised where none is shown."""
    history = valued(tmp_path, 0.5, 0.9, 0.7)
    side = telling(history, final_analysis(history)).side
    assert side is not None
    assert "single runs" in side.note
    assert "95%" not in side.note
