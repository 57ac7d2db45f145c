"""What differs between databases: the session, types of dates, how they are compared, how rows stream, how a statement
is cancelled. :class:`Dialect` is what most have in common; the modules beside this one change what is different.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Generator
from contextlib import suppress
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from enum import Enum
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

#: Rows that are in memory at a time.
CHUNK = 5_000

#: Seconds to reach a server, unless the connection says otherwise.
CONNECT_WITHIN = 15

_DAY = timedelta(days=1)

#: What Python can hold, and a little less: values beyond are no dates for us.
_FIRST_DATE, _LAST_DATE = date(1, 1, 3), date(9999, 12, 30)

#: Where there is no day, in text without its year: from the day after the last of a month to the first of the next. In February
#: from the 29th, since most years have none; :class:`tablero.source.placing.Places` knows better.
_LAST_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_GAPS = [(f"{month:02}-{days + 1:02}", f"{month + 1:02}-01") for month, days in enumerate(_LAST_DAYS[:-1], start=1)]
_FIRST_YEAR, _FIRST_DAY, _AFTER_THE_LAST = "0001", "01-01", "12-32"


class ColumnKind(Enum):
    """What type ``last_modified_date`` is of."""

    AWARE = "timestamp with an offset"
    NAIVE = "timestamp without an offset"
    DAY = "date"
    TEXT = "text"


class UnreadableType(Exception):
    """A column whose type does not say which instant its values are.

    :param name: of the type; never a value.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


#: Lists of rows, which may be broken off.
Chunks = Generator[list[Any], None, None]


class Stream(NamedTuple):
    """A query that is being read.

    :ivar names: of its columns.
    :ivar chunks: lists of rows.
    """

    names: list[str]
    chunks: Chunks


class Dialect:
    """What databases have in common.

    :param zone: of naive timestamps (``source_timezone``), which is also that of the session: what the institution's SQL
        makes of its columns depends on it.
    """

    def __init__(self, zone: tzinfo) -> None:
        self.zone = zone

    def prepare(self, engine: Engine) -> None:
        """Have new connections of ``engine`` give dates and texts in a form that loses nothing.

        :raises SetupError: if the driver cannot do what is asked of it.
        """

    def begin(self, connection: Connection) -> None:
        """Prepare a transaction that reads."""

    def kind_of(self, connection: Connection, column: sa.ColumnClause[Any]) -> ColumnKind | None:
        """What type a column is of, by a look at one value; ``None`` if there is none.

        :raises UnreadableType: if it is none of those.
        """
        result = connection.execute(sa.select(column).where(column.is_not(None)).limit(1))
        self.inspect(result.cursor.description if result.cursor is not None else ())
        row = result.first()
        return None if row is None else kind_of_value(row[0])

    def inspect(self, described: Any) -> None:
        """Look at the description of an answer (PEP 249).

        :raises SetupError: if it has a column which the driver would give without something that matters.
        """

    def comparable(self, column: sa.ColumnClause[Any], kind: ColumnKind) -> sa.ColumnElement[Any]:
        """A column as it is compared with bounds: text byte by byte, whatever the language or case of its collation."""
        return column

    def bound(self, value: Any, kind: ColumnKind) -> Any:
        """A bound as it is compared with a column."""
        return value

    def looks_like_a_day(self, column: sa.ColumnClause[Any]) -> sa.ColumnElement[bool]:
        """Whether text begins with four digits, two and two, and dashes between them."""
        return column.regexp_match("^[0-9]{4}-[0-9]{2}-[0-9]{2}")

    def no_dates(self, column: sa.ColumnClause[Any], kind: ColumnKind) -> list[sa.ColumnElement[bool]]:
        """Conditions of which at least one holds for every value, but NULL, that is no date; others may meet them too."""
        if kind is ColumnKind.TEXT:
            text = self.comparable(column, kind)
            day = self.substring(text, 6, 5)
            gaps = [sa.and_(day >= start, day < end) for start, end in _GAPS]
            outside = [text < _FIRST_YEAR, day < _FIRST_DAY, day >= _AFTER_THE_LAST]
            return [sa.not_(self.looks_like_a_day(column)), *outside, *gaps]
        first, last = (self.bound(_of_kind(edge, kind), kind) for edge in (_FIRST_DATE, _LAST_DATE))
        return [column < first, column >= last, *self.zero_dates(column)]

    def substring(self, text: sa.ColumnElement[Any], first: int, length: int) -> sa.ColumnElement[Any]:
        """``length`` characters of a text from the ``first`` on, counted from 1."""
        return sa.func.substr(text, first, length)

    def zero_dates(self, column: sa.ColumnClause[Any]) -> list[sa.ColumnElement[bool]]:
        """Conditions of values that stand in the order of dates and are none; such a row lies in no month."""
        return []

    def stream(self, connection: Connection, query: sa.Executable, values: dict[str, Any] | None = None) -> Stream:
        """Begin to read a query; its rows come as the driver gives them, :data:`CHUNK` at a time."""
        streaming = connection.execution_options(stream_results=True, max_row_buffer=CHUNK)
        # Rows are tuples, but SQLAlchemy's type hints say so only since 2.1.
        result: Any = streaming.execute(query, values or {})
        self.inspect(result.cursor.description if result.cursor is not None else ())
        return Stream(list(result.keys()), self._partitions(connection, result))

    def _partitions(self, connection: Connection, result: Any) -> Chunks:
        try:
            for rows in result.partitions(CHUNK):
                yield list(rows)
        except GeneratorExit:
            self.abandon(connection)
            raise

    def abandon(self, connection: Connection) -> None:
        """Called when a query is not read to its end: discard the rest without waiting for it."""

    def own_bounds(self, start: datetime, end: datetime) -> dict[str, Any]:
        """The bounds of ``source_sql``: local times of the source, a day too wide on both sides."""
        return {
            "start": (start - _DAY).astimezone(self.zone).replace(tzinfo=None),
            "end": (end + _DAY).astimezone(self.zone).replace(tzinfo=None),
        }

    def cancel(self, engine: Engine, driver_connection: Any) -> None:
        """Cancel the statement of another thread at the server; does nothing where the driver offers no way."""
        for name in ("cancel", "interrupt"):
            if callable(found := getattr(driver_connection, name, None)):
                found()
                return

    def cut(self, driver_connection: Any) -> None:
        """Close a connection whose server does not answer, so that the thread waiting on it wakes up; may do nothing."""


def _of_kind(day: date, kind: ColumnKind) -> date:
    if kind is ColumnKind.DAY:
        return day
    return datetime.combine(day, time(), timezone.utc if kind is ColumnKind.AWARE else None)


def kind_of_value(value: object) -> ColumnKind:
    """What a driver's value says of the type of its column.

    :raises UnreadableType: if it is no kind of date.
    """
    if isinstance(value, datetime):
        return ColumnKind.AWARE if value.tzinfo else ColumnKind.NAIVE
    if isinstance(value, date):
        return ColumnKind.DAY
    if isinstance(value, str):
        return ColumnKind.TEXT
    raise UnreadableType(type(value).__name__)


def shut(file_number: int) -> None:
    """Shut down a connection's socket; to the driver it looks as if the server had closed it."""
    with suppress(OSError), socket.socket(fileno=os.dup(file_number)) as shared:
        shared.shutdown(socket.SHUT_RDWR)
