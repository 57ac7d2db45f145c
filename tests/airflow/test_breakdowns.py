"""Everything beneath a load breaks down, and the send hours end in the middle of it: an Airflow of its own.

Four months are being sent. The supervisor of the first one is killed; the worker of the second one is stopped for longer
than the heartbeat timeout and its lease; the scheduler is killed under all of them, and so is the server of
the metadata database. Then ``send_hours`` close for a minute, with rows still pending.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TypeVar
from zoneinfo import ZoneInfo

import httpx
import psutil
import pytest

from sandbox.testing import Handle
from tests.airflow import outbox
from tests.airflow.client import PATIENCE, Client, Json, wait_for
from tests.airflow.conftest import SETTINGS
from tests.airflow.dashboard import Dashboard, once
from tests.airflow.institution import Change, Institution
from tests.airflow.server import Airflow
from tests.airflow.sinks import webhook_server
from tests.postgres import PostgresServer

#: Takes minutes, and a busy machine may miss the minute outside the send hours, so it is not run for every change.
pytestmark = [pytest.mark.endurance, pytest.mark.system]

T = TypeVar("T")

DAG, DAILY = "historical_load", "daily_send"

#: The components that systemd or Docker would restart.
COMPONENTS = ("scheduler", "dag-processor", "api-server", "triggerer")

#: Rows of each month, twenty to a call. Those of the last one are still being sent when the send hours end.
ROWS = {"2021-08": 200, "2021-09": 200, "2021-10": 300, "2021-11": 4000}
BEREFT, STOPPED, BYSTANDER, LONG = range(4)

#: Seconds that a call takes.
CALL = 1.5

#: Seconds without a sign of life after which a task, or a scheduler, counts as dead.
SILENCE = 12

#: The least time from the restart of the scheduler to the end of the send hours.
TIME_FOR_BREAKDOWNS = timedelta(seconds=40)


@dataclass
class Station:
    """An Airflow whose parts break.

    :ivar zone: one in which it is past three in the morning: last night's run is due, and its deadline of 06:00 is not.
    :ivar alerts: what the webhook for alerts received.
    :ivar sleepers: the processes of the worker that was stopped.
    :ivar closes: when the send hours end, for a minute.
    :ivar tries_at_closing: of each month, by map index.
    :ivar cleared: how often the load had to be cleared to succeed.
    """

    server: Airflow
    airflow: Client
    postgres: PostgresServer
    zone: ZoneInfo
    institution: Institution
    dashboard: Dashboard
    rows: list[Change]
    alerts: list[Json]
    run_id: str = ""
    sleepers: list[psutil.Process] = field(default_factory=list)
    closes: datetime | None = None
    cleared: int = 0

    def see(self, what: str, found: Callable[[], T | None], patience: float = PATIENCE) -> T:
        """Wait for something, restarting what dies meanwhile and retrying requests that the API does not answer."""

        def revived() -> T | None:
            for component in COMPONENTS:
                self.server.revive(component)
            with suppress(httpx.HTTPError, AssertionError):
                return found()
            return None

        return wait_for(what, revived, patience)

    def months(self) -> dict[int, Json]:
        """The months' task instances, by map index."""
        found = self.airflow.tasks(DAG, self.run_id)
        return {index: ti for (task, index), ti in found.items() if task == "load_month" and index >= 0}

    def received(self, index: int) -> int:
        """How many rows of a month the dashboard has."""
        month = f"{self.dashboard.prefix}{list(ROWS)[index]}"
        return sum(count for row, count in self.dashboard.counts().items() if row[1].startswith(month))

    def sending(self, index: int) -> tuple[psutil.Process, psutil.Process]:
        """Wait until a month is being sent; returns the process that sends it, and its supervisor."""
        self.see(f"month {index} is sending", lambda: self.received(index))
        task = psutil.Process(self.months()[index]["pid"])
        supervisor = task.parent()
        assert supervisor is not None
        return task, supervisor


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory, sandbox: Handle) -> Iterator[Station]:
    """Everything is ready, and the dashboard is slow."""
    west = (datetime.now(timezone.utc).hour - 3 + 11) % 24 - 11
    zone = ZoneInfo(f"Etc/GMT{west:+d}")
    institution = Institution(tmp_path_factory.mktemp("institution") / "source.db", zone)
    with ExitStack() as stack:
        postgres = stack.enter_context(PostgresServer("psycopg2"))
        alerts, hook_port = stack.enter_context(webhook_server())
        settings = {
            **SETTINGS,
            "timezone": zone.key,
            "alert_webhook_conn_id": "alert_hook",
            "parallel_months": len(ROWS),
            "concurrency": 1,
            "retries": 6,
            "connect_timeout": 1,
            "read_timeout": 3,
        }
        server = Airflow(tmp_path_factory.mktemp("airflow"), postgres.database(), settings)
        server.environment |= {
            "AIRFLOW__CORE__PARALLELISM": "6",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(SILENCE),
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": str(SILENCE),
            "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "2",
            "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "2",
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
        }
        stack.callback(server.stop)
        airflow = server.start()
        airflow.connect("tablero_source", **institution.connection)
        airflow.connect("tablero_api", conn_type="http", host=sandbox.url)
        airflow.connect("alert_hook", conn_type="http", host=f"http://127.0.0.1:{hook_port}/hook")
        airflow.unpause(DAG)
        dashboard = Dashboard(sandbox, "breakdowns/")
        stack.callback(dashboard.heal)
        dashboard.add_fault(kind="delay", seconds=CALL)
        rows = [row for month, count in ROWS.items() for row in institution.month(dashboard.prefix, month, rows=count)]
        yield Station(server, airflow, postgres, zone, institution, dashboard, rows, alerts)


