"""Databases of institutions: MariaDB from the system's package, PostgreSQL from a wheel, SQLite."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine

from tests.integration.conftest import Postgres, postgres  # noqa: F401 a fixture
from tests.sources import pooler as bouncer
from tests.sources import spanish as spanish_postgres
from tests.sources.mariadb import MariaDb, programs, running

#: SQLAlchemy's names of the drivers that stream results, and their modules.
DRIVERS = {"pymysql": "pymysql", "mysqldb": "MySQLdb"}


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    """The server, started once."""
    if programs() is None:
        pytest.skip("needs mariadbd and mariadb-install-db (Debian: apt-get install mariadb-server)")
    pytest.importorskip("pymysql", reason="needs pymysql, by which these tests fill the server")
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def spanish() -> Iterator[spanish_postgres.Server]:
    """Debian's PostgreSQL with the locale es_DO.UTF-8, started once."""
    if problem := spanish_postgres.missing():
        pytest.skip(problem)
    with spanish_postgres.running(settings=("timezone = 'America/Santo_Domingo'",)) as server:
        yield server


@pytest.fixture(scope="session")
def pooler(spanish: spanish_postgres.Server) -> Iterator[bouncer.Pooler]:
    """PgBouncer in transaction mode in front of the Spanish server."""
    with bouncer.running(spanish) as running_pooler:
        yield running_pooler


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest) -> str:
    """The test runs once for each driver."""
    try:
        importlib.import_module(DRIVERS[request.param])
    except ImportError:
        pytest.skip(f"needs the driver {DRIVERS[request.param]}")
    return str(request.param)


@pytest.fixture
def address(mariadb: MariaDb, driver: str) -> Iterator[URL]:
    """An empty database, as a user who may read it."""
    made = mariadb.database(driver)
    yield made
    mariadb.drop(made)


@pytest.fixture
def engine(address: URL) -> Iterator[Engine]:
    """The engine as Airflow's own hook opens it, without any option."""
    made = sa.create_engine(address)
    try:
        yield made
    finally:
        made.dispose()
