"""The connection decides how the dashboard is called, and an unencrypted call causes one warning each time."""

from __future__ import annotations

import json
import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pytest_mock import MockerFixture
from tablero.airflow import configuration
from tablero.airflow.runs.checks import inspect_all, require_ready
from tablero.airflow.runs.sending import connector
from tablero.dashboard.client import Dashboard
from tablero.errors import TableroError
from tablero.settings import Settings

#: No server answers there, and no name has to be resolved.
ELSEWHERE = "192.0.2.1"
SETTINGS = Settings.read({"api_path": "/api/load", "connect_timeout": "0.2", "read_timeout": "0.2"})


def dashboard(monkeypatch: pytest.MonkeyPatch, saved: str) -> Dashboard:
    monkeypatch.setenv("AIRFLOW_CONN_TABLERO_API", saved)
    return configuration.dashboard(SETTINGS)


@pytest.mark.parametrize(
    ("saved", "url"),
    [
        ("https://ss.inst.gob.do", "https://ss.inst.gob.do/api/load"),
        ("https://ss.inst.gob.do:8443", "https://ss.inst.gob.do:8443/api/load"),
        ("https://tablero:clave@ss.inst.gob.do", "https://ss.inst.gob.do/api/load"),
        ("http://ss.inst.gob.do/https", "https://ss.inst.gob.do/api/load"),
        ("http://https%3A%2F%2Fss.inst.gob.do", "https://ss.inst.gob.do/api/load"),
        ("http://ss.inst.gob.do", "http://ss.inst.gob.do/api/load"),
        (json.dumps({"conn_type": "http", "host": "ss.inst.gob.do", "schema": "https"}), "https://ss.inst.gob.do/api/load"),
        (json.dumps({"conn_type": "http", "host": "https://ss.inst.gob.do"}), "https://ss.inst.gob.do/api/load"),
        (json.dumps({"conn_type": "https", "host": "ss.inst.gob.do", "port": 443}), "https://ss.inst.gob.do:443/api/load"),
    ],
)
def test_what_the_connection_says_is_done(monkeypatch: pytest.MonkeyPatch, saved: str, url: str) -> None:
    """``https`` in the URI, schema, type or host of the connection means https; only plain HTTP is unencrypted."""
    made = dashboard(monkeypatch, saved)
    assert made.url == url
    assert [bool(made.warnings)] == [url.startswith("http:")]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.8.8.8", "tablero.localhost"])
def test_this_machine_may_be_called_plainly(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """Unencrypted calls to this machine are fine, since nobody can intercept them."""
    assert dashboard(monkeypatch, f"http://{host}:8080").warnings == []


@pytest.fixture
def institution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mocker: MockerFixture) -> None:
    """A source with one row, an outbox, and a dashboard on another machine that is called without encryption."""
    with closing(sqlite3.connect(tmp_path / "source.db")) as connection, connection:
        names = "service_id, request_id, opening_date, status_id, last_modified_date"
        connection.execute(f"CREATE TABLE tablero_status_changes ({names})")
        connection.execute("INSERT INTO tablero_status_changes VALUES ('1', 'R', '2020-01-02', 2, '2020-01-03')")
    for name, database in (("SOURCE", "source.db"), ("OUTBOX", "outbox.db")):
        monkeypatch.setenv(
            f"AIRFLOW_CONN_TABLERO_{name}", json.dumps({"conn_type": "sqlite", "host": str(tmp_path / database)})
        )
    monkeypatch.setenv("AIRFLOW_CONN_TABLERO_API", f"http://{ELSEWHERE}")
    mocker.patch.object(logging.getLogger("tablero"), "propagate", True)


def warnings(caplog: pytest.LogCaptureFixture) -> int:
    return sum("unencrypted" in record.getMessage() for record in caplog.records)


@pytest.mark.usefixtures("institution")
@pytest.mark.parametrize("nightly", [False, True])
def test_the_check_and_the_preflights_tell_it_once(caplog: pytest.LogCaptureFixture, nightly: bool) -> None:
    """The check and the preflight report it once, as a finding with the host's name."""
    with caplog.at_level(logging.INFO):
        try:
            require_ready(inspect_all(SETTINGS, nightly=nightly))
        except TableroError:
            assert not nightly  # no server answers there, which a night leaves to the posting task
    assert warnings(caplog) == 1
    assert ELSEWHERE in caplog.text


@pytest.mark.usefixtures("institution")
def test_a_task_tells_it_once(caplog: pytest.LogCaptureFixture) -> None:
    """A task warns once, when it creates its client."""
    with configuration.outbox() as engine, caplog.at_level(logging.INFO):
        connect: Any = connector(engine, SETTINGS)
        assert connect() is connect()
    assert warnings(caplog) == 1
