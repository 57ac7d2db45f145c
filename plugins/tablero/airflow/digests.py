"""Sends the digest with the first scheduled run that ends after its period; a monthly one has the evidence attached."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from sqlalchemy.engine import Connection, Engine
from tablero.airflow import configuration
from tablero.airflow.alerts import channels, content, sending
from tablero.airflow.alerts.budget import Budget
from tablero.delivery.health import digest
from tablero.delivery.health.digest import Period
from tablero.outbox.alerts import digests as marks
from tablero.outbox.engine import reading, writing
from tablero.outbox.reports.snapshot import snapshot
from tablero.settings import Settings
from tablero.texts.text import LANGUAGES
from tablero.web import evidence

#: Most seconds for the evidence of a month, which is attached if it is computed in time. A million rows take a few seconds.
_EVIDENCE_SECONDS = 20.0


class _OutOfTime(Exception):
    """The evidence of a month takes too long."""


def send(engine: Engine, settings: Settings, run: Any, budget: Budget) -> None:
    """Send the digest that is due after a run, if one is.

    If it cannot be sent, that is alerted once, and the next run tries again. The same holds for an attempt that did not end:
    Airflow kills a callback that takes too long.

    :param run: Airflow's ``dag_run``.
    """
    if settings.digest is None or not settings.alert_emails or run.run_type != "scheduled" or run.data_interval_end is None:
        return
    period = digest.period_of(settings.digest, run.data_interval_end, settings)
    kind, label, now = f"digest:{settings.digest}", period.label, configuration.clock()
    with writing(engine) as connection:
        if marks.is_marked(connection, kind, label):
            return
        was_tried = marks.is_marked(connection, f"try {kind}", label)
        marks.mark(connection, f"try {kind}", label, now=now)
    if was_tried:
        _report_undelivered(engine, settings, run, kind, label, budget)
    with snapshot(engine, seconds=budget.half) as connection:
        found = digest.gather(connection, settings, period)
    files: dict[str, bytes] = {}
    if settings.digest == "monthly":
        try:
            files = _evidence(engine, settings, period, seconds=min(_EVIDENCE_SECONDS, budget.half))
        except _OutOfTime:
            found = found._replace(evidence_url=f"{configuration.page_url()}evidence/{label}")
    if channels.send_digest(settings, found, configuration.page_url(), files, seconds=budget.half):
        with writing(engine) as connection:
            marks.mark(connection, kind, label, now=now)
    else:
        _report_undelivered(engine, settings, run, kind, label, budget)


def _report_undelivered(engine: Engine, settings: Settings, run: Any, kind: str, label: str, budget: Budget) -> None:
    """Alert once that the digest of a period was not sent: by the webhook if there is one, since it is the mail that fails."""
    now = configuration.clock()
    alert = content.undelivered(run.dag_id, run.run_id, label, base_url=configuration.base_url())
    with writing(engine) as connection:
        if marks.is_marked(connection, f"no {kind}", label):
            return
        everywhere = channels.configured(settings)
        others = [channel for channel in everywhere if channel != channels.MAIL]
        sending.enqueue(connection, settings, alert, now=now, channels=others or everywhere)
        marks.mark(connection, f"no {kind}", label, now=now)
    sending.send_queued(engine, settings, now=now, seconds=budget.half)


def _evidence(engine: Engine, settings: Settings, period: Period, *, seconds: float) -> dict[str, bytes]:
    """The evidence of a month by file name, as the page offers it; of a month before ``earliest`` there is none.

    :raises _OutOfTime: after ``seconds``.
    """
    if period.last < settings.earliest:
        return {}
    end = monotonic() + seconds

    @contextmanager
    def connect() -> Iterator[Connection]:  # once for each page of rows
        if monotonic() > end:
            raise _OutOfTime
        with reading(engine) as connection:
            yield connection

    window, now = digest.month_window(period, settings), configuration.clock()
    with reading(engine) as connection:
        month = evidence.month_of(connection, settings, window, now=now, running=())
    delivered = evidence.collect(connect, window)
    name = evidence.file_name(window.label, LANGUAGES[0])
    return {f"{name}.json": evidence.to_json(month, delivered, settings, now=now, made_by=None, language=LANGUAGES[0])}
