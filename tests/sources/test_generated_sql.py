"""The SQL that goes to SQL Server and to Oracle, statement by statement. No server: what they make of it was not seen."""

from __future__ import annotations

from datetime import date, datetime, timezone
from typing import Any, NamedTuple

import pytest
from tablero.errors import SetupError
from tablero.source.reader import Source

from tests.integration.samples import FEBRUARY, NOW, ZONE
from tests.sources.recording import Asked, Recorder

SQL_SERVER, ORACLE = "mssql+pymssql://u:p@h/d", "oracle+oracledb://u:p@h/d"

VIEW = "reports.tablero_status_changes"
CHANGED = f"{VIEW}.last_modified_date"
COLUMNS = ", ".join(f"{VIEW}.{name}" for name in ("service_id", "request_id", "opening_date", "status_id")) + f", {CHANGED}"

#: The edges of February 2020, and now, as local times of Santo Domingo.
START, END, LATER = datetime(2020, 2, 1), datetime(2020, 3, 1), datetime(2026, 11, 24, 2)  # noqa: DTZ001 naive is meant


def source(recorder: Recorder, url: str, *, table: str = VIEW, sql: str | None = None) -> Source:
    return Source(recorder.engine(url), table=table, sql=sql, zone=ZONE, day_zone=ZONE)


def last(recorder: Recorder) -> Asked:
    return recorder.asked[-1]


def compared(values: Any) -> list[Any]:
    """The bounds among the values of a statement."""
    return [value for value in values.values() if not isinstance(value, int)]


@pytest.mark.parametrize("url", [SQL_SERVER, ORACLE])
def test_check(url: str) -> None:
    """The columns are looked at without a row."""
    recorder = Recorder()
    names = source(recorder, url).check()
    assert last(recorder).sql == f"SELECT * FROM {VIEW} WHERE 1=0"
    assert names[0].lower() == "service_id", "Oracle gives names in upper case"


def test_sample() -> None:
    """Neither knows LIMIT."""
    recorder = Recorder()
    source(recorder, SQL_SERVER).sample(7)
    assert last(recorder).sql == f"SELECT TOP 7 {COLUMNS} FROM {VIEW}"
    source(recorder, ORACLE).sample(7)
    assert last(recorder).sql == f"SELECT {COLUMNS} FROM {VIEW} FETCH FIRST 7 ROWS ONLY"


def test_the_look_at_one_value() -> None:
    """Which tells of what type the column is."""
    recorder = Recorder()
    list(source(recorder, SQL_SERVER).read(FEBRUARY))
    assert recorder.asked[0].sql == f"SELECT TOP 1 {CHANGED} FROM {VIEW} WHERE {CHANGED} IS NOT NULL"
    recorder = Recorder()
    list(source(recorder, ORACLE).read(FEBRUARY))
    assert recorder.asked[0].sql == f"SELECT {CHANGED} FROM {VIEW} WHERE {CHANGED} IS NOT NULL FETCH FIRST 1 ROWS ONLY"


@pytest.mark.parametrize(
    ("value", "type_", "bounds"),
    [
        (START, "DATETIME2", [START, END]),
        (NOW, "DATETIMEOFFSET", [FEBRUARY.start, FEBRUARY.end]),
        (date(2020, 2, 1), "DATE", [datetime(2020, 1, 31), datetime(2020, 3, 3)]),  # noqa: DTZ001 naive is meant
    ],
    ids=["datetime", "datetimeoffset", "date"],
)
def test_read_in_sql_server(value: Any, type_: str, bounds: list[Any]) -> None:
    """Bounds are cast: as the text that its driver makes of them, a Spanish login would read day before month."""
    recorder = Recorder(value)
    list(source(recorder, SQL_SERVER).read(FEBRUARY))
    casts = [f"CAST(%(param_{number})s AS {type_})" for number in (1, 2)]
    assert last(recorder).sql == f"SELECT {COLUMNS} FROM {VIEW} WHERE {CHANGED} >= {casts[0]} AND {CHANGED} < {casts[1]}"
    assert compared(last(recorder).values) == bounds


def test_read_in_oracle() -> None:
    """DATE and TIMESTAMP are both compared with datetimes; a DATE keeps its index so."""
    recorder = Recorder()
    list(source(recorder, ORACLE).read(FEBRUARY))
    inside = f"{CHANGED} >= :last_modified_date_1 AND {CHANGED} < :last_modified_date_2"
    assert last(recorder).sql == f"SELECT {COLUMNS} FROM {VIEW} WHERE {inside}"
    assert compared(last(recorder).values) == [START, END]


