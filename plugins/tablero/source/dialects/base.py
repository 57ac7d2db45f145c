"""What differs between databases: the session, date types and their comparison, streaming, and cancelling.

:class:`Dialect` implements what most have in common; the other modules override what is different.
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

#: Rows in memory at a time.
CHUNK = 5_000

#: Connect timeout in seconds, unless the connection sets one.
CONNECT_WITHIN = 15

_DAY = timedelta(days=1)

#: The range of Python's dates with a margin; values outside are not treated as dates.
_FIRST_DATE, _LAST_DATE = date(1, 1, 3), date(9999, 12, 30)

#: The days of a month, by the last one that it has in every year; :class:`tablero.source.placing.Places` decides exactly.
_DAYS = {
    "31": r"(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])",
    "30": r"(0[469]|11)-(0[1-9]|[12][0-9]|30)",
    "28": r"02-(0[1-9]|1[0-9]|2[0-8])",
}
_A_DAY = f"^[0-9]{{4}}-({'|'.join(_DAYS.values())})"

#: The same by ranges of text between which no day lies, for databases without regular expressions.
_LAST_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_GAPS = [(f"{month:02}-{days + 1:02}", f"{month + 1:02}-01") for month, days in enumerate(_LAST_DAYS[:-1], start=1)]
_FIRST_YEAR, _FIRST_DAY, _AFTER_THE_LAST = "0001", "01-01", "12-32"


class ColumnKind(Enum):
    """The type of ``last_modified_date``."""

    AWARE = "timestamp with an offset"
    NAIVE = "timestamp without an offset"
    DAY = "date"
    TEXT = "text"


class UnreadableType(Exception):
    """A column whose type does not identify instants.

    :param name: name of the type; never a value.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


#: Lists of rows; may be closed before their end.
Chunks = Generator[list[Any], None, None]


class Stream(NamedTuple):
    """A running query.

    :ivar names: of its columns.
    :ivar chunks: lists of rows.
    """

    names: list[str]
    chunks: Chunks


