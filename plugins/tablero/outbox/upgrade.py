"""The version of the outbox's schema, and upgrading it with ``migrations/``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from tablero.errors import SetupError
from tablero.outbox.engine import lock, reading, writing
from tablero.texts import outbox as texts

_MIGRATIONS = Path(__file__).parent / "migrations"

#: Our own version table: the outbox may share a database with Airflow, whose table is called ``alembic_version``.
VERSION_TABLE = "tablero_version"

#: Stored in place of a version while another outbox is being moved here.
MOVING = "moving"

#: Key of the migration lock among PostgreSQL's advisory locks: "tablero" in bytes.
_MIGRATION_LOCK = int.from_bytes(b"tablero", "big")


def migrate(engine: Engine) -> None:
    """Upgrade the schema to the newest version; safe when several processes do so at once.

    :raises SetupError: if the schema is newer than this package, or a move to this outbox was interrupted.
    """
    head, found = _head(), usable_version(engine)
    if found == head:
        return
    if found is None:
        check_encoding(engine)
    # Imported here because Alembic takes 0.2 s, which every task process would pay for something that happens once.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    location = str(_MIGRATIONS).replace("%", "%%")
    scripts = ScriptDirectory(location).iterate_revisions(head, found or "base")
    for script in reversed(list(scripts)):
        # Long work is done first, in steps that commit, so that an interrupted migration continues where it stopped.
        if (prepare := getattr(script.module, "prepare", None)) is not None:
            prepare(engine)
        with migrating(engine) as connection:
            config = Config(attributes={"connection": connection})
            config.set_main_option("script_location", location)
            command.upgrade(config, script.revision)


@contextmanager
def migrating(engine: Engine) -> Iterator[Connection]:
    """A transaction that changes the schema or migrates rows; such transactions are serialised across processes."""
    with writing(engine) as connection:
        lock(connection, _MIGRATION_LOCK)
        yield connection


def schema_version(engine: Engine) -> str | None:
    """The schema version of the outbox; ``None`` if there is no outbox yet."""
    with reading(engine) as connection:
        if not sa.inspect(connection).has_table(VERSION_TABLE):
            return None
        version = connection.scalar(sa.select(sa.column("version_num")).select_from(sa.table(VERSION_TABLE)))
        return str(version) if version is not None else None


def usable_version(engine: Engine) -> str | None:
    """The schema version of an outbox that this package can upgrade or query; ``None`` if there is no outbox yet.

    :raises SetupError: if the schema is newer than this package, or a move to this outbox was interrupted.
    """
    head, found = _head(), schema_version(engine)
    if found == MOVING:
        raise SetupError(texts.HALF_MOVED)
    if found is not None and found > head:
        raise SetupError(texts.NEWER(found=found, head=head))
    return found


def _head() -> str:
    return max(path.stem.split("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py"))


def set_schema_version(engine: Engine, version: str) -> None:
    """Set the schema version of an outbox that exists."""
    with writing(engine) as connection:
        connection.execute(sa.update(sa.table(VERSION_TABLE, sa.column("version_num"))).values(version_num=version))


def check_encoding(engine: Engine) -> None:
    """Check that the outbox can store every id.

    :raises SetupError: if its encoding is not UTF-8.
    """
    if engine.dialect.name == "postgresql":
        with reading(engine) as connection:
            encoding = connection.scalar(sa.text("SHOW server_encoding"))
        if encoding != "UTF8":
            raise SetupError(texts.NOT_UTF8(encoding=str(encoding)))


def check_writable(engine: Engine) -> None:
    """Check that the outbox can be written, without leaving a trace.

    :raises OutboxUnavailable: if it is read-only, full, locked or unreachable.
    :raises SetupError: if the user lacks the privilege, or the encoding is not UTF-8.
    """
    check_encoding(engine)
    probe = sa.Table("tablero_probe", sa.MetaData(), sa.Column("x", sa.Integer))
    with writing(engine) as connection:
        connection.execute(sa.schema.CreateTable(probe))
        connection.execute(sa.schema.DropTable(probe))
