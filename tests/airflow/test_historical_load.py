"""The historical load in a real Airflow: all of it, a month that fails, and months that are worked on twice at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta, timezone
from itertools import pairwise

import pytest

from tests.airflow.client import Client, wait_for
from tests.airflow.conftest import RETRIES
from tests.airflow.dashboard import Dashboard, once
from tests.airflow.institution import Change, Institution
from tests.airflow.server import Airflow

DAG = "historical_load"


def test_load(airflow: Client, institution: Institution, dashboard: Dashboard) -> None:
    """Three months are delivered, each valid row once; each month is labelled while and after it runs, and accounted for."""
    months = ["2020-01", "2020-02", "2020-03"]
    p = dashboard.prefix
    zone = institution.zone
    valid = [
        *(row for month in months for row in institution.month(p, month)),
        *institution.commit(
            [
                Change(f"{p}last-of-january", datetime(2020, 1, 31, 23, 59, 59, 999999, zone)),
                Change(f"{p}first-of-february", datetime(2020, 2, 1, tzinfo=zone)),
                Change(f"{p}earliest", datetime(2020, 3, 1, tzinfo=zone), opened=datetime(2020, 1, 1, tzinfo=zone)),
            ]
        ),
    ]
    second = timedelta(seconds=1)
    institution.commit(
        [
            valid[0],
            Change(
                f"{p}opened-too-early", datetime(2020, 3, 1, tzinfo=zone), opened=datetime(2020, 1, 1, tzinfo=zone) - second
            ),
            Change(f"{p}no-such-status", datetime(2020, 2, 3, tzinfo=zone), status=22),
            Change(
                f"{p}before-the-first-month",
                datetime(2020, 1, 1, tzinfo=zone) - second,
                opened=datetime(2019, 1, 1, tzinfo=timezone.utc),
            ),
            Change(f"{p}after-the-last-month", datetime(2020, 4, 1, tzinfo=zone)),
        ]
    )
    dashboard.add_fault(kind="delay", seconds=1.0)

    run_id = airflow.trigger(DAG, {"start_month": months[0], "end_month": months[-1]})
    running = set()

    def watch() -> bool:
        for (task_id, _), ti in airflow.tasks(DAG, run_id).items():
            if task_id == "load_month" and ti["state"] == "running":
                running.add(ti["rendered_map_index"])
        return airflow.run(DAG, run_id)["state"] in ("success", "failed")

    wait_for("the load has ended", watch, every=0.2)

    assert airflow.wait(DAG, run_id) == "success"
    assert dashboard.counts() == once(valid)
    assert running >= set(months)
    tasks = airflow.tasks(DAG, run_id)
    assert [tasks["load_month", index]["rendered_map_index"] for index in range(3)] == months
    table = [line.split() for line in airflow.log(DAG, run_id, "reconcile").splitlines()]
    assert ["window", "read", "delivered", "rejected", "excluded", "duplicate", "pending", "source", "gone"] in table
    assert ["2020-01", "32", "31", "0", "0", "1", "0", "32", "0", "settled"] in table
    assert ["2020-02", "32", "31", "1", "0", "0", "0", "32", "0", "settled"] in table
    assert ["2020-03", "32", "31", "0", "1", "0", "0", "32", "0", "settled"] in table
    (undated,) = (list(map(int, line[1:-1])) for line in table if line[:1] == ["undated"])
    assert undated[0] == undated[2] + undated[3] >= 1  # read: rejected or excluded; what is older than all months among them
    sums = [months + older for months, older in zip((96, 93, 1, 1, 1, 0, 96, 0), undated, strict=True)]
    assert ["total", *map(str, sums), "settled"] in table


def test_outage(server: Airflow, airflow: Client, institution: Institution, dashboard: Dashboard) -> None:
    """Two months fail after all their tries, while a third gets through; each, cleared alone, sends only its own rows."""
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
    assert all(abs(mine - theirs) >= 1 for mine, theirs in zip(one, other, strict=True)), (one, other)
    assert airflow.states(DAG, run_id)["reconcile", -1] == "failed"
    assert "2 of 4 windows are not settled" in airflow.log(DAG, run_id, "reconcile")

    dashboard.remove_fault(faults["2020-06"])
    assert airflow.clear(DAG, run_id, "load_month", 1) == {("load_month", 1), ("reconcile", -1)}
    assert airflow.wait(DAG, run_id) == "failed"
    assert dashboard.counts() == once(rows["2020-06"], rows["2020-07"])
    assert "1 of 4 windows are not settled" in airflow.log(DAG, run_id, "reconcile")

    dashboard.remove_fault(faults["2020-05"])
    airflow.clear(DAG, run_id, "load_month", 0)
    assert airflow.wait(DAG, run_id) == "success"
    assert dashboard.counts() == once(*rows.values())


def test_cleared_twice(airflow: Client, institution: Institution, dashboard: Dashboard) -> None:
    """A month that is cleared twice at once, and again while it sends, sends nothing twice."""
    rows = institution.month(dashboard.prefix, "2020-09", rows=150)
    down = dashboard.add_fault(kind="xroad", type="Server.ServerProxy.AccessDenied")
    run_id, state = airflow.load(DAG, {"start_month": "2020-09", "end_month": "2020-09"})
    assert state == "failed"
    dashboard.remove_fault(down)
    dashboard.add_fault(kind="delay", seconds=1.5)

    with ThreadPoolExecutor(2) as pool:
        # Airflow may answer the slower one with a conflict.
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
    """A month and a day of it, loaded by both DAGs at the same time, are sent once, and both runs end well."""
    rows = institution.month(dashboard.prefix, "2020-11", rows=150)
    rows += institution.day(f"{dashboard.prefix}day", date(2020, 11, 15), rows=90)
    dashboard.add_fault(kind="delay", seconds=1.0)

    month = airflow.trigger(DAG, {"start_month": "2020-11", "end_month": "2020-11"})
    wait_for("the month is being sent", dashboard.counts, every=0.1)
    day = airflow.trigger("daily_send", {"day": "2020-11-15"})

    assert airflow.wait("daily_send", day) == "success"
    assert airflow.wait(DAG, month) == "success"
    assert dashboard.counts() == once(rows)
