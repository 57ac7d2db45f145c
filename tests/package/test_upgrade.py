"""Upgrading from version 0.1.0 with runs in progress: its outbox, its runs, and its history in Airflow."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from sandbox.settings import DEFAULT_CLIENT
from sandbox.testing import Handle, running_sandbox
from tests.airflow.client import Client, wait_for
from tests.airflow.dashboard import Dashboard, once
from tests.airflow.institution import Change, Institution
from tests.airflow.server import ROOT, Airflow
from tests.postgres import PostgresServer

#: The commit that was version 0.1.0.
OLD = "4ee9d9b"

HISTORY, DAILY = "historical_load", "daily_send"
SETTINGS = {
    "xroad_client": DEFAULT_CLIENT,
    "batch_size": 20,
    "retries": 6,
    "retry_delay": 15,
    "max_retry_delay": 20,
}


def unpack(commit: str, folder: Path) -> None:
    """The DAG files and the package of a commit, as copied into an Airflow."""
    done = subprocess.run(["git", "archive", commit, "dags", "plugins"], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"skipped: the repository has no history back to {commit}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")


class Upgraded:
    """The state before, the runs in progress, and the Airflow afterwards."""

    def __init__(self, home: Path, postgres: PostgresServer, sandbox: Handle) -> None:
        self.installed = home / "installed"
        unpack(OLD, self.installed)
        self.institution = Institution(home / "institution.db", ZoneInfo("America/Santo_Domingo"))
        self.dashboard = Dashboard(sandbox, "up/")
        self.server = Airflow(home / "airflow", postgres.database(), SETTINGS)
        self.server.environment |= {
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.installed / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(self.installed / "plugins"),
        }
        self.airflow = self.server.start()
        self.airflow.connect("tablero_source", conn_type="sqlite", host=str(self.institution.path))
        self.airflow.connect("tablero_api", conn_type="http", host=sandbox.url)
        for dag in (HISTORY, DAILY):
            self.airflow.unpause(dag)
        self.rows: list[Change] = []

    def month(self, label: str) -> dict[str, str]:
        """Commit rows of a month; returns the parameters that load it."""
        self.rows += self.institution.month(f"{self.dashboard.prefix}{label}/", label, rows=50)
        return {"start_month": label, "end_month": label}

    def replace(self) -> None:
        """Replace the old version by the new one while Airflow is down."""
        self.server.stop()
        for part in ("dags", "plugins"):
            shutil.rmtree(self.installed / part)
            shutil.copytree(ROOT / part, self.installed / part, ignore=shutil.ignore_patterns("__pycache__"))
        self.airflow = self.server.start()


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Upgraded, dict[str, tuple[str, str]]]]:
    """The state after the upgrade, and the earlier runs by what they were doing: DAG and run id."""
    home = tmp_path_factory.mktemp("upgrade")
    with PostgresServer("psycopg2") as postgres, running_sandbox(home / "sandbox.db") as sandbox:
        one = Upgraded(home, postgres, sandbox)
        try:
            yield one, begun(one)
        finally:
            one.server.stop()


def begun(one: Upgraded) -> dict[str, tuple[str, str]]:
    airflow: Client = one.airflow
    ended, state = airflow.load(HISTORY, one.month("2021-01"))
    assert state == "success"
    refused = one.dashboard.add_fault("2021-02", kind="xroad", type="Server.ServerProxy.AccessDenied")
    failed, state = airflow.load(HISTORY, one.month("2021-02"))
    assert state == "failed"
    one.rows += one.institution.day(f"{one.dashboard.prefix}day/", date(2022, 5, 5))
    down = [one.dashboard.add_fault(part, kind="status", status=503) for part in ("2021-03", "day")]
    month = airflow.trigger(HISTORY, one.month("2021-03"))
    day = airflow.trigger(DAILY, {"day": "2022-05-05"})

    def waiting() -> bool:
        states = airflow.states(HISTORY, month).get(("load_month", 0)), airflow.states(DAILY, day).get(("post", -1))
        return set(states) == {"up_for_retry"}

    wait_for("both wait for their next try", waiting, every=0.2)
    one.replace()
    for fault in (refused, *down):
        one.dashboard.remove_fault(fault)
    return {"ended": (HISTORY, ended), "failed": (HISTORY, failed), "month": (HISTORY, month), "day": (DAILY, day)}


Begun = tuple[Upgraded, dict[str, tuple[str, str]]]


@pytest.mark.parametrize("what", ["month", "day"])
def test_a_run_under_way_goes_on(upgraded: Begun, what: str) -> None:
    """A run started by the old version is completed by the new one."""
    one, runs = upgraded
    assert one.airflow.wait(*runs[what]) == "success"


def test_a_failed_run_is_cleared_and_ends_well(upgraded: Begun) -> None:
    """A failed run is cleared and succeeds, with the XComs of its first tasks from the old version."""
    one, runs = upgraded
    one.airflow.clear(*runs["failed"], "load_month", 0)
    assert one.airflow.wait(*runs["failed"]) == "success"


def test_what_was_delivered_before_is_not_sent_again(upgraded: Begun) -> None:
    """The outbox is migrated: after another load each row has still arrived once."""
    one, runs = upgraded
    for what in ("month", "day", "failed"):
        one.airflow.wait(*runs[what])
    _, state = one.airflow.load(HISTORY, {"start_month": "2021-01", "end_month": "2021-03"})
    assert state == "success"
    assert one.dashboard.counts() == once(one.rows)


def test_the_grid_shows_the_runs_of_before(upgraded: Begun) -> None:
    """The grid shows earlier runs, since Airflow can read the DAGs serialized at the time."""
    one, runs = upgraded
    for dag_id, run_id in runs.values():
        assert "reconcile" in one.airflow.grid(f"/structure/{dag_id}")
        assert "reconcile" in one.airflow.grid(f"/ti_summaries/{dag_id}", run_ids=run_id)
