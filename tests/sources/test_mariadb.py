"""MariaDB: each row in one window for any type, collation and server clock; memory; errors."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pendulum
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine
from tablero.contract.reasons import Reason
from tablero.contract.rules import Rejected, validator
from tablero.contract.status_change import FIELDS, StatusChange
from tablero.contract.windows import Window, dateless_window, day_window, month_windows, undated_window
from tablero.errors import SetupError, SourceUnavailable
from tablero.source.reader import Source
from tablero.source.view import Census

from tests.integration.samples import NOW, ZONE, counted, month
from tests.sources.mariadb import MariaDb

pytestmark = pytest.mark.system

VIEW = "tablero_status_changes"
BEFORE = undated_window(date(2020, 1, 1), ZONE)
MONTHS = [month(label) for label in ("2019-12", "2020-01", "2020-02", "2020-03")]
DAYS = [day_window(date(2020, 1, 20) + timedelta(days=number), ZONE) for number in range(60)]

DATETIME, TIMESTAMP, DATE = "datetime(6)", "timestamp(6) null", "date"
TEXT = "varchar(40)"


def source(engine: Engine, *, table: str = VIEW, sql: str | None = None, zone: str | None = None) -> Source:
    return Source(engine, table=table, sql=sql, zone=pendulum.timezone(zone) if zone else ZONE, day_zone=ZONE)


def fill(
    server: MariaDb, address: URL, changed: Sequence[Any], kind: str, *, zone: str = "-04:00", ids: str = "", mode: str = ""
) -> None:
    """Create a view of one row for each value of last_modified_date, written in a session with the institution's zone.

    :param ids: ids of the requests, a letter each; by default their position.
    """
    with server.admin(address.database or "") as connection:
        connection.exec_driver_sql("SET sql_mode = %s", (mode,))
        connection.exec_driver_sql("SET time_zone = %s", (zone,))
        connection.exec_driver_sql(
            f"CREATE TABLE history (service_id varchar(20), request_id varchar(40), opening_date {kind}, status_id int,"
            f" last_modified_date {kind})"
        )
        for number, value in enumerate(changed):
            request = ids[number] if ids else str(number)
            opened = value if kind == DATE else "2020-01-01 10:00:00"
            values = ("1041", request, opened, 2, value)
            connection.exec_driver_sql("INSERT INTO history VALUES (%s, %s, %s, %s, %s)", values)
        connection.exec_driver_sql(f"CREATE VIEW {VIEW} AS SELECT * FROM history")


def inside(found: Source, window: Window) -> set[str]:
    """The request ids that staging sees in a window, and the number of rows that reconciling counts there."""
    rows = [row for row in found.read(window) if found.holds(window, row[-1])]
    counts = found.count([window])  # None for the institution's own SQL
    assert counts is None or counts.of[window] == len(rows), f"count and read differ for {window.label}"
    ids = {row[1] for row in rows}
    assert len(ids) == len(rows)
    return ids


def by_window(found: Source, windows: Sequence[Window]) -> dict[str, set[str]]:
    return {window.label: ids for window in windows if (ids := inside(found, window))}


# -- each row in one window ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [DATETIME, TIMESTAMP, TEXT])
def test_the_edge_of_a_month(mariadb: MariaDb, address: URL, engine: Engine, kind: str) -> None:
    """The last microsecond of January belongs to January, although the server's own clock is in February."""
    fill(mariadb, address, ["2020-01-31 23:59:59.999999", "2020-02-01 00:00:00"], kind)
    assert by_window(source(engine), MONTHS) == {"2020-01": {"0"}, "2020-02": {"1"}}


def test_a_date_is_its_first_instant(mariadb: MariaDb, address: URL, engine: Engine) -> None:
    """A date without a time lies at the beginning of the institution's day."""
    fill(mariadb, address, ["2020-01-31", "2020-02-01"], DATE)
    assert by_window(source(engine), MONTHS) == {"2020-01": {"0"}, "2020-02": {"1"}}


