"""An address that is told how a study goes, and how it is shown: without what makes it a secret.

Who knows a webhook's address may write to it. So the address itself stands in the study file or in
a variable alone; ledgers, logs and messages have its host.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit

from pydantic import PlainSerializer

Topic = Literal["best", "failures", "finished", "budget"]
"""What a webhook may be told of."""

TOPICS: tuple[Topic, ...] = get_args(Topic)

Form = Literal["slack", "json"]
"""`slack`: `{"text": ...}`, which many services read. `json`: with typed fields besides."""

_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))", re.ASCII)
_ADDRESS = re.compile(r"https?://[^\s/?#\\]+(?:[/?#][!-~]*)?", re.ASCII)


def variable(url: str) -> str | None:
    """Return the variable that holds the address, if `url` names one.

    >>> variable("${SLACK_URL}"), variable("$SLACK_URL"), variable("https://a.example/x")
    ('SLACK_URL', 'SLACK_URL', None)
    """
    found = _VARIABLE.fullmatch(url)
    return (found[1] or found[2]) if found else None


def is_address(url: str) -> bool:
    """Say whether `url` is an address that can be posted to."""
    try:
        return bool(_ADDRESS.fullmatch(url) and urlsplit(url).hostname)
    except ValueError:
        return False


def veiled(url: str) -> str:
    """Return an address without its secrets: its host, or the variable that holds it.

    >>> veiled("https://me:pass@hooks.example:8443/services/T0/B0/secret?token=1")
    'https://hooks.example:8443/...'
    >>> veiled("https://hooks.example/..."), veiled("${SLACK_URL}")
    ('https://hooks.example/...', '$SLACK_URL')
    """
    name = variable(url)
    if name is not None:
        return f"${name}"
    if not is_address(url):
        return "..."
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/..."


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Webhook:
    """Whom to tell, of what, and in which form.

    In a ledger the address is veiled; so two are equal if they look the same veiled.
    """

    url: Annotated[str, PlainSerializer(veiled)]
    """`http://` or `https://`, or `$NAME` for a variable that holds such an address."""
    on: tuple[Topic, ...] = TOPICS
    format: Form = "slack"

    @property
    def shown(self) -> str:
        """The address as it may be shown."""
        return veiled(self.url)

    def address(self, environ: Mapping[str, str]) -> str | None:
        """Return the address itself; None if its variable is not set to one."""
        name = variable(self.url)
        url = self.url if name is None else environ.get(name, "").strip()
        return url if is_address(url) else None

    def __eq__(self, other: object) -> bool:
        """Compare what is shown."""
        return isinstance(other, Webhook) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"{self.shown} ({', '.join(self.on)}; {self.format})"

    def _key(self) -> tuple[str, tuple[Topic, ...], Form]:
        return self.shown, self.on, self.format


def named(webhooks: Sequence[Webhook]) -> list[str]:
    """Return a name for each webhook, without its secrets: equal hosts are told apart by number.

    >>> named([Webhook(url="http://a.example/1"), Webhook(url="http://a.example/2")])
    ['http://a.example/...', 'http://a.example/...#2']
    """
    names: list[str] = []
    shown: list[str] = []
    for webhook in webhooks:
        shown.append(webhook.shown)
        same = shown.count(webhook.shown)
        names.append(webhook.shown if same == 1 else f"{webhook.shown}#{same}")
    return names


def without_addresses(
    environ: Mapping[str, str], webhooks: Sequence[Webhook], *, passed: Sequence[str] = ()
) -> dict[str, str]:
    """Return `environ` without the variables that hold addresses: no run has a use for them.

    Those `passed` on to the runs by name stay.
    """
    held = {variable(webhook.url) for webhook in webhooks} - set(passed)
    return {name: value for name, value in environ.items() if name not in held}
