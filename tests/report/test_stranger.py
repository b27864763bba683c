"""The notebook as somebody needs it who knows nothing of the study."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.report.notebooks import ran, task
from tests.report.strangers import DESCRIPTION, PLANTED, planted, planted_task
from trialwright.history import LEDGER, History
from trialwright.ledger import SqliteLedger
from trialwright.propose.evidence import Evidence
from trialwright.propose.moves import moves
from trialwright.propose.prior import Prior
from trialwright.records import Block, Verdict
from trialwright.report.dependence import section
from trialwright.report.final import final_analysis
from trialwright.report.notebook import (
    episodes,
    opening,
    origins,
    reasoning,
    recall,
    standings,
    surprises,
)
from trialwright.report.notebook.synthesis import synthesis
from trialwright.report.tree import COLUMNS, scores_tsv
from trialwright.space import Float, Int, Space
from trialwright.steering import wished
from trialwright.studyfile.read import load

ROOT = Path(__file__).parents[2]


@pytest.fixture
def history(tmp_path: Path) -> History:
    """The planted study, over."""
    return planted(tmp_path)


def part(page: str, title: str) -> str:
    """A section of a page, without its title."""
    found = re.search(rf"^##+ {re.escape(title)}\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[1]


def test_the_first_lines_say_what_decides_and_how_far_the_study_is(history: History) -> None:
    """The mean less a deviation, not only the metric's name; that it is over, and why."""
    head = synthesis(history).split("## In short")[0]
    assert "**What decides:** mean wiring_r2 - 1 sd over the seeds of a trial" in head
    assert "A run with wiring_r2 below 0.6 counts as failed." in head
    assert "The study is over: all 60 runs of the budget are done." in head
    runs = sum(len(row.values) for row in PLANTED)
    assert f"So far: 10 trials, {runs} runs, " in head
    assert "Budget: 12 trials, 60 runs." in head
    assert "Wanted: one that works for every seed." in head


def test_a_study_that_goes_on_is_not_said_to_be_over(tmp_path: Path) -> None:
    """Nor does one that is over wait for the end of a block."""
    going = synthesis(planted(tmp_path, closed=False, block=20))
    assert "The study is going on." in going
    assert "No block of trials has ended yet." in going
    ended = synthesis(planted(tmp_path / "ended"))
    assert "No block of trials has ended yet" not in ended
    assert "This study is not divided into blocks" in ended


def test_a_description_is_cut_at_the_end_of_a_sentence() -> None:
    """In full where it fits; else whole sentences, and a sign that there are more."""
    what = planted_task()
    assert opening.described(what) == " ".join(DESCRIPTION.split())
    cut = opening.described(what, most=80)
    assert cut == "Recovers the wiring of a circuit from its voltages. (…)"


def test_the_best_trials_stand_side_by_side_with_the_first(history: History) -> None:
    """Score, mean, deviation, seeds, worst seed, seconds, and differences seed by seed."""
    heads, rows = standings.table(history)
    assert (rows[0][0], rows[-1][0]) == ("9 (best)", "0 (first)")
    assert len(rows) == standings.MOST + 1
    best = dict(zip(heads, rows[0], strict=True))
    assert best["seeds"] == "9"
    assert best["worst seed"] == "0.72"
    assert best["mean"] == "0.89"
    assert best["a run takes"] == "14 s"
    assert "better on 6 of 6 seeds" in best["against trial 0"]
    assert best["against what it was built on"].startswith("trial 8: +0.0")
    assert "better on 5 of 6 seeds" in best["against what it was built on"]
    page = part(synthesis(history), "The best trials")
    assert page.count("\n| ") == len(rows) + 1


def test_a_seed_that_makes_the_spread_and_the_cost_of_a_run_are_named(history: History) -> None:
    """What hides in one number: seed 1 of the best, and that a run takes twice as long."""
    said = " ".join(standings.sentences(history))
    assert "Seed 1 of trial 9 stands apart: 0.72, its 8 others 0.9 to 0.93." in said
    assert "Seed 5 of trial 0 stands apart: 0.85" in said
    page = synthesis(history)
    assert "takes 14 s, 2.3 times as long as one of trial 0 (6.0 s)" in page
    assert "Without it the sd would be 0.0113 instead of 0.0646, and the score 0.89999" in said
    memory = recall.memory_page(history)
    assert "mean 0.89, sd 0.0646 over 9 seeds, worst 0.72" in memory
    assert "better on 6 of 6 seeds" in memory
    assert "Seed 1 of trial 9 stands apart" in memory


def test_where_the_gain_came_from_is_told_step_by_step(history: History) -> None:
    """Every change in full, what is beyond noise, and what a parameter can't have brought."""
    page = part(synthesis(history), "What the gain came from")
    steps = re.findall(r"^\| (\d+ → \d+) \|", page, re.MULTILINE)
    assert steps == ["0 → 3", "3 → 5", "5 → 7", "7 → 8", "8 → 9"]
    assert "4 parameters: loops 2 → 5, rate 0.1 → 0.2, width 0.2 → 0.3 and jitter 0 → 0.3" in page
    assert "more |" not in page
    rest = next(one for one in origins.told(history, ["loops"]) if "did not bring" in one)
    assert "trials 7, 8 and 9 have the same loops = 11" in rest
    assert "their means go 0.735 → 0.825 → 0.89" in rest
    assert "rate and width moved both times" in rest


