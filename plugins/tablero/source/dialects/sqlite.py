"""SQLite, whose columns hold values of any type, whatever they are declared as."""

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
    """A file."""

    def prepare(self, engine: Engine) -> None:
        """Text that is no UTF-8 comes as lone surrogates: a row that holds some is rejected, and the others are read."""
        event.listen(engine, "connect", _any_bytes_as_text)

    def kind_of(self, connection: Connection, column: sa.ColumnClause[Any]) -> ColumnKind | None:
        """Text, if there is any; numbers among it are no dates."""
        kind = sa.func.typeof(column)
        if connection.scalar(sa.select(kind).where(kind == "text").limit(1)):
            return ColumnKind.TEXT
        other = connection.scalar(sa.select(kind).where(column.is_not(None)).limit(1))
        if other is not None:
            raise UnreadableType(str(other))
        return None

    def looks_like_a_day(self, column: sa.ColumnClause[Any]) -> sa.ColumnElement[bool]:
        """By SQLite's own kind of patterns, and of text only."""
        digits = "[0-9][0-9]"
        pattern = f"{digits}{digits}-{digits}-{digits}*"
        return sa.and_(sa.func.typeof(column) == "text", column.op("GLOB", is_comparison=True)(pattern))

    def own_bounds(self, start: datetime, end: datetime) -> dict[str, Any]:
        """Days as text."""
        # Offsets reach 14 hours: a local date is never more than a day away from that of any other zone.
        first, after = local_day(start, self.zone) - _DAY, local_day(end, self.zone) + 2 * _DAY
        return {"start": first.isoformat(), "end": after.isoformat()}


def _any_bytes_as_text(connection: Any, _record: Any) -> None:
    connection.text_factory = _decode


def _decode(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")
