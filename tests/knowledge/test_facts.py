"""Facts of a task: read from words and logs with care, stated in study files, believed in order."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from trialwright.errors import StudyFileError
from trialwright.history import read
from trialwright.knowledge import FACTS, Advice, fact_fault, facts_in, settled
from trialwright.knowledge.base import Variant
from trialwright.propose.evidence import Evidence
from trialwright.space import Float, Space
from trialwright.study import Study
from trialwright.studyfile import dump, parse
from trialwright.task import Budget, Objective, Task

SAID = {
    "1,500 rows (1,200 for training), 30 features; binary": {
        "rows": 1200, "features": 30, "classes": 2,
    },
    "MNIST, 60k training images, ten classes": {"rows": 60_000, "classes": 10},
    "Trained on 437 rows of 13 columns for 30 epochs": {"rows": 437, "features": 13, "epochs": 30},
    "3,276 samples, 9 measurements, 39 % of the samples positive": {
        "rows": 3276, "features": 9, "minority": 0.39,
    },
    "50,000 houses of a city": {"rows": 50_000},
    "1,797 pictures, 60 % to train on": {"rows": 1078},
    "2,708 papers of 7 subjects, 140 labelled ones to learn from": {
        "rows": 2708, "classes": 7, "labels": 140,
    },
    "a network of 22M parameters, 3 layers, lr 0.01": {"parameters": 22e6},
    "x_train (1437, 64)": {"rows": 1437, "features": 64},
    "sequences of length 128, 20 % label noise": {"length": 128, "noise": 0.2},
    "the 24 samples before it": {},
    "150 sentences of 17 tokens to train on": {"rows": 150},
    "pretrained on 2,000 sentences at a rate of 0.003; 100 sentences to train on": {
        "rows": 100, "pretraining_rate": 0.003,
    },
    "version 3.11 on 2 cores takes 300 seconds": {},
}  # fmt: skip


@pytest.mark.parametrize("text", SAID)
def test_what_a_description_says_is_read(text: str) -> None:
    """Numbers with what they count are facts; versions, times and windows are none."""
    assert facts_in(text) == SAID[text]


def test_a_log_that_counts_much_tells_no_rows() -> None:
    """In a log only what is said to be rows counts as such."""
    assert facts_in("wrote 5000 checkpoints", loose=False) == {}
    assert facts_in("wrote 5000 checkpoints")["rows"] == 5000
    assert facts_in("loaded 437 training samples", loose=False) == {"rows": 437}


def test_variants_hold_where_their_facts_do() -> None:
    """A variant over facts speaks where all of them are known and hold; its values are computed."""
    known = Advice(
        concept="neighbours",
        default=10,
        good=(3, 30),
        variants=(
            Variant(
                when={}, given="rows < 1000", default="rows ** 0.5 / 2", good=(1, "rows ** 0.5")
            ),
        ),
    )
    assert settled(known, {}).default == 10
    assert settled(known, {}, {"rows": 4000}).default == 10
    small = settled(known, {}, {"rows": 400})
    assert (small.default, small.good) == (10.0, (1.0, 20.0))


STUDY = """
name: facts
goal: maximize score
command: [python, -c, "print(1)"]
space: {lr: {float: [0.001, 0.1]}}
budget: {trials: 3}
facts: {rows: 1200, minority: 0.1}
"""


def test_facts_of_a_study_file_are_read_and_written(tmp_path: Path) -> None:
    """They survive a round trip."""
    task = parse(STUDY, path=tmp_path / "study.yaml")
    assert task.facts == {"rows": 1200.0, "minority": 0.1}
    assert parse(dump(task), path=tmp_path / "study.yaml").facts == task.facts


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ("{row: 12}", "did you mean rows"),
        ("{rows: many}", "facts.rows must be a number"),
        ("{minority: 30}", "minority is share of the rarest class, from 0 to 1, not 30"),
        ("[1200]", "facts must be a mapping"),
    ],
)
def test_wrong_facts_are_refused(given: str, fault: str, tmp_path: Path) -> None:
    """Each fault names the fact and what it counts."""
    with pytest.raises(StudyFileError, match=fault):
        parse(STUDY.replace("{rows: 1200, minority: 0.1}", given), path=tmp_path / "study.yaml")


def test_every_fact_says_what_it_counts() -> None:
    """Shares are bounded, counts are not, and nothing else is known."""
    assert all(not fact_fault(name, 1.0) for name in FACTS)
    assert "known are rows" in fact_fault("row", 1.0)


def test_the_first_runs_log_is_believed_where_nothing_else_is_said(tmp_path: Path) -> None:
    """Log, description and stated facts, in rising order."""
    (tmp_path / "train.py").write_text(
        'print("loaded 437 training rows, 13 features, 3 classes")\n'
        "from trialwright.emit import emit\n"
        "emit(loss=0.5)\n"
    )
    task = Task(
        name="told",
        objective=Objective(metric="loss", direction="minimize"),
        space=Space((Float("lr", 0.01, 0.1),)),
        description="13,000 rows? No: 900 training rows.",
        command=(sys.executable, "train.py"),
        folder=str(tmp_path),
        facts={"classes": 4},
        budget=Budget(trials=1),
    )
    Study(task, tmp_path / "study").run()
    history = read(tmp_path / "study")
    observation = next(iter(history.trials[0].latest.values())).observation
    assert observation is not None
    assert observation.facts == {"rows": 437, "features": 13, "classes": 3}
    assert Evidence.of(task, history).prior.facts == {"rows": 900, "features": 13, "classes": 4}