def test_a_timestamp_is_an_instant_whatever_the_session_shows(mariadb: MariaDb, address: URL, engine: Engine) -> None:
    """TIMESTAMP is an instant: a row has the same one in the zone of the source and in UTC."""
    fill(mariadb, address, ["2020-02-01 00:00:00"], TIMESTAMP)
    ((shown,),) = mariadb.client(address.database or "", f"SET time_zone = '+00:00'; SELECT last_modified_date FROM {VIEW}")
    for zone in ("America/Santo_Domingo", "UTC", "Asia/Kolkata"):
        fresh = sa.create_engine(address)
        found = source(fresh, zone=zone)
        (row,) = found.read(MONTHS[2])
        assert found.place(row[-1]).replace(tzinfo=None) == datetime.fromisoformat(shown), zone
        fresh.dispose()


def test_a_datetime_is_local_time_of_the_source_zone(mariadb: MariaDb, address: URL, engine: Engine) -> None:
    """DATETIME has no zone: if the institution writes UTC, source_timezone says so."""
    fill(mariadb, address, ["2020-02-01 03:59:59", "2020-02-01 04:00:00"], DATETIME)
    assert by_window(source(engine, zone="UTC"), MONTHS) == {"2020-01": {"0"}, "2020-02": {"1"}}


def test_a_zone_whose_clocks_change(mariadb: MariaDb, address: URL, engine: Engine) -> None:
    """A zone whose clocks change is refused if the server lacks zone names; the error says what the DBA can do."""
    fill(mariadb, address, ["2020-02-01"], DATETIME)
    with pytest.raises(SetupError, match=r"does not know the time zone America/New_York.*mariadb-tzinfo-to-sql"):
        source(engine, zone="America/New_York").check()


ZERO_DATES = ["0000-00-00 00:00:00", "2020-02-00 00:00:00", "2020-00-00 00:00:00", None]


@pytest.mark.parametrize("zero", ZERO_DATES)
@pytest.mark.parametrize("kind", [DATETIME, DATE])
def test_zero_dates_are_undated(mariadb: MariaDb, address: URL, engine: Engine, kind: str, zero: str | None) -> None:
    """Zero dates are undated: they lie in no month but in their own window, and other rows are read as usual."""
    fill(mariadb, address, [zero, "2020-01-31 23:00:00", "2020-02-01 00:00:00"], kind)
    found = source(engine)
    assert by_window(found, MONTHS) == {"2020-01": {"1"}, "2020-02": {"2"}}
    assert by_window(found, DAYS) == {"2020-01-31": {"1"}, "2020-02-01": {"2"}}
    assert inside(found, BEFORE) == inside(found, dateless_window()) == {"0"}
    assert found.census(BEFORE, NOW) == Census(3, 1, 0, 0)


IMPOSSIBLE = ["2020-02-30", "2020-04-31", "2019-02-29", "2019-11-31"]


@pytest.mark.parametrize("kind", [DATETIME, DATE])
def test_impossible_dates_are_undated(mariadb: MariaDb, address: URL, engine: Engine, kind: str) -> None:
    """Days that a month does not have, as ALLOW_INVALID_DATES and STR_TO_DATE let in, are undated; others are read as usual."""
    dates = [*IMPOSSIBLE, "2020-02-29", "2020-03-01"]
    fill(mariadb, address, dates, kind, mode="ALLOW_INVALID_DATES")
    found = source(engine)
    windows = [*month_windows(date(2020, 1, 1), date(2026, 11, 1), ZONE, NOW), BEFORE]
    assert by_window(found, windows) == {"2020-02": {"4"}, "2020-03": {"5"}, "undated": set("0123")}
    assert by_window(found, DAYS) == {"2020-02-29": {"4"}, "2020-03-01": {"5"}}
    assert found.census(BEFORE, NOW) == Census(6, 4, 0, 0)
    counts = found.count(windows)
    assert counts is not None
    assert sum(counts.of.values()) == counts.rows == 6
    validate = validator(zone=ZONE, earliest=datetime(2020, 1, 1, tzinfo=timezone.utc), now=NOW)
    assert all(isinstance(validate(row), Rejected) for row in found.read(dateless_window()))


