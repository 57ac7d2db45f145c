"""The databases of the integration tests, and a client for any server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
from tablero.dashboard.client import Dashboard
from tablero.settings import Settings

from sandbox.settings import DEFAULT_CLIENT
from tests.hostile.wire import WireServer, wire_server
from tests.integration.conftest import (  # noqa: F401 fixtures
    backend,
    empty_outbox_url,
    new_database,
    outbox,
    postgres,
)

#: Settings for answers that never end: a call may last as long as both together. All others may take their time on a busy
#: machine.
IMPATIENT = {"connect_timeout": "1", "read_timeout": "0.5"}

#: Creates the client of a server at ``http://127.0.0.1:<port>``; further fields of the connection, and settings, by keyword.
Client = Callable[..., Dashboard]


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    """Creates clients, through a connection in the environment as an operator would define it."""

    def make(port: int, *, settings: dict[str, str] | None = None, **connection: Any) -> Dashboard:
        fields = {"conn_type": "http", "host": "127.0.0.1", "port": port, **connection}
        monkeypatch.setenv("AIRFLOW_CONN_TABLERO_API", json.dumps(fields))
        chosen = {"xroad_client": DEFAULT_CLIENT, "connect_timeout": "60", "read_timeout": "60", **(settings or {})}
        return Dashboard(Settings.read(chosen), clock=lambda: datetime.now(timezone.utc))

    return make


@pytest.fixture
def wire() -> Iterator[WireServer]:
    """A server that answers with arbitrary bytes; one for each test, so that a call that comes late takes no other's answer."""
    with wire_server() as server:
        yield server
