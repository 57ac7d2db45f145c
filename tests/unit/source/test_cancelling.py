"""What drivers offer for cancelling, where no server is at hand to run them against."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from pytest_mock import MockerFixture
from tablero.source.dialects.mssql import SQLServer

from tests.integration.samples import ZONE


@pytest.fixture
def engine() -> sa.Engine:
    """An engine of any database; what is tested are SQLAlchemy's events."""
    return sa.create_engine("sqlite://")


def test_pyodbc_cancels_by_the_last_cursor(engine: sa.Engine, mocker: MockerFixture) -> None:
    """pyodbc's connections cannot be cancelled, but their cursors can, by any thread."""
    dialect = SQLServer(ZONE)
    dialect.prepare(engine)
    with engine.connect() as connection:
        driver_connection: Any = connection.connection.driver_connection
        connection.execute(sa.text("SELECT 1"))
        dialect.cancel(engine, driver_connection)  # sqlite3's cursor has no cancel(), as pymssql's
        cursor = SimpleNamespace(cancel=mocker.Mock())
        dialect._remember(connection, cursor)
        dialect.cancel(engine, driver_connection)
    cursor.cancel.assert_called_once_with()
    engine.dispose()
    dialect.cancel(engine, driver_connection)  # nothing is left of a connection that was closed
    cursor.cancel.assert_called_once_with()
