"""`trialwright import` of campaigns, as a user has it: what is printed, what is written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.app.commands import clear, lay_out, ran
from tests.campaigns.test_published import NAMES, campaign
from trialwright.app.campaigns_command import Wishes, import_campaigns, is_storage
from trialwright.campaigns.read import read
from trialwright.errors import CampaignError

LOG = (
    "commit\tval_bpb\tmemory_gb\tstatus\tcategory\tdescription\n"
    "a1b2c3d\t0.9979\t44.0\tkeep\tbaseline\tbaseline\n"
    "b2c3d4e\t0.9932\t44.2\tkeep\thyperparameter\tlearning rate 0.04\n"
    "broken line\n"
    "c3d4e5f\t1.0050\t44.0\tdiscard\tarch\tdropout 0.1\n"
    "d4e5f6a\t0.0000\t0.0\tcrash\tarch\tdouble the depth\n"
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A small results.tsv with a line that can't be read."""
    path = tmp_path / "mine.tsv"
    path.write_text(LOG)
    return path


def test_import_tells_what_a_campaign_holds(tmp_path: Path, log: Path) -> None:
    """Counts, malformed rows with line and text, agreement of categories, the best so far."""
    answer = ran(tmp_path, "import", log.name)
    assert answer.returncode == 0, answer.stderr
    assert "mine: 4 experiments, minimize val_bpb" in answer.stdout
    assert "kept 2, discarded 1, crashed 1" in answer.stdout
    assert (
        "malformed, left out: 1 row\n    1 fields where the header has 6: line 4" in answer.stdout
    )
    assert "      broken line\n" in answer.stdout
    assert "categories inferred as declared: 3 of 4" in answer.stdout
    assert "best so far: 0.9932, experiment 2, commit b2c3d4e, keep" in answer.stdout


def test_import_of_several_campaigns_as_json(tmp_path: Path, log: Path) -> None:
    """`--json` has every experiment, every malformed line, categories declared and inferred."""
    (tmp_path / "other.jsonl").write_text('{"n": 1, "loss": 3.5, "status": "keep"}\n')
    answer = ran(tmp_path, "import", log.name, "other.jsonl", "--json")
    first, second = json.loads(answer.stdout)["campaigns"]
    assert first["counts"] == {
        "experiments": 4,
        "keep": 2,
        "discard": 1,
        "crash": 1,
        "other": 0,
        "malformed": 1,
        "repaired": 0,
    }
    assert first["malformed"] == [
        {"line": 4, "text": "broken line", "why": "1 fields where the header has 6"}
    ]
    assert [(e["category"], e["inferred"]) for e in first["experiments"]] == [
        ("baseline", "baseline"),
        ("hyperparameter", "hyperparameter"),
        ("arch", "regularization"),
        ("arch", "architecture"),
    ]
    assert first["categories"]["mistaken"] == [["architecture", "regularization", 1]]
    assert (second["dialect"], second["best"]) == ("JSON lines", 1)


def test_import_writes_a_campaign_in_the_format(tmp_path: Path, log: Path) -> None:
    """`--to` writes results.tsv, never over a file that is there, and of one campaign alone."""
    answer = ran(tmp_path, "import", log.name, "--to", "again.tsv")
    assert "wrote 4 experiments to again.tsv" in answer.stdout
    assert [one.commit for one in read(tmp_path / "again.tsv").experiments] == [
        one.commit for one in read(log).experiments
    ]
    for words in (
        ("import", log.name, "--to", log.name),
        ("import", log.name, log.name, "--to", "x"),
    ):
        refused = ran(tmp_path, *words)
        assert refused.returncode == 2
        assert "--to" in refused.stderr
    assert log.read_text() == LOG


