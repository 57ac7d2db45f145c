"""Months and civil days: half-open, without gaps or overlaps, also where the clocks change."""

# ruff: noqa: DTZ001 naive datetimes are what these tests are about

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pendulum
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tablero.contract.windows import (
    NO_DATE,
    OLDEST_DATE,
    Window,
    dateless_window,
    day_window,
    first_instant,
    joined,
    local_day,
    month_windows,
    parse_month,
    span,
    undated_window,
    window_of,
)
from tablero.errors import ParameterError

UTC = timezone.utc
HERE = pendulum.timezone("America/Santo_Domingo")
NOW = datetime(2026, 11, 24, 6, 0, 0, 1, tzinfo=UTC)
ZONES = ["America/Santo_Domingo", "America/New_York", "America/Havana", "Asia/Beirut", "Australia/Lord_Howe", "UTC"]


def hours(window: Window) -> float:
    return (window.end - window.start) / timedelta(hours=1)


def test_the_whole_history() -> None:
    """The history has 83 months from 2020-01 to 2026-11, each beginning where the previous one ends."""
    windows = month_windows(date(2020, 1, 1), date(2026, 11, 24), HERE, NOW)
    assert len(windows) == 83
    assert (windows[0].label, windows[-1].label) == ("2020-01", "2026-11")
    assert windows[0].start == datetime(2020, 1, 1, 4, tzinfo=UTC)
    assert all(one.end == other.start for one, other in pairwise(windows))


def test_the_last_month_ends_at_the_planning_instant() -> None:
    """The last month ends exactly at the planning instant; later changes belong to the daily send."""
    last = month_windows(date(2026, 1, 1), date(2026, 12, 31), HERE, NOW)[-1]
    assert (last.label, last.end) == ("2026-11", NOW)
    assert NOW not in last
    assert NOW - timedelta(microseconds=1) in last


def test_a_month_that_has_not_begun_is_none() -> None:
    """At the first instant of a month that month is still empty, and the previous one is complete."""
    midnight = datetime(2026, 12, 1, 4, tzinfo=UTC)
    assert [one.label for one in month_windows(date(2026, 11, 1), date(2026, 12, 1), HERE, midnight)] == ["2026-11"]
    assert month_windows(date(2026, 11, 1), date(2026, 12, 1), HERE, midnight)[0].end == midnight


@pytest.mark.parametrize(("first", "last"), [("2021-02", "2021-01"), ("2027-01", "2027-02"), ("2026-12", "2026-12")])
def test_no_month(first: str, last: str) -> None:
    """A reversed or future range is an error that names both parameters."""
    with pytest.raises(ParameterError, match=r"from .* to .*Check start_month and end_month"):
        month_windows(parse_month(first, "a"), parse_month(last, "b"), HERE, NOW)


def test_the_edge_of_a_month() -> None:
    """The last microsecond of January belongs to January, the first instant of February to February."""
    january, february = month_windows(date(2020, 1, 31), date(2020, 2, 1), HERE, NOW)
    last = datetime.fromisoformat("2020-01-31T23:59:59.999999-04:00")
    first = datetime.fromisoformat("2020-02-01T00:00:00-04:00")
    assert last in january
    assert last not in february
    assert first in february
    assert first not in january


@pytest.mark.parametrize(
    ("zone", "day", "length"),
    [
        ("America/Santo_Domingo", date(2021, 3, 14), 24),  # no daylight saving
        ("America/New_York", date(2021, 3, 14), 23),
        ("America/New_York", date(2021, 11, 7), 25),
        ("America/Havana", date(2021, 3, 14), 23),  # midnight is skipped, so the day begins at 01:00
        ("America/Havana", date(2021, 11, 7), 25),  # midnight is repeated: the day begins at the first one
        ("America/Havana", date(2021, 11, 6), 24),  # where the day before ends
        ("Australia/Lord_Howe", date(2021, 10, 3), 23.5),
    ],
)
def test_how_long_a_day_lasts(zone: str, day: date, length: float) -> None:
    """A day lasts 23, 24 or 25 hours, by the zone's rules."""
    assert hours(day_window(day, pendulum.timezone(zone))) == length


def test_where_a_skipped_midnight_begins() -> None:
    """A day whose midnight is skipped begins at the instant of the skip, 05:00 UTC in Havana."""
    havana = pendulum.timezone("America/Havana")
    assert first_instant(date(2021, 3, 14), havana) == datetime(2021, 3, 14, 5, tzinfo=UTC)
    assert first_instant(date(2021, 11, 7), havana) == datetime(2021, 11, 7, 4, tzinfo=UTC)


INSTANTS = st.one_of(
    st.datetimes(datetime(2020, 1, 2), datetime(2026, 11, 23)),
    *(
        st.timedeltas(timedelta(hours=-27), timedelta(hours=27)).map(change.__add__)
        for change in (datetime(2021, 3, 14), datetime(2021, 11, 7), datetime(2021, 10, 3), datetime(2022, 3, 27))
    ),
).map(lambda moment: moment.replace(tzinfo=UTC))


