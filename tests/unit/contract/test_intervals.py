"""Intervals of time, and the civil days that they cover."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pendulum
from hypothesis import given
from hypothesis import strategies as st
from tablero.contract.intervals import Covered, DayGrid
from tablero.contract.windows import day_window, days_between

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)

#: Intervals of whole hours, none of them empty.
intervals = st.lists(
    st.tuples(st.integers(0, 40), st.integers(1, 10)).map(lambda pair: (START + pair[0] * HOUR, START + sum(pair) * HOUR))
)


@given(intervals, st.integers(0, 50), st.integers(1, 10))
def test_what_is_covered(some: list[tuple[datetime, datetime]], first: int, length: int) -> None:
    """An interval is covered if each of its hours lies in one of the given intervals; what is kept is disjoint and apart."""
    covered = Covered(some)
    hours = range(first, first + length)
    each = all(any(start <= START + hour * HOUR < end for start, end in some) for hour in hours)
    assert covered.contains(START + first * HOUR, START + (first + length) * HOUR) is each
    assert all(end < start for (_, end), (start, _) in zip(covered.intervals, covered.intervals[1:], strict=False))


def test_days_by_index() -> None:
    """A day of 23 hours begins and ends where the clocks say; an interval touches more days than lie within it."""
    zone = pendulum.timezone("America/New_York")
    grid = DayGrid(date(2026, 3, 7), date(2026, 3, 9), zone)
    windows = [day_window(day, zone) for day in days_between(date(2026, 3, 7), date(2026, 3, 9))]
    assert [grid.edges(index) for index in range(len(grid))] == [(window.start, window.end) for window in windows]
    inside = windows[0].start + HOUR, windows[2].start + HOUR
    assert (list(grid.touched(*inside)), list(grid.within(*inside))) == ([0, 1, 2], [1])


@given(st.integers(-30, 220), st.integers(1, 60))
def test_days_that_are_touched_and_days_that_lie_within(begin: int, length: int) -> None:
    """A day is touched if an hour of it is in the interval, and lies within if all its hours are; the grid has no others."""
    zone = pendulum.timezone("America/Santo_Domingo")
    first, last = date(2026, 1, 1), date(2026, 1, 8)
    start, end = (START + hours * HOUR for hours in (begin, begin + length))
    days = [day_window(day, zone) for day in days_between(first, last)]
    grid = DayGrid(first, last, zone)
    assert list(grid.touched(start, end)) == [n for n, day in enumerate(days) if day.start < end and start < day.end]
    assert list(grid.within(start, end)) == [n for n, day in enumerate(days) if start <= day.start and day.end <= end]
