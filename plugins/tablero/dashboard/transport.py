"""The connection under a call: kept alive, of the expected certificate name, and ended when its time is up."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

#: As HttpHook's own adapter has them: seconds until the first probe, between probes, and how many are lost at most.
_KEEP_ALIVE = (("TCP_KEEPIDLE", 120), ("TCP_KEEPINTVL", 30), ("TCP_KEEPCNT", 20))


class Transport(HTTPAdapter):
    """Carries the calls of one thread.

    :param certificate_name: the name expected in the server's certificate, where it is not the host's.
    """

    def __init__(self, certificate_name: str | None) -> None:
        self._certificate_name = certificate_name
        self._socket: socket.socket | None = None
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Called by requests to make the pools."""
        if self._certificate_name:
            kwargs["assert_hostname"] = self._certificate_name
        super().init_poolmanager(*args, socket_options=_socket_options(), **kwargs)
        # urllib3's own way to put other connections into a pool: a pool class with another ConnectionCls.
        http = type("Http", (HTTPConnectionPool,), {"ConnectionCls": self._remembered(HTTPConnection)})
        https = type("Https", (HTTPSConnectionPool,), {"ConnectionCls": self._remembered(HTTPSConnection)})
        self.poolmanager.pool_classes_by_scheme = {"http": http, "https": https}

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Close the connection if the block takes longer.

        A socket's time-outs only bound each silence: an answer that trickles in would hold the call for ever.
        """
        timer = threading.Timer(seconds, self._hang_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _remembered(self, base: type[HTTPConnection]) -> type[HTTPConnection]:
        transport = self

        class Remembered(base):  # type: ignore[misc, valid-type]  # made of either class
            def connect(self) -> None:
                super().connect()
                transport._socket = self.sock

        return Remembered

    def _hang_up(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def _socket_options() -> list[tuple[int, int, int]]:
    options = [*HTTPConnection.default_socket_options, (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    # Not every system has all of them.
    options += [(socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in _KEEP_ALIVE if hasattr(socket, name)]
    return options
