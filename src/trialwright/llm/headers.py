"""What a request may say to an address that a study file names: the headers it needs, no others.

Providers' libraries add what they find in the user's environment (`OPENAI_CUSTOM_HEADERS`,
`OPENAI_ORG_ID`, `ANTHROPIC_CUSTOM_HEADERS`, ...). That is meant for the provider, not for whoever
wrote the study file. It is held back at the last step before the wire, so that no version of a
library adds more.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from trialwright import __version__

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

    import httpx2
    from pydantic_ai.models import Model

NEEDED = frozenset(
    {
        "accept",
        "accept-encoding",
        "anthropic-beta",
        "anthropic-version",
        "connection",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
    }
)
"""Without these no answer comes; what stands in them is about the request, not about the user."""

AUTHORIZATION = {"authorization": "Bearer {}", "x-api-key": "{}", "x-goog-api-key": "{}"}
"""Headers that hold the key, and how."""


def bare_client(key: str, *, timeout_s: float) -> httpx2.AsyncClient:
    """Return a client that sends what a request needs, and `key` as the only key."""
    import httpx2

    async def strip(request: httpx2.Request) -> None:
        for name in list(request.headers):
            if name in AUTHORIZATION:
                request.headers[name] = AUTHORIZATION[name].format(key)
            elif name == "user-agent":
                request.headers[name] = f"trialwright/{__version__}"
            elif name not in NEEDED:
                del request.headers[name]

    return httpx2.AsyncClient(
        timeout=timeout_s, event_hooks={"request": [strip]}, verify=_trusted()
    )


@cache
def _trusted() -> ssl.SSLContext:
    """Whom every client trusts: reading the system's certificates takes longer than a request."""
    import httpx2

    return httpx2.create_ssl_context()


def closing(model: Model, client: httpx2.AsyncClient) -> Model:
    """Return the model, which closes its client when it is left."""
    from pydantic_ai.models.wrapper import WrapperModel

    class Closing(WrapperModel):
        """Closes a client that was made for it."""

        async def __aexit__(
            self,
            kind: type[BaseException] | None,
            error: BaseException | None,
            trace: TracebackType | None,
        ) -> bool | None:
            try:
                return await super().__aexit__(kind, error, trace)
            finally:
                await client.aclose()

    return Closing(model)
