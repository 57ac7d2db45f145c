"""Database access of the outbox: engines, instants, migrations, and the translation of driver errors."""

from __future__ import annotations

import math
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.engine import URL, Connection, Dialect, Engine
from sqlalchemy.types import TypeDecorator
from tablero.errors import OutboxUnavailable, SetupError
from tablero.source.codes import Meaning, code_of, meaning_of_words
from tablero.source.failures import words_of
from tablero.texts import outbox as texts

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)

#: Values bound in one statement; SQLite allows only some thousands.
MOST_BOUND = 1_000

#: Seconds that a transaction on SQLite waits for others.
_BUSY_SECONDS = 60.0

#: The longest wait inside SQLite, in seconds. It looks again after longer and longer pauses, up to a tenth of a second, while a
#: transaction takes milliseconds; and no signal handler runs meanwhile.
_BUSY_SLICE = 0.003


class Instant(TypeDecorator[datetime]):
    """A timezone-aware instant: ``timestamptz`` on PostgreSQL; microseconds since 1970 on SQLite, which has no such type."""

    impl = sa.BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """Choose the column type."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(sa.TIMESTAMP(timezone=True))
        return dialect.type_descriptor(sa.BigInteger())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Write an instant."""
        if value is None or dialect.name == "postgresql":
            return value
        return to_microseconds(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Read an instant, in UTC whatever the time zone of the PostgreSQL session."""
        if isinstance(value, datetime):
            return value if value.tzinfo is timezone.utc else value.astimezone(timezone.utc)
        return None if value is None else from_microseconds(value)


def to_microseconds(instant: datetime) -> int:
    """Microseconds from 1970-01-01T00:00Z to ``instant``."""
    return (instant - _EPOCH) // _MICROSECOND


def from_microseconds(number: int) -> datetime:
    """The instant, in UTC, ``number`` microseconds after 1970-01-01T00:00Z."""
    return _EPOCH + timedelta(microseconds=number)


def connect(url: str | URL) -> Engine:
    """Create the engine of an outbox.

    Every commit is on disk before it returns: an acknowledgement lost in a power failure would be posted again.

    SQLite: write-ahead log and ``synchronous=FULL``. Writing transactions take the write lock at their start and wait for it.

    PostgreSQL: no session state is used (no startup options, prepared statements or session time zone), so that a pooler in
    transaction mode such as PgBouncer works. What a transaction needs is set within it: :func:`writing`.

    :raises SetupError: for any database other than SQLite and PostgreSQL.
    """
    address = sa.make_url(url)
    backend = address.get_backend_name()
    if backend == "sqlite":
        engine = sa.create_engine(address, connect_args={"timeout": _BUSY_SLICE}, hide_parameters=True)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    if backend == "postgresql":
        engine = sa.create_engine(
            address.set(drivername="postgresql+psycopg"),
            connect_args={"prepare_threshold": None, **_PSYCOPG, **address.query},
            isolation_level="AUTOCOMMIT",  # a transaction begins where writing() says so, at the cost of no round trip
            hide_parameters=True,  # parameters are rows, which must not appear in logs
        )
        event.listen(engine, "checkin", _note_rest)
        event.listen(engine, "checkout", _ping_after_rest)
        return engine
    raise SetupError(texts.OTHER_DATABASE(kind=repr(backend)))


def address_of(engine: Engine) -> str:
    """The address of an outbox as it is shown to people: user, server and database, or the path of a file. No password, and no
    parameter, some of which are secrets as well, such as ``sslpassword``."""
    url = engine.url
    if url.drivername == "sqlite" and url.database:
        return url.database  # a URL would encode what people write otherwise, such as ñ
    host = url.host or url.query.get("host")  # a socket's directory is a parameter
    server = host if isinstance(host, str) else None
    return URL.create(url.drivername, url.username, None, server, url.port, url.database).render_as_string()


#: Defaults that the connection may override. Without the encoding, a SQL_ASCII database returns bytes instead of text. The
#: limits, in seconds and milliseconds, end the wait for a server that has vanished, since a task has 30 s to end.
_PSYCOPG = {
    "application_name": "tablero",
    "client_encoding": "utf8",
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


#: Seconds out of use after which a connection is asked whether the server still knows it.
_REST = 1.0


def _note_rest(_connection: Any, record: Any) -> None:
    record.info["in use until"] = time.monotonic()


def _ping_after_rest(connection: Any, record: Any, _proxy: Any) -> None:
    if time.monotonic() - record.info.get("in use until", math.inf) < _REST:
        return
    try:
        connection.execute("SELECT 1")
    except Exception as error:  # whatever it says: another connection is made
        raise exc.InvalidatePoolError from error


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver's own BEGIN would take the write lock too late
    _write_ahead(connection)
    connection.execute("PRAGMA synchronous=FULL")


def _write_ahead(connection: Any) -> None:
    # When several processes create the file at once, all but one fail immediately: SQLite has no busy wait for this lock.
    for is_last in (False, False, False, True):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if is_last or not _is_locked(error):
                raise
        _begin(connection, "BEGIN IMMEDIATE")  # waits for the other process, and fails if it takes too long
        connection.execute("COMMIT")


def _begin_sqlite(connection: Connection) -> None:
    reads = connection.get_execution_options().get("reads", False)
    _begin(connection.connection.driver_connection, "BEGIN" if reads else "BEGIN IMMEDIATE")


def _begin(connection: Any, statement: str) -> None:
    """Begin a transaction, with the lock that it needs: later statements do not wait for others."""
    end = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute(statement)
            connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1")
            return
        except sqlite3.OperationalError as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if time.monotonic() >= end or not _is_locked(error):
                raise


def _is_locked(error: sqlite3.Error) -> bool:
    return "locked" in str(error)  # Python 3.10 has no error codes


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection for reading; does not block writers.

    On SQLite all of it is one state; on PostgreSQL each statement reads what is committed when it begins.
    """
    with translated(engine), engine.connect().execution_options(reads=True) as connection, _cancelled_at_the_end(connection):
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction, committed to disk at the end whatever the server's default, or rolled back on an exception."""
    with translated(engine), engine.begin() as connection, _cancelled_at_the_end(connection):
        if engine.dialect.name == "postgresql":
            connection.connection.cursor().execute(_BEGIN_DURABLE)
        yield connection


@contextmanager
def _cancelled_at_the_end(connection: Connection) -> Iterator[None]:
    """Cancel the statement under way if the task is told to end: psycopg does so for some exceptions only, and a server that
    waits for a lock would go on waiting, and keep the locks that it has, after the task has ended."""
    driver: Any = connection.connection.driver_connection
    # Prepared now: SQLAlchemy will have closed the connection.
    cancel = driver.pgconn.get_cancel().cancel if connection.dialect.name == "postgresql" else None
    try:
        yield
    except Exception:
        raise
    except BaseException:
        if cancel is not None:
            # A server that has vanished may not even take a cancel request.
            request = threading.Thread(target=_quietly, args=(cancel,), name="tablero-cancel", daemon=True)
            request.start()
            request.join(_CANCEL_WITHIN)
        raise


def _quietly(action: Callable[[], object]) -> None:
    with suppress(Exception):
        action()


#: Seconds that a cancel request may take.
_CANCEL_WITHIN = 2.0


#: In one round trip. A server whose default is a stricter isolation level would show a transaction that waited for a lock the
#: state from before, and rows be staged twice. Stricter settings of durability, such as waiting for a replica, are kept.
_BEGIN_DURABLE = """
    BEGIN ISOLATION LEVEL READ COMMITTED;
    SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') IN ('off', 'local')
"""


@contextmanager
def translated(engine: Engine) -> Iterator[None]:
    """Translate the errors of the driver and of SQLAlchemy.

    :raises OutboxUnavailable: locked, full, read-only or unreachable: a retry may help.
    :raises SetupError: missing database or table, missing privilege, refused login: a retry does not help.
    """
    driver = engine.dialect.loaded_dbapi
    try:
        yield
    except (exc.SQLAlchemyError, driver.Error) as error:
        cause = getattr(error, "orig", None) or error
        if getattr(cause, "sqlstate", None) == _READ_ONLY and not _may_be_standby(engine):
            raise SetupError(texts.READ_ONLY(words=words_of(cause))) from error
        if _is_permanent(cause):
            raise SetupError(texts.REFUSED(words=words_of(cause))) from error
        if isinstance(cause, sqlite3.Error) and _is_full(engine):
            raise OutboxUnavailable(texts.DISK_FULL(path=engine.url.database, words=words_of(cause))) from error
        raise OutboxUnavailable(texts.UNAVAILABLE(words=words_of(cause))) from error


#: Bytes that must be free beside an SQLite file: for its write-ahead log and the index of that, without which it is not even
#: read.
_ROOM = 1 << 16


def _is_full(engine: Engine) -> bool:
    """Whether the disk of an SQLite file has no room left: SQLite itself may call that an I/O error."""
    try:
        return shutil.disk_usage(Path(engine.url.database or "").parent).free < _ROOM
    except OSError:
        return False


#: SQLite's primary result codes (lowest byte) for an error in a statement, such as a missing table, a damaged file, and a file
#: that is no database. A retry may help for all others (busy, full, read-only, cannot open).
_PERMANENT_RESULTS = {1, 11, 26}

#: SQLSTATE of a write to a server that is a standby, perhaps only until a failover has ended, or that is set to be read-only.
_READ_ONLY = "25006"


def _may_be_standby(engine: Engine) -> bool:
    """Whether the server is a standby, or does not say so."""
    try:
        with engine.connect() as connection:
            return connection.scalar(sa.select(sa.func.pg_is_in_recovery())) is not False
    except (exc.SQLAlchemyError, engine.dialect.loaded_dbapi.Error):
        return True


def _is_permanent(cause: BaseException) -> bool:
    """Whether it takes a person to fix the cause."""
    if isinstance(cause, sqlite3.Error):
        result = getattr(cause, "sqlite_errorcode", None)
        if result is not None:
            return result & 0xFF in _PERMANENT_RESULTS
        # Python 3.10 has no error codes. Other classes than OperationalError mean a damaged file, or no database.
        return not isinstance(cause, sqlite3.OperationalError) or "no such" in str(cause)
    if getattr(cause, "sqlstate", None) == _READ_ONLY:
        return False
    code = code_of(cause, "postgresql")
    meaning = code.meaning if code is not None else meaning_of_words(words_of(cause), "postgresql", cause)
    if meaning is None:  # an option that psycopg does not know
        return type(cause).__name__ == "ProgrammingError"
    return meaning in (Meaning.MISSING, Meaning.REFUSED, Meaning.WRONG)


_LOCK = sa.text("SELECT pg_advisory_xact_lock(:key)")
_NOW = sa.select(sa.func.clock_timestamp(type_=Instant))


def lock(connection: Connection, key: int) -> None:
    """Hold this lock until the end of the transaction, after waiting for it.

    Does nothing on SQLite, which has a single writer.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK, {"key": key})


def now_of(connection: Connection) -> datetime:
    """The current time in UTC by the outbox's clock: the server's, or this machine's for an SQLite file."""
    if connection.dialect.name == "postgresql":
        now: datetime = connection.execute(_NOW).scalar_one()
        return now.astimezone(timezone.utc)
    return datetime.now(timezone.utc)
