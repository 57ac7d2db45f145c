"""The historical load in a real Airflow: months that fail, and months processed twice at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from itertools import pairwise

import pytest

from tests.airflow.client import Client, wait_for
from tests.airflow.conftest import RETRIES
from tests.airflow.dashboard import Dashboard, once
from tests.airflow.institution import Institution
from tests.airflow.server import Airflow

DAG = "historical_load"


def test_outage(server: Airflow, airflow: Client, institution: Institution, dashboard: Dashboard) -> None:
    """Two months fail after all their tries while a third succeeds; each one, cleared alone, sends only its own rows."""
    months = ["2020-05", "2020-06", "2020-07"]
    rows = {month: institution.month(dashboard.prefix, month) for month in months}
    faults = {month: dashboard.add_fault(month, kind="status", status=503) for month in months[:2]}

    run_id, state = airflow.load(DAG, {"start_month": months[0], "end_month": months[-1]})

    assert state == "failed"
    assert dashboard.counts() == once(rows["2020-07"])
    for index in range(2):
        assert len(airflow.tries(DAG, run_id, "load_month", index)) == RETRIES + 1
        waits = airflow.waits(DAG, run_id, "load_month", index)
        decided = server.decided_delays(run_id, "load_month", index)
        assert len(waits) == len(decided) == RETRIES
        assert all(later > earlier for earlier, later in pairwise(decided)), decided
        assert all(seen >= chosen for seen, chosen in zip(waits, decided, strict=True)), (waits, decided)
    one, other = (server.decided_delays(run_id, "load_month", index) for index in range(2))
    assert all(abs(mine - theirs) > 0.99 for mine, theirs in zip(one, other, strict=True)), (one, other)
    assert airflow.states(DAG, run_id)["reconcile", -1] == "failed"
    assert "2 of 4 windows are not settled" in airflow.log(DAG, run_id, "reconcile")

    dashboard.remove_fault(faults["2020-06"])
    assert airflow.clear(DAG, run_id, "load_month", 1) == {("load_month", 1), ("reconcile", -1)}
    assert airflow.wait(DAG, run_id) == "failed"
    assert dashboard.counts() == once(rows["2020-06"], rows["2020-07"])
    assert "1 of 4 windows is not settled" in airflow.log(DAG, run_id, "reconcile")

    dashboard.remove_fault(faults["2020-05"])
    airflow.clear(DAG, run_id, "load_month", 0)
    assert airflow.wait(DAG, run_id) == "success"
    assert dashboard.counts() == once(*rows.values())


def test_cleared_twice(airflow: Client, institution: Institution, dashboard: Dashboard) -> None:
    """A month cleared twice at once, and again while it sends, sends nothing twice."""
    rows = institution.month(dashboard.prefix, "2020-09", rows=400)  # enough for it to be still sent when it is cleared
    down = dashboard.add_fault(kind="xroad", type="Server.ServerProxy.AccessDenied")
    run_id, state = airflow.load(DAG, {"start_month": "2020-09", "end_month": "2020-09"})
    assert state == "failed"
    dashboard.remove_fault(down)
    dashboard.add_fault(kind="delay", seconds=3.0)

    with ThreadPoolExecutor(2) as pool:
        # Airflow may answer the slower request with a conflict.
        clears = [pool.submit(airflow.clear, DAG, run_id, "load_month", 0, expected=(200, 409)) for _ in range(2)]
    assert any(("load_month", 0) in clear.result() for clear in clears)
    wait_for("the first batch has arrived", dashboard.counts, every=0.1)
    assert airflow.states(DAG, run_id)["load_month", 0] == "running"
    airflow.clear(DAG, run_id, "load_month", 0)

    assert airflow.wait(DAG, run_id) == "success"
    assert dashboard.counts() == once(rows)
    assert len(airflow.tries(DAG, run_id, "load_month", 0)) == 3


@pytest.mark.usefixtures("nights")
def test_two_runs(airflow: Client, institution: Institution, dashboard: Dashboard) -> None:
    """A month and one of its days, loaded by both DAGs at once, are sent once, and both runs succeed."""
    rows = institution.month(dashboard.prefix, "2020-11", rows=150)
    rows += institution.day(f"{dashboard.prefix}day", date(2020, 11, 15), rows=90)
    dashboard.add_fault(kind="delay", seconds=1.0)

    month = airflow.trigger(DAG, {"start_month": "2020-11", "end_month": "2020-11"})
    wait_for("the month is being sent", dashboard.counts, every=0.1)
    day = airflow.trigger("daily_send", {"day": "2020-11-15"})

    assert airflow.wait("daily_send", day) == "success"
    assert airflow.wait(DAG, month) == "success"
    assert dashboard.counts() == once(rows)
