"""`trialwright analyze`, as a user has it: what is read, printed, written, and refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

import trialwright
from tests.app.commands import ran
from tests.app.optuna_study import theirs
from tests.campaigns.test_agenthpo import LOG as AGENTHPO
from tests.campaigns.test_trackers import SEARCH_RUNS, TABLE
from tests.histories import study_history
from trialwright.app.analyze.sources import Wish, campaigns_in
from trialwright.campaigns.given import given
from trialwright.campaigns.read import parse
from trialwright.errors import CampaignError, TrialwrightError
from trialwright.insight.measured import Measured
from trialwright.insight.ours import campaign_of

HEADER = "commit\tval_loss\tstatus\tdescription\n"
PLANTED = "<script>alert(1)</script> **bold** | cell \x1b[31mred"


def results(rows: int = 30, *, agent: str = "") -> str:
    """Return a results.tsv in which every third experiment is kept, and one line is torn."""
    kinds = ("learning rate 0.1", "dropout 0.2", "wider layers", "cosine schedule")
    lines = [
        f"c{n:06x}\t{3 - 0.01 * n if n % 3 == 0 else 3.5}\t{'keep' if n % 3 == 0 else 'discard'}"
        f"\t{kinds[n % 4]} {agent}\n"
        for n in range(rows)
    ]
    return HEADER + "".join(lines) + "torn\n"


def told(measures: list[Measured], name: str) -> Measured:
    """Return the measure of a name."""
    return next(one for one in measures if one.name == name)


def test_a_study_is_analysed_from_its_folder(tmp_path: Path) -> None:
    """Every measure is there in JSON, with counts that are those of the ledger."""
    history = study_history(tmp_path / "runs" / "digits", trials=40, replicates=2)
    answer = ran(tmp_path, "analyze", "runs/digits", "--json")
    assert answer.returncode == 0, answer.stderr
    (one,) = json.loads(answer.stdout)["campaigns"]
    verdicts = [trial.verdict.status for trial in history.trials if trial.verdict]
    assert (one["name"], one["direction"]) == (history.task.name, "maximize")
    assert one["counts"]["experiments"] == len(verdicts)
    assert one["counts"]["keep"] == verdicts.count("kept")
    assert one["counts"]["crash"] == verdicts.count("failed")
    names = [measure["name"] for measure in one["measures"]]
    assert {"variance_shares", "success", "streaks", "repeats", "promises"} <= set(names)
    assert all(measure["sentence"] for measure in one["measures"])
    shares = next(m for m in one["measures"] if m["name"] == "variance_shares")
    assert {row["factor"] for row in shares["table"]} == {"batch_size", "optimizer"}


def test_the_terminal_tells_sentences_and_why_some_are_missing(tmp_path: Path) -> None:
    """A campaign's counts and torn lines, each measure's sentence and table, what is not told."""
    (tmp_path / "results.tsv").write_text(results())
    answer = ran(tmp_path, "analyze", "results.tsv")
    assert answer.returncode == 0, answer.stderr
    assert "30 experiments, minimize val_loss" in answer.stdout
    assert (
        "malformed, left out: 1 row\n    1 fields where the header has 4: line 32" in answer.stdout
    )
    assert "kept 10, discarded 20, crashed 0" in answer.stdout
    assert "How often a change was kept\n  10 of 30 judged changes were kept" in answer.stdout
    assert "Not told\n" in answer.stdout
    assert "the campaign names fewer than two agents" in answer.stdout
    widths = [
        len(line) for line in answer.stdout.splitlines() if line.startswith("  experiments  ")
    ]
    assert widths
    assert max(widths) <= 100


def test_campaigns_are_compared_whatever_they_come_from(tmp_path: Path) -> None:
    """A study, a storage of Optuna's and a log side by side: the hypotheses are told of them."""
    study_history(tmp_path / "digits", trials=12)
    theirs(f"sqlite:///{tmp_path}/theirs.db", trials=12)
    (tmp_path / "mine.tsv").write_text(results())
    answer = ran(tmp_path, "analyze", "digits", "theirs.db", "mine.tsv", "--json")
    assert answer.returncode == 0, answer.stderr
    document = json.loads(answer.stdout)
    assert [one["dialect"] for one in document["campaigns"]] == ["trialwright", "Optuna", "tabs"]
    assert "hypotheses" in [one["name"] for one in document["compared"]]
    shown = ran(tmp_path, "analyze", "digits", "theirs.db", "mine.tsv")
    assert "3 side by side: " in shown.stdout
    assert "The seven hypotheses of the five-agent study" in shown.stdout


