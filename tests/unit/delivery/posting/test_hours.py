"""Send hours: half-open, across midnight, in local time."""

# ruff: noqa: DTZ001 naive datetimes are what these tests are about

from __future__ import annotations

from datetime import datetime, time, timedelta, timezone

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tablero.delivery.posting.hours import SendHours

UTC = timezone.utc
ZONE = pendulum.timezone("America/Santo_Domingo")
NIGHT = SendHours(time(20), time(6), ZONE)
DAY = SendHours(time(8), time(16), ZONE)


def local(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-24 {text}").replace(tzinfo=timezone(timedelta(hours=-4)))


@pytest.mark.parametrize(
    ("hours", "text", "is_open"),
    [
        (NIGHT, "19:59:59.999999", False),
        (NIGHT, "20:00", True),
        (NIGHT, "23:59:59", True),
        (NIGHT, "00:00", True),
        (NIGHT, "05:59:59.999999", True),
        (NIGHT, "06:00", False),
        (NIGHT, "12:00", False),
        (DAY, "07:59:59.999999", False),
        (DAY, "08:00", True),
        (DAY, "15:59:59.999999", True),
        (DAY, "16:00", False),
        (DAY, "00:00", False),
    ],
)
def test_opens_and_closes(hours: SendHours, text: str, is_open: bool) -> None:
    """Sending is allowed from the opening until just before the closing."""
    assert hours.open_at(local(text)) is is_open
    assert hours.open_at(local(text).astimezone(UTC)) is is_open


@pytest.mark.parametrize(
    ("hours", "now", "opens"),
    [
        (NIGHT, "12:00", datetime(2026, 11, 25, 0, tzinfo=UTC)),
        (NIGHT, "20:00", datetime(2026, 11, 26, 0, tzinfo=UTC)),  # after, not at
        (DAY, "07:00", datetime(2026, 11, 24, 12, tzinfo=UTC)),
        (DAY, "16:00", datetime(2026, 11, 25, 12, tzinfo=UTC)),
    ],
)
def test_the_next_opening(hours: SendHours, now: str, opens: datetime) -> None:
    """The next opening is today's if it is still to come, otherwise tomorrow's, in UTC."""
    assert hours.next_opening(local(now)) == opens


def test_an_opening_that_the_clocks_skip() -> None:
    """An opening at 02:30 that New York skips on 2021-03-14 happens at the end of the skip, or by the offset before it."""
    hours = SendHours(time(2, 30), time(6), pendulum.timezone("America/New_York"))
    opening = hours.next_opening(datetime(2021, 3, 14, 5, tzinfo=UTC))
    assert datetime(2021, 3, 14, 7, tzinfo=UTC) <= opening <= datetime(2021, 3, 14, 7, 30, tzinfo=UTC)
    assert hours.open_at(opening)


TIMES = st.times().map(lambda moment: moment.replace(microsecond=0))


@given(
    st.tuples(TIMES, TIMES).filter(lambda pair: pair[0] != pair[1]),
    st.datetimes(datetime(2021, 1, 1), datetime(2022, 1, 1)),
    st.sampled_from(["America/Santo_Domingo", "Asia/Kathmandu", "UTC"]),
)
def test_at_the_next_opening_it_is_open(pair: tuple[time, time], moment: datetime, zone: str) -> None:
    """The next opening is at most a day away; sending is allowed then, but not just before."""
    hours = SendHours(*pair, pendulum.timezone(zone))
    now = moment.replace(tzinfo=UTC)
    opening = hours.next_opening(now)
    assert now < opening <= now + timedelta(days=1)
    assert hours.open_at(opening)
    assert not hours.open_at(opening - timedelta(microseconds=1))
