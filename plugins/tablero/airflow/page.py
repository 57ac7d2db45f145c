"""Brings the page together with Airflow's configuration: its settings, its outbox, its clock."""

from __future__ import annotations

import threading
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tablero.airflow import configuration

if TYPE_CHECKING:
    from fastapi import FastAPI
    from sqlalchemy.engine import Engine
    from tablero.settings import Settings

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


@cache
def read_settings() -> Settings:
    """The settings, read once: they change with a restart only. Wrong ones are read again each time."""
    return configuration.read_settings()


def build() -> FastAPI:
    """The application for Airflow's API server."""
    from tablero.web.app import build_app

    return build_app(PageOutbox(), read_settings, configuration.clock)
