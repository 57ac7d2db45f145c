"""Runs the application under uvicorn, so that it starts on a free port and always closes promptly."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn

from sandbox.app import create_app
from sandbox.memory import Memory
from sandbox.settings import Settings
from sandbox.state import Sandbox

#: A security server closes an idle client connection after 30 s (``client-connector-initial-idle-time``).
KEEP_ALIVE_SECONDS = 30
_GRACE_SECONDS = 0.5


@dataclass(frozen=True)
class Tls:
    """Files (PEM) for HTTPS."""

    certificate: Path
    key: Path
    #: Certificates of the institution's system. If set, X-Road calls without one of them are an X-Road error.
    client_certificates: Path | None = None


def _listen(host: str, port: int) -> socket.socket:
    # Not socket.create_server: it leaves the protocol number 0, and asyncio sets TCP_NODELAY only where it
    # reads IPPROTO_TCP. Without that every answer waits 40 ms for a delayed acknowledgement.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(512)
    except BaseException:
        listener.close()
        raise
    return listener


class Server(uvicorn.Server):
    """A uvicorn server for one :class:`Sandbox`, on a socket that is bound at once."""

    def __init__(
        self,
        database: Path,
        *,
        settings: Settings | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: Tls | None = None,
        keep_alive: int = KEEP_ALIVE_SECONDS,
    ) -> None:
        client_tls = tls is not None and tls.client_certificates is not None
        self._socket = _listen(host, port)
        self._sandbox = Sandbox(Memory(database), settings, client_tls=client_tls)
        #: The port in use, also if 0 (any free one) was requested.
        self.port: int = self._socket.getsockname()[1]
        #: The address for clients.
        self.url = f"{'https' if tls else 'http'}://{host}:{self.port}"
        config = uvicorn.Config(
            create_app(self._sandbox),
            loop="asyncio",  # answers.py was written and tested against asyncio's own transports
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            log_level="warning",
            proxy_headers=False,  # its wrapper would hide the connection from answers.expose
            server_header=False,
            timeout_keep_alive=keep_alive,
            timeout_graceful_shutdown=5,
            ssl_certfile=tls.certificate if tls else None,
            ssl_keyfile=tls.key if tls else None,
            ssl_ca_certs=str(tls.client_certificates) if tls and tls.client_certificates else None,
            # Optional: without one the handshake succeeds and X-Road says what is missing.
            ssl_cert_reqs=ssl.CERT_OPTIONAL if client_tls else ssl.CERT_NONE,
        )
        super().__init__(config)

    def serve_until_stopped(self) -> None:
        """Serve until ``should_exit`` is set, in the calling thread."""
        self.run(sockets=[self._socket])

    def stop_on_signals(self) -> None:
        """Let SIGTERM and SIGINT end the server in an orderly way; for the main thread of a process."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.handle_exit(number, frame)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: uvicorn would handle them, and raise them again after an orderly end."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then call :meth:`on_ready`."""
        await super().startup(sockets=sockets)
        self.on_ready()

    def on_ready(self) -> None:
        """Called once, when calls are accepted."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Release every hanging and delayed call, give the others a moment, then close."""
        self._sandbox.closing.set()
        # An orderly TLS close waits for the client's; one that keeps its connection in a pool sends none.
        last_call = asyncio.get_running_loop().call_later(_GRACE_SECONDS, self._abort_connections)
        try:
            await super().shutdown(sockets=sockets)
        finally:
            last_call.cancel()
        await asyncio.sleep(0)  # lets aborted connections close their sockets before the loop ends

    def _abort_connections(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()
