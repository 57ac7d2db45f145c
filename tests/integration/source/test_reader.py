"""Reading the institution's database: every row lies in exactly one window, for any column type and zone."""

from __future__ import annotations

import sqlite3
import threading
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta, timezone
from itertools import chain
from pathlib import Path
from typing import Any

import pendulum
import pytest
import sqlalchemy as sa
from pytest_mock import MockerFixture
from sqlalchemy.engine import Engine
from tablero.contract.rules import validator
from tablero.contract.status_change import FIELDS, StatusChange
from tablero.contract.windows import NO_DATE, Window, dateless_window, day_window, month_windows, undated_window
from tablero.delivery.run import Run
from tablero.delivery.staging import stage
from tablero.errors import SetupError, SourceUnavailable
from tablero.outbox.schema import rejection
from tablero.source import reader
from tablero.source.own_sql import load_sql
from tablero.source.placing import Places
from tablero.source.reader import Source
from tablero.source.view import Census

from tests.integration.samples import NOW, ZONE, clock, day, month, settings

VIEW = "tablero_status_changes"
UTC = timezone.utc
MONTHS = [month(label) for label in ("2019-12", "2020-01", "2020-02", "2020-03")]

#: Everything before the first month.
BEFORE = undated_window(date(2020, 1, 1), ZONE)

#: The types of the column last_modified_date that an institution may have.
AWARE, NAIVE, DATE, TEXT = "timestamptz", "timestamp", "date", "text"


def fill(engine: Engine, changed: Sequence[Any], kind: str = TEXT, name: str = VIEW) -> None:
    """A view of one row for each value of last_modified_date; the request's number is its position."""
    with engine.begin() as connection:
        schema, _, _ = name.rpartition(".")
        if schema:
            connection.exec_driver_sql(f"create schema {schema}")
        connection.exec_driver_sql(
            f"create table {name} (service_id text, request_id text, opening_date text, status_id integer,"
            f" last_modified_date {kind})"
        )
        insert = sa.text(f"insert into {name} values ('1041', :id, '2020-01-01', 2, cast(:changed as {kind}))")
        for number, value in enumerate(changed):
            connection.execute(insert, {"id": str(number), "changed": value})


def source(engine: Engine, *, table: str = VIEW, sql: str | None = None, zone: str | None = None) -> Source:
    return Source(engine, table=table, sql=sql, zone=pendulum.timezone(zone) if zone else ZONE, day_zone=ZONE)


def inside(found: Source, window: Window) -> set[str]:
    """The request ids that staging sees in a window, and the number of rows that reconciling counts there."""
    rows = [row for row in found.read(window) if found.holds(window, row[-1])]
    whole = found.count([window])
    assert whole is None or whole.of[window] == len(rows), f"count and read differ for {window.label}"
    ids = {row[1] for row in rows}
    assert len(ids) == len(rows)
    return ids


def by_window(found: Source, windows: Sequence[Window]) -> dict[str, set[str]]:
    return {window.label: ids for window in windows if (ids := inside(found, window))}


# -- each row in one window ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [AWARE, NAIVE, TEXT])
def test_the_edge_of_a_month(source_engine: Engine, backend: str, kind: str) -> None:
    """The last microsecond of January belongs to January, the first instant of February to February."""
    values = ["2020-01-31 23:59:59.999999", "2020-02-01 00:00:00"]
    if kind != NAIVE:
        values = [f"{value}-04:00" for value in values]
    fill(source_engine, values, kind if backend == "postgresql" else TEXT)
    assert by_window(source(source_engine), MONTHS) == {"2020-01": {"0"}, "2020-02": {"1"}}


def test_a_date_is_its_first_instant(source_engine: Engine, backend: str) -> None:
    """A date without a time lies at the beginning of the institution's day."""
    fill(source_engine, ["2020-01-31", "2020-02-01"], DATE if backend == "postgresql" else TEXT)
    assert by_window(source(source_engine), MONTHS) == {"2020-01": {"0"}, "2020-02": {"1"}}


