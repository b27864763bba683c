"""The Creator: a language model that proposes, with reasons and predictions that can fail.

It keeps no state. What it reads is made anew from the history at each turn (`briefing`); what it
answers is typed, checked, and may be repaired a bounded number of times. What it still can't get
right is left to the rest of the team.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Annotated, Any, Literal, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from trialwright.analysis.claiming import Draft, Sense, What, drafted
from trialwright.analysis.claims import LONGEST, faults
from trialwright.analysis.matching import designers
from trialwright.errors import ProposerError, TrialwrightError
from trialwright.expression import Scalar
from trialwright.history import History
from trialwright.llm.conversation import Line
from trialwright.llm.question import Allowance, Purpose, Question, Repair
from trialwright.propose import briefing
from trialwright.propose.evidence import Evidence
from trialwright.propose.lookup import Lookup
from trialwright.propose.words import category, changed
from trialwright.records import Claim, Exchange, Hypothesis, Interval, Proposal, RunKey
from trialwright.task import Area, Task

REPAIRS = 2
"""Times per turn that the model may put its answer right."""

LONGEST_RATIONALE = 4_000
"""Characters of a rationale that are kept."""

LONGEST_WHY = 600
"""Characters of a value's reason, and of a claim, that are kept."""

MOST_CLAIMS = 4
"""Claims of one answer that are looked at."""

FAULTS_SHOWN = 6
"""Faults that one repair names."""

Log = Callable[[RunKey], str]
"""The end of a run's log; '' if it is gone."""

Told = Callable[[Exchange], None]
"""Takes the record of a conversation, so that it reaches the ledger."""


def slim(schema: dict[str, Any]) -> None:
    """Take out of a JSON Schema what it can do without: it is sent with every request.

    What may be left out need not also be null; a default says what the instructions say. An answer
    that has nulls and defaults is taken all the same.
    """
    schema.pop("description", None)
    for field in schema.get("properties", {}).values():
        field.pop("default", None)
        left = [one for one in field.get("anyOf", ()) if one != {"type": "null"}]
        if len(left) == 1 and field.get("description") != VALUE:
            del field["anyOf"]
            field.update(left[0])


VALUE = "in the space"
"""Describes a value, whose null is a value too."""

SLIM = ConfigDict(extra="ignore", json_schema_extra=slim)


class Change(BaseModel):
    """One parameter's new value."""

    model_config = SLIM
    name: str
    value: bool | int | float | str | None
    why: Annotated[str, Field(description="short")] = ""


class Suggestion(BaseModel):
    """One experiment."""

    model_config = SLIM
    parent: int | None = None
    """The trial whose values hold otherwise; None: the defaults."""
    changes: list[Change]
    rationale: Annotated[str, Field(description="what the results say, so what to try")] = ""
    claim: Annotated[str, Field(description="one sentence, on the goal's metric")] = ""
    expects: Literal["better", "worse", "no_worse", "same"] = "better"
    against: int | None = None
    """The trial that the claim compares with; None: the best."""
    low: Annotated[float | None, Field(description="90 % interval")] = None
    high: float | None = None


class Suggestions(BaseModel):
    """The answer of one turn, best first."""

    model_config = ConfigDict(json_schema_extra=slim)
    proposals: list[Suggestion]


class General(BaseModel):
    """Something that holds of the task, not of one trial."""

    model_config = SLIM
    text: Annotated[str, Field(description="one sentence")]
    extents: Annotated[list[str], Field(description='"lr", "lr=0.1..0.5" or "act=relu,gelu" each')]
    what: What | None = None
    expect: Sense = "better"
    threshold: float | None = None


