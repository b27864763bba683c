"""Pictures of campaigns: what they show is what the log says, and it can be read in grey."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from scipy import stats

from benchmarks import analysis
from trialwright.campaigns.campaign import Campaign, Experiment
from trialwright.campaigns.read import parse
from trialwright.execute.simulate import SimulatedRunner
from trialwright.insight.measured import Measured, Table
from trialwright.insight.measures import measured
from trialwright.insight.ours import campaign_of
from trialwright.report.pictures import kinds, pace, progress, settings, shares, trials
from trialwright.report.pictures.album import album
from trialwright.report.pictures.behaviour import specialisation
from trialwright.report.pictures.chart import Bars, Chart, Line, Points, Rule
from trialwright.report.pictures.convergence import convergence
from trialwright.report.pictures.course import Course, thinned
from trialwright.report.pictures.looks import SERIES
from trialwright.report.pictures.picture import Picture
from trialwright.report.pictures.trials import Runs, runs_of
from trialwright.space import Float, Space
from trialwright.study import Study
from trialwright.task import Budget, Objective, Task

T = TypeVar("T")

ALL = {
    "kept_reverted", "convergence", "personal_bests", "category_timeline", "category_shares",
    "rolling_success", "dry_streaks", "entropy", "specialisation", "innovation", "variance_shares",
    "influence", "parallel", "slices", "tree", "curves", "seeds_spread", "spend",
}  # fmt: skip


def experiment(
    number: int, metric: float | None, status: str = "discard", **more: object
) -> Experiment:
    """One row of a log."""
    return Experiment(number=number, line=number, metric=metric, status=status, **more)  # type: ignore[arg-type]


def campaign(experiments: Sequence[Experiment], **more: object) -> Campaign:
    """A log in which higher is better."""
    plain = Campaign(
        name="log", metric="score", direction="maximize", experiments=tuple(experiments),
        dialect="tabs",
    )  # fmt: skip
    return replace(plain, **more)  # type: ignore[arg-type]


def marks(picture: Picture | None, kind: type[T], name: str | None = None) -> list[T]:
    """The marks of a kind, of all charts."""
    assert picture is not None
    found = [
        mark for chart in picture.sheet.charts for mark in chart.marks if isinstance(mark, kind)
    ]
    return [one for one in found if name is None or getattr(one, "name", None) == name]


def only(picture: Picture | None, kind: type[T], name: str | None = None) -> T:
    """The one mark of a kind, or of a kind and name."""
    [found] = marks(picture, kind, name)
    return found


@pytest.fixture(scope="module")
def large() -> Campaign:
    """A made campaign of 900 trials, read from its log."""
    rows = analysis.made(900)
    return parse("".join(json.dumps(row) + "\n" for row in rows), name="made")


@pytest.fixture(scope="module")
def drawn(large: Campaign) -> list[Picture]:
    """Its album, curves included."""
    done = [one for one in large.experiments if one.metric is not None]
    curves = analysis.curves_of([one.number for one in done], [one.metric or 0.0 for one in done])
    return album(large, measured(large), runs=Runs(curves=curves))


def test_a_campaign_that_has_all_gives_every_picture(drawn: list[Picture]) -> None:
    """Each has a name of its own, a title, and a sentence with numbers in it."""
    assert [one.name for one in drawn] == list(dict.fromkeys(one.name for one in drawn))
    assert {one.name for one in drawn} == ALL
    for one in drawn:
        assert one.title
        assert any(letter.isdigit() for letter in one.sentence), one.sentence
        assert one.sentence.endswith("."), one.sentence


def test_every_picture_is_drawn_by_both_libraries(drawn: list[Picture]) -> None:
    """Plotly's JSON can stand in a page and has each series; Matplotlib's SVG is whole."""
    for one in drawn:
        spec = one.spec()
        assert not set("<>&") & set(spec)
        names = {trace.get("name") for trace in json.loads(spec)["data"]}
        wanted = {
            mark.name for mark in marks(one, Line) + marks(one, Bars) + marks(one, Points)
            if mark.name
        }  # fmt: skip
        assert wanted <= names, one.name
        root = ET.fromstring(one.svg())
        assert root.tag.endswith("svg")
        assert one.svg() == one.svg()


def test_series_differ_without_colours(drawn: list[Picture]) -> None:
    """Of one chart's named series lines differ in dash, points in symbol, bars in hatch."""
    for one in drawn:
        for chart in one.sheet.charts:
            for first, second in combinations(named(chart), 2):
                assert told_apart(first, second), (one.name, first.name, second.name)
    for first_look, second_look in combinations(SERIES, 2):
        assert first_look.dash != second_look.dash
        assert first_look.symbol != second_look.symbol
        assert first_look.hatch != second_look.hatch


