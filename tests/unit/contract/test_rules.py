"""What the dashboard accepts: every rule with its reason and its edge cases."""

# ruff: noqa: DTZ001 naive datetimes are what these tests are about

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tablero.contract.reasons import Reason
from tablero.contract.rules import Excluded, Rejected, validator
from tablero.contract.status_change import FIELDS, MAX_ID_LENGTH, StatusChange
from tablero.contract.wire import encode

UTC = timezone.utc
EARLIEST = datetime(2020, 1, 1, 4, tzinfo=UTC)  # midnight in Santo Domingo
NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)
GOOD: dict[str, Any] = {
    "service_id": "1041",
    "request_id": "R-1",
    "opening_date": "2021-03-01 10:00:00",
    "status_id": 2,
    "last_modified_date": "2021-03-20 11:00:00",
}


def judge(zone: str = "America/Santo_Domingo", **values: Any) -> StatusChange | Rejected | Excluded:
    """The verdict on a valid row in which some values were replaced."""
    validate = validator(zone=pendulum.timezone(zone), earliest=EARLIEST, now=NOW)
    return validate(tuple((GOOD | values)[name] for name in FIELDS))


def reason(zone: str = "America/Santo_Domingo", **values: Any) -> Reason:
    found = judge(zone, **values)
    assert isinstance(found, Rejected), found
    return found.reason


def valid(zone: str = "America/Santo_Domingo", **values: Any) -> StatusChange:
    found = judge(zone, **values)
    assert isinstance(found, StatusChange), found
    return found


def test_a_valid_row() -> None:
    """A valid row has ids as text, its status as an integer, and both dates in UTC."""
    assert valid() == StatusChange(
        "1041", "R-1", datetime(2021, 3, 1, 14, tzinfo=UTC), 2, datetime(2021, 3, 20, 15, tzinfo=UTC)
    )


# -- ids -------------------------------------------------------------------------------------------------------------------

IDS = ("service_id", "request_id")


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("value", [None, "", "   ", "\t\r\n", "\u00a0"])
def test_a_missing_id(name: str, value: Any) -> None:
    """NULL and blank values are missing ids; the code says which of the two ids is missing."""
    assert reason(**{name: value}) is Reason(f"missing_{name}")


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("  A-1  ", "A-1"),  # a padded CHAR column
        ("0041", "0041"),  # digits in text stay as they are
        (1041, "1041"),
        (-7, "-7"),
        (10 ** (MAX_ID_LENGTH - 1), "1" + "0" * (MAX_ID_LENGTH - 1)),
        (Decimal("1041"), "1041"),
        (Decimal("1041.000"), "1041"),  # NUMERIC(10,3)
        (Decimal("1E+3"), "1000"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("x" * MAX_ID_LENGTH, "x" * MAX_ID_LENGTH),
        ("ñ 申請 🏛 \u00a0 \u2028", "ñ 申請 🏛"),
        ("a\u00a0b", "a\u00a0b"),  # a no-break space is no control character
    ],
    ids=repr,
)
def test_ids_as_databases_have_them(name: str, value: Any, sent: str) -> None:
    """Text is stripped; integers of any type become text."""
    assert getattr(valid(**{name: value}), name) == sent


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize(
    "value",
    [True, False, 1041.0, b"R-1", ["R-1"], Decimal("1.5"), Decimal("1E-400"), Decimal("NaN"), Decimal("-Infinity"), date.min],
    ids=repr,
)
def test_an_id_of_another_type(name: str, value: Any) -> None:
    """A value that is neither text nor an integer is not an id."""
    assert reason(**{name: value}) is Reason.ID_NOT_TEXT


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize(
    "value",
    ["x" * (MAX_ID_LENGTH + 1), 10**MAX_ID_LENGTH, -(10 ** (MAX_ID_LENGTH - 1)), 7**100_000, Decimal("1E+999999")],
    ids=["text", "number", "sign", "huge", "exponent"],
)
def test_an_id_that_is_too_long(name: str, value: Any) -> None:
    """An id that is too long is rejected, and a number with megabytes of digits is never written out."""
    assert reason(**{name: value}) is Reason.TOO_LONG


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize(
    "character",
    ["\x00", "\x07", "\t", "\n", "\x1b", "\x7f", "\x85", "\x9f", chr(0xD800), chr(0xDFFF), "\u202e", "\u2066"],
    ids=repr,
)
def test_an_id_with_characters_that_cannot_be_sent(name: str, character: str) -> None:
    """Controls (C0, DEL, C1), lone surrogates, which UTF-8 cannot encode, and what turns an order around are rejected."""
    assert reason(**{name: f"R{character}1"}) is Reason.CONTROL_CHARACTERS