def test_text_with_and_without_offset_in_one_column(source_engine: Engine) -> None:
    """Text forms may be mixed in one column, and each is read by its own offset."""
    values = [
        "2020-02-01T03:59:59Z",  # 23:59:59 of January 31st here
        "2020-02-01T04:00:00Z",
        "2020-02-01T00:00:00",
        "2020-02-01 13:59:59+14:00",  # the easternmost offset: 19:59:59 of January 31st here
        "2020-01-31T15:59:59.999999-12:00",  # the westernmost: 23:59:59 of January 31st here
        "2020-01-31T16:00:00-12:00",
    ]
    fill(source_engine, values)
    assert by_window(source(source_engine), MONTHS) == {"2020-01": {"0", "3", "4"}, "2020-02": {"1", "2", "5"}}


NO_DATES = ["2020-02-1", "2020-02-15 25:00", "2020-02-15T10:00:00+99", "2020-02-29x", " 2020-02-15 25:00"]


@pytest.mark.parametrize("text", NO_DATES)
def test_text_that_is_no_date_lies_in_one_window(source_engine: Engine, text: str) -> None:
    """Text that starts like a date but is none is reported by its month and by one day, the night after it was written."""
    fill(source_engine, [text])
    found = source(source_engine)
    assert by_window(found, MONTHS) == {"2020-02": {"0"}}
    days = [day_window(date(2020, 1, 20) + timedelta(days=number), ZONE) for number in range(60)]
    assert len(by_window(found, days)) == 1


#: Text that is no date and does not start like one.
UNDATED = [
    *("", "   ", "pendiente", "15/01/2020", "31/12/2020 10:00:00", "2020/02/15", "2020.02.15", "2020_02", "2020a", "20200230"),
    *("2020-2-15", "2020-02-30", "2020-02-30 10:00:00", "2020-02-00", "2020-02-0", "2020-00-15", "2020-13-01", "2021-02-29"),
    *("0000-01-01", "1706091600", "infinity", "-infinity", "~", "ñandú", "\t2020-02-30"),
]


@pytest.mark.parametrize("text", UNDATED)
def test_text_in_another_form_is_undated(source_engine: Engine, text: str) -> None:
    """Text in any other form lies in the undated window, which reports it."""
    fill(source_engine, [text])
    found = source(source_engine)
    months = [month(f"{year}-{number:02}") for year in (2019, 2020, 2021) for number in range(1, 13)]
    assert by_window(found, months) == {}
    assert inside(found, BEFORE) == inside(found, dateless_window()) == {"0"}
    assert found.census(BEFORE, NOW) == Census(1, 1, 0, 0)


@pytest.mark.parametrize("text", ["2020-02-15 ", " 2020-02-15 10:00:00", "2020-02-15T10:00:00Z\t", "\n2020-02-15"])
def test_blanks_around_a_date(source_engine: Engine, text: str) -> None:
    """Blanks around a date are stripped, as around an id."""
    fill(source_engine, [text])
    found = source(source_engine)
    assert by_window(found, [*MONTHS, BEFORE]) == {"2020-02": {"0"}}
    (row,) = found.read(MONTHS[2])
    assert isinstance(validator(zone=ZONE, earliest=datetime(2020, 1, 1, tzinfo=UTC), now=NOW)(row), StatusChange)


@pytest.mark.parametrize("kind", [AWARE, NAIVE, DATE, TEXT])
def test_windows_tile_the_view(source_engine: Engine, backend: str, kind: str) -> None:
    """Every row lies in a month, before the first one, in the undated window, or in the future, and the census counts each."""
    dates = ["2020-01-01", "2020-01-02", "2020-02-29", "2026-11-22", "2026-11-23"]
    older, future = ["2019-12-31", "1999-05-05", "1850-01-01"], ["2026-11-26", "2030-01-01"]
    dates, older, future = ([f"{day} 12:00:00" for day in days] for days in (dates, older, future))
    undated = [None, None, *(["31/12/2019", "x"] if kind == TEXT else ["infinity", "-infinity"] if backend != "sqlite" else [])]
    fill(source_engine, [*dates, *older, *future, *undated], kind if backend == "postgresql" else TEXT)
    found = source(source_engine)
    months = month_windows(date(2020, 1, 1), date(2026, 11, 24), ZONE, NOW)
    placed = [inside(found, window) for window in months]
    assert sum(map(len, placed)) == len(set().union(*placed)) == len(dates)
    assert len(inside(found, BEFORE)) == len(older) + len(undated)
    assert len(inside(found, dateless_window())) == len(undated)
    census = found.census(BEFORE, NOW)
    assert census == Census(len([*dates, *older, *future, *undated]), len(undated), len(older), len(future))


