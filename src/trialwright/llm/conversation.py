"""A conversation with a provider's model, by pydantic-ai, on a thread and loop of its own.

pydantic-ai and the provider's library load when the first question is asked, not before.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from trialwright.errors import ProposerError
from trialwright.llm import providers
from trialwright.llm.program import consult
from trialwright.llm.question import Allowance, Answer, Question, Repair, Reply
from trialwright.llm.tape import FAILED, Player, Recorder, Tape, Turn, timed
from trialwright.records import Exchange
from trialwright.task import Agent

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage, ModelResponse
    from pydantic_ai.models import Model

LONGEST_DETAIL = 500
"""Characters of a provider's complaint that are kept."""

PATIENCE = 4
"""Answers' worth of time that a whole conversation may take."""

NO_CALLS = "No calls are left: give your answer now."


class Line:
    """A member's line to its model. Connections last for one conversation.

    With a `Recorder` every answer is written down; with a `Player` nothing else is asked.
    """

    def __init__(self, agent: Agent, environ: Mapping[str, str], tape: Tape | None = None) -> None:
        self.agent = agent
        self._environ = environ
        self._tape = tape
        self._since: float | None = None

    @property
    def waiting_s(self) -> float | None:
        """Seconds for which an answer is waited for now; None: for none. From any thread."""
        since = self._since
        return None if since is None else time.monotonic() - since

    def ask(self, question: Question[Answer]) -> Reply[Answer]:
        """Hold one conversation. Whatever goes wrong in it is in the reply, not an exception."""
        self._since = time.monotonic()
        try:
            return self._asked(question)
        finally:
            self._since = None

    def _asked(self, question: Question[Answer]) -> Reply[Answer]:
        if self.agent.cli:
            return consult(self.agent, question, environ=self._environ, tape=self._tape)
        talk = _Talk(self.agent, question)
        turn = Turn(self.agent.name, question.purpose, question.turn)
        try:
            model = self._model(turn)
            # Whoever asks may be in an event loop already, and there is one to a thread.
            with ThreadPoolExecutor(max_workers=1, thread_name_prefix=self.agent.name) as thread:
                answer = thread.submit(asyncio.run, talk.hold(model)).result()
            detail = ""
        except TimeoutError:
            answer, detail = None, f"no usable answer in {talk.patience_s:g} s"
        except Exception as error:  # noqa: BLE001  # a provider's library may raise anything
            answer, detail = None, _words(error)
        if detail and isinstance(self._tape, Recorder):
            self._tape.keep(turn, {FAILED: detail})
        return Reply(answer, timed(talk.exchange(detail), turn, self._tape))

    def _model(self, turn: Turn) -> Model:
        if isinstance(self._tape, Player):
            return _played(self.agent, self._tape, turn)
        model = providers.make(self.agent, self._environ)
        return model if self._tape is None else _recorded(model, self._tape, turn)


