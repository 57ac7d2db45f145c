"""Database plumbing of the outbox: engines, instants, migrations, and the border at which driver errors are translated."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
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

#: Values that one statement may name; SQLite binds no more than some thousands.
MOST_BOUND = 1_000

#: Seconds that a writer waits for another one on SQLite before it gives up.
_BUSY_SECONDS = 60

_MIGRATIONS = Path(__file__).parent / "migrations"

#: Our own version table: the outbox may share a database with Airflow, whose table is called ``alembic_version``.
VERSION_TABLE = "tablero_version"

#: In place of a version, while another outbox is being moved here.
MOVING = "moving"

#: Any number that no other user of PostgreSQL's advisory locks takes: "tablero" in bytes.
_MIGRATION_LOCK = int.from_bytes(b"tablero", "big")


class Instant(TypeDecorator[datetime]):
    """An aware instant: ``timestamptz`` on PostgreSQL, microseconds since 1970 on SQLite, which has no such type."""

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
        """Read an instant, in UTC, whatever zone the session of PostgreSQL has."""
        if isinstance(value, datetime):
            return value.astimezone(timezone.utc)
        return None if value is None else from_microseconds(value)


def to_microseconds(instant: datetime) -> int:
    """Microseconds from 1970-01-01T00:00Z to ``instant``."""
    return (instant - _EPOCH) // _MICROSECOND


def from_microseconds(number: int) -> datetime:
    """The instant, in UTC, ``number`` microseconds after 1970-01-01T00:00Z."""
    return _EPOCH + timedelta(microseconds=number)


def connect(url: str | URL) -> Engine:
    """An engine for the outbox.

    Every commit is on disk before it returns: an acknowledgement that a power cut forgets would be posted again.

    SQLite: write-ahead log, ``synchronous=FULL``. Transactions that write take the write lock at their start and wait for it.

    PostgreSQL: nothing is asked of the session, so that a pooler which shares sessions by transaction (PgBouncer) will do: no
    startup options, no statements prepared for later, no zone. What a transaction needs is set within it: :func:`writing`.

    :raises SetupError: for any other database than SQLite and PostgreSQL.
    """
    address = sa.make_url(url)
    backend = address.get_backend_name()
    if backend == "sqlite":
        engine = sa.create_engine(address, connect_args={"timeout": _BUSY_SECONDS}, hide_parameters=True)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    if backend == "postgresql":
        return sa.create_engine(
            address.set(drivername="postgresql+psycopg"),
            connect_args={"prepare_threshold": None, **_PSYCOPG, **address.query},
            pool_pre_ping=True,
            hide_parameters=True,  # rows do not belong into logs
        )
    raise SetupError(texts.OTHER_DATABASE(kind=repr(backend)))


#: Unless the connection says otherwise. A database in SQL_ASCII would give bytes for text.
_PSYCOPG = {"application_name": "tablero", "client_encoding": "utf8"}


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver's own BEGIN would come too late to take the write lock
    _write_ahead(connection)
    connection.execute("PRAGMA synchronous=FULL")


def _write_ahead(connection: Any) -> None:
    # Of processes that make the file at the same time all but one are refused at once: SQLite waits for any lock but this one.
    for is_last in (False, False, False, True):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if is_last or "locked" not in str(error):
                raise
        connection.execute("BEGIN IMMEDIATE")  # this waits for the others, and ends it if they take too long
        connection.execute("COMMIT")


def _begin_sqlite(connection: Connection) -> None:
    reads = connection.get_execution_options().get("reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection for reading one consistent state; takes no lock against writers."""
    with translated(engine), engine.connect().execution_options(reads=True) as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction: committed at the end, and on disk then, whatever the server's default; rolled back by an exception."""
    with translated(engine), engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(_DURABLE)
        yield connection


#: A server that waits for more than its own disk goes on doing so.
_DURABLE = sa.text("""
    SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') IN ('off', 'local')
""")


@contextmanager
def translated(engine: Engine) -> Iterator[None]:
    """The border: what the database says becomes an error of ours.

    :raises OutboxUnavailable: locked, full, read-only, unreachable: may pass.
    :raises SetupError: no such database or table, no right to it, refused login: will not.
    """
    driver = engine.dialect.loaded_dbapi
    try:
        yield
    except (exc.SQLAlchemyError, driver.Error) as error:
        cause = getattr(error, "orig", None) or error
        if _is_permanent(cause):
            raise SetupError(texts.REFUSED(words=words_of(cause))) from error
        raise OutboxUnavailable(texts.UNAVAILABLE(words=words_of(cause))) from error


