"""The FastAPI application, mounted by Airflow's API server at ``/tablero``.

Every route requires a login and permission to read both DAGs, including static files and unknown addresses: the dependency is
set on the application, nothing is mounted below it, and a test requests every route without a login.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from sqlalchemy.engine import Engine
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tablero.errors import OutboxUnavailable, SettingsError, TableroError
from tablero.settings import Settings
from tablero.web.access import CROSS_SITE, FORM_EXPIRED, HISTORY, READ, login_link
from tablero.web.evidence import BeingPrepared
from tablero.web.page import AskSource, NotReady, Page, Site, secure
from tablero.web.routes import (
    activity,
    batches,
    coverage,
    evidence,
    rejections,
    requests,
    requeue,
    static,
    status,
    unconfirmed,
    windows,
)

log = logging.getLogger(__name__)

#: In this order: the last one matches every remaining address.
_ROUTERS = (
    coverage.router,
    windows.router,
    batches.router,
    requests.router,
    rejections.router,
    requeue.router,
    unconfirmed.router,
    evidence.router,
    activity.router,
    status.router,
    static.router,
)


def build_app(
    outbox: Callable[[], Engine],
    read_settings: Callable[[], Settings],
    clock: Callable[[], datetime],
    ask_source: AskSource | None = None,
) -> FastAPI:
    """Build the application.

    :param outbox: returns the engine of the outbox, the same one for every request; raises a ``TableroError`` if there is none.
    :param read_settings: returns the settings; raises a ``SettingsError`` if one is wrong.
    :param clock: returns the current time (timezone-aware).
    :param ask_source: see :class:`tablero.web.page.Site`; without it, the page answers from the outbox alone.
    """
    app = FastAPI(
        title="Tablero",
        dependencies=READ,
        # These would be public.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # A redirect would reveal existing addresses to users who are not logged in.
        redirect_slashes=False,
    )
    app.state.site = Site(outbox, read_settings, clock, ask_source)
    for router in _ROUTERS:
        app.include_router(router)
    app.add_middleware(_Secured)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _not_found)
    app.add_exception_handler(TableroError, _unusable)
    app.add_exception_handler(BeingPrepared, _being_prepared)
    app.add_exception_handler(Exception, _server_error)
    return app


class _Secured:
    """Adds the security headers to every response, and answers HEAD like GET, without a body: monitors ask that way."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                secure(MutableHeaders(scope=message))
            if is_head and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        is_head = scope["type"] == "http" and scope["method"] == "HEAD"
        if is_head:
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send_secured if scope["type"] == "http" else send)


async def _http_error(request: Request, error: Exception) -> Response:
    """Not logged in, not permitted, or not found: a page that says so and what to do."""
    assert isinstance(error, HTTPException)
    page = Page(request, None)
    if error.status_code == 401:
        # Also within Airflow's frame; the login returns here afterwards.
        return page.problem(401, "401", login=login_link(request))
    if error.detail in (CROSS_SITE, FORM_EXPIRED):
        return page.problem(403, "form", again=page.link(""))
    name = str(error.status_code) if error.status_code in (403, 404) else "400"
    return page.problem(error.status_code, name, home=page.link(""))


async def _not_found(request: Request, error: Exception) -> Response:
    """An invalid parameter, such as text instead of a number: treated as an unknown address, since no link leads there."""
    return await _http_error(request, HTTPException(404))


async def _unusable(request: Request, error: Exception) -> Response:
    """The outbox or the settings cannot be used: a page that says what is wrong and what to do."""
    assert isinstance(error, TableroError)
    page = Page(request, None)
    log.warning("%s", error)
    again = page.same() if request.method == "GET" else page.link("")
    if isinstance(error, NotReady):
        return page.problem(503, f"outbox.{error.found.value}", dag=HISTORY, again=again)
    if isinstance(error, SettingsError):
        return page.problem(503, "settings", words=error.text.within(page.texts.language), again=again)
    name = "outbox.away" if isinstance(error, OutboxUnavailable) else "outbox.missing"
    return page.problem(503, name, words=error.text.within(page.texts.language), again=again)


async def _being_prepared(request: Request, error: Exception) -> Response:
    """A document that takes long is being made for another request."""
    page = Page(request, None)
    return page.problem(503, "preparing", again=page.same())


async def _server_error(request: Request, error: Exception) -> Response:
    """An unexpected error; the traceback is in the server's log."""
    page = Page(request, None)
    response = page.problem(500, "500", again=page.link(""))
    secure(response.headers)
    return response
