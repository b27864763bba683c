"""The report on seeds: what is planted is told and drawn, and what is not is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.analysis.landscapes import Truth, drawn, recorded
from tests.analysis.test_dependence import divided, interaction, nothing, plateau
from trialwright.history import History
from trialwright.report.dependence import section
from trialwright.report.figures import figures
from trialwright.report.landscape import landscapes
from trialwright.report.write import write

FAILURE = 0.6

PLANTED: dict[str, tuple[Truth, int, int, int]] = {
    "pair": (interaction, 60, 4, 1),
    "cliff": (plateau, 60, 2, 0),
    "seeds": (divided, 12, 14, 2),
    "none": (nothing, 20, 3, 0),
}
"""By what should be found: the truth, configurations, seeds of each, and the draw."""


def planted(name: str) -> History:
    """The history of a landscape."""
    truth, trials, seeds, draw = PLANTED[name]
    return recorded(truth, drawn(trials, draw=draw), seeds=seeds, draw=draw, failure=FAILURE)


@pytest.mark.parametrize(
    ("name", "said", "ids"),
    [
        ("pair", "together with augmentation = true makes runs fail: 28 of 52 (54%, 39% to 68%)",
         ["pair-0", "seeds", "rates"]),
        ("cliff", "Along omega there is a plateau from 8.058 up to 28.37 (37% of the range)",
         ["seeds", "cliff-0", "rates"]),
        ("seeds", "fall into two groups: 5 of 14 (36%, 13% to 65%) near 0.49685, the others near"
         " 0.94479 (p < 0.001)", ["seeds"]),
        ("none", "Looked for and not found beyond chance", ["seeds"]),
    ],
)  # fmt: skip
def test_what_is_planted_is_told_and_drawn(
    name: str, said: str, ids: list[str], tmp_path: Path
) -> None:
    """A sentence with its numbers in both reports, and a figure; nothing else is claimed."""
    history = planted(name)
    found = section(history)
    assert found is not None
    assert any(said in sentence for sentence in found.sentences), found.sentences
    write(history, tmp_path)
    plain = (tmp_path / "report.md").read_text().replace("\\", "").replace("&lt;", "<")
    assert "## What depends on the seed" in plain
    assert said in plain
    page = (tmp_path / "report.html").read_text()
    assert '<section id="dependence">' in page
    assert [figure.id for figure in landscapes(history)] == ids
    assert all(f'id="plot-{id_}"' in page for id_ in ids)
    kinds = ("makes runs fail", "there is a plateau", "there is a narrow plateau", "two groups:")
    claimed = {k for k in kinds if any(k in sentence for sentence in found.sentences)}
    assert len(claimed) == (name != "none")


def test_rates_by_value_stand_in_a_table(tmp_path: Path) -> None:
    """For the parameters where they differ: value, configurations, failed runs, exact interval."""
    found = section(planted("pair"))
    assert found is not None
    assert [table.parameter for table in found.tables] == ["augmentation", "learning_rate"]
    assert found.tables[0].rows == (
        ("true", "23", "29 of 92", "32% (22% to 42%)"),
        ("false", "37", "0 of 148", "0% (0% to 2%)"),
    )


def test_configurations_with_some_failed_seeds_are_drawn_before_the_best() -> None:
    """Of sixty there is room for forty: nobody whose seeds differ in kind is left out."""
    history = planted("pair")
    (figure,) = [one for one in landscapes(history) if one.id == "seeds"]
    drawn_trials = {int(text) for text in json.loads(figure.spec)["layout"]["xaxis"]["ticktext"]}
    torn = {
        trial.number
        for trial in history.trials
        if 0 < sum(value < FAILURE for value in trial.values.values()) < len(trial.values)
    }
    assert len(torn) > 5
    assert len(drawn_trials) == 40
    assert torn <= drawn_trials
    assert figure.reading.endswith("Of 60 configurations 40 are drawn: whose seeds differ most,"
                                   " then the best.")  # fmt: skip


def test_a_study_that_does_not_ask_has_no_such_section() -> None:
    """One seed each and no threshold: nothing is said of seeds, and no figure is added."""
    history = recorded(plateau, drawn(30), seeds=1)
    assert section(history) is None
    assert landscapes(history) == []
    assert not {"seeds", "rates", "cliff-0"} & {figure.id for figure in figures(history, [])}


def test_without_a_threshold_only_runs_that_diverged_count(tmp_path: Path) -> None:
    """Several seeds ask for the section; what a failure is has not been said."""
    history = recorded(divided, drawn(12, draw=2), seeds=14, draw=2)
    found = section(history)
    assert found is not None
    assert found.sentences[0].startswith("Runs that diverged count as failed: 0 of 168 (0%")
    assert any("two groups" in sentence for sentence in found.sentences)