def test_the_way_begins_with_the_first_trial_even_if_nothing_was_built_on_it(
    tmp_path: Path,
) -> None:
    """What the best one's own root brought over the first trial is a step, said to be none."""
    rows = [replace(row, parent=None) if row.parent == 0 else row for row in PLANTED]
    history = planted(tmp_path, rows)
    assert origins.rows(history)[0][0] == "0 → 3 (not built on it)"
    said = origins.told(history, [])[0]
    assert said.startswith("Trial 9 came out of trial 3, which was not built on another, in 4 step")
    alone = planted(tmp_path / "alone", [replace(row, parent=None) for row in PLANTED])
    assert origins.told(alone, [])[0].startswith("Trial 9 was not built on another")


def test_a_trend_that_may_be_the_searchs_is_a_caution(history: History) -> None:
    """Loops follow the number of the trial, and no pair of trials differs in them alone."""
    (said,) = origins.cautions(history, ["loops"])
    assert said.startswith("Beware: results got better as the search went on (rank correlation")
    assert "and with the number went loops (grew, +0.98)" in said
    assert "No two trials differ in loops alone, nor in width alone." in said
    assert said in recall.memory_page(history)


def test_the_missing_ablations_are_commands_that_the_study_understands(history: History) -> None:
    """Each is a wish which the study takes for a trial: the best one with one value put back."""
    said, commands = origins.missing(history, ["loops"])
    assert "trial 9 with one parameter put back" in said
    assert "The budget is spent" in said
    assert commands[0] == 'trialwright steer "try loops=2"'
    best = history.best()
    assert best is not None
    for command in commands:
        wish = re.fullmatch(r'trialwright steer "(try .*)"', command)
        assert wish is not None
        proposal = wished(wish[1], history)
        assert proposal is not None
        changed = {n for n, v in proposal.configuration.items() if v != best.configuration[n]}
        assert len(changed) == 1
        assert f"- `{command}`" in synthesis(history)


def test_parameters_that_cant_be_told_share_a_line(history: History) -> None:
    """No interval from 0 to 89 %, no value that nearly all trials have, no second list."""
    page = synthesis(history)
    assert page.count("an't be told from chance") <= 1
    assert not re.search(r"\(0 to \d+% of the variation\)", page)
    assert "Does it matter what" not in page
    assert len(re.findall(r"loops = \d+", part(page, "In short"))) == 1


def test_failures_by_configuration_are_told_from_failures_by_seed(history: History) -> None:
    """Bad configurations are no fault of the winner; a total collapse is named."""
    found = section(history)
    assert found is not None
    said = " ".join(found.sentences)
    every = sum(max(row.values) < 0.6 for row in PLANTED)
    none = sum(min(row.values) >= 0.6 for row in PLANTED)
    assert f"{every} of 10 failed with every seed, {10 - every - none} with some" in said
    assert "of trial 9, the best, 0 of 9 (exact 95% interval 0% to 34%)" in said
    assert "Total collapse of one seed: seed 1 of trial 2 (0, where its others have" in said


def test_surprises_name_the_seed_and_leave_out_what_noise_explains(history: History) -> None:
    """Trial 1 missed by 0.01, less than seeds scatter; trial 5 by far, on its first seed."""
    numbers = [miss.trial.number for miss in surprises.misses(history)]
    assert numbers == [5]
    (said,) = surprises.sentences(history, [])
    assert said.startswith(
        "Seed 0 of trial 5, its first run, gave wiring_r2 0.69 (the mean of its 6 seeds is 0.695)"
    )


def test_wide_predictions_are_said_to_be_wide(tmp_path: Path) -> None:
    """Coverage alone flatters: these intervals would hold nearly any result."""
    rows = [replace(row, predicted=(0.0, 1.0)) for row in PLANTED]
    found = final_analysis(planted(tmp_path, rows)).calibration
    assert found is not None
    assert found.width.startswith("Half of the intervals were at most 1 wide")
    assert "100% of the results of other trials would have fallen into them, too." in found.width
    assert found.width in synthesis(planted(tmp_path / "again", rows))


def test_the_log_tells_a_verdict_once_and_a_reason_once(tmp_path: Path) -> None:
    """Until its status changes; continued in two parts it is the same as in one go."""
    history = planted(tmp_path)
    ledger = SqliteLedger(tmp_path / LEDGER)
    entries = list(ledger.read())
    ledger.close()
    text = reasoning.paragraphs(entries, history)
    last: dict[int, str] = {}
    for number, status in re.findall(r"UTC  trial (\d+) (kept|discarded|unconfirmed)[,:]", text):
        assert last.get(int(number)) != status
        last[int(number)] = status
    judged = [e.record for e in entries if isinstance(e.record, Verdict)]
    assert len(judged) > len(re.findall(r"UTC  trial \d+ (?:kept|discarded|unconfirmed)", text))
    assert last == {trial.number: trial.verdict.status for trial in history.trials if trial.verdict}
    assert "loops, rate, width, jitter: drawn anew, near the best so far" in text
    half = reasoning.paragraphs(entries[:90], history)
    rest = reasoning.paragraphs(entries[90:], history, told=reasoning.statuses(half))
    assert half + rest == text