def test_what_cannot_be_read_is_told_and_does_not_keep_the_rest_from_it(tmp_path: Path) -> None:
    """Alone it is an error with what was tried; among others a line, and status 2."""
    (tmp_path / "mine.tsv").write_text(results())
    (tmp_path / "curve.csv").write_text("epoch,train_loss\n1,3.2\n2,3.1\n")
    (tmp_path / "other.db").write_bytes(b"SQLite format 3\0")
    (tmp_path / "empty").mkdir()
    alone = ran(tmp_path, "analyze", "curve.csv")
    assert (alone.returncode, alone.stdout) == (2, "")
    assert "it is in no dialect that is known. Tried:\n  tabs: no line has tabs" in alone.stderr
    words = ("analyze", "mine.tsv", "curve.csv", "empty", "other.db", "none.tsv")
    several = ran(tmp_path, *words, "--json")
    assert several.returncode == 2
    document = json.loads(several.stdout)
    assert [one["name"] for one in document["campaigns"]] == ["mine"]
    unread = {one["source"]: one["why"] for one in document["unread"]}
    assert set(unread) == {"curve.csv", "empty", "other.db", "none.tsv"}
    assert "no experiment's meta.yaml" in unread["empty"]
    assert "can't be read" in unread["other.db"]
    assert "neither a file, nor a folder" in unread["none.tsv"]
    assert "not read: curve.csv" in several.stderr
    nothing = ran(tmp_path, "analyze", "curve.csv", "empty")
    assert (nothing.returncode, "Looked for:" in nothing.stderr) == (2, True)


@pytest.mark.parametrize(
    ("name", "text", "experiments"),
    [
        ("cora/append.log", AGENTHPO, 3),
        ("wandb.csv", TABLE, 3),
        ("runs.csv", SEARCH_RUNS, 3),
        ("log.jsonl", '{"val_loss": 2.5, "status": "keep", "config": {"lr": 1}}\n' * 4, 4),
    ],
)
def test_formats_of_others_are_analysed(
    name: str, text: str, experiments: int, tmp_path: Path
) -> None:
    """AgentHPO's log, exports of W&B and MLflow and JSON lines give measures with their counts."""
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    found = trialwright.analyze(path)
    progress = told(found, "success")
    assert not progress.refused, progress.sentence
    (campaign,) = campaigns_in(path)
    assert len(campaign.experiments) == experiments
    assert campaign.having("keep")


def test_a_storage_of_optunas_is_read_as_it_is(tmp_path: Path) -> None:
    """Values, states and parameters are the storage's own, by URL, by file and from a journal."""
    study = theirs(f"sqlite:///{tmp_path}/theirs.db", trials=20)
    (one,) = campaigns_in(f"sqlite:///{tmp_path}/theirs.db")
    assert campaigns_in(tmp_path / "theirs.db")[0].experiments == one.experiments
    assert (one.name, one.metric, one.direction) == ("their study", "value", "maximize")
    assert [e.metric for e in one.experiments] == [
        trial.value if trial.state.name == "COMPLETE" else None for trial in study.trials
    ]
    crashed = [trial.number for trial in study.trials if trial.state.name == "FAIL"]
    assert [e.line for e in one.having("crash")] == crashed
    assert one.experiments[3].configuration == study.trials[3].params
    best = [e.line for e in one.having("keep")]
    assert best[0] == 0
    assert best[-1] == study.best_trial.number
    from optuna import create_study
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    journal = create_study(
        storage=JournalStorage(JournalFileBackend(str(tmp_path / "journal.log"))), study_name="j"
    )
    journal.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    (two,) = campaigns_in(tmp_path / "journal.log")
    assert [e.metric for e in two.experiments] == [trial.value for trial in journal.trials]


def test_an_exported_study_keeps_who_proposed_and_what_was_predicted(tmp_path: Path) -> None:
    """By way of Optuna, agents and predictions come out as they are in our own record."""
    history = study_history(tmp_path / "runs" / "digits", trials=8)
    answer = ran(tmp_path, "export", "runs/digits", "--to", "sqlite:///out.db")
    assert answer.returncode == 0, answer.stderr
    (one,) = campaigns_in(tmp_path / "out.db")
    ours = campaign_of(history)
    assert [e.agent for e in one.experiments] == [e.agent for e in ours.experiments]
    assert [e.metrics.get("predicted_low") for e in one.experiments] == [
        e.metrics.get("predicted_low") for e in ours.experiments
    ]


def test_agents_of_one_log_are_told_apart(tmp_path: Path) -> None:
    """`--by agent` makes a campaign of each agent's experiments, and compares them."""
    lines = results(24).splitlines()
    header = lines[0] + "\tagent"
    body = [f"{line}\t{'ada' if n % 2 else 'bob'}" for n, line in enumerate(lines[1:-1])]
    (tmp_path / "mine.tsv").write_text("\n".join([header, *body]) + "\n")
    answer = ran(tmp_path, "analyze", "mine.tsv", "--by", "agent", "--json")
    assert answer.returncode == 0, answer.stderr
    document = json.loads(answer.stdout)
    counted = {one["name"]: one["counts"]["experiments"] for one in document["campaigns"]}
    assert counted == {"ada": 12, "bob": 12}
    assert document["compared"]
    for flag in ("--by", "--factor"):
        refused = ran(tmp_path, "analyze", "mine.tsv", flag, "backbone")
        assert refused.returncode == 2
        assert (
            "no experiment has a 'backbone'; what they can be told apart by: agent, category"
            in (refused.stderr)
        )


