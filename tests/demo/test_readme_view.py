"""The view that the README asks the DBA for, in a real PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Connection, Engine
from tablero.contract.windows import Window
from tablero.source.reader import Source

from tests.integration.samples import counted
from tests.postgres import PostgresServer

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
ZONE = ZoneInfo("America/Santo_Domingo")

# Tables that an institution already has. Their history includes an unmapped status and a service that is gone.
INSTITUTION = """
CREATE TABLE servicios (id_servicio integer PRIMARY KEY, codigo_tablero text);
CREATE TABLE estados (codigo text PRIMARY KEY, id_tablero integer);
CREATE TABLE historial_solicitudes (
    id_servicio integer, no_solicitud text, fecha_solicitud timestamp, codigo_estado text, fecha_estado timestamp
);
INSERT INTO servicios VALUES (1, '1041');
INSERT INTO estados VALUES ('REC', 9);
INSERT INTO historial_solicitudes VALUES
    (1, 'A-1', '2026-11-20 08:00', 'REC', '2026-11-20 08:00'),
    (1, 'A-1', '2026-11-20 08:00', 'GONE', '2026-11-20 09:00'),
    (2, 'A-2', '2026-11-20 08:00', 'REC', '2026-11-20 23:59:59'),
    (1, 'A-3', '2026-11-21 00:00', 'REC', '2026-11-21 00:00');
"""
DAY = Window(
    "day",
    "2026-11-20",
    datetime(2026, 11, 20, 4, tzinfo=timezone.utc),
    datetime(2026, 11, 21, 4, tzinfo=timezone.utc),
)


@pytest.fixture(scope="module")
def server() -> Iterator[Engine]:
    """A PostgreSQL server for this module."""
    with PostgresServer() as postgres:
        yield sa.create_engine(postgres.address, poolclass=sa.NullPool)


def statements(readme: str) -> str:
    """The statements in the README for the DBA."""
    (found,) = re.findall(r"```sql\n(.*?)```", (ROOT / readme).read_text(encoding="utf-8"), re.DOTALL)
    return found


@pytest.fixture(params=["README.md", "README.es.md"])
def connection(request: pytest.FixtureRequest, server: Engine) -> Iterator[Connection]:
    """The institution's database after the README's statements, which are rolled back afterwards."""
    with server.connect() as connection:
        connection.exec_driver_sql(INSTITUTION)
        connection.exec_driver_sql(statements(request.param))
        connection.exec_driver_sql("SET ROLE tablero")
        yield connection
        connection.rollback()


@pytest.fixture(params=["README.md", "README.es.md"])
def reader(request: pytest.FixtureRequest, server: Engine) -> Iterator[Engine]:
    """The same database, connected to as the README's own user."""
    with server.begin() as connection:
        connection.exec_driver_sql(INSTITUTION)
        connection.exec_driver_sql(statements(request.param))
    yield sa.create_engine(server.url, poolclass=sa.NullPool, connect_args={"options": "-c role=tablero"})
    with server.begin() as connection:
        connection.exec_driver_sql(
            "DROP OWNED BY tablero; DROP ROLE tablero;"
            " DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC"
        )


def test_the_view_is_one_that_the_package_reads(reader: Engine) -> None:
    """The view has all five columns by name, and each row in its local day, including rows without a status or service."""
    source = Source(reader, table="tablero_status_changes", sql=None, zone=ZONE, day_zone=ZONE)

    assert source.check() == ["service_id", "request_id", "opening_date", "status_id", "last_modified_date"]
    rows = sorted((row[:2] + row[3:4] for row in source.read(DAY)), key=str)
    assert rows == [("1041", "A-1", 9), ("1041", "A-1", None), (None, "A-2", 9)]
    assert counted(source, DAY) == 3


@pytest.mark.parametrize(
    "statement",
    ["SELECT * FROM historial_solicitudes", "DELETE FROM tablero_status_changes", "UPDATE servicios SET codigo_tablero = ''"],
)
def test_its_user_may_do_nothing_else(connection: Connection, statement: str) -> None:
    """Its user can neither read the tables behind the view nor write."""
    with pytest.raises(exc.DBAPIError, match=r"permission denied|cannot delete"):
        connection.exec_driver_sql(statement)
