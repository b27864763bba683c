"""The team in the report and in `status`: who did what at what cost, and no claim beyond it."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from tests.histories import DEFAULTS, NETWORK, Recorder, network_task
from tests.report.test_final import observe
from tests.report.test_terminal import shown
from tests.report.test_write import HOSTILE, Elements
from trialwright.analysis.standing import accounts
from trialwright.app.documents import study_document
from trialwright.execute.simulate import SimulatedRunner
from trialwright.history import History
from trialwright.records import Exchange, Interval, Proposal, Refusal
from trialwright.report.team import section
from trialwright.report.terminal import overview
from trialwright.report.write import write
from trialwright.study import Study
from trialwright.task import Agent, Area, Budget, Delegate, Objective, Task

VALUES = (("expert", 0.5), ("claude", 0.7), ("expert", 0.6), ("claude", 0.8), ("expert", 0.75))


def team_task(name: str = "claude") -> Task:
    """A task whose team is the expert and a model."""
    return replace(network_task(), team=("expert", Agent(name=name, model="anthropic:any")))


def studied(folder: Path, task: Task, *, usd: float | None = 0.05) -> History:
    """A study by the expert and the team's model, with two conversations and one refusal."""
    model = task.member_names[-1]
    recorder = Recorder(folder, task)
    for number, (by, value) in enumerate(VALUES):
        configuration = NETWORK.canonical({**DEFAULTS, "hidden": 64 + number})
        predicted = Interval(low=0.65, high=0.75) if by == "claude" else None
        who = model if by == "claude" else by
        trial = recorder.admit(Proposal(configuration=configuration, by=who, predicted=predicted))
        observe(recorder, recorder.launch(trial), value)
    recorder.note(Refusal(proposal=Proposal(configuration={}, by=model), faults=("empty",)))
    asked = Exchange(
        by=model,
        purpose="propose",
        model="m",
        input_tokens=1500,
        output_tokens=500,
        usd=usd,
        seconds=3.0,
    )
    recorder.note(asked, asked)
    return recorder.close()


def test_the_section_tells_who_improved_at_what_cost(tmp_path: Path) -> None:
    """Improvements per side with exact intervals, the cost of one, calibration, and the limits."""
    found = section(studied(tmp_path, team_task()))
    assert found is not None
    cells = {row[0]: row for row in found.rows}
    assert cells["claude"][3:8] == ("2", "2 of 2", "1", "4,000 tokens, $0.10", "1 of 2")
    assert cells["expert"][3:8] == ("3", "0 of 2", "0", "–", "–")
    said = " ".join(found.sentences)
    assert "claude made 2 trials; 2 of 2 improved on the best at their time (100%" in said
    assert "exact 95% interval 16% to 100%" in said
    assert "The others made 3 trials; none of 2 improved" in said
    assert "2,000 tokens or $0.05 per improvement" in said
    assert "were to be expected for" in said
    assert "4,000 tokens were spent on 5." in said
    assert "claude: 1 of 2 results fell into the interval predicted for it (50%" in said
    assert "only such a study can show" in said


def test_an_unknown_price_is_not_made_up(tmp_path: Path) -> None:
    """Without a price there are tokens, and no dollars anywhere."""
    found = section(studied(tmp_path, team_task(), usd=None))
    assert found is not None
    said = " ".join([*found.sentences, *(cell for row in found.rows for cell in row)])
    assert "a price that nobody knows" in said
    assert "2,000 tokens per improvement" in said
    assert "$" not in said


def test_without_a_model_nothing_is_said_of_models(tmp_path: Path) -> None:
    """A key-less team has its table and no word on cost; one proposer has no section at all."""
    team = replace(network_task(), team=("gp", "expert"))
    found = section(Recorder(tmp_path / "team", team).close())
    assert found is not None
    assert [row[0] for row in found.rows] == ["gp", "expert"]
    assert not any("model" in sentence for sentence in found.sentences)
    alone = Recorder(tmp_path / "alone", replace(network_task(), team=("expert",))).close()
    assert section(alone) is None
    assert "improved" not in shown(overview(alone))


def test_the_report_and_status_show_the_team(tmp_path: Path) -> None:
    """The section stands in both reports, the table in `status`, all of it in its JSON."""
    history = studied(tmp_path, team_task())
    write(history, tmp_path)
    page = Elements((tmp_path / "report.html").read_text())
    markdown = (tmp_path / "report.md").read_text()
    assert "The team" in page.text
    assert "per improvement" in page.text
    assert "## The team" in markdown
    assert "| claude | " in markdown
    said = shown(overview(history))
    assert "improved" in said
    assert "4,000 tokens, $0.10" in said
    told = study_document(history, tmp_path, running=False)["team"]
    assert isinstance(told, list)
    claude = told[1]
    assert isinstance(claude, dict)
    assert claude["account"]["name"] == claude["standing"]["name"] == "claude"  # type: ignore[index,call-overload]
    assert claude["account"]["cost"]["tokens"] == 4000  # type: ignore[index,call-overload]


