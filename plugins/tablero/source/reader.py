"""Reading the institution's database: one view with five columns, or the rows of the institution's own SQL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, tzinfo
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.engine import Connection, Engine
from tablero.contract.instants import InstantReader
from tablero.contract.windows import Window
from tablero.errors import SourceUnavailable, TableroError
from tablero.source.dialects.base import Chunks
from tablero.source.dialects.registry import dialect_of
from tablero.source.failures import translated
from tablero.source.interruptible import interruptible
from tablero.source.own_sql import OwnQuery
from tablero.source.placing import Places
from tablero.source.view import Census, Counts, View
from tablero.texts import source as texts

#: Seconds that a cancelled statement may take to end before its connection is closed.
GRACE = 5.0

Result = TypeVar("Result")

#: Time limit for a query about one request, in seconds.
QUESTION = 10.0


class Source:
    """Reads windows of status changes from the institution's database.

    Every method raises :class:`~tablero.errors.SetupError` if a person must fix something (the connection, privileges, the
    view),
    :class:`~tablero.errors.WindowUnreadable` if the server ended a query because of its own limit, and
    :class:`~tablero.errors.SourceUnavailable` if a retry may help.

    What a signal handler raises in the main thread (the task is told to end, or its time is up) ends the wait for any driver
    and cancels the statement, as :meth:`cancel` does for other threads.

    :param engine: of the connection ``tablero_source``.
    :param table: name of the view, with its schema if necessary (``reports.tablero_status_changes``); quoted as in SQL if it is
        case-sensitive or contains dots.
    :param sql: the institution's own query instead; see :class:`~tablero.source.own_sql.OwnQuery`.
    :param zone: time zone of naive timestamps (``source_timezone``) and of the session, so that the institution's SQL returns
        what its DBA sees.
    :param day_zone: the institution's time zone (``timezone``), whose days are used for text that is not a date.
    """

    def __init__(self, engine: Engine, *, table: str, sql: str | None, zone: tzinfo, day_zone: tzinfo) -> None:
        self._engine = engine
        self._dialect = dialect_of(engine.dialect.name, zone)
        self._read_instant = InstantReader(zone)
        #: Assigns an instant in UTC to a ``last_modified_date``, so that each row is in exactly one window.
        self.place = Places(zone, day_zone)
        self._rows = (
            View(table, self._dialect, self.place, zone) if sql is None else OwnQuery(sql, self._dialect, engine.dialect.name)
        )
        #: Driver connections in use, by ``id``, since not all drivers' connections are hashable.
        self._in_use: dict[int, Any] = {}
        #: In ``opened``: the ids of those that this thread is opening.
        self._this_thread = threading.local()
        self._is_cancelled = False
        self._dialect.prepare(engine)
        # Before all others: they, and SQLAlchemy, ask the server, and most drivers wait without a limit for its answers.
        event.listen(engine, "connect", self._is_open, insert=True)

    @property
    def engine(self) -> Engine:
        """The engine of the connection, for lineage; reading goes through the methods below."""
        return self._engine

    def chunks(self, window: Window) -> Chunks:
        """Stream the rows that may be in ``window`` in chunks, in no particular order.

        A row has five values in the order of the contract. Rows outside the window may be included; check with :meth:`holds`.
        """
        chunks = self._chunks(window)
        while (rows := self._interruptibly(lambda: next(chunks, None))) is not None:
            try:
                yield rows
            except GeneratorExit:
                self._interruptibly(chunks.close)
                raise

    def _chunks(self, window: Window) -> Chunks:
        with self._connected() as connection, closing(self._rows.chunks(connection, window)) as chunks:
            for rows in chunks:
                yield rows
                self._refuse_if_cancelled()

    def read(self, window: Window) -> Generator[tuple[Any, ...], None, None]:
        """The same, row by row."""
        with closing(self.chunks(window)) as chunks:
            for rows in chunks:
                yield from rows

    def holds(self, window: Window, value: object) -> bool:
        """Whether a row with this ``last_modified_date`` belongs to ``window``."""
        return self.place(value) in window

    def count(self, windows: Collection[Window]) -> Counts | None:
        """Have the database count the rows of several windows, in one statement.

        :param windows: without overlaps; with the undated window, all rows of the view are looked at.
        :returns: ``None`` for the institution's own SQL, of which only the results for given bounds are known.
        """
        if not isinstance(view := self._rows, View):
            return None
        return self._ask(lambda connection: view.count(connection, windows))

    def census(self, undated: Window, now: datetime, *, within: float | None = None) -> Census | None:
        """Count all rows of the view by where they lie.

        :param undated: the window that ends where the first month begins.
        :param now: rows at or after it are in the future.
        :param within: time limit in seconds.
        :returns: ``None`` for the institution's own SQL, which only returns rows within bounds.
        :raises WindowUnreadable: if it takes longer.
        """
        if not isinstance(view := self._rows, View):
            return None
        return self._ask(lambda connection: view.census(connection, undated.end, now), within)

    def of_request(self, request_id: str, limit: int = 1_000) -> list[tuple[Any, ...]] | None:
        """The rows of one request, in no particular order.

        :param limit: maximum number of rows.
        :returns: ``None`` for the institution's own SQL, which cannot be queried by request.
        :raises WindowUnreadable: if it takes longer than :data:`QUESTION`.
        """
        if not isinstance(view := self._rows, View):
            return None
        return self._ask(lambda connection: view.of_request(connection, request_id, limit), QUESTION)

    def check(self) -> list[str]:
        """Check the columns without reading rows; returns their names."""
        return self._ask(self._rows.check)

    def sample(self, limit: int, *, within: float | None = None) -> list[tuple[Any, ...]]:
        """Some rows, in any order.

        :param limit: maximum number of rows.
        :param within: time limit in seconds.
        :raises WindowUnreadable: if it takes longer.
        """
        return self._ask(lambda connection: self._rows.sample(connection, limit), within)

    def clock(self) -> datetime | None:
        """The database's clock; ``None`` on SQLite, which uses ours. A naive value is in an unknown time zone."""
        if self._engine.dialect.name == "sqlite":
            return None
        value = self._ask(lambda connection: connection.scalar(sa.select(sa.func.current_timestamp())))
        return value if isinstance(value, datetime) else self._read_instant(value)

    def cancel(self) -> None:
        """End a read in another thread with :class:`~tablero.errors.SourceUnavailable` within seconds. Thread-safe.

        The statement is cancelled on the server; if that does not end it, its connection is closed. No further reads are
        possible. Returns at once.
        """
        self._is_cancelled = True
        # Not here: to cancel may take a connection, and a server that hangs may not give one.
        for seconds, end in ((0, self._cancel_statements), (GRACE, self._cut)):
            timer = threading.Timer(seconds, end)
            timer.daemon = True
            timer.start()

    def _cancel_statements(self) -> None:
        for connection in list(self._in_use.values()):
            self._dialect.cancel(self._engine, connection)

    def _cut(self) -> None:
        for connection in list(self._in_use.values()):
            self._dialect.cut(connection)
            self._dialect.cancel(self._engine, connection)  # a statement that has begun since

    def _ask(self, question: Callable[[Connection], Result], within: float | None = None) -> Result:
        def ask() -> Result:
            with self._connected() as connection, self._within(within, connection):
                return question(connection)

        return self._interruptibly(ask)

    def _interruptibly(self, work: Callable[[], Result]) -> Result:
        return interruptible(work, self.cancel, 2 * GRACE)

    def _refuse_if_cancelled(self) -> None:
        if self._is_cancelled:
            raise SourceUnavailable(texts.CANCELLED(view=self._rows.name))

    @contextmanager
    def _within(self, seconds: float | None, connection: Connection) -> Iterator[None]:
        if seconds is None:
            yield
            return
        driver_connection = connection.connection.driver_connection
        timer = threading.Timer(seconds, self._dialect.cancel, (self._engine, driver_connection))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        self._refuse_if_cancelled()
        try:
            with translated(self._engine, self._rows.name, own_sql=self._rows.is_own), self._in_reach() as connection:
                try:
                    self._dialect.set_up(connection)
                    yield connection
                except (exc.SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error):
                    connection.invalidate()  # its state is unknown, and a rollback could hide the cause
                    raise
        except TableroError as error:
            if self._is_cancelled and not isinstance(error, SourceUnavailable):
                raise SourceUnavailable(texts.CANCELLED(view=self._rows.name)) from error
            raise

    @contextmanager
    def _in_reach(self) -> Iterator[Connection]:
        """A connection that :meth:`cancel` can reach, from the moment that it is open until it is given back."""
        opened: list[int] = []
        try:
            self._this_thread.opened = opened
            try:
                connecting = self._engine.connect()
            finally:
                self._this_thread.opened = None
            with connecting as connection:
                self._enter(connection.connection.driver_connection, opened)  # it may be one of the pool
                yield connection
        finally:
            for key in opened:
                self._in_use.pop(key, None)

    def _is_open(self, driver_connection: Any, _record: Any) -> None:
        # Not one over which others are cancelled.
        if (opened := getattr(self._this_thread, "opened", None)) is not None:
            self._enter(driver_connection, opened)

    def _enter(self, driver_connection: Any, opened: list[int]) -> None:
        self._in_use[id(driver_connection)] = driver_connection
        opened.append(id(driver_connection))
        self._refuse_if_cancelled()  # while it was connecting