@pytest.mark.parametrize("made", ["varbinary(40)", "blob"])
@pytest.mark.parametrize(
    "shown", ["last_modified_date", "concat(CAST(last_modified_date AS datetime), x'')", "CAST(last_modified_date AS BINARY)"]
)
def test_text_without_a_character_set(mariadb: MariaDb, address: URL, engine: Engine, made: str, shown: str) -> None:
    """Bytes are no text: drivers return them as bytes, which lie in no window, so the check refuses the column."""
    fill(mariadb, address, ["2020-02-01 00:00:00"], made if shown == "last_modified_date" else TEXT)
    with mariadb.admin(address.database or "") as connection:
        connection.exec_driver_sql(
            f"CREATE OR REPLACE VIEW {VIEW} AS SELECT service_id, request_id, '2020-01-01' opening_date, status_id,"
            f" {shown} last_modified_date FROM history"
        )
    found = source(engine)
    for use in (found.check, lambda: list(found.read(MONTHS[2])), lambda: counted(found, MONTHS[2])):
        with pytest.raises(SetupError, match=r"holds no date and time \(BINARY\)"):
            use()


def test_a_zero_date_that_counts_as_null(mariadb: MariaDb, address: URL, engine: Engine) -> None:
    """In a column that is NOT NULL, MariaDB takes a zero date for NULL in conditions, but not in counts."""
    fill(mariadb, address, [ZERO_DATES[0], "2020-02-01 00:00:00"], "datetime(6) NOT NULL")
    found = source(engine)
    assert by_window(found, [*MONTHS, BEFORE]) == {"2020-02": {"1"}, "undated": {"0"}}
    assert found.census(BEFORE, NOW) == Census(2, 1, 0, 0)


def test_a_zero_date_of_opening_is_a_rejected_row(mariadb: MariaDb, address: URL, engine: Engine) -> None:
    """A zero opening date, for which drivers return text or nothing, rejects its own row only, for the right reason."""
    fill(mariadb, address, ["2020-02-01 00:00:00", "2020-02-02 00:00:00"], DATETIME)
    with mariadb.admin(address.database or "") as connection:
        connection.exec_driver_sql("SET sql_mode = ''")
        connection.exec_driver_sql("UPDATE history SET opening_date = '0000-00-00' WHERE request_id = '0'")
    validate = validator(zone=ZONE, earliest=datetime(2020, 1, 1, tzinfo=timezone.utc), now=NOW)
    bad, good = map(validate, sorted(source(engine).read(MONTHS[2]), key=lambda row: row[1]))
    assert isinstance(bad, Rejected)
    assert bad.reason is Reason.OPENING_NOT_A_DATE
    assert isinstance(good, StatusChange)


TEXTS = ["2020-02-15", "20200230", "2020/02/15", "2020_02", "2020a", "2020-2-15", "2020-02-30", "2020-02-15T10:00:00+14:00"]


@pytest.mark.parametrize("collation", ["utf8mb4_general_ci", "utf8mb4_unicode_ci", "utf8mb4_bin", "latin1_spanish_ci"])
def test_text_lies_in_one_window_whatever_its_collation(mariadb: MariaDb, address: URL, engine: Engine, collation: str) -> None:
    """Each text lies in one window, although collations order signs differently than bytes."""
    charset = collation.partition("_")[0]
    fill(mariadb, address, TEXTS, f"varchar(40) CHARACTER SET {charset} COLLATE {collation}")
    assert by_window(source(engine), [*MONTHS, BEFORE]) == {"2020-02": {"0", "7"}, "undated": set("123456")}


def test_ids_that_differ_in_case_are_two_requests(mariadb: MariaDb, address: URL, engine: Engine) -> None:
    """Ids that differ in case are equal to the server but not to the dashboard: both are read and counted."""
    fill(mariadb, address, ["2020-02-01 00:00:00"] * 4, DATETIME, ids="aAñÑ")
    with mariadb.admin(address.database or "") as connection:
        assert connection.exec_driver_sql("SELECT count(DISTINCT request_id) FROM history").scalar() == 2
    assert inside(source(engine), MONTHS[2]) == set("aAñÑ")