def named(chart: Chart) -> list[Line | Points | Bars | Rule]:
    """The series of a chart that its legend has."""
    return [m for m in chart.marks if isinstance(m, Line | Points | Bars | Rule) and m.name]


def told_apart(first: Line | Points | Bars | Rule, second: Line | Points | Bars | Rule) -> bool:
    """Whether two series look different in grey."""
    if type(first) is not type(second) or first.name == second.name:
        return True
    match first:
        case Line():
            widths = {first.width, second.width} if isinstance(second, Line) else set()
            return first.look.dash != second.look.dash or len(widths) > 1
        case Points():
            return first.look.symbol != second.look.symbol
        case Bars():
            return first.look.hatch != second.look.hatch
    return first.look.dash != second.look.dash


def test_axes_are_labelled(drawn: list[Picture]) -> None:
    """Both axes of every chart say what they show, but where names or neighbours stand there."""
    for one in drawn:
        for place, chart in enumerate(one.sheet.charts):
            assert chart.x.label or chart.x.ticks, one.name
            assert chart.y.label or chart.y.ticks is not None or place % one.sheet.columns, one.name


def test_thinning_loses_no_extreme() -> None:
    """Of 10,469 points few are left, the extremes of every stretch among them."""
    values = np.random.default_rng(0).normal(size=10_469)
    values[[17, 8_000]] = 50, -50
    kept = thinned(values.tolist(), 400, always=(5, 6, 7))
    assert len(kept) <= 400 + 3
    assert {5, 6, 7, 17, 8_000, 0, 10_468} <= set(kept)
    for start, stop in pairwise(np.linspace(0, len(values), 101).astype(int)):
        assert start + int(np.argmax(values[start:stop])) in kept


def test_a_large_campaign_is_thinned_and_says_so() -> None:
    """Ten thousand results become about two thousand points, every improvement one of them."""
    values = np.maximum.accumulate(np.random.default_rng(1).normal(size=10_000)) * 1.0
    noise = values - np.abs(np.random.default_rng(2).normal(size=10_000))
    better = [i for i in range(10_000) if i == 0 or values[i] > values[i - 1]]
    rows = [
        experiment(i + 1, float(values[i] if i in set(better) else noise[i]),
                   "keep" if i in set(better) else "discard") for i in range(10_000)
    ]  # fmt: skip
    picture = progress.kept_reverted(Course(campaign(rows)))
    drawn = [x for points in marks(picture, Points) for x in points.x]
    assert len(drawn) < 2_500
    assert {i + 1 for i in better} <= set(drawn)
    assert picture is not None
    assert f"Of 10000 experiments, {len(drawn)} are drawn" in picture.reading


def test_kept_against_reverted_counts_what_the_log_has() -> None:
    """Points stand at their results, crashes at the worse edge; the sentence has the counts."""
    rows = [
        experiment(1, 1.0, "keep"), experiment(2, 0.5), experiment(3, 9.0, "crash"),
        experiment(4, None, "crash"), experiment(5, 0.9, "keep"), experiment(6, 2.0, "keep"),
    ]  # fmt: skip
    picture = progress.kept_reverted(Course(campaign(rows)))
    kept, crashed = only(picture, Points, "kept"), only(picture, Points, "crashed")
    assert list(zip(kept.x, kept.y, strict=True)) == [(1, 1.0), (5, 0.9), (6, 2.0)]
    assert picture is not None
    assert list(crashed.y) == [picture.sheet.charts[0].y.low] * 2
    best = only(picture, Line, "best so far")
    assert list(zip(best.x, best.y, strict=True)) == [(1.0, 1.0), (6.0, 2.0), (6.0, 2.0)]
    assert picture.sentence == (
        "Of 6 experiments: 3 kept, 1 reverted and 2 crashed; the best, 2, came with 6, and 1 of"
        " those kept improved on nothing before."
    )


