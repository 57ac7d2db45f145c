"""The connection of a call: kept alive, with the expected certificate name, and closed when the call takes too long."""

from __future__ import annotations

import http.client
import socket
from contextlib import AbstractContextManager, suppress
from http import HTTPStatus
from typing import Any

from requests.adapters import HTTPAdapter
from tablero.dashboard.watchdog import Watchdog
from urllib3.connection import HTTPConnection

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
        self._connecting: HTTPConnection | None = None
        self._socket: Any = None
        super().__init__()

    @property
    def is_connecting(self) -> bool:
        """Whether the connection for the last call, tunnel and TLS included, was begun and never finished. If so, nothing of
        the call was sent. The exception of a failed call does not tell: through a proxy, urllib3 raises the same one for an
        answer that was lost.
        """
        return self._connecting is not None

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Called by requests to create the connection pools."""
        if self._certificate_name:
            kwargs["assert_hostname"] = self._certificate_name
        super().init_poolmanager(*args, socket_options=_socket_options(), **kwargs)
        self._remember_connections(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Called by requests to create the connection pools of a proxy."""
        if proxy in self.proxy_manager:
            return self.proxy_manager[proxy]
        if self._certificate_name:
            kwargs["assert_hostname"] = self._certificate_name
        manager = super().proxy_manager_for(proxy, socket_options=_socket_options(), **kwargs)
        self._remember_connections(manager)
        return manager

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Make one call in this block, and close its connection if the block takes longer.

        A socket time-out bounds only each silence: an answer that trickles in would hold the call for ever.
        """
        self._connecting = None
        return self._watchdog.within(seconds, self._hang_up)

    def _remember_connections(self, manager: Any) -> None:
        # urllib3's way to use another connection class: a pool class with a different ConnectionCls.
        manager.pool_classes_by_scheme = {
            scheme: type(pool.__name__, (pool,), {"ConnectionCls": self._remembered(pool.ConnectionCls)})
            for scheme, pool in manager.pool_classes_by_scheme.items()
        }

    def _remembered(self, base: type[HTTPConnection]) -> type[HTTPConnection]:
        transport = self

        class Remembered(base):  # type: ignore[misc, valid-type]  # made of any of urllib3's classes
            response_class = _FinalResponse

            def connect(self) -> None:
                transport._connecting, transport._socket = self, None
                super().connect()
                transport._connecting, transport._socket = None, self.sock

        return Remembered

    def _hang_up(self) -> None:
        # While a proxy's answer to CONNECT trickles in, only the connection knows its socket; once a body without an end is
        # read, it does not know it any longer.
        open_socket: Any = self._socket or (self._connecting and self._connecting.sock)
        if open_socket is not None:
            with suppress(OSError):
                # TLS within TLS has no shutdown, but knows the socket under it.
                getattr(open_socket, "socket", open_socket).shutdown(socket.SHUT_RDWR)


class _FinalResponse(http.client.HTTPResponse):
    """Skips interim answers, such as 103 Early Hints (RFC 9110, 15.2); the base class skips only 100."""

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]  # not in the stubs
            if not 100 < status < 200 or status == HTTPStatus.SWITCHING_PROTOCOLS:
                return version, status, reason
            http.client.parse_headers(self.fp)


def _socket_options() -> list[tuple[int, int, int]]:
    options = [*HTTPConnection.default_socket_options, (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    # Not every platform has all of these options.
    options += [(socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in _KEEP_ALIVE if hasattr(socket, name)]
    return options
