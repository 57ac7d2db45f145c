"""Answers that are not answers: a connection dropped, left hanging, cut off, or fed arbitrary bytes.

Each is a Starlette response that uses the connection itself, which an ASGI application cannot
otherwise reach: :func:`expose` hands it down. Simply returning without an answer would not do, since
uvicorn then answers 500 for the application.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

_TRANSPORT = "sandbox.transport"


def expose(scope: Scope, send: Send) -> None:
    """Store the connection in ``scope``.

    ``send`` must be uvicorn's own: its bound object is the one that holds the transport.
    """
    scope[_TRANSPORT] = send.__self__.transport  # type: ignore[attr-defined]  # uvicorn's RequestResponseCycle


def peer_certificate(scope: Scope) -> bool:
    """Whether the client presented a TLS certificate (which the handshake has then verified)."""
    return bool(scope[_TRANSPORT].get_extra_info("peercert"))


class NoAnswer(Response):
    """No HTTP answer at all, hence no status to remember."""


class Dropped(NoAnswer):
    """Closes the connection without any answer; with ``reset`` by a TCP RST instead of a FIN."""

    def __init__(self, *, reset: bool = False) -> None:
        super().__init__()
        self._reset = reset

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Close it now."""
        await _abort(scope, receive, reset=self._reset)


class Hanging(NoAnswer):
    """Holds the connection until the client leaves, ``seconds`` have passed or the server closes."""

    def __init__(self, seconds: float, closing: asyncio.Event) -> None:
        super().__init__()
        self._seconds = seconds
        self._closing = closing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold it, then close it."""
        await _first_of(self._seconds, _client_gone(receive), self._closing.wait())
        await _abort(scope, receive)


class Truncated(Response):
    """Announces the whole body, sends its first ``keep`` bytes (half if None), closes the connection."""

    def __init__(self, whole: Response, keep: int | None) -> None:
        super().__init__()
        self._whole = whole
        self._keep = len(whole.body) // 2 if keep is None else min(keep, len(whole.body))
        self.status_code = whole.status_code

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the beginning, then close."""
        start = {
            "type": "http.response.start",
            "status": self._whole.status_code,
            "headers": self._whole.raw_headers,
        }
        await send(start)
        await send({"type": "http.response.body", "body": bytes(self._whole.body[: self._keep]), "more_body": True})
        await _close(scope, receive)


class Wire(NoAnswer):
    """Writes ``data`` to the connection unchanged, HTTP or not, then closes it."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = data

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write, then close."""
        scope[_TRANSPORT].write(self._data)
        await _close(scope, receive)


async def pause(seconds: float, closing: asyncio.Event) -> bool:
    """Wait; True if all the time has passed, False if the server began to close first."""
    await _first_of(seconds, closing.wait())
    return not closing.is_set()


async def _first_of(seconds: float, *awaitables: Awaitable[Any]) -> None:
    tasks = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
    await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _abort(scope: Scope, receive: Receive, *, reset: bool = False) -> None:
    transport = scope[_TRANSPORT]
    if reset:
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await _client_gone(receive)


async def _close(scope: Scope, receive: Receive) -> None:
    scope[_TRANSPORT].close()  # flushes first, unlike abort()
    await _client_gone(receive)


async def _client_gone(receive: Receive) -> None:
    # uvicorn has to notice before we return, or it would still try to complete the answer.
    while (await receive())["type"] != "http.disconnect":
        pass
