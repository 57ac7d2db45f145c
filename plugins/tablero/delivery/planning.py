"""Which windows a run is about."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlalchemy.engine import Engine
from tablero.contract.windows import Window, day_window, local_day, month_windows, parse_month
from tablero.errors import ParameterError
from tablero.outbox import ledger
from tablero.settings import Settings

_DAY = timedelta(days=1)


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
            f"start_month is {start_month}, before {settings.earliest:%Y-%m}, the month of [tablero] earliest: requests opened"
            f" before {settings.earliest} are excluded."
        )
    if last > today:
        raise ParameterError(f"end_month is {end_month}, in the future; today is {today}.")
    return month_windows(first, last, settings.timezone, now)


def plan_day(settings: Settings, day: str, *, now: datetime) -> Window:
    """The window of a day that was asked for by name; that of today ends now.

    :param day: ``YYYY-MM-DD``.
    :raises ParameterError: if it is no day, or in the future.
    """
    try:
        chosen = date.fromisoformat(day)
    except ValueError:
        raise ParameterError(f"day is {day!r}; give a day as YYYY-MM-DD, for example 2026-11-23.") from None
    window = day_window(chosen, settings.timezone)
    if window.start >= now:
        raise ParameterError(f"day is {day}, in the future; today is {local_day(now, settings.timezone)}.")
    return Window(window.kind, window.label, window.start, min(window.end, now))


def plan_interval(settings: Settings, start: datetime, end: datetime) -> Window:
    """The civil day which a run's data interval is.

    :raises ParameterError: if the interval is no civil day.
    """
    window = day_window(local_day(start, settings.timezone), settings.timezone)
    if (window.start, window.end) != (start, end):
        raise ParameterError(
            f"The data interval {start} to {end} is not one civil day in {settings.timezone.name}. Leave it to the DAG, or"
            " name the day by the parameter day."
        )
    return window


def plan_healing(engine: Engine, settings: Settings, own: Window, *, horizon: int = 31) -> list[Window]:
    """The days before a scheduled run's own which it reads again, newest first.

    Always the last ``lookback_days``, for rows that were committed late; up to ``horizon`` days back those that were never
    read whole, or have something pending.
    """
    day = local_day(own.start, settings.timezone)
    healed = []
    for back in range(1, max(settings.lookback_days, horizon) + 1):
        earlier = day - back * _DAY
        if earlier < settings.earliest:
            break
        window = day_window(earlier, settings.timezone)
        if back <= settings.lookback_days or not ledger.is_covered(engine, window) or ledger.has_pending(engine, window):
            healed.append(window)
    return healed
