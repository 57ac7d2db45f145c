"""Migrations create the schema that the code describes, on both databases, and only move forward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.engine import URL, Engine
from tablero.errors import OutboxUnavailable, SetupError
from tablero.outbox.engine import connect
from tablero.outbox.schema import metadata
from tablero.outbox.upgrade import VERSION_TABLE, check_writable, migrate, schema_version


def test_migrations_make_the_schema(outbox: Engine) -> None:
    """Migrations and code agree on every table, column, type and index."""
    with outbox.connect() as connection:
        options = {"compare_type": True, "version_table": VERSION_TABLE}
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    assert differences == []


def test_migrating_again_does_nothing(outbox: Engine) -> None:
    """Migrating again does nothing; every task does it at its start."""
    before = schema_version(outbox)
    migrate(outbox)
    assert schema_version(outbox) == before is not None


def test_no_schema_yet(empty_outbox_url: URL) -> None:
    """An empty database has no version, which is not an error."""
    engine = connect(empty_outbox_url)
    assert schema_version(engine) is None
    engine.dispose()


def test_a_newer_schema_is_left_alone(empty_outbox_url: URL) -> None:
    """An older package does not write to an outbox of a newer version."""
    engine = connect(empty_outbox_url)
    migrate(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(SetupError, match="newer than this package's"):
        migrate(engine)
    engine.dispose()


def test_beside_airflow(outbox: Engine) -> None:
    """The outbox may share a database with Airflow, whose version table is not touched."""
    assert "alembic_version" not in sa.inspect(outbox).get_table_names()


def test_a_trial_write_leaves_nothing(outbox: Engine) -> None:
    """The preflight's trial write leaves nothing behind."""
    tables = sa.inspect(outbox).get_table_names()
    check_writable(outbox)
    check_writable(outbox)
    assert sa.inspect(outbox).get_table_names() == tables


def test_other_databases_are_refused() -> None:
    """Other databases are refused, and the error says what to change."""
    with pytest.raises(SetupError, match="must be SQLite or PostgreSQL; connection tablero_outbox is 'mysql'"):
        connect("mysql://host/db")


def test_a_server_that_is_not_there() -> None:
    """An unreachable server is a transient error."""
    with pytest.raises(OutboxUnavailable, match="Nothing acknowledged is lost"):
        schema_version(connect("postgresql://nobody@127.0.0.1:1/none"))


def test_a_database_that_is_not_there(postgres: Any, new_database: Callable[..., URL], backend: str) -> None:
    """A missing database is a permanent error."""
    if backend == "sqlite":
        pytest.skip("SQLite makes the file")
    with pytest.raises(SetupError, match="does not exist"):
        schema_version(connect(new_database().set(database="nowhere")))
