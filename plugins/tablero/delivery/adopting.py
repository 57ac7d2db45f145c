"""Use case: adopt. A lost outbox is built anew from the source, without sending again what the dashboard has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta

from sqlalchemy.engine import Engine
from tablero.contract.windows import Window, first_instant, local_day, month_windows
from tablero.delivery.staging import Clock, Tally, stage
from tablero.errors import ParameterError
from tablero.outbox.adoption import adopt, adopt_batch
from tablero.settings import Settings
from tablero.source.reader import Source
from tablero.texts import delivery as texts


def plan_adoption(settings: Settings, *, first: date | None, until: date, now: datetime) -> list[Window]:
    """The months from ``first`` to ``until``, both days included; the first and the last cut at them.

    :param first: ``None`` is ``earliest``.
    :raises ParameterError: if there is no day between them, or the last one has not ended.
    """
    start = first or settings.earliest
    today = local_day(now, settings.timezone)
    if until >= today:
        raise ParameterError(texts.NOT_ENDED(until=f"{until}", today=f"{today}"))
    if start > until:
        raise ParameterError(texts.NO_DAYS(first=f"{start}", until=f"{until}"))
    begins, ends = first_instant(start, settings.timezone), first_instant(until + timedelta(days=1), settings.timezone)
    windows = month_windows(start, until, settings.timezone, ends)
    return [replace(window, start=max(window.start, begins)) for window in windows]


def adopt_all(
    engine: Engine, source: Source, settings: Settings, windows: Iterable[Window], *, by: str, run_id: str, clock: Clock
) -> Iterator[tuple[Tally, int]]:
    """Stage each window and count all of it as delivered. May be interrupted and repeated at any point.

    :param engine: of the outbox.
    :param by: who says that it was delivered.
    :param run_id: names this adoption in the record of its attempts.
    :returns: of each window what the source held, and how many rows were counted as delivered.
    :raises WindowBusy: a run is sending; the DAGs are to be paused first.
    :raises SourceUnavailable, OutboxUnavailable, SetupError: as :func:`tablero.delivery.staging.stage` does.
    """
    for window in windows:
        tally = stage(engine, source, settings, window, run_id=run_id, clock=clock, accept_changes=True)
        words = str(texts.ADOPTED(until=window.end.isoformat(), by=by))
        yield tally, adopt(engine, window, run_id=run_id, words=words, zone=settings.timezone, now=clock())


def adopt_one(engine: Engine, batch_id: int, *, by: str, run_id: str, now: datetime) -> int:
    """Count one batch as delivered, which the dashboard has though it answers each repeat with an error.

    :returns: how many rows.
    :raises ParameterError, WindowBusy: as :func:`tablero.outbox.adoption.adopt_batch`.
    """
    return adopt_batch(engine, batch_id, run_id=run_id, words=str(texts.ADOPTED_BATCH(by=by)), now=now)
