"""A call has its own time limit, with or without a proxy on the way to the dashboard."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
import requests
from tablero.dashboard.transport import Transport
from tablero.dashboard.watchdog import Watchdog

LONG = 300.0

#: Of a call, in seconds: enough for it to be connected on a busy machine, or the server would never see it.
LIMIT = 3.0


class Trickle:
    """A server that answers any request with one byte every few milliseconds, until its client has left.

    :param head: what it sends first.
    """

    def __init__(self, head: bytes) -> None:
        self._head = head
        self.left = threading.Event()
        self._ended = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._ended.set()
        self._server.close()

    def _serve(self) -> None:
        with suppress(OSError):
            client, _ = self._server.accept()
            client.recv(65_536)
            try:
                client.sendall(self._head)
                while not self._ended.wait(0.01):
                    client.sendall(b"x")
            except OSError:
                self.left.set()


@pytest.fixture(params=["direct", "proxy", "tunnel"])
def way(request: pytest.FixtureRequest) -> str:
    """The way to the dashboard: direct, through a proxy, or through a proxy that is still opening the tunnel."""
    return str(request.param)


@pytest.fixture
def server(way: str) -> Iterator[Trickle]:
    head = b"HTTP/1.1 200 OK\r\nX-Long: " if way == "tunnel" else b"HTTP/1.1 201 Created\r\nContent-Length: 1000000\r\n\r\n"
    found = Trickle(head)
    yield found
    found.close()


def test_an_answer_that_trickles_in_is_cut_off(way: str, server: Trickle) -> None:
    """The pauses are so short that no socket timeout ends the call; its own limit does."""
    transport = Transport(None, Watchdog())
    session = requests.Session()
    session.trust_env = False
    for schema in ("http://", "https://"):
        session.mount(schema, transport)
    address = {
        "direct": f"http://127.0.0.1:{server.port}",
        "proxy": "http://dashboard.example",
        "tunnel": "https://dashboard.example",
    }[way]
    behind = {} if way == "direct" else dict.fromkeys(("http", "https"), f"http://127.0.0.1:{server.port}")
    with pytest.raises(requests.RequestException), transport.within(LIMIT):
        session.post(address, data=b"x", timeout=LONG, proxies=behind)
    assert server.left.wait(LONG)
