"""After ``api_path`` was changed under an outbox, what the tasks do, in an Airflow that is not running."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tablero import tasks
from tablero.configuration import clock, read_settings
from tablero.errors import SettingsError
from tablero.planning import plan_day

from sandbox.settings import DEFAULT_CLIENT
from sandbox.testing import running_sandbox

PRODUCTION = "/r1/DO/GOB/CNC/MONITOREO/INTEGRACION/api/load"
PARAMS = {"dry_run": False, "resend": False}
DAY = "2026-11-20"
ROW = ("123", "REQ-1", "2026-11-20 08:00:00", 2, "2026-11-20 09:00:00")


@pytest.fixture
def window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A day that was staged and delivered to the development dashboard; after that the path is that of production."""
    source = tmp_path / "source.db"
    with closing(sqlite3.connect(source)) as connection, connection:
        names = "service_id, request_id, opening_date, status_id, last_modified_date"
        connection.execute(f"CREATE TABLE tablero_status_changes ({names})")
        connection.execute("INSERT INTO tablero_status_changes VALUES (?, ?, ?, ?, ?)", ROW)
    monkeypatch.setenv("AIRFLOW__TABLERO__XROAD_CLIENT", DEFAULT_CLIENT)
    for name, database in (("SOURCE", source), ("OUTBOX", tmp_path / "outbox.db")):
        monkeypatch.setenv(f"AIRFLOW_CONN_TABLERO_{name}", json.dumps({"conn_type": "sqlite", "host": str(database)}))
    with running_sandbox() as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_TABLERO_API", json.dumps({"conn_type": "http", "host": sandbox.url}))
        day = plan_day(read_settings(), DAY, now=clock()).to_json()
        tasks.extract([day], PARAMS, "run")
        assert tasks.post([day], PARAMS, "run")["delivered"] == 1
    monkeypatch.setenv("AIRFLOW__TABLERO__API_PATH", PRODUCTION)
    return day


def test_nothing_is_sent_and_nothing_is_green(window: dict[str, str]) -> None:
    """Posting fails for good, loading a month does, and so does the proof, for which all would be settled otherwise."""
    for work in (
        lambda: tasks.post([window], PARAMS, "run"),
        lambda: tasks.post([window], {**PARAMS, "resend": True}, "run"),
        lambda: tasks.load(window, PARAMS, "run"),
        lambda: tasks.prove([window], [], PARAMS, "run", {}),
    ):
        with pytest.raises(SettingsError, match=f"delivers to .*INTEGRACION-DEV/api/load, and the settings say {PRODUCTION}"):
            work()
