"""The sum over the whole view in a real Airflow: it matches with undated, future and late rows, and reveals a lost row."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from datetime import datetime, timezone

from tests.airflow.client import Client, wait_for
from tests.airflow.dashboard import Dashboard, once
from tests.airflow.institution import Change, Institution
from tests.airflow.planted.sitecustomize import LOST

DAG = "historical_load"


def ask(institution: Institution, query: str, *values: object) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(institution.path, timeout=60)) as connection, connection:
        return connection.execute(query, values).fetchall()


def test_the_sum_over_the_view_closes(airflow: Client, institution: Institution, dashboard: Dashboard) -> None:
    """With undated rows, rows before all months, in the future, and some entered during the load: all rows
    of the view are in the sum, and valid rows are sent once.
    """
    p = dashboard.prefix
    rows = institution.month(p, "2020-04", rows=150)
    institution.commit(
        [
            Change(f"{p}future", datetime(2099, 1, 1, tzinfo=timezone.utc)),
            Change(f"{p}older", datetime(2015, 6, 1, tzinfo=timezone.utc), opened=datetime(2015, 6, 1, tzinfo=timezone.utc)),
        ]
    )
    insert = "insert into history values ('123', ?, '2020-01-02 00:00:00', 2, ?)"
    undated = [None, "", "15/04/2020 10:00", "2020-02-30 10:00", "pendiente", "infinity"]
    for number, changed in enumerate(undated):
        ask(institution, insert, f"{p}undated-{number}", changed)
    dashboard.add_fault(kind="delay", seconds=1.0)

    run_id = airflow.trigger(DAG, {"start_month": "2020-01", "end_month": "2020-04"})
    wait_for("the first batch has arrived", dashboard.counts, every=0.1)
    late = institution.commit(
        [
            Change(
                f"{p}late-1", datetime(2020, 1, 15, 12, tzinfo=timezone.utc), opened=datetime(2020, 1, 2, tzinfo=timezone.utc)
            ),
            Change(f"{p}late-2", datetime(2020, 4, 15, 12, tzinfo=timezone.utc)),
        ]
    )
    ask(institution, insert, f"{p}late-undated", "mañana")

    assert airflow.wait(DAG, run_id) == "success"
    assert dashboard.counts() == once(rows, late)
    said = airflow.log(DAG, run_id, "reconcile")
    found = re.findall(r"The view has (\d+) rows: (\d+) in \S+ … \S+, (\d+) later", said)
    total, inside, later = map(int, found[-1])
    ((in_view, no_text, older, in_future),) = ask(
        institution,
        "select count(*), sum(changed is null or changed not like '20__-__-__%'), sum(changed between '2000' and '2020'),"
        " sum(changed >= '2020-05-01' and changed like '20%') from history",
    )
    assert total == inside + later == in_view
    assert later == in_future
    assert f"the source counts {inside} rows, as many as were read" in said
    table = {line.split()[0]: line.split()[1:] for line in said.splitlines() if line.endswith("settled")}
    assert int(table["undated"][0]) == no_text + 1 + older  # 2020-02-30 looks like a date
    assert int(table["total"][0]) == inside


def test_a_row_that_is_lost_while_it_is_read_is_seen(airflow: Client, institution: Institution, dashboard: Dashboard) -> None:
    """A row lost by every read leaves the window settled, but fails the run: the last line names the month and what to do."""
    rows = institution.month(dashboard.prefix, "2020-10")
    lost = f"{dashboard.prefix}{LOST}"
    institution.commit([Change(lost, datetime(2020, 10, 12, 12, tzinfo=timezone.utc))])
    try:
        run_id, state = airflow.load(DAG, {"start_month": "2020-10", "end_month": "2020-10"})
        assert state == "failed"
        states = airflow.states(DAG, run_id)
        assert (states["load_month", 0], states["load_month", 1], states["reconcile", -1]) == ("success", "success", "failed")
        assert len(airflow.tries(DAG, run_id, "reconcile")) == 1
        said = airflow.log(DAG, run_id, "reconcile")
        assert "2020-10: the source counts 31 rows, but returns 30 when they are read." in said
        assert "2020-10: la fuente cuenta 31 filas, pero al leerlas devuelve 30." in said
        *_, last = (line for line in said.splitlines() if not line.startswith("::"))  # the group markers
        assert "Ask your DBA whether the view always" in last
        assert dashboard.counts() == once(rows)
    finally:
        ask(institution, "delete from history where request = ?", lost)

    airflow.clear(DAG, run_id, "reconcile")
    assert airflow.wait(DAG, run_id) == "success"