class Claiming(Suggestions):
    """The answer where somebody tests claims: proposals, and what is held to be true in general."""

    claims: Annotated[
        list[General], Field(description="what trials to come can contradict; may be empty")
    ] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a Creator needs besides the task and the history."""

    told: Told
    log: Log


class Creator:
    """A member of the team that asks a model.

    Raises, when called:
        ProposerError: the cap is reached, or the model gave no usable answer.
    """

    def __init__(self, line: Line, surroundings: Surroundings) -> None:
        self._line = line
        self._around = surroundings

    @property
    def name(self) -> str:
        """What stands in `Proposal.by`."""
        return self._line.agent.name

    def __call__(
        self, task: Task, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        """Return up to `n` legal proposals that repeat nothing."""
        allowance = left(task, history)
        if allowance.spent:
            raise ProposerError("the study's cap for language models is reached")
        reading = Reading(task, history, self.name, area=self._line.agent.area)
        lookup = Lookup(task, history, self._around.log, rng)
        stable = briefing.instructions(task, self._line.agent)
        reply = self._line.ask(
            Question(
                purpose="propose",
                instructions=stable,
                prompt=briefing.state(task, history, n, rng, beside=stable),
                answer=Claiming if tests_claims(task) else Suggestions,
                check=lambda answer: reading.check(answer, n),
                tools=lookup.tools,
                repairs=REPAIRS,
                turn=turns(history, self.name, "propose"),
                allowance=allowance,
            )
        )
        self._around.told(reply.exchange)
        if reading.usable:
            # All of the batch, or what came right of it.
            return reading.usable
        raise ProposerError(reply.exchange.detail)


def tests_claims(task: Task) -> bool:
    """Say whether anybody of the team would test a claim."""
    return not designers(task).isdisjoint(task.member_names)


def left(task: Task, history: History) -> Allowance:
    """Return what the study may still spend on models."""
    tokens, usd = history.spent
    seconds = math.fsum(one.seconds for one in history.exchanges)
    budget = task.budget
    return Allowance(
        tokens=None if budget.tokens is None else budget.tokens - tokens,
        usd=None if budget.usd is None else Decimal(str(budget.usd)) - Decimal(str(usd)),
        seconds=None if budget.model_time_s is None else budget.model_time_s - seconds,
    )


def turns(history: History, name: str, purpose: Purpose) -> int:
    """Return how many conversations a member has had for a purpose."""
    return sum(one.by == name and one.purpose == purpose for one in history.exchanges)


class Reading:
    """Turns what a model answered into proposals, or into what is wrong with it.

    `area`: what the proposals have to keep to.
    """

    def __init__(self, task: Task, history: History, by: str, *, area: Area | None = None) -> None:
        self._area = area
        self._task = task
        self._history = history
        self._by = by
        self._evidence = Evidence.of(task, history)
        self.usable: list[Proposal] = []
        """Of the last answer, whatever could be used."""

    def check(self, answer: Suggestions, n: int) -> None:
        """Accept an answer if all of its first `n` proposals can be used.

        Raises:
            Repair: with every fault, in words that say what was allowed.
        """
        found: list[str] = []
        causes: list[str] = []
        usable: dict[str, Proposal] = {}
        for index, suggestion in enumerate(answer.proposals[:n]):
            try:
                proposal = self._proposal(suggestion)
                key = self._history.space.key(proposal.configuration)
                if key in usable:
                    raise Repair("it stands twice in your answer", cause="repeat")
                usable[key] = proposal
            except Repair as repair:
                found.append(f"proposal {index + 1}: {repair}")
                causes.append(repair.cause)
        self.usable = list(usable.values())
        if isinstance(answer, Claiming) and usable:
            claims, wrong = self._claims(answer)
            self.usable[0] = replace(self.usable[0], claims=claims)
            found += wrong
            causes += ["claim"] * len(wrong)
        if not answer.proposals:
            raise Repair("the list of proposals is empty: give at least one", cause="empty")
        if found:
            raise Repair("; ".join(found[:FAULTS_SHOWN]), cause=causes[0])

    def _claims(self, answer: Claiming) -> tuple[tuple[Claim, ...], list[str]]:
        """The claims that can be tested, and what is wrong with the others."""
        claims: list[Claim] = []
        wrong: list[str] = []
        for index, general in enumerate(answer.claims[:MOST_CLAIMS]):
            draft = Draft(
                text=general.text[:LONGEST],
                extents=tuple(general.extents),
                what=general.what,
                expect=general.expect,
                threshold=general.threshold,
            )
            try:
                claim = drafted(draft, self._task, by=self._by)
                why = faults(claim, self._history)
            except TrialwrightError as error:
                why = (str(error),)
            else:
                claims += () if why else (claim,)
            wrong += [f"claim {index + 1}: {one}" for one in why]
        return tuple(claims), wrong

    def child(self, suggestion: Suggestion) -> Proposal:
        """Return one suggestion as a proposal.

        Raises:
            Repair: it can't be used.
        """
        return self._proposal(suggestion)

    def _proposal(self, suggestion: Suggestion) -> Proposal:
        history, space = self._history, self._history.space
        for what in ("parent", "against"):
            number = getattr(suggestion, what)
            if number is not None and not 0 <= number < len(history.trials):
                there = f"0 to {len(history.trials) - 1}" if history.trials else "none yet"
                raise Repair(f"{what} {number} is no trial; there are {there}", cause="parent")
        try:
            configuration = self._configuration(suggestion)
            illegal = space.check(configuration)
        except (TrialwrightError, TypeError, ValueError, OverflowError) as error:
            # A condition or a constraint that can't be worked out for such values.
            illegal = (str(error),)
        if illegal:
            known = all(one.name in space for one in suggestion.changes)
            raise Repair("; ".join(illegal), cause="outside" if known else "unknown")
        configuration = space.canonical(configuration)
        self._keep_to_area(suggestion, configuration)
        repeated = history.seen(configuration, code=history.code)
        if repeated is not None:
            raise Repair(
                f"it repeats trial {repeated}, whatever its words: change a value", cause="repeat"
            )
        return Proposal(
            configuration=configuration,
            by=self._by,
            rationale=suggestion.rationale[:LONGEST_RATIONALE],
            reasons={one.name: one.why[:LONGEST_WHY] for one in suggestion.changes if one.why},
            hypothesis=self._hypothesis(suggestion),
            predicted=interval(suggestion.low, suggestion.high),
            parent=suggestion.parent,
            category=category(self._evidence, self._changed(suggestion, configuration)),
        )

    def _keep_to_area(self, suggestion: Suggestion, configuration: Mapping[str, Scalar]) -> None:
        """Hold a configuration to the member's area, if it was given one."""
        area = self._area
        if area is None:
            return
        strays = area.strays(configuration, self._before(suggestion), self._history.space)
        if strays:
            raise Repair(
                f"outside of your area ({area}): {', '.join(strays)}; leave that as the parent has"
                " it, or name another parent",
                cause="area",
            )
        if not area.holds(configuration):
            raise Repair(f"it is outside of your area: {area} must hold", cause="area")

    def _before(self, suggestion: Suggestion) -> Mapping[str, Scalar]:
        parent = suggestion.parent
        before = {} if parent is None else self._history.trials[parent].configuration
        return before or self._history.space.complete({})

    def _changed(self, suggestion: Suggestion, configuration: Mapping[str, Scalar]) -> list[str]:
        return changed(configuration, self._before(suggestion))

    def _configuration(self, suggestion: Suggestion) -> dict[str, Scalar]:
        space = self._history.space
        changes = {change.name: change.value for change in suggestion.changes}
        if suggestion.parent is None:
            return {**space.complete({k: v for k, v in changes.items() if k in space}), **changes}
        values = {**self._history.trials[suggestion.parent].configuration, **changes}
        # A change may switch parameters on that the parent did not have, or off.
        known = {name: value for name, value in values.items() if name in space}
        unknown = {name: value for name, value in changes.items() if name not in space}
        return {**_fitted(space.complete(known), space.active(known), changes), **unknown}

    def _hypothesis(self, suggestion: Suggestion) -> Hypothesis | None:
        moved = suggestion.changes[0].name if len(suggestion.changes) == 1 else None
        return hypothesis(suggestion, self._history, parameter=moved)


