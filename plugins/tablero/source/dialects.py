"""What each kind of database has of its own: sessions, types of dates, how they are compared, and what its errors mean.

PostgreSQL, MariaDB/MySQL and SQLite as seen on real servers; SQL Server and Oracle as their manuals and drivers tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta, tzinfo
from enum import Enum
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from tablero.errors import SetupError

#: Parts of what databases say, in lower case, when an object of theirs is not there or not whole.
_MISSING_OBJECT = (
    *("no such table", "no such column", "does not exist", "doesn't exist", "unknown column", "references invalid table"),
    *("invalid object", "invalid column name", "invalid identifier"),
)

#: The same when they refuse a user, or what the user asks for.
_REFUSED = (
    *("password authentication failed", "no pg_hba.conf entry", "permission denied", "unable to open database file"),
    *("access denied", "command denied", "unknown database", "is not allowed to connect", "password has expired"),
    *("login failed", "cannot open database", "logon denied", "insufficient privileges", "account is locked"),
)

#: SQL Server's driver says so of a server that is down, and says that it may not exist.
_UNREACHABLE = "unable to connect"

#: From the first day that the dashboard takes to the last that MariaDB's TIMESTAMP holds.
_YEARS = range(2020, 2038)

_UNKNOWN_TIME_ZONE = 1298


class ColumnKind(Enum):
    """What type ``last_modified_date`` is of."""

    AWARE = "timestamp with an offset"
    NAIVE = "timestamp without an offset"
    DAY = "date"
    TEXT = "text"


_POSTGRESQL_KINDS = {
    "timestamp with time zone": ColumnKind.AWARE,
    "timestamp without time zone": ColumnKind.NAIVE,
    "date": ColumnKind.DAY,
    "text": ColumnKind.TEXT,
    "character varying": ColumnKind.TEXT,
    "character": ColumnKind.TEXT,
}

#: By the protocol's number of the type, which all drivers pass on. Values would not do: a zero date comes as text or as None.
_MYSQL_KINDS = {
    **dict.fromkeys((7, 12), ColumnKind.NAIVE),  # TIMESTAMP, DATETIME
    **dict.fromkeys((10, 14), ColumnKind.DAY),
    **dict.fromkeys((15, 249, 250, 251, 252, 253, 254), ColumnKind.TEXT),  # VARCHAR, the TEXTs, CHAR
}

_ORACLE_UNREADABLE = ("DB_TYPE_TIMESTAMP_TZ", "DB_TYPE_TIMESTAMP_LTZ")

#: Collations by whose order text stands byte by byte: a language's order is not that of dates.
_BYTEWISE = {"postgresql": "C", "mssql": "Latin1_General_BIN2"}


def prepare(engine: Engine, zone: tzinfo) -> None:
    """Have new connections give dates and texts in a form that loses nothing, and no row for what is wrong with another.

    :param zone: in which naive timestamps are read.
    :raises SetupError: if the driver cannot do what is asked of it.
    """
    if engine.driver == "mysqlconnector":
        raise SetupError(
            "Connection tablero_source uses mysql-connector-python, which would hold a whole month in memory. Put"
            ' {"client": "mysqlclient"} or {"client": "pymysql"} into its extra.'
        )
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _any_bytes_as_text)
    if engine.driver == "psycopg":
        event.listen(engine, "connect", _dates_as_text)
    if engine.dialect.name in ("mysql", "mariadb"):
        event.listen(engine, "connect", lambda connection, _record: _speak_in(connection, zone))


def _any_bytes_as_text(connection: Any, _record: Any) -> None:
    # SQLite keeps whatever bytes it is given as text, and the driver would refuse the whole answer for one value that is no
    # UTF-8. Such bytes come as lone surrogates instead: a row that holds some is rejected.
    connection.text_factory = _decode


def _decode(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


def _dates_as_text(connection: Any, _record: Any) -> None:
    # Python has no date before the year 1 or after 9999, and none that is ``infinity``: the driver would refuse the whole
    # answer for one such row. As text it is a row whose date is no date.
    from psycopg.types.string import TextLoader

    for name in ("date", "timestamp", "timestamptz"):
        connection.adapters.register_loader(name, TextLoader)
    connection.execute("SELECT set_config('timezone', 'UTC', false), set_config('datestyle', 'ISO, YMD', false)")
    connection.commit()


def _speak_in(connection: Any, zone: tzinfo) -> None:
    # MariaDB's TIMESTAMP is an instant, but is shown, and compared, as a local time of the session.
    cursor = connection.cursor()
    try:
        cursor.execute("SET time_zone = %s", (str(zone),))
    except Exception as error:  # of whichever driver it is; all give the server's number first
        if error.args[:1] != (_UNKNOWN_TIME_ZONE,):
            raise
        cursor.execute("SET time_zone = %s", (_only_offset(zone),))
    finally:
        cursor.close()


def _only_offset(zone: tzinfo) -> str:
    """The offset of a zone without daylight saving, as ``-04:00``; most servers know no names of zones."""
    offsets = {datetime(year, month, 1, tzinfo=zone).utcoffset() for year in _YEARS for month in range(1, 13)}
    offset = offsets.pop()
    if offsets or offset is None:
        raise SetupError(
            f"The source does not know the time zone {zone}, whose clocks change. Ask your DBA to load the names of zones"
            " (mariadb-tzinfo-to-sql, mysql_tzinfo_to_sql), or let the view give UTC and set [tablero] source_timezone to UTC."
        )
    sign, size = ("-", -offset) if offset < timedelta() else ("+", offset)
    minutes = size // timedelta(minutes=1)
    return f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"


def kind_of(connection: Connection, column: sa.ColumnClause[Any]) -> tuple[ColumnKind | None, Any] | None:
    """What type a column is of, by a look at one value, and that value; ``None`` if there is none.

    :raises SetupError: if it is of a type whose values do not say which instant they are.
    """
    dialect = connection.dialect.name
    told = sa.cast(sa.func.pg_typeof(column), sa.Text) if dialect == "postgresql" else column
    result = connection.execute(sa.select(told).where(column.is_not(None)).limit(1))
    described: list[Any] = list(result.cursor.description) if result.cursor is not None else []
    refuse_unreadable(described)
    row = result.first()
    if row is None:
        return None
    (value,) = row
    if dialect == "postgresql":
        return _POSTGRESQL_KINDS.get(value), value
    if dialect in ("mysql", "mariadb"):
        return _MYSQL_KINDS.get(described[0][1]), value
    return _kind_of_value(value), value


def _kind_of_value(value: object) -> ColumnKind | None:
    if isinstance(value, datetime):
        return ColumnKind.AWARE if value.tzinfo else ColumnKind.NAIVE
    if isinstance(value, date):
        return ColumnKind.DAY
    return ColumnKind.TEXT if isinstance(value, str) else None


def refuse_unreadable(described: Any) -> None:
    """Refuse columns of Oracle whose zone its driver drops without a word.

    :param described: the description of an answer (PEP 249).
    :raises SetupError: names them.
    """
    found = [name for name, kind, *_ in described if getattr(kind, "name", None) in _ORACLE_UNREADABLE]
    if found:
        columns = ", ".join(found)
        raise SetupError(
            f"The driver drops the time zone of {columns}. Let the view give local time:"
            f" CAST({found[0]} AT TIME ZONE 'America/Santo_Domingo' AS TIMESTAMP), in the zone of [tablero] source_timezone."
        )


@contextmanager
def cut_when_broken_off(connection: Connection) -> Iterator[None]:
    """If the reader of a query breaks off, cut the connection: MariaDB's drivers would first read all the rest."""
    try:
        yield
    except GeneratorExit:
        unread = getattr(connection.connection.driver_connection, "_result", None)
        if connection.engine.driver == "pymysql" and unread is not None:
            unread.unbuffered_active = False  # or it would look for the rest when it is deleted, and complain
        connection.invalidate()
        raise


