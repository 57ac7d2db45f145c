"""The view with the five columns: its columns, and the conditions of its queries.

Bounds are coarse where a type cannot express an instant exactly (text, dates, local times around a change of the clocks): the
query then returns more rows, and :class:`~tablero.source.placing.Places` decides. So every row is in exactly one window.
"""

from __future__ import annotations

from bisect import bisect
from collections import Counter
from collections.abc import Collection
from contextlib import closing
from datetime import datetime, timedelta, timezone, tzinfo
from itertools import islice
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.contract.reasons import Reason
from tablero.contract.rules import Broken, identifier
from tablero.contract.status_change import FIELDS, spellings
from tablero.contract.windows import NO_DATE, OLDEST_DATE, Window, dateless_window, joined, local_day, span
from tablero.source.codes import Meaning, meaning_of
from tablero.source.dialects.base import Chunks, ColumnKind, Dialect
from tablero.source.names import FoundView, look_up
from tablero.source.placing import Places
from tablero.source.steps import PERHAPS_NO_DATE, between, between_texts, near

_DAY = timedelta(days=1)

#: Text that sorts before this is empty or begins with a blank, so it may be a date of any time.
_AFTER_BLANKS = "!"


class Counts(NamedTuple):
    """The rows of some windows.

    :ivar rows: all rows that were looked at; with the undated window, all of the view.
    :ivar of: the rows in each window.
    """

    rows: int
    of: dict[Window, int]


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

    def count(self, connection: Connection, windows: Collection[Window]) -> Counts:
        """Count the rows of several windows by one statement; what the database cannot place by itself is then read.

        Each row falls into one group, so that none is left out. With the undated window, they are all rows of the view. Rows
        without a value are in whichever group, and told from the others by count(column), which leaves them out.

        :param windows: without overlaps.
        """
        edges = sorted({edge for one in windows for edge in (one.start, one.end) if edge > OLDEST_DATE})
        changed, group = self._grouped(connection, windows, edges)
        found = connection.execute(sa.select(group, sa.func.count(), sa.func.count(changed)).group_by(group)).all()
        groups = Counter({int(number): int(dated) for number, _, dated in found if number >= 0})
        undated = sum(int(rows) - int(dated) for _, rows, dated in found)
        if any(dated for number, _, dated in found if number < 0):
            unclear = sa.select(changed, group).where(group < _number(0), changed.is_not(None))
            for rows in self._read(connection, unclear):
                for value, number in rows:
                    place = self._places(value)
                    if place != NO_DATE:
                        groups[bisect(edges, place)] += 1
                    elif number == PERHAPS_NO_DATE:
                        undated += 1
                    else:  # a date to the database alone: no window's reading returns it, so its count must not agree
                        groups[near(number) + 1] += 1
        dated = {one: groups[edges.index(one.end)] for one in windows if one.end > OLDEST_DATE}
        return Counts(groups.total() + undated, {one: dated.get(one, 0) + (NO_DATE in one) * undated for one in windows})

    def _grouped(
        self, connection: Connection, windows: Collection[Window], edges: list[datetime]
    ) -> tuple[sa.ColumnElement[Any], sa.ColumnElement[Any]]:
        """The columns of a subquery: ``last_modified_date``, and the group of the row."""
        found, kind = self._find(connection), self._kind_of_changes(connection)
        group: sa.ColumnElement[int] = _number(PERHAPS_NO_DATE)
        if kind is not None:
            group = self._group(found.changed, kind, edges)
        query = sa.select(found.changed, group.label("place")).select_from(found.table)
        if not any(window.kind == "undated" for window in windows):
            within = (self._condition(connection, window) for window in joined(windows))
            query = query.where(sa.or_(sa.false(), *(one for one in within if one is not None)))
        placed = query.subquery("placed")
        return placed.c[0], placed.c[1]

    def _group(self, changed: sa.ColumnClause[Any], kind: ColumnKind, edges: list[datetime]) -> sa.ColumnElement[int]:
        """The group of a value."""
        spans = list(map(self._span, edges))
        steps = between_texts(spans) if kind is ColumnKind.TEXT else between(spans)
        compared = self._dialect.comparable(changed, kind)
        no_date = sa.or_(*self._dialect.no_dates(changed, kind)), _number(PERHAPS_NO_DATE)
        groups: list[sa.ColumnElement[int]] = list(map(_number, steps.groups))
        if len(steps.mixed) == len(groups):
            return sa.case(no_date, else_=self._search(compared, steps.bounds, groups))
        for place in steps.mixed:
            groups[place] = sa.case(no_date, else_=groups[place])
        return self._search(compared, steps.bounds, groups)

    def _search(
        self, compared: sa.ColumnElement[Any], bounds: list[Any], groups: list[sa.ColumnElement[int]]
    ) -> sa.ColumnElement[int]:
        """The group of a value, by bisection: a view may compute the value anew for each comparison.

        CASEs nest as deep as the search is; SQL Server allows ten levels on a linked server, where each WHEN is a level.
        """
        if not bounds:
            return groups[0]
        middle = len(bounds) // 2
        below = self._search(compared, bounds[:middle], groups[: middle + 1])
        above = self._search(compared, bounds[middle + 1 :], groups[middle + 1 :])
        return sa.case((compared < self._bound(bounds[middle]), below), else_=above)

    def census(self, connection: Connection, first: datetime, now: datetime) -> Census:
        """Count all rows by where they lie.

        :param first: start of the first month.
        """
        older, since = span(OLDEST_DATE, first), span(first, now)
        rows, of = self.count(connection, [dateless_window(), older, since])
        return Census(rows, of[dateless_window()], of[older], rows - sum(of.values()))

    def of_request(self, connection: Connection, request_id: str, limit: int) -> list[tuple[Any, ...]]:
        """The rows of one request, at most ``limit``.

        An id is sent without blanks around it; only if there is none as it was sent, it is sought with blanks.
        """
        column: sa.ColumnElement[Any] = self._find(connection).columns[FIELDS.index("request_id")]
        exactly, *padded = (sa.literal(one, sa.types.NullType()) for one in spellings(request_id))
        try:
            return self._of_request(connection, request_id, column == exactly, limit) or self._of_request(
                connection, request_id, column.in_(padded), limit
            )
        except Exception as error:
            if meaning_of(error, connection.dialect.name) is Meaning.WRONG:
                return []  # the id cannot be compared with a numeric column
            raise

    def _of_request(
        self, connection: Connection, request_id: str, condition: sa.ColumnElement[bool], limit: int
    ) -> list[tuple[Any, ...]]:
        with closing(self._read(connection, self._select(connection).where(condition))) as chunks:
            rows = (row for rows in chunks for row in rows if _is_sent_as(row[1], request_id))
            return list(islice(rows, limit))

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
            older = [compared < self._bound(self._span(window.end)[1])] if window.end > OLDEST_DATE else []
            return sa.or_(changed.is_(None), *self._dialect.no_dates(changed, kind), *older)
        start, end = map(self._bound, self._span(window.start, window.end))
        inside = sa.and_(compared >= start, compared < end)
        if kind is ColumnKind.TEXT:
            return sa.or_(inside, compared < _AFTER_BLANKS)
        return sa.and_(inside, *map(sa.not_, self._dialect.false_dates(changed)))

    def _span(self, start: datetime, end: datetime | None = None) -> tuple[Any, Any]:
        """Values of the column's type between which everything from ``start`` to ``end`` lies.

        :param end: ``start`` if omitted; both values are then the same where the type expresses an instant exactly.
        """
        kind, end = self._kind, end or start
        if kind is ColumnKind.AWARE:
            return start, end
        if kind is ColumnKind.NAIVE:
            local_start, local_end = (edge.astimezone(self._zone).replace(tzinfo=None) for edge in (start, end))
            if self._is_steady(start) and self._is_steady(end):
                return local_start, local_end
            return local_start - _DAY, local_end + _DAY
        if kind is ColumnKind.DAY:
            # Offsets of zones are at most 14 hours, so local dates of two zones differ by at most one day.
            return local_day(start, self._zone) - _DAY, local_day(end, self._zone) + 2 * _DAY
        # Text may say any offset below 24 hours.
        first, last = (start - _DAY).astimezone(timezone.utc).date(), (end + _DAY).astimezone(timezone.utc).date()
        return first.isoformat(), (last + _DAY).isoformat()

    def _bound(self, value: Any) -> Any:
        """The value as it is compared with the column."""
        assert self._kind is not None  # ensured by the caller
        return self._dialect.bound(value, self._kind)

    def _is_steady(self, instant: datetime) -> bool:
        """Whether the clocks do not change within a day of ``instant``."""
        offsets = {(instant + shift).astimezone(self._zone).utcoffset() for shift in (-_DAY, timedelta(), _DAY)}
        return len(offsets) == 1


def _is_sent_as(value: object, request_id: str) -> bool:
    try:
        return identifier(value, Reason.MISSING_REQUEST_ID) == request_id
    except Broken:
        return False


def _number(value: int) -> sa.ColumnElement[int]:
    """A number that stands in the statement itself, since databases differ in how they type parameters."""
    return sa.literal_column(str(value), sa.Integer())