def test_text_is_compared_byte_by_byte() -> None:
    """In SQL Server by a binary collation; Oracle's own comparison is binary unless its session is told otherwise."""
    recorder = Recorder("2020-02-01 00:00:00")
    list(source(recorder, SQL_SERVER).read(FEBRUARY))
    assert f"WHERE ({CHANGED} COLLATE Latin1_General_BIN2) >= %(" in last(recorder).sql
    list(source(recorder, ORACLE).read(FEBRUARY))
    assert f"WHERE {CHANGED} >= :" in last(recorder).sql
    assert compared(last(recorder).values) == ["2020-01-31", "2020-03-03"]


def test_count() -> None:
    """The same condition, counted by the database."""
    for url in (SQL_SERVER, ORACLE):
        recorder = Recorder()
        found = source(recorder, url)
        list(found.read(FEBRUARY))
        read = last(recorder)
        assert found.count(FEBRUARY) == 3
        assert last(recorder).sql == read.sql.replace(f"SELECT {COLUMNS} ", "SELECT count(*) AS count_1 ")
        assert last(recorder).values == read.values


def test_unseen() -> None:
    """One pass over the view, by CASE, which both know."""
    for url, later in ((SQL_SERVER, "CAST(%(param_3)s AS DATETIME2)"), (ORACLE, ":last_modified_date_1")):
        recorder = Recorder()
        assert source(recorder, url).unseen(NOW) == (3, 3)
        mark = "%(param_{})s" if url == SQL_SERVER else ":param_{}"
        numbers = (1, 2, 4, 5) if url == SQL_SERVER else (1, 2, 3, 4)
        one, zero, one_more, zero_more = (mark.format(number) for number in numbers)
        assert last(recorder).sql == (
            f"SELECT sum(CASE WHEN ({CHANGED} IS NULL) THEN {one} ELSE {zero} END) AS sum_1,"
            f" sum(CASE WHEN ({CHANGED} IS NOT NULL AND {CHANGED} >= {later}) THEN {one_more} ELSE {zero_more} END) AS sum_2"
            f" FROM {VIEW}"
        )
        assert compared(last(recorder).values) == [LATER]


def test_clock() -> None:
    """Oracle wants a table even for that."""
    recorder = Recorder()
    assert source(recorder, SQL_SERVER).clock() == START
    assert last(recorder).sql == "SELECT CURRENT_TIMESTAMP AS current_timestamp_1"
    assert source(recorder, ORACLE).clock() == START
    assert last(recorder).sql == "SELECT CURRENT_TIMESTAMP AS current_timestamp_1 FROM DUAL"


def test_names() -> None:
    """Oracle's names in upper case are quoted as they are; in lower case they are left to it, which finds them."""
    recorder = Recorder()
    source(recorder, ORACLE, table="CITAS.TABLERO_STATUS_CHANGES").check()
    assert last(recorder).sql == 'SELECT * FROM "CITAS"."TABLERO_STATUS_CHANGES" WHERE 1=0'
    source(recorder, SQL_SERVER, table="Citas.dbo.Cambios").check()
    assert last(recorder).sql == "SELECT * FROM [Citas].dbo.[Cambios] WHERE 1=0"


def test_own_sql() -> None:
    """Goes as it is written, with bounds a day too wide, as local times."""
    sql = "SELECT * FROM cambios WHERE fecha >= CAST(:start AS {0}) AND fecha < CAST(:end AS {0}) AND x LIKE '10%'"
    expected = {
        SQL_SERVER: sql.format("DATETIME2").replace(":start", "%(start)s").replace(":end", "%(end)s"),
        ORACLE: sql.format("DATE").replace(":start", ':"start"'),  # START is one of its own words
    }
    for url, wanted in expected.items():
        recorder = Recorder()
        list(source(recorder, url, sql=sql.format("DATETIME2" if url == SQL_SERVER else "DATE")).read(FEBRUARY))
        assert last(recorder).sql == wanted
        assert [value.day for value in last(recorder).values.values()] == [31, 2]


class DbType(NamedTuple):
    """As Oracle's driver describes a type."""

    name: str


@pytest.mark.parametrize("kind", ["DB_TYPE_TIMESTAMP_TZ", "DB_TYPE_TIMESTAMP_LTZ"])
def test_a_zone_that_oracles_driver_drops(kind: str) -> None:
    """Its values would be hours off without a word; the error shows the cast that helps."""
    recorder = Recorder(kind=DbType(kind))
    found = source(recorder, ORACLE)
    for use in (found.check, lambda: list(found.read(FEBRUARY))):
        with pytest.raises(SetupError, match=r"drops the time zone of .*AT TIME ZONE 'America/Santo_Domingo' AS TIMESTAMP"):
            use()


def test_the_offset_of_sql_server_is_kept() -> None:
    """Its driver gives an aware datetime for a datetimeoffset."""
    recorder = Recorder(datetime(2020, 2, 1, 4, tzinfo=timezone.utc))
    (row,) = source(recorder, SQL_SERVER).read(FEBRUARY)
    assert row[-1] == FEBRUARY.start
