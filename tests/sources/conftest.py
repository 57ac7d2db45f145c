"""Databases of institutions: MariaDB from the system's package, PostgreSQL from a wheel, SQLite."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine

from tests.integration.conftest import Postgres, postgres  # noqa: F401 a fixture
from tests.sources.mariadb import MariaDb, programs, running

#: SQLAlchemy's names of the drivers that read without holding everything, and their modules.
DRIVERS = {"pymysql": "pymysql", "mysqldb": "MySQLdb"}


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    """The server, started once."""
    if programs() is None:
        pytest.skip("needs mariadbd and mariadb-install-db (Debian: apt-get install mariadb-server)")
    pytest.importorskip("pymysql", reason="needs pymysql, by which these tests fill the server")
    with running() as server:
        yield server


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest) -> str:
    """The test runs once by each driver."""
    try:
        importlib.import_module(DRIVERS[request.param])
    except ImportError:
        pytest.skip(f"needs the driver {DRIVERS[request.param]}")
    return str(request.param)


@pytest.fixture
def address(mariadb: MariaDb, driver: str) -> Iterator[URL]:
    """An empty database, by a user who may read it."""
    made = mariadb.database(driver)
    yield made
    mariadb.drop(made)


@pytest.fixture
def engine(address: URL) -> Iterator[Engine]:
    """As Airflow's own hook opens it: without any option."""
    made = sa.create_engine(address)
    try:
        yield made
    finally:
        made.dispose()
