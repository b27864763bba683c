"""The members of a team, as a study file names them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast, get_args

from trialwright.llm.providers import name_fault
from trialwright.studyfile.fields import Fields, Problems, choose
from trialwright.studyfile.tree import Tree
from trialwright.task import Agent, Effort, Member

MEMBERS: tuple[str, ...] = get_args(Member)

KEYS = (
    "name", "model", "cli", "base_url", "key", "temperature", "effort", "role", "price", "timeout",
    "output_tokens",
)  # fmt: skip
"""What may be said of a member that is a language model."""

_NAME = re.compile(r"[^\s\x00-\x1f]{1,60}")
_VARIABLE = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def read_team(fields: Fields, problems: Problems) -> tuple[Member | Agent, ...]:
    """Read `team`: names of proposers, names of models, and mappings that describe models."""
    tree = fields.tree("team")
    if tree is None:
        return ("expert",)
    trees = tree.value if isinstance(tree.value, tuple) else (tree,)
    if not trees:
        fields.fault(tree, f"team is empty; {choose('', MEMBERS)}")
    team: list[Member | Agent] = []
    for item in trees:
        one = _member(item, fields, problems)
        if one is None:
            continue
        taken = [other.name if isinstance(other, Agent) else other for other in team]
        name = one.name if isinstance(one, Agent) else one
        if name in taken:
            fields.fault(item, f"team: {name} stands twice: keep one, or give each a `name`")
            continue
        team.append(one)
    return tuple(team)


def _member(item: Tree, fields: Fields, problems: Problems) -> Member | Agent | None:
    if isinstance(item.value, Mapping):
        return _agent(Fields(item, "team member", problems, known=KEYS), item)
    if not isinstance(item.value, str):
        fields.fault(item, f"team: {item.shown} is no member; {choose('', MEMBERS)}")
        return None
    if ":" in item.value:
        fault = name_fault(item.value)
        if fault:
            fields.fault(item, f"team: {fault}")
            return None
        return Agent(name=item.value, model=item.value)
    if item.value not in MEMBERS:
        known = choose(item.value, MEMBERS)
        fields.fault(item, f"team: {item.value!r} is unknown; {known}; a model is provider:name")
        return None
    return cast("Member", item.value)


def _agent(fields: Fields, at: Tree) -> Agent | None:
    model, cli = fields.text("model") or "", fields.texts("cli")
    if bool(model) == bool(cli):
        given = "both" if model else "neither"
        fields.fault(at, f"team member: give `model` or `cli`; {given} is given")
        return None
    fault = name_fault(model) if model else ""
    if fault:
        fields.fault(fields.tree("model") or at, f"team member: {fault}")
        return None
    name = fields.text("name") or model or cli[0].rpartition("/")[2]
    if not _NAME.fullmatch(name) or name in (*MEMBERS, "user", "grid", "rerun", "healer"):
        fields.fault(
            at, f"team member: {name!r} can't be its name: up to 60 characters without"
            " spaces, and none of the built-in members' names",
        )  # fmt: skip
        return None
    key = fields.text("key")
    if key is not None and not _VARIABLE.fullmatch(key):
        # What is not shaped like a variable may be the key itself: it is not repeated here.
        fields.fault(at, "team member: `key` names the environment variable that holds the key")
        return None
    output = fields.whole("output_tokens", least=200)
    plain = Agent(name=name)
    return Agent(
        name=name,
        model=model,
        cli=cli,
        base_url=_url(fields),
        key=key,
        temperature=fields.number("temperature", least=0),
        effort=cast("Effort | None", fields.word("effort", get_args(Effort))),
        role=fields.text("role") or "",
        price=_price(fields),
        timeout_s=fields.duration("timeout") or plain.timeout_s,
        output_tokens=output or plain.output_tokens,
    )


def _url(fields: Fields) -> str | None:
    url, tree = fields.text("base_url"), fields.tree("base_url")
    if url is None or tree is None:
        return None
    if not re.match(r"https?://[^/\s]+", url):
        fields.fault(tree, f"{fields.path('base_url')}: {url!r} is no http:// or https:// address")
    return url


def _price(fields: Fields) -> tuple[float, float] | None:
    items, tree = fields.items("price"), fields.tree("price")
    if tree is None:
        return None
    numbers = [
        float(item.value)
        for item in items
        if isinstance(item.value, int | float) and not isinstance(item.value, bool)
    ]
    if len(items) != 2 or len(numbers) != 2 or min(numbers) < 0:
        fields.fault(
            tree, f"{fields.path('price')} must be US dollars per million tokens, read and"
            " written, such as [0.5, 1.5]",
        )  # fmt: skip
        return None
    return numbers[0], numbers[1]
