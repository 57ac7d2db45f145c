"""Send hours and alerts: an Airflow of its own, started outside the hours, with the dashboard down at the opening.

Its name sorts first, so that it has ended before the other tests start theirs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import orjson
import pytest
from sqlalchemy.engine import URL

from sandbox.testing import Handle
from tests.airflow.client import Client, Json, wait_for
from tests.airflow.conftest import SETTINGS
from tests.airflow.dashboard import Dashboard, once
from tests.airflow.institution import Change, Institution
from tests.airflow.server import Airflow
from tests.airflow.sinks import Mail, Mailbox, smtp_server, webhook_server

HISTORY, DAILY = "historical_load", "daily_send"

#: Seconds from the start of Airflow to the opening; the next value is for machines too slow for the first.
OPENS_IN = (150, 400, 900)


#: After the opening, whatever the time of this test; the day that the first night sends is late since yesterday.
DEADLINE = "23:59"


@dataclass
class Evening:
    """An Airflow in which the send hours are about to begin.

    :ivar zone: one in which it is noon, so that the deadline of 06:00 has passed.
    :ivar opens: the opening.
    :ivar days: those of the two scheduled runs; the second one begins a minute after the opening.
    :ivar rows: the rows of these days.
    :ivar webhook: what the webhook received.
    """

    server: Airflow
    airflow: Client
    institution: Institution
    zone: ZoneInfo
    opens: datetime
    days: tuple[date, date]
    dashboard: Dashboard
    mailbox: Mailbox
    webhook: list[Json]
    rows: list[Change] = field(default_factory=list)

    def scheduled(self, day: date) -> Json | None:
        """The scheduled run of a day, if it has started."""
        for run in self.airflow.runs(DAILY, run_type="scheduled"):
            if datetime.fromisoformat(run["data_interval_start"]).astimezone(self.zone).date() == day:
                return run
        return None

    def see_through(self, day: date) -> str:
        """Wait for the scheduled run of a day to start and to end; returns its id."""
        run = wait_for(f"the run of {day} has begun", lambda: self.scheduled(day))
        self.airflow.wait(DAILY, run["dag_run_id"])
        return str(run["dag_run_id"])

    def mails(self, run_id: str, word: str) -> list[Mail]:
        """The mails about a run whose subject has this word."""
        return [mail for mail in self.mailbox.about(run_id) if word in mail.subject]

    def alerted(self, run_id: str, word: str) -> Mail:
        """Wait for the one mail about a run whose subject has this word, and for the same message on the webhook."""
        wait_for(f"{word} is alerted of {run_id}", lambda: self.mails(run_id, word))
        wait_for("the webhook receives it too", lambda: self.hooked(run_id, word))
        time.sleep(3)  # in case of another one
        assert len(self.mails(run_id, word)) == len(self.hooked(run_id, word)) == 1
        return self.mails(run_id, word)[0]

    def hooked(self, run_id: str, word: str) -> list[Json]:
        """What the webhook received about a run, if the subject has this word."""
        return [call for call in self.webhook if run_id in call["text"] and word in call["subject"]]


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory, new_metadata: Callable[[], URL], sandbox: Handle) -> Iterator[Evening]:
    """Everything is ready, outside the send hours; ``daily_send`` is not switched on yet."""
    now = datetime.now(timezone.utc)
    zone = ZoneInfo(f"Etc/GMT{now.hour - 12:+d}")  # POSIX: +4 is west of Greenwich
    institution = Institution(tmp_path_factory.mktemp("institution") / "source.db", zone)
    with ExitStack() as stack:
        mailbox, smtp_port = stack.enter_context(smtp_server())
        webhook, hook_port = stack.enter_context(webhook_server())
        metadata = new_metadata()
        for seconds in OPENS_IN:
            now = datetime.now(zone)
            opens = (now + timedelta(seconds=seconds + 59)).replace(second=0, microsecond=0)
            settings = {
                **SETTINGS,
                "connect_timeout": 60,
                "read_timeout": 120,
                "timezone": zone.key,
                "retries": 1,
                "send_hours": f"{opens:%H:%M}-{now:%H:%M}",
                "daily_at": f"{opens + timedelta(minutes=1):%H:%M}",
                "deadline": DEADLINE,
                "alert_emails": "operaciones@example.org, noche@example.org",
                "alert_webhook_conn_id": "alert_hook",
                "alert_after_failures": 2,
            }
            server = Airflow(tmp_path_factory.mktemp("airflow"), metadata, settings)
            stack.callback(server.stop)
            airflow = server.start()
            # On any machine two tasks are deferred in less time than a start of Airflow takes; it may be busier then.
            if datetime.now(zone) < opens - 2 * server.starting:
                break
            server.stop()
        airflow.connect("tablero_source", **institution.connection)
        airflow.connect("tablero_api", conn_type="http", host=sandbox.url)
        airflow.connect("alert_hook", conn_type="http", host=f"http://127.0.0.1:{hook_port}/hook")
        plain = {"disable_ssl": True, "disable_tls": True, "from_email": "tablero@example.org"}
        extra = orjson.dumps(plain).decode()
        airflow.connect("smtp_default", conn_type="smtp", host="127.0.0.1", port=smtp_port, extra=extra)
        airflow.unpause(HISTORY)
        yesterday = opens.date() - timedelta(days=1)
        days = (yesterday - timedelta(days=1), yesterday)
        dashboard = Dashboard(sandbox, "evening/")
        yield Evening(server, airflow, institution, zone, opens, days, dashboard, mailbox, webhook)
        dashboard.heal()


@dataclass(frozen=True)
class Closed:
    """What was observed outside the send hours.

    :ivar month: the run of ``historical_load`` that waits.
    :ivar day: that of ``daily_send``.
    """

    month: str
    day: str
    month_rows: list[Change]
    states: set[str]
    pool: Json
    received: bool


@pytest.fixture(scope="module")
def closed(evening: Evening) -> Closed:
    """A month and a day that are due before the opening. The dashboard is down for the day and for the next one."""
    airflow, dashboard = evening.airflow, evening.dashboard
    month_rows = evening.institution.month(f"{dashboard.prefix}month/", "2022-03", rows=50)
    for day in evening.days:
        evening.rows += evening.institution.day(f"{dashboard.prefix}day/", day)
    dashboard.add_fault("day", kind="status", status=503)
    month = airflow.trigger(HISTORY, {"start_month": "2022-03", "end_month": "2022-03"})
    airflow.unpause(DAILY)
    day = wait_for("daily_send has begun", lambda: evening.scheduled(evening.days[0]))["dag_run_id"]

    def states() -> set[str]:
        found = airflow.states(HISTORY, month).get(("load_month", 0)), airflow.states(DAILY, day).get(("post", -1))
        return {str(state) for state in found}

    wait_for("both wait for the opening", lambda: states() == {"deferred"})

    def idle() -> Json | None:
        pool: Json = airflow.get("/pools/default_pool")
        return pool if pool["occupied_slots"] == 0 else None

    # A task of the next night may be running just now; those that are deferred would occupy their slots until the opening.
    pool = wait_for("no slot is occupied", idle)
    seen = Closed(month, day, month_rows, states(), pool, bool(dashboard.counts()))
    assert datetime.now(evening.zone) < evening.opens, "this machine is too slow for OPENS_IN"
    return seen


def test_closed(closed: Closed) -> None:
    """Before the opening the sending tasks are deferred: they send nothing and hold no slot."""
    assert closed.states == {"deferred"}
    assert not closed.received
    assert closed.pool["occupied_slots"] == 0
    assert closed.pool["deferred_slots"] == 2


def test_opening(evening: Evening, closed: Closed) -> None:
    """At the opening, in the institution's zone, the month continues by itself and is delivered without using up a try."""
    assert evening.airflow.wait(HISTORY, closed.month) == "success"
    assert evening.dashboard.counts() >= once(closed.month_rows)
    only, *others = evening.airflow.tries(HISTORY, closed.month, "load_month", 0)
    assert not others, evening.airflow.log(HISTORY, closed.month, "load_month", 0, try_number=1)
    assert datetime.fromisoformat(only["end_date"]) >= evening.opens


