"""Sending in a task: the client is created late, the target is checked, and the attempts are reported."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy.engine import Engine
from tablero.airflow import configuration, history, lineage, metrics
from tablero.airflow.configuration import clock
from tablero.contract.windows import Window
from tablero.delivery import sending
from tablero.delivery.run import Run
from tablero.delivery.sending import Delivery
from tablero.outbox import target
from tablero.settings import Settings

if TYPE_CHECKING:
    from tablero.dashboard.client import Dashboard

log = logging.getLogger(__name__)


def open_dashboard(engine: Engine, settings: Settings) -> Dashboard:
    """The client.

    :raises PermanentError: if the outbox delivers to another dashboard, since its state would not apply to this one.
    """
    dashboard = configuration.dashboard(settings)
    for warning in dashboard.warnings:
        log.warning("%s", warning)
    target.remember(engine, target.name_of(settings, dashboard.url), clock())
    return dashboard


def connector(engine: Engine, settings: Settings) -> Callable[[], Dashboard]:
    """Creates the client on first use and reports it to OpenLineage: importing its libraries takes longer than reading a month
    without changes."""

    @cache
    def connect() -> Dashboard:
        dashboard = open_dashboard(engine, settings)
        lineage.report_output(dashboard.url)
        return dashboard

    return connect


def send(engine: Engine, connect: Callable[[], Dashboard], settings: Settings, windows: Sequence[Window], run: Run) -> Delivery:
    """Send what is pending in these windows; what the outbox must remember of it is stored in Airflow too."""
    with history.remembering(metrics.attempted, run.id) as observe:
        return sending.send(engine, connect, settings, windows, run, observe=observe)