@pytest.mark.parametrize("kind", [NAIVE, TEXT])
@pytest.mark.parametrize("zone", ["America/New_York", "America/Havana", "Asia/Beirut", "Pacific/Apia", "America/Santo_Domingo"])
def test_no_row_is_lost_where_the_clocks_change(source_engine: Engine, backend: str, kind: str, zone: str) -> None:
    """Around clock changes, every half hour of naive local time lies in exactly one day."""
    start = datetime(2020, 3, 7, tzinfo=UTC)
    naive = [start.replace(tzinfo=None) + timedelta(minutes=30 * step) for step in range(48 * 24)]
    fill(source_engine, [moment.isoformat(" ") for moment in naive], kind if backend == "postgresql" else TEXT)
    found = source(source_engine, zone=zone)
    days = [day_window(date(2020, 3, 5) + timedelta(days=number), pendulum.timezone(zone)) for number in range(30)]
    placed = by_window(found, days)
    assert sorted(chain.from_iterable(placed.values())) == sorted(str(number) for number in range(len(naive)))


def test_a_source_zone_of_its_own(source_engine: Engine, backend: str) -> None:
    """A separate source zone applies to naive timestamps: here UTC, with days in Santo Domingo."""
    values = ["2020-02-01 03:59:59", "2020-02-01 04:00:00"]
    fill(source_engine, values, NAIVE if backend == "postgresql" else TEXT)
    assert by_window(source(source_engine, zone="UTC"), MONTHS) == {"2020-01": {"0"}, "2020-02": {"1"}}


def test_the_last_month_ends_at_the_planning_instant(source_engine: Engine, backend: str) -> None:
    """A row at the planning instant belongs to the daily send; one a microsecond earlier belongs to the load."""
    now = datetime(2026, 11, 24, 6, 0, 0, 500, tzinfo=UTC)
    values = [(now - timedelta(microseconds=1)).isoformat(), now.isoformat()]
    fill(source_engine, values, AWARE if backend == "postgresql" else TEXT)
    window = Window("month", "2026-11", month("2026-11").start, now)
    assert inside(source(source_engine), window) == {"0"}


def test_a_row_without_a_date_is_undated(source_engine: Engine) -> None:
    """NULL lies in the undated window and in no month, even if there are no other rows."""
    fill(source_engine, [None])
    found = source(source_engine)
    assert by_window(found, [*MONTHS, BEFORE]) == {"undated": {"0"}}
    assert found.census(BEFORE, NOW) == Census(1, 1, 0, 0)


@pytest.mark.parametrize("kind", [AWARE, NAIVE, DATE, TEXT])
def test_an_empty_view(source_engine: Engine, backend: str, kind: str) -> None:
    """An empty view is no error, and rows that appear later are found."""
    fill(source_engine, [], kind if backend == "postgresql" else TEXT)
    found = source(source_engine)
    assert inside(found, MONTHS[2]) == set()
    with source_engine.begin() as connection:
        connection.exec_driver_sql(f"insert into {VIEW} values ('1', 'late', '2020-01-01', 2, '2020-02-02')")
    assert inside(found, MONTHS[2]) == {"late"}


@pytest.mark.parametrize("kind", [AWARE, NAIVE])
def test_dates_that_python_cannot_hold_spoil_nothing(postgres: Any, kind: str) -> None:
    """Dates that Python cannot represent, such as infinity, BC or year 20020, reject their own row only."""
    engine = sa.create_engine(postgres.source())
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(
                f"create table {VIEW} (service_id text, request_id text, opening_date {kind}, status_id integer,"
                f" last_modified_date {kind})"
            )
            connection.exec_driver_sql(f"insert into {VIEW} values ('1', 'good', '2020-01-01', 2, '2020-02-02')")
            for value in ("infinity", "-infinity", "20020-01-01 00:00", "0044-03-15 10:00 BC"):
                connection.exec_driver_sql(
                    f"insert into {VIEW} values ('1', 'bad {value}', '{value}', 2, '2020-02-03'),"
                    f" ('1', 'nowhere', '2020-01-01', 2, '{value}')"
                )
        engine.dispose()  # the source gets an engine that has not connected yet
        found = source(engine)
        rows = {row[1]: row for row in found.read(MONTHS[2]) if found.holds(MONTHS[2], row[-1])}
        validate = validator(zone=ZONE, earliest=datetime(1, 1, 2, tzinfo=UTC), now=NOW)
        assert isinstance(validate(rows.pop("good")), StatusChange)
        assert len(rows) == 4
        assert not any(isinstance(validate(row), StatusChange) for row in rows.values())
    finally:
        engine.dispose()


