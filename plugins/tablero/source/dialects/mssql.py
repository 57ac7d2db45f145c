"""SQL Server with pymssql or pyodbc. Written from its manual and drivers; never run against a real server."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from tablero.source.dialects.base import ColumnKind, Dialect

#: A collation that compares text by bytes.
_BYTEWISE = "Latin1_General_BIN2"

_DIGITS = "[0-9][0-9]"


class SQLServer(Dialect):
    """SQL Server."""

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
