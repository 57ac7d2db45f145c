"""The SQL generated for SQL Server and Oracle, statement by statement; neither server runs it in these tests."""

from __future__ import annotations

import re
from datetime import date, datetime, timezone
from typing import Any, NamedTuple

import pytest
from tablero.contract.windows import dateless_window, month_windows, undated_window
from tablero.errors import SetupError
from tablero.source.reader import Source

from tests.integration.samples import FEBRUARY, NOW, ZONE, counted
from tests.sources.recording import Asked, Recorder

SQL_SERVER, ORACLE = "mssql+pymssql://u:p@h/d", "oracle+oracledb://u:p@h/d"

VIEW = "reports.tablero_status_changes"
CHANGED = f"{VIEW}.last_modified_date"
COLUMNS = ", ".join(f"{VIEW}.{name}" for name in ("service_id", "request_id", "opening_date", "status_id")) + f", {CHANGED}"

#: The bounds of February 2020, and now, as local times of Santo Domingo.
START, END, LATER = datetime(2020, 2, 1), datetime(2020, 3, 1), datetime(2026, 11, 24, 2)  # noqa: DTZ001 naive is meant


def source(recorder: Recorder, url: str, *, table: str = VIEW, sql: str | None = None) -> Source:
    return Source(recorder.engine(url), table=table, sql=sql, zone=ZONE, day_zone=ZONE)


def last(recorder: Recorder) -> Asked:
    return recorder.asked[-1]


def sql_of(recorder: Recorder) -> list[str]:
    """The SQL that reads the view, without session settings."""
    return [asked.sql for asked in recorder.asked if not asked.sql.startswith("ALTER SESSION")]


def compared(values: Any) -> list[Any]:
    """The bounds among the values of a statement."""
    return [value for value in values.values() if not isinstance(value, int)]


@pytest.mark.parametrize("url", [SQL_SERVER, ORACLE])
def test_check(url: str) -> None:
    """The check reads just the five columns, and one date value."""
    recorder = Recorder()
    assert source(recorder, url).check()[0] == "service_id"
    assert sql_of(recorder)[0] == f"SELECT {COLUMNS} FROM {VIEW} WHERE 1=0"
    assert f"SELECT {CHANGED} " in last(recorder).sql.replace("TOP 1 ", "")


def test_sample() -> None:
    """A sample is limited without LIMIT, which neither database supports."""
    recorder = Recorder()
    source(recorder, SQL_SERVER).sample(7)
    assert last(recorder).sql == f"SELECT TOP 7 {COLUMNS} FROM {VIEW}"
    source(recorder, ORACLE).sample(7)
    assert last(recorder).sql == f"SELECT {COLUMNS} FROM {VIEW} FETCH FIRST 7 ROWS ONLY"


def test_the_look_at_one_value() -> None:
    """A single value shows the type of the column."""
    recorder = Recorder()
    list(source(recorder, SQL_SERVER).read(FEBRUARY))
    assert sql_of(recorder)[1] == f"SELECT TOP 1 {CHANGED} FROM {VIEW} WHERE {CHANGED} IS NOT NULL"
    recorder = Recorder()
    list(source(recorder, ORACLE).read(FEBRUARY))
    one = f"SELECT {CHANGED} FROM {VIEW} WHERE {CHANGED} IS NOT NULL FETCH FIRST 1 ROWS ONLY"
    assert sql_of(recorder)[1] == one
    assert recorder.asked[0].sql == "ALTER SESSION SET TIME_ZONE = 'America/Santo_Domingo'"


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
    """In SQL Server bounds are cast: as text from the driver, a Spanish login would read day before month."""
    recorder = Recorder(value)
    list(source(recorder, SQL_SERVER).read(FEBRUARY))
    casts = [f"CAST(%(param_{number})s AS {type_})" for number in (1, 2)]
    assert last(recorder).sql == f"SELECT {COLUMNS} FROM {VIEW} WHERE {CHANGED} >= {casts[0]} AND {CHANGED} < {casts[1]}"
    assert compared(last(recorder).values) == bounds


