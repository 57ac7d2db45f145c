"""The tasks after ``api_path`` was changed for an existing outbox, in an Airflow that is not running."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from tablero.airflow import configuration, tasks
from tablero.airflow.configuration import clock, read_settings
from tablero.contract.windows import Window
from tablero.delivery.planning import plan_day
from tablero.errors import SettingsError
from tablero.outbox import ledger

from sandbox.settings import DEFAULT_CLIENT
from sandbox.testing import running_sandbox

PRODUCTION = "/r1/DO/GOB/CNC/MONITOREO/INTEGRACION/api/load"
PARAMS = {"dry_run": False, "resend": False, "accept_changes": False, "day": None}
DAY = "2026-11-20"
RUN = SimpleNamespace(run_id="run", run_type="manual", conf={}, data_interval_start=None, data_interval_end=None)
ROW = ("123", "REQ-1", "2026-11-20 08:00:00", 2, "2026-11-20 09:00:00")
NEXT_ROW = ("123", "REQ-1", "2026-11-20 08:00:00", 7, "2026-11-20 10:00:00")
_INSERT = "INSERT INTO tablero_status_changes VALUES (?, ?, ?, ?, ?)"


@pytest.fixture
def add_row(tmp_path: Path) -> Callable[[], None]:
    """Puts another row of the same day into the source."""

    def add() -> None:
        with closing(sqlite3.connect(tmp_path / "source.db")) as connection, connection:
            connection.execute(_INSERT, NEXT_ROW)

    return add


@pytest.fixture
def window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A day that was staged and delivered to the development dashboard, before the path was changed to production."""
    source = tmp_path / "source.db"
    with closing(sqlite3.connect(source)) as connection, connection:
        names = "service_id, request_id, opening_date, status_id, last_modified_date"
        connection.execute(f"CREATE TABLE tablero_status_changes ({names})")
        connection.execute(_INSERT, ROW)
    monkeypatch.setenv("AIRFLOW__TABLERO__XROAD_CLIENT", DEFAULT_CLIENT)
    for name, database in (("SOURCE", source), ("OUTBOX", tmp_path / "outbox.db")):
        monkeypatch.setenv(f"AIRFLOW_CONN_TABLERO_{name}", json.dumps({"conn_type": "sqlite", "host": str(database)}))
    with running_sandbox() as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_TABLERO_API", json.dumps({"conn_type": "http", "host": sandbox.url}))
        day = plan_day(read_settings(), DAY, now=clock()).to_json()
        extracted = tasks.extract({**PARAMS, "day": DAY}, RUN, PARAMS)
        assert extracted["windows"] == [day]
        assert tasks.post(extracted, PARAMS, RUN)["delivered"] == 1
    monkeypatch.setenv("AIRFLOW__TABLERO__API_PATH", PRODUCTION)
    return day


REFUSED = f"delivers to .*INTEGRACION-DEV/api/load, and the settings say {PRODUCTION}"


def test_what_is_new_is_not_sent(window: dict[str, str], add_row: Callable[[], None]) -> None:
    """Loading and posting fail permanently, and nothing that was delivered becomes pending again."""
    add_row()
    for work in (
        lambda: tasks.load(window, PARAMS, "run"),
        lambda: tasks.post({"windows": [window], "everything": False}, PARAMS, RUN),
        lambda: tasks.post({"windows": [window], "everything": True}, PARAMS, RUN),
        lambda: tasks.post({"windows": [window], "everything": False}, {**PARAMS, "resend": True}, RUN),
    ):
        with pytest.raises(SettingsError, match=REFUSED):
            work()
    with configuration.outbox() as engine:
        found = ledger.account(engine, Window.from_json(window))
    assert (found.delivered, found.pending) == (1, 1)


def test_nothing_new_is_not_green_either(window: dict[str, str]) -> None:
    """If there is nothing to post, the proof fails, since the rows were delivered to the other dashboard."""
    assert tasks.load(window, PARAMS, "run")["delivered"] == 0
    with pytest.raises(SettingsError, match=REFUSED):
        tasks.prove_day({"windows": [window]}, None, PARAMS, RUN, {})