# -- status ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [2, "2", " 2 ", "0000000002", 2.0, Decimal("2"), Decimal("2.00"), "2\n"], ids=repr)
def test_a_status_in_any_form(value: Any) -> None:
    """A status may be an integer of any type, or digits as text, also with leading zeros."""
    status = valid(status_id=value).status_id
    assert (status, type(status)) == (2, int)


def test_a_padded_status() -> None:
    """A status from a CHAR(10) column padded with zeros is accepted."""
    assert valid(status_id="0000000021").status_id == 21


@pytest.mark.parametrize(
    "value",
    [
        *(0, 22, -1, 10**400, None, True, False, 2.5, float("nan"), float("inf"), float("-inf")),
        *(Decimal("2.5"), Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("1E+999999")),
        *("", "x", "2.0", "-2", "+2", "2_1", "٢", "²", "0" * 20 + "2", "9" * 5000, b"2", [2], date.min),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_an_unknown_status(value: Any) -> None:
    """Anything but the 21 statuses is rejected: true is not 1, nor are digits of other scripts."""
    assert reason(status_id=value) is Reason.UNKNOWN_STATUS


@pytest.mark.parametrize("status", range(1, 22))
def test_every_status_of_the_table(status: int) -> None:
    """All 21 statuses are accepted."""
    assert valid(status_id=status).status_id == status


def test_statuses_that_the_dashboard_has_added() -> None:
    """Statuses listed in the setting are accepted in any form, in addition to the guide's."""
    validate = validator(zone=UTC, earliest=EARLIEST, now=NOW, extra_statuses=(22, 23))
    found = [validate(tuple((GOOD | {"status_id": status})[name] for name in FIELDS)) for status in (21, 22, "0023", 24)]
    assert [one.status_id for one in found if isinstance(one, StatusChange)] == [21, 22, 23]
    assert isinstance(found[-1], Rejected)
    assert found[-1].reason is Reason.UNKNOWN_STATUS


# -- dates -----------------------------------------------------------------------------------------------------------------

NO_DATES: list[tuple[Reason, list[Any]]] = [
    (Reason.CHANGE_MISSING, [None, "", "   ", "\t"]),
    (
        Reason.CHANGE_NO_SUCH_DATE,
        [
            *("0000-00-00 00:00:00", "0000-00-00", "2021-02-30 10:00:00", "2021-13-01", " 2021-02-30 "),
            *("2021-03-04 25:00", "2021-03-04 10:60", "2021-03-04T10:00:00+99"),
        ],
    ),
    (
        Reason.CHANGE_IN_ANOTHER_FORM,
        [
            *(
                "31/12/2021",
                "15/01/2024 09:00:00",
                "1/2/24",
                "12-31-2021 10:00 p. m.",
                "15.01.2024",
                "2024/01/15",
                "15-ene-2024",
            ),
            *("20210304", "20210304T101500", "15 ene. 2024", "15/01/2024\n09:00"),
        ],
    ),
    (Reason.CHANGE_IS_A_NUMBER, [0, 1614852000, -1, 1.5, float("nan"), Decimal("1614852000.25"), "1614852000", "44561.5"]),
    (Reason.CHANGE_IS_BINARY, [b"2021-03-04", bytearray(b"2021-03-04"), memoryview(b"2021-03-04")]),
    (
        Reason.CHANGE_OUT_OF_RANGE,
        [
            *("infinity", "-infinity", "Infinity", "year > 9999", "year < 1", "20020-01-01", "0044-03-15 12:00:00 BC"),
            datetime(9999, 12, 31, 23, 59, 59),  # in Santo Domingo: the year 10000 in UTC
        ],
    ),
    (
        Reason.CHANGE_NOT_A_DATE,
        [
            *("pendiente", "2021-W10-4", "2021-03", "２０２１-03-04", "2021-03-04\ud800", "2021-03-04\x00", "2021-03-04 x"),
            *(True, time(1), [2021]),
        ],
    ),
]
#: Without addresses in memory: every process of `make test` must use the same name for a test.
EACH = [pytest.param(why, value, id=repr(value).partition(" at 0x")[0]) for why, values in NO_DATES for value in values]


@pytest.mark.parametrize(("why", "value"), EACH)
def test_an_opening_that_is_no_date(why: Reason, value: Any) -> None:
    """A missing opening date and one that is not ISO 8601 have the same reason."""
    assert reason(opening_date=value) is Reason.OPENING_NOT_A_DATE, why


@pytest.mark.parametrize(("why", "value"), EACH)
def test_a_change_that_is_no_date(why: Reason, value: Any) -> None:
    """The reason says why the date that selects the window is unusable, since the remedies differ."""
    assert reason(last_modified_date=value) is why


def test_a_change_before_the_first_date_that_the_dashboard_takes() -> None:
    """A change before the first accepted date is rejected, not excluded, if its request was opened later."""
    assert reason(last_modified_date="2019-12-31 23:59:59") is Reason.CHANGE_BEFORE_EARLIEST
    assert isinstance(judge(opening_date="2019-06-01", last_modified_date="2019-12-31"), Excluded)


@pytest.mark.parametrize(
    ("value", "instant"),
    [
        (date(2021, 3, 4), datetime(2021, 3, 4, 4)),  # its first instant in the institution's zone
        ("2021-03-04", datetime(2021, 3, 4, 4)),
        (datetime(2021, 3, 4, 10), datetime(2021, 3, 4, 14)),  # naive: local
        ("2021-03-04 10:00", datetime(2021, 3, 4, 14)),
        ("2021-03-04T10:00:00", datetime(2021, 3, 4, 14)),
        ("2021-03-04T10:00:00Z", datetime(2021, 3, 4, 10)),
        ("2021-03-04t10:00:00z", datetime(2021, 3, 4, 10)),
        ("2021-03-04 10:00:00+00", datetime(2021, 3, 4, 10)),  # PostgreSQL
        ("2021-03-04 10:00:00-0430", datetime(2021, 3, 4, 14, 30)),
        ("2021-03-04 10:00:00 +05:30", datetime(2021, 3, 4, 4, 30)),  # SQL Server
        ("2021-03-04 10:00:00      ", datetime(2021, 3, 4, 14)),  # a padded CHAR(25) column
        ("  2021-03-04  ", datetime(2021, 3, 4, 4)),
        ("2021-03-04 10:00:00+00\n", datetime(2021, 3, 4, 10)),
        ("2021-03-04 10:00:00.5", datetime(2021, 3, 4, 14, 0, 0, 500_000)),
        ("2021-03-04 10:00:00,123456789", datetime(2021, 3, 4, 14, 0, 0, 123_456)),  # digits beyond microseconds are cut
        (datetime(2021, 3, 4, 10, tzinfo=timezone(timedelta(hours=-4))), datetime(2021, 3, 4, 14)),
    ],
    ids=repr,
)
def test_a_date_in_any_form(value: Any, instant: datetime) -> None:
    """A date, a naive or aware datetime, and ISO 8601 text all become an instant in UTC."""
    opened = valid(opening_date=value).opening_date
    assert opened == instant.replace(tzinfo=UTC)
    assert opened.utcoffset() == timedelta()


SKIPPED = [("America/New_York", "2021-03-14 02:30:00"), ("America/Havana", "2021-03-14 00:30:00")]


@pytest.mark.parametrize(("zone", "text"), SKIPPED)
@pytest.mark.parametrize("read", [str, datetime.fromisoformat], ids=["text", "datetime"])
@pytest.mark.parametrize("name", ["opening_date", "last_modified_date"])
def test_a_local_time_that_never_was(zone: str, text: str, read: Any, name: str) -> None:
    """A local time skipped by daylight saving is rejected, since it names no instant."""
    assert reason(zone, **{name: read(text)}) is Reason.NO_SUCH_LOCAL_TIME


@pytest.mark.parametrize(
    ("zone", "text", "first"),
    [
        ("America/New_York", "2021-11-07 01:30:00", datetime(2021, 11, 7, 5, 30, tzinfo=UTC)),
        ("America/Havana", "2021-11-07 00:30:00", datetime(2021, 11, 7, 4, 30, tzinfo=UTC)),
    ],
)
def test_a_local_time_that_was_twice(zone: str, text: str, first: datetime) -> None:
    """A repeated local time means the first of the two instants, in any form of the date."""
    for value in (text, datetime.fromisoformat(text), datetime.fromisoformat(text).replace(fold=1)):
        assert valid(zone, last_modified_date=value).last_modified_date == first


@pytest.mark.parametrize("value", ["2021-03-14", date(2021, 3, 14)], ids=repr)
def test_a_day_whose_midnight_never_was(value: Any) -> None:
    """In Havana that day began at 01:00; a date without a time is still valid."""
    assert valid("America/Havana", opening_date=value).opening_date == datetime(2021, 3, 14, 5, tzinfo=UTC)


def test_an_offset_names_an_instant_even_in_a_skipped_hour() -> None:
    """A time with an offset is unambiguous and valid, even in a skipped hour."""
    assert valid("America/New_York", opening_date="2021-03-14T02:30:00-05:00")


def test_opened_after_it_changed() -> None:
    """A change one microsecond before the opening is rejected; one at the same instant is valid."""
    changed = datetime(2021, 3, 20, 15, tzinfo=UTC)
    assert reason(opening_date=changed + timedelta(microseconds=1), last_modified_date=changed) is Reason.OPENING_AFTER_CHANGE
    assert valid(opening_date=changed, last_modified_date=changed)


def test_in_the_future() -> None:
    """A date of exactly now is valid; one microsecond later is in the future."""
    later = NOW + timedelta(microseconds=1)
    assert valid(last_modified_date=NOW)
    assert reason(last_modified_date=later) is Reason.IN_THE_FUTURE
    assert reason(opening_date=later) is Reason.IN_THE_FUTURE


# -- excluded --------------------------------------------------------------------------------------------------------------


def test_opened_before_the_earliest_day() -> None:
    """By the institution's clock, a request opened in the last second of 2019 is excluded, whenever it changed."""
    assert isinstance(judge(opening_date="2019-12-31 23:59:59"), Excluded)
    assert isinstance(judge(opening_date="2020-01-01T03:59:59.999999Z"), Excluded)
    assert valid(opening_date="2020-01-01 00:00:00").opening_date == EARLIEST
    assert valid(opening_date=date(2020, 1, 1)).opening_date == EARLIEST


def test_excluded_comes_before_all_else() -> None:
    """An excluded row is not checked any further, since it would never be sent."""
    wrong = {"service_id": None, "request_id": "\x00", "status_id": 99, "last_modified_date": "never"}
    assert isinstance(judge(opening_date="2019-06-01", **wrong), Excluded)


@pytest.mark.parametrize("values", [{"opening_date": "2019-06-01"}, {"status_id": 99}])
def test_the_row_is_kept_as_it_came(values: dict[str, Any]) -> None:
    """A rejected row is kept exactly as the source returned it."""
    found = judge(**values)
    assert isinstance(found, (Excluded, Rejected))
    assert found.row == tuple((GOOD | values)[name] for name in FIELDS)


# -- all of it -------------------------------------------------------------------------------------------------------------

ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.text(st.characters()),
    st.binary(),
    st.dates(),
    st.datetimes(timezones=st.none() | st.just(UTC)),
    st.sampled_from(list(GOOD.values())),
)


@given(st.lists(st.tuples(ANYTHING, ANYTHING, ANYTHING, ANYTHING, ANYTHING), max_size=5))
def test_a_row_is_judged_alike_whatever_came_before(rows: list[tuple[Any, ...]]) -> None:
    """Values cached from earlier rows change no verdict, and every valid row can be serialized."""

    def fresh() -> Any:
        return validator(zone=pendulum.timezone("America/New_York"), earliest=EARLIEST, now=NOW)

    warm = fresh()
    # By type and representation: NaN is not equal to itself.
    assert [repr(warm(row)) for row in rows * 2] == [repr(fresh()(row)) for row in rows * 2]
    json.loads(encode(found for row in rows if isinstance(found := warm(row), StatusChange)))


@pytest.mark.parametrize("invisible", ["\u200b", "\u2060\u200e", "\u00ad", "\ufeff"])
@pytest.mark.parametrize("name", ["service_id", "request_id"])
def test_an_id_of_which_nothing_can_be_seen_is_missing(name: str, invisible: str) -> None:
    """An id of invisible characters alone is none; beside visible ones they are sent as they are."""
    assert reason(**{name: invisible}) is getattr(Reason, f"MISSING_{name.upper()}")
    assert getattr(valid(**{name: f"R{invisible}1"}), name) == f"R{invisible}1"
