"""Real databases: an SQLite file, and a PostgreSQL server started from a wheel."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine
from tablero.outbox.engine import connect
from tablero.outbox.schema import metadata
from tablero.outbox.upgrade import migrate

from sandbox.testing import Handle, running_sandbox
from tests.postgres import PostgresServer
from tests.waiting import wait_for

BACKENDS = ("sqlite", "postgresql")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("integration")


class Postgres(PostgresServer):
    """A PostgreSQL server for these tests alone, on which an empty database is quickly created."""

    def __init__(self) -> None:
        super().__init__(settings={"synchronous_commit": "off", "full_page_writes": "off"})

    def outbox(self) -> Engine:
        """An empty outbox, always the same one: emptying it takes a tenth of the time of creating and migrating another."""
        engine = connect(self._outbox)
        with engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL lock_timeout = '120s'")  # a test that left a transaction open
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
        """An empty database of an institution, always the same one."""
        engine = sa.create_engine(self._source, poolclass=sa.NullPool)
        with engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL lock_timeout = '120s'")
            connection.exec_driver_sql("DROP SCHEMA IF EXISTS public, reports CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
        return self._source

    @cached_property
    def _source(self) -> URL:
        return self.database()


@cache
def empty_sqlite_outbox() -> bytes:
    """An SQLite file that holds an empty outbox."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "outbox.db"
        engine = connect(f"sqlite:///{path}")
        migrate(engine)
        engine.dispose()
        return path.read_bytes()


def sqlite_outbox(folder: Path) -> Engine:
    """An empty outbox in SQLite for thousands of commits, none of which has to survive a power cut."""
    path = folder / "outbox.db"
    path.write_bytes(empty_sqlite_outbox())
    engine = connect(f"sqlite:///{path}")
    sa.event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
    return engine


@pytest.fixture
def quick_outbox(tmp_path: Path) -> Iterator[Engine]:
    """An empty outbox for tests of rules that do not depend on the database."""
    engine = sqlite_outbox(tmp_path)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The server, started once."""
    with Postgres() as server:
        yield server


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """The test runs once on each kind of database."""
    return str(request.param)


@pytest.fixture
def new_database(request: pytest.FixtureRequest, backend: str, tmp_path: Path) -> Iterator[Callable[..., URL]]:
    """Creates an empty database of the backend, which is dropped after the test."""
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
    """The URL of an empty database for an outbox."""
    return new_database()


@pytest.fixture
def outbox(request: pytest.FixtureRequest, backend: str, tmp_path: Path) -> Iterator[Engine]:
    """An empty outbox."""
    engine = request.getfixturevalue("postgres").outbox() if backend == "postgresql" else sqlite_outbox(tmp_path)
    try:
        yield engine
    finally:
        engine.dispose()


@pytest.fixture
def source_engine(request: pytest.FixtureRequest, backend: str, tmp_path: Path) -> Iterator[Engine]:
    """An empty database of an institution, opened without any option, as Airflow's own hook does."""
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
    """A dashboard that has received nothing and has no faults configured."""
    wait_for("the calls of the test before have ended", lambda: _shared_sandbox.stats()["in_flight"] == 0)
    _shared_sandbox.reset()
    return _shared_sandbox
