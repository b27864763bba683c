"""Which trackers a study's runs are copied to, and how their addresses are shown: without secrets.

A study file and a ledger never hold a password: an address with one stands in a variable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args
from urllib.parse import urlsplit

from trialwright.webhook import variable

TrackerKind = Literal["mlflow", "tensorboard"]
"""Whose runs ours become."""

TRACKERS: tuple[TrackerKind, ...] = get_args(TrackerKind)

PACKAGES: Mapping[TrackerKind, str] = {"mlflow": "mlflow", "tensorboard": "tensorboardX"}
"""The module that writes for each of them."""

_SERVERS = ("http", "https")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracker:
    """One tracker that gets a copy of every run."""

    kind: TrackerKind
    uri: str = ""
    """Of MLflow: `http://...`, `sqlite:///...`, or `$NAME` for a variable that holds one; '': what
    `MLFLOW_TRACKING_URI` says, else a database in the study's folder."""
    folder: str = ""
    """Of TensorBoard's event files, from the study file's folder; '': in the study's folder."""
    experiment: str = ""
    """Of MLflow; '': the study's name."""


def uri_fault(uri: str) -> str:
    """Say why a study file can't have this address of an MLflow store; '' if it can.

    >>> uri_fault("http://127.0.0.1:5000"), uri_fault("$MLFLOW"), uri_fault("sqlite:///mlflow.db")
    ('', '', '')
    >>> uri_fault("https://me:pass@mlflow.example")
    'an address with a password does not belong into a study file: write $NAME for a variable'
    """
    if variable(uri):
        return ""
    scheme = _SCHEME.match(uri)
    if scheme is None:
        return (
            "write http://..., https://..., sqlite:///FILE, or $NAME for a variable that holds it"
        )
    try:
        parts = urlsplit(uri)
        if parts.password or (parts.username and scheme[1] in _SERVERS):
            return (
                "an address with a password does not belong into a study file: write $NAME"
                " for a variable"
            )
        if scheme[1] in _SERVERS and not parts.hostname:
            return f"{uri} names no host"
    except ValueError:
        return "this is no address"
    return ""


def shown(uri: str) -> str:
    """Return an address as it may be shown: without who logs in, and without its query.

    >>> shown("https://me:pass@mlflow.example:8443/store?token=1")
    'https://mlflow.example:8443/store'
    >>> shown("sqlite:////studies/mlflow.db"), shown("${MLFLOW}")
    ('sqlite:////studies/mlflow.db', '$MLFLOW')
    """
    name = variable(uri)
    if name is not None:
        return f"${name}"
    uri = uri.partition("?")[0]
    head, slashes, rest = uri.partition("://")
    host, slash, path = rest.partition("/")
    return f"{head}{slashes}{host.rpartition('@')[2]}{slash}{path}"