def test_read_in_oracle() -> None:
    """In Oracle DATE and TIMESTAMP are both compared with datetimes, so that an index on a DATE can be used."""
    recorder = Recorder()
    list(source(recorder, ORACLE).read(FEBRUARY))
    inside = f"{CHANGED} >= :last_modified_date_1 AND {CHANGED} < :last_modified_date_2"
    assert last(recorder).sql == f"SELECT {COLUMNS} FROM {VIEW} WHERE {inside}"
    assert compared(last(recorder).values) == [START, END]


def test_text_is_compared_byte_by_byte() -> None:
    """Text is compared byte by byte: by a binary collation in SQL Server, and by default in Oracle."""
    recorder = Recorder("2020-02-01 00:00:00")
    list(source(recorder, SQL_SERVER).read(FEBRUARY))
    assert f"WHERE ({CHANGED} COLLATE Latin1_General_BIN2) >= %(" in last(recorder).sql
    list(source(recorder, ORACLE).read(FEBRUARY))
    assert f"WHERE {CHANGED} >= :" in last(recorder).sql
    assert compared(last(recorder).values) == ["2020-01-31", "2020-03-03", "!"], "what begins with a blank may be of any month"


@pytest.mark.parametrize("url", [SQL_SERVER, ORACLE])
def test_count(url: str) -> None:
    """One statement counts, under the condition by which windows are read; then what is not clear is read."""
    recorder = Recorder()
    found = source(recorder, url)
    list(found.read(FEBRUARY))
    bounds = compared(last(recorder).values)
    assert counted(found, FEBRUARY) == 3 + 1, "what the database counts, and what is placed here"
    grouping, looking = sql_of(recorder)[3:]
    assert grouping.startswith("SELECT placed.place, count(*) AS count_1, count(placed.last_modified_date) AS ")
    assert grouping.endswith(" GROUP BY placed.place")
    assert looking.startswith("SELECT placed.last_modified_date, placed.place FROM (SELECT ")
    assert looking.endswith(" WHERE placed.place < 0 AND placed.last_modified_date IS NOT NULL")
    for sql in (grouping, looking):
        assert f"SELECT {CHANGED} AS last_modified_date, CASE WHEN ({CHANGED} < " in sql
        assert sql.count(" THEN ") == 1 + 2, "no date, and the two edges"
        assert " ELSE 2 END END AS place " in sql
    assert sorted(compared(last(recorder).values)[-2:]) == bounds


#: How deep SQL Server lets CASEs nest in what it sends to a linked server, where each WHEN is a level.
DEEPEST = 10


@pytest.mark.parametrize("value", ["2020-02-01", date(2020, 2, 1), START, NOW], ids=["text", "date", "datetime", "offset"])
def test_a_linked_server_takes_the_count(value: Any) -> None:
    """Error 125, *Case expressions may only be nested to level 10*, is not reached by a load of twenty years."""
    recorder = Recorder(value)
    windows = month_windows(date(2020, 1, 1), date(2039, 12, 1), ZONE, datetime(2040, 1, 2, tzinfo=timezone.utc))
    found = source(recorder, SQL_SERVER, table="[OFICINA].Citas.dbo.Cambios")
    found.count([undated_window(date(2020, 1, 1), ZONE), *windows])
    grouping, _ = sql_of(recorder)[2:]
    assert "CASE WHEN" in grouping
    assert deepest(grouping) <= DEEPEST


def deepest(sql: str) -> int:
    """How deep CASEs nest in a statement, if each WHEN is a CASE of its own."""
    levels, most = [0], 0
    for word in re.findall(r"\b(?:CASE|WHEN|END)\b", sql):
        if word == "CASE":
            levels.append(0)
        elif word == "WHEN":
            levels[-1] += 1
        else:
            levels.pop()
        most = max(most, sum(levels))
    return most


def test_what_has_no_date() -> None:
    """Undated rows are NULL or dates outside Python's range; text that is no date is found by each database's patterns."""
    recorder = Recorder()
    list(source(recorder, SQL_SERVER).read(dateless_window()))
    edges = [f"{CHANGED} {sign} CAST(%(param_{number})s AS DATETIME2)" for sign, number in (("<", 1), (">=", 2))]
    assert last(recorder).sql.endswith(f"WHERE {CHANGED} IS NULL OR {edges[0]} OR {edges[1]}")
    assert compared(last(recorder).values) == [datetime(1, 1, 3), datetime(9999, 12, 30)]  # noqa: DTZ001 naive is meant
    recorder = Recorder("2020-02-01 00:00:00")
    list(source(recorder, SQL_SERVER).read(dateless_window()))
    binary = f"({CHANGED} COLLATE Latin1_General_BIN2)"
    assert f"{CHANGED} IS NULL OR NOT ({binary} LIKE %(" in last(recorder).sql
    assert f"AND substring({binary[1:-1]}, %(" in last(recorder).sql
    list(source(recorder, ORACLE).read(dateless_window()))
    assert f"{CHANGED} IS NULL OR NOT REGEXP_LIKE({CHANGED}, :" in last(recorder).sql