class Claimant(Protocol):
    """Whatever says how a result will compare with another."""

    @property
    def claim(self) -> str:
        """One sentence; '' for none."""
        ...

    @property
    def expects(self) -> Literal["better", "worse", "no_worse", "same"]:
        """What it says of the objective."""
        ...

    @property
    def against(self) -> int | None:
        """The trial that it compares with; None: the best."""
        ...


def hypothesis(said: Claimant, history: History, *, parameter: str | None) -> Hypothesis | None:
    """Return what somebody claims of a trial to come; None where nothing is claimed."""
    if not said.claim:
        return None
    # With no trial to compare with, the claim is held to the interval.
    best = history.best()
    against = said.against
    if against is None and best is not None:
        against = best.number
    return Hypothesis(
        claim=said.claim[:LONGEST_WHY], expects=said.expects, against=against, parameter=parameter
    )


def _fitted(
    completed: Mapping[str, Scalar], active: tuple[str, ...], changes: Mapping[str, Scalar]
) -> dict[str, Scalar]:
    """Drop what a change has switched off, unless it was asked for itself."""
    return {k: v for k, v in completed.items() if k in active or k in changes}


def interval(low: float | None, high: float | None) -> Interval | None:
    """Return the range that a model gave for a result; None where it gave none that can be used."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return None
    return Interval(low=min(low, high), high=max(low, high))