def test_an_empty_view(mariadb: MariaDb, address: URL, engine: Engine) -> None:
    """No rows yet is no error."""
    fill(mariadb, address, [], DATETIME)
    found = source(engine)
    assert found.check() == list(FIELDS)
    assert inside(found, MONTHS[2]) == set()
    assert found.census(BEFORE, NOW) == Census(0, 0, 0, 0)


def test_numbers_for_dates(mariadb: MariaDb, address: URL, engine: Engine) -> None:
    """Epoch seconds are not timestamps; the error says so without showing a value."""
    fill(mariadb, address, [1580515200], "int")
    with pytest.raises(SetupError, match=r"is of a type that holds no date and time \(MySQL 3\)"):
        list(source(engine).read(MONTHS[0]))


def test_the_clock_is_shown_in_the_zone_of_the_source(mariadb: MariaDb, address: URL, engine: Engine) -> None:
    """The clock is returned in the zone of the source, for the preflight to compare."""
    found = source(engine).clock()
    assert found is not None
    assert abs(found.replace(tzinfo=ZONE) - datetime.now(timezone.utc)) < timedelta(minutes=1)


# -- the institution's own SQL ---------------------------------------------------------------------------------------------

OWN_SQL = """
    -- 100 % nuestra: horas como '10:30' y porcentajes no son parámetros
    SELECT request_id AS REQUEST_ID, 'x' AS more, status_id, service_id, last_modified_date, opening_date
      FROM history
     WHERE last_modified_date >= :start AND last_modified_date < :end AND request_id NOT LIKE 'skip%' AND '10:30' <> 'a%b'
"""


@pytest.mark.parametrize("kind", [DATETIME, TIMESTAMP, TEXT])
def test_own_sql(mariadb: MariaDb, address: URL, engine: Engine, kind: str) -> None:
    """Columns are found by name, in any case and order; with wide bounds nothing is lost, since holds() decides."""
    fill(mariadb, address, ["2020-01-31 23:59:59.999999", "2020-02-01 00:00:00", "2020-02-29 23:59:59"], kind)
    found = source(engine, sql=OWN_SQL)
    assert {name.lower() for name in found.check()} == {*FIELDS, "more"}
    assert by_window(found, MONTHS) == {"2020-01": {"0"}, "2020-02": {"1", "2"}}
    assert len(found.sample(2)) == 2


# -- errors ---------------------------------------------------------------------------------------------------------------


def test_a_view_in_another_database(mariadb: MariaDb, address: URL, driver: str) -> None:
    """``database.view`` is found if the user may read it."""
    fill(mariadb, address, ["2020-02-01 00:00:00"], DATETIME)
    home = mariadb.database(driver)
    with mariadb.admin() as connection:
        connection.exec_driver_sql(f"GRANT SELECT ON {address.database}.{VIEW} TO {home.username}@'127.0.0.1'")
    reader = sa.create_engine(home)
    assert inside(source(reader, table=f"{address.database}.{VIEW}"), MONTHS[2]) == {"0"}
    reader.dispose()
    mariadb.drop(home)


def test_a_missing_view(engine: Engine) -> None:
    """The error for a missing view says what to ask the DBA for."""
    found = source(engine)
    for use in (found.check, lambda: list(found.read(MONTHS[0])), lambda: counted(found, MONTHS[0])):
        with pytest.raises(SetupError, match=rf"{VIEW}' doesn't exist \(error 1146\).* Ask your DBA for the view {VIEW}"):
            use()


def test_a_missing_column(mariadb: MariaDb, address: URL, engine: Engine) -> None:
    """The error names the missing column and the existing ones."""
    with mariadb.admin(address.database or "") as connection:
        connection.exec_driver_sql(f"CREATE TABLE {VIEW} (service_id text, request_id text, opened text, status_id int)")
    found = source(engine)
    with pytest.raises(SetupError, match="lacks the columns opening_date, last_modified_date; it has: service_id, request_id"):
        found.check()
    with pytest.raises(SetupError, match="lacks the columns opening_date, last_modified_date"):
        list(found.read(MONTHS[0]))