@pytest.fixture(scope="module")
def first_failure(evening: Evening, closed: Closed) -> str:
    """The first night has failed after all its tries; returns its run."""
    assert evening.airflow.wait(DAILY, closed.day) == "failed"
    return closed.day


def test_late(evening: Evening, first_failure: str) -> None:
    """A scheduled day that is not settled by ``deadline`` is alerted with its current state."""
    mail = evening.alerted(first_failure, "LATE")
    assert DEADLINE in mail.subject
    assert f"The day was not settled by {DEADLINE}" in mail.text


@pytest.fixture(scope="module")
def second_failure(evening: Evening, first_failure: str) -> str:
    """The second night has failed as well; returns its run."""
    assert evening.mails(first_failure, "FAILED") == []
    run_id = evening.see_through(evening.days[1])
    assert evening.airflow.run(DAILY, run_id)["state"] == "failed"
    return run_id


def test_second_failure(evening: Evening, first_failure: str, second_failure: str) -> None:
    """Only the second failed night in a row is alerted: which windows, how many rows, why, what to do."""
    mail = evening.alerted(second_failure, "FAILED")
    assert evening.mails(first_failure, "FAILED") == []
    assert sorted(mail.to) == ["noche@example.org", "operaciones@example.org"]
    assert "10 filas pendientes / rows pending" in mail.subject
    for day in evening.days:
        assert f"{day} (5)" in mail.text
    assert "HTTP 503" in mail.text
    assert "only what is missing is sent" in mail.text