def comparable(column: sa.ColumnClause[Any], kind: ColumnKind | None, dialect: str) -> sa.ColumnElement[Any]:
    """A column as it is to be compared with bounds: text byte by byte, whatever the language or case of its collation."""
    if kind is not ColumnKind.TEXT:
        return column
    if dialect in ("mysql", "mariadb"):
        # A collation would have to be one of the column's own character set.
        return sa.type_coerce(sa.cast(column, sa.LargeBinary), sa.String)
    return column.collate(_BYTEWISE[dialect]) if dialect in _BYTEWISE else column


def bound(value: Any, kind: ColumnKind, dialect: str) -> Any:
    """A bound as it is to be compared with a column."""
    if dialect != "mssql" or kind is ColumnKind.TEXT:
        return value
    # Not at the top: importing it costs every task process 0.1 s.
    from sqlalchemy.dialects import mssql

    types: dict[ColumnKind, Any] = {
        ColumnKind.AWARE: mssql.DATETIMEOFFSET,
        ColumnKind.NAIVE: mssql.DATETIME2,
        ColumnKind.DAY: sa.Date,
    }
    # Its driver writes dates as text, which a DATETIME would read by the language of the login, day before month.
    return sa.cast(sa.literal(value), types[kind])


def no_dates(column: sa.ColumnClause[Any], kind: ColumnKind | None, dialect: str) -> list[sa.ColumnElement[bool]]:
    """Conditions under which a value that is not NULL lies in no window.

    Text that does not begin with a digit sorts among no days. MariaDB has dates without a month or a day (``2020-02-00``),
    which stand somewhere in its order, but which some of its drivers give as ``None``.
    """
    if kind is ColumnKind.TEXT:
        compared = comparable(column, kind, dialect)
        return [compared < "0", compared >= ":"]
    if dialect in ("mysql", "mariadb") and kind in (ColumnKind.NAIVE, ColumnKind.DAY):
        return [sa.func.month(column) == 0, sa.func.dayofmonth(column) == 0]
    return []


def words_of(error: BaseException) -> str:
    """What the database said, without the form of the driver: some give a number and the words apart, or bytes."""
    match error.args:
        case (int() as number, str() | bytes() as words, *_):
            text = words.decode(errors="replace") if isinstance(words, bytes) else words
            return f"{text.strip()} ({number})"
    return str(error).strip()


def tells_of_missing_object(words: str) -> bool:
    """Whether the database says that a table, a view or a column is not there or not whole."""
    return _says(words, _MISSING_OBJECT)


def tells_of_refusal(words: str) -> bool:
    """Whether the database refuses the user, or what the user asks for."""
    return _says(words, _REFUSED)


def _says(words: str, parts: tuple[str, ...]) -> bool:
    lower = words.lower()
    return _UNREACHABLE not in lower and any(part in lower for part in parts)
