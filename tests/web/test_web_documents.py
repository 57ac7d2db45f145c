"""Documents occupy no resources while they are sent, so that slow or disconnected readers block nobody.

Tested over real sockets of a real server, on both databases.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import uvicorn
from sqlalchemy.engine import Engine
from sqlalchemy.pool import QueuePool
from tablero.contract.status_change import StatusChange
from tablero.outbox import batches
from tablero.outbox.batches import Origin
from tablero.outbox.engine import connect
from tablero.outbox.schema import rejection
from tablero.outbox.upgrade import migrate

from tests.postgres import PostgresServer
from tests.waiting import PATIENCE, wait_for
from tests.web.application import Site
from tests.web.history import NOW, ZONE

DOCUMENTS = ["evidence/2026-09/rows.jsonl", "rejections.csv"]

#: More than the connections of an engine's pool, and the threads of the server.
READERS = 50

#: Bytes that the system buffers for a connection on each side; a document is some forty times as long.
_BUFFER = 16 * 1024

_ROWS = 4_000


class SlowReader:
    """A browser that reads the first bytes of a document and then pauses."""

    def __init__(self, port: int, path: str, token: str) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._socket.settimeout(PATIENCE)
        self._socket.connect(("127.0.0.1", port))
        # HTTP/1.0: the body is sent as it is, not in chunks.
        head = f"GET /tablero/{path} HTTP/1.0\r\nHost: airflow.test\r\nCookie: _token={token}\r\n\r\n"
        self._socket.sendall(head.encode())

    def begin(self) -> bytes:
        """Read the first bytes."""
        return self._socket.recv(1024)

    def finish(self) -> bytes:
        """Read the rest."""
        return b"".join(iter(lambda: self._socket.recv(1 << 16), b""))

    def close(self) -> None:
        """Disconnect, whatever is still to come."""
        self._socket.close()


@pytest.fixture(scope="module")
def port(whole_app: Any) -> Iterator[int]:
    """The port of a server with Airflow's application and the page."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)  # inherited by its connections
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(whole_app, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield int(listening.getsockname()[1])
    server.should_exit = server.force_exit = True
    thread.join(PATIENCE)
    listening.close()
    assert not thread.is_alive()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def outbox(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An outbox with a month, and rejections, of some megabytes."""
    folder = tmp_path_factory.mktemp("documents")
    with ExitStack() as stack:
        if request.param == "sqlite":
            address: Any = f"sqlite:///{folder / 'outbox.db'}"
        else:
            address = stack.enter_context(PostgresServer()).address
        engine = connect(address)
        migrate(engine)
        fill(engine)
        yield engine
        engine.dispose()


def fill(engine: Engine) -> None:
    """September, delivered in batches of a hundred, and as many invalid rows."""
    first = datetime(2026, 9, 1, 4, tzinfo=timezone.utc)
    rows = [
        StatusChange("1041", f"SEP-{number:06d}", first, 1 + number % 3, first + timedelta(minutes=number))
        for number in range(_ROWS)
    ]
    parts = [rows[start : start + 100] for start in range(0, _ROWS, 100)]
    broken = [
        {
            "digest": f"{number:032x}",
            "reason": "unknown_status",
            "service_id": "1041",
            "request_id": f"WRONG-{number:06d}",
            "opening_date": "2026-09-01 00:00:00",
            "status_id": "99",
            "last_modified_date": "2026-09-02 00:00:00",
            "changed_at": first + timedelta(minutes=number),
            "extraction_id": 1,
        }
        for number in range(_ROWS)
    ]
    with engine.begin() as connection:
        batches.make(connection, Origin(1), parts, ZONE, state="delivered", settled_at=NOW, settled_how="acknowledged")
        connection.execute(sa.insert(rejection), broken)


@pytest.mark.parametrize("path", DOCUMENTS)
def test_slow_readers_are_in_nobodys_way(
    path: str, port: int, outbox: Engine, site: Site, as_user: Callable[[str | None], Any]
) -> None:
    """With fifty readers in the middle of a document no connection is held, and every page is shown. Half of them then leave,
    the others get the whole document, and nothing is left behind.
    """
    site.engine = outbox
    pool = outbox.pool
    assert isinstance(pool, QueuePool)
    token = as_user("admin").cookies["_token"]
    browser = httpx.Client(
        base_url=f"http://127.0.0.1:{port}/tablero/", cookies={"_token": token}, timeout=PATIENCE, trust_env=False
    )
    with browser, ExitStack() as stack:
        readers = [stack.enter_context(closing(SlowReader(port, path, token))) for _ in range(READERS)]
        begun = [reader.begin() for reader in readers]
        assert all(first.startswith(b"HTTP/1.1 200 ") for first in begun)
        wait_for("no connection is held", lambda: pool.checkedout() == 0)
        for other in ("", "window/2026-09", "rejections", "live", "status.json", "evidence/2026-08.json"):
            assert browser.get(other).status_code == 200
        leaving, staying = readers[::2], readers[1::2]
        for reader in leaving:
            reader.close()
        bodies = {
            (first + reader.finish()).partition(b"\r\n\r\n")[2] for first, reader in zip(begun[1::2], staying, strict=True)
        }
        (whole,) = bodies
        assert whole.count(b"SEP-" if "evidence" in path else b"WRONG-") == _ROWS
        assert browser.get("").status_code == 200
        wait_for("no connection is held", lambda: pool.checkedout() == 0)