#: SQLite's results (the lowest byte of its codes): an error in a statement, such as a missing table; a file that is damaged, or
#: no database. Everything else (busy, full, read-only, cannot be opened) may pass.
_PERMANENT_RESULTS = {1, 11, 26}

#: A server that is a standby for the moment.
_READ_ONLY = "25006"


def _is_permanent(cause: BaseException) -> bool:
    """Whether a person must act before it can work."""
    if isinstance(cause, sqlite3.Error):
        result = getattr(cause, "sqlite_errorcode", None)
        if result is not None:
            return result & 0xFF in _PERMANENT_RESULTS
        # Python 3.10 knows no codes. What is no OperationalError tells of a file that is damaged, or no database.
        return not isinstance(cause, sqlite3.OperationalError) or "no such" in str(cause)
    if getattr(cause, "sqlstate", None) == _READ_ONLY:
        return False
    code = code_of(cause, "postgresql")
    meaning = code.meaning if code is not None else meaning_of_words(words_of(cause), "postgresql", cause)
    if meaning is None:  # an option that psycopg does not know
        return type(cause).__name__ == "ProgrammingError"
    return meaning in (Meaning.MISSING, Meaning.REFUSED, Meaning.WRONG)


def migrate(engine: Engine) -> None:
    """Bring the schema to the newest version; safe when several processes do it at once.

    :raises SetupError: if the schema is newer than this package.
    """
    head = max(path.stem.split("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py"))
    found = schema_version(engine)
    if found == head:
        return
    if found == MOVING:
        raise SetupError(texts.HALF_MOVED)
    if found is not None and found > head:
        raise SetupError(texts.NEWER(found=found, head=head))
    if found is None:
        check_encoding(engine)
    # Not at the top: Alembic costs every task process 0.2 s, for something that happens once.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    location = str(_MIGRATIONS).replace("%", "%%")
    scripts = ScriptDirectory(location).iterate_revisions(head, found or "base")
    for script in reversed(list(scripts)):
        # What takes long is done before, in steps that each commit, so that a migration that was killed goes on where it was.
        if (prepare := getattr(script.module, "prepare", None)) is not None:
            prepare(engine)
        with migrating(engine) as connection:
            config = Config(attributes={"connection": connection})
            config.set_main_option("script_location", location)
            command.upgrade(config, script.revision)


@contextmanager
def migrating(engine: Engine) -> Iterator[Connection]:
    """A transaction which changes the schema, or carries rows over to it: one at a time, whoever else does the same."""
    with writing(engine) as connection:
        lock(connection, _MIGRATION_LOCK)
        yield connection


def lock(connection: Connection, key: int) -> None:
    """Wait until no other transaction holds this lock, and hold it to the end of this one.

    SQLite has one writer at any time.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


def now_of(connection: Connection) -> datetime:
    """The instant by the outbox's own clock, in UTC: the server's, or, where the outbox is a file, this machine's."""
    if connection.dialect.name == "postgresql":
        now: datetime = connection.execute(sa.select(sa.func.clock_timestamp(type_=Instant))).scalar_one()
        return now.astimezone(timezone.utc)
    return datetime.now(timezone.utc)


def schema_version(engine: Engine) -> str | None:
    """The version of the outbox's schema, or ``None`` if there is none yet."""
    with reading(engine) as connection:
        if not sa.inspect(connection).has_table(VERSION_TABLE):
            return None
        version = connection.scalar(sa.select(sa.column("version_num")).select_from(sa.table(VERSION_TABLE)))
        return str(version) if version is not None else None


def set_schema_version(engine: Engine, version: str) -> None:
    """Say what the schema is; only for an outbox that has one."""
    with writing(engine) as connection:
        connection.execute(sa.update(sa.table(VERSION_TABLE, sa.column("version_num"))).values(version_num=version))


def check_encoding(engine: Engine) -> None:
    """See that the outbox can hold any id there is.

    :raises SetupError: if its text is not UTF-8.
    """
    if engine.dialect.name == "postgresql":
        with reading(engine) as connection:
            encoding = connection.scalar(sa.text("SHOW server_encoding"))
        if encoding != "UTF8":
            raise SetupError(texts.NOT_UTF8(encoding=str(encoding)))


def check_writable(engine: Engine) -> None:
    """See whether the outbox can be written, and leave nothing behind.

    :raises OutboxUnavailable, SetupError: if not.
    """
    check_encoding(engine)
    with translated(engine), engine.connect() as connection:
        connection.execute(sa.schema.CreateTable(sa.Table("tablero_probe", sa.MetaData(), sa.Column("x", sa.Integer))))
        connection.rollback()