def test_results_far_off_stand_at_the_edge_and_are_told() -> None:
    """A result a hundred times worse does not flatten the others, and does not vanish."""
    rows = [experiment(i + 1, 1.0 + 0.01 * i, "keep") for i in range(20)]
    rows.append(experiment(21, -1000.0))
    picture = progress.kept_reverted(Course(campaign(rows)))
    assert picture is not None
    [chart] = picture.sheet.charts
    assert chart.y.low > 0
    assert list(only(picture, Points, "reverted").y) == [chart.y.low]
    assert "1 result far off is drawn at the edge." in picture.notes


def test_personal_bests_end_at_each_agents_best() -> None:
    """A line per agent, by its own results; with one agent there is no picture."""
    rows = [
        experiment(i + 1, float(v), agent="ab"[i % 2]) for i, v in enumerate([1, 5, 3, 4, 2, 6])
    ]
    picture = progress.personal_bests(Course(campaign(rows)))
    lines = {line.name: line for line in marks(picture, Line)}
    assert (lines["a"].x, lines["a"].y) == ([1.0, 2.0, 3.0], [1.0, 3.0, 3.0])
    assert lines["b"].y[-1] == 6.0
    assert picture is not None
    assert "b came furthest, to 6 in 3 results; a least far, to 3 in 3" in picture.sentence
    assert progress.personal_bests(Course(campaign(rows[::2]))) is None
    many = [experiment(i + 1, float(i), agent=f"agent {i % 12}") for i in range(48)]
    crowd = progress.personal_bests(Course(campaign(many)))
    assert len(marks(crowd, Line)) == len(SERIES)
    assert crowd is not None
    assert crowd.notes == ("The 8 of 12 agents with most are drawn.",)


def test_campaigns_race_where_they_have_one_metric() -> None:
    """Campaigns of the same name are told apart; another metric is left out, and said to be."""
    rows = [experiment(1, 1.0), experiment(2, 2.0)]
    others = [campaign(rows), campaign(rows), campaign(rows, metric="loss", direction="minimize")]
    picture = progress.races(others)
    assert {line.name for line in marks(picture, Line)} == {"log (1)", "log (2)"}
    assert picture is not None
    assert "1 campaign with another metric" in picture.notes[0]
    assert progress.races(others[1:]) is None


def test_the_kinds_of_change_are_counted() -> None:
    """Each experiment stands in its kind's lane; shares of a window sum to one."""
    rows = [experiment(i + 1, 1.0, category="optimizer" if i % 4 else "data") for i in range(40)]
    course = Course(campaign(rows))
    lanes = kinds.category_timeline(course)
    assert lanes is not None
    ticks = {text: place for place, text in lanes.sheet.charts[0].y.ticks or ()}
    points = only(lanes, Points)
    assert sum(y == ticks["data"] for y in points.y) == 10
    assert "optimizer most often (30)" in lanes.sentence
    picture = kinds.category_shares(course)
    bars = marks(picture, Bars)
    assert np.sum([bar.length for bar in bars], axis=0) == pytest.approx([1.0] * 8)
    assert [bar.name for bar in bars] == ["optimizer", "data"]
    assert kinds.category_shares(Course(campaign(rows[:9]))) is None


def test_the_rolling_rate_is_that_of_its_window() -> None:
    """The line is the share kept of the last changes, baselines left out; too few have none."""
    won = np.random.default_rng(3).random(60) < 0.3
    rows = [experiment(1, 1.0, "keep", category="baseline")]
    rows += [experiment(i + 2, 1.0, "keep" if one else "discard") for i, one in enumerate(won)]
    picture = pace.rolling_success(Course(campaign(rows)))
    line = only(picture, Line)
    expected = [won[i : i + 20].mean() for i in range(41)]
    assert line.y == pytest.approx(expected)
    assert (line.x[0], line.x[-1]) == (21.0, 61.0)
    assert only(picture, Rule, "overall").at == pytest.approx(won.mean())
    assert pace.rolling_success(Course(campaign(rows[:40]))) is None


def test_a_change_of_the_rate_is_held_against_chance() -> None:
    """The probability that the windows differ by chance is Fisher's."""
    for first, last, n in ((7, 0, 200), (12, 3, 20), (0, 0, 20)):
        theirs = stats.fisher_exact([[first, n - first], [last, n - last]]).pvalue
        assert pace.alike(first, last, n) == pytest.approx(theirs, abs=1e-9)


