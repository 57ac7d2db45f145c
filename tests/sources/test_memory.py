"""A million rows are read through a server-side cursor, in the memory of a few thousand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL

from tests.integration.conftest import Postgres
from tests.sources.mariadb import MariaDb

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]
ROWS = 1_000_000

#: MiB above idle.
MOST = 100


def measure(address: URL) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.sources.memory", address.render_as_string(hide_password=False)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "plugins"), str(ROOT)])},
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    print(found)  # noqa: T201 the figures of the documents
    return found


@pytest.fixture
def million_in_mariadb(mariadb: MariaDb, address: URL) -> URL:
    """A table of that many rows, all in February 2020."""
    with mariadb.admin(address.database or "") as connection:
        connection.exec_driver_sql(
            "CREATE TABLE tablero_status_changes AS SELECT '1041' service_id, concat('LCM-2020-', seq) request_id,"
            " CAST('2020-02-01' AS datetime) opening_date, 1 + seq MOD 21 status_id,"
            f" CAST('2020-02-01' + INTERVAL seq SECOND AS datetime) last_modified_date FROM seq_1_to_{ROWS}"
        )
    return address


@pytest.fixture
def million_in_postgresql(postgres: Postgres) -> Iterator[URL]:
    """The same table in PostgreSQL."""
    address = postgres.database()
    engine = sa.create_engine(address)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "create table tablero_status_changes as select '1041' service_id, 'LCM-2020-' || seq request_id,"
            " timestamp '2020-02-01' opening_date, (1 + seq %% 21)::int status_id,"
            f" timestamp '2020-02-01' + seq * interval '1 second' last_modified_date from generate_series(1, {ROWS}) seq"
        )
    engine.dispose()
    yield address
    postgres.drop(address)


def test_mariadb(million_in_mariadb: URL) -> None:
    """MariaDB is read in constant memory by each driver that streams."""
    found = measure(million_in_mariadb)
    assert found["rows"] == ROWS
    assert found["highest"] - found["idle"] < MOST


def test_postgresql(million_in_postgresql: URL) -> None:
    """PostgreSQL is read in constant memory by a named cursor."""
    found = measure(million_in_postgresql)
    assert found["rows"] == ROWS
    assert found["highest"] - found["idle"] < MOST