def test_import_takes_mapped_columns_and_words(tmp_path: Path) -> None:
    """`--map` and `--metric` say what is what; a wish that names nothing there is refused."""
    (tmp_path / "k.csv").write_text("tag,speed,ms,check\nv0,15.1,7,PASS\nv1,30.2,3,BAD\n")
    words = ("import", "k.csv", "--metric", "ms", "--map", "status=check", "--map", "keep=PASS")
    answer = ran(tmp_path, *words, "--map", "discard=BAD")
    assert "minimize ms" in answer.stdout
    assert "kept 1, discarded 1, crashed 0" in answer.stdout
    refused = ran(tmp_path, *words, "--map", "commit=hash")
    assert refused.returncode == 2
    assert "no column 'hash' for commit, but tag, speed, ms, check" in refused.stderr


def test_storages_of_optuna_are_told_from_logs(tmp_path: Path, log: Path) -> None:
    """URLs, SQLite databases and journals are Optuna's; anything else is a log."""
    (tmp_path / "a.db").write_bytes(b"SQLite format 3\0...")
    (tmp_path / "a.log").write_text('{"op_code": 0, "worker_id": "w", "study_name": "s"}\n')
    assert is_storage("postgresql://host/db")
    assert is_storage(str(tmp_path / "a.db"))
    assert is_storage(str(tmp_path / "a.log"))
    assert not is_storage(str(log))
    assert not is_storage(str(tmp_path / "none.tsv"))
    missing = ran(tmp_path, "import", "sqlite:///a.db")
    assert (missing.returncode, "--to FOLDER is missing" in missing.stderr) == (2, True)
    mapped = ran(tmp_path, "import", "a.log", "--to", "x", "--map", "metric=y")
    assert (mapped.returncode, "--map is for logs" in mapped.stderr) == (2, True)


def test_a_missing_log_is_refused(tmp_path: Path) -> None:
    """A file that is not there is told by its path, and nothing is written."""
    with pytest.raises(CampaignError, match=r"none\.tsv can't be read"):
        import_campaigns(
            Wishes(files=(str(tmp_path / "none.tsv"),), to=tmp_path / "out.tsv", map=())
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", NAMES)
def test_published_campaigns_go_in_and_come_out(tmp_path: Path, name: str) -> None:
    """Imported, written by `--to` and imported again: as many of each status, the same best."""
    campaign(name)  # skips where the data is absent
    source = str(Path(os.environ["TRIALWRIGHT_DATA"], "campaigns", name))
    given = {"TRIALWRIGHT_DATA": os.environ["TRIALWRIGHT_DATA"]}
    told = ran(tmp_path, "import", source, "--to", "again.tsv", "--json", **given)
    assert told.returncode == 0, told.stderr
    (first,) = json.loads(told.stdout)["campaigns"]
    (again,) = json.loads(ran(tmp_path, "import", "again.tsv", "--json").stdout)["campaigns"]
    lost = {"malformed": 0, "repaired": 0}
    assert again["counts"] == first["counts"] | lost
    assert (again["metric"], again["best"]) == (first["metric"], first["best"])
    assert again["direction"] == first["direction"]
    assert len(first["malformed"]) == first["counts"]["malformed"]


def test_a_study_is_exported_in_the_format(tmp_path: Path) -> None:
    """`export --to FILE.tsv` has a row per trial, which `import` reads; `--force` replaces one."""
    lay_out(tmp_path, trials=3)
    assert ran(tmp_path, "run").returncode == 0
    answer = ran(tmp_path, "export", "--to", "results.tsv")
    assert answer.stdout == "wrote 3 trials to results.tsv\n"
    told = json.loads(ran(tmp_path, "import", "results.tsv", "--json").stdout)["campaigns"][0]
    assert (told["metric"], told["counts"]["experiments"]) == ("val_acc", 3)
    assert [one["commit"] for one in told["experiments"]] == ["trial-0", "trial-1", "trial-2"]
    clear(ran(tmp_path, "export", "--to", "results.tsv"))
    clear(ran(tmp_path, "export", "--to", "other.tsv", "--name", "x"))
    assert ran(tmp_path, "export", "--to", "results.tsv", "--force").returncode == 0
