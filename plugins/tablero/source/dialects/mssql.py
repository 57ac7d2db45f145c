"""SQL Server with pymssql or pyodbc. Written from its manual and drivers; never run against a real server."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime, tzinfo
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from tablero.source.dialects.base import ColumnKind, Dialect

#: A collation that compares text by bytes.
_BYTEWISE = "Latin1_General_BIN2"

_DIGITS = "[0-9][0-9]"


class SQLServer(Dialect):
    """SQL Server."""

    def __init__(self, zone: tzinfo) -> None:
        super().__init__(zone)
        #: The last cursor of each connection, by its ``id``.
        self._cursors: dict[int, Any] = {}

    def prepare(self, engine: Engine) -> None:
        """Remember cursors, since pyodbc cancels by them; pymssql cancels nothing."""
        event.listen(engine, "before_cursor_execute", self._remember)
        event.listen(engine, "close", lambda connection, _record: self._cursors.pop(id(connection), None))

    def _remember(self, connection: Connection, cursor: Any, *_statement: Any) -> None:
        self._cursors[id(connection.connection.driver_connection)] = cursor

    def cancel(self, engine: Engine, driver_connection: Any) -> None:
        """With pyodbc, whose cursors may be cancelled by any thread."""
        with suppress(Exception):  # it may have been closed in the meantime
            self._cursors[id(driver_connection)].cancel()

    def comparable(self, column: sa.ColumnClause[Any], kind: ColumnKind) -> sa.ColumnElement[Any]:
        """Text with a binary collation."""
        return column.collate(_BYTEWISE) if kind is ColumnKind.TEXT else column

    def bound(self, value: Any, kind: ColumnKind) -> Any:
        """A cast: drivers send dates as text, which DATETIME parses in the order of the login's language."""
        if kind is ColumnKind.TEXT or not isinstance(value, (date, datetime)):
            return value
        # Imported here because it takes 0.1 s, which every task process would pay.
        from sqlalchemy.dialects import mssql

        types: dict[ColumnKind, Any] = {
            ColumnKind.AWARE: mssql.DATETIMEOFFSET,
            ColumnKind.NAIVE: mssql.DATETIME2,
            ColumnKind.DAY: sa.Date,
        }
        return sa.cast(sa.literal(value), types[kind])

    def is_a_day(self, column: sa.ColumnClause[Any]) -> sa.ColumnElement[bool]:
        """With SQL Server's LIKE patterns."""
        has_digits = self.comparable(column, ColumnKind.TEXT).like(f"{_DIGITS}{_DIGITS}-{_DIGITS}-{_DIGITS}%")
        return self.is_a_day_by_ranges(column, has_digits)

    def substring(self, text: sa.ColumnElement[Any], first: int, length: int) -> sa.ColumnElement[Any]:
        """With ``SUBSTRING``, since SQL Server has no ``SUBSTR``."""
        return sa.func.substring(text, first, length)
