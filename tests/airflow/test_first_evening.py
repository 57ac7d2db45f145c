"""The first evening of an institution, in an Airflow of its own: last night's run, a load, and a failed month in it.

Of three months, one has rows that must not be sent, one is not accepted at the first try, and one may not be sent until
the institution has access. Every change runs this module; all other tests that need an Airflow take minutes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.engine import URL
from tablero.outbox.engine import from_microseconds

from sandbox.testing import Handle
from tests.airflow import outbox
from tests.airflow.client import Client, wait_for
from tests.airflow.conftest import SETTINGS
from tests.airflow.credentials import SECRETS
from tests.airflow.dashboard import Dashboard, once
from tests.airflow.institution import Change, Institution
from tests.airflow.server import Airflow

HISTORY, DAILY = "historical_load", "daily_send"

MONTHS = [PLANTED, TRIED_AGAIN, CLEARED] = ["2020-01", "2020-02", "2020-03"]

#: Lets Airflow's database keep the labels of months and when a running task had them, however short it runs.
KEEP_LABELS = """
CREATE TABLE labels_of_running (label TEXT, at TIMESTAMPTZ DEFAULT clock_timestamp());
CREATE FUNCTION keep_label() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN INSERT INTO labels_of_running VALUES (NEW.rendered_map_index); RETURN NEW; END';
CREATE TRIGGER keep_label AFTER UPDATE ON task_instance FOR EACH ROW
  WHEN (NEW.task_id = 'load_month' AND NEW.state = 'running' AND NEW.rendered_map_index IS NOT NULL)
  EXECUTE FUNCTION keep_label()
