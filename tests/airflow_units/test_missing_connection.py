"""A missing connection, and one that only seems to be missing because Airflow's own database does not answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import airflow.sdk
import pytest
import sqlalchemy as sa
from airflow.sdk import BaseHook, Connection
from airflow.sdk.exceptions import AirflowNotFoundException
from pytest_mock import MockerFixture
from tablero.airflow import configuration
from tablero.errors import SetupError, TransientError

SERVER = Connection(conn_id="tablero_outbox", conn_type="postgres", host="db.example", schema="tablero", login="tablero")


class Metadata:
    """Airflow's own database from a task's point of view: what it does not answer looks missing.

    :ivar away: whether it is down; the check for that waits until it ``comes_back``, or fails.
    """

    def __init__(self, connection: Connection | None, *, away: bool = False, comes_back: bool = True) -> None:
        self._connection = connection
        self._comes_back = comes_back
        self.away = away

    def get_connection(self, conn_id: str) -> Connection:
        if self.away or self._connection is None:
            raise AirflowNotFoundException(f"The conn_id `{conn_id}` isn't defined")
        return self._connection

    def get_dr_count(self, **_: Any) -> int:
        if self.away and not self._comes_back:
            raise RuntimeError("API_SERVER_ERROR")
        self.away = False
        return 1


@pytest.fixture
def in_a_task(monkeypatch: pytest.MonkeyPatch, mocker: MockerFixture, tmp_path: Path) -> Callable[[Metadata], Metadata]:
    """Puts the test into a task of an Airflow with this database."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))

    def enter(metadata: Metadata) -> Metadata:
        task = SimpleNamespace(dag_id="daily_send", run_id="r", get_dr_count=metadata.get_dr_count)
        mocker.patch.object(airflow.sdk, "get_current_context", return_value={"ti": task})
        mocker.patch.object(BaseHook, "get_connection", metadata.get_connection)
        return metadata

    return enter


def test_no_connection_means_a_file(in_a_task: Callable[[Metadata], Metadata], tmp_path: Path) -> None:
    """If the database answers that there is no connection, the outbox is a file."""
    in_a_task(Metadata(None))
    assert configuration.outbox_url().database == str(tmp_path / "tablero" / "outbox.db")


def test_a_database_that_is_away_is_no_missing_outbox(in_a_task: Callable[[Metadata], Metadata], tmp_path: Path) -> None:
    """If the database is down no outbox file is used: from an empty one, all delivered rows would be sent again."""
    in_a_task(Metadata(SERVER, away=True, comes_back=False))
    with pytest.raises(TransientError, match="tablero_outbox could not be looked up: Airflow's own database does not answer"):
        configuration.outbox_url()
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_comes_back(in_a_task: Callable[[Metadata], Metadata]) -> None:
    """If the database comes back during the check, the connection is looked up again and found."""
    in_a_task(Metadata(SERVER, away=True))
    assert configuration.outbox_url().get_backend_name() == "postgresql"


def test_no_source(in_a_task: Callable[[Metadata], Metadata]) -> None:
    """A missing source is permanent if the database says so, and transient if it is down."""
    in_a_task(Metadata(None))
    with pytest.raises(SetupError, match="There is no connection tablero_source"):
        configuration.source(configuration.read_settings()).__enter__()
    in_a_task(Metadata(None, away=True, comes_back=False))
    with pytest.raises(TransientError, match="tablero_source could not be looked up"):
        configuration.source(configuration.read_settings()).__enter__()


@pytest.mark.parametrize("answers", [True, False])
def test_in_the_api_server(monkeypatch: pytest.MonkeyPatch, mocker: MockerFixture, tmp_path: Path, answers: bool) -> None:
    """In the API server, where the page runs, the database itself is queried."""
    metadata = Metadata(None)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    mocker.patch.object(BaseHook, "get_connection", metadata.get_connection)
    from airflow import settings

    engine = sa.create_engine("sqlite://" if answers else f"sqlite:///{tmp_path}/nowhere/airflow.db")
    mocker.patch.object(settings, "Session", sa.orm.sessionmaker(engine))
    if answers:
        assert configuration.outbox_url().get_backend_name() == "sqlite"
    else:
        with pytest.raises(TransientError, match="does not answer"):
            configuration.outbox_url()


def test_in_a_callback(monkeypatch: pytest.MonkeyPatch, mocker: MockerFixture, tmp_path: Path) -> None:
    """In a callback, which may not query the database, a failure is still recorded in the file."""
    from airflow.sdk.execution_time.supervisor import BlockedDBSession

    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    mocker.patch.object(BaseHook, "get_connection", Metadata(None).get_connection)
    mocker.patch("airflow.settings.Session", BlockedDBSession)
    assert configuration.outbox_url().get_backend_name() == "sqlite"