def test_a_view_whose_table_has_gone(mariadb: MariaDb, address: URL, engine: Engine) -> None:
    """A view whose table is gone is a permanent error."""
    fill(mariadb, address, [], DATETIME)
    with mariadb.admin(address.database or "") as connection:
        connection.exec_driver_sql("DROP TABLE history")
    with pytest.raises(SetupError, match="references invalid table"):
        source(engine).check()


def test_no_right_to_read(mariadb: MariaDb, address: URL, engine: Engine) -> None:
    """A missing privilege is a permanent error: the DBA must grant it."""
    fill(mariadb, address, [], DATETIME)
    with mariadb.admin() as connection:
        connection.exec_driver_sql(f"REVOKE SELECT ON {address.database}.* FROM {address.username}@'127.0.0.1'")
        connection.exec_driver_sql(f"GRANT SELECT ON {address.database}.history TO {address.username}@'127.0.0.1'")
    with pytest.raises(SetupError, match=r"command denied to user.*the permissions of its user"):
        source(engine).check()


def test_a_wrong_password(address: URL) -> None:
    """A wrong password is a permanent error, and is not shown."""
    with pytest.raises(SetupError, match="Access denied for user") as caught:
        source(sa.create_engine(address.set(password="another"))).check()
    assert "another" not in str(caught.value)


def test_an_unknown_database(address: URL) -> None:
    """An unknown database is a permanent error: its name is wrong, or the user has no access."""
    with pytest.raises(SetupError, match=r"Access denied for user|Unknown database"):
        source(sa.create_engine(address.set(database="nowhere"))).check()


def test_a_server_that_is_not_there(address: URL) -> None:
    """An unreachable server is a transient error."""
    with pytest.raises(SourceUnavailable, match="It will be tried again"):
        source(sa.create_engine(address.set(port=1))).check()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # pymysql reads the rest when deleted
def test_a_server_that_restarts(mariadb: MariaDb, address: URL, engine: Engine) -> None:
    """A restart in the middle of a month is a transient error; afterwards the same source works again."""
    with mariadb.admin(address.database or "") as connection:
        connection.exec_driver_sql(
            f"CREATE TABLE {VIEW} AS SELECT '1041' service_id, concat('R-', seq) request_id,"
            " CAST('2020-01-01' AS datetime) opening_date, 2 status_id, '2020-02-01' + INTERVAL seq SECOND last_modified_date"
            " FROM seq_1_to_300000"
        )
        connection.exec_driver_sql(f"ALTER TABLE {VIEW} MODIFY last_modified_date datetime")
    found = source(engine)
    rows = found.read(MONTHS[2])
    next(rows)
    mariadb.restart()
    with pytest.raises(SourceUnavailable, match="It will be tried again"):
        list(rows)
    assert counted(found, MONTHS[2]) == 300_000


def test_breaking_off_does_not_read_the_rest(mariadb: MariaDb, address: URL, engine: Engine) -> None:
    """Reading ten rows of a million and stopping is immediate, and leaves no connection behind."""
    with mariadb.admin(address.database or "") as connection:
        connection.exec_driver_sql(
            f"CREATE VIEW {VIEW} AS SELECT 1041 service_id, seq request_id, CAST('2020-01-01' AS datetime) opening_date,"
            " 2 status_id, CAST('2020-02-01' AS datetime) last_modified_date FROM seq_1_to_1000000000"
        )
    own = source(engine, sql=f"SELECT * FROM {VIEW} WHERE :start < :end")
    for found in (source(engine), own):
        assert len(found.sample(10)) == 10
        rows = found.read(MONTHS[2])
        next(rows)
        rows.close()
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # of every pool that is used here


def test_a_driver_that_holds_everything(address: URL) -> None:
    """mysql-connector-python, which cannot stream through SQLAlchemy, is refused at once, with an alternative."""
    pytest.importorskip("mysql.connector", reason="needs the driver mysql-connector-python")
    engine = sa.create_engine(address.set(drivername="mysql+mysqlconnector"))
    with pytest.raises(SetupError, match='"client": "pymysql"'):
        source(engine)
