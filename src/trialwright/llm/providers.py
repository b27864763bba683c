"""Which models there are to ask, what they need, and what they cost.

Nothing here loads a provider's library before a model of it is made: `problem` looks only for
what is missing.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from trialwright.errors import ProposerError
from trialwright.llm.headers import bare_client, closing
from trialwright.task import Agent, nearest

if TYPE_CHECKING:
    import httpx2
    from pydantic_ai.models import Model

KEYS: Mapping[str, str] = {
    "anthropic": "ANTHROPIC_API_KEY",
    "google": "GEMINI_API_KEY",
    "openai": "OPENAI_API_KEY",
}
"""Providers, and the variable in which each one's users keep their key."""

URLS: Mapping[str, str] = {"openai": "OPENAI_BASE_URL", "anthropic": "ANTHROPIC_BASE_URL"}
"""Variables by which users send a provider's clients elsewhere."""

LIBRARIES: Mapping[str, str] = {
    "anthropic": "anthropic",
    "google": "google.genai",
    "openai": "openai",
}

KEYLESS = "none"
"""What is sent as a key to an endpoint that needs none."""

RETRIES = 3
"""Times that a request is sent again after 429, 5xx or a lost connection."""


def problem(agent: Agent, environ: Mapping[str, str]) -> str:
    """Say what keeps an agent from answering, and what to do about it; '' if nothing does."""
    if agent.cli:
        found = shutil.which(agent.cli[0], path=environ.get("PATH"))
        return "" if found else f"no program {agent.cli[0]!r} is on the PATH: install it"
    fault = name_fault(agent.model)
    if fault:
        return fault
    provider = agent.model.partition(":")[0]
    if not _there("pydantic_ai") or not _there(LIBRARIES[provider]):
        return "the models' libraries are missing: pip install 'trialwright[llm]'"
    variable = _key_variable(agent, environ)
    if variable is not None and not environ.get(variable):
        return f"it needs a key: set the environment variable {variable}"
    return ""


def name_fault(model: str) -> str:
    """Say what is wrong with a model's name; '' if nothing is.

    >>> name_fault("openai:gpt-5")
    ''
    >>> name_fault("opena:gpt-5").split("; ")[1]
    'did you mean openai?'
    """
    provider, _, name = model.partition(":")
    if provider in KEYS and name:
        return ""
    return (
        f"{model!r} is no model: write provider:name with one of {', '.join(KEYS)}"
        f"{nearest(provider, KEYS)}; for another service that speaks OpenAI's language,"
        " {model: 'openai:NAME', base_url: URL}"
    )


def make(agent: Agent, environ: Mapping[str, str]) -> Model:
    """Return the model, ready to be asked. Loads its provider's library.

    Raises:
        ProposerError: something is missing; see `problem`.
    """
    fault = problem(agent, environ)
    if fault:
        raise ProposerError(f"{agent.name}: {fault}")
    provider, _, name = agent.model.partition(":")
    variable = _key_variable(agent, environ)
    key = environ[variable] if variable else KEYLESS
    url = _url(agent, environ)
    if agent.base_url is None:
        return _made(provider, name, _Door(key, url, client=None))
    client = bare_client(key, timeout_s=agent.timeout_s)
    return closing(_made(provider, name, _Door(key, url, client)), client)


@dataclass(frozen=True, slots=True)
class _Door:
    """Where a provider's library goes, and with what."""

    key: str
    url: str | None
    client: httpx2.AsyncClient | None
    """None: the library's own."""


def _made(provider: str, name: str, door: _Door) -> Model:
    key, url, client = door.key, door.url, door.client
    match provider:
        case "anthropic":
            from pydantic_ai.models.anthropic import AnthropicModel
            from pydantic_ai.providers.anthropic import AnthropicProvider

            return AnthropicModel(
                name, provider=AnthropicProvider(api_key=key, base_url=url, http_client=client)
            )
        case "google":
            from google.genai.types import HttpRetryOptions
            from pydantic_ai.models.google import GoogleModel
            from pydantic_ai.providers.google import GoogleProvider

            retries = HttpRetryOptions(attempts=RETRIES + 1)
            with _google_quiet():
                made = GoogleProvider(
                    api_key=key, base_url=url, http_client=client, retry_options=retries
                )
            return GoogleModel(name, provider=made)
        case _:
            from pydantic_ai.models.openai import OpenAIChatModel
            from pydantic_ai.providers.openai import OpenAIProvider

            return OpenAIChatModel(
                name, provider=OpenAIProvider(api_key=key, base_url=url, http_client=client)
            )


@contextmanager
def _google_quiet() -> Iterator[None]:
    """Keep Google's library from telling the terminal which of two keys it would have used.

    It looks into the environment even where it is given a key, and uses the one it is given.
    """
    log = logging.getLogger("google_genai._api_client")

    def other(record: logging.LogRecord) -> bool:
        return "GOOGLE_API_KEY" not in record.getMessage()

    log.addFilter(other)
    try:
        yield
    finally:
        log.removeFilter(other)


def price(agent: Agent, read: int, written: int, *, cached: int = 0) -> Decimal | None:
    """Return US dollars for so many tokens; None if nobody knows the model's price.

    The study file's price counts cached tokens as read ones.

    >>> price(Agent(name="a", model="openai:a", price=(1.0, 2.0)), 1_000_000, 500_000) == 2
    True
    """
    if agent.price is not None:
        rates = [Decimal(str(rate)) / 1_000_000 for rate in agent.price]
        return rates[0] * read + rates[1] * written
    provider, _, name = agent.model.partition(":")
    if not name or agent.base_url is not None or not _there("genai_prices"):
        return None
    from genai_prices import Usage, calc_price

    usage = Usage(input_tokens=read, cache_read_tokens=cached, output_tokens=written)
    try:
        return calc_price(usage, model_ref=name, provider_id=provider).total_price
    except LookupError:
        return None


def context_tokens(agent: Agent) -> int | None:
    """Return how many tokens a model can read at once; None where nobody knows.

    >>> context_tokens(Agent(name="a", model="nobody:a")) is None
    True
    """
    provider, _, name = agent.model.partition(":")
    if not name or agent.base_url is not None or not _there("genai_prices"):
        return None
    from genai_prices import Usage, calc_price

    try:
        usage = Usage(input_tokens=1, output_tokens=1)
        return calc_price(usage, model_ref=name, provider_id=provider).model.context_window
    except LookupError:
        return None


def settings(agent: Agent) -> Any:
    """Return what is asked of the model besides the words."""
    chosen: dict[str, object] = {
        "timeout": agent.timeout_s,
        "max_tokens": agent.output_tokens,
        "max_retries": RETRIES,
        "cache": True,
    }
    if agent.temperature is not None:
        chosen["temperature"] = agent.temperature
    if agent.effort is not None:
        chosen["thinking"] = agent.effort
    return chosen


def _key_variable(agent: Agent, environ: Mapping[str, str]) -> str | None:
    """The variable of an agent's key; None where none is needed.

    A provider's own key is never sent to an address that the study file names.
    """
    if agent.key is not None:
        return agent.key
    provider = agent.model.partition(":")[0]
    if agent.base_url is not None:
        return None
    if provider == "google" and not environ.get(KEYS["google"]) and environ.get("GOOGLE_API_KEY"):
        return "GOOGLE_API_KEY"
    return KEYS[provider]


def _url(agent: Agent, environ: Mapping[str, str]) -> str | None:
    provider = agent.model.partition(":")[0]
    return agent.base_url or environ.get(URLS.get(provider, ""), None) or None


def _there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
