"""Roles and areas of models: read in the part of the prompt that stays, and areas enforced."""

from __future__ import annotations

from pathlib import Path

from tests.llm.servers import change, final, playing, serving, told
from tests.llm.tasks import agent, asked, makers, ran, task
from trialwright.task import Area


def test_a_role_and_an_area_stand_in_the_part_that_stays(tmp_path: Path) -> None:
    """The instructions of every request say both, in the same words each time."""
    area = Area(parameters=("rate",))
    with serving(
        "openai", playing(final(change("rate", 0.4)), final(change("rate", 0.3)))
    ) as server:
        ran(task(agent(server, role="skeptic", area=area), trials=2), tmp_path)
        stays = {str(r.body["messages"][0]["content"]) for r in server.requests}
    assert len(stays) == 1
    [text] = stays
    assert "Try to break what the team believes" in text
    assert "change these parameters only, all others stay as the parent has them: rate" in text


def test_what_leaves_an_area_is_told_and_put_right(tmp_path: Path) -> None:
    """A proposal that moves something else is answered with the area; the repaired one runs."""
    script = playing(final(change("depth", 7)), final(change("rate", 0.35)))
    with serving("openai", script) as server:
        history = ran(task(agent(server, area=Area(parameters=("rate",))), trials=1), tmp_path)
        said = told(server.requests[-1], "openai")[-1]
    assert asked(history)[0].repairs == ("area",)
    assert "outside of your area (rate): depth" in said
    assert history.trials[0].configuration["depth"] == 3


def test_a_condition_is_enforced_and_who_will_not_keep_it_loses_its_turn(tmp_path: Path) -> None:
    """Whatever it is told, it goes on: no trial of it leaves the area, and others go on."""
    script = playing(*[final(change("rate", 0.9 - i / 100)) for i in range(30)])
    with serving("openai", script) as server:
        one = agent(server, area=Area(where="kind == 'dart'"))
        history = ran(task(one, "random", trials=2), tmp_path)
    assert makers(history) == ["random", "random"]
    assert {cause for exchange in asked(history) for cause in exchange.repairs} == {"area"}


def test_without_an_area_nothing_is_refused(tmp_path: Path) -> None:
    """The same proposal by a member without an area is a trial."""
    with serving("openai", playing(final(change("depth", 7)))) as server:
        history = ran(task(agent(server), trials=1), tmp_path)
    assert history.trials[0].configuration["depth"] == 7
