"""After a historical load, ``status`` says where the proof over the whole view stands."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from pytest_mock import MockerFixture
from tablero.airflow import configuration, tasks
from tablero.errors import NotSettledError, WindowUnreadable
from tablero.outbox.reports.snapshot import snapshot
from tablero.source.reader import Source
from tablero.web.status import status

from sandbox.settings import DEFAULT_CLIENT
from sandbox.testing import running_sandbox

PARAMS = {"dry_run": False, "resend": False, "accept_changes": False, "start_month": "2026-09", "end_month": None}

#: Two of the months, one without a date, one from before the first month, one in the future.
CHANGED = ["2026-09-03 09:00:00", "2026-10-04 09:00:00", None, "2026-08-31 09:00:00", "2999-01-01 09:00:00"]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the tasks of a historical load from the first month."""
    source = tmp_path / "source.db"
    with closing(sqlite3.connect(source)) as connection, connection:
        names = "service_id, request_id, opening_date, status_id, last_modified_date"
        connection.execute(f"CREATE TABLE tablero_status_changes ({names})")
        rows = [("123", f"REQ-{number}", "2026-09-01 08:00:00", 2, changed) for number, changed in enumerate(CHANGED)]
        connection.executemany("INSERT INTO tablero_status_changes VALUES (?, ?, ?, ?, ?)", rows)
    monkeypatch.setenv("AIRFLOW__TABLERO__XROAD_CLIENT", DEFAULT_CLIENT)
    monkeypatch.setenv("AIRFLOW__TABLERO__EARLIEST", "2026-09-01")
    for name, database in (("SOURCE", source), ("OUTBOX", tmp_path / "outbox.db")):
        monkeypatch.setenv(f"AIRFLOW_CONN_TABLERO_{name}", json.dumps({"conn_type": "sqlite", "host": str(database)}))

    def run() -> None:
        windows = tasks.plan_months(PARAMS)
        tallies = [tasks.load(window, PARAMS, "manual__load") for window in windows]
        tasks.prove_months(windows, tallies, PARAMS, "manual__load", defaultdict(MagicMock))

    with running_sandbox() as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_TABLERO_API", json.dumps({"conn_type": "http", "host": sandbox.url}))
        yield run


def counted() -> tuple[dict[str, Any], str]:
    """What ``status`` says of the view: as JSON, and in its line."""
    with configuration.outbox() as engine, snapshot(engine, seconds=10) as connection:
        found = status(connection, configuration.read_settings(), configuration.clock())
    return found.to_json()["view_count"], found.line().en


def test_a_view_of_which_every_row_was_read(load: Callable[[], None]) -> None:
    """Rows in the view are those read, undated and older ones included, and those that are later."""
    load()
    view, line = counted()
    assert (view["result"], view["run_id"], view["difference"]) == ("complete", "manual__load", 0)
    assert (view["rows_read"], view["rows_counted"], view["rows_later"]) == (4, 4, 1)
    assert view["until"] <= view["counted_at"]
    assert "no row is missing" in line


def test_a_view_with_a_row_that_no_reading_returns(load: Callable[[], None], mocker: MockerFixture) -> None:
    """The difference is reported, and the run is red."""
    read = Source.chunks
    mocker.patch.object(
        Source, "chunks", lambda self, window: ([row for row in rows if row[1] != "REQ-0"] for rows in read(self, window))
    )
    with pytest.raises(NotSettledError):
        load()
    view, line = counted()
    assert (view["result"], view["rows_read"], view["rows_counted"], view["difference"]) == ("differs", 3, 4, 1)
    assert "a difference of 1" in line


def test_a_view_that_cannot_be_counted_in_time(load: Callable[[], None], mocker: MockerFixture) -> None:
    """The run is green, and says that the view was not counted."""
    mocker.patch.object(Source, "count", side_effect=WindowUnreadable("57014"))
    load()
    view, line = counted()
    assert (view["result"], view["rows_read"], view["rows_counted"], view["difference"]) == ("not_in_time", 4, None, None)
    assert "could not be counted" in line


def test_a_load_of_some_months_does_not_replace_the_count_of_all(
    load: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A load that ends in an earlier month counts less, so the count of all stays."""
    load()
    view, _ = counted()
    monkeypatch.setitem(PARAMS, "end_month", "2026-09")
    load()
    assert counted()[0] == view
