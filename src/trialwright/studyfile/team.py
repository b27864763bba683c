"""The members of a team, as a study file names them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast, get_args

from trialwright.editable import CodingAgent
from trialwright.errors import ExpressionError
from trialwright.expression import names
from trialwright.llm.providers import name_fault
from trialwright.space import Space
from trialwright.studyfile.fields import Fields, Problems, choose
from trialwright.studyfile.tree import Tree
from trialwright.task import Agent, Area, Delegate, Effort, Member, Role, Someone, nearest

MEMBERS: tuple[str, ...] = get_args(Member)

KEYS = (
    "name", "model", "cli", "base_url", "key", "temperature", "effort", "role", "area", "price",
    "timeout", "output_tokens",
)  # fmt: skip
"""What may be said of a member that is a language model."""

CODER_KEYS = ("coder", "name", "time", "network", "pass", "writable", "role")
"""What may be said of a coding agent's command line."""

DELEGATE_KEYS = ("member", "name", "role", "area")
"""What may be said of one that is not."""

ROLES: tuple[str, ...] = get_args(Role)

_PATTERN = re.compile(r"[\w.*?-]+")

_NAME = re.compile(r"[^\s\x00-\x1f]{1,60}")
_VARIABLE = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def read_team(fields: Fields, problems: Problems, space: Space | None) -> tuple[Someone, ...]:
    """Read `team`: names of proposers, names of models, and mappings that describe either.

    `space`: what areas are held to; None if it could not be read.
    """
    tree = fields.tree("team")
    if tree is None:
        return ("editor",) if "research" in fields else ("expert",)
    trees = tree.value if isinstance(tree.value, tuple) else (tree,)
    if not trees:
        fields.fault(tree, f"team is empty; {choose('', MEMBERS)}")
    team: list[Someone] = []
    for item in trees:
        one = _member(item, fields, problems, space=space)
        if one is None:
            continue
        taken = [other if isinstance(other, str) else other.name for other in team]
        name = one if isinstance(one, str) else one.name
        if name in taken:
            fields.fault(item, f"team: {name} stands twice: keep one, or give each a `name`")
            continue
        team.append(one)
    if team and all(isinstance(one, Delegate) and one.role == "skeptic" for one in team):
        fields.fault(tree, "team: skeptics alone have nothing to doubt; add a member, e.g., expert")
    return tuple(team)


def _member(
    item: Tree, fields: Fields, problems: Problems, *, space: Space | None
) -> Someone | None:
    if isinstance(item.value, Mapping):
        return _described(item, item.value, problems, space=space)
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


def _described(
    item: Tree, given: Mapping[str, Tree], problems: Problems, *, space: Space | None
) -> Someone | None:
    """Read a member that is a mapping; which key it has says what it is."""
    if "coder" in given:
        return _coder(Fields(item, "team member", problems, known=CODER_KEYS), item)
    keys, read = (DELEGATE_KEYS, _delegate) if "member" in given else (KEYS, _agent)
    return read(Fields(item, "team member", problems, known=keys), item, space=space)


def _delegate(fields: Fields, at: Tree, *, space: Space | None) -> Member | Delegate | None:
    member = cast("Member | None", fields.word("member", MEMBERS))
    role = cast("Role | None", fields.word("role", ROLES))
    area = _area(fields, space)
    if member is None or (role is None and "role" in fields):
        return None
    if member == "inquirer" and (role or area):
        fields.fault(at, "team member: the inquirer takes no role and no area: try role: skeptic")
        return None
    name = fields.text("name") or (f"{member}-{role}" if role else member)
    if not _free(name) and name != member:
        fields.fault(at, _unfit(name))
        return None
    if (name, role, area) == (member, None, None):
        return member
    return Delegate(member=member, name=name, role=role, area=area)


def _area(fields: Fields, space: Space | None) -> Area | None:
    """Read `area`: a list of parameters, one alone, or a condition."""
    tree = fields.tree("area")
    if tree is None:
        return None
    if isinstance(tree.value, str) and not _PATTERN.fullmatch(tree.value):
        return _condition(tree.value, fields, tree, space=space)
    patterns = fields.texts("area")
    if not patterns and isinstance(tree.value, tuple) and not tree.value:
        fields.fault(tree, f"{fields.path('area')} is empty: name parameters, or leave it out")
    items = tree.value if isinstance(tree.value, tuple) else (tree,)
    for pattern, item in zip(patterns, items, strict=False):
        if space is not None and not Area(parameters=(pattern,)).names(space):
            there = f"there are {', '.join(space.names)}"
            fields.fault(
                item, f"{fields.path('area')}: {pattern!r} is no parameter"
                f"{nearest(pattern, space.names) or f'; {there}'}",
            )  # fmt: skip
    return Area(parameters=patterns) if patterns else None


def _condition(text: str, fields: Fields, at: Tree, *, space: Space | None) -> Area | None:
    try:
        named = sorted(names(text))
    except ExpressionError as error:
        fields.fault(at, f"{fields.path('area')}: {error}")
        return None
    for name in named:
        if space is not None and name not in space:
            fields.fault(
                at, f"{fields.path('area')}: {name!r} in {text!r} is no parameter"
                f"{nearest(name, space.names)}",
            )  # fmt: skip
            return None
    return Area(where=text)


def _role(fields: Fields) -> str:
    """Read a model's `role`: one of the known ones, or words; a misspelt one is neither."""
    role, tree = fields.text("role") or "", fields.tree("role")
    if tree is not None and role not in ROLES and nearest(role, ROLES):
        fields.fault(
            tree, f"{fields.path('role')}: {role!r} is unknown{nearest(role, ROLES)} (there are"
            f" {', '.join(ROLES)}; or say in a sentence how it is to behave)",
        )  # fmt: skip
    return role


def _free(name: str) -> bool:
    """Whether a member may be called so."""
    taken = (*MEMBERS, "user", "grid", "rerun", "healer")
    return _NAME.fullmatch(name) is not None and name not in taken


def _unfit(name: str) -> str:
    return (
        f"team member: {name!r} can't be its name: up to 60 characters without spaces, and none of"
        " the built-in members' names"
    )


def _agent(fields: Fields, at: Tree, *, space: Space | None) -> Agent | None:
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
    if not _free(name):
        fields.fault(at, _unfit(name))
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
        role=_role(fields),
        area=_area(fields, space),
        price=_price(fields),
        timeout_s=fields.duration("timeout") or plain.timeout_s,
        output_tokens=output or plain.output_tokens,
    )


def _coder(fields: Fields, at: Tree) -> CodingAgent | None:
    """Read a coding agent: its command line, and what that may use."""
    command = fields.texts("coder")
    if not command:
        fields.fault(at, "team member: `coder` is its command line, such as [claude, -p]")
        return None
    name = fields.text("name") or command[0].rpartition("/")[2]
    if not _free(name):
        fields.fault(at, _unfit(name))
        return None
    wrong = [given for given in fields.texts("pass") if not _VARIABLE.fullmatch(given)]
    if wrong:
        fields.fault(at, "team member: `pass` names environment variables, it does not set them")
        return None
    return CodingAgent(
        name=name,
        command=command,
        time_s=fields.duration("time") or CodingAgent(name=name, command=()).time_s,
        network=fields.flag("network"),
        passed=fields.texts("pass"),
        writable=fields.texts("writable"),
        role=fields.text("role") or "",
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
