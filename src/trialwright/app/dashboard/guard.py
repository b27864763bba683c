"""Who may come in: a token, then a cookie; this host's own pages alone; nothing inline.

An attacker is a page in another tab, a name that was rebound to this machine, or another person on
the network. Text that agents wrote is the templates' to escape; the policy is the second wall.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import socket
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "::1")

STYLES = (
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",
    "'sha256-ji27qzEtxXZW+7dun6UwjHXJ18e6WAin1VvNtkzIE/o='",
)
"""The two style elements that Plotly adds: an empty one for its own rules, and its maps'."""

POLICY = (
    f"default-src 'none'; script-src 'self'; style-src 'self' {' '.join(STYLES)};"
    " img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    # Not no-referrer: forms would name no origin, which is asked for below.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}

REFUSED = (
    "The token is missing or wrong. Open the address that `trialwright dashboard` printed; if you"
    " came from it just now, load this page again.\n"
)


@dataclass(frozen=True, slots=True)
class Door:
    """Where the dashboard listens, and what opens it."""

    host: str
    port: int
    token: str = field(repr=False)
    _secret: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    @property
    def cookie(self) -> str:
        """The cookie's name; of this port, since a machine's ports share their cookies."""
        return f"trialwright_{self.port}"

    @property
    def session(self) -> str:
        """The cookie's value."""
        return self._derived("session")

    @property
    def csrf(self) -> str:
        """What each form has to hold."""
        return self._derived("csrf")

    @property
    def netloc(self) -> str:
        """Host and port, as in an address."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The address that lets its opener in."""
        return f"http://{self.netloc}/?{urlencode({'token': self.token})}"

    def _derived(self, purpose: str) -> str:
        return hmac.new(self._secret.encode(), purpose.encode(), hashlib.sha256).hexdigest()

    def names(self, host: str) -> bool:
        """Say whether a `Host` header names this dashboard, and is no name bound to it by others.

        >>> door = Door("127.0.0.1", 8000, "t")
        >>> door.names("localhost:8000"), door.names("evil.example:8000"), door.names("localhost:1")
        (True, False, False)
        """
        name, _, port = host.rpartition(":")
        if not port.isdecimal() or int(port) != self.port:
            return False
        name = name.strip("[]").lower()
        if self.host in LOOPBACK:
            return name in LOOPBACK
        own = {self.host.lower(), socket.gethostname().lower(), *LOOPBACK}
        return name in own or (self.host in ("0.0.0.0", "::") and _is_address(name))  # noqa: S104


class Guarded:
    """An application behind the door."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app, self._door = app, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or say why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        """What is answered instead of the page; None where it may be seen."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._door.names(host):
            return PlainTextResponse("This is not the host of the dashboard.\n", 403)
        origin = headers.get("origin")
        if origin is not None and origin != f"http://{host}":
            return PlainTextResponse("Pages of other sites are not answered.\n", 403)
        site = headers.get("sec-fetch-site", "same-origin")
        if scope["method"] not in ("GET", "HEAD") and site not in ("same-origin", "none"):
            return PlainTextResponse("Pages of other sites are not answered.\n", 403)
        if _same(_cookie(headers, self._door.cookie), self._door.session):
            return None
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _same(given, self._door.token):
            return None
        return self._let_in(scope)

    def _let_in(self, scope: Scope) -> Response:
        """Trade the token of an address for a cookie, and take it out of the address."""
        query = scope["query_string"].decode("latin-1")
        given = parse_qs(query).get("token", [""])[0]
        if scope["method"] != "GET" or not _same(given, self._door.token):
            return PlainTextResponse(REFUSED, 401, headers={"www-authenticate": "Bearer"})
        rest = urlencode([(name, value) for name, value in parse_qsl(query) if name != "token"])
        # One slash: two would name another host.
        path = "/" + scope["path"].lstrip("/\\")
        answer = RedirectResponse(path + (f"?{rest}" if rest else ""), 303)
        answer.set_cookie(
            self._door.cookie, self._door.session, httponly=True, samesite="strict", path="/"
        )
        return answer


def _cookie(headers: Headers, name: str) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return found.value if found else ""


def _same(given: str, expected: str) -> bool:
    return secrets.compare_digest(given.encode(), expected.encode())


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
