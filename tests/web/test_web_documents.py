"""Documents hold no connection while they are sent: whoever reads slowly, or leaves in the middle, is in nobody's way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.pool import QueuePool

from tests.web.conftest import Site

DOCUMENTS = ["evidence/2026-09/rows.jsonl", "rejections.csv", "rejections.csv?reason=refused_by_dashboard"]

#: More than the pool of an engine has connections.
READERS = 20


class SlowReader:
    """A browser that takes the first piece of a document, and then nothing more.

    :ivar has_begun: the first piece is there.
    :ivar is_over: it goes on reading.
    """

    def __init__(self, app: Any, path: str, token: str) -> None:
        self._app = app
        path, _, query = path.partition("?")
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": f"/tablero/{path}",
            "raw_path": f"/tablero/{path}".encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(b"host", b"airflow.test"), (b"cookie", f"_token={token}".encode())],
            "client": ("192.0.2.1", 1),
            "server": ("airflow.test", 80),
        }
        self.has_begun, self.goes_on = asyncio.Event(), asyncio.Event()

    async def read(self) -> None:
        await self._app(self._scope, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        await self.goes_on.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body" and message.get("body"):
            self.has_begun.set()
            await self.goes_on.wait()


@pytest.mark.parametrize("path", DOCUMENTS)
def test_slow_readers_hold_no_connection(whole_app: Any, site: Site, as_user: Callable[[str | None], Any], path: str) -> None:
    """While twenty of them are in the middle of a document, every other page is shown; they leave nothing behind."""
    assert site.engine is not None
    pool = site.engine.pool
    assert isinstance(pool, QueuePool)
    browser = as_user("admin")

    async def look_while_they_read() -> None:
        readers = [SlowReader(whole_app, path, browser.cookies["_token"]) for _ in range(READERS)]
        reading = [asyncio.create_task(reader.read()) for reader in readers]
        await asyncio.wait_for(asyncio.gather(*(reader.has_begun.wait() for reader in readers)), 60)
        assert pool.checkedout() == 0
        answer = await asyncio.to_thread(browser.get, "/tablero/window/2026-10")
        assert answer.status_code == 200
        for task in reading:  # they go away in the middle
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
        assert pool.checkedout() == 0

    asyncio.run(look_while_they_read())
