"""Dry runs and resending."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest

from sandbox.testing import Handle
from tests.airflow import outbox
from tests.airflow.client import Client
from tests.airflow.conftest import RETRIES
from tests.airflow.dashboard import Dashboard, once
from tests.airflow.institution import Change, Institution
from tests.airflow.nights import Nights
from tests.airflow.server import Airflow


def test_dry_run(
    server: Airflow, airflow: Client, institution: Institution, sandbox: Handle, dashboard: Dashboard, nights: Nights
) -> None:
    """A dry run of either DAG reports what it would send, without calling the dashboard or writing to the outbox."""
    rows = institution.month(dashboard.prefix, "2021-07", rows=30)
    institution.commit([rows[0], Change(f"{dashboard.prefix}no-such-status", rows[0].changed, status=99)])
    institution.day(dashboard.prefix, date(2021, 8, 15), rows=5)
    calls, before = sandbox.stats()["calls"], outbox.everything(server.outbox)

    month = airflow.trigger("historical_load", {"start_month": "2021-07", "end_month": "2021-07", "dry_run": True})
    day = airflow.trigger("daily_send", {"day": "2021-08-15", "dry_run": True})

    assert airflow.wait("historical_load", month) == airflow.wait("daily_send", day) == "success"
    assert sandbox.stats()["calls"] == calls
    assert outbox.everything(server.outbox) == before
    log = airflow.log("historical_load", month, "reconcile")
    assert "dry run 2021-07: 32 rows, 30 new to send, 2 calls, " in log
    assert "1 duplicate, 0 excluded, rejected: {'unknown_status': 1}" in log
    assert "nothing was written or sent" in log
    assert "dry run 2021-08-15: 5 rows, 5 new to send, 1 calls, " in airflow.log("daily_send", day, "reconcile")


@pytest.mark.usefixtures("nights")
def test_resend(airflow: Client, institution: Institution, dashboard: Dashboard) -> None:
    """With resend, delivered rows of the window are posted exactly once more, however often that run is retried or cleared."""
    month = institution.month(f"{dashboard.prefix}month", "2021-10", rows=50)
    day = institution.day(f"{dashboard.prefix}day", date(2021, 12, 15))
    neighbour = institution.day(f"{dashboard.prefix}neighbour", date(2021, 12, 16))
    load = {"start_month": "2021-10", "end_month": "2021-12"}
    assert airflow.load("historical_load", load)[1] == "success"
    assert dashboard.counts() == once(month, day, neighbour)

    dashboard.add_fault("month", kind="status", status=503, times=1)
    by_month = airflow.trigger("historical_load", load | {"end_month": "2021-10", "resend": True})
    by_day = airflow.trigger("daily_send", {"day": "2021-12-15", "resend": True})
    assert airflow.wait("historical_load", by_month) == airflow.wait("daily_send", by_day) == "success"
    twice = once(neighbour) + Counter(dict.fromkeys(once(month, day), 2))
    assert 1 < len(airflow.tries("historical_load", by_month, "load_month", 0)) <= RETRIES + 1
    assert dashboard.counts() == twice

    airflow.clear("historical_load", by_month, "load_month", 0)
    airflow.clear("daily_send", by_day, "extract")
    assert airflow.wait("historical_load", by_month) == airflow.wait("daily_send", by_day) == "success"
    assert dashboard.counts() == twice
