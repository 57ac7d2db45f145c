"""The daily send in a real Airflow, as a backfill of past days."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta, timezone

import pytest

from tests.airflow.client import Client, Json, wait_for
from tests.airflow.dashboard import Dashboard, once
from tests.airflow.institution import Change, Institution
from tests.airflow.server import Airflow

DAG = "daily_send"


@pytest.mark.usefixtures("nights")
@pytest.mark.parametrize(
    ("first", "last"),
    [
        pytest.param("2024-05-14", "2024-05-16", id="dates"),
        pytest.param("2024-06-14T00:00:00-04:00", "2024-06-16T00:00:00-04:00", id="offset"),
    ],
)
def test_backfill_by_cli(
    server: Airflow, airflow: Client, institution: Institution, dashboard: Dashboard, first: str, last: str
) -> None:
    """A backfill of three past days covers these civil days of the institution, in any notation of the dates."""
    assert "AIRFLOW__CORE__DEFAULT_TIMEZONE" not in server.environment  # so it is UTC, four hours from the institution
    days = _days(first, 3)
    rows, began = _commit_around(institution, dashboard, days), datetime.now(timezone.utc)

    server.run("backfill", "create", "--dag-id", DAG, "--from-date", first, "--to-date", last)

    _see_through(airflow, institution, days)
    _only_these(airflow, dashboard, rows, began)


@pytest.mark.usefixtures("nights")
def test_backfill_by_rest(airflow: Client, institution: Institution, dashboard: Dashboard) -> None:
    """The same holds through the REST API, to which the UI's form sends instants."""
    days = _days("2024-08-14", 3)
    rows, began = _commit_around(institution, dashboard, days), datetime.now(timezone.utc)

    ends = [datetime.combine(day, datetime.min.time(), institution.zone).astimezone(timezone.utc) for day in days]
    airflow.ask(
        "POST",
        "/backfills",
        json={"dag_id": DAG, "from_date": ends[0].isoformat(), "to_date": ends[-1].isoformat(), "max_active_runs": 1},
    )

    _see_through(airflow, institution, days)
    _only_these(airflow, dashboard, rows, began)


def _days(first: str, count: int) -> list[date]:
    start = date.fromisoformat(first[:10])
    return [start + timedelta(days=number) for number in range(count)]


def _commit_around(institution: Institution, dashboard: Dashboard, days: list[date]) -> list[Change]:
    """Commit rows of these days, which are returned, and of neighbouring days."""
    institution.day(dashboard.prefix, days[0] - timedelta(days=1))
    institution.day(dashboard.prefix, days[-1] + timedelta(days=1))
    return [row for day in days for row in institution.day(dashboard.prefix, day)]


def _only_these(airflow: Client, dashboard: Dashboard, rows: list[Change], began: datetime) -> None:
    """The rows of these days arrived once, and those of neighbouring days did not, unless a scheduled night closed that gap."""
    arrived = dashboard.counts()
    scheduled = airflow.runs(DAG, run_type="scheduled")
    if any(not run["end_date"] or datetime.fromisoformat(run["end_date"]) > began for run in scheduled):
        arrived = Counter({row: times for row, times in arrived.items() if row in once(rows)})
    assert arrived == once(rows)


def _see_through(airflow: Client, institution: Institution, days: list[date]) -> None:
    """Wait for the backfill, and check that the data intervals of its runs are exactly these days."""
    (backfill,) = (found for found in airflow.get("/backfills", dag_id=DAG)["backfills"] if not found["completed_at"])

    def runs() -> list[Json]:
        return [run for run in airflow.runs(DAG, run_type="backfill") if f"{days[0]:%Y-%m}" in run["data_interval_start"]]

    def have_ended() -> bool:
        return len(runs()) >= len(days) and all(run["state"] in ("success", "failed") for run in runs())

    wait_for("the backfill has ended", have_ended)
    # Airflow notices the end with a delay, and allows no second backfill until then.
    airflow.ask("PUT", f"/backfills/{backfill['id']}/cancel")
    starts = sorted(datetime.fromisoformat(run["data_interval_start"]) for run in runs())
    assert [start.astimezone(institution.zone).isoformat() for start in starts] == [
        datetime.combine(day, datetime.min.time(), institution.zone).isoformat() for day in days
    ]
    assert {run["state"] for run in runs()} == {"success"}