#: SQLite takes any bytes for text. What Latin-1 makes of "ñ" is not UTF-8.
NO_TEXT = "cast(x'f1' as text)"
DAY_OF_NO_TEXT = "cast(x'323032302d30322d3130f1' as text)"  # 2020-02-10ñ


def test_text_in_another_encoding_spoils_nothing(outbox: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A value in SQLite that is not UTF-8 rejects its own row, for the right reason; the others are read."""
    engine = sa.create_engine(f"sqlite:///{tmp_path}/latin.db")
    fill(engine, ["2020-02-02"])
    rows = [
        ("'1041'", f"'A' || {NO_TEXT}", "'2020-01-01'", "2", "'2020-02-03'"),
        (NO_TEXT, "'B'", "'2020-01-01'", "2", "'2020-02-04'"),
        ("'1041'", "'C'", NO_TEXT, "2", "'2020-02-05'"),
        ("'1041'", "'D'", "'2020-01-01'", NO_TEXT, "'2020-02-06'"),
        ("'1041'", "'E'", "'2020-01-01'", "2", DAY_OF_NO_TEXT),
        ("'1041'", "'nowhere'", "'2020-01-01'", "2", NO_TEXT),
    ]
    with engine.begin() as connection:
        for row in rows:
            connection.exec_driver_sql(f"insert into {VIEW} values ({', '.join(row)})")
    engine.dispose()  # the source gets an engine that has not connected yet

    found = source(engine)
    assert by_window(found, MONTHS) == {"2020-02": {"0", "A\udcf1", "B", "C", "D", "E"}}
    assert inside(found, BEFORE) == {"nowhere"}
    days = [day(f"2020-02-{number:02}") for number in range(1, 30)]
    assert by_window(found, days)["2020-02-10"] == {"E"}

    with caplog.at_level("INFO"):
        tally = stage(outbox, found, settings(), MONTHS[2], Run("run", clock))
    assert (tally.read, tally.new) == (6, 1)
    assert tally.rejected == {"control_characters": 2, "opening_not_a_date": 1, "unknown_status": 1, "change_not_a_date": 1}
    with outbox.connect() as connection:
        kept = {row.request_id: row for row in connection.execute(sa.select(rejection))}
    assert kept.keys() == {"A\\udcf1", "B", "C", "D", "E"}
    assert kept["E"].changed_at == day("2020-02-10").start
    assert "udcf1" not in caplog.text
    engine.dispose()


def test_columns_of_uncommon_types_are_text(postgres: Any) -> None:
    """Enums and domains of PostgreSQL are read as text, not as bytes."""
    engine = sa.create_engine(postgres.source())
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql("create type service as enum ('passport', 'licence')")
            connection.exec_driver_sql("create domain status as smallint check (value > 0)")
            connection.exec_driver_sql(
                f"create table {VIEW} (service_id service, request_id varchar(20), opening_date date, status_id status,"
                f" last_modified_date timestamptz)"
            )
            connection.exec_driver_sql(f"insert into {VIEW} values ('licence', 'R', '2020-02-01', 2, '2020-02-02')")
        engine.dispose()
        (row,) = source(engine).read(MONTHS[2])
        assert (row[0], row[1], row[3]) == ("licence", "R", 2)
    finally:
        engine.dispose()


# -- the institution's own SQL ---------------------------------------------------------------------------------------------

OWN_SQL = f"""
    -- 100 % nuestra: horas como '10:30', porcentajes y "::text" no son parámetros
    select request_id as REQUEST_ID, 'x' as more, status_id, service_id, last_modified_date, opening_date
      from {VIEW}
     where last_modified_date >= :start and last_modified_date < :end and request_id not like 'skip%' and '10:30' <> 'a%b'
"""


@pytest.mark.parametrize("kind", [AWARE, NAIVE, TEXT])
def test_own_sql_gives_columns_in_any_order(source_engine: Engine, backend: str, kind: str) -> None:
    """Columns are found by name, in any case and order; with wide bounds nothing is lost, since holds() decides."""
    if backend == "postgresql" and kind == TEXT:
        pytest.skip("its author casts text, since bounds are timestamps there")
    suffix = "" if kind == NAIVE else "-04:00"
    values = [f"2020-01-31 23:59:59.999999{suffix}", f"2020-02-01 00:00:00{suffix}", f"2020-02-29 23:59:59{suffix}"]
    fill(source_engine, values, kind if backend == "postgresql" else TEXT)
    found = source(source_engine, sql=OWN_SQL)
    assert by_window(found, MONTHS) == {"2020-01": {"0"}, "2020-02": {"1", "2"}}
    assert {name.lower() for name in found.check()} == {*FIELDS, "more"}


def test_own_sql_must_bind_both_bounds(source_engine: Engine) -> None:
    """A query without :end, which would read everything for each month, is refused."""
    with pytest.raises(SetupError, match="source_sql does not bind :end"):
        source(source_engine, sql=f"select * from {VIEW} where last_modified_date >= :start")


def test_own_sql_lacks_a_column(source_engine: Engine, backend: str) -> None:
    """The error names the missing column and the existing ones."""
    fill(source_engine, [], NAIVE if backend == "postgresql" else TEXT)
    sql = f"select service_id, request_id, status_id from {VIEW} where last_modified_date between :start and :end"
    found = source(source_engine, sql=sql)
    expected = "source_sql lacks the columns opening_date, last_modified_date; it has: service_id, request_id, status_id"
    for use in (found.check, lambda: list(found.read(MONTHS[0]))):
        with pytest.raises(SetupError, match=expected):
            use()


def test_a_sql_file_as_editors_write_it(tmp_path: Path, source_engine: Engine) -> None:
    """A byte order mark, a trailing semicolon and blank lines are accepted."""
    fill(source_engine, ["2020-02-01 00:00:00"])
    path = tmp_path / "own.sql"
    condition = "last_modified_date >= cast(:start as text) and last_modified_date < cast(:end as text)"
    path.write_bytes(b"\xef\xbb\xbf" + f"select * from {VIEW} where {condition};\n\n".encode())
    assert inside(source(source_engine, sql=load_sql(str(path))), MONTHS[2]) == {"0"}


@pytest.mark.parametrize("content", [None, b"select '\xff'"], ids=["missing", "not UTF-8"])
def test_a_sql_file_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    """The error for an unreadable file names the setting and the file."""
    path = tmp_path / "own.sql"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SetupError, match=r"\[tablero\] source_sql = .*own\.sql: the file cannot be read"):
        load_sql(str(path))


def test_no_file_no_sql() -> None:
    """Without the setting for own SQL the view is read."""
    assert load_sql(None) is None


# -- what goes wrong -------------------------------------------------------------------------------------------------------


def test_a_view_in_a_schema(source_engine: Engine, backend: str) -> None:
    """``schema.view`` is found."""
    if backend == "sqlite":
        pytest.skip("SQLite has no schemas of this kind")
    fill(source_engine, ["2020-02-01"], DATE, name="reports.changes")
    assert inside(source(source_engine, table="reports.changes"), MONTHS[2]) == {"0"}


def test_check_sees_the_columns(source_engine: Engine) -> None:
    """The check passes with the five columns, and further columns are allowed."""
    fill(source_engine, [])
    assert source(source_engine).check() == list(FIELDS)


def test_a_missing_view(source_engine: Engine) -> None:
    """The error for a missing view says what to ask the DBA for."""
    found = source(source_engine)
    for use in (found.check, lambda: list(found.read(MONTHS[0])), lambda: found.count(MONTHS)):
        with pytest.raises(SetupError, match=f"Ask your DBA for the view {VIEW} with the columns service_id"):
            use()


def test_a_missing_column(source_engine: Engine) -> None:
    """The error names the missing column and the existing ones."""
    with source_engine.begin() as connection:
        connection.exec_driver_sql(f"create table {VIEW} (service_id text, request_id text, opened text, status_id integer)")
    found = source(source_engine)
    with pytest.raises(SetupError, match="lacks the columns opening_date, last_modified_date; it has: service_id, request_id"):
        found.check()
    with pytest.raises(SetupError):
        list(found.read(MONTHS[0]))


def test_numbers_for_dates(source_engine: Engine) -> None:
    """Epoch seconds are not timestamps, and the error names their type."""
    fill(source_engine, [1580515200], "integer")
    with pytest.raises(SetupError, match=r"is of a type that holds no date and time \(integer\)"):
        list(source(source_engine).read(MONTHS[0]))


def test_a_server_that_is_not_there() -> None:
    """An unreachable server is a transient error."""
    engine = sa.create_engine("postgresql+psycopg://user@127.0.0.1:1/nothing")
    with pytest.raises(SourceUnavailable, match="It will be tried again"):
        source(engine).check()


def test_no_right_to_read(postgres: Any) -> None:
    """A missing privilege is a permanent error: the DBA must grant it."""
    address = postgres.database()
    engine = sa.create_engine(address)
    try:
        fill(engine, [])
        with engine.begin() as connection:
            connection.exec_driver_sql("create role clerk login")
        with pytest.raises(SetupError, match="permission denied"):
            source(sa.create_engine(address.set(username="clerk"))).check()
    finally:
        engine.dispose()
        postgres.drop(address)


def test_a_view_that_cannot_convert_a_value(source_engine: Engine, backend: str) -> None:
    """A failing cast in the view is permanent, and the error is identified by the server's code, without the value."""
    if backend == "sqlite":
        pytest.skip("casts never fail there")
    with source_engine.begin() as connection:
        connection.exec_driver_sql("create table raw (changed text)")
        connection.exec_driver_sql("insert into raw values ('2020-02-01'), ('pendiente')")
        connection.exec_driver_sql(
            f"create view {VIEW} as select '1' service_id, '2' request_id, '2020-01-01' opening_date, 2 status_id,"
            " changed::timestamp last_modified_date from raw"
        )
    with pytest.raises(SetupError, match=r"SQLSTATE 22007, InvalidDatetimeFormat") as caught:
        list(source(source_engine).read(MONTHS[2]))
    assert "pendiente" not in "".join(traceback.format_exception(caught.value))


def test_breaking_off_frees_the_connection(source_engine: Engine) -> None:
    """A reader that stops midway leaves no connection, cursor or transaction behind."""
    fill(source_engine, ["2020-02-01"] * 3)
    rows = source(source_engine).read(month("2020-02"))
    next(rows)
    rows.close()
    assert source_engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # of every pool that is used here


def test_sampling_days(source_engine: Engine) -> None:
    """A month has exactly the rows of its days."""
    values = [(month("2020-02").start + timedelta(hours=7 * number)).isoformat() for number in range(100)]
    fill(source_engine, values)
    found = source(source_engine)
    days = [day(f"2020-02-{number:02}") for number in range(1, 30)]
    assert set().union(*by_window(found, days).values()) == inside(found, month("2020-02"))


def test_a_read_that_is_cancelled_while_it_connects(tmp_path: Path, mocker: MockerFixture) -> None:
    """A read that is cancelled during a slow connect is over once it is connected; no statement begins."""
    mocker.patch.object(reader, "GRACE", 0.0)
    address = tmp_path / "source.db"
    fill(sa.create_engine(f"sqlite:///{address}"), ["2020-02-01 10:00:00"])
    connecting, connected = threading.Event(), threading.Event()

    def connect() -> sqlite3.Connection:
        connecting.set()
        connected.wait(60)
        return sqlite3.connect(address, check_same_thread=False)

    found = source(sa.create_engine("sqlite://", creator=connect, poolclass=sa.NullPool))
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(found.count, [month("2020-02")])
        connecting.wait(60)
        found.cancel()
        connected.set()
        with pytest.raises(SourceUnavailable):
            asked.result()


@pytest.mark.parametrize("windows", [MONTHS, [day_window(date(2020, 2, 15), ZONE)]], ids=["months", "a day"])
def test_a_date_to_the_database_alone_is_counted(source_engine: Engine, mocker: MockerFixture, windows: list[Window]) -> None:
    """A value that only the database takes for a date is returned for no window, so the count must not agree with that."""
    fill(source_engine, ["2020-02-15 12:00:00"])
    found = source(source_engine)
    mocker.patch.object(Places, "__call__", return_value=NO_DATE)
    assert not any(found.holds(window, row[-1]) for window in windows for row in found.read(window))
    counts = found.count(windows)
    assert counts is not None
    assert sum(counts.of.values()) == 1
