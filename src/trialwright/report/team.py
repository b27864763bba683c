"""The team in words: each member's share and area, what its trials brought and cost, predictions.

Improvements are counted, and told by whom and at what cost. What would have been found without a
member is not claimed: one study can't show it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from trialwright.analysis.areas import Specialisation, specialisations
from trialwright.analysis.standing import FAILING, Account, Cost, Rate, accounts
from trialwright.history import History
from trialwright.propose.credit import Standing, of_team
from trialwright.propose.estimate import estimate, rough
from trialwright.report import words

NONE = "–"
HEADINGS = (
    "member",
    "next share",
    "credit",
    "trials",
    "improved",
    "refused",
    "cost",
    "in interval",
    "role",
    "area",
    "focus",
    "apart",
)
"""Of the table in a report."""

PARTS = ("member", "credit", "role", "area", "focus", "apart")
"""Of the second table of `status`: who does what part of the work."""


SURELY = 0.05
"""Probability below which what sets a member apart is taken for more than chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A proposer: where it stands in the team, and what it did."""

    account: Account
    standing: Standing | None
    """None for one that is not of the team: a person, a grid, an outside agent."""
    role: str = ""
    """A `Role`; '' for one that has none, or one in words of its own."""
    area: str = ""
    """That it was given; '': none."""
    specialisation: Specialisation | None = None
    """What it moved; None for one without a trial."""

    @property
    def about(self) -> str:
        """Its area as a table has it: given, or the parameters that it moved most."""
        seen = self.specialisation.observed if self.specialisation else ()
        return self.area or ", ".join(seen) or NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamSection:
    """What a report says of the team."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    sentences: tuple[str, ...]


def members(history: History) -> list[Member]:
    """Return every proposer with its account, the team first."""
    task, seen = history.task, specialisations(history)
    standing = {one.name: one for one in of_team(task, history)}
    return [
        Member(
            account=account,
            standing=standing.get(account.name),
            role=task.roles.get(account.name, ""),
            area=str(task.areas.get(account.name, "")),
            specialisation=seen.get(account.name),
        )
        for account in accounts(history)
    ]


def worth_telling(history: History) -> bool:
    """Say whether a study has a team to speak of: several members, or a model."""
    return len(history.task.team) > 1 or bool(history.exchanges)


def section(history: History) -> TeamSection | None:
    """Return the report's section; None where one proposer without a model did it all."""
    if not worth_telling(history):
        return None
    found = members(history)
    standings = [one.standing for one in found if one.standing]
    # Alone, a member has every turn: a share says nothing.
    told = [one.sentence for one in standings] if len(standings) > 1 else []
    predicted = [said for one in found if (said := _predictions(one.account))]
    rows = (HEADINGS, *map(_row, found))
    # Nor does credit, which shares are made of.
    headings, *cells = rows if len(standings) > 1 else (_shareless(row) for row in rows)
    return TeamSection(
        headings=headings,
        rows=tuple(cells),
        sentences=(
            *failing(found),
            *bought([one.account for one in found], history),
            *predicted,
            *told,
            *_areas(found),
        ),
    )


def _areas(found: Sequence[Member]) -> tuple[str, ...]:
    """Say what each member moves, and whether that is more than chance would make of it."""
    lines = []
    for one in found:
        seen = one.specialisation
        if seen is None or not seen.moved or seen.focus is None:
            continue
        most = ", ".join(f"{words.line(n, most=40)} {seen.moved[n]:.0%}" for n in seen.observed)
        said = (
            f"{words.line(one.account.name, most=40)} moved {most} (share of its moves; focus"
            f" {seen.focus:.2f}, where 0 moves all alike and 1 one parameter alone)"
        )
        if seen.apart is not None and seen.p is not None:
            surely = "" if seen.p < SURELY else ": no more than chance would bring"
            said += (
                f", {seen.apart:.2f} apart from the others (0 the same, 1 nothing in common;"
                f" permutation test p = {seen.p:.3f}{surely})"
            )
        lines.append(f"{said}.")
    return tuple(lines) if len(lines) > 1 else ()


