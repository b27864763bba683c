"""From what a proposer returned to trials: legal, no repeat, numbered; or refused, with reasons.

A proposer is trusted with nothing: it may raise, return the wrong types, invent parents, or send
the same configuration for ever.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from trialwright.analysis.claims import faults
from trialwright.errors import ProposerError, SpaceError
from trialwright.history import History
from trialwright.propose.baselines import Random
from trialwright.propose.proposer import Proposer
from trialwright.records import Admission, Claim, Notice, Proposal, Refusal
from trialwright.research.repair import onto_sound
from trialwright.research.workshop import examine
from trialwright.task import Task

ROUNDS = 3
"""Times that a proposer is asked again when all it offered was refused."""

FRUITLESS = 12
"""Turns in a row without an edit that could be made, after which a study ends."""

LONGEST_TEXT = 20_000
"""Characters of words per proposal; what a model writes beyond that helps nobody."""

MOST_CLAIMS = 4
"""Claims that are taken up of one proposal."""

RESERVED = frozenset({"user", "grid", "rerun", "healer", "ablation"})
"""Names in `Proposal.by` under which the study itself admits."""

_PROPOSAL = TypeAdapter(Proposal)


@dataclass(slots=True)
class Sifted:
    """What became of a batch of proposals."""

    admissions: list[Admission] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    """That came with what was admitted: to be noted before it, so that it can test them."""


def sift(offered: object, history: History, *, n: int, code: str, own: bool = False) -> Sifted:
    """Admit at most `n` of `offered`, numbered behind the history's trials; refuse the rest.

    `offered` should be a list of proposals; anything else in it is refused. What stands behind the
    first `10 * n` is not looked at. `own`: the proposals are the study's, under `RESERVED` names.
    """
    sifted = Sifted()
    taken: set[tuple[str, str]] = set()
    items = offered if isinstance(offered, list | tuple) else [offered]
    for item in items[: 10 * n]:
        if len(sifted.admissions) == n:
            break
        proposal = _sound(item)
        if isinstance(proposal, str):
            refused = Proposal(configuration={}, by=_name(item))
            sifted.refusals.append(Refusal(proposal=refused, faults=(proposal,)))
            continue
        proposal, wrong = _looked_into(proposal, history)
        wrong = tuple(dict.fromkeys((proposal.fault, *wrong))) if proposal.fault else wrong
        wrong = wrong or _faults(proposal, history, code=code, taken=taken)
        if proposal.by in RESERVED and not own:
            wrong = (f"the name {proposal.by!r} is the study's own",)
        if wrong:
            sifted.refusals.append(Refusal(proposal=proposal, faults=wrong))
            continue
        _take_claims(proposal, history, sifted)
        configuration = history.space.canonical(proposal.configuration)
        without = proposal.without if own else None
        canonical = replace(proposal, configuration=configuration, claims=(), without=without)
        taken.add(_key(canonical, history))
        sifted.admissions.append(
            Admission(
                number=len(history.trials) + len(sifted.admissions), proposal=canonical, code=code
            )
        )
    return sifted


def ask(proposer: Proposer, task: Task, history: History, *, n: int, seed: int) -> Sifted:
    """Ask for up to `n` trials: the proposer first, chance when it offers nothing usable.

    Nothing admitted means that nothing is left to try. Draws depend on `seed` and on the
    history's sequence alone, so a replay asks the same.
    """
    sifted = Sifted()
    code = history.code
    for attempt in range(ROUNDS):
        rng = np.random.default_rng([seed, history.sequence, attempt])
        offered, notice = _call(proposer, task, history, n=n, rng=rng)
        more = sift(offered, history, n=n, code=code)
        sifted.admissions += more.admissions
        sifted.refusals += more.refusals
        sifted.claims += more.claims
        sifted.notices += more.notices
        if notice is not None:
            sifted.notices.append(notice)
        if sifted.admissions or notice is not None or not offered or _knowing(offered):
            break
    if not sifted.admissions:
        sifted.admissions = by_chance(task, history, n=n, seed=seed).admissions
    return sifted


def gave_up(sifted: Sifted, task: Task, turns: int) -> bool:
    """Say whether nothing is left to try, after `turns` in a row without a trial.

    A space can be used up. Of code there is always more: whoever had edits refused, or failed, is
    asked again a few times.
    """
    offered = bool(sifted.refusals or sifted.notices)
    return task.research is None or not offered or turns >= FRUITLESS


def nothing_left(task: Task) -> str:
    """Say that nothing is left to try."""
    if task.research is not None:
        return "nobody has another edit to offer"
    return "every configuration of the space has been tried"


def answer(by: str, offered: object, history: History, *, n: int) -> Sifted:
    """What becomes of what member `by` offered by itself, of which up to `n` trials are wanted."""
    items = [
        replace(item, by=by) if isinstance(item, Proposal) else item
        for item in (offered if isinstance(offered, list | tuple) else [offered])
    ]
    sifted = sift(items, history, n=n, code=history.code)
    sifted.refusals = [
        replace(refusal, proposal=replace(refusal.proposal, by=by)) for refusal in sifted.refusals
    ]
    return sifted


def lost(by: str, why: str) -> Refusal:
    """The record of a turn in which a member offered nothing."""
    return Refusal(proposal=Proposal(configuration={}, by=by, rationale=why), faults=(why,))


def by_chance(task: Task, history: History, *, n: int, seed: int) -> Sifted:
    """Draw up to `n` trials at random; none, if nothing is left to try."""
    rng = np.random.default_rng([seed, history.sequence, ROUNDS])
    try:
        offered = Random()(task, history, n, rng)
    except SpaceError:
        offered = []
    return sift(offered, history, n=n, code=history.code)


def _call(
    proposer: Proposer, task: Task, history: History, *, n: int, rng: np.random.Generator
) -> tuple[object, Notice | None]:
    try:
        return proposer(task, history, n, rng), None
    except ProposerError as error:
        text = f"{proposer.name} can't propose: {error}"
    except Exception as error:  # noqa: BLE001  # one proposer's fault must not end the study
        text = f"{proposer.name} failed and loses its turn: {type(error).__name__}: {error}"
    return [], Notice(level="warning", topic="proposer", text=text[:LONGEST_TEXT])


def _knowing(offered: object) -> bool:
    """Whether who offered this knows already why none of it can be used."""
    items = offered if isinstance(offered, list | tuple) else [offered]
    return all(isinstance(item, Proposal) and item.fault for item in items)


def _sound(item: object) -> Proposal | str:
    """A proposal whose every field is of the stated type, or what is wrong with it."""
    if not isinstance(item, Proposal):
        return f"{type(item).__name__} is not a Proposal"
    try:
        proposal = _PROPOSAL.validate_json(_PROPOSAL.dump_json(item, warnings="error"))
    except (ValidationError, PydanticSerializationError, ValueError, RecursionError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        return f"the proposal can't be recorded: {first}"
    words = [
        proposal.rationale,
        proposal.by,
        proposal.fault,
        *proposal.reasons.values(),
        *proposal.configuration,
    ]
    length = sum(map(len, words))
    return proposal if length <= LONGEST_TEXT else f"{length} characters; {LONGEST_TEXT} allowed"


def _take_claims(proposal: Proposal, history: History, sifted: Sifted) -> None:
    """Take the claims up that can be tested; of the others, say what to do."""
    for claim in proposal.claims[:MOST_CLAIMS]:
        wrong = faults(claim, history)
        if wrong:
            text = f"{proposal.by} claims what can't be tested: {'; '.join(wrong)}"
            notice = Notice(level="info", topic="claim", text=text[:LONGEST_TEXT])
            sifted.notices.append(notice)
        else:
            sifted.claims.append(replace(claim, by=proposal.by))


def _faults(
    proposal: Proposal, history: History, *, code: str, taken: set[tuple[str, str]]
) -> tuple[str, ...]:
    wrong = history.space.check(proposal.configuration)
    if wrong:
        return wrong
    referred = {"parent": proposal.parent}
    if proposal.hypothesis is not None:
        referred["hypothesis.against"] = proposal.hypothesis.against
    wrong = tuple(
        f"{what} = {number} is no trial; there are {len(history.trials)}, numbered from 0"
        for what, number in referred.items()
        if number is not None and not 0 <= number < len(history.trials)
    )
    if wrong:
        return wrong
    what = "code" if history.task.research else "configuration"
    repeat = history.seen(proposal.configuration, code=code, tree=history.tree_of(proposal))
    if repeat is not None:
        return (f"the same {what} as trial {repeat}",)
    if _key(proposal, history) in taken:
        return (f"the same {what} stands twice in one batch",)
    return ()


def _looked_into(proposal: Proposal, history: History) -> tuple[Proposal, tuple[str, ...]]:
    """A proposal with its edit as code finds it, and what is wrong with that edit."""
    if proposal.edit is None:
        return proposal, ()
    if proposal.parent is not None and not 0 <= proposal.parent < len(history.trials):
        return proposal, (f"parent = {proposal.parent} is no trial: whose code does it edit?",)
    edit, wrong = examine(proposal, history)
    proposal = replace(proposal, edit=edit)
    return (proposal, wrong) if wrong else onto_sound(proposal, history)


def _key(proposal: Proposal, history: History) -> tuple[str, str]:
    return history.space.key(proposal.configuration), history.tree_of(proposal)


def _name(item: object) -> str:
    by = getattr(item, "by", None)
    return by if isinstance(by, str) and len(by) <= 100 else type(item).__name__
