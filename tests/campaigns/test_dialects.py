"""Logs as agents write them, small: each is read as it was meant, or refused with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from trialwright.campaigns.campaign import Campaign
from trialwright.campaigns.given import given
from trialwright.campaigns.read import parse, read
from trialwright.errors import CampaignError

HEADER = "commit\tval_bpb\tmemory_gb\tstatus\tdescription\n"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A log, and what is expected of it."""

    text: str
    dialect: str
    rows: str
    """Status letter and metric of each experiment, `k0.9 d1 c-`."""
    malformed: tuple[int, ...] = ()
    """Lines."""
    repaired: tuple[int, ...] = ()
    direction: str | None = "minimize"
    map: tuple[str, ...] = ()


CASES = {
    "autoresearch's own": Case(
        text=HEADER + "a1b2c3d\t0.997900\t44.0\tkeep\tbaseline\n"
        "b2c3d4e\t0.993200\t44.2\tdiscard\tlr\nc3d4e5f\t0.000000\t0.0\tcrash\tOOM\n",
        dialect="autoresearch",
        rows="k0.9979 d0.9932 c-",
    ),
    "a header and no rows": Case(
        text=HEADER, dialect="autoresearch", rows="", direction="minimize"
    ),
    "no newline at the end": Case(
        text=HEADER + "a1b2c3d\t0.5\t1.0\tkeep\tx", dialect="autoresearch", rows="k0.5"
    ),
    "capital statuses and further columns": Case(
        text="commit\tscore\tsharpe\tmax_dd\tstatus\tdescription\n"
        "exp0\t-999.000\t0.0\t0.00\tBASELINE\tno trades\nexp1\t1.079\t1.079\t8.74\tKEEP\tfix\n"
        "exp2\t-999.000\t0.715\t4.17\tREVERT\ttighten\nexp3\t0.680\t0.680\t4.39\tREVERT\talign\n",
        dialect="tabs",
        rows="k- k1.079 d- d0.68",
        repaired=(2, 4),
        direction="maximize",
    ),
    "another order": Case(
        text="status\tdescription\tval_loss\tcommit\nkeep\tbase\t3.2\ta1b2c3d\n"
        "reverted\twider\t3.4\tb2c3d4e\n",
        dialect="tabs",
        rows="k3.2 d3.4",
    ),
    "the description in the middle": Case(
        text="commit\tval_bpb\tmemory_gb\tstatus\tdescription\ttimestamp\n"
        "a1b2c3d\t0.9\t1.0\tkeep\tbase\t2026-03-08T10:00:00Z\n",
        dialect="autoresearch with other columns",
        rows="k0.9",
    ),
    "no header": Case(
        text="a1b2c3d\t0.9979\t44.0\tkeep\tbaseline\nb2c3d4e\t1.01\t44.0\tdiscard\twider\n"
        "c3d4e5f\t0.98\t44.0\tkeep\tlr\nd4e5f6a\t0.97\t44.0\tkeep\tlr again\n",
        dialect="tabs",
        rows="k0.9979 d1.01 k0.98 k0.97",
        direction="minimize",
    ),
    "the header in the middle again": Case(
        text=HEADER + "a1b2c3d\t0.9\t1.0\tkeep\tx\n" + HEADER + "b2c3d4e\t0.8\t1.0\tkeep\ty\n",
        dialect="autoresearch",
        rows="k0.9 k0.8",
    ),
    "further columns from the middle on": Case(
        text=HEADER + "a1b2c3d\t0.9\t1.0\tkeep\tx\n"
        "commit\tval_bpb\tmemory_gb\tsteps\tstatus\tdescription\n"
        "b2c3d4e\t0.8\t1.0\t700\tkeep\ty\n",
        dialect="autoresearch with other columns",
        rows="k0.9 k0.8",
    ),
    "line ends of Windows": Case(
        text=(HEADER + "a1b2c3d\t0.9\t1.0\tkeep\tx\n").replace("\n", "\r\n"),
        dialect="autoresearch",
        rows="k0.9",
    ),
    "a byte order mark": Case(
        text="\ufeff" + HEADER + "a1b2c3d\t0.9\t1.0\tkeep\tx\n", dialect="autoresearch", rows="k0.9"
    ),
    "tabs in a description": Case(
        text=HEADER + "a1b2c3d\t0.9\t1.0\tkeep\tlr\tdown\n",
        dialect="autoresearch",
        rows="k0.9",
        repaired=(2,),
    ),
    "rows of another table": Case(
        text=HEADER
        + "a1b2c3d\t0.9\t1.0\tkeep\tx\n" * 3
        + "r65_g2\tspsa\td2\tcurriculum\teps1e-2\t204.41\t90min\n",
        dialect="autoresearch",
        rows="k0.9 k0.9 k0.9",
        malformed=(5,),
    ),
    "a row that was cut off": Case(
        text=HEADER + "a1b2c3d\t0.9\t1.0\tkeep\tx\nb2c3d4e\t0.8\n",
        dialect="autoresearch",
        rows="k0.9",
        malformed=(3,),
    ),
    "no description": Case(
        text=HEADER + "a1b2c3d\t0.9\t1.0\tkeep\n",
        dialect="autoresearch",
        rows="k0.9",
        repaired=(2,),
    ),
    "a merge conflict": Case(
        text=HEADER + "<<<<<<< HEAD\na1b2c3d\t0.9\t1.0\tkeep\tx\n=======\n"
        "a1b2c3d\t0.9\t1.0\tkeep\tx\nb2c3d4e\t0.8\t1.0\tkeep\ty\n>>>>>>> theirs\n",
        dialect="autoresearch",
        rows="k0.9 k0.8",
        malformed=(2, 4, 5, 7),
    ),
    "tabs written out": Case(
        text=(HEADER + "a1b2c3d\t0.9\t1.0\tkeep\tx\n").replace("\t", r"\t"),
        dialect=r"\t written out",
        rows="k0.9",
    ),
    "tabs written out in one row": Case(
        text=HEADER + "a1b2c3d\t0.9\t1.0\tkeep\tx\n" + r"b2c3d4e\t0.8\t1.0\tdiscard\ty" + "\n",
        dialect="autoresearch",
        rows="k0.9 d0.8",
        repaired=(3,),
    ),
    "a row with commas among tabs": Case(
        text=HEADER + "a1b2c3d\t0.9\t1.0\tkeep\tx\nb2c3d4e,0.8,1.0,keep,y\n",
        dialect="autoresearch",
        rows="k0.9 k0.8",
        repaired=(3,),
    ),
    "commas": Case(
        text='commit,accuracy,status,notes\na1b2c3d,0.91,kept,"wider, deeper"\n'
        "b2c3d4e,0.9,reverted,lr\n",
        dialect="commas",
        rows="k0.91 d0.9",
        direction="maximize",
    ),
    "commas in a description without quotes": Case(
        text="commit,val_loss,status,description\na1b2c3d,3.2,keep,wider, deeper\n",
        dialect="commas",
        rows="k3.2",
        repaired=(2,),
    ),
    "a quoted cell over two lines": Case(
        text='commit,val_loss,status,description\na1b2c3d,3.2,keep,"wider\nand deeper"\n'
        "b2c3d4e,3.1,keep,lr\n",
        dialect="commas",
        rows="k3.2 k3.1",
    ),
    "semicolons and commas in numbers": Case(
        text="commit;val_loss;status;description\na1b2c3d;0,997;keep;x\nb2c3d4e;0,91;discard;y\n",
        dialect="semicolons",
        rows="k0.997 d0.91",
        repaired=(2, 3),
    ),
    "a Markdown table": Case(
        text="# Log\n\n| # | Commit | Val BPB | Status | Change |\n|---|:--|--:|---|---|\n"
        "| 1 | `a1b2c3d` | **0.98** | ✅ kept | baseline |\n"
        "| 2 | b2c3d4e | 1.02 | ❌ | lr 2x |\n\nMore.\n",
        dialect="a Markdown table",
        rows="k0.98 d1.02",
        repaired=(5,),
    ),
    "columns set with blanks": Case(
        text="commit   val_bpb  status   description\na1b2c3d  0.99     keep     baseline run\n"
        "b2c3d4e  1.01     discard  wider MLP\n",
        dialect="blanks, two or more",
        rows="k0.99 d1.01",
    ),
    "single blanks": Case(
        text="commit val_bpb status description\na1b2c3d 0.99 keep baseline run\n"
        "b2c3d4e 1.01 discard wider MLP\n",
        dialect="single blanks",
        rows="k0.99 d1.01",
    ),
    "thousands": Case(
        text="commit\tlatency_ms\tstatus\tdescription\na1b2c3d\t1,024.5\tkeep\tx\n",
        dialect="tabs",
        rows="k1024.5",
        repaired=(2,),
    ),
    "words where the metric should be": Case(
        text=HEADER + "a1b2c3d\tOOM\t0.0\tcrash\tx\nnone\tDIVERGED\t0.0\tdiscard\ty\n"
        "b2c3d4e\tspsa\t0.0\tkeep\tz\nb2c3d4e\t0.9\t0.0\tkeep\tz\n",
        dialect="autoresearch",
        rows="c- d- k0.9",
        malformed=(4,),
    ),
    "the metric in the description alone": Case(
        text=HEADER + "a1b2c3d\t-\t1.0\tkeep\tdeeper: val_bpb 1.02→0.98\n",
        dialect="autoresearch",
        rows="k0.98",
        repaired=(2,),
    ),
    "statuses in Chinese": Case(
        text="round\tstrategy\tval_score\tstatus\n0\tbaseline\t-1.6\t基线\n1\tRSI\t-3.2\t回滚\n"
        "2\tKeltner\t0.5\t保留✔\n---\tPhase 2\t-\t已完成\n",
        dialect="tabs",
        rows="k-1.6 d-3.2 k0.5 o-",
        direction="maximize",
    ),
    "a score that was brought down": Case(
        text="commit\tscore\tstatus\tdescription\n"
        + "".join(f"c{n}aaaaa\t{100 - n}\tkeep\tstep {n}\n" for n in range(7)),
        dialect="tabs",
        rows=" ".join(f"k{100 - n}" for n in range(7)),
        direction="minimize",
    ),
    "a metric whose name says nothing": Case(
        text="commit\tflux\tstatus\tdescription\na1b2c3d\t1.0\tkeep\tx\nb2c3d4e\t2.0\tdiscard\ty\n",
        dialect="tabs",
        rows="k1 d2",
        direction=None,
    ),
    "a column that says yes and no": Case(
        text="exp,rmse,kept,notes\n1,3.2,true,base\n2,3.4,false,wider\n",
        dialect="commas",
        rows="k3.2 d3.4",
    ),
    "statuses in a column of another name": Case(
        text="experiment,rmse,fate\nbase,3.2,keep\nwider,3.4,revert\nlr,3.1,keep\n",
        dialect="commas",
        rows="k3.2 d3.4 k3.1",
    ),
    "words that the user explains": Case(
        text="tag\ttflops\tcorrectness\tdescription\nv0\t15.1\tPASS\tbase\nv1\t0.0\tFAIL\tfp16\n",
        dialect="tabs",
        rows="k15.1 c-",
        direction="maximize",
        map=("status=correctness", "keep=PASS"),
    ),
    "columns that the user names": Case(
        text="a,b,c\nx,0.5,0.9\ny,0.4,0.8\n",
        dialect="commas",
        rows="o0.5 o0.4",
        direction="maximize",
        map=("metric=b", "description=a", "direction=maximize"),
    ),
    "columns that the user counts": Case(
        text="x,0.5,ok\ny,0.4,bad\nz,0.3,ok\n",
        dialect="commas",
        rows="k0.5 d0.4 k0.3",
        direction="minimize",
        map=("metric=2", "status=3", "keep=ok", "discard=bad", "direction=minimize"),
    ),
    "JSON lines with nested keys": Case(
        text='{"step": 1, "metrics": {"val_loss": 3.2, "val_acc": 0.5}, "decision": "accept"}\n'
        '{"step": 2, "metrics": {"val_loss": 3.4, "val_acc": 0.4}, "decision": "reject"}\n',
        dialect="JSON lines",
        rows="k3.2 d3.4",
    ),
    "JSON lines, broken ones among them": Case(
        text='{"n": 1, "loss": 3.2, "status": "keep"}\nTraceback\n[1, 2]\n'
        '{"n": 2, "loss": NaN, "status": "crash"}\n{"n": 3, "loss": 3.1, "status": "keep"}\n'
        '{"n": 4, "loss": 3.0, "sta',
        dialect="JSON lines",
        rows="k3.2 c- k3.1",
        malformed=(2, 3, 6),
    ),
    "a JSON list": Case(
        text='{"name": "c", "experiments": [{"id": 1, "metric": 3.2, "status": "keep"},'
        ' {"id": 2, "metric": null, "status": "crash"}, 7], "direction": "minimize"}',
        dialect="a JSON list",
        rows="k3.2 c-",
        malformed=(3,),
        direction=None,
    ),
    "comments and fences": Case(
        text="```\n# my log\n" + HEADER + "a1b2c3d\t0.9\t1.0\tkeep\tx\n```\n",
        dialect="autoresearch",
        rows="k0.9",
    ),
}


