"""The view with the five columns: its columns, and the conditions of its queries.

Bounds are coarse where a type cannot express an instant exactly (text, dates, local times around a change of the clocks): the
query then returns more rows, and :class:`~tablero.source.placing.Places` decides. So every row is in exactly one window.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, tzinfo
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.contract.status_change import FIELDS
from tablero.contract.windows import NO_DATE, OLDEST_DATE, Window, local_day
from tablero.source.codes import Meaning, meaning_of
from tablero.source.dialects.base import Chunks, ColumnKind, Dialect
from tablero.source.names import FoundView, look_up
from tablero.source.placing import Places

_DAY = timedelta(days=1)

#: Text that sorts before this is empty or begins with a blank, so it may be a date of any time.
_AFTER_BLANKS = "!"


class Census(NamedTuple):
    """The rows of the view by where they lie.

    :ivar rows: all rows.
    :ivar undated: without a valid date.
    :ivar older: before the first month.
    :ivar future: at or after now.
    """

    rows: int
    undated: int
    older: int
    future: int

    @property
    def in_windows(self) -> int:
        """Rows in the windows from the first month until now."""
        return self.rows - self.undated - self.older - self.future


class _Span(NamedTuple):
    """Two instants as bounds of the column's type, and whether they are exact."""

    start: Any
    end: Any
    exact: bool