def test_dry_streaks_stand_in_classes_that_double() -> None:
    """Streaks of 1, 5 and 6 that ended, and one of 3 that has not, which is drawn apart."""
    values = [1, 0, 2, *[0] * 5, 3, *[0] * 6, 4, 0, 0, 0]
    picture = pace.dry_streaks(
        Course(campaign([experiment(i + 1, float(v)) for i, v in enumerate(values)]))
    )
    ended = only(picture, Bars, "ended by a better result")
    going = only(picture, Bars, "still going on at the end")
    assert list(ended.length) == [1.0, 0.0, 2.0]
    assert (list(going.at), list(going.base)) == ([1.5], [0.0])
    assert picture is not None
    assert (
        "3 dry streaks ended, after a median of 5 experiments, the longest after 6"
        in picture.sentence
    )
    assert "3 experiments had brought nothing better" in picture.sentence


def test_windows_beyond_chance_have_another_symbol() -> None:
    """Specialisation: filled where p is below 0.05, open elsewhere; too few windows give none."""
    table = Table(
        columns=("experiments", "bits", "by_chance", "p"),
        rows=(("1-10", 0.5, 0.1, 0.01), ("11-20", 0.2, 0.1, 0.4), ("21-30", 0.4, 0.1, 0.02)),
    )
    found = Measured(name="specialisation", title="t", sentence="s", table=table)
    course = Course(campaign([experiment(i + 1, 1.0) for i in range(30)]))
    picture = specialisation(found, course)
    points = {one.look.symbol: list(one.x) for one in marks(picture, Points)}
    assert points == {"circle": [5.5, 25.5], "circle-open": [15.5]}
    single = replace(found, table=replace(table, rows=table.rows[:1]))
    assert specialisation(single, course) is None
    assert specialisation(replace(found, refused=True), course) is None


def test_variance_shares_are_the_measures(large: Campaign, drawn: list[Picture]) -> None:
    """Bars and their ends are what was measured, pooled beside within epochs."""
    found = next(one for one in measured(large) if one.name == "variance_shares")
    assert found.table is not None
    rows = [row for row in found.table.records if row["scope"] == "pooled"]
    picture = next(one for one in drawn if one.name == "variance_shares")
    bars = only(picture, Bars, "all results pooled")
    assert list(bars.length) == [row["eta2"] for row in rows]
    assert list(bars.high) == [row["high"] for row in rows]
    assert only(picture, Bars, "within epoch").look.hatch != bars.look.hatch
    assert picture.sentence == found.sentence


def test_influence_knows_which_setting_made_the_results(drawn: list[Picture]) -> None:
    """The architecture comes first, beyond chance; a setting without effect is drawn as untold."""
    picture = next(one for one in drawn if one.name == "influence")
    told = [text for _, text in picture.sheet.charts[0].y.ticks or ()]
    assert told[0] == "backbone"
    untold = only(picture, Bars, "can't be told from chance")
    names = {told[round(-at)] for at in untold.at}
    assert "batch_size" in names
    assert "backbone" not in names
    assert shares.influence(Course(campaign([])), []) is None


def test_slices_have_students_intervals() -> None:
    """The means along a setting and their intervals are SciPy's."""
    rng = np.random.default_rng(4)
    rows = [
        experiment(
            i + 1, float(rng.normal() + i % 3), configuration={"act": "abc"[i % 3], "seed": i}
        )
        for i in range(60)
    ]
    course = Course(campaign(rows))
    [setting] = settings.settings_of(course)
    picture = settings.slices(course, [setting])
    points = only(picture, Points, "mean of a group, 95 % interval")
    for place in range(3):
        own = [one.metric or 0.0 for one in rows[place::3]]
        low, high = stats.t.interval(0.95, 19, np.mean(own), stats.sem(own))
        assert points.y[place] == pytest.approx(np.mean(own))
        assert (points.low[place], points.high[place]) == pytest.approx((low, high))


def test_the_best_configuration_runs_through_its_values() -> None:
    """Parallel coordinates: the best one's heights are its values' places; the absent are below."""
    rows = [
        experiment(i + 1, float(i), configuration={"lr": 10.0 ** -(i % 5), "wide": i % 2 == 0})
        for i in range(12)
    ]
    rows[3] = replace(rows[3], configuration={"lr": 0.1})
    course = Course(campaign(rows))
    told = settings.settings_of(course)
    picture = settings.parallel(course, told)
    best = only(picture, Line, "best (12)")
    heights = dict(zip([one.name for one in told], best.y, strict=False))
    assert heights["lr"] == pytest.approx(0.75)
    assert heights["wide"] == 0.0
    assert best.y[-1] == 1.0
    lowest = min(y for line in marks(picture, Line) for y in line.y if math.isfinite(y))
    assert lowest == pytest.approx(-0.12)
    assert settings.parallel(course, told[:1]) is None