def test_factor_and_window_reach_the_measures(tmp_path: Path) -> None:
    """`--factor` is what variance is told of, `--window` how many experiments a rate is over."""
    study_history(tmp_path / "digits", trials=40)
    found = trialwright.analyze(tmp_path / "digits", factor="batch_size", window=5)
    shares = told(found, "variance_shares").table
    assert shares is not None
    assert {row["factor"] for row in shares.records} == {"batch_size"}
    rates = told(found, "success").table
    assert rates is not None
    assert max(int(row["n"] or 0) for row in rates.records) == 5


def test_columns_can_be_mapped(tmp_path: Path) -> None:
    """`--map` says which column is the metric, and which way is better, where nothing else does."""
    text = "lr,units,speed\n" + "".join(f"0.{n},{n % 3},{n}\n" for n in range(1, 9))
    (tmp_path / "grid.csv").write_text(text)
    words = ("--map", "metric=speed", "--map", "direction=maximize")
    answer = ran(tmp_path, "analyze", "grid.csv", *words, "--json")
    assert answer.returncode == 0, answer.stderr
    (one,) = json.loads(answer.stdout)["campaigns"]
    assert one["counts"]["keep"] == 8
    wish = Wish(given=given(["metric=speed", "direction=maximize"]))
    assert campaigns_in(tmp_path / "grid.csv", wish)[0].metric == "speed"


def test_tables_are_written_as_csv(tmp_path: Path) -> None:
    """A folder for each campaign: figures, experiments, torn lines, and a file per table."""
    (tmp_path / "a.tsv").write_text(results())
    (tmp_path / "b.tsv").write_text(results(12))
    answer = ran(tmp_path, "analyze", "a.tsv", "b.tsv", "--csv", "out")
    assert answer.returncode == 0, answer.stderr
    with (tmp_path / "out" / "a" / "experiments.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 30
    assert (rows[1]["status"], float(rows[1]["metric"])) == ("discard", 3.5)
    malformed = (tmp_path / "out" / "a" / "malformed.csv").read_text().splitlines()
    assert malformed[1] == "32,1 fields where the header has 4,torn"
    with (tmp_path / "out" / "a" / "figures.csv").open() as file:
        figures = {(row["measure"], row["figure"]): row["value"] for row in csv.DictReader(file)}
    assert figures["success", "kept"] == "10"
    assert (tmp_path / "out" / "b" / "success.csv").is_file()
    assert (tmp_path / "out" / "side-by-side" / "hypotheses.csv").is_file()
    again = ran(tmp_path, "analyze", "a.tsv", "--csv", "out")
    assert (again.returncode, "--force" in again.stderr) == (2, True)


def test_reports_are_written_and_strangers_words_stay_words(tmp_path: Path) -> None:
    """HTML has figures and is whole, Markdown has tables; what a log says is never markup."""
    rows = results().replace("learning rate 0.1", f"learning rate {PLANTED}")
    rows = rows.replace("\ntorn\n", f"\ntorn {PLANTED}\n")
    (tmp_path / "evil<b>.tsv").write_text(rows)
    answer = ran(
        tmp_path, "analyze", "evil<b>.tsv", "--html", "out.html", "--markdown", "out.md"
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    html = (tmp_path / "out.html").read_text()
    assert "<script>alert(1)" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "evil<b>" not in html
    assert 'data-plot="plot-1-kept_reverted"' in html
    assert "Content-Security-Policy" in html
    markdown = (tmp_path / "out.md").read_text()
    assert markdown.startswith("# How evil&lt;b&gt; behaved\n")
    assert "### How often a change was kept\n\n10 of 30 judged changes were kept" in markdown
    assert "| experiments | kept | judged |" in markdown.replace("\\_", "_")
    assert "trialwright analyze 'evil<b>.tsv'" in markdown
    assert "\x1b" not in html + markdown + answer.stdout
    outside = markdown.split("```")[::2]
    assert not any("<script>" in part for part in outside)


def test_python_gets_the_same_measures(tmp_path: Path) -> None:
    """`trialwright.analyze` takes a path, a history, a campaign, or several of them."""
    history = study_history(tmp_path / "digits", trials=12)
    by_path = trialwright.analyze(tmp_path / "digits")
    assert by_path == trialwright.analyze(history)
    assert by_path == trialwright.analyze(campaign_of(history))
    log = parse(results(), name="log")
    several = trialwright.analyze([history, log])
    assert "hypotheses" in [one.name for one in several]
    with pytest.raises(CampaignError, match="no campaign"):
        trialwright.analyze([])
    with pytest.raises(TrialwrightError, match="neither a file, nor a folder"):
        trialwright.analyze("nowhere")


def test_a_folder_of_studies_holds_all_of_them(tmp_path: Path) -> None:
    """Without a study of its own a folder stands for those below it; unjudged trials are noted."""
    study_history(tmp_path / "runs" / "one", trials=4)
    study_history(tmp_path / "runs" / "two", trials=6)
    assert [len(one.experiments) for one in campaigns_in(tmp_path)] == [4, 6]
    assert [len(one.experiments) for one in campaigns_in(tmp_path / "runs")] == [4, 6]
