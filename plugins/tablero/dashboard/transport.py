"""The connection of a call: kept alive, with the expected certificate name, and closed when the call takes too long."""

from __future__ import annotations

import socket
from contextlib import AbstractContextManager, suppress
from typing import Any

from requests.adapters import HTTPAdapter
from tablero.dashboard.watchdog import Watchdog
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

#: As in HttpHook's own adapter: seconds until the first probe, seconds between probes, and number of lost probes.
_KEEP_ALIVE = (("TCP_KEEPIDLE", 120), ("TCP_KEEPINTVL", 30), ("TCP_KEEPCNT", 20))


class Transport(HTTPAdapter):
    """The transport adapter of one thread.

    :param certificate_name: the name expected in the server's certificate, if it differs from the host.
    :param watchdog: of all threads.
    """

    def __init__(self, certificate_name: str | None, watchdog: Watchdog) -> None:
        self._certificate_name = certificate_name
        self._watchdog = watchdog
        self._socket: socket.socket | None = None
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Called by requests to create the connection pools."""
        if self._certificate_name:
            kwargs["assert_hostname"] = self._certificate_name
        super().init_poolmanager(*args, socket_options=_socket_options(), **kwargs)
        # urllib3's way to use another connection class: a pool class with a different ConnectionCls.
        http = type("Http", (HTTPConnectionPool,), {"ConnectionCls": self._remembered(HTTPConnection)})
        https = type("Https", (HTTPSConnectionPool,), {"ConnectionCls": self._remembered(HTTPSConnection)})
        self.poolmanager.pool_classes_by_scheme = {"http": http, "https": https}

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Close the connection if the block takes longer.

        A socket time-out bounds only each silence: an answer that trickles in would hold the call for ever.
        """
        return self._watchdog.within(seconds, self._hang_up)

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
    # Not every platform has all of these options.
    options += [(socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in _KEEP_ALIVE if hasattr(socket, name)]
    return options