def test_the_tree_leads_to_the_best_and_minds_loops() -> None:
    """The way to the best is its ancestors; parents that descend from each other end it."""
    rows = [
        experiment(1, 1.0, "keep", extra={"parent": "4"}),
        experiment(2, 2.0, "keep", extra={"parent": "1"}),
        experiment(3, 0.5, extra={"parent": "1"}),
        experiment(4, 3.0, "keep", metrics={"parent": 2.0}),
    ]
    picture = trials.tree(Course(campaign(rows)))
    assert list(only(picture, Line, "way to the best").x) == [1.0, 2.0, 4.0]
    assert picture is not None
    assert picture.sentence.startswith("The best, 4 at 3, came by 2 steps from 1 at 1;")
    assert trials.tree(Course(campaign([experiment(1, 1.0), experiment(2, 2.0)]))) is None


def test_curves_keep_the_best_and_the_outline() -> None:
    """Of 300 curves few are drawn: the best apart, and those that end highest and lowest."""
    rows = [experiment(i + 1, float(i)) for i in range(300)]
    curves = {i + 1: [(0.0, 0.0), (10.0, float(i))] for i in range(300)}
    picture = trials.curves(Course(campaign(rows)), Runs(curves=curves))
    assert only(picture, Line, "best (300)").y == [0.0, 299.0]
    others = only(picture, Line, "other runs")
    ends = {y for x, y in zip(others.x, others.y, strict=True) if x == 10.0}
    assert {0.0, 298.0} & ends
    assert len(ends) <= trials.CURVES
    assert picture is not None
    assert "300 runs with a curve ended at 0 to 299, 149.5 in the middle" in picture.sentence


def test_seeds_of_one_configuration_are_pooled() -> None:
    """Experiments that differ in the seed alone are one configuration; the spread is pooled."""
    values = {0.1: (1.0, 3.0), 0.2: (5.0, 5.5, 6.0), 0.3: (9.0,)}
    flat = [(lr, seed, value) for lr, own in values.items() for seed, value in enumerate(own)]
    rows = [
        experiment(i + 1, value, configuration={"lr": lr, "seed": seed}, seed=seed)
        for i, (lr, seed, value) in enumerate(flat)
    ]
    picture = trials.seeds_spread(Course(campaign(rows)), Runs())
    assert list(only(picture, Points, "mean of its seeds").y) == [5.5, 2.0]
    assert picture is not None
    pooled = math.sqrt((2.0 + 0.5) / 3)
    assert f"{pooled:.5g} between their seeds (pooled); that of 1 scatters most" in picture.sentence


def test_spend_adds_up() -> None:
    """Minutes by outcome end at their sums; what is without a duration is said to be left out."""
    rows = [experiment(1, 1.0, "keep", seconds=60.0), experiment(2, 0.5, seconds=120.0),
            experiment(3, 2.0, "keep", seconds=60.0), experiment(4, 0.0)]  # fmt: skip
    picture = progress.spend(Course(campaign(rows)))
    assert only(picture, Line, "kept").y[-1] == pytest.approx(2.0)
    assert only(picture, Line, "reverted").y[-1] == pytest.approx(2.0)
    assert picture is not None
    assert (
        "Of 4 min of runs, 50 % into what was kept and 50 % into what was reverted; 4 min per"
        in (picture.sentence)
    )
    assert picture.notes == ("1 experiment without a duration left out.",)


def law(trials_: int) -> list[Experiment]:
    """Results whose best so far follows 0.9 - 0.4 N^-0.5."""
    return [experiment(n, 0.9 - 0.4 * n**-0.5, "keep") for n in range(1, trials_ + 1)]


def fitted(rows: Sequence[Experiment], metric: str = "accuracy") -> Picture:
    """The picture of how the best came along."""
    one = campaign(rows, metric=metric)
    found = next(found for found in measured(one) if found.name == "convergence")
    picture = convergence(found, Course(one))
    assert picture is not None
    return picture