def told(one: Campaign) -> str:
    """The experiments as `Case.rows` has them."""
    return " ".join(
        f"{row.status[0]}{'-' if row.metric is None else f'{row.metric:g}'}"
        for row in one.experiments
    )


@pytest.mark.parametrize("name", CASES)
def test_dialect_is_recognised(name: str) -> None:
    """Each row is an experiment as it was meant, or malformed with its line; repairs count."""
    case = CASES[name]
    one = parse(case.text, given=given(case.map))
    assert one.dialect == case.dialect, one.why
    assert told(one) == case.rows
    assert tuple(bad.line for bad in one.malformed) == case.malformed
    assert tuple(row.line for row in one.repaired) == case.repaired
    assert one.direction == case.direction, one.direction_from
    assert all(bad.why and bad.text for bad in one.malformed)
    assert one.why
    assert all(row.number == place for place, row in enumerate(one.experiments, 1))


REFUSED = {
    "nothing": ("  \n\n", "it is empty"),
    "prose": ("Dear all,\nthe run went well and we kept it.\n", "tabs: no line has tabs"),
    "a training curve": (
        "epoch,train_loss,val_loss\n1,3.2,3.3\n2,3.1,3.2\n",
        "no line names columns as such logs call them",
    ),
    "a table without verdicts": (
        "seed,accuracy,seconds\n1,0.9,3\n2,0.8,4\n",
        "no column of seed, accuracy, seconds says what was kept",
    ),
    "no numbers": (
        "commit\tstatus\tdescription\na1b2c3d\tkeep\tx\n",
        "no column of commit, status, description holds numbers to go by",
    ),
    "no row that fits": (
        HEADER + "x\ty\n" * 3,
        "no row is an experiment: 2 fields where the header has 5 (3)",
    ),
    "an Optuna journal": (
        '{"op_code": 0, "worker_id": "w", "study_name": "s"}\n' * 2,
        "it is the journal of an Optuna storage",
    ),
    "a JSON object": ('{"loss": 3}', "a JSON object that holds no list"),
    "a list of numbers": ("[1, 2, 3]", "0 of 3 entries are objects"),
    "another table in Markdown": ("| a | b |\n|---|---|\n| c | d |\n", "a Markdown table:"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_campaign_is_refused_with_the_reason(name: str) -> None:
    """A text in no known dialect is refused, and the message says what speaks against each."""
    text, why = REFUSED[name]
    with pytest.raises(CampaignError) as refused:
        parse(text)
    assert why in str(refused.value)


def test_wishes_that_can_not_be_met_are_refused() -> None:
    """A mapping that names no column, no role or no direction is told with what there is."""
    text = HEADER + "a1b2c3d\t0.9\t1.0\tkeep\tx\n"
    with pytest.raises(CampaignError, match="it has no column 'loss' for metric, but commit,"):
        parse(text, given=given(["metric=loss"]))
    with pytest.raises(CampaignError, match="did you mean metric"):
        given(["metrc=loss"])
    with pytest.raises(CampaignError, match="must be WHAT=COLUMN"):
        given(["metric"])
    with pytest.raises(CampaignError, match="direction=minimize or direction=maximize"):
        given(["direction=down"])


def test_roles_are_filled_where_the_log_has_them() -> None:
    """Agent, task, category, time, duration and seed come from columns of such names."""
    one = parse(
        "exp_id\tagent\ttask\tchange_type\tval_loss\tpeak_vram_mb\tduration_min\tseed\ttimestamp"
        "\tdecision\tnotes\tlr\n"
        "7\topus\tcifar\tarch\t3.2\t2048\t2\t11\t2026-03-08T10:00:00Z\taccepted\twider\t0.1\n"
    )
    (row,) = one.experiments
    assert (row.label, row.agent, row.task, row.category) == ("7", "opus", "cifar", "arch")
    assert (row.memory_gb, row.seconds, row.seed) == (2.0, 120.0, 11)
    assert row.at == 1772964000.0
    assert (row.metric, row.status, row.word) == (3.2, "keep", "accepted")
    assert row.metrics == {"lr": 0.1}


def test_choice_of_a_metric_is_told() -> None:
    """Where several columns could be the metric, the choice and the others are named."""
    one = parse("commit,val_loss,val_acc,status\na1b2c3d,3.2,0.5,keep\n")
    assert one.metric == "val_loss"
    assert any("also numbers: val_acc" in note for note in one.notes)
    chosen = parse(
        "commit,val_loss,val_acc,status\na1b2c3d,3.2,0.5,keep\n", given=given(["metric=val_acc"])
    )
    assert (chosen.metric, chosen.direction) == ("val_acc", "maximize")
    assert chosen.experiments[0].metrics == {"val_loss": 3.2}


def test_doubt_about_a_direction_is_told() -> None:
    """Where most of what was discarded beats what was kept, the direction is questioned."""
    rows = "".join(f"c{n}\t0.{n}\tdiscard\tx\n" for n in range(5, 9))
    log = "commit\tval_score\tstatus\tdescription\nc1\t0.4\tkeep\tbase\n" + rows
    one = parse(log)
    assert one.direction == "maximize"
    assert "4 of 4 discarded results are better than the best kept before" in one.notes[0]
    sure = parse(log, given=given(["direction=minimize"]))
    assert (sure.direction, sure.notes) == ("minimize", ())


def test_validation_goes_before_test_and_training() -> None:
    """The metric that decides is looked for on validation data, wherever its column stands."""
    one = parse("commit,train_acc,test_acc,val_acc,status\na1b2c3d,0.9,0.8,0.85,keep\n")
    assert one.metric == "val_acc"


@pytest.mark.parametrize(
    ("raw", "note"),
    [
        ((HEADER + "a1b2c3d\t0.9\t1.0\tkeep\tgrösser\n").encode("latin-1"), "read as Latin-1"),
        ((HEADER + "a1b2c3d\t0.9\t1.0\tkeep\tgrösser\n").encode("utf-16"), "UTF-16"),
    ],
)
def test_encodings(tmp_path: Path, raw: bytes, note: str) -> None:
    """A file in another encoding is read, and it is said."""
    (tmp_path / "results.tsv").write_bytes(raw)
    one = read(tmp_path / "results.tsv")
    assert one.experiments[0].description == "grösser"
    assert note in one.notes[-1]
    assert one.name == tmp_path.name


def test_files_that_are_no_text_or_not_there(tmp_path: Path) -> None:
    """A missing file and a binary one are refused with their path."""
    with pytest.raises(CampaignError, match=r"none\.tsv can't be read: No such file"):
        read(tmp_path / "none.tsv")
    (tmp_path / "a.tsv").write_bytes(b"\x7fELF\0\0")
    with pytest.raises(CampaignError, match=r"a\.tsv: it is no text"):
        read(tmp_path / "a.tsv")