@given(INSTANTS, st.sampled_from(ZONES))
@example(datetime(2021, 3, 14, 5, tzinfo=UTC), "America/Havana")
@example(datetime(2021, 11, 7, 4, tzinfo=UTC), "America/Havana")
def test_any_instant_is_in_exactly_one_month_and_one_day(instant: datetime, name: str) -> None:
    """Any instant lies in exactly one month and one day, those of the zone's calendar."""
    zone = pendulum.timezone(name)
    today = instant.astimezone(ZoneInfo(name)).date()
    assert local_day(instant, zone) == today
    days = [day_window(today + timedelta(days=number), zone) for number in (-2, -1, 0, 1, 2)]
    assert [window.label for window in days if instant in window] == [today.isoformat()]
    months = month_windows(date(2020, 1, 1), date(2026, 11, 24), zone, NOW)
    assert [window.label for window in months if instant in window] == [f"{today:%Y-%m}"]


@pytest.mark.parametrize("name", ZONES)
def test_days_tile_the_months(name: str) -> None:
    """Over seven years each day begins where the previous one ends, and months begin with days."""
    zone = pendulum.timezone(name)
    days = [day_window(date(2020, 1, 1) + timedelta(days=number), zone) for number in range(7 * 365)]
    assert all(one.end == other.start for one, other in pairwise(days))
    starts = {day.start for day in days}
    assert all(month.start in starts for month in month_windows(date(2020, 1, 1), date(2026, 6, 1), zone, NOW))


def test_travels_as_json() -> None:
    """A window survives the JSON that tasks exchange."""
    for window in (day_window(date(2021, 11, 7), HERE), month_windows(date(2026, 11, 1), date(2026, 11, 1), HERE, NOW)[0]):
        assert Window.from_json(window.to_json()) == window


def test_naive_edges_are_refused() -> None:
    """Naive bounds are refused, since they would depend on the machine."""
    with pytest.raises(ValueError, match="must be aware"):
        Window("day", "x", datetime(2021, 1, 1), datetime(2021, 1, 2, tzinfo=UTC))


@pytest.mark.parametrize("text", ["", "2020", "2020-13", "2020-1", "enero", "2020-01-01"])
def test_no_month_name(text: str) -> None:
    """An invalid month is an error that names the parameter, its value, and the expected form."""
    with pytest.raises(ParameterError, match=rf"start_month is {re.escape(repr(text))}.*YYYY-MM"):
        parse_month(text, "start_month")


def test_what_lies_in_no_month_has_a_window_too() -> None:
    """The window of undated rows ends where the first month begins; a nightly run reads it separately."""
    undated, january = undated_window(date(2020, 1, 15), HERE), month_windows(date(2020, 1, 1), date(2020, 1, 1), HERE, NOW)[0]
    assert undated.end == january.start
    assert NO_DATE in undated
    assert OLDEST_DATE in undated
    assert NO_DATE in dateless_window()
    assert OLDEST_DATE not in dateless_window()
    assert Window.from_json(undated.to_json()) == undated


def test_both_windows_of_what_is_undated_are_one_to_an_operator() -> None:
    """Both windows of undated rows are shown to an operator under one name and as one kind."""
    for window in (undated_window(date(2020, 1, 15), HERE), dateless_window()):
        assert (window.kind, window.label) == ("undated", "undated")


def test_windows_that_follow_one_another_are_joined() -> None:
    """Windows given in any order, overlapping or not, are merged; gaps between them remain."""
    zone, now = ZoneInfo("America/Santo_Domingo"), datetime(2026, 11, 26, tzinfo=timezone.utc)
    january, february, march, april = month_windows(date(2024, 1, 1), date(2024, 4, 1), zone, now)
    day = day_window(date(2024, 1, 31), zone)
    assert [(one.start, one.end) for one in joined([april, february, day, january])] == [
        (january.start, february.end),
        (april.start, april.end),
    ]
    assert joined([march]) == [march]
    assert joined([]) == []


@pytest.mark.parametrize(("start", "end", "overlap"), [(0, 3, False), (0, 4, True), (4, 5, True), (5, 9, True), (6, 9, False)])
def test_windows_that_overlap_share_an_instant(start: int, end: int, overlap: bool) -> None:
    """Windows that only follow one another do not overlap, whichever is asked."""
    midnight = datetime(2026, 1, 1, tzinfo=timezone.utc)
    one, other = (
        span(midnight + timedelta(hours=begin), midnight + timedelta(hours=until)) for begin, until in ((3, 6), (start, end))
    )
    assert (one.overlaps(other), other.overlaps(one)) == (overlap, overlap)


def test_a_span_has_no_name() -> None:
    """It is dated, and is exactly what was asked for."""
    start, end = datetime(2026, 1, 1, tzinfo=timezone.utc), datetime(2026, 1, 2, 12, tzinfo=timezone.utc)
    assert span(start, end) == Window("month", "", start, end)


@pytest.mark.parametrize("label", ["2024-02", "2024-12", "2024-02-29", "9999-12-30"])
def test_a_window_is_found_by_its_label(label: str) -> None:
    """The whole month or day of a label, which bears it."""
    zone = ZoneInfo("America/Santo_Domingo")
    window = window_of(label, zone)
    day = date.fromisoformat(label if len(label) == 10 else f"{label}-01")
    after = day + timedelta(days=1)
    if len(label) == 7:
        after = date(day.year + day.month // 12, day.month % 12 + 1, 1)
    assert window == Window("day" if len(label) == 10 else "month", label, first_instant(day, zone), first_instant(after, zone))


@pytest.mark.parametrize("label", ["2024-13", "2024-02-30", "2024-2", "", "undated", "9999-12", "9999-12-31"])
def test_a_label_of_no_window(label: str) -> None:
    """Neither a month nor a day, or one whose end no calendar has."""
    with pytest.raises(ValueError):
        window_of(label, ZoneInfo("America/Santo_Domingo"))
