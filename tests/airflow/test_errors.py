"""A run that cannot succeed stops at once and says what to do."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.airflow import outbox
from tests.airflow.client import Client
from tests.airflow.institution import Institution
from tests.airflow.nights import Nights
from tests.airflow.server import Airflow


@pytest.mark.parametrize(
    ("dag_id", "conf"),
    [
        ("historical_load", {"start_month": "2021-13"}),
        ("historical_load", {"start_month": "enero"}),
        ("historical_load", {"start_month": None}),
        ("historical_load", {"end_month": "2021-1"}),
        ("historical_load", {"dry_run": "yes"}),
        ("daily_send", {"day": "2021-02-30"}),
        ("daily_send", {"day": ""}),
        ("daily_send", {"resend": 1}),
    ],
)
def test_refused_at_trigger(airflow: Client, dag_id: str, conf: dict[str, Any]) -> None:
    """A malformed parameter is refused when the run is triggered."""
    airflow.ask("POST", f"/dags/{dag_id}/dagRuns", expected=(400,), json={"logical_date": None, "conf": conf})


#: Invalid parameters, and their error messages.
SENSELESS = [
    ("historical_load", {"star_month": "2021-02"}, "Unknown parameter star_month. This DAG has: start_month, end_month, "),
    ("historical_load", {"start_month": "2021-03", "end_month": "2021-02"}, "No month to load: from 2021-03 to 2021-02"),
    ("historical_load", {"start_month": "2000-12"}, "start_month is 2000-12, before 2020-01"),
    ("historical_load", {"start_month": "2021-02", "end_month": "2099-01"}, "end_month is 2099-01, in the future"),
    ("daily_send", {"dia": "2021-02-01"}, "Unknown parameter dia. This DAG has: day, dry_run, resend, accept_changes"),
    ("daily_send", {"day": "{later}"}, "in the future; today is"),
]


@pytest.fixture(scope="module")
def senseless(airflow: Client, institution: Institution, nights: Nights) -> list[str]:
    """The ids of runs with each of them, all triggered at once."""
    later = (datetime.now(institution.zone) + timedelta(days=2)).date()  # should this be midnight
    return [
        airflow.trigger(dag_id, {key: value.format(later=later) for key, value in conf.items()})
        for dag_id, conf, _ in SENSELESS
    ]


@pytest.mark.parametrize("number", range(len(SENSELESS)), ids=[next(iter(conf)) for _, conf, _ in SENSELESS])
def test_refused_by_the_run(server: Airflow, airflow: Client, senseless: list[str], number: int) -> None:
    """An invalid parameter fails the first task at its first try, with an explanation; nothing is read or sent."""
    (dag_id, _, expected), run_id = SENSELESS[number], senseless[number]

    assert airflow.wait(dag_id, run_id) == "failed"
    first = "preflight"
    states = airflow.states(dag_id, run_id)
    assert states.pop((first, -1)) == "failed"
    assert states.pop(("reconcile", -1)) == "failed"
    assert states.pop(("post", -1), "success") == "success"  # does not wait for the failed task, and had nothing to post
    assert set(states.values()) == {"upstream_failed"}
    assert len(airflow.tries(dag_id, run_id, first)) == 1
    assert expected in airflow.log(dag_id, run_id, first)
    assert "Nothing was read in this run" in airflow.log(dag_id, run_id, "reconcile")
    assert outbox.ask(server.outbox, "select * from extraction where run_id = ?", run_id) == []
