"""The institution's database: read access to one view with five columns, or to the rows of the institution's own SQL.

Bounds are coarse in SQL where its types cannot say an instant exactly (text, dates, local times around a change of clocks):
then the query lets more through, and :meth:`Source.holds` decides. So every row is in exactly one window.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta, timezone, tzinfo
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Connection, Engine
from tablero.contract.instants import InstantReader
from tablero.contract.status_change import FIELDS
from tablero.contract.windows import Window, first_instant, local_day
from tablero.errors import SetupError, SourceUnavailable
from tablero.source import dialects, postgres
from tablero.source.dialects import ColumnKind

_FETCH = 5_000
_DAY = timedelta(days=1)


class _Bounds(NamedTuple):
    start: Any
    end: Any
    exact: bool


class Source:
    """Reads windows of status changes from the institution's database.

    :param engine: of the connection ``tablero_source``.
    :param table: name of the view, with its schema if need be (``reports.tablero_status_changes``).
    :param sql: text of the institution's own query instead; it binds ``:start`` and ``:end`` and gives the five columns by
        name. The bounds that it gets are local times of ``zone`` (on SQLite: days as text), a day too wide on both sides.
    :param zone: in which naive timestamps are read (``source_timezone``).
    :param day_zone: the institution's zone (``timezone``), whose days decide where text that is no date belongs.
    """

    def __init__(self, engine: Engine, *, table: str, sql: str | None, zone: tzinfo, day_zone: tzinfo) -> None:
        self._engine = engine
        self._name = "source_sql" if sql else table
        self._sql = sql
        self._zone = zone
        self.read_instant = InstantReader(zone)
        self._day_zone = day_zone
        schema, _, name = table.rpartition(".")
        self._view = sa.table(name, *map(sa.column, FIELDS), schema=schema or None)
        self._kind: ColumnKind | None = None
        dialects.prepare(engine, zone)
        if sql is not None:
            missing = {"start", "end"} - set(sa.text(sql).compile().params)
            if missing:
                raise SetupError(f"source_sql does not bind {' and '.join(f':{name}' for name in sorted(missing))}.")

    @property
    def engine(self) -> Engine:
        """Of the connection; for those who say where rows come from, not for reading."""
        return self._engine

    def read(self, window: Window) -> Iterator[tuple[Any, ...]]:
        """Stream the rows that may lie in ``window``, in no order: the five values in the order of the contract.

        Rows outside of it can be among them; ask :meth:`holds`.

        :raises SetupError: if the view or a column is missing, or may not be read.
        :raises SourceUnavailable: if the database does not answer.
        """
        with self._connected() as connection:
            if self._sql is None:
                bounds = self._bounds(connection, window)
                if bounds is not None:
                    yield from self._stream(connection, sa.select(self._view).where(self._inside(bounds)))
            else:
                yield from self._own_query(connection, window)

    def count(self, window: Window) -> int:
        """How many rows of the source lie in ``window``: counted by the database where it can, else one by one."""
        with self._connected() as connection:
            if self._sql is not None:
                rows = self._own_query(connection, window)
                return sum(self.holds(window, row[-1]) for row in rows)
            bounds = self._bounds(connection, window)
            if bounds is None:
                return 0
            inside = self._inside(bounds)
            if bounds.exact:
                return int(connection.scalar(sa.select(sa.func.count()).select_from(self._view).where(inside)) or 0)
            query = sa.select(self._view.c.last_modified_date).where(inside)
            return sum(self.holds(window, value) for (value,) in self._stream(connection, query))

    def holds(self, window: Window, value: object) -> bool:
        """Whether a row with this ``last_modified_date`` belongs to ``window``.

        Text that is no date (``2020-02-30``) is placed where its characters sort among the days, so that one window,
        and no other, reports it.
        """
        instant = self.read_instant(value)
        if instant is not None:
            return instant in window
        first, after = (local_day(edge, self._day_zone).isoformat() for edge in (window.start, window.end))
        return isinstance(value, str) and first <= value < after

    def moment_of(self, value: object, window: Window) -> datetime:
        """Where a row of ``window`` stands in time: its instant, or the day among which text that is no date sorts."""
        instant = self.read_instant(value)
        if instant is not None:
            return instant
        day = local_day(window.start, self._day_zone)
        while (
            isinstance(value, str) and (day + _DAY).isoformat() <= value and first_instant(day + _DAY, self._day_zone) in window
        ):
            day += _DAY
        return max(window.start, first_instant(day, self._day_zone))

    def check(self) -> list[str]:
        """Look at the columns without reading rows.

        :returns: the names found.
        :raises SetupError: if one of the five is missing; shows what was found.
        """
        with self._connected() as connection:
            if self._sql is None:
                query: sa.Executable = sa.select(sa.text("*")).select_from(self._view).where(sa.text("1=0"))
                result = connection.execute(query)
            else:
                result = connection.execute(sa.text(self._sql), self._own_bounds(_NO_TIME))
            found = list(result.keys())
            dialects.refuse_unreadable(result.cursor.description if result.cursor is not None else ())
        self._order(found)
        return found

    def sample(self, limit: int) -> list[tuple[Any, ...]]:
        """Some rows, whichever come first."""
        with self._connected() as connection:
            if self._sql is None:
                return list(self._stream(connection, sa.select(self._view).limit(limit)))
            rows = self._own_query(connection, _ALL_TIME)
            found = list(islice(rows, limit))
            rows.close()
            return found

    def unseen(self, now: datetime) -> tuple[int, int] | None:
        """Rows that no window reads: without a ``last_modified_date`` that could be one, and (to a day or two) in the future.

        :returns: both counts; ``None`` where the institution's own SQL does not let them be counted.
        """
        if self._sql is not None:
            return None
        with self._connected() as connection:
            bounds = self._bounds(connection, Window("day", "future", now, now))
            if bounds is None:
                return 0, 0
            assert self._kind is not None  # without a kind there are no bounds
            future = dialects.bound(bounds.end, self._kind, self._engine.dialect.name)
            column = self._view.c.last_modified_date
            never = sa.or_(column.is_(None), *dialects.no_dates(column, self._kind, self._engine.dialect.name))
            counts = (_count_if(never), _count_if(sa.and_(~never, self._changed >= future)))
            missing, future = connection.execute(sa.select(*counts).select_from(self._view)).one()
        return int(missing or 0), int(future or 0)

    def clock(self) -> datetime | None:
        """The database's clock; ``None`` on SQLite, whose clock is ours. A naive one is in a zone that only it knows."""
        if self._engine.dialect.name == "sqlite":
            return None
        with self._connected() as connection:
            value = connection.scalar(sa.select(sa.func.current_timestamp()))
        return value if isinstance(value, datetime) else self.read_instant(value)

    def _own_query(self, connection: Connection, window: Window) -> Generator[tuple[Any, ...], None, None]:
        result = connection.execution_options(stream_results=True, yield_per=_FETCH).execute(
            sa.text(self._sql or ""), self._own_bounds(window)
        )
        order = self._order(list(result.keys()))
        with dialects.cut_when_broken_off(connection):
            for row in result:
                yield tuple(row[index] for index in order)

    def _order(self, found: list[str]) -> list[int]:
        names = [name.lower() for name in found]
        missing = [name for name in FIELDS if name not in names]
        if missing:
            raise SetupError(
                f"{self._name} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}; it has: {', '.join(found)}."
                f" Name the five columns {', '.join(FIELDS)}."
            )
        return [names.index(name) for name in FIELDS]

    def _own_bounds(self, window: Window) -> dict[str, Any]:
        if self._engine.dialect.name == "sqlite":
            start, end = (day.isoformat() for day in self._wide_days(window))
            return {"start": start, "end": end}
        return {
            "start": (window.start - _DAY).astimezone(self._zone).replace(tzinfo=None),
            "end": (window.end + _DAY).astimezone(self._zone).replace(tzinfo=None),
        }

    def _wide_days(self, window: Window) -> tuple[date, date]:
        # Offsets reach 14 hours: a local date is never more than a day away from that of any other zone.
        return local_day(window.start, self._zone) - _DAY, local_day(window.end, self._zone) + 2 * _DAY

    def _inside(self, bounds: _Bounds) -> sa.ColumnElement[bool]:
        dialect, column = self._engine.dialect.name, self._view.c.last_modified_date
        assert self._kind is not None  # without a kind there are no bounds
        start, end = (dialects.bound(edge, self._kind, dialect) for edge in (bounds.start, bounds.end))
        # In a column of dates, those that are none stand in its order all the same; among texts, the bounds leave them out.
        none = [] if self._kind is ColumnKind.TEXT else dialects.no_dates(column, self._kind, dialect)
        return sa.and_(self._changed >= start, self._changed < end, *(~no_date for no_date in none))

    def _bounds(self, connection: Connection, window: Window) -> _Bounds | None:
        """The window in the type of the column, which a look at one value tells; ``None`` if the view is empty."""
        kind = self._column_kind(connection)
        if kind is None:
            return None
        if kind is ColumnKind.AWARE:
            return _Bounds(window.start, window.end, True)
        if kind is ColumnKind.NAIVE:
            start, end = (edge.astimezone(self._zone).replace(tzinfo=None) for edge in (window.start, window.end))
            if self._steady(window.start) and self._steady(window.end):
                return _Bounds(start, end, True)
            return _Bounds(start - _DAY, end + _DAY, False)
        start_day, end_day = self._wide_days(window)
        if kind is ColumnKind.DAY:
            return _Bounds(start_day, end_day, False)
        return _Bounds(start_day.isoformat(), end_day.isoformat(), False)

    def _column_kind(self, connection: Connection) -> ColumnKind | None:
        if self._kind is None:
            found = dialects.kind_of(connection, self._view.c.last_modified_date)
            if found is None:
                return None
            self._kind, value = found
            if self._kind is None:
                raise SetupError(
                    f"{self._name}.last_modified_date is of no type that tells an instant (found: {value!r}). Make it a"
                    " timestamp, or text in ISO 8601."
                )
        return self._kind

    @property
    def _changed(self) -> sa.ColumnElement[Any]:
        """``last_modified_date`` as it is compared with bounds."""
        return dialects.comparable(self._view.c.last_modified_date, self._kind, self._engine.dialect.name)

    def _steady(self, instant: datetime) -> bool:
        """Whether the clocks do not change within a day of ``instant``."""
        offsets = {(instant + shift).astimezone(self._zone).utcoffset() for shift in (-_DAY, timedelta(), _DAY)}
        return len(offsets) == 1

    def _stream(self, connection: Connection, query: sa.Select[Any]) -> Iterator[tuple[Any, ...]]:
        if postgres.is_readable(connection, query):
            yield from postgres.stream(connection, query, _FETCH)
            return
        # Its rows are tuples; SQLAlchemy's types say so only since 2.1.
        result: Any = connection.execution_options(stream_results=True, max_row_buffer=_FETCH).execute(query)
        with dialects.cut_when_broken_off(connection):
            for rows in result.partitions(_FETCH):
                yield from rows

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        driver = self._engine.dialect.loaded_dbapi
        try:
            with self._engine.connect() as connection:
                yield connection
        except (exc.SQLAlchemyError, driver.Error) as error:
            cause = getattr(error, "orig", None) or error
            words = dialects.words_of(cause)
            told = f"The source (connection tablero_source, {self._name}) says: {words}."
            missing = dialects.tells_of_missing_object(words)
            if self._sql is None and missing:
                raise SetupError(
                    f"{told} Ask your DBA for the view {self._name} with the columns {', '.join(FIELDS)}, or set"
                    " [tablero] source_table or source_sql."
                ) from error
            for_good = missing or dialects.tells_of_refusal(words)
            if for_good or isinstance(cause, (driver.ProgrammingError, driver.DataError)):
                what = "the query in source_sql" if self._sql else "the view"
                raise SetupError(f"{told} Check the connection, its user's right to read, and {what}.") from error
            raise SourceUnavailable(f"{told} It will be tried again.") from error


def _count_if(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[Any]:
    return sa.func.sum(sa.case((condition, 1), else_=0))


_NO_TIME = Window("day", "none", *(datetime(2020, 1, 1, tzinfo=timezone.utc),) * 2)
_ALL_TIME = Window("month", "all", datetime(1900, 1, 1, tzinfo=timezone.utc), datetime(2100, 1, 1, tzinfo=timezone.utc))


def load_sql(path: str | None) -> str | None:
    """The text of the file that ``source_sql`` names.

    :raises SetupError: if it cannot be read.
    """
    if path is None:
        return None
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"[tablero] source_sql = {path}: the file cannot be read ({error}).") from error
    return text.strip().rstrip(";")