class View:
    """The rows of the view.

    :param name: with its schema if necessary; quoted as in SQL if it contains dots or is case-sensitive.
    :param zone: time zone of naive timestamps.
    """

    is_own = False

    def __init__(self, name: str, dialect: Dialect, places: Places, zone: tzinfo) -> None:
        self.name = name
        self._dialect = dialect
        self._places = places
        self._zone = zone
        self._found: FoundView | None = None
        self._kind: ColumnKind | None = None

    def check(self, connection: Connection) -> list[str]:
        """Return the names of the five columns. Queries nothing that a load does not query.

        :raises SetupError: if one is missing, or has a type that cannot be read.
        """
        found = self._find(connection)
        with connection.execute(self._select(connection).where(sa.text("1=0"))) as result:
            self._dialect.inspect(result.cursor.description if result.cursor is not None else ())
        self._kind_of_changes(connection)
        return [str(column.name) for column in found.columns]

    def chunks(self, connection: Connection, window: Window) -> Chunks:
        """Rows that may be in ``window``."""
        condition = self._condition(connection, window)
        if condition is not None:
            yield from self._read(connection, self._select(connection).where(condition))

    def sample(self, connection: Connection, limit: int) -> list[tuple[Any, ...]]:
        """Some rows, in any order."""
        return [row for rows in self._read(connection, self._select(connection).limit(limit)) for row in rows]

    def count(self, connection: Connection, window: Window) -> int:
        """The number of rows in ``window``, counted by the database if it can, otherwise here."""
        condition = self._condition(connection, window)
        if condition is None:
            return 0
        found = self._find(connection)
        if window.kind != "undated" and self._span(window.start, window.end).exact:
            return int(connection.scalar(sa.select(sa.func.count()).select_from(found.table).where(condition)) or 0)
        values = self._values(connection, condition)
        return sum(self._places(value) in window for value in values)

    def census(self, connection: Connection, first: datetime, now: datetime) -> Census:
        """Count all rows by where they lie; the database counts the clear cases, and only the others are read.

        :param first: start of the first month.
        """
        found, kind = self._find(connection), self._kind_of_changes(connection)
        without = found.changed.is_(None)
        if kind is None:
            rows, nulls = connection.execute(sa.select(sa.func.count(), _count_if(without)).select_from(found.table)).one()
            return Census(int(rows), int(nulls or 0), 0, 0)
        changed = self._dialect.comparable(found.changed, kind)
        no_date = sa.or_(*self._dialect.no_dates(found.changed, kind))
        past, coming = self._span(first), self._span(now)
        counts = (without, sa.and_(~no_date, changed < past.start), sa.and_(~no_date, changed >= coming.end))
        asked = sa.select(sa.func.count(), *map(_count_if, counts)).select_from(found.table)
        rows, undated, older, future = (int(count or 0) for count in connection.execute(asked).one())
        unclear = [sa.and_(changed >= edge.start, changed < edge.end) for edge in (past, coming) if not edge.exact]
        for value in self._values(connection, sa.and_(~without, sa.or_(no_date, *unclear))):
            place = self._places(value)
            undated += place == NO_DATE
            older += NO_DATE < place < first
            future += place >= now
        return Census(rows, undated, older, future)

    def of_request(self, connection: Connection, request_id: str, limit: int) -> list[tuple[Any, ...]]:
        """The rows of one request, at most ``limit``."""
        found = self._find(connection)
        same = found.columns[FIELDS.index("request_id")] == sa.literal(request_id, sa.types.NullType())
        query = self._select(connection).where(same).limit(limit)
        try:
            return [row for rows in self._read(connection, query) for row in rows if str(row[1]).strip() == request_id]
        except Exception as error:
            if meaning_of(error, connection.dialect.name) is Meaning.WRONG:
                return []  # the id cannot be compared with a numeric column
            raise

    # -- names and types ---------------------------------------------------------------------------------------------------

    def _find(self, connection: Connection) -> FoundView:
        if self._found is None:
            self._found = look_up(connection, self.name)
        return self._found

    def _select(self, connection: Connection) -> sa.Select[Any]:
        found = self._find(connection)
        return sa.select(*found.columns).select_from(found.table)

    def _read(self, connection: Connection, query: sa.Select[Any]) -> Chunks:
        with closing(self._dialect.stream(connection, query).chunks) as chunks:
            yield from chunks

    def _values(self, connection: Connection, condition: sa.ColumnElement[bool]) -> Iterator[Any]:
        """The values of ``last_modified_date`` of the rows that meet a condition."""
        found = self._find(connection)
        query = sa.select(found.changed).select_from(found.table).where(condition)
        return (value for rows in self._read(connection, query) for (value,) in rows)

    def _kind_of_changes(self, connection: Connection) -> ColumnKind | None:
        """The type of ``last_modified_date``; ``None`` if it is known only from values and the view is empty."""
        if self._kind is None:
            self._kind = self._dialect.kind_of(connection, self._find(connection).changed)
        return self._kind

    # -- conditions --------------------------------------------------------------------------------------------------------

    def _condition(self, connection: Connection, window: Window) -> sa.ColumnElement[bool] | None:
        """The condition for rows that may be in ``window``; ``None`` if the view is known to have none."""
        changed, kind = self._find(connection).changed, self._kind_of_changes(connection)
        undated = window.kind == "undated"
        if kind is None:
            return changed.is_(None) if undated else None
        compared = self._dialect.comparable(changed, kind)
        if undated:
            older = [compared < self._span(window.end).end] if window.end > OLDEST_DATE else []
            return sa.or_(changed.is_(None), *self._dialect.no_dates(changed, kind), *older)
        start, end, _ = self._span(window.start, window.end)
        inside = sa.and_(compared >= start, compared < end)
        if kind is ColumnKind.TEXT:
            return sa.or_(inside, compared < _AFTER_BLANKS)
        return sa.and_(inside, *map(sa.not_, self._dialect.zero_dates(changed)))

    def _span(self, start: datetime, end: datetime | None = None) -> _Span:
        """Bounds of the column's type that include everything from ``start`` to ``end``."""
        kind, end = self._kind, end or start
        assert kind is not None  # ensured by the caller
        if kind is ColumnKind.AWARE:
            return self._bounds(start, end, exact=True)
        if kind is ColumnKind.NAIVE:
            local_start, local_end = (edge.astimezone(self._zone).replace(tzinfo=None) for edge in (start, end))
            if self._is_steady(start) and self._is_steady(end):
                return self._bounds(local_start, local_end, exact=True)
            return self._bounds(local_start - _DAY, local_end + _DAY, exact=False)
        # Offsets are at most 14 hours, so local dates of two zones differ by at most one day.
        days = local_day(start, self._zone) - _DAY, local_day(end, self._zone) + 2 * _DAY
        if kind is ColumnKind.DAY:
            return self._bounds(*days, exact=False)
        return self._bounds(*(day.isoformat() for day in days), exact=False)

    def _bounds(self, start: Any, end: Any, *, exact: bool) -> _Span:
        assert self._kind is not None
        return _Span(self._dialect.bound(start, self._kind), self._dialect.bound(end, self._kind), exact)

    def _is_steady(self, instant: datetime) -> bool:
        """Whether the clocks do not change within a day of ``instant``."""
        offsets = {(instant + shift).astimezone(self._zone).utcoffset() for shift in (-_DAY, timedelta(), _DAY)}
        return len(offsets) == 1


def _count_if(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[Any]:
    return sa.func.sum(sa.case((condition, 1), else_=0))