def standing_table(history: History) -> list[RenderableType]:
    """Return the team as a small table for a terminal; nothing where there is no team."""
    if not worth_telling(history):
        return []
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    found = members(history)
    several = sum(one.standing is not None for one in found) > 1
    for heading in ("member", *(["share"] if several else []), *HEADINGS[3:7]):
        table.add_column(heading, header_style="bold", overflow="fold")
    for one in found:
        name, share, _, *rest = _row(one)[:7]
        style = "red" if one.account.health == "failing" else ""
        cells = (*([share] if several else []), *rest)
        table.add_row(Text(name, style=style), *map(Text, cells))
    parts: list[RenderableType] = [Text(), _parts_table(found)] if several else []
    return [Text(), table, *parts, *(Text(said, style="red") for said in failing(found))]


def _parts_table(found: Sequence[Member]) -> Table:
    """Who does what part of the work: roles, areas, and how far they are apart."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in PARTS:
        table.add_column(heading, header_style="bold", overflow="fold")
    for one in found:
        row = dict(zip(HEADINGS, _row(one), strict=True))
        table.add_row(*(Text(row[heading]) for heading in PARTS))
    return table


def failing(found: Sequence[Member]) -> tuple[str, ...]:
    """Say which members fail, and why; () if all are well."""
    return tuple(
        f"{words.line(one.account.name, most=40)} is failing: nothing came of its last"
        f" {FAILING} turns ({words.line(one.account.trouble, most=200)})"
        for one in found
        if one.account.health == "failing"
    )


def _shareless(row: tuple[str, ...]) -> tuple[str, ...]:
    """A row of the table without share and credit."""
    return (row[0], *row[3:])


def bought(found: Sequence[Account], history: History) -> tuple[str, ...]:
    """Say who improved on the best, and what the models' part cost; () without any model."""
    models = [account for account in found if account.model]
    if not models:
        return ()
    others = [account for account in found if not account.model and account.trials]
    sign = history.task.objective.sign
    lines = [_brought(models, "The models" if len(models) > 1 else models[0].name, sign=sign)]
    lines += [_brought(others, "The others", sign=sign)] if others else []
    return (" ".join(lines), *_price(models, history), *_expected(history, models), _CAUTION)


_CAUTION = (
    "Who made an improvement says little of who was needed for it: the members see each other's"
    " results. What a study without the models would have found, only such a study can show."
)


def _brought(found: Sequence[Account], name: str, *, sign: int) -> str:
    trials = sum(account.trials for account in found)
    rate = Rate.of(
        sum(account.improved.hits for account in found),
        sum(account.improved.total for account in found),
    )
    stem = f"{words.line(name, most=40)} made {words.count(trials, 'trial')}"
    if not rate.total:
        return f"{stem}, none with a best to beat yet."
    if not rate.hits:
        return f"{stem}; none of {rate.total} improved on the best ({_range(rate)})."
    gain = math.fsum(account.gain for account in found)
    way = "up" if sign > 0 else "down"
    return (
        f"{stem}; {rate.hits} of {rate.total} improved on the best at their time"
        f" ({_range(rate)}), by {gain:.3g} {way} in all."
    )


