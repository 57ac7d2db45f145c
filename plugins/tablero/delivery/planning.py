"""Planning: which windows a run reads, proves and sends."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone, tzinfo
from itertools import pairwise
from typing import NamedTuple

from sqlalchemy.engine import Engine
from tablero.contract.intervals import Interval
from tablero.contract.windows import Window, dateless_window, day_window, first_instant, local_day, month_windows, parse_month
from tablero.errors import ParameterError
from tablero.outbox.engine import reading
from tablero.outbox.reports import nights
from tablero.outbox.reports.coverage import pending_by_day
from tablero.settings import Settings
from tablero.texts import delivery as texts

_DAY = timedelta(days=1)

#: From this number of consecutive days on, they are read together, one window per month or part of a month.
WIDE = 8

#: A window that contains everything, to send whatever is pending. It is never read.
EVERYTHING = Window("month", "everything", datetime(1970, 1, 1, tzinfo=timezone.utc), datetime(9999, 1, 1, tzinfo=timezone.utc))


class Night(NamedTuple):
    """The windows of a scheduled run.

    :ivar windows: to be read before anything is sent: the run's own day first, then what earlier nights left, oldest first, and
        last the undated rows.
    :ivar audits: old months to be proved again after sending.
    """

    windows: list[Window]
    audits: list[Window]


def plan_history(settings: Settings, *, start_month: str, end_month: str | None, now: datetime) -> list[Window]:
    """The months of a historical load; the current month ends at ``now``.

    :param start_month: ``YYYY-MM``, not before the month of ``earliest``.
    :param end_month: ``YYYY-MM``; ``None`` means the current month.
    :param now: in UTC.
    :raises ParameterError: if the range is empty or outside ``earliest`` and today.
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
    """The window of a given day; today's window ends at ``now``.

    :param day: ``YYYY-MM-DD``.
    :raises ParameterError: if it is not a date, before ``earliest`` or in the future.
    """
    try:
        chosen = date.fromisoformat(day)
    except ValueError:
        raise ParameterError(texts.NO_DAY(given=repr(day))) from None
    return _window_of(chosen, settings, now)


def plan_interval(settings: Settings, start: datetime, end: datetime, *, now: datetime) -> Window:
    """The civil day that equals a run's data interval; today's window ends at ``now``.

    :raises ParameterError: if the interval is not a civil day, or that day is before ``earliest`` or in the future.
    """
    day = local_day(start, settings.timezone)
    if (start, end) != tuple(first_instant(one, settings.timezone) for one in (day, day + _DAY)):
        raise ParameterError(texts.NO_CIVIL_DAY(start=start, end=end, zone=settings.timezone.name))
    return _window_of(day, settings, now)


def _window_of(day: date, settings: Settings, now: datetime) -> Window:
    """What there is of a day so far: a reading must not count as one of hours that had not come yet."""
    today = local_day(now, settings.timezone)
    if day > today:
        raise ParameterError(texts.DAY_IN_FUTURE(given=day, today=today))
    if day < settings.earliest:
        raise ParameterError(texts.DAY_TOO_EARLY(given=day, earliest=settings.earliest))
    window = day_window(day, settings.timezone)
    return replace(window, end=min(window.end, now))


def plan_run(
    settings: Settings, *, day: str | None, interval: tuple[datetime, datetime] | None, owns_interval: bool, now: datetime
) -> Window:
    """The one day of a run of ``daily_send``.

    :param day: the parameter ``day``.
    :param interval: the data interval, if the run has one.
    :param owns_interval: whether the run was created for its interval, by the schedule or a backfill. A manually triggered run
        has an interval as well, but ``day`` takes precedence there.
    :raises ParameterError: if the run has no day, two different ones, or one that is before ``earliest`` or in the future.
    """
    if interval is None or (day and not owns_interval):
        if not day:
            raise ParameterError(texts.NO_INTERVAL)
        return plan_day(settings, day, now=now)
    own = plan_interval(settings, *interval, now=now)
    if day and plan_day(settings, day, now=now).label != own.label:
        raise ParameterError(texts.ANOTHER_DAY(own=own.label, given=day))
    return own


