"""Rows committed after their day was sent, and days that were never read, are handled by the next night."""

from __future__ import annotations

from datetime import date, datetime

from tests.airflow.client import Client, Json, wait_for
from tests.airflow.dashboard import once
from tests.airflow.institution import Institution
from tests.airflow.nights import DAG, Nights


def test_late_rows(airflow: Client, institution: Institution, nights: Nights) -> None:
    """The scheduled run sends rows committed late into the last days, and closes the gap of forty days."""

    def tonight() -> Json | None:
        runs = airflow.runs(DAG, run_type="scheduled")
        return next((run for run in runs if _day(run, institution) == nights.second_day), None)

    run = wait_for("tonight's run has begun", tonight, patience=3600)
    assert airflow.wait(DAG, run["dag_run_id"]) == "success"
    assert nights.dashboard.counts() == nights.second_received + once(nights.second_owed)


def _day(run: Json, institution: Institution) -> date:
    return datetime.fromisoformat(run["data_interval_start"]).astimezone(institution.zone).date()
