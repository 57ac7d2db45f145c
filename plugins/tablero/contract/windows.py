"""Half-open windows ``[start, end)`` of ``last_modified_date``: months and civil days in the institution's time zone.

Rows that are in no month since the first one have a window as well, so that windows cover the whole view: see
:func:`undated_window`.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from operator import attrgetter
from typing import Literal

from tablero.errors import ParameterError
from tablero.texts import contract as texts

Kind = Literal["month", "day", "undated"]

#: The kinds of windows that say something about days and months. What is undated lies in none of them, whichever was the first
#: month when it was read.
DATED: tuple[Kind, ...] = ("month", "day")

#: The instant for rows whose ``last_modified_date`` is not a date: before any request, and within the range of every database.
NO_DATE = datetime(1900, 1, 1, tzinfo=timezone.utc)

#: The instant for dates before it, which distinguishes them from values that are not dates.
OLDEST_DATE = NO_DATE + timedelta(days=1)

#: Label of the windows of rows that are in no month.
UNDATED = "undated"

_KINDS: dict[str, Kind] = {"month": "month", "day": "day", "undated": "undated"}


@dataclass(frozen=True)
class Window:
    """A half-open interval of ``last_modified_date``.

    :ivar kind: ``month`` in the historical load, ``day`` in the daily send, ``undated`` for rows in no month.
    :ivar label: the name for people: ``2022-03``, ``2022-03-14`` or ``undated``.
    :ivar start: first instant inside; timezone-aware, in UTC.
    :ivar end: first instant after it; timezone-aware, in UTC.
    """

    kind: Kind
    label: str
    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError(f"window {self.label}: start and end must be aware")

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end

    def overlaps(self, other: Window) -> bool:
        """Whether an instant lies in both."""
        return self.start < other.end and other.start < self.end

    def to_json(self) -> dict[str, str]:
        """The form in which a window is passed between tasks."""
        return {
            "kind": self.kind,
            "label": self.label,
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
        }

    @classmethod
    def from_json(cls, data: dict[str, str]) -> Window:
        """The reverse of :meth:`to_json`."""
        return cls(_KINDS[data["kind"]], data["label"], *(datetime.fromisoformat(data[edge]) for edge in ("start", "end")))


def joined(windows: Iterable[Window]) -> list[Window]:
    """The same instants in as few windows as possible: those that follow one another become one, under the first label."""
    found: list[Window] = []
    for window in sorted(windows, key=attrgetter("start")):
        if found and window.start <= found[-1].end:
            found[-1] = replace(found[-1], end=max(found[-1].end, window.end))
        else:
            found.append(window)
    return found


def first_instant(day: date, zone: tzinfo) -> datetime:
    """The instant, in UTC, at which ``day`` begins in ``zone``.

    If daylight saving skips midnight, it is the instant of the skip; if midnight occurs twice, the first one.
    """
    return datetime.combine(day, time(), zone).astimezone(timezone.utc)


def local_day(instant: datetime, zone: tzinfo) -> date:
    """The civil day of ``zone`` that contains ``instant``."""
    return instant.astimezone(zone).date()


def day_window(day: date, zone: tzinfo) -> Window:
    """The civil day ``[00:00, 24:00)`` of ``zone``, which has 23 or 25 hours when the clocks change."""
    return Window("day", day.isoformat(), first_instant(day, zone), first_instant(day + timedelta(days=1), zone))


def undated_window(earliest: date, zone: tzinfo) -> Window:
    """Everything before the month of ``earliest``: rows without a date, placed at :data:`NO_DATE`, and older rows.

    None of them can be delivered: a request opened since ``earliest`` cannot have changed before it.
    """
    return Window("undated", UNDATED, NO_DATE, first_instant(earliest.replace(day=1), zone))


def dateless_window() -> Window:
    """Only the rows without a date, which a nightly run can read again regardless of the number of older rows."""
    return Window("undated", UNDATED, NO_DATE, OLDEST_DATE)


def span(start: datetime, end: datetime) -> Window:
    """Everything dated in ``[start, end)``, which has no name, since it is only counted."""
    return Window("month", "", start, end)


def parse_month(text: str, name: str) -> date:
    """The first day of a month given as ``YYYY-MM``.

    :param name: name of the parameter, for the error.
    :raises ParameterError: if the text has another form.
    """
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        raise ParameterError(texts.NOT_A_MONTH(parameter=name, value=repr(text))) from None


def month_windows(first: date, last: date, zone: tzinfo, now: datetime) -> list[Window]:
    """The months from that of ``first`` to that of ``last``, both included; none extends beyond ``now``.

    :param now: when the run was planned; rows at or after it are left to the daily send, without a gap.
    :raises ParameterError: if there is no such month.
    """
    windows = [
        replace(month, end=min(month.end, now)) for month in (_month(start, zone) for start in months_between(first, last))
    ]
    windows = [window for window in windows if window.start < window.end]
    if not windows:
        raise ParameterError(
            texts.NO_MONTH(first=f"{first:%Y-%m}", last=f"{last:%Y-%m}", now=f"{now.astimezone(zone):%Y-%m-%d %H:%M}")
        )
    return windows


def window_of(label: str, zone: tzinfo) -> Window:
    """The whole month ``YYYY-MM`` or the whole day ``YYYY-MM-DD``.

    :raises ValueError: if the label is neither, or its end lies beyond the last year of the calendar.
    """
    try:
        if len(label) == len("YYYY-MM"):
            return _month(date.fromisoformat(f"{label}-01"), zone)
        return day_window(date.fromisoformat(label), zone)
    except OverflowError:
        raise ValueError(label) from None


def _month(first: date, zone: tzinfo) -> Window:
    after = last_day(first) + timedelta(days=1)
    return Window("month", f"{first:%Y-%m}", first_instant(first, zone), first_instant(after, zone))


# -- civil days and months ---------------------------------------------------------------------------------------------------


def days_between(first: date, last: date) -> Iterator[date]:
    """The days from ``first`` to ``last``, both included."""
    day = first
    while day <= last:
        yield day
        day += timedelta(days=1)


def months_between(first: date, last: date) -> list[date]:
    """The first day of each month from that of ``first`` to that of ``last``."""
    month, months = first.replace(day=1), []
    while month <= last:
        months.append(month)
        month = last_day(month) + timedelta(days=1)
    return months


def last_day(month: date) -> date:
    """The last day of the month of a day."""
    return month.replace(day=monthrange(month.year, month.month)[1])
