"""Which environment variables a run inherits: all but those that look like secrets.

A script under study is other people's code, later perhaps an agent's: it has no use for the keys of
the shell that started the study. What it needs all the same is passed by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from trialwright.task import Environment

_WORD = re.compile(r"[A-Z0-9]+", re.IGNORECASE)
_SECRET_WORDS = frozenset({"KEY", "KEYS", "CREDS", "PAT"})
_SECRET_ENDS = (
    "PASSWORD",
    "PASSWORDS",
    "PASSWD",
    "PASSPHRASE",
    "SECRET",
    "SECRETS",
    "TOKEN",
    "APIKEY",
    "ACCESSKEY",
    "SECRETKEY",
    "PRIVATEKEY",
    "CREDENTIAL",
    "CREDENTIALS",
)
_PASSWORD_IN_ADDRESS = re.compile(r"\w://[^/\s:@]*:[^/\s@]+@")


@lru_cache(maxsize=4096)
def secret(name: str, value: str) -> bool:
    """Say whether a variable looks like a secret, by its name or by a password in its address.

    Names count word by word, so that `TOKENIZERS_PARALLELISM` and `KEYBOARD` are none. A path to a
    secret's keeper, such as `SSH_AUTH_SOCK`, is none either.

    >>> secret("WANDB_API_KEY", "..."), secret("PGPASSWORD", "..."), secret("MAX_TOKENS", "200")
    (True, True, False)
    >>> secret("DATABASE_URL", "postgresql://me:pass@host/db"), secret("SSH_AUTH_SOCK", "/run/a")
    (True, False)
    """
    words = [word.upper() for word in _WORD.findall(name)]
    if any(word in _SECRET_WORDS or word.endswith(_SECRET_ENDS) for word in words):
        return True
    # PWD alone is the working directory; MYSQL_PWD is a password.
    if len(words) > 1 and words[-1] == "PWD":
        return True
    return bool(_PASSWORD_IN_ADDRESS.search(value))


def inherited(environ: Mapping[str, str], wanted: Environment) -> dict[str, str]:
    """Return what a run inherits from `environ`, with the names that are passed on all the same."""
    kept = {name: value for name, value in environ.items() if not secret(name, value)}
    return kept | {name: environ[name] for name in wanted.passed if name in environ}


def missing(environ: Mapping[str, str], wanted: Environment) -> tuple[str, ...]:
    """Return one sentence per variable that is to be passed on and is not set."""
    return tuple(
        f"environment: {name} is to be passed to the runs and is not set here: set it, or take it"
        " out of `pass`"
        for name in wanted.passed
        if name not in environ
    )