@pytest.mark.parametrize("url", [SQL_SERVER, ORACLE])
def test_the_census(url: str) -> None:
    """The whole view is counted without a condition, so that each row is in one group."""
    recorder = Recorder()
    assert source(recorder, url).census(undated_window(date(2020, 1, 1), ZONE), NOW) == (14, 4, 3, 3)
    grouping, _ = sql_of(recorder)[2:]
    assert " WHERE " not in grouping


def test_one_request() -> None:
    """A request is looked up by its id as given; if there is none, with blanks beside it: an index serves for both."""
    for url, mark in ((SQL_SERVER, "%(param_1)s"), (ORACLE, ":param_1")):
        recorder = Recorder()
        source(recorder, url).of_request("REQ-77")
        exactly, padded = recorder.asked[-2:]
        assert exactly.sql.endswith(f"WHERE {VIEW}.request_id = {mark}")
        assert f"WHERE {VIEW}.request_id IN (" in padded.sql
        assert {"REQ-77  ", "  REQ-77", "REQ-77\t"} <= set(padded.values.values())


def test_clock() -> None:
    """Reading the clock needs a table in Oracle."""
    recorder = Recorder()
    assert source(recorder, SQL_SERVER).clock() == START
    assert last(recorder).sql == "SELECT CURRENT_TIMESTAMP AS current_timestamp_1"
    assert source(recorder, ORACLE).clock() == START
    assert last(recorder).sql == "SELECT CURRENT_TIMESTAMP AS current_timestamp_1 FROM DUAL"


def test_names() -> None:
    """Oracle names in upper case are quoted; those in lower case are left unquoted, so that Oracle finds them."""
    for url, table, quoted in (
        (ORACLE, "CITAS.TABLERO_STATUS_CHANGES", '"CITAS"."TABLERO_STATUS_CHANGES"'),
        (ORACLE, '"citas"."cambios"', '"citas"."cambios"'),
        (SQL_SERVER, "Citas.dbo.Cambios", "[Citas].dbo.[Cambios]"),
        (SQL_SERVER, "[Citas].[dbo].[Cambios del día]", "[Citas].dbo.[Cambios del día]"),
    ):
        recorder = Recorder()
        source(recorder, url, table=table).check()
        assert f" FROM {quoted} WHERE 1=0" in sql_of(recorder)[0]


def test_own_sql() -> None:
    """Own SQL is sent unchanged, with bounds as local times, widened by a day."""
    sql = "SELECT * FROM cambios WHERE fecha >= CAST(:start AS {0}) AND fecha < CAST(:end AS {0}) AND x LIKE '10%'"
    expected = {
        SQL_SERVER: sql.format("DATETIME2").replace(":start", "%(start)s").replace(":end", "%(end)s"),
        ORACLE: sql.format("DATE").replace(":start", ':"start"'),  # START is a reserved word
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
    """A type whose zone Oracle's driver drops is refused, since its values would be hours off; the error shows the cast."""
    recorder = Recorder(kind=DbType(kind))
    found = source(recorder, ORACLE)
    for use in (found.check, lambda: list(found.read(FEBRUARY))):
        with pytest.raises(SetupError, match=r"drops the time zone of .*AT TIME ZONE 'America/Santo_Domingo' AS TIMESTAMP"):
            use()


def test_the_offset_of_sql_server_is_kept() -> None:
    """SQL Server's driver returns an aware datetime for a datetimeoffset."""
    recorder = Recorder(datetime(2020, 2, 1, 4, tzinfo=timezone.utc))
    (row,) = source(recorder, SQL_SERVER).read(FEBRUARY)
    assert row[-1] == FEBRUARY.start
