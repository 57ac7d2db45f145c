"""SQLite, whose columns hold values of any type regardless of their declaration."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from tablero.contract.windows import local_day
from tablero.source.dialects.base import ColumnKind, Dialect, UnreadableType

_DAY = timedelta(days=1)


class SQLite(Dialect):
    """SQLite."""

    def prepare(self, engine: Engine) -> None:
        """Decode invalid UTF-8 to lone surrogates: a row that contains them is rejected, and the others are read."""
        event.listen(engine, "connect", _any_bytes_as_text)

    def kind_of(self, connection: Connection, column: sa.ColumnClause[Any]) -> ColumnKind | None:
        """Text, if any value is text; numbers are not dates."""
        kind = sa.func.typeof(column)
        if connection.scalar(sa.select(kind).where(kind == "text").limit(1)):
            return ColumnKind.TEXT
        other = connection.scalar(sa.select(kind).where(column.is_not(None)).limit(1))
        if other is not None:
            raise UnreadableType(str(other))
        return None

    def is_a_day(self, column: sa.ColumnClause[Any]) -> sa.ColumnElement[bool]:
        """With SQLite's GLOB patterns, for text only."""
        digits = "[0-9][0-9]"
        pattern = f"{digits}{digits}-{digits}-{digits}*"
        has_digits = sa.and_(sa.func.typeof(column) == "text", column.op("GLOB", is_comparison=True)(pattern))
        return self.is_a_day_by_ranges(column, has_digits)

    def own_bounds(self, start: datetime, end: datetime) -> dict[str, Any]:
        """Days as text."""
        # Offsets are at most 14 hours, so local dates of two zones differ by at most one day.
        first, after = local_day(start, self.zone) - _DAY, local_day(end, self.zone) + 2 * _DAY
        return {"start": first.isoformat(), "end": after.isoformat()}


def _any_bytes_as_text(connection: Any, _record: Any) -> None:
    connection.text_factory = _decode


def _decode(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")