class Dialect:
    """The behaviour that databases have in common.

    :param zone: time zone of naive timestamps (``source_timezone``) and of the session, since the institution's SQL may depend
        on it.
    """

    def __init__(self, zone: tzinfo) -> None:
        self.zone = zone

    def prepare(self, engine: Engine) -> None:
        """Configure new connections of ``engine`` so that dates and texts are returned without loss.

        :raises SetupError: if the driver does not support it.
        """

    def set_up(self, connection: Connection) -> None:
        """Set up a connection, whichever transactions it begins."""

    def kind_of(self, connection: Connection, column: sa.ColumnClause[Any]) -> ColumnKind | None:
        """The type of a column, determined from one value; ``None`` if there is none.

        :raises UnreadableType: if it is not a :class:`ColumnKind`.
        """
        result = connection.execute(sa.select(column).where(column.is_not(None)).limit(1))
        self.inspect(result.cursor.description if result.cursor is not None else ())
        row = result.first()
        return None if row is None else kind_of_value(row[0])

    def inspect(self, described: Any) -> None:
        """Check the description of a result (PEP 249).

        :raises SetupError: if the driver would return a column without relevant information.
        """

    def comparable(self, column: sa.ColumnClause[Any], kind: ColumnKind) -> sa.ColumnElement[Any]:
        """A column in the form in which it is compared with bounds: text by bytes, independent of its collation."""
        return column

    def bound(self, value: Any, kind: ColumnKind) -> Any:
        """A bound in the form in which it is compared with a column."""
        return value

    def is_a_day(self, column: sa.ColumnClause[Any]) -> sa.ColumnElement[bool]:
        """A condition: text begins with a day, ``YYYY-MM-DD``, that every year has."""
        return column.regexp_match(_A_DAY)

    def is_a_day_by_ranges(self, column: sa.ColumnClause[Any], has_digits: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
        """The same without regular expressions.

        :param has_digits: a condition: text begins with the digits and dashes of ``YYYY-MM-DD``.
        """
        day = self.substring(self.comparable(column, ColumnKind.TEXT), 6, 5)
        gaps = (sa.and_(day >= start, day < end) for start, end in _GAPS)
        return sa.and_(has_digits, day >= _FIRST_DAY, day < _AFTER_THE_LAST, *map(sa.not_, gaps))

    def no_dates(self, column: sa.ColumnClause[Any], kind: ColumnKind) -> list[sa.ColumnElement[bool]]:
        """Conditions of which at least one holds for every value other than NULL that is not a date; others may match too."""
        if kind is ColumnKind.TEXT:
            return [sa.not_(self.is_a_day(column)), self.comparable(column, kind) < _FIRST_YEAR]
        first, last = (self.bound(_of_kind(edge, kind), kind) for edge in (_FIRST_DATE, _LAST_DATE))
        return [column < first, column >= last, *self.false_dates(column)]

    def substring(self, text: sa.ColumnElement[Any], first: int, length: int) -> sa.ColumnElement[Any]:
        """``length`` characters of a text from position ``first``, counted from 1."""
        return sa.func.substr(text, first, length)

    def false_dates(self, column: sa.ColumnClause[Any]) -> list[sa.ColumnElement[bool]]:
        """Conditions for values that the database sorts among dates, and that are none; such a row is in no month."""
        return []

    def stream(self, connection: Connection, query: sa.Executable, values: dict[str, Any] | None = None) -> Stream:
        """Start a query; its rows are streamed as the driver returns them, :data:`CHUNK` at a time."""
        streaming = connection.execution_options(stream_results=True, max_row_buffer=CHUNK)
        # Rows are tuples, but SQLAlchemy's type hints say so only since 2.1.
        result: Any = streaming.execute(query, values or {})
        self.inspect(result.cursor.description if result.cursor is not None else ())
        return Stream(list(result.keys()), self._partitions(connection, result))

    def _partitions(self, connection: Connection, result: Any) -> Chunks:
        driver_connection = connection.connection.driver_connection  # SQLAlchemy forgets it when it is lost
        try:
            for rows in result.partitions(CHUNK):
                yield list(rows)
        except BaseException:  # GeneratorExit included
            self.abandon(connection, driver_connection)
            raise

    def abandon(self, connection: Connection, driver_connection: Any) -> None:
        """Called when a query is not read to its end, or fails: discard the rest without reading it."""

    def own_bounds(self, start: datetime, end: datetime) -> dict[str, Any]:
        """The bounds for ``source_sql``: local times of the source, a day too wide on both sides."""
        return {
            "start": (start - _DAY).astimezone(self.zone).replace(tzinfo=None),
            "end": (end + _DAY).astimezone(self.zone).replace(tzinfo=None),
        }

    def cancel(self, engine: Engine, driver_connection: Any) -> None:
        """Cancel a statement of another thread on the server; does nothing if the driver has no means."""
        for name in ("cancel", "interrupt"):
            if callable(found := getattr(driver_connection, name, None)):
                with suppress(Exception):  # it may have been closed in the meantime
                    found()
                return

    def cut(self, driver_connection: Any) -> None:
        """Close a connection whose server does not answer, so that the waiting thread wakes up; may do nothing."""


def _of_kind(day: date, kind: ColumnKind) -> date:
    if kind is ColumnKind.DAY:
        return day
    return datetime.combine(day, time(), timezone.utc if kind is ColumnKind.AWARE else None)


def kind_of_value(value: object) -> ColumnKind:
    """The type of a column, from a value returned by the driver.

    :raises UnreadableType: if it is not a date type or text.
    """
    if isinstance(value, datetime):
        return ColumnKind.AWARE if value.tzinfo else ColumnKind.NAIVE
    if isinstance(value, date):
        return ColumnKind.DAY
    if isinstance(value, str):
        return ColumnKind.TEXT
    raise UnreadableType(type(value).__name__)


def shut(file_number: int) -> None:
    """Shut down a connection's socket, which to the driver looks as if the server had closed it."""
    with suppress(OSError), socket.socket(fileno=os.dup(file_number)) as shared:
        shared.shutdown(socket.SHUT_RDWR)
