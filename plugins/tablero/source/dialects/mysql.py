"""MariaDB and MySQL with mysqlclient or pymysql."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import datetime, timedelta, tzinfo
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from tablero.errors import SetupError
from tablero.source.dialects.base import CONNECT_WITHIN, ColumnKind, Dialect, UnreadableType, shut
from tablero.source.dialects.session import require_agreement
from tablero.texts import source as texts

#: By the protocol's type number, which all drivers expose. Values are not enough: a zero date is returned as text or as None.
_KINDS = {
    **dict.fromkeys((7, 12), ColumnKind.NAIVE),  # TIMESTAMP, DATETIME
    **dict.fromkeys((10, 14), ColumnKind.DAY),
    **dict.fromkeys((15, 249, 250, 251, 252, 253, 254), ColumnKind.TEXT),  # VARCHAR, the TEXTs, CHAR
}

#: From the first year that the dashboard takes to the last that a TIMESTAMP of MariaDB can hold.
_YEARS = range(2020, 2038)

_UNKNOWN_TIME_ZONE = 1298


class _Line(NamedTuple):
    """What must be known of a connection before it is in use: mysqlclient tells other threads nothing then.

    :ivar number: by which the server can be told to cancel its statement.
    :ivar file_number: of its socket; ``None`` where the driver does not tell.
    """

    number: int
    file_number: int | None


class MySQL(Dialect):
    """MariaDB or MySQL."""

    def __init__(self, zone: tzinfo) -> None:
        super().__init__(zone)
        self._lines: dict[int, _Line] = {}

    def prepare(self, engine: Engine) -> None:
        """Set the session's time zone to that of the source, in which TIMESTAMP is returned and compared."""
        if engine.driver == "mysqlconnector":
            raise SetupError(texts.DRIVER_HOLDS_EVERYTHING)
        pool = type(engine.pool)
        logging.getLogger(f"{pool.__module__}.{pool.__qualname__}").addFilter(_without_traceback)
        event.listen(engine, "do_connect", self._refuse_other_settings)
        event.listen(engine, "do_connect", _ask_for_utf8)
        event.listen(engine, "connect", lambda connection, _record: self._remember(connection), insert=True)
        event.listen(engine, "connect", _be_patient)
        event.listen(engine, "connect", _require_tls)
        event.listen(engine, "connect", lambda connection, _record: _speak_in(connection, self.zone))
        event.listen(engine, "close", lambda connection, _record: self._lines.pop(id(connection), None))

    def _refuse_other_settings(self, _dialect: Any, _record: Any, _arguments: Any, options: dict[str, Any]) -> None:
        require_agreement(str(options.get("init_command") or ""), "init_command", self.zone)

    def kind_of(self, connection: Connection, column: sa.ColumnClause[Any]) -> ColumnKind | None:
        """From the description of an empty result."""
        with connection.execute(sa.select(column).limit(0)) as result:
            ((_, code, *_),) = result.cursor.description if result.cursor is not None else ()
        if code not in _KINDS:
            raise UnreadableType(f"MySQL {code}")
        kind = _KINDS[code]
        if kind is ColumnKind.TEXT and _is_binary(connection, column):
            raise UnreadableType("BINARY")
        return kind

    def comparable(self, column: sa.ColumnClause[Any], kind: ColumnKind) -> sa.ColumnElement[Any]:
        """Text as bytes, since a collation must match the column's character set."""
        if kind is not ColumnKind.TEXT:
            return column
        return sa.type_coerce(sa.cast(column, sa.LargeBinary), sa.String)

    def false_dates(self, column: sa.ColumnClause[Any]) -> list[sa.ColumnElement[bool]]:
        """Dates without a month or a day (``2020-02-00``), or after the last of a month (``2020-02-30``); some drivers return
        them as None."""
        day = sa.func.dayofmonth(column)
        return [sa.func.month(column) == 0, day == 0, day > sa.func.dayofmonth(sa.func.last_day(column))]

    def abandon(self, connection: Connection, driver_connection: Any) -> None:
        """Close the connection, since the drivers would otherwise read all remaining rows first."""
        unread = getattr(driver_connection, "_result", None)
        if connection.engine.driver == "pymysql" and unread is not None:
            unread.unbuffered_active = False  # otherwise it would read the rest, and warn, when it is garbage-collected
        if not connection.invalidated:
            connection.invalidate()

    def cancel(self, engine: Engine, driver_connection: Any) -> None:
        """With ``KILL QUERY`` over another connection of the same user."""
        if (line := self._lines.get(id(driver_connection))) is not None:
            with suppress(Exception), engine.connect() as connection:
                connection.exec_driver_sql(f"KILL QUERY {line.number}")

    def cut(self, driver_connection: Any) -> None:
        """Through its socket."""
        line = self._lines.get(id(driver_connection))
        if line is not None and line.file_number is not None:
            shut(line.file_number)

    def _remember(self, connection: Any) -> None:
        socket = getattr(connection, "_sock", connection)  # of pymysql; mysqlclient tells its number itself, since 2.3
        file_number = socket.fileno() if hasattr(socket, "fileno") else None
        self._lines[id(connection)] = _Line(int(connection.thread_id()), file_number)


