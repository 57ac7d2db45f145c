"""Half-open intervals ``[start, end)`` of time, and the civil days that they cover."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache

import pendulum
from tablero.contract.windows import days_between, first_instant

Interval = tuple[datetime, datetime]


class Covered:
    """The instants that are in any of some intervals.

    :ivar intervals: disjoint, not adjacent, ascending.
    """

    def __init__(self, intervals: Iterable[Interval]) -> None:
        self.intervals: list[Interval] = []
        for start, end in sorted(intervals):
            if self.intervals and start <= self.intervals[-1][1]:
                self.intervals[-1] = self.intervals[-1][0], max(self.intervals[-1][1], end)
            else:
                self.intervals.append((start, end))
        self._starts = [start for start, _ in self.intervals]

    def contains(self, start: datetime, end: datetime) -> bool:
        """Whether all of ``[start, end)`` is covered."""
        index = bisect_right(self._starts, start) - 1
        return index >= 0 and end <= self.intervals[index][1]


class DayGrid:
    """The civil days from ``first`` to ``last`` by index, with the instants at which they begin and end.

    :param zone: of the days.
    """

    def __init__(self, first: date, last: date, zone: tzinfo) -> None:
        self._edges = _edges(first, last, str(zone))
        self._count = len(self._edges) - 1

    def __len__(self) -> int:
        return self._count

    def edges(self, index: int) -> Interval:
        """The first instant of a day, and the first one after it."""
        return self._edges[index], self._edges[index + 1]

    def touched(self, start: datetime, end: datetime) -> range:
        """The days that overlap ``[start, end)``."""
        return range(max(0, bisect_right(self._edges, start) - 1), min(self._count, bisect_left(self._edges, end)))

    def within(self, start: datetime, end: datetime) -> range:
        """The days that lie completely in ``[start, end)``."""
        return range(bisect_left(self._edges, start), min(self._count, bisect_right(self._edges, end) - 1))


@lru_cache(maxsize=8)
def _edges(first: date, last: date, name: str) -> list[datetime]:
    """The edges of days; cached, since two thousand time zone conversions are slow and the result changes only once a day.

    :param name: of the time zone; the zone itself is not hashable before pendulum 3.3.
    """
    zone = pendulum.timezone(name)
    return [first_instant(day, zone) for day in days_between(first, last + timedelta(days=1))]
