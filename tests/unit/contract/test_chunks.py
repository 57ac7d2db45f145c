"""Judging rows in chunks gives the same verdicts as judging them one by one."""

# ruff: noqa: DTZ001 naive datetimes are among the values that sources return

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_mock import MockerFixture
from tablero.contract import chunks
from tablero.contract.chunks import Judged, chunk_validator, inside
from tablero.contract.rules import Row, validator
from tablero.contract.status_change import StatusChange
from tablero.contract.windows import Window

UTC = timezone.utc
RULES: dict[str, Any] = {
    "zone": pendulum.timezone("America/New_York"),
    "earliest": datetime(2020, 1, 1, 5, tzinfo=UTC),
    "now": datetime(2026, 11, 24, 6, tzinfo=UTC),
    "extra_statuses": (22,),
}


def row_by_row(rows: Sequence[Row]) -> Judged:
    """The reference: each row judged by itself."""
    judged = Judged([], [])
    for verdict in map(validator(**RULES), rows):
        if isinstance(verdict, StatusChange):
            judged.changes.append(verdict)
        else:
            judged.others.append(verdict)
    return judged


#: Columns as drivers return them: all values of one valid type, or with other values among them.
DATES = st.datetimes(datetime(2019, 12, 31), datetime(2026, 11, 25))
INSTANTS = DATES.map(lambda moment: moment.replace(tzinfo=UTC))
SOME_DATE = [
    *(INSTANTS, DATES, DATES.map(str), DATES.map(lambda moment: f"{moment:%Y-%m-%d %H:%M:%S}   "), DATES.map(datetime.date)),
    INSTANTS.map(lambda moment: moment.astimezone(timezone(timedelta(hours=-4)))),
    st.sampled_from([datetime(2021, 3, 14, 2, 30), datetime(2021, 11, 7, 1, 30), datetime(2021, 11, 7, 1, 30, fold=1)]),
]
SOME_ID = [
    *(st.text(min_size=1, max_size=5), st.from_regex("[A-Z]{3}-[0-9]{1,4} {0,3}", fullmatch=True), st.integers(0, 9999)),
    *(st.integers(), st.uuids(), st.integers(0, 99).map(Decimal), st.sampled_from(["x" * 255, "x" * 256, "ñ", "a\u00a0b"])),
    *(st.sampled_from([10**18 - 1, -(10**18), 10**255, 7**1000, True, None, "", " ", "a\x00", "a\ud800", b"a", 1.0]),),
]
SOME_STATUS = [
    *(st.integers(1, 22), st.integers(0, 24), st.integers(1, 22).map(str), st.integers(1, 22).map(Decimal)),
    st.sampled_from([None, "x", "0002", " 2 ", 2.0, float("nan"), Decimal("sNaN"), True, 10**400]),
]


def column(kinds: list[st.SearchStrategy[Any]], length: int) -> st.SearchStrategy[list[Any]]:
    """Values of one type, with a few of another."""

    def mixed(pure: list[Any], strange: list[tuple[int, Any]]) -> list[Any]:
        for place, value in strange:
            pure[place % length] = value
        return pure

    of_one_kind = st.sampled_from(kinds).flatmap(lambda kind: st.lists(kind, min_size=length, max_size=length))
    return st.builds(mixed, of_one_kind, st.lists(st.tuples(st.integers(0), st.one_of(kinds)), max_size=2))


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    """A chunk of a few rows."""
    length = draw(st.integers(1, 8))
    service, request, status = (draw(column(kinds, length)) for kinds in (SOME_ID, SOME_ID, SOME_STATUS))
    opened, changed = (draw(column(SOME_DATE, length)) for _ in range(2))
    if draw(st.booleans()):  # otherwise hardly any row would be valid
        opened = changed
    return list(zip(service, request, opened, status, changed, strict=True))


@given(st.lists(rows(), min_size=1, max_size=3), st.integers(1, 5))
def test_by_chunk_as_row_by_row(found: list[list[Row]], piece: int) -> None:
    """Chunks give the same changes, the same types and the same reasons in the same order, whatever came before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "_PIECE", piece)
        judge = chunk_validator(**RULES)
        for chunk in [*found, *found]:
            # By type and representation: NaN is not equal to itself.
            assert repr(judge(chunk)) == repr(row_by_row(chunk))


def plain(number: int = 0, **values: Any) -> Row:
    """A row that is clearly valid."""
    good = {
        "service_id": "1041",
        "request_id": f"R-{number}",
        "opening_date": datetime(2021, 3, 1, 14, tzinfo=UTC),
        "status_id": 2,
        "last_modified_date": datetime(2021, 3, 20, 15, tzinfo=UTC),
    }
    return tuple((good | values).values())


@pytest.mark.parametrize(
    "row",
    [
        plain(),
        plain(service_id=1041, request_id=7, status_id="2 "),
        plain(service_id=" 1041 ", request_id="R-1   "),
        plain(request_id=UUID(int=1)),
        plain(opening_date=datetime(2021, 3, 1, 10), last_modified_date=datetime(2021, 3, 20, 11)),
        plain(opening_date="2021-03-01 10:00:00", last_modified_date="2021-03-20T11:00:00.5"),
        plain(opening_date=date(2021, 3, 1), last_modified_date="2021-03-20   "),
        plain(status_id=22),
    ],
    ids=repr,
)
def test_common_columns_never_go_row_by_row(row: Row, mocker: MockerFixture) -> None:
    """Columns of the types that common databases return are accepted as a whole."""
    asked: list[Row] = []
    expected = validator(**RULES)(row)
    mocker.patch.object(chunks, "validator", return_value=asked.append)
    assert chunk_validator(**RULES)([row] * 10) == Judged([expected] * 10, [])  # type: ignore[list-item]
    assert asked == []


def test_a_bad_row_sends_only_its_neighbours_the_long_way(mocker: MockerFixture) -> None:
    """A bad row slows down only its part of the chunk."""
    asked: list[Row] = []

    def counting_validator(**rules: Any) -> Callable[[Row], Any]:
        careful = validator(**rules)

        def validate(row: Row) -> Any:
            asked.append(row)
            return careful(row)

        return validate

    mocker.patch.object(chunks, "validator", counting_validator)
    found = [plain(number) for number in range(5_000)]
    found[2_500] = plain(2_500, status_id=99)
    judged = chunk_validator(**RULES)(found)
    assert (len(judged.changes), len(judged.others)) == (4_999, 1)
    assert 0 < len(asked) <= 100


def test_an_empty_chunk() -> None:
    """An empty chunk gives no rows."""
    assert chunk_validator(**RULES)([]) == Judged([], [])


def test_values_that_repeat_are_kept_once() -> None:
    """A column with few distinct services takes little memory, although the driver creates a string for each row."""
    changes = chunk_validator(**RULES)([plain(number, service_id="10" + str(41 + number % 2)) for number in range(10)]).changes
    assert len({id(change.service_id) for change in changes}) == 2


@given(st.lists(st.integers(0, 9), max_size=10))
def test_inside_a_window(minutes: list[int]) -> None:
    """A window contains its start but not its end; the list is not copied if all are inside."""
    begin = datetime(2021, 3, 20, tzinfo=UTC)
    window = Window("day", "a day", begin + timedelta(minutes=3), begin + timedelta(minutes=6))
    changes = [StatusChange("1", "R", begin, 2, begin + timedelta(minutes=minute)) for minute in minutes]
    expected = [change for change in changes if change.last_modified_date in window]
    found = inside(changes, window)
    assert found == expected
    assert (found is changes) == (expected == changes)
