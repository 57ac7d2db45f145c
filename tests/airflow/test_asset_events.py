"""Settled windows create asset events, on which an institution's own DAGs can be scheduled."""

from __future__ import annotations

from tests.airflow.client import Client, Json
from tests.airflow.dashboard import Dashboard
from tests.airflow.institution import Institution


def events_of(airflow: Client, run_id: str) -> list[Json]:
    """The asset events that a run made."""
    return list(airflow.get("/assets/events", source_run_id=run_id)["asset_events"])


def test_events_of_settled_windows(airflow: Client, institution: Institution, dashboard: Dashboard) -> None:
    """A load creates an event for each month with its counts, and one for all of them; a dry run creates none."""
    months = ["2022-08", "2022-09"]
    rows = {month: len(institution.month(dashboard.prefix, month)) for month in months}
    span = {"start_month": months[0], "end_month": months[-1]}
    rehearsal, state = airflow.load("historical_load", span | {"dry_run": True})
    assert state == "success"
    run_id, state = airflow.load("historical_load", span)
    assert state == "success"

    assert events_of(airflow, rehearsal) == []
    windows, reconciliations = (
        [event["extra"] for event in events_of(airflow, run_id) if (event["name"], event["uri"]) == asset]
        for asset in (
            ("tablero_windows", "x-tablero://windows"),
            ("tablero_reconciliations", "x-tablero://reconciliations"),
        )
    )
    of_months = [counts for counts in windows if counts["window"] != "undated"]  # which may be unchanged
    assert sorted(counts["window"] for counts in of_months) == months
    for counts in of_months:
        assert counts["read"] == counts["delivered"] == rows[counts["window"]]
        assert (counts["rejected"], counts["excluded"], counts["duplicate"]) == ({}, 0, 0)
    assert reconciliations == [{"windows": sorted(windows, key=lambda counts: counts["window"])}]

    again, state = airflow.load("historical_load", span)
    assert state == "success"
    changed = [event["extra"] for event in events_of(airflow, again) if event["name"] == "tablero_windows"]
    assert changed == []  # only windows that changed have an event, besides the run
    assert [event["extra"] for event in events_of(airflow, again)] == [{"windows": []}]
