"""An Airflow in which incidents are played one after the other, each with its own institution, outbox and days.

Nights become due when a test says so (``tests.airflow.due``); mail, webhook and monitor are real servers.
"""

from __future__ import annotations

import html
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy.engine import URL
from tablero.contract.windows import Window, day_window
from tablero.delivery import nightly
from tablero.delivery.reconciling import reconcile
from tablero.delivery.run import Run
from tablero.delivery.sending import send
from tablero.outbox.engine import connect
from tablero.outbox.upgrade import migrate
from tablero.settings import Settings
from tablero.source.reader import Source

from sandbox.dashboard import Row
from sandbox.testing import Handle
from tests.airflow.client import Client, Json, wait_for
from tests.airflow.conftest import SETTINGS
from tests.airflow.institution import Change, Institution
from tests.airflow.server import ROOT, Airflow
from tests.airflow.sinks import Mail, Mailbox, monitor_server, smtp_server, webhook_server
from tests.integration import fake_dashboard

DAILY, HISTORY = "daily_send", "historical_load"

#: The file to which sent alerts are written for the guide; none if it is not set.
REPORT = "TABLERO_INCIDENTS"


@dataclass
class World:
    """The Airflow, and the servers that receive its messages.

    :ivar zone: one in which it is noon, so that the date does not change during a test.
    :ivar beats: addresses called by the heartbeat.
    """

    server: Airflow
    airflow: Client
    sandbox: Handle
    zone: ZoneInfo
    folder: Path
    mailbox: Mailbox
    smtp_port: int
    webhook: list[Json]
    beats: list[str]
    scheduler: subprocess.Popen[str]

    @classmethod
    @contextmanager
    def running(cls, folder: Path, metadata: URL, sandbox: Handle) -> Iterator[World]:
        """Everything is running, no DAG is switched on, and the night of yesterday is due."""
        now = datetime.now(timezone.utc)
        zone = ZoneInfo(f"Etc/GMT{now.hour - 12:+d}")  # POSIX: +4 is west of Greenwich
        with ExitStack() as stack:
            mailbox, smtp_port = stack.enter_context(smtp_server())
            webhook, hook_port = stack.enter_context(webhook_server())
            beats, monitor_port = stack.enter_context(monitor_server())
            settings = {
                **SETTINGS,
                "timezone": zone.key,
                "retries": 0,
                "daily_at": "02:00",
                "deadline": "23:59",
                "alert_emails": "operaciones@example.org",
                "alert_webhook_conn_id": "alert_hook",
                "heartbeat_conn_id": "monitor",
                "digest": "monthly",
            }
            server = Airflow(folder / "airflow", metadata, settings)
            stack.callback(server.stop)
            airflow = server.start()
            airflow.connect("smtp_default", **_mail_server(smtp_port))
            airflow.connect("alert_hook", conn_type="http", host=f"http://127.0.0.1:{hook_port}/hook")
            airflow.connect("monitor", conn_type="http", host=f"http://127.0.0.1:{monitor_port}/ping/tablero")
            airflow.connect("tablero_api", conn_type="http", host=sandbox.url)
            for name in ("tablero_source", "tablero_outbox"):
                airflow.connect(name, conn_type="sqlite", host="/nowhere")
            due = subprocess.Popen(
                [sys.executable, "-m", "tests.airflow.due"],
                cwd=ROOT,
                env=server.environment | {"PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.callback(due.wait)
            stack.callback(due.kill)
            yield cls(server, airflow, sandbox, zone, folder, mailbox, smtp_port, webhook, beats, due)

    def begin(self, name: str, *, remembers: bool = False) -> Incident:
        """A new institution with an empty outbox; the previous one is forgotten, unless Airflow ``remembers``."""
        if not remembers:
            for memory in ("asset_event", "asset_state_store"):
                self.server.change(f"delete from {memory}")
        self.sandbox.reset()
        for heard in (self.mailbox.mails, self.webhook, self.beats):
            heard.clear()
        home = self.folder / name.replace(" ", "-")
        home.mkdir()
        incident = Incident(self, name, Institution(home / "source.db", self.zone), home / "outbox.db")
        self.airflow.reconnect("tablero_source", conn_type="sqlite", host=str(incident.institution.path))
        incident.use(incident.outbox)
        return incident

    def mail_goes_to(self, port: int) -> None:
        """Direct the mail connection to another port."""
        self.airflow.reconnect("smtp_default", **_mail_server(port))

    def due(self, day: date) -> str:
        """Create a scheduled run of a day; returns its id."""
        assert self.scheduler.stdin is not None
        assert self.scheduler.stdout is not None
        self.scheduler.stdin.write(f"{day}\n")
        self.scheduler.stdin.flush()
        for line in self.scheduler.stdout:
            word, _, run_id = line.strip().partition(" ")
            if word == "due":
                return run_id
        raise AssertionError("the program that makes nights has ended")


@dataclass
class Incident:
    """An incident in progress.

    :ivar rows: those that the dashboard must have in the end, each once.
    """

    world: World
    name: str
    institution: Institution
    outbox: Path
    rows: list[Change] = field(default_factory=list)

    # -- the institution, and its past without incidents --------------------------------------------------------------------

    def day(self, day: date, rows: int = 5) -> list[Change]:
        """Enter a day's changes, which are to be delivered."""
        made = self.institution.day("", day, rows)
        self.rows += made
        return made

    def enter(self, *changes: Change) -> None:
        """Enter rows of any kind, which are to be delivered."""
        self.rows += self.institution.commit(changes)

    def at(self, day: date, hour: int = 10) -> datetime:
        """An hour of a day, in the institution's zone."""
        return datetime(day.year, day.month, day.day, hour, tzinfo=self.world.zone)

    def use(self, outbox: Path) -> None:
        """Direct ``tablero_outbox`` to that database."""
        self.outbox = outbox
        self.world.airflow.reconnect("tablero_outbox", conn_type="sqlite", host=str(outbox))

    def settled(self, *windows: Window | date) -> None:
        """Record these windows as read, delivered and proved long ago, without Airflow and by another dashboard."""
        zone, chosen = (
            self.world.zone,
            [one if isinstance(one, Window) else day_window(one, self.world.zone) for one in windows],
        )
        settings = Settings.read({"timezone": zone.key, "api_path": "/api/load"})
        engine = connect(f"sqlite:///{self.outbox}")
        source_engine = connect(f"sqlite:///{self.institution.path}")
        try:
            migrate(engine)
            source = Source(source_engine, table=settings.source_table, sql=None, zone=zone, day_zone=zone)
            run = Run("before", lambda: datetime.now(timezone.utc))
            nightly.read(engine, source, settings, chosen, run)
            send(engine, fake_dashboard.Dashboard, settings, chosen, run)
            proof = reconcile(engine, source, settings, chosen, run, send=lambda _: None)
            assert all(account.settled for account in proof.accounts)
        finally:
            engine.dispose()
            source_engine.dispose()
        self.rows.clear()

    # -- what Airflow does ---------------------------------------------------------------------------------------------------

    def night(self, day: date, expected: str) -> str:
        """Run the scheduled run of a day to its expected end; returns its id."""
        run_id = self.world.due(day)
        self.ends(DAILY, run_id, expected)
        return run_id

    def ends(self, dag_id: str, run_id: str, expected: str) -> None:
        """Wait until a run ends as expected."""
        airflow = self.world.airflow
        state = airflow.wait(dag_id, run_id)
        assert state == expected, {task: airflow.log(dag_id, run_id, *task)[-1500:] for task in airflow.tasks(dag_id, run_id)}

    def load(self, conf: Json, expected: str, dag_id: str = HISTORY) -> str:
        """Trigger a run and wait for its end; returns its id."""
        run_id = self.world.airflow.trigger(dag_id, conf)
        self.ends(dag_id, run_id, expected)
        return run_id

    def clear(self, alert: Json) -> None:
        """Follow the alert: clear the failed task that it links to, and those after it; the run then succeeds."""
        words = urlsplit(alert["links"]["log"]).path.split("/")
        index = int(words[words.index("mapped") + 1]) if "mapped" in words else -1
        self.world.airflow.clear(alert["dag_id"], alert["run_id"], words[words.index("tasks") + 1], index)
        self.ends(alert["dag_id"], alert["run_id"], "success")

    @property
    def received(self) -> Counter[Row]:
        """What the dashboard has."""
        return self.world.sandbox.counts()

    # -- what is alerted -----------------------------------------------------------------------------------------------------

    def alerts_of(self, kind: str) -> list[Json]:
        """All messages of a kind that the webhook received in this incident."""
        return [call for call in self.world.webhook if call["kind"] == kind]

    def mailed(self, subject: str) -> list[Mail]:
        """The mails with this subject."""
        return [mail for mail in self.world.mailbox.mails if mail.subject == subject]

    def alert(self, kind: str, run_id: str) -> Json:
        """The one alert of a run, identical by mail and webhook, with links that lead to what it names."""
        wait_for(f"{kind} of {run_id} is alerted", lambda: self.alerts_of(kind) or None)
        time.sleep(3)  # in case of another one
        (alert,) = self.alerts_of(kind)
        assert alert["run_id"] == run_id
        (mail,) = wait_for("it comes by mail too", lambda: self.mailed(alert["subject"]))
        assert alert["text"] == f"{alert['subject']}\n\n{mail.plain.strip()}"
        for link in filter(None, alert["links"].values()):
            assert link in mail.plain
            assert link.replace("&", "&amp;") in mail.text
        self._follow(alert)
        self._report(alert, mail)
        return alert

    def shows(self, url: str, *words: str, status: int = 200) -> None:
        """Wait until a page has these words; Tablero's page notices another outbox with a delay."""

        def seen() -> bool:
            answer = self.world.airflow.page(url)
            return answer.status_code == status and all(word in answer.text for word in words)

        wait_for(f"{url} shows {words}", seen, every=2)

    def digests(self, period: str) -> list[Mail]:
        """The digests of a month that arrived by mail."""
        return [mail for mail in self.world.mailbox.mails if f"Resumen {period}" in mail.subject]

    def quiet(self, *kinds: str) -> None:
        """No message of these kinds was sent in this incident."""
        time.sleep(3)
        assert [call["subject"] for call in self.world.webhook if call["kind"] in kinds] == []

    def over(self, run_id: str, kind: str = "recovery") -> None:
        """The end is reported once, and the dashboard has every row of the incident once."""
        self.alert(kind, run_id)
        self.delivered()

    def delivered(self) -> None:
        """The dashboard has every row of the incident, once."""
        assert self.received == Counter({row.wire: 1 for row in self.rows})

    def _follow(self, alert: Json) -> None:
        airflow, links = self.world.airflow, alert["links"]
        self.shows(links["run"])
        dag_id, run_id = (unquote(urlsplit(links["run"]).path.split("/")[position]) for position in (2, 4))
        assert airflow.run(dag_id, run_id)["dag_run_id"] == alert["run_id"]
        if links["log"]:
            self.shows(links["log"])
            task, index, tried = _task_of(links["log"])
            assert alert["cause"].splitlines()[0] in airflow.log(dag_id, run_id, task, index, tried)
        if alert["kind"] == "failure" and not links["log"]:  # the outbox itself has failed, and the page says so
            self.shows(links["page"], "tablero_outbox", status=503)
            return
        first = alert["windows"][0] if alert["windows"] else {"window": "", "pending": 0}
        assert first["window"][:7] in links["page"]
        if alert["kind"] == "degraded" and "/window/" in links["page"]:
            self.shows(links["page"], _first_sentence(alert))
        else:
            self.shows(links["page"], *([f">{first['pending']:,}<"] if first["pending"] else []))

    def _report(self, alert: Json, mail: Mail) -> None:
        if path := os.environ.get(REPORT):
            fields = orjson.dumps({**alert, "text": "…"}, option=orjson.OPT_INDENT_2).decode()
            with Path(path).open("a") as report:
                report.write(f"## {self.name}: {alert['kind']}\n\n    {mail.subject}\n\n```\n{mail.plain.strip()}\n```\n\n")
                report.write(f"```json\n{fields}\n```\n\n")


def _mail_server(port: int) -> Json:
    extra = {"disable_ssl": True, "disable_tls": True, "from_email": "tablero@example.org"}
    return {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": orjson.dumps(extra).decode()}


def _first_sentence(alert: Json) -> str:
    """What happened, in Spanish, as HTML has it."""
    return html.escape(next(line for line in alert["text"].splitlines() if line.startswith("Qué pasó: ")).partition(": ")[2])


def _task_of(link: str) -> tuple[str, int, int | None]:
    """Task, map index and try from a link to a log."""
    parts = urlsplit(link)
    words = parts.path.split("/")
    index = int(words[words.index("mapped") + 1]) if "mapped" in words else -1
    tried: Sequence[str] = parse_qs(parts.query).get("try_number", ())
    return words[words.index("tasks") + 1], index, int(tried[0]) if tried else None


def days(first: date, count: int) -> list[date]:
    """That many days, starting with the first one given."""
    return [first + timedelta(days=number) for number in range(count)]