@pytest.fixture(scope="module")
def broken(station: Station) -> Station:
    """Everything has broken down and was restarted; the send hours are about to end."""
    airflow, server = station.airflow, station.server
    station.run_id = airflow.trigger(DAG, {"start_month": min(ROWS), "end_month": max(ROWS)})

    _, supervisor = station.sending(BEREFT)
    supervisor.kill()
    station.sleepers += station.sending(STOPPED)
    for process in station.sleepers:
        process.suspend()
    for index in (BEREFT, STOPPED):
        station.see(f"month {index} has another worker", lambda index=index: station.months()[index]["try_number"] > 1)

    station.sending(LONG)
    server.kill("scheduler")
    closes = datetime.now(station.zone) + TIME_FOR_BREAKDOWNS + timedelta(seconds=59)
    station.closes = closes.replace(second=0, microsecond=0)
    # All tasks started by the new scheduler read this.
    opens = station.closes + timedelta(minutes=1)
    server.environment["AIRFLOW__TABLERO__SEND_HOURS"] = f"{opens:%H:%M}-{station.closes:%H:%M}"
    long = station.months()[LONG]
    assert long["state"] == "running"
    station.see("the new scheduler took over", lambda: station.months()[LONG]["try_number"] > long["try_number"])
    station.see("it sends again", lambda: station.months()[LONG]["pid"] not in (None, long["pid"]))

    assert station.months()[LONG]["state"] == "running"
    station.postgres.kill()
    station.see("the database is back", station.months)
    assert datetime.now(station.zone) < station.closes, "this machine is too slow for TIME_FOR_BREAKDOWNS"
    return station


@dataclass(frozen=True)
class Closed:
    """What was observed when the send hours had ended in the middle of the load.

    :ivar received: rows of the last month that the dashboard had, a moment after, and just before the opening.
    """

    long: Json
    pool: Json
    received: tuple[int, int]


@pytest.fixture(scope="module")
def closed(broken: Station) -> Closed:
    """The minute outside the send hours."""
    broken.see("the load waits for the opening", lambda: broken.months()[LONG]["state"] == "deferred")
    others = ("success", "deferred", "up_for_retry")
    broken.see("nothing is running", lambda: all(ti["state"] in others for ti in broken.months().values()))
    long, pool, before = broken.months()[LONG], broken.airflow.get("/pools/default_pool"), broken.received(LONG)
    opens = broken.closes + timedelta(minutes=1) if broken.closes else None
    assert opens is not None
    broken.see("it is about to open", lambda: datetime.now(broken.zone) > opens - timedelta(seconds=3))
    return Closed(long, pool, (before, broken.received(LONG)))


