"""Which windows a run is about."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone, tzinfo
from itertools import pairwise
from typing import NamedTuple

from sqlalchemy.engine import Engine
from tablero.contract.windows import Window, dateless_window, day_window, first_instant, local_day, month_windows, parse_month
from tablero.errors import ParameterError
from tablero.outbox.engine import reading
from tablero.outbox.reports import calendar
from tablero.outbox.reports.coverage import pending_by_day
from tablero.settings import Settings
from tablero.texts import delivery as texts

_DAY = timedelta(days=1)

#: Consecutive days from which on they are read together, a month or a part of one at a time.
WIDE = 8

#: Whatever is pending, of all windows.
EVERYTHING = Window("month", "*", datetime(1970, 1, 1, tzinfo=timezone.utc), datetime(9999, 1, 1, tzinfo=timezone.utc))


class Night(NamedTuple):
    """What a scheduled run is about.

    :ivar windows: to be read before anything is sent: its own day first, then whatever earlier nights left, oldest first, and
        last the rows without a date, of which a night has to know.
    :ivar audits: old months to be proved anew once that is sent.
    """

    windows: list[Window]
    audits: list[Window]


def plan_history(settings: Settings, *, start_month: str, end_month: str | None, now: datetime) -> list[Window]:
    """The months of a historical load, each cut at ``now``.

    :param start_month: ``YYYY-MM``; months before that of ``earliest`` hold nothing that the dashboard takes.
    :param end_month: ``YYYY-MM``; ``None`` is the month of ``now``.
    :raises ParameterError: if there is no month between them.
    """
    today = local_day(now, settings.timezone)
    first = parse_month(start_month, "start_month")
    last = parse_month(end_month, "end_month") if end_month else today
    if first < settings.earliest.replace(day=1):
        raise ParameterError(
            texts.START_TOO_EARLY(given=start_month, first=f"{settings.earliest:%Y-%m}", earliest=settings.earliest)
        )
    if last > today:
        raise ParameterError(texts.END_IN_FUTURE(given=end_month, today=today))
    return month_windows(first, last, settings.timezone, now)


def plan_day(settings: Settings, day: str, *, now: datetime) -> Window:
    """The window of a day that was asked for by name; that of today ends now.

    :param day: ``YYYY-MM-DD``.
    :raises ParameterError: if it is no day, or in the future.
    """
    try:
        chosen = date.fromisoformat(day)
    except ValueError:
        raise ParameterError(texts.NO_DAY(given=repr(day))) from None
    window = day_window(chosen, settings.timezone)
    if window.start >= now:
        raise ParameterError(texts.DAY_IN_FUTURE(given=day, today=local_day(now, settings.timezone)))
    return Window(window.kind, window.label, window.start, min(window.end, now))


def plan_interval(settings: Settings, start: datetime, end: datetime) -> Window:
    """The civil day which a run's data interval is.

    :raises ParameterError: if the interval is no civil day.
    """
    window = day_window(local_day(start, settings.timezone), settings.timezone)
    if (window.start, window.end) != (start, end):
        raise ParameterError(texts.NO_CIVIL_DAY(start=start, end=end, zone=settings.timezone.name))
    return window


def plan_run(
    settings: Settings, *, day: str | None, interval: tuple[datetime, datetime] | None, owns_interval: bool, now: datetime
) -> Window:
    """The one day that a run of ``daily_send`` is of.

    :param day: the parameter.
    :param interval: Airflow's data interval, if the run has one.
    :param owns_interval: whether the run was made for its interval: by the schedule, or in a backfill. What someone triggers by
        hand gets one as well, and another day named is what is meant.
    :raises ParameterError: if it has no day, or two.
    """
    if interval is None or (day and not owns_interval):
        if not day:
            raise ParameterError(texts.NO_INTERVAL)
        return plan_day(settings, day, now=now)
    own = plan_interval(settings, *interval)
    if day and plan_day(settings, day, now=now).label != own.label:
        raise ParameterError(texts.ANOTHER_DAY(own=own.label, given=day))
    return own


def plan_night(engine: Engine, settings: Settings, own: Window) -> Night:
    """What a scheduled run reads: its own day, every gap since the first day that was ever read, days and months of which
    something is pending or unsettled, the last ``lookback_days`` for rows that were committed late; and the audits.

    However long ago it was: nothing is too old to be sent. A long outage is a few wide readings and not a reading for each day.

    :param own: the run's own day.
    """
    zone = settings.timezone
    day = local_day(own.start, zone)
    with reading(engine) as connection:
        read = calendar.stretches_read(connection)
        unsettled = calendar.stretches_unsettled(connection)
        pending = pending_by_day(connection)
        proved = calendar.proved_months(connection)
    last_days = {day - back * _DAY for back in range(1, settings.lookback_days + 1)}
    left = {*_gaps(read, own.start, zone), *_touched(unsettled, zone), *pending} - last_days
    earlier = [
        *_wide(sorted(one for one in left if settings.earliest <= one < day), zone),
        *(day_window(one, zone) for one in last_days if one >= settings.earliest),
    ]
    earlier.sort(key=lambda window: window.start)
    audits: list[Window] = []
    if read and settings.audit_months:
        first = max(local_day(read[0][0], zone), settings.earliest)
        begins = first_instant(first, zone)  # what nobody has asked for yet is no matter of an audit
        months = [replace(month, start=max(month.start, begins)) for month in month_windows(first, day, zone, own.end)]
        known = set(earlier)
        audits = longest_unproved(
            [month for month in months if month not in known],
            {month.month_start: month.counted_at for month in proved},
            settings.audit_months,
        )
    return Night([own, *earlier, dateless_window()], audits)


def longest_unproved(months: Sequence[Window], proved: Mapping[datetime, datetime], count: int) -> list[Window]:
    """The ``count`` months whose proof is oldest, oldest first; one that was never proved as a month comes before all others.

    A row may be entered, changed or deleted in any of them, long after it was read.

    :param proved: when each month was last proved, by its first instant.
    """
    never = datetime.min.replace(tzinfo=timezone.utc)
    return sorted(months, key=lambda month: (proved.get(month.start, never), month.start))[:count]


def _gaps(read: Collection[calendar.Stretch], until: datetime, zone: tzinfo) -> Iterator[date]:
    """The days before ``until`` of which some part lies between two stretches that were read, or after the last one."""
    for (_, end), (start, _) in pairwise([*read, (until, until)]):
        yield from _days(end, min(start, until), zone)


def _touched(stretches: Iterable[calendar.Stretch], zone: tzinfo) -> Iterator[date]:
    for start, end in stretches:
        yield from _days(start, end, zone)


def _days(start: datetime, end: datetime, zone: tzinfo) -> Iterator[date]:
    """The civil days that share an instant with ``[start, end)``."""
    day = local_day(start, zone)
    while first_instant(day, zone) < end:
        yield day
        day += _DAY


def _wide(days: list[date], zone: tzinfo) -> Iterator[Window]:
    """Windows of these days, of which none has others between its days: one for each, or for each month of a long run."""
    run: list[date] = []
    for day in [*days, date.max]:
        if run and day != run[-1] + _DAY:
            yield from _windows_of(run, zone)
            run = []
        run.append(day)


def _windows_of(run: list[date], zone: tzinfo) -> Iterator[Window]:
    if len(run) < WIDE:
        yield from (day_window(day, zone) for day in run)
        return
    begins, ends = first_instant(run[0], zone), first_instant(run[-1] + _DAY, zone)
    for month in month_windows(run[0], run[-1], zone, ends):
        yield Window(month.kind, month.label, max(month.start, begins), month.end)
