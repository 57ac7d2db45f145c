"""Every value of a date column has exactly one position in time."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tablero.contract.windows import NO_DATE, OLDEST_DATE, day_window
from tablero.source.placing import Places

ZONE = pendulum.timezone("America/Santo_Domingo")
place = Places(ZONE, ZONE)


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ("2024-01-31 21:30:00", at(2024, 2, 1, 1, 30)),
        (datetime(2024, 1, 31, 21, 30), at(2024, 2, 1, 1, 30)),  # noqa: DTZ001 naive is meant
        (date(2024, 1, 31), at(2024, 1, 31, 4)),
        (datetime(2020, 1, 31, 23, 59, 59, 997000), at(2020, 2, 1, 3, 59, 59, 997000)),  # noqa: DTZ001 SQL Server's datetime
        (datetime(2020, 2, 1, tzinfo=timezone(timedelta(hours=-4))), at(2020, 2, 1, 4)),  # its datetimeoffset
        (datetime(1900, 1, 1), OLDEST_DATE),  # noqa: DTZ001 what it makes of an empty text
        ("2024-01-31 25:00", at(2024, 1, 31, 4)),
        ("2024-01-1", at(2024, 1, 9, 4)),
        (" 2024-02-29x", at(2024, 2, 29, 4)),
        ("1850-05-05", OLDEST_DATE),
        ("0044-03-15 25:00", OLDEST_DATE),
    ],
)
def test_what_has_a_day(value: Any, where: datetime) -> None:
    """A date is placed at its instant; text that begins like a date is placed at the start of that day."""
    assert place(value) == where


@pytest.mark.parametrize(
    "value",
    [
        *(None, "", "15/01/2024", "2024/01/15", "2024-02-30", "2023-02-29", "2024-13-01", "0000-01-01", "infinity", 1706091600),
        *(1.5, Decimal("NaN"), b"2024-01-15", True, object(), "\u00a02024-01-15", "2024-01-0"),
    ],
)
def test_what_has_none(value: Any) -> None:
    """Values without a day are all placed together."""
    assert place(value) == NO_DATE


@given(
    st.text(alphabet="0123456789-/: TZ+xñ\t ", max_size=24) | st.from_regex(r"20(19|20|24)-[01]\d-[0-3]\d.?", fullmatch=True)
)
def test_each_text_lies_in_one_day(text: str) -> None:
    """Each text lies in the day of its position and in no other."""
    where = place(text)
    assert where >= NO_DATE
    if where > OLDEST_DATE:
        day = where.astimezone(ZONE).date()
        assert where in day_window(day, ZONE)
        assert text.strip(" \t")[:8] == f"{day:%Y-%m-}" or text[:4].strip().isdigit()
