"""Use case: adopt. Rebuild a lost outbox from the source without sending again what the dashboard already has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta

from sqlalchemy.engine import Engine
from tablero.contract.windows import Window, first_instant, local_day, month_windows
from tablero.delivery.rows import Tally
from tablero.delivery.run import Clock, Run
from tablero.delivery.staging import stage
from tablero.errors import ParameterError
from tablero.outbox.adoption import adopt, adopt_batch
from tablero.settings import Settings
from tablero.source.reader import Source
from tablero.texts import delivery as texts


def plan_adoption(settings: Settings, *, first: date | None, until: date, now: datetime) -> list[Window]:
    """The months from ``first`` to ``until``, both days included; the first and the last month are cut at these days.

    :param first: ``None`` means ``earliest``.
    :param now: in UTC.
    :raises ParameterError: if ``until`` is before ``first``, or has not ended.
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
    """Stage each window and record all of it as delivered. May be interrupted and repeated at any point.

    :param engine: of the outbox.
    :param by: the person who confirms that it was delivered.
    :param run_id: identifies this adoption in the attempts.
    :returns: for each window what the source held, and the number of adopted rows.
    :raises WindowBusy: if a run is sending; the DAGs must be paused first.
    :raises SourceUnavailable, OutboxUnavailable, SetupError: as :func:`tablero.delivery.staging.stage`.
    """
    run = Run(run_id, clock, accept_changes=True)
    for window in windows:
        tally = stage(engine, source, settings, window, run)
        words = str(texts.ADOPTED(until=window.end.isoformat(), by=by))
        yield tally, adopt(engine, window, run_id=run_id, words=words, zone=settings.timezone, now=clock())


def adopt_one(engine: Engine, batch_id: int, *, by: str, run_id: str, now: datetime) -> int:
    """Record as delivered a batch that the dashboard has, although it answers every repeat with an error.

    :returns: the number of rows.
    :raises ParameterError, WindowBusy: as :func:`tablero.outbox.adoption.adopt_batch`.
    """
    return adopt_batch(engine, batch_id, run_id=run_id, words=str(texts.ADOPTED_BATCH(by=by)), now=now)
