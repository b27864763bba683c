"""Posts JSON to an address: with a time limit, tried again where that can help, never redirected.

What it says of an attempt never holds the address, which is a secret.
"""

from __future__ import annotations

import http.client
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass

from trialwright import __version__

AGAIN = (408, 425, 429)
"""Statuses that ask to try again later, beside those from 500 on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long an attempt may take, and what is waited before each further one."""

    timeout_s: float = 10.0
    waits_s: tuple[float, ...] = (1.0, 3.0, 10.0, 30.0)
    longest_s: float = 60.0
    """The most that a receiver's own `Retry-After` is heeded for."""
    patience_s: float = 20.0
    """What is waited for messages that are on their way when a study has ended."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of one attempt."""

    fault: str = ""
    """'': it arrived."""
    again: bool = False
    """Whether another attempt may do better."""
    after_s: float = 0.0
    """What the receiver asks to wait before it."""


def deliver(url: str, document: Mapping[str, object], pace: Pace, *, over: threading.Event) -> str:
    """Post a document until it arrives; return why it could not, '' if it did.

    Once `over` is set nothing is waited for any more.
    """
    body = json.dumps(document, ensure_ascii=False, default=str).encode()
    tries = 0
    while True:
        attempt = post(url, body, timeout_s=pace.timeout_s)
        tries += 1
        if not attempt.fault:
            return ""
        if not attempt.again or tries > len(pace.waits_s):
            return f"{attempt.fault} (attempt {tries}, the last)"
        wait_s = max(pace.waits_s[tries - 1], min(attempt.after_s, pace.longest_s))
        if over.wait(wait_s):
            return f"{attempt.fault} (attempt {tries}; no time was left for another)"


def post(url: str, body: bytes, *, timeout_s: float) -> Attempt:
    """Post `body`, once."""
    headers = {"Content-Type": "application/json", "User-Agent": f"trialwright/{__version__}"}
    try:
        request = urllib.request.Request(url, data=body, headers=headers, method="POST")  # noqa: S310
        with _opener().open(request, timeout=timeout_s) as answer:
            status = answer.status
        return Attempt() if 200 <= status < 300 else Attempt(f"answered {status}")
    except urllib.error.HTTPError as error:
        with error:
            after_s = _seconds(error.headers.get("Retry-After"))
        again = error.code in AGAIN or error.code >= 500
        return Attempt(f"answered {error.code}", again=again, after_s=after_s)
    except urllib.error.URLError as error:
        return Attempt(_said(error.reason), again=True)
    except (OSError, http.client.HTTPException) as error:
        return Attempt(_said(error), again=True)
    except ValueError as error:
        return Attempt(_said(error))


def _said(reason: object) -> str:
    """Say what went wrong in words that can't hold the address."""
    if isinstance(reason, TimeoutError):
        return "no answer in time"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return type(reason).__name__


def _seconds(given: str | None) -> float:
    try:
        return max(float(given or 0), 0.0)
    except ValueError:
        return 0.0


def _opener() -> urllib.request.OpenerDirector:
    """Opens http and https, by the proxies of the environment, and follows no redirection.

    The address is what the user named, and nowhere else.
    """
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener
