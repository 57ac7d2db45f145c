"""The dashboard of the benchmark: accepts every call, answers after a fixed time, and counts: ``python -m bench.sink``."""

from __future__ import annotations

import argparse
import asyncio

from aiohttp import web

_ANSWER = b'{"code": 201, "success": true, "message": "ok"}'


class Sink:
    """Counts calls and entries.

    :param latency: seconds from the end of a call's body to the answer.
    """

    def __init__(self, latency: float) -> None:
        self._latency = latency
        self._calls = self._rows = 0

    async def load(self, request: web.Request) -> web.Response:
        """Accept a batch."""
        body = await request.read()
        if self._latency:
            await asyncio.sleep(self._latency)
        self._calls += 1
        self._rows += body.count(b'"request_id"')
        return web.Response(body=_ANSWER, status=201, content_type="application/json")

    async def counts(self, _: web.Request) -> web.Response:
        """The numbers of calls and entries since the start."""
        return web.json_response({"calls": self._calls, "rows": self._rows})


async def _serve(latency: float) -> None:
    sink = Sink(latency)
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.add_routes([web.post("/api/load", sink.load), web.get("/counts", sink.counts)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.0, help="seconds")
    asyncio.run(_serve(parser.parse_args().latency))
