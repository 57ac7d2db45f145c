"""Brings the page together with Airflow's configuration: its settings, its outbox, its source, its clock."""

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

#: Seconds after which the connection ``tablero_outbox`` is looked up again, in case someone changed it.
_LOOK_AGAIN = 30.0


class PageOutbox:
    """The engine of the outbox for the page: one for the process, never one for each request. Makes and migrates nothing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._url: Any = None
        self._engine: Engine | None = None
        self._looked_at = 0.0

    def __call__(self) -> Engine:
        """The engine.

        :raises NotReady: its SQLite file does not exist yet.
        :raises SetupError: the connection is missing parts or of the wrong type.
        """
        from tablero.outbox.engine import connect
        from tablero.outbox.reports.common import Readiness
        from tablero.web.page import NotReady

        with self._lock:
            if self._engine is None or time.monotonic() - self._looked_at > _LOOK_AGAIN:
                url = configuration.outbox_url()
                if self._engine is None or url != self._url:
                    before, self._engine, self._url = self._engine, connect(url), url
                    if before is not None:
                        before.dispose()  # a request that is being answered keeps its connection until it is done
                self._looked_at = time.monotonic()
            engine = self._engine
        # SQLite would make an empty file where there is none.
        if engine.dialect.name == "sqlite" and not Path(engine.url.database or "").is_file():
            raise NotReady(Readiness.EMPTY)
        return engine


#: Most questions to the institution's database at a time; more wait for their turn as long as they may take at all.
_AT_A_TIME = 2


class PageSource:
    """Asks the institution's database about one request, for the page: few questions at a time, none for longer than it may
    take. What is not answered by then is cancelled at the server.

    :param read_settings: raises our errors if one is wrong.
    """

    def __init__(self, read_settings: Callable[[], Settings]) -> None:
        self._read_settings = read_settings
        self._threads = ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="tablero-source")

    def __call__(self, request_id: str, seconds: float) -> Sequence[Row] | None:
        """The rows of a request at the source now; ``None`` where it cannot be asked for a request.

        :param seconds: the longest time until the answer.
        :raises SourceUnavailable: there was none by then.
        :raises TableroError: as reading the source does.
        """
        from tablero.errors import SourceUnavailable
        from tablero.texts import source as texts

        question = _Question(request_id)
        answer = self._threads.submit(question.ask, self._read_settings)
        try:
            return answer.result(seconds)
        except NotInTime:
            answer.cancel()
            question.give_up()
            raise SourceUnavailable(texts.NOT_IN_TIME(seconds=round(seconds))) from None


class _Question:
    """One question, which another thread may give up."""

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
    """The settings, read once: they change with a restart only. Wrong ones are read again each time."""
    return configuration.read_settings()


def build() -> FastAPI:
    """The application for Airflow's API server."""
    from tablero.web.app import build_app

    return build_app(PageOutbox(), read_settings, configuration.clock, PageSource(read_settings))