"""


@dataclass(frozen=True)
class Evening:
    """The participants.

    :ivar days: the rows of each of the last civil days.
    """

    server: Airflow
    airflow: Client
    institution: Institution
    dashboard: Dashboard
    days: dict[date, list[Change]]


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory, new_metadata: Callable[[], URL], sandbox: Handle) -> Iterator[Evening]:
    """Airflow is running, and both DAGs are still switched off."""
    institution = Institution(tmp_path_factory.mktemp("institution") / "source.db", ZoneInfo("America/Santo_Domingo"))
    now = datetime.now(institution.zone)
    # Hours from now, so that no further night becomes due meanwhile.
    daily_at = "02:00" if now.hour >= 12 else "14:00"
    settings = {**SETTINGS, "daily_at": daily_at, "deadline": "23:59", "connect_timeout": 60, "read_timeout": 120}
    server = Airflow(tmp_path_factory.mktemp("airflow"), new_metadata(), settings)
    dashboard = Dashboard(sandbox, "evening/")
    days = [now.date() - timedelta(days=back) for back in range(8)]
    rows = {day: institution.day(f"{dashboard.prefix}day/", day) for day in days}
    try:
        airflow = server.start()
        airflow.connect("tablero_source", **institution.connection)
        airflow.connect("tablero_api", conn_type="http", host=sandbox.url, **SECRETS.connection)
        yield Evening(server, airflow, institution, dashboard, rows)
    finally:
        dashboard.heal()
        server.stop()


@pytest.fixture(scope="module")
def night(evening: Evening) -> str:
    """``daily_send`` was switched on, and the night that was due has ended; returns its run."""
    evening.airflow.unpause(DAILY)
    (run,) = wait_for("daily_send has begun", lambda: evening.airflow.runs(DAILY, run_type="scheduled"))
    evening.airflow.wait(DAILY, run["dag_run_id"])
    return str(run["dag_run_id"])


def test_the_first_night_sends_its_day_and_the_days_before_it_and_nothing_else(evening: Evening, night: str) -> None:
    """The first night sends its civil day, and reads ``lookback_days`` before it for late rows."""
    run = evening.airflow.run(DAILY, night)
    assert run["state"] == "success"
    start, end = (datetime.fromisoformat(run[f"data_interval_{edge}"]) for edge in ("start", "end"))
    own = start.astimezone(evening.institution.zone).date()
    assert (start, end) == tuple(
        datetime.combine(own + timedelta(days=days), datetime.min.time(), evening.institution.zone) for days in (0, 1)
    )
    assert evening.dashboard.counts() == once(*(evening.days[own - timedelta(days=back)] for back in range(4)))


@dataclass(frozen=True)
class Load:
    """A load of three months that has failed.

    :ivar months: the deliverable rows of each.
    :ivar labelled: when each month's task, which was running, had its label.
    :ivar begun: when each month's first call began.
    :ivar before: what the dashboard had before the load.
    """

    run_id: str
    months: dict[str, list[Change]]
    labelled: dict[str, datetime]
    begun: dict[str, datetime]
    before: Counter
    received: Counter

    def delivered(self, *months: str) -> Counter:
        """What the dashboard has if the rows of these months arrived once each."""
        return self.before + once(*(self.months[month] for month in months))


@pytest.fixture(scope="module")
def load(evening: Evening, night: str) -> Load:
    """One month is not accepted at first, and one is refused throughout."""
    airflow, dashboard = evening.airflow, evening.dashboard
    before = dashboard.counts()
    rows = {month: evening.institution.month(dashboard.prefix, month) for month in MONTHS}
    for month, change in planted(dashboard.prefix, evening.institution.zone):
        rows[month] += evening.institution.commit([change])
    evening.institution.commit([rows[PLANTED][0], *not_to_be_sent(dashboard.prefix, evening.institution.zone)])
    dashboard.add_fault(CLEARED, kind="xroad", type="Server.ServerProxy.AccessDenied")
    dashboard.add_fault(TRIED_AGAIN, kind="status", status=503, times=1)
    evening.server.change(KEEP_LABELS)
    airflow.unpause(HISTORY)
    run_id = airflow.trigger(HISTORY, {"start_month": MONTHS[0], "end_month": MONTHS[-1]})
    airflow.wait(HISTORY, run_id)
    labelled = dict(evening.server.ask("SELECT label, min(at) FROM labels_of_running GROUP BY label"))
    begun = {month: first_call(evening, month) for month in MONTHS}
    return Load(run_id, rows, labelled, begun, before, dashboard.counts())


def first_call(evening: Evening, month: str) -> datetime:
    """When the first call with rows of a month began, by the outbox."""
    query = "select min(started_at) from attempt join batch on batch.id = batch_id where first_request like ?"
    ((at,),) = outbox.ask(evening.server.outbox, query, f"{evening.dashboard.prefix}{month}%")
    return from_microseconds(at)


def planted(prefix: str, zone: ZoneInfo) -> list[tuple[str, Change]]:
    """Rows at the bounds of months, each with its month."""
    return [
        (PLANTED, Change(f"{prefix}last-of-january", datetime(2020, 1, 31, 23, 59, 59, 999999, zone))),
        (TRIED_AGAIN, Change(f"{prefix}first-of-february", datetime(2020, 2, 1, tzinfo=zone))),
        (CLEARED, Change(f"{prefix}earliest", datetime(2020, 3, 1, tzinfo=zone), opened=datetime(2020, 1, 1, tzinfo=zone))),
    ]


def not_to_be_sent(prefix: str, zone: ZoneInfo) -> list[Change]:
    """One excluded row, two rejected ones, and two outside the months of the load."""
    second, first_of_2020 = timedelta(seconds=1), datetime(2020, 1, 1, tzinfo=zone)
    march = datetime(2020, 3, 1, tzinfo=zone)
    return [
        Change(f"{prefix}opened-too-early", march, opened=first_of_2020 - second),
        Change(f"{prefix}no-such-status", datetime(2020, 1, 3, tzinfo=zone), status=22),
        Change(f"{prefix}neither-this", datetime(2020, 2, 3, tzinfo=zone), status=22),
        Change(f"{prefix}before-all", first_of_2020 - second, opened=datetime(2019, 1, 1, tzinfo=timezone.utc)),
        Change(f"{prefix}after-the-last-month", datetime(2020, 4, 1, tzinfo=zone)),
    ]


def test_a_month_that_may_not_be_sent_holds_up_no_other(evening: Evening, load: Load) -> None:
    """Rows of the other months are delivered once; rows that must not be sent, or not yet, are not."""
    assert evening.airflow.run(HISTORY, load.run_id)["state"] == "failed"
    assert load.received == load.delivered(PLANTED, TRIED_AGAIN)


def test_a_month_that_was_not_taken_is_tried_again(evening: Evening, load: Load) -> None:
    """A month that was not accepted is retried by the task, and not before the delay chosen by the retry policy."""
    index = MONTHS.index(TRIED_AGAIN)
    (waited,) = evening.airflow.waits(HISTORY, load.run_id, "load_month", index)
    (chosen,) = evening.server.decided_delays(load.run_id, "load_month", index)
    assert waited >= chosen


def test_a_permanent_error_ends_the_month_at_its_first_try_and_says_who_must_do_what(evening: Evening, load: Load) -> None:
    """Missing access fails the month at its first try, since no retry would help, and the error says who must do what."""
    index = MONTHS.index(CLEARED)
    assert len(evening.airflow.tries(HISTORY, load.run_id, "load_month", index)) == 1
    log = evening.airflow.log(HISTORY, load.run_id, "load_month", index)
    assert "no access right" in log
    assert "ask Burocracia Cero / OGTIC" in log
    assert f"{len(load.months[CLEARED])} rows pending" in evening.airflow.log(HISTORY, load.run_id, "reconcile")


def test_each_month_is_labelled_while_it_is_sent_and_afterwards(evening: Evening, load: Load) -> None:
    """The grid shows labels of months instead of map indexes, during the run and afterwards."""
    for month in MONTHS:
        assert load.labelled[month] < load.begun[month]
    tasks = evening.airflow.tasks(HISTORY, load.run_id)
    assert [tasks["load_month", index]["rendered_map_index"] for index in range(3)] == MONTHS


@pytest.fixture(scope="module")
def cleared(evening: Evening, load: Load) -> set[tuple[str, int]]:
    """The institution now has access, and the failed month was cleared; returns the cleared tasks."""
    evening.dashboard.heal()
    tasks = evening.airflow.clear(HISTORY, load.run_id, "load_month", MONTHS.index(CLEARED))
    evening.airflow.wait(HISTORY, load.run_id)
    return tasks


def test_a_red_month_that_is_cleared_is_sent_and_no_other_is_sent_again(
    evening: Evening, load: Load, cleared: set[tuple[str, int]]
) -> None:
    """Clearing the failed month sends it alone and repeats the reconciliation, and the run succeeds."""
    assert cleared == {("load_month", MONTHS.index(CLEARED)), ("reconcile", -1)}
    assert evening.airflow.run(HISTORY, load.run_id)["state"] == "success"
    assert evening.dashboard.counts() == load.delivered(*MONTHS)


@pytest.mark.usefixtures("cleared")
def test_every_row_of_the_source_is_accounted_for(evening: Evening, load: Load) -> None:
    """Each row of the source is delivered, rejected, excluded or a duplicate, and the sums of the table match."""
    table = [line.split() for line in evening.airflow.log(HISTORY, load.run_id, "reconcile").splitlines()]
    assert ["window", "read", "delivered", "rejected", "excluded", "duplicate", "pending", "source", "gone"] in table
    assert [PLANTED, "33", "31", "1", "0", "1", "0", "33", "0", "settled"] in table
    assert [TRIED_AGAIN, "32", "31", "1", "0", "0", "0", "32", "0", "settled"] in table
    assert [CLEARED, "32", "31", "0", "1", "0", "0", "32", "0", "settled"] in table
    # Rows older than all months have a line of their own.
    assert ["undated", "1", "0", "0", "1", "0", "0", "1", "0", "settled"] in table
    assert ["total", "98", "93", "2", "2", "1", "0", "98", "0", "settled"] in table