@pytest.mark.parametrize("name", [HOSTILE, "x" * 300])
def test_a_hostile_name_stays_text(tmp_path: Path, name: str) -> None:
    """A member's name brings no element, no row and no escape sequence into any view."""
    history = studied(tmp_path, team_task(name))
    write(history, tmp_path)
    page = Elements((tmp_path / "report.html").read_text())
    assert not [tag for tag, _ in page.tags if tag == "img"]
    markdown = (tmp_path / "report.md").read_text()
    table = markdown.split("## The team")[1].split("\n\n")[1]
    assert len(table.splitlines()) == 4
    assert "\x1b" not in shown(overview(history))
    assert max(map(len, shown(overview(history)).splitlines())) <= 80


def test_a_model_alone_gets_no_share_and_its_waiting_is_called_so(tmp_path: Path) -> None:
    """Of a team of one no share is told; requests, both kinds of tokens and the wait are."""
    history = studied(tmp_path, replace(team_task(), team=(Agent(name="claude", model="a:any"),)))
    found = section(history)
    assert found is not None
    said = " ".join(found.sentences)
    assert "of the next trials" not in said
    assert "(3,000 read, 1,000 written)" in said
    assert "of waiting for answers" in said
    assert "next share" not in found.headings
    assert "credit" not in found.headings
    assert {len(row) for row in found.rows} == {len(found.headings)}
    assert "share" not in shown(overview(history))
    assert "those within the noise counted too" in said
    both = section(studied(tmp_path / "two", team_task()))
    assert both is not None
    assert "of the next trials" in " ".join(both.sentences)


def test_a_program_that_always_fails_is_named_in_red(tmp_path: Path) -> None:
    """A real program that ends with an error each time: `status` says who, why, and in red."""
    broken = Agent(name="broken", cli=("sh", "-c", "echo out of credit >&2; exit 3"))
    task = Task(
        name="t",
        objective=Objective(metric="y"),
        space=NETWORK,
        command=("true",),
        team=(broken, "random"),
        budget=Budget(trials=10),
    )
    with SimulatedRunner(lambda configuration, seed: 1.0) as runner:
        history = Study(task, tmp_path, runner=runner).run()
    account, other = accounts(history)
    assert (account.health, other.health) == ("failing", "well")
    console = Console(width=100, force_terminal=True, color_system="standard", file=StringIO())
    console.print(overview(history))
    printed = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO, as given
    assert "\x1b[31mbroken is failing: nothing came of its last 3 turns" in printed
    assert "out of credit" in printed
    told = study_document(history, tmp_path, running=False)["team"]
    assert isinstance(told, list)
    healths = [one["account"]["health"] for one in told]  # type: ignore[index, call-overload]
    assert healths == ["failing", "well"]


def test_roles_areas_and_how_far_apart_stand_in_every_view(tmp_path: Path) -> None:
    """The given area, else the parameters that were moved most; focus, distance and its p."""
    scout = Delegate(member="random", name="scout", role="explorer", area=Area(where="hidden > 9"))
    recorder = Recorder(tmp_path, replace(network_task(), team=("expert", scout)))
    for number in range(6):
        for by, name in (("expert", "hidden"), ("scout", "dropout")):
            value = NETWORK[name].from_unit((number + 1) / 9)
            values = NETWORK.canonical({**DEFAULTS, name: value})
            trial = recorder.admit(Proposal(configuration=values, by=by))
            observe(recorder, recorder.launch(trial), 0.5 + number / 100)
    history = recorder.close()
    found = section(history)
    assert found is not None
    cells = {row[0]: dict(zip(found.headings, row, strict=True)) for row in found.rows}
    assert cells["scout"]["role"] == "explorer"
    assert cells["scout"]["area"] == "hidden > 9"
    assert (cells["expert"]["role"], cells["expert"]["area"]) == ("–", "hidden")
    assert cells["expert"]["focus"] == "1.00"
    assert cells["expert"]["apart"] == "1.00 (p 0.00)"
    assert "scout moved dropout 100%" in " ".join(found.sentences)
    assert "permutation test p = 0.0" in " ".join(found.sentences)
    said = shown(overview(history))
    assert "explorer" in said
    assert "hidden > 9" in said
    assert "1.00 (p 0.00)" in said
    told = study_document(history, tmp_path, running=False)["team"]
    assert isinstance(told, list)
    member = told[1]
    assert isinstance(member, dict)
    assert (member["role"], member["area"]) == ("explorer", "hidden > 9")
    assert member["specialisation"]["focus"] == 1.0  # type: ignore[index,call-overload]
    assert member["specialisation"]["moved"] == {"dropout": 1.0}  # type: ignore[index,call-overload]
    write(history, tmp_path)
    assert "| scout |" in (tmp_path / "report.md").read_text()
    assert "hidden > 9" in Elements((tmp_path / "report.html").read_text()).text
