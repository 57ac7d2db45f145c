"""A task process that is killed while sending."""

from __future__ import annotations

import os
import signal

from sandbox.testing import Handle
from tests.airflow import outbox
from tests.airflow.client import Client, wait_for
from tests.airflow.dashboard import Dashboard, once
from tests.airflow.institution import Institution
from tests.airflow.server import Airflow

DAG = "historical_load"


def test_kill_9(server: Airflow, airflow: Client, institution: Institution, sandbox: Handle, dashboard: Dashboard) -> None:
    """After SIGKILL Airflow retries; no acknowledged row is posted again, and repeated rows belong to unknown attempts."""
    rows = institution.month(dashboard.prefix, "2021-05", rows=150)
    slow = dashboard.add_fault(kind="delay", seconds=2.0)
    run_id = airflow.trigger(DAG, {"start_month": "2021-05", "end_month": "2021-05"})
    wait_for("one batch has arrived", dashboard.counts, every=0.1)
    slower = dashboard.add_fault(kind="delay", seconds=15.0)
    pid = airflow.tasks(DAG, run_id)["load_month", 0]["pid"]
    assert pid in {process.pid for process in server.processes()}
    wait_for("another one is in flight", lambda: sandbox.stats()["in_flight"], every=0.05)
    os.kill(pid, signal.SIGKILL)
    dashboard.remove_fault(slow)
    dashboard.remove_fault(slower)

    assert airflow.wait(DAG, run_id) == "success"
    assert len(airflow.tries(DAG, run_id, "load_month", 0)) > 1
    attempts = outbox.attempts_by_request(server.outbox, dashboard.prefix)
    received = dashboard.counts()
    assert set(received) == set(once(rows))
    assert outbox.unexplained(server.outbox, dashboard.prefix, received) == []
    assert any("unknown" in outcomes for outcomes in attempts.values())
