"""Assigning an instant to every row, whatever its ``last_modified_date`` contains, so that it is in exactly one window."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date, datetime, tzinfo

from tablero.contract.instants import BLANKS, InstantReader
from tablero.contract.windows import NO_DATE, OLDEST_DATE, first_instant

_MONTH = re.compile(r"(?!0000)\d{4}-(?:0[1-9]|1[0-2])-", re.ASCII)


class Places:
    """Assigns an instant to every value of ``last_modified_date``.

    A date is assigned its own instant. Text that is not a date but begins like the days of a month (``2024-01-15 25:00``) is
    assigned the start of the day among which it sorts, so that the next nightly run reports it. Everything else (``NULL``,
    ``infinity``, ``2024-02-30``, ``15/01/2024``, numbers, bytes) is assigned :data:`~tablero.contract.windows.NO_DATE`.

    :param zone: time zone of naive values (``source_timezone``).
    :param day_zone: the institution's time zone (``timezone``), in which days begin.
    """

    def __init__(self, zone: tzinfo, day_zone: tzinfo) -> None:
        self._read = InstantReader(zone)
        self._day_zone = day_zone

    def __call__(self, value: object) -> datetime:
        """The instant for one value; timezone-aware, in UTC."""
        instant = self._read(value)
        if instant is None:
            day = _sorts_among(value.strip(BLANKS)) if isinstance(value, str) else None
            instant = NO_DATE if day is None else max(OLDEST_DATE, first_instant(day, self._day_zone))
            return instant
        return max(OLDEST_DATE, instant)


def _sorts_among(text: str) -> date | None:
    """The last day of a month that does not sort after ``text``, if it sorts among the days of a month."""
    if not _MONTH.match(text):
        return None
    year, month, rest = int(text[:4]), int(text[5:7]), text[8:]
    days = monthrange(year, month)[1]
    if not "01" <= rest < f"{days + 1:02}":
        return None
    return next(date(year, month, day) for day in range(days, 0, -1) if f"{day:02}" <= rest)