def test_the_table_of_scores_has_mean_deviation_and_seeds(history: History) -> None:
    """And the words at the end say what its columns are."""
    head, *rows = scores_tsv(history).splitlines()
    cells = {row.split("\t")[0]: dict(zip(COLUMNS, row.split("\t"), strict=True)) for row in rows}
    assert float(cells["9"]["mean"]) == pytest.approx(0.89)
    assert (cells["9"]["seeds"], head.split("\t")[4:7]) == ("9", ["mean", "sd", "seeds"])
    words = part(synthesis(history), "What the words mean")
    assert "reward is the share of results that it is at least as good as" in words
    for word in ("seed", "score", "kept, unconfirmed, discarded", "confirmed", "expert"):
        assert f"\n- {word}: " in words


def test_how_sure_is_said_of_whom_and_how_many_seeds_are_counted_one_way(history: History) -> None:
    """Better than the first trial is one thing, better than the next best another."""
    page = synthesis(history)
    best = history.best()
    assert best is not None
    assert best.verdict is not None
    assert f"than trial {best.verdict.against}, the best before it: " in page
    assert "common seeds would tell" not in page
    noise = recall.memory_page(history)
    assert "typical of 10 trials; 0.01 to 0.36 in single ones; trial 9: 0.0646." in noise


def test_with_single_seeds_nothing_is_said_of_seeds(tmp_path: Path) -> None:
    """One seed each: no deviation, no interval, no worst seed; the page still reads."""
    history = ran(task(trials=9), tmp_path)
    heads, rows = standings.table(history)
    assert "sd" not in heads
    assert all(len(row) == len(heads) for row in rows)
    page = synthesis(history)
    assert "(one seed)" in page
    assert len(recall.memory_page(history).splitlines()) <= recall.LINES


@pytest.mark.parametrize("example", ["circuit", "joint", "siren"])
def test_every_case_study_keeps_a_notebook(example: str) -> None:
    """Its study files have blocks, so that a notebook is there without being asked for."""
    files = sorted((ROOT / "examples" / example).glob("study*.yaml"))
    assert files
    assert all(load(path).block == 12 for path in files)


def test_what_is_open_about_the_gain_is_a_question(history: History) -> None:
    """Whether the best beats the next best, and which parameter brought it."""
    asked = part(synthesis(history), "Questions")
    assert "- Is trial 9 better than the best before it? 0.0109 higher (better) than" in asked
    assert "- What brought the gain: loops, " in asked


def test_many_changes_of_a_block_are_counted_and_reasons_shared(tmp_path: Path) -> None:
    """Up to six changes stand in full, of more their number; a reason stands once."""
    history = planted(tmp_path)
    last = len(history.trials) - 1
    block = Block(number=1, first=0, last=last, best=9, value=history.trials[9].value)
    said = " ".join(episodes.facts(history, block))
    assert "Trial 9 took the lead by rate 0.5 → 0.7 and width 0.5 → 0.7 of trial 8." in said
    assert "Why it was tried: rate and width: drawn anew, near the best so far." in said
    assert not re.search(r"and \d+ more of trial", said)


def test_how_many_seeds_would_tell_is_said_with_the_probability(tmp_path: Path) -> None:
    """So many of each, which would bring the gain over the next best to what is asked for."""
    close = (*PLANTED[:9], replace(PLANTED[9], values=(0.91, 0.80, 0.92, 0.93, 0.91, 0.92)))
    said = [one.sentence for one in final_analysis(planted(tmp_path, close)).advice]
    assert re.search(r"about \d+ seeds of each would bring that to 0.95, if the differ", said[0])


def test_a_recipe_is_named_without_what_the_space_lacks() -> None:
    """Where no parameter is dropout, nobody is told of strong dropout; where one is, he is."""
    plain = (Float("lr", 1e-4, 1e-1, log=True, default=1e-3), Int("hidden", 8, 512, default=32))
    dropping = (*plain, Float("dropout", 0.0, 0.9, default=0.0))
    said = []
    for parameters in (plain, dropping):
        what = replace(planted_task(), model="gnn", space=Space(parameters))
        prior = Prior(what)
        found = moves(prior, Evidence(what, History(), prior).seen)
        said.append(" ".join(f"{move.text} {move.reasons}" for move in found))
    assert "dropout" not in said[0]
    assert "wider (" in said[0]
    assert "wider, with strong dropout (" in said[1]


def test_memory_says_what_is_open_and_what_to_do_next(history: History) -> None:
    """Whoever reads the short form alone knows over whom the best is not sure, and what to do."""
    page = recall.memory_page(history)
    asked = page.partition("## Open questions")[2].partition("\n## ")[0]
    assert "Trials with one of them put back would tell." in asked
    following = page.partition("## Next")[2].partition("\n## ")[0]
    assert following.count("\n- ") in range(1, 6)