def test_convergence_draws_the_law_where_it_means_something() -> None:
    """On results of a power law its curve runs through them; few jumps have none."""
    picture = fitted(law(200))
    best, curve = (
        only(picture, Line, "best so far"),
        only(picture, Line, "a - b N^-c, with the band that c leaves"),
    )
    assert list(best.y[:-1]) == pytest.approx([0.9 - 0.4 * n**-0.5 for n in range(1, 201)])
    assert curve.y[-1] == pytest.approx(0.9 - 0.4 * 200**-0.5, abs=1e-3)
    flat = [
        experiment(n, 0.5 + 0.1 * (n > 3), "keep" if n == 4 else "discard") for n in range(1, 60)
    ]
    refused = fitted(flat)
    assert not [line for line in marks(refused, Line) if line.name.startswith("a - b")]
    assert "means nothing" in refused.sentence


def test_changes_of_the_code_are_marked_unless_too_many() -> None:
    """A rule stands where the code changed; with a change at every step, there are none."""
    rows = [replace(one, extra={"epoch": "old" if one.number < 50 else "new"}) for one in law(100)]
    assert [rule.at for rule in marks(fitted(rows), Rule)] == [49.5]
    restless = [replace(one, extra={"epoch": str(one.number)}) for one in law(100)]
    assert marks(fitted(restless), Rule) == []


def test_names_from_logs_stay_text() -> None:
    """Markup is escaped for pages; dollars start no formula, and rare letters no warning."""
    evil = "<img src=x> $x_1$ 学習"
    rows = [experiment(i + 1, float(i), agent=f"{evil}{i % 2}", category=evil, description=evil)
            for i in range(40)]  # fmt: skip
    pictures = album(campaign(rows, metric=evil))
    assert "personal_bests" in {one.name for one in pictures}
    for one in pictures:
        spec = json.loads(one.spec())
        assert "<img" not in json.dumps(spec)
        assert ET.fromstring(one.svg()).tag.endswith("svg")


@pytest.mark.parametrize("count", [0, 1, 2])
def test_little_gives_few_pictures_and_no_error(count: int) -> None:
    """No, one or two results: what can't be shown is left out; the same without a direction."""
    for direction in ("maximize", None):
        rows = [experiment(i + 1, 1.0, "keep") for i in range(count)]
        one = campaign(rows, direction=direction)
        pictures = album(one, measured(one))
        assert len(pictures) <= 6
        for picture in pictures:
            assert json.loads(picture.spec())["data"]
            picture.svg()
    failed = campaign([experiment(1, None, "crash"), experiment(2, None, "crash")])
    assert all(picture.svg() for picture in album(failed, measured(failed)))


def test_a_study_of_ours_has_its_tree_and_seeds(tmp_path: Path) -> None:
    """Pictures of a study are those of its campaign, under the same numbers."""
    task = Task(
        name="hill",
        objective=Objective(metric="y"),
        space=Space((Float("x", -1, 1), Float("z", -1, 1))),
        function=lambda configuration, seed: 1.0 - float(configuration["x"]) ** 2,
        budget=Budget(trials=12),
    )
    with SimulatedRunner(lambda one, _: 1.0 - float(one["x"]) ** 2, slots=1) as runner:
        history = Study(task, tmp_path, runner=runner).run()
    one = campaign_of(history)
    runs = runs_of(history)
    assert sorted(runs.values) == [each.number for each in one.experiments]
    names = {picture.name for picture in album(one, measured(one), runs=runs)}
    assert {"kept_reverted", "parallel", "slices", "dry_streaks"} <= names


def test_without_matplotlib_the_extra_is_named() -> None:
    """Drawing for a paper then fails with what to install; drawing for a screen does not."""
    code = (
        "import sys; sys.modules['matplotlib'] = None; sys.modules['matplotlib.figure'] = None\n"
        "from trialwright.campaigns.campaign import Campaign, Experiment\n"
        "from trialwright.report.pictures.album import album\n"
        "rows = tuple(Experiment(number=i, line=i, metric=float(i), status='keep')"
        " for i in range(1, 9))\n"
        "[one, *_] = album(Campaign(name='n', metric='m', direction='maximize', experiments=rows,"
        " dialect='tabs'))\n"
        "one.spec()\n"
        "try:\n    one.svg()\nexcept Exception as error:\n    print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("TrialwrightError pictures for papers need Matplotlib")
    assert "pip install 'trialwright[plots]'" in done.stdout
