"""Reading dates as instants: the fast paths give the same result as the careful path, which follows the zone's rules."""

# ruff: noqa: DTZ001, DTZ901 naive datetimes are what these tests are about

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pendulum
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tablero.contract.instants import InstantReader, was_skipped

UTC = timezone.utc

#: Without daylight saving, with it at 02:00 and at midnight, of half an hour, a whole day left out, odd minutes.
ZONES = [
    *("America/Santo_Domingo", "America/New_York", "America/Havana", "Australia/Lord_Howe", "Pacific/Apia"),
    *("Asia/Kathmandu", "Africa/Monrovia", "UTC"),
]
#: Around the clock changes of those zones, more often than by chance.
MOMENTS = st.one_of(
    st.datetimes(datetime(1990, 1, 1), datetime(2037, 1, 1)),
    *(
        st.timedeltas(timedelta(hours=-30), timedelta(hours=30)).map(change.__add__)
        for change in (datetime(2021, 3, 14), datetime(2021, 11, 7), datetime(2021, 4, 4), datetime(2011, 12, 30))
    ),
)
FORMS = [
    lambda moment: moment.isoformat(" ", "seconds"),
    lambda moment: moment.isoformat("T", "seconds"),
    lambda moment: moment.isoformat(" "),
    lambda moment: moment.isoformat(" ", "minutes"),
    lambda moment: moment.date().isoformat(),
    lambda moment: moment.isoformat(" ", "seconds") + "+00",
    lambda moment: moment.isoformat("T", "seconds") + "Z",
    lambda moment: moment.isoformat(" ", "seconds") + "-04:00",
]


def warmed(zone: str, text: str) -> InstantReader:
    """A reader that has seen this day before, so that it may take the fast path."""
    reader = InstantReader(pendulum.timezone(zone))
    for warm in (f"{text[:10]} 12:00:00.0", f"{text[:10]} 23:00:00.0"):
        reader(warm)
    return reader


@given(st.sampled_from(ZONES), MOMENTS, st.sampled_from(FORMS))
def test_the_quick_way_is_the_careful_way(zone: str, moment: datetime, form: Callable[[datetime], str]) -> None:
    """Values read before change neither the instant nor whether it was skipped."""
    text = form(moment)
    quick, careful = warmed(zone, text)(text), InstantReader(pendulum.timezone(zone))(text)
    assert careful is not None
    assert (quick, was_skipped(quick)) == (careful, was_skipped(careful))
    assert careful.utcoffset() == timedelta()


@given(MOMENTS, st.sampled_from(FORMS), st.integers(0, 24), st.sampled_from("0 9:-+TtZ.,\x00²٢a"))
@example(datetime(2021, 3, 4, 10, 15), FORMS[0], 16, "-")
@example(datetime(2021, 3, 4, 10, 15), FORMS[5], 10, "x")
def test_a_wrong_character_is_seen_by_both(moment: datetime, form: object, position: int, character: str) -> None:
    """The fast path is no more lenient than the careful one with text that is almost a date."""
    text = form(moment)
    text = text[:position] + character + text[position + 1 :]
    found = warmed("America/New_York", moment.isoformat())(text)
    assert found == InstantReader(pendulum.timezone("America/New_York"))(text)
    assert found is None or found.tzinfo is not None


@pytest.mark.parametrize(
    "text", ["2021-03-04+00", "20210304T101500+00", "20210304+00", "2021-W10-4T10:00+00", "2021-03-04x10:15:00+00"]
)
def test_an_offset_does_not_make_a_date_of_anything(text: str) -> None:
    """Other forms of ISO 8601 do not sort by day as text, so no window would contain them: they are not accepted as dates."""
    assert InstantReader(pendulum.timezone("America/Santo_Domingo"))(text) is None


@given(st.sampled_from(ZONES), MOMENTS)
def test_naive_times_by_the_rules_of_the_zone(zone: str, moment: datetime) -> None:
    """A naive time follows ``zoneinfo``: the first of two repeated instants, and the offset before a skipped hour."""
    rules = ZoneInfo(zone)
    local = moment.replace(tzinfo=rules)
    expected = (moment - local.utcoffset()).replace(tzinfo=UTC)
    found = InstantReader(pendulum.timezone(zone))(moment)
    assert found == expected
    assert was_skipped(found) == (expected.astimezone(rules).replace(tzinfo=None) != moment)


@given(st.sampled_from(ZONES), st.dates(date(1990, 1, 1), date(2037, 1, 1)))
@example("America/Havana", date(2021, 3, 14))
@example("America/Havana", date(2021, 11, 7))
def test_a_date_is_its_first_instant(zone: str, day: date) -> None:
    """A date means its first instant, also where midnight was skipped or repeated, for text and date values alike."""
    reader = InstantReader(pendulum.timezone(zone))
    found = reader(day)
    assert found is not None
    assert found == reader(day.isoformat())
    assert not was_skipped(found)
    if day != date(2011, 12, 30):  # Apia had no such day at all
        assert found.astimezone(ZoneInfo(zone)).date() == day
        assert (found - timedelta(microseconds=1)).astimezone(ZoneInfo(zone)).date() < day


@pytest.mark.parametrize(
    "value", [datetime.max, datetime.min, date.max, date.min, "9999-12-31 23:59:59", "0001-01-01"], ids=repr
)
@pytest.mark.parametrize("zone", ["America/Santo_Domingo", "Asia/Tokyo"])
def test_the_ends_of_the_calendar(value: object, zone: str) -> None:
    """At the ends of the calendar a value gives an instant or no date, but never an error."""
    found = InstantReader(pendulum.timezone(zone))(value)
    assert found is None or found.utcoffset() == timedelta()


def test_a_century_of_days_is_remembered_and_no_more() -> None:
    """Memory stays constant whatever dates come, and forgetting days changes no result."""
    reader = InstantReader(pendulum.timezone("America/New_York"))
    days = [date(1900, 1, 1) + timedelta(days=number) for number in range(40_100)]
    first = [reader(day) for day in days[:50]]
    for day in days:
        reader(day)
    assert len(reader._steady) <= 40_000
    assert [reader(day) for day in days[:50]] == first