def test_the_webhook_gets_fields(evening: Evening, second_failure: str) -> None:
    """The webhook gets links to the run, to the log of the task that failed first, and to the page."""
    evening.alerted(second_failure, "FAILED")
    (sent,) = evening.hooked(second_failure, "FAILED")
    assert (sent["kind"], sent["dag_id"], sent["run_id"], sent["pending"]) == ("failure", DAILY, second_failure, 10)
    assert {window["window"] for window in sent["windows"]} >= {str(day) for day in evening.days}
    assert "HTTP 503" in sent["cause"]
    assert sent["links"]["run"].startswith(f"{evening.server.url}/dags/{DAILY}/runs/")
    assert "/tasks/post" in sent["links"]["log"]
    assert sent["links"]["page"].startswith(f"{evening.server.url}/tablero/window/")


@pytest.fixture(scope="module")
def recovered(evening: Evening, second_failure: str) -> str:
    """The dashboard is back, and the second night was cleared and succeeded; returns its run."""
    evening.alerted(second_failure, "FAILED")
    evening.dashboard.heal()
    evening.airflow.clear(DAILY, second_failure, "post")
    assert evening.airflow.wait(DAILY, second_failure) == "success"
    return second_failure


def test_recovery(evening: Evening, closed: Closed, recovered: str) -> None:
    """The end of the incident is reported once, and every row has arrived once."""
    evening.alerted(recovered, "recovered")
    assert evening.dashboard.counts() == once(closed.month_rows, evening.rows)


def test_permanent(evening: Evening, first_failure: str, recovered: str) -> None:
    """A permanent failure of a scheduled run is alerted at once, although a single failure otherwise is not."""
    evening.alerted(recovered, "recovered")
    late = evening.institution.day(f"{evening.dashboard.prefix}permanent/", evening.days[0])
    evening.rows += late
    evening.dashboard.add_fault("permanent", kind="xroad", type="Server.ServerProxy.AccessDenied")
    evening.airflow.clear(DAILY, first_failure, "extract")
    assert evening.airflow.wait(DAILY, first_failure) == "failed"
    mail = evening.alerted(first_failure, "FAILED")
    assert f"{evening.days[0]} ({len(late)})" in mail.text
    assert "ask Burocracia Cero / OGTIC" in mail.text

    evening.dashboard.heal()
    evening.airflow.clear(DAILY, first_failure, "extract")
    assert evening.airflow.wait(DAILY, first_failure) == "success"
    evening.alerted(first_failure, "recovered")


def test_months(evening: Evening, closed: Closed) -> None:
    """A load with two failed months is alerted at once and only once; so is the recovery by the next successful load."""
    assert evening.airflow.wait(HISTORY, closed.month) == "success"
    prefix = f"{evening.dashboard.prefix}two/"
    months = ["2022-05", "2022-06"]
    rows = [row for month in months for row in evening.institution.month(prefix, month)]
    evening.rows += rows
    load = {"start_month": months[0], "end_month": months[-1]}
    fault = evening.dashboard.add_fault("two", kind="status", status=503)
    failed, state = evening.airflow.load(HISTORY, load)
    assert state == "failed"
    mail = evening.alerted(failed, "FAILED")
    assert f"{len(rows)} filas pendientes" in mail.subject
    for month in months:
        assert f"{month} (30)" in mail.text
    assert "load_month 2022-0" in mail.text
    assert "HTTP 503" in mail.text

    evening.dashboard.remove_fault(fault)
    healed, state = evening.airflow.load(HISTORY, load)
    assert state == "success"
    evening.alerted(healed, "recovered")


def test_no_deadline_by_hand(evening: Evening, first_failure: str, recovered: str) -> None:
    """Manual runs, and backfills of old days, are never late."""
    assert evening.mails(first_failure, "LATE")
    assert evening.mails(recovered, "LATE") == []  # the deadline of its day is still to come
    by_hand, state = evening.airflow.load(DAILY, {"day": "2022-07-15"})
    assert state == "success"
    old = datetime(2022, 7, 16, tzinfo=evening.zone).isoformat()
    evening.airflow.ask("POST", "/backfills", json={"dag_id": DAILY, "from_date": old, "to_date": old})
    (backfill,) = wait_for("the backfill has begun", lambda: evening.airflow.runs(DAILY, run_type="backfill"))
    assert evening.airflow.wait(DAILY, backfill["dag_run_id"]) == "success"
    time.sleep(5)  # time for the triggerer to send an alert by mistake
    assert evening.mailbox.about(by_hand) == []
    assert evening.mailbox.about(backfill["dag_run_id"]) == []