@pytest.fixture(scope="module")
def ended(broken: Station, closed: Closed) -> Station:
    """The load has succeeded; then the stopped worker has woken up and ended as well."""
    broken.dashboard.heal()

    def state() -> str | None:
        found = str(broken.airflow.run(DAG, broken.run_id)["state"])
        return found if found in ("success", "failed") else None

    while broken.see("the load has ended", state) == "failed" and broken.cleared < 2:
        broken.airflow.clear(DAG, broken.run_id, "load_month")
        broken.cleared += 1
    task, supervisor = broken.sleepers
    for process in (supervisor, task):
        process.resume()
    psutil.wait_procs([task], timeout=60)
    return broken


def test_settled(ended: Station) -> None:
    """In the end each month is settled by the task's own tries."""
    assert ended.airflow.states(DAG, ended.run_id)["reconcile", -1] == "success"
    assert {ti["state"] for ti in ended.months().values()} == {"success"}
    assert ended.cleared == 0


def test_each_row_has_arrived_and_none_was_posted_again_without_need(ended: Station) -> None:
    """All rows arrive whatever broke, and repeated rows belong to attempts recorded as unknown."""
    received = ended.dashboard.counts()
    assert set(received) == set(once(ended.rows))
    assert outbox.unexplained(ended.server.outbox, ended.dashboard.prefix, received) == []


def test_supervisor_killed(ended: Station) -> None:
    """If the supervisor is killed, another try takes over after the heartbeat timeout, whether or not the task continued."""
    first, *others = ended.airflow.tries(DAG, ended.run_id, "load_month", BEREFT)
    assert first["state"] == "failed"
    assert others[-1]["state"] == "success"


def test_worker_stopped(ended: Station) -> None:
    """A worker that wakes up after its call has ended and its batches were taken over repeats nothing and ends."""
    task, _ = ended.sleepers
    first, *others = ended.airflow.tries(DAG, ended.run_id, "load_month", STOPPED)
    assert first["state"] == "failed"
    assert others[-1]["state"] == "success"
    assert not task.is_running()


def test_closing_in_the_middle(ended: Station, closed: Closed) -> None:
    """If the hours end with rows pending, the task is deferred without a slot, sends nothing, and loses no try."""
    assert closed.long["state"] == "deferred"
    assert closed.pool["occupied_slots"] == 0
    assert closed.pool["deferred_slots"] >= 1
    assert closed.received[0] == closed.received[1] < ROWS["2021-11"]
    last = ended.months()[LONG]
    assert last["try_number"] == closed.long["try_number"]
    assert ended.closes is not None
    assert datetime.fromisoformat(last["end_date"]) >= ended.closes + timedelta(minutes=1)


def test_a_deadline_that_was_met_is_dropped(ended: Station) -> None:
    """The deadline of a scheduled day is removed once the day is settled, and no alert is sent."""
    day = datetime.now(ended.zone).date() - timedelta(days=1)
    rows = ended.institution.day(f"{ended.dashboard.prefix}night/", day)
    ended.dashboard.add_fault("night", kind="delay", seconds=2)
    ended.airflow.unpause(DAILY)

    def deadlines() -> list[datetime]:
        query = "select deadline_time from deadline join dag_run on dag_run.id = dagrun_id where dag_id = :dag"
        return [at for (at,) in ended.server.ask(query, dag=DAILY)]

    (due,) = ended.see("the night's run has a deadline", deadlines)
    assert due.astimezone(ended.zone) == datetime(day.year, day.month, day.day, 6, tzinfo=ended.zone) + timedelta(days=1)
    (run,) = ended.airflow.runs(DAILY)
    assert ended.airflow.wait(DAILY, run["dag_run_id"]) == "success"
    assert datetime.now(ended.zone) < due
    assert deadlines() == []
    assert [alert for alert in ended.alerts if run["dag_run_id"] in alert["text"]] == []
    assert set(once(rows)) <= set(ended.dashboard.counts())
