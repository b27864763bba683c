"""One PostgreSQL server for each worker of the test suite; a database of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.postgres.server import PostgresServer, serving


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """A running server; the test is skipped where there can be none."""
    with serving() as running:
        yield running


@pytest.fixture
def database(server: PostgresServer) -> str:
    """The URL of an empty database."""
    return server.fresh()