def _price(models: Sequence[Account], history: History) -> tuple[str, ...]:
    """What the models cost, over all and per improvement."""
    exchanges = sum(account.cost.exchanges for account in models)
    if not exchanges:
        return ()
    tokens = sum(account.cost.tokens for account in models)
    prices = [account.cost.usd for account in models if account.cost.exchanges]
    usd = None if None in prices else math.fsum(price or 0.0 for price in prices)
    seconds = math.fsum(account.cost.seconds for account in models)
    hits = sum(account.improved.hits for account in models)
    about = "about " if any(account.cost.estimated for account in models) else ""
    price = "at a price that nobody knows" if usd is None else f"for {_dollars(usd)}"
    names = {account.name for account in models}
    held = [exchange for exchange in history.exchanges if exchange.by in names]
    requests = sum(exchange.requests for exchange in held)
    read = sum(exchange.input_tokens for exchange in held)
    written = sum(exchange.output_tokens for exchange in held)
    said = (
        f"This took {words.count(exchanges, 'conversation')} with"
        f" {words.count(requests, 'request')}, {about}{tokens:,} tokens ({read:,} read,"
        f" {written:,} written) {price}, and {words.seconds(seconds)} of waiting for answers"
    )
    if not hits:
        return (f"{said}.",)
    each = f"{tokens / hits:,.0f} tokens" + ("" if usd is None else f" or {_dollars(usd / hits)}")
    return (f"{said}: {each} per improvement, those within the noise counted too.",)


def _expected(history: History, models: Sequence[Account]) -> tuple[str, ...]:
    """What was to be expected before the first call, next to what it came to."""
    expected = estimate(history.task)
    if expected is None or not any(account.cost.exchanges for account in models):
        return ()
    spent = sum(account.cost.tokens for account in models)
    price = "" if expected.usd is None else f" or {_dollars(expected.usd)}"
    span = words.count(expected.trials, "trial")
    of = f"the {span} that were the team's to propose" if expected.bounded else f"every {span}"
    return (
        f"Before the first call, about {rough(expected.tokens):,} tokens{price} were to be"
        f" expected for {of}; {spent:,} tokens were spent on {len(history.trials)}.",
    )


def _predictions(account: Account) -> str:
    """How well a proposer's predicted intervals were calibrated; '' if none can be held."""
    held = account.calibration
    if held is None:
        return ""
    inside = held.inside
    return (
        f"{words.line(account.name, most=40)}: {inside.hits} of"
        f" {words.count(inside.total, 'result')} fell into the interval predicted for it"
        f" ({_range(inside)}) where {held.level:.0%} was claimed; mean interval score"
        f" {held.score:.3g} (the width, and a penalty for misses; smaller is better)."
    )


def _row(one: Member) -> tuple[str, ...]:
    account, standing = one.account, one.standing
    held = account.calibration
    return (
        words.line(account.name, most=40),
        NONE if standing is None else f"{standing.share:.0%}",
        NONE if standing is None else f"{standing.credit:.2g}",
        str(account.trials),
        _part(account.improved),
        str(account.refusals),
        _cost(account.cost),
        NONE if held is None else _part(held.inside),
        one.role or NONE,
        words.line(one.about, most=60),
        *_specialised(one.specialisation),
    )


def _specialised(seen: Specialisation | None) -> tuple[str, str]:
    """How narrow a member's moves are, and how far from the others', with its p."""
    if seen is None or seen.focus is None:
        return NONE, NONE
    if seen.apart is None or seen.p is None:
        return f"{seen.focus:.2f}", NONE
    return f"{seen.focus:.2f}", f"{seen.apart:.2f} (p {seen.p:.2f})"


def _cost(cost: Cost) -> str:
    if not cost.exchanges:
        return NONE
    tokens = f"{'about ' if cost.estimated else ''}{cost.tokens:,} tokens"
    return tokens if cost.usd is None else f"{tokens}, {_dollars(cost.usd)}"


def _dollars(usd: float) -> str:
    return f"${usd:.2f}" if usd >= 0.1 or usd == 0 else f"${usd:.2g}"


def _part(rate: Rate) -> str:
    return f"{rate.hits} of {rate.total}" if rate.total else NONE


def _range(rate: Rate) -> str:
    assert rate.part is not None
    return f"{rate.part:.0%}, exact 95% interval {rate.low:.0%} to {rate.high:.0%}"
