"""SQL Server, by pymssql or pyodbc, written from its manual and drivers; never run against a real server."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from tablero.source.dialects.base import ColumnKind, Dialect

#: The collation by which text is compared byte by byte.
_BYTEWISE = "Latin1_General_BIN2"

_DIGITS = "[0-9][0-9]"


class SQLServer(Dialect):
    """SQL Server."""

    def comparable(self, column: sa.ColumnClause[Any], kind: ColumnKind) -> sa.ColumnElement[Any]:
        """Text by a binary collation."""
        return column.collate(_BYTEWISE) if kind is ColumnKind.TEXT else column

    def bound(self, value: Any, kind: ColumnKind) -> Any:
        """Cast: the driver writes dates as text, which a DATETIME would read by the language of the login, day before month."""
        if kind is ColumnKind.TEXT or not isinstance(value, (date, datetime)):
            return value
        # Not at the top: importing it costs every task process 0.1 s.
        from sqlalchemy.dialects import mssql

        types: dict[ColumnKind, Any] = {
            ColumnKind.AWARE: mssql.DATETIMEOFFSET,
            ColumnKind.NAIVE: mssql.DATETIME2,
            ColumnKind.DAY: sa.Date,
        }
        return sa.cast(sa.literal(value), types[kind])

    def looks_like_a_day(self, column: sa.ColumnClause[Any]) -> sa.ColumnElement[bool]:
        """By SQL Server's own kind of patterns."""
        return self.comparable(column, ColumnKind.TEXT).like(f"{_DIGITS}{_DIGITS}-{_DIGITS}-{_DIGITS}%")

    def substring(self, text: sa.ColumnElement[Any], first: int, length: int) -> sa.ColumnElement[Any]:
        """SQL Server has no ``SUBSTR``."""
        return sa.func.substring(text, first, length)
