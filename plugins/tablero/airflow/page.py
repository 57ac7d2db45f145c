"""Connects the page to Airflow's configuration: settings, outbox, source and clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tablero.airflow import configuration

if TYPE_CHECKING:
    from fastapi import FastAPI
    from sqlalchemy.engine import Engine
    from tablero.contract.rules import Row
    from tablero.settings import Settings
    from tablero.source.reader import Source

#: Seconds after which the connection ``tablero_outbox`` is read again, in case it was changed.
_REFRESH_SECONDS = 30.0


class PageOutbox:
    """Provides the engine of the outbox to the page: one per process. Creates and migrates nothing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._url: Any = None
        self._engine: Engine | None = None
        self._checked_at = 0.0

    def __call__(self) -> Engine:
        """The engine.

        :raises NotReady: if its SQLite file does not exist yet.
        :raises SetupError: if the connection is incomplete or of an unsupported type.
        """
        from tablero.outbox.engine import connect
        from tablero.outbox.reports.snapshot import Readiness
        from tablero.web.page import NotReady

        with self._lock:
            if self._engine is None or time.monotonic() - self._checked_at > _REFRESH_SECONDS:
                url = configuration.outbox_url()
                if self._engine is None or url != self._url:
                    before, self._engine, self._url = self._engine, connect(url), url
                    if before is not None:
                        before.dispose()  # a request in progress keeps its connection until it ends
                self._checked_at = time.monotonic()
            engine = self._engine
        # Connecting would create an empty SQLite file.
        if engine.dialect.name == "sqlite" and not Path(engine.url.database or "").is_file():
            raise NotReady(Readiness.EMPTY)
        return engine


#: Concurrent queries to the institution's database; others wait within their own time limit.
_AT_A_TIME = 2


class PageSource:
    """Queries the institution's database for one request: few queries at a time, each with a time limit after which it is
    cancelled on the server.

    :param read_settings: returns the settings; raises a :class:`~tablero.errors.SettingsError` if one is wrong.
    """

    def __init__(self, read_settings: Callable[[], Settings]) -> None:
        self._read_settings = read_settings
        self._threads = ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="tablero-source")

    def __call__(self, request_id: str, seconds: float) -> Sequence[Row] | None:
        """The rows of a request in the source; ``None`` if the source cannot be queried by request.

        :param seconds: time limit.
        :raises SourceUnavailable: if there was no answer in time.
        :raises TableroError: as reading the source.
        """
        from tablero.errors import SourceUnavailable
        from tablero.texts import source as texts

        query = _Query(request_id)
        answer = self._threads.submit(query.ask, self._read_settings)
        try:
            return answer.result(seconds)
        except NotInTime:
            answer.cancel()
            query.give_up()
            raise SourceUnavailable(texts.NOT_IN_TIME(seconds=round(seconds))) from None


class _Query:
    """A query that another thread may cancel."""

    def __init__(self, request_id: str) -> None:
        self._request_id = request_id
        self._lock = threading.Lock()
        self._source: Source | None = None
        self._is_given_up = False

    def ask(self, read_settings: Callable[[], Settings]) -> Sequence[Row] | None:
        with configuration.source(read_settings()) as source:
            with self._lock:
                if self._is_given_up:
                    return None
                self._source = source
            try:
                return source.of_request(self._request_id)
            finally:
                with self._lock:
                    self._source = None

    def give_up(self) -> None:
        with self._lock:
            self._is_given_up = True
            if self._source is not None:
                self._source.cancel()


@cache
def read_settings() -> Settings:
    """The settings, cached, since they change only with a restart; wrong ones are not cached."""
    return configuration.read_settings()


def build() -> FastAPI:
    """Build the application for Airflow's API server."""
    from tablero.web.app import build_app

    return build_app(PageOutbox(), read_settings, configuration.clock, PageSource(read_settings))
