"""The facts from which the states of days and months are derived, collected from the outbox."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from sqlalchemy.engine import Connection
from tablero.contract.windows import day_window, days_between, local_day, months_between, undated_window, window_of
from tablero.outbox.findings import Degradation
from tablero.outbox.reports import coverage as coverage_report
from tablero.outbox.reports import findings as findings_report
from tablero.outbox.reports.coverage import Proven, Read
from tablero.outbox.reports.snapshot import Count, Rows
from tablero.settings import Settings

_NO_ROWS = Rows()

T = TypeVar("T")

#: Number of months whose days are shown.
CALENDAR_MONTHS = 12


@dataclass(frozen=True)
class Facts:
    """The state of the outbox from which coverage is derived.

    :ivar span: first and last of the days that are shown as days.
    :ivar months: staged rows by label of the month.
    :ivar outside: staged rows that lie in none of the months since ``earliest``.
    :ivar adopted: rows among all of these that a person recorded as delivered.
    :ivar days: staged rows by civil day; where only states are shown, only of days with pending or rejected rows.
    :ivar moving: days with a batch that is being posted.
    :ivar readings: the last finished reading of each window.
    :ivar began: the first instant ever read, where ``readings`` are only those of one month.
    :ivar unfinished: start and end of the windows that active runs are reading.
    :ivar proofs: the last proof of each window.
    :ivar running: ids of the active runs.
    :ivar broken: rows that violate the contract, by label of the month, and of the window ``undated``.
    :ivar broken_by_day: the same by day, for the days of ``span`` that have any.
    :ivar degraded: the degradations of the days of ``span`` that have any.
    """

    span: tuple[date, date]
    months: Mapping[str, Rows] = field(default_factory=dict)
    outside: Rows = _NO_ROWS
    adopted: int = 0
    days: Mapping[date, Rows] = field(default_factory=dict)
    moving: Collection[date] = ()
    readings: Sequence[Read] = ()
    began: datetime | None = None
    unfinished: Sequence[tuple[datetime, datetime]] = ()
    proofs: Sequence[Proven] = ()
    running: Collection[str] = ()
    broken: Mapping[str, Count] = field(default_factory=dict)
    broken_by_day: Mapping[date, Count] = field(default_factory=dict)
    degraded: Mapping[date, Sequence[Degradation]] = field(default_factory=dict)


def gather(
    connection: Connection, settings: Settings, now: datetime, running: Collection[str], *, calendar: bool = False
) -> Facts:
    """Collect the facts about all months from the outbox.

    :param running: ids of the active runs.
    :param calendar: also count the rejected rows and the degradations of the days of the last :data:`CALENDAR_MONTHS`. Without
        them a day with many rejected rows is settled; the states of months are the same.
    """
    zone, today = settings.timezone, local_day(now, settings.timezone)
    span = max(_calendar_start(today), settings.earliest), today
    months = [window_of(f"{month:%Y-%m}", zone) for month in months_between(settings.earliest, today)]
    staged = coverage_report.staged_rows(connection, months)
    pending = coverage_report.pending_by_day(connection)
    days = _DayFacts({day: Rows(0, rows) for day, rows in pending.items()})
    if calendar:
        days = _count_days(connection, settings, span, pending)
        known = {*days.rows, *days.broken, *days.degraded}
        days = days._replace(rows=_with_delivered(connection, days.rows, known))
    return Facts(
        span=span,
        months=staged.months,
        outside=staged.outside,
        adopted=staged.adopted,
        days=days.rows,
        moving=coverage_report.days_on_their_way(connection, now),
        readings=coverage_report.last_readings(connection),
        unfinished=coverage_report.unfinished_windows(connection, running) if running else (),
        proofs=coverage_report.last_proofs(connection),
        running=running,
        broken=coverage_report.count_rejections(connection, [*months, undated_window(settings.earliest, zone)]),
        broken_by_day=days.broken,
        degraded=days.degraded,
    )


def gather_window(
    connection: Connection, settings: Settings, now: datetime, running: Collection[str], first: date, last: date
) -> Facts:
    """Collect the facts about one month, or one day, from the outbox.

    :param first, last: its days.
    """
    zone = settings.timezone
    month = window_of(f"{first:%Y-%m}", zone)
    days = _count_days(connection, settings, (first, last), coverage_report.pending_by_day(connection))
    return Facts(
        span=(first, last),
        months=coverage_report.rows_by_month(connection, [month]),
        days=_with_delivered(connection, days.rows, list(days_between(first, last))),
        moving=coverage_report.days_on_their_way(connection, now),
        readings=coverage_report.last_readings(connection, month),
        began=coverage_report.first_instant_read(connection),
        unfinished=coverage_report.unfinished_windows(connection, running) if running else (),
        proofs=coverage_report.last_proofs(connection, month),
        running=running,
        broken=coverage_report.count_rejections(connection, [month]),
        broken_by_day=days.broken,
        degraded=days.degraded,
    )


class _DayFacts(NamedTuple):
    """Facts by civil day."""

    rows: Mapping[date, Rows]
    broken: Mapping[date, Count] = MappingProxyType({})
    degraded: Mapping[date, Sequence[Degradation]] = MappingProxyType({})


def _count_days(connection: Connection, settings: Settings, span: tuple[date, date], pending: Mapping[date, int]) -> _DayFacts:
    """What determines the state of the days of ``span``; the delivered rows are not counted."""
    days = [day_window(day, settings.timezone) for day in days_between(*span)]
    refused = _by_day(coverage_report.refused_in(connection, days))
    return _DayFacts(
        {day: Rows(0, pending.get(day, 0), refused.get(day, 0)) for day in pending.keys() | refused.keys()},
        _by_day(coverage_report.count_rejections(connection, days)),
        _by_day(findings_report.degraded_days(connection, days)),
    )


def _with_delivered(connection: Connection, found: Mapping[date, Rows], days: Collection[date]) -> dict[date, Rows]:
    """Add the delivered rows of these days."""
    complete = dict(found)
    for day, rows in coverage_report.delivered_by_day(connection, days).items():
        complete[day] = found.get(day, Rows())._replace(delivered=rows)
    return complete


def _by_day(found: Mapping[str, T]) -> dict[date, T]:
    return {date.fromisoformat(label): value for label, value in found.items()}


def _calendar_start(today: date) -> date:
    """The first day of the calendar of days."""
    number = today.year * 12 + today.month - 1 - (CALENDAR_MONTHS - 1)
    return date(number // 12, number % 12 + 1, 1)
