"""A PostgreSQL server of the tests' own: in a folder of its own, on this machine only, no service.

As root its programs run as the user `postgres`, since they refuse to run as root.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

OWNER = "postgres"
PASSWORD = "sesame-opens"
"""Of the user `guarded`, whom the server lets in with a password only."""

_NUMBERS = count(1)


class PostgresServer:
    """A running server; `url` names a fresh database of it."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self._programs = programs
        data = folder / "data"
        self._call(
            "initdb", "-D", str(data), "-U", OWNER, "--auth-local=trust", "--auth-host=trust",
            "--locale=C", "--encoding=UTF8", "--no-sync",
        )  # fmt: skip
        (data / "pg_hba.conf").write_text(
            "local all all trust\n"
            "host all guarded 127.0.0.1/32 scram-sha-256\n"
            f"host all {OWNER},reader 127.0.0.1/32 trust\n"
        )
        with (data / "postgresql.conf").open("a") as settings:
            settings.write(
                f"listen_addresses = '127.0.0.1'\nport = {self.port}\n"
                f"unix_socket_directories = '{folder}'\nshared_buffers = 16MB\n"
                # What crashes here is a process, not the machine: the disk need not be waited for.
                "max_connections = 60\nfsync = off\n"
            )
        self.start()
        self.sql(f"CREATE ROLE guarded LOGIN PASSWORD '{PASSWORD}'")
        self.sql("CREATE ROLE reader LOGIN")

    def url(self, database: str, *, user: str = OWNER) -> str:
        """The URL of a database."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def fresh(self) -> str:
        """The URL of a new, empty database."""
        name = f"db{next(_NUMBERS)}"
        self.sql(f"CREATE DATABASE {name}")
        return self.url(name)

    def sql(self, text: str, database: str = "postgres") -> str:
        """Run a statement as the server's owner; return what psql prints of it."""
        return self._call("psql", "-h", str(self.folder), "-p", str(self.port), "-U", OWNER, "-d",
                          database, "-v", "ON_ERROR_STOP=1", "-At", "-c", text)  # fmt: skip

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._control("start", "-l", str(self.folder / "log"))

    def stop(self, mode: str = "fast") -> None:
        """Stop it; `immediate` is a crash."""
        self._control("stop", "-m", mode)

    def restart(self) -> None:
        """Have it crash and come up again."""
        self._control("restart", "-m", "immediate", "-l", str(self.folder / "log"))

    def _control(self, *words: str) -> None:
        self._call("pg_ctl", "-D", str(self.folder / "data"), "-w", *words)

    def _call(self, program: str, *words: str) -> str:
        done = subprocess.run(
            [*_as_owner(), str(self._programs / program), *words],
            cwd=self.folder,
            # Of a pipe, the server itself would keep the end.
            stdout=subprocess.PIPE if program == "psql" else subprocess.DEVNULL,
            stderr=subprocess.PIPE if program == "psql" else subprocess.DEVNULL,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, f"{program}: {done.stderr}"
        return (done.stdout or "").strip()


@contextmanager
def serving() -> Iterator[PostgresServer]:
    """Run a server while the block runs; skip the test where there can be none."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL's programs are not installed: see .ci/postgres")
    if os.geteuid() == 0 and not (_user() and shutil.which("runuser")):
        pytest.skip("as root a server needs the user postgres, and runuser")
    # Not in pytest's folder: only its owner may look into that.
    folder = Path(tempfile.mkdtemp(prefix="trialwright-pg-"))
    _own(folder)
    try:
        server = PostgresServer(folder, programs)
        try:
            yield server
        finally:
            server.stop("immediate")
    finally:
        shutil.rmtree(folder)


def _programs() -> Path | None:
    """Where `initdb` is: Debian keeps it off the PATH, by version."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = sorted(versions, key=lambda path: float(path.parts[-3]))
    return newest[-1].parent if newest else None


def _as_owner() -> list[str]:
    return ["runuser", "-u", OWNER, "--"] if os.geteuid() == 0 else []


def _own(path: Path) -> None:
    user = _user()
    if os.geteuid() == 0 and user is not None:
        os.chown(path, user.pw_uid, user.pw_gid)


def _user() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(OWNER)
    except KeyError:
        return None


def _free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        port: int = door.getsockname()[1]
        return port
