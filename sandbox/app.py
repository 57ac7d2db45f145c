"""The web application: security server, dashboard and control routes on one port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox import dashboard, xroad
from sandbox.answers import Dropped, NoAnswer, expose, pause, peer_certificate
from sandbox.control import router
from sandbox.faults import Choice, Situation
from sandbox.memory import CallRecord
from sandbox.state import Sandbox

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_DEPRECATED_PATH = "/services-data/requests"


def create_app(sandbox: Sandbox) -> ASGIApp:
    """The application; only uvicorn can run it, since dropping a connection needs uvicorn's transport."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        sandbox.memory.close()

    app = FastAPI(title="Sandbox", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.state.sandbox = sandbox
    app.include_router(router)

    async def everything_else(request: Request) -> Response:
        return await _Handling(sandbox, request).answer()

    app.add_route("/{path:path}", everything_else, methods=_METHODS)

    async def outermost(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        expose(scope, send)
        counted = not scope["path"].startswith("/_sandbox")
        sandbox.in_flight += counted
        sandbox.max_in_flight = max(sandbox.max_in_flight, sandbox.in_flight)
        try:
            await app(scope, receive, send)
        finally:
            sandbox.in_flight -= counted

    return outermost


class _Handling:
    """One call on its way through security server and dashboard."""

    def __init__(self, sandbox: Sandbox, request: Request) -> None:
        self.sandbox = sandbox
        self.settings = sandbox.settings  # the same settings for the whole call
        self.request = request
        self.headers = request.headers
        self.accept = ",".join(self.headers.getlist("accept"))
        self.raw_path: str = request.scope["raw_path"].decode("latin-1")
        self.record = CallRecord(
            method=request.method,
            path=self.raw_path,
            x_road_id=self.headers.get("x-road-id"),
            x_road_issue=self.headers.get("x-road-issue"),
            x_road_client=self.headers.get("x-road-client"),
            user_agent=self.headers.get("user-agent"),
        )

    async def answer(self) -> Response:
        """Decide, record, and only then answer."""
        try:
            body = await self.request.body()
        except ClientDisconnect:
            # A security server reads the whole message first, so an upload that is cut off
            # reaches nobody.
            self.record.violations.append("upload_cut_off")
            self.sandbox.memory.record(self.record)
            return Dropped()
        self.record.bytes = len(body)
        self._note_headers()
        if self.raw_path.startswith("/r1/"):
            try:
                return await self._through_x_road(body)
            except xroad.XRoadError as error:
                return self._remember(xroad.error_answer(error, self.settings, self.accept))
        return await self._directly(body)

    async def _directly(self, body: bytes) -> Response:
        method, path = self.request.method, self.raw_path
        if path == "/listClients" and method == "GET":
            instance = self.request.query_params.get("xRoadInstance")
            return await self._metadata(xroad.list_clients(self.settings, self.accept, instance))
        if path in (xroad.LOAD_PATH, _DEPRECATED_PATH):
            if any(name.startswith("x-road-") for name in self.headers):
                self.record.violations.append("x_road_header_on_direct_call")
            return await self._dashboard(path, body, {})
        if method == "POST":
            self.record.violations.append("outside_r1")
            return self._remember(xroad.soap_fault())
        page = "<html><body><h2>HTTP ERROR 404 Not Found</h2></body></html>"
        return self._remember(Response(page, 404, media_type="text/html"))

    async def _through_x_road(self, body: bytes) -> Response:
        call = xroad.read_call(self.raw_path, self.headers.getlist("x-road-client"))
        client = xroad.check_consumer(call, self.settings)
        if self.sandbox.client_tls and not peer_certificate(self.request.scope):
            raise xroad.XRoadError(
                "Server.ClientProxy.SslAuthenticationFailed",
                f"Client (SUBSYSTEM:{client}) specifies HTTPS but did not supply TLS certificate",
            )
        if self.request.method == "GET" and call.service_code in xroad.METADATA_SERVICES and not call.path:
            return await self._metadata(xroad.metadata(call, client, self.settings, dict(self.headers)))
        if len(body) > self.settings.max_loggable_bytes:
            raise xroad.XRoadError(
                "Server.ClientProxy.IOError",
                f"Message size exceeds maximum loggable size {self.settings.max_loggable_bytes}",
            )
        xroad.check_provider(call, client, self.settings)
        return await self._dashboard(call.path, body, xroad.relay_headers(call, self.record.x_road_id, body))

    async def _dashboard(self, path: str, body: bytes, x_road_headers: dict[str, str]) -> Response:
        method = self.request.method
        if method == "POST" and path == _DEPRECATED_PATH:
            self.record.violations.append("deprecated_path")
            return self._remember(_with_headers(dashboard.gone(), x_road_headers))
        if method != "POST" or path != xroad.LOAD_PATH:
            return self._remember(_with_headers(dashboard.not_found(method, path), x_road_headers))
        content_encoding = self.headers.get("content-encoding", "")
        verdict = dashboard.judge(body, self.headers.get("content-type", ""), content_encoding, self.settings)
        if self.settings.repeats == "conflict" and verdict.accepted and self.sandbox.memory.holds_any(verdict.rows):
            verdict = dashboard.conflict(verdict)
        self.record.entries = len(verdict.sent)
        self.record.violations.extend(verdict.violations)
        choice = self.sandbox.faults.choose("load", verdict.sent, valid=verdict.accepted)
        normal = _with_headers(dashboard.answer(verdict.status, verdict.body), x_road_headers)
        if not await self._delay(choice):
            return self._remember(Dropped())
        if choice.fault is None:
            return self._remember(normal, verdict.rows)
        response = choice.fault.answer(self._situation(normal, choice))
        if choice.fault.relayed():
            response = _with_headers(response, x_road_headers)
        return self._remember(response, verdict.rows if choice.fault.stores() else [])

    async def _metadata(self, normal: Response) -> Response:
        choice = self.sandbox.faults.choose("metadata", (), valid=True)
        if not await self._delay(choice):
            return self._remember(Dropped())
        if choice.fault is None:
            return self._remember(normal)
        return self._remember(choice.fault.answer(self._situation(normal, choice)))

    async def _delay(self, choice: Choice) -> bool:
        self.record.fault = choice.label
        return choice.delay == 0 or await pause(choice.delay, self.sandbox.closing)

    def _situation(self, normal: Response, choice: Choice) -> Situation:
        return Situation(self.settings, self.accept, normal, choice.positions, self.sandbox.closing)

    def _remember(self, response: Response, rows: list[dashboard.Row] | None = None) -> Response:
        """Commit the call, and the entries accepted with it, before anything is sent."""
        self.record.status = None if isinstance(response, NoAnswer) else response.status_code
        self.sandbox.memory.record(self.record, rows or [])
        return response

    def _note_headers(self) -> None:
        if any(name in self.headers for name in xroad.SERVER_OWNED_HEADERS):
            self.record.violations.append("x_road_owned_header")
        if len(self.headers.getlist("x-road-client")) > 1:
            self.record.violations.append("x_road_client_repeated")
        if len(self.record.x_road_id or "") > xroad.MAX_MESSAGE_ID:
            self.record.violations.append("x_road_id_too_long")


def _with_headers(response: Response, headers: dict[str, str]) -> Response:
    for name, value in headers.items():
        response.headers[name] = value
    return response