class _Talk:
    """One conversation while it lasts."""

    def __init__(self, agent: Agent, question: Question[Any]) -> None:
        from pydantic_ai.usage import RunUsage

        self._agent = agent
        self._question = question
        self._usage = RunUsage()
        self._causes: list[str] = []
        self._calls = 0
        self._began = time.monotonic()
        self._messages: list[ModelMessage] = []

    async def hold(self, model: Model) -> Any:
        import pydantic_ai
        from pydantic_ai import Agent as Partner
        from pydantic_ai import ModelRetry, UsageLimits, capture_run_messages

        # The terminal is the live view's: the library would greet there on its first run.
        pydantic_ai.BANNER_ENABLED = False
        question = self._question
        partner = Partner(
            _capped(model, self._pay),
            output_type=question.answer,
            instructions=question.instructions,
            tools=[self._counted(tool) for tool in question.tools],
            retries={"tools": 2, "output": question.repairs},
        )

        @partner.output_validator
        def checked(answer: Any) -> Any:
            try:
                question.check(answer)
            except Repair as repair:
                self._causes.append(repair.cause)
                raise ModelRetry(str(repair)) from None
            return answer

        # One for the answer, one per repair, one per call of a tool. Caps are looked at before a
        # request: a limit of pydantic-ai's throws away an answer that is paid for.
        limits = UsageLimits(request_limit=1 + question.repairs + question.calls)
        with capture_run_messages() as messages:
            self._messages = messages
            async with model:
                result = await partner.run(
                    question.prompt,
                    model_settings=providers.settings(self._agent),
                    usage_limits=limits,
                    usage=self._usage,
                    timeout=self.patience_s,
                )
        return result.output

    @property
    def patience_s(self) -> float:
        return PATIENCE * self._agent.timeout_s

    def _pay(self) -> None:
        """Look at the caps before a request.

        Raises:
            ProposerError: one is reached.
        """
        usage = self._usage
        cost = Allowance(tokens=usage.total_tokens, usd=self._dollars(), seconds=self._seconds())
        if self._question.allowance.less(cost).spent:
            raise ProposerError("the study's cap for language models is reached")

    def _seconds(self) -> float:
        return time.monotonic() - self._began

    def _dollars(self) -> Decimal | None:
        usage = self._usage
        return providers.price(
            self._agent,
            usage.input_tokens or 0,
            usage.output_tokens or 0,
            cached=usage.cache_read_tokens or 0,
        )

    def exchange(self, detail: str) -> Exchange:
        usage, agent, dollars = self._usage, self._agent, self._dollars()
        return Exchange(
            by=agent.name,
            purpose=self._question.purpose,
            model=agent.model,
            requests=usage.requests,
            input_tokens=usage.input_tokens or 0,
            cached_tokens=usage.cache_read_tokens or 0,
            output_tokens=usage.output_tokens or 0,
            usd=None if dollars is None else float(dollars),
            seconds=round(self._seconds(), 3),
            repairs=self._repairs(),
            outcome="failed" if detail else "answered",
            detail=detail,
        )

    def _repairs(self) -> tuple[str, ...]:
        """What was wrong with the model's answers and calls, in their order."""
        causes = iter(self._causes)
        parts = (part for message in self._messages for part in message.parts)
        retries = [retry for part in parts if (retry := getattr(part, "retry", None)) is not None]
        told = [
            next(causes, "format") if retry.cause == "model_retry" else "format"
            for retry in retries
        ]
        # The last answer of those that could not be used is told to nobody.
        return (*told, *causes)

    def _counted(self, tool: Callable[..., str]) -> Callable[..., str]:
        @functools.wraps(tool)
        def counted(*args: Any, **named: Any) -> str:
            self._calls += 1
            return NO_CALLS if self._calls > self._question.calls else tool(*args, **named)

        return counted


def _capped(model: Model, pay: Callable[[], None]) -> Model:
    from pydantic_ai.models.wrapper import WrapperModel

    class Capped(WrapperModel):
        """Asks whether there is anything left, before each request."""

        async def request(self, *args: Any, **named: Any) -> ModelResponse:
            pay()
            return await super().request(*args, **named)

    return Capped(model)


def _recorded(model: Model, tape: Recorder, turn: Turn) -> Model:
    from pydantic_ai.messages import ModelMessagesTypeAdapter
    from pydantic_ai.models.wrapper import WrapperModel

    class Recorded(WrapperModel):
        """Writes down what the model answers."""

        async def request(self, *args: Any, **named: Any) -> ModelResponse:
            response = await super().request(*args, **named)
            tape.keep(turn, ModelMessagesTypeAdapter.dump_python([response], mode="json")[0])
            return response

    return Recorded(model)


def _played(agent: Agent, tape: Player, turn: Turn) -> Model:
    from pydantic_ai.messages import ModelMessagesTypeAdapter
    from pydantic_ai.models.function import AgentInfo, FunctionModel

    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:  # noqa: ARG001
        recorded = tape.next(turn)
        if FAILED in recorded:
            raise ProposerError(recorded[FAILED])
        [response] = ModelMessagesTypeAdapter.validate_python([recorded])
        return response  # type: ignore[return-value]

    return FunctionModel(answer, model_name=agent.model)


def _words(error: BaseException) -> str:
    """An error in a line: what a user should know of it."""
    if isinstance(error, ProposerError):
        return str(error)[:LONGEST_DETAIL]
    cause = error.__cause__
    text = f"{type(error).__name__}: {error}"
    if cause is not None and str(cause) not in text:
        text += f" ({type(cause).__name__}: {cause})"
    return " ".join(text.split())[:LONGEST_DETAIL]
