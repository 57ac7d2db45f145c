"""An older copy of the outbox, put back beside an Airflow that remembers later deliveries."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.airflow.client import Client
from tests.airflow.dashboard import Dashboard, once
from tests.airflow.institution import Institution
from tests.airflow.server import Airflow

DAG, SPAN = "historical_load", {"start_month": "2023-02", "end_month": "2023-02"}


def test_an_older_copy_sends_nothing_again(
    server: Airflow, airflow: Client, institution: Institution, dashboard: Dashboard, tmp_path: Path
) -> None:
    """The run is refused by its preflight, whose log says what to do; with the newest copy the next run is green."""
    rows = institution.month(f"{dashboard.prefix}a", "2023-02", rows=20)
    assert _load(airflow) == "success"
    older = _copy(server.outbox, tmp_path / "older.db")
    rows += institution.month(f"{dashboard.prefix}b", "2023-02", rows=20)
    assert _load(airflow) == "success"
    newest = _copy(server.outbox, tmp_path / "newest.db")
    try:
        _put_back(older, server.outbox)
        run_id, state = airflow.load(DAG, SPAN)
        assert state == "failed"
        said = airflow.log(DAG, run_id, "preflight")
        assert "does not know the last delivery that Airflow remembers" in said
        assert "tablero adopt --from" in said
        assert dashboard.counts() == once(rows)
    finally:
        _put_back(newest, server.outbox)
    assert _load(airflow) == "success"
    assert dashboard.counts() == once(rows)


def _load(airflow: Client) -> str:
    return airflow.load(DAG, SPAN)[1]


def _copy(outbox: Path, to: Path) -> Path:
    """A backup, as SQLite makes it of a database in use."""
    with closing(sqlite3.connect(outbox)) as source, closing(sqlite3.connect(to)) as target:
        source.backup(target)
    return to


def _put_back(copy: Path, outbox: Path) -> None:
    for rest in outbox.parent.glob(f"{outbox.name}-*"):
        rest.unlink()
    shutil.copyfile(copy, outbox)