def _without_traceback(record: logging.LogRecord) -> bool:
    """A failed query fails once more when its cursor is closed, and SQLAlchemy's pool logs that with the server's words."""
    record.exc_info = None
    return True


def _is_binary(connection: Connection, column: sa.ColumnClause[Any]) -> bool:
    """Whether a column that is described like text has no character set: drivers return bytes. The type alone answers."""
    empty = sa.select(column).limit(0).scalar_subquery()
    return bool(connection.scalar(sa.select(sa.func.charset(empty))) == "binary")


def _ask_for_utf8(dialect: Any, record: Any, _arguments: Any, options: dict[str, Any]) -> None:
    record.info["tls"] = bool(options.get("ssl")) or options.get("ssl_mode") in ("REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")
    options["charset"] = "utf8mb4"
    options.setdefault("connect_timeout", CONNECT_WITHIN)
    # pymysql would wait for the greeting of a server that hangs for as long as for the rows of a query.
    record.info["read_timeout"] = options.get("read_timeout")
    if dialect.driver == "pymysql":
        options.setdefault("read_timeout", options["connect_timeout"])


def _be_patient(connection: Any, record: Any) -> None:
    # It is connected: rows may take their time.
    if hasattr(connection, "_read_timeout"):
        connection._read_timeout = record.info["read_timeout"]


def _require_tls(connection: Any, record: Any) -> None:
    # Drivers silently fall back to an unencrypted connection if the server has no TLS.
    if record.info["tls"]:
        cursor = connection.cursor()
        try:
            cursor.execute("SHOW STATUS LIKE 'Ssl_cipher'")
            ((_, cipher),) = cursor.fetchall()
        finally:
            cursor.close()
        if not cipher:
            raise SetupError(texts.NOT_ENCRYPTED)


def _speak_in(connection: Any, zone: tzinfo) -> None:
    cursor = connection.cursor()
    try:
        cursor.execute("SET time_zone = %s", (str(zone),))
    except Exception as error:  # all drivers put the server's error number first
        if error.args[:1] != (_UNKNOWN_TIME_ZONE,):
            raise
        cursor.execute("SET time_zone = %s", (_only_offset(zone),))
    finally:
        cursor.close()


def _only_offset(zone: tzinfo) -> str:
    """The offset of a zone without daylight saving, such as ``-04:00``; most servers have no time zone names loaded."""
    offsets = {datetime(year, month, 1, tzinfo=zone).utcoffset() for year in _YEARS for month in range(1, 13)}
    offset = offsets.pop()
    if offsets or offset is None:
        raise SetupError(texts.ZONE_NAMES_NOT_LOADED(zone=str(zone)))
    sign, size = ("-", -offset) if offset < timedelta() else ("+", offset)
    minutes = size // timedelta(minutes=1)
    return f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"