def plan_night(engine: Engine, settings: Settings, own: Window) -> Night:
    """What a scheduled run reads: its own day, every gap since the first day ever read, days and months with pending or
    unsettled rows, the last ``lookback_days`` for rows committed late; and the audits.

    There is no horizon: nothing is too old to be sent. A long outage is read in a few wide windows instead of day by day.

    :param own: the run's own day.
    """
    zone = settings.timezone
    day = local_day(own.start, zone)
    with reading(engine) as connection:
        read = nights.intervals_read(connection).intervals
        unsettled = nights.intervals_unsettled(connection)
        pending = pending_by_day(connection)
        proofs = nights.month_proofs(connection)
    last_days = {one for back in range(1, settings.lookback_days + 1) if (one := day - back * _DAY) >= settings.earliest}
    left = {one for one in (*_gaps(read, own.start, zone), *_touched(unsettled, zone)) if one >= settings.earliest}
    # Also what is pending from before ``earliest``, which is later now than when it was read: it must not be posted any more.
    left |= pending.keys()
    earlier = [
        *_wide(sorted(one for one in left - last_days if one < day), zone),
        *(day_window(one, zone) for one in last_days),
    ]
    earlier.sort(key=lambda window: window.start)
    audits: list[Window] = []
    if read and settings.audit_months:
        first = max(local_day(read[0][0], zone), settings.earliest)
        begins = first_instant(first, zone)  # an audit does not cover days that were never requested
        months = [replace(month, start=max(month.start, begins)) for month in month_windows(first, day, zone, own.end)]
        known = set(earlier)
        audits = longest_unproved(
            [month for month in months if month not in known],
            _last_proofs(proofs, months),
            settings.audit_months,
        )
    return Night([own, *earlier, dateless_window()], audits)


def _last_proofs(proofs: Iterable[nights.Proof], months: Sequence[Window]) -> dict[datetime, datetime]:
    """When each of these months was last proved, by its first instant.

    The proof of a part of a month, as of a gap in it or of the month as far as it had come, is none of the whole month. Of the
    last of ``months``, which has not ended, each proof is one of a part.
    """
    ends = {month.start: month.end for month in months[:-1]}
    last: dict[datetime, datetime] = {}
    for proof in proofs:
        if proof.end >= ends.get(proof.start, proof.end):
            last[proof.start] = max(proof.counted_at, last.get(proof.start, proof.counted_at))
    return last


def longest_unproved(months: Sequence[Window], proved: Mapping[datetime, datetime], count: int) -> list[Window]:
    """The ``count`` months whose proof is oldest, oldest first; months that were never proved as a month come first.

    Rows may be inserted, changed or deleted in any month long after it was read.

    :param proved: when each month was last proved, by its first instant.
    """
    never = datetime.min.replace(tzinfo=timezone.utc)
    return sorted(months, key=lambda month: (proved.get(month.start, never), month.start))[:count]


def _gaps(read: Collection[Interval], until: datetime, zone: tzinfo) -> Iterator[date]:
    """The days before ``until`` that are not covered, between two intervals that were read or after the last one."""
    for (_, end), (start, _) in pairwise([*read, (until, until)]):
        yield from _days(end, min(start, until), zone)


def _touched(stretches: Iterable[Interval], zone: tzinfo) -> Iterator[date]:
    for start, end in stretches:
        yield from _days(start, end, zone)


def _days(start: datetime, end: datetime, zone: tzinfo) -> Iterator[date]:
    """The civil days that overlap ``[start, end)``."""
    day = local_day(start, zone)
    while first_instant(day, zone) < end:
        yield day
        day += _DAY


def _wide(days: list[date], zone: tzinfo) -> Iterator[Window]:
    """Windows for these days: one for each day, or for each month of a long sequence of consecutive days."""
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
