"""A world in which an adversary does what it likes between the nights: the real tasks and callbacks, in one process.

Airflow is replaced by a few lines, which call the tasks in the order of the DAG, try them again as the retry policy does, and
call the callbacks. The institution, the dashboard and the channels of the alerts are simulated; outbox and timetable are real.
"""

from __future__ import annotations

import json
import random
import sqlite3
import time as real_time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pendulum
import pytest
import sqlalchemy as sa
from airflow.timetables.base import TimeRestriction
from sqlalchemy.engine import Engine
from tablero.airflow import callbacks, configuration, history, tasks
from tablero.airflow.alerts import channels, sending
from tablero.airflow.alerts.budget import Budget
from tablero.airflow.alerts.channels import Message
from tablero.airflow.alerts.content import Alert
from tablero.airflow.runs import proving
from tablero.airflow.runs import sending as runs_sending
from tablero.airflow.timetable import CivilDayTimetable
from tablero.contract.status_change import StatusChange
from tablero.dashboard.answer import Answer, Outcome
from tablero.delivery import sending as delivery_sending
from tablero.delivery.health.digest import Digest
from tablero.delivery.posting import pump, recorder
from tablero.errors import Deferral, OutboxUnavailable, PermanentError, RowsLeased, SourceUnavailable, TableroError
from tablero.outbox.engine import reading
from tablero.outbox.schema import notification
from tablero.settings import Settings
from tablero.source.reader import Source

from tests.integration.fake_dashboard import CRASHED, DELIVERED, FORBIDDEN, LOST, UNAVAILABLE, Dashboard, Entry, refused
from tests.integration.institution import VIEW, Institution

#: Tries of a task, and deferrals of one, before the adversary's Airflow gives it up.
TRIES, DEFERRALS = 3, 30

PARAMS: dict[str, Any] = {"day": None, "dry_run": False, "resend": False, "accept_changes": False}

_DAY = timedelta(days=1)


def content(row: StatusChange | Entry) -> tuple[Any, ...]:
    """The five values of a row, whichever form it has."""
    if isinstance(row, StatusChange):
        return (row.service_id, row.request_id, row.opening_date, row.status_id, row.last_modified_date)
    dates = (datetime.fromisoformat(row[name].replace("Z", "+00:00")) for name in ("opening_date", "last_modified_date"))
    opened, changed = dates
    return (row["service_id"], row["request_id"], opened, row["status_id"], changed)


class Server(Dashboard):
    """The dashboard. Each row is counted as often as it was stored, and as often as it was stored without a word.

    :ivar mode: how it answers: the name of a method.
    :ivar bad: requests that it refuses.
    :ivar stored: how often it has stored each row.
    :ivar is_forgotten: whether the outbox may have no room for what it answers.
    :ivar doubtful: how often nobody learned what it answered to a call with a row.
    """

    url = "http://127.0.0.1:1/api/load"
    warnings: tuple[str, ...] = ()

    def __init__(self, chance: random.Random) -> None:
        super().__init__(self._answer)
        self._chance = chance
        self.mode = "up"
        self.bad: set[str] = set()
        self.is_forgotten = False
        self.stored: Counter[tuple[Any, ...]] = Counter()
        self.doubtful: Counter[tuple[Any, ...]] = Counter()

    def _answer(self, entries: list[Entry]) -> Answer:
        answer: Answer = getattr(self, f"_{self.mode}")(entries)
        rows = [content(entry) for entry in entries]
        if answer.outcome is Outcome.DELIVERED or answer is LOST:
            self.stored.update(rows)
        if answer.outcome is Outcome.UNKNOWN or self.is_forgotten:
            self.doubtful.update(rows)
        return answer

    def _up(self, entries: list[Entry]) -> Answer:
        return refused() if any(entry["request_id"] in self.bad for entry in entries) else DELIVERED

    def _down(self, _: list[Entry]) -> Answer:
        return UNAVAILABLE

    def _forbidden(self, _: list[Entry]) -> Answer:
        return FORBIDDEN

    def _refusing(self, _: list[Entry]) -> Answer:
        return refused()

    def _crashing(self, entries: list[Entry]) -> Answer:
        return CRASHED if self._chance.random() < 0.3 else self._up(entries)

    def _losing(self, entries: list[Entry]) -> Answer:
        answer = self._up(entries)
        return LOST if answer is DELIVERED and self._chance.random() < 0.3 else answer

    def _flapping(self, entries: list[Entry]) -> Answer:
        return UNAVAILABLE if self._chance.random() < 0.4 else self._up(entries)


class _Down(Source):
    """A source that does not answer."""

    def _fail(self, *_: object) -> Any:
        raise SourceUnavailable("the source is switched off")

    chunks = count = check = _fail


@dataclass
class Run:
    """A run of ``daily_send``, which may be cleared and run again.

    :ivar is_green: whether its last execution succeeded.
    """

    run_id: str
    run_type: str
    data_interval_start: datetime | None
    data_interval_end: datetime | None
    conf: dict[str, Any] = field(default_factory=dict)
    dag_id: str = "daily_send"
    start_date: datetime | None = None
    is_green: bool | None = None
    error: BaseException | None = None


class World:
    """An institution, its Airflow and the dashboard.

    :ivar now: the simulated time.
    :ivar runs: all scheduled runs so far.
    :ivar decided: the alerts that were sent, or will be, in the order in which that was decided.
    :ivar received: the alerts that each channel has taken.
    :ivar digests: the digests that were sent, by the name of their period.
    :ivar beats: how often the heartbeat was called.
    :ivar settled: how often a scheduled run succeeded.
    :ivar broken: channels that take nothing just now.
    """

    def __init__(self, engine: Engine, folder: Path, chance: random.Random, first: date, settings: dict[str, Any]) -> None:
        self.engine = engine
        self.chance = chance
        self.institution = Institution(folder / "institution.db")
        self.dashboard = Server(chance)
        self.given = settings
        self.now = datetime.combine(first + _DAY, time(10), timezone.utc)
        self.runs: list[Run] = []
        self.received: dict[str, list[Message]] = {channels.MAIL: [], channels.WEBHOOK: []}
        self.decided: list[dict[str, Any]] = []
        self.digests: list[Digest] = []
        self._queued: list[dict[str, Any]] = []
        self.beats = self.settled = 0
        self.broken: set[str] = set()
        self.source_is_down = False
        self.outbox_is_away = False
        self._folder = folder
        self._room: int | None = None
        sa.event.listen(engine, "connect", self._limit)

    @property
    def settings(self) -> Settings:
        return Settings.read({"api_path": "/api/load", **self.given})

    # -- what the tasks and callbacks find instead of Airflow's connections ----------------------------------------------

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the tasks and callbacks find this world."""
        replaced: dict[str, Any] = {
            "read_settings": lambda: self.settings,
            "outbox": self._outbox,
            "source": self._source,
            "dashboard": lambda _: self.dashboard,
            "has_outbox": lambda: True,
            "base_url": lambda: "https://airflow.example.org",
            "airflow_home": lambda: self._folder,
            "callback_budget": lambda: Budget(50.0),
        }
        for name, value in replaced.items():
            monkeypatch.setattr(configuration, name, value)
        for module in (configuration, tasks, history, proving, runs_sending):
            monkeypatch.setattr(module, "clock", lambda: self.now)
        monkeypatch.setattr(sending, "send", self._send)
        monkeypatch.setattr(sending, "enqueue", partial(self._enqueue, sending.enqueue))
        monkeypatch.setattr(sending, "send_at_once", partial(self._send_at_once, sending.send_at_once))
        monkeypatch.setattr(channels, "send_digest", self._send_digest)
        monkeypatch.setattr(channels, "beat", self._beat)
        monkeypatch.setattr(pendulum, "now", lambda _=None: pendulum.instance(self.now))
        # Leases end by the machine's clock; they last minutes.
        monkeypatch.setattr(delivery_sending, "_LEASE_MARGIN", 0.5)
        for module in (recorder, pump):
            monkeypatch.setattr(module, "TRY_AGAIN_AFTER", 0.1)

    @contextmanager
    def _outbox(self) -> Iterator[Engine]:
        if self.outbox_is_away:
            raise OutboxUnavailable("the outbox is away")
        yield self.engine

    @contextmanager
    def _source(self, settings: Settings) -> Iterator[Source]:
        kind = _Down if self.source_is_down else Source
        yield kind(self.institution.engine, table=VIEW, sql=None, zone=settings.source_zone, day_zone=settings.timezone)

    def _enqueue(self, enqueue: Callable[..., None], *args: Any, **named: Any) -> None:
        enqueue(*args, **named)
        self._queued.append(args[2].to_json())

    def _send_at_once(self, send: Callable[..., bool], settings: object, alert: Alert, *, seconds: float) -> bool:
        is_taken = send(settings, alert, seconds=seconds)
        self.decided += [alert.to_json()] if is_taken else []
        return is_taken

    def _send(self, _: object, messages: Mapping[str, Sequence[Message]], *, seconds: float) -> dict[str, list[bool]]:
        for channel, some in messages.items():
            if channel not in self.broken:
                self.received[channel] += some
        return {channel: [] if channel in self.broken else [True] * len(some) for channel, some in messages.items()}

    def _send_digest(self, _settings: object, found: Digest, *_: object, seconds: float) -> bool:
        if channels.MAIL in self.broken:
            return False
        self.digests.append(found)
        return True

    def _beat(self, _: str, *, seconds: float) -> None:
        self.beats += 1

    # -- the disk of the outbox ------------------------------------------------------------------------------------------

    def fill_disk(self, pages: int | None) -> None:
        """Leave the outbox that many pages to grow; ``None``: as many as it wants."""
        self._room, self.dashboard.is_forgotten = None, pages is not None
        self.engine.dispose()
        if pages is not None:
            with closing(sqlite3.connect(str(self.engine.url.database))) as connection:
                connection.execute("VACUUM")
                self._room = int(connection.execute("PRAGMA page_count").fetchone()[0]) + pages

    def _limit(self, connection: Any, _: object) -> None:
        if self._room is not None:
            connection.execute(f"PRAGMA max_page_count={self._room}")

    # -- Airflow ---------------------------------------------------------------------------------------------------------

    def night(self) -> Run:
        """Wait for the next scheduled run, and execute it; the tasks may end hours later."""
        settings = self.settings
        table = CivilDayTimetable(settings.daily_at, settings.timezone.name)
        last = SimpleNamespace(start=self.runs[-1].data_interval_start) if self.runs else None
        restriction = TimeRestriction(earliest=pendulum.datetime(2020, 1, 1), latest=None, catchup=False)
        info = table.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)  # type: ignore[arg-type]
        assert info is not None
        due = datetime.fromtimestamp(info.run_after.timestamp(), timezone.utc)
        self.now = max(self.now + timedelta(minutes=1), due)
        run_id = f"scheduled__{info.run_after.in_timezone('UTC').isoformat()}"
        run = Run(run_id, "scheduled", info.data_interval.start, info.data_interval.end)
        self.runs.append(run)
        self.execute(run)
        return run

    def by_hand(self, **conf: Any) -> Run:
        """A run that a person starts."""
        run = Run(f"manual__{self.now.isoformat()}", "manual", None, None, conf)
        self.execute(run)
        return run

    def execute(self, run: Run) -> None:
        """Execute a run, or execute it again after it was cleared."""
        run.start_date, params = self.now, PARAMS | run.conf
        extracted = self._task(run, "extract", lambda: tasks.extract(params, run, PARAMS))
        posted = self._task(run, "post", lambda: tasks.post(extracted, params, run))
        run.error = None
        self._task(run, "reconcile", lambda: tasks.prove_day(extracted, posted, params, run, defaultdict(MagicMock)))
        run.is_green = run.error is None  # of which the last task decides
        self.settled += run.is_green and run.run_type == "scheduled"
        self._queued.clear()
        (callbacks.run_succeeded if run.is_green else callbacks.run_failed)({"dag_run": run})  # type: ignore[typeddict-item]
        with reading(self.engine) as connection:
            waiting = [message["json"] for message in connection.scalars(sa.select(notification.c.message))]
        taken = [one.json for some in self.received.values() for one in some]
        # Not those whose transaction was rolled back.
        self.decided += [alert for alert in self._queued if alert in [*waiting, *taken]]

    def _task(self, run: Run, task_id: str, work: Callable[[], Any]) -> Any:
        deferrals = tries = 0
        while True:
            try:
                result = work()
                run.error = None
                # As between two tasks: what one passes to the next one is stored as JSON.
                return json.loads(json.dumps(result))
            except Deferral as wait:
                deferrals += 1
                if deferrals == DEFERRALS:
                    raise AssertionError(f"{task_id} of {run.run_id} waits for ever: {wait}") from wait
                self.now = max(self.now, wait.resume_at)
                if isinstance(wait, RowsLeased):
                    real_time.sleep(0.3)
            except TableroError as error:
                tries += 1
                run.error = error
                index: Any = {"map_index": -1, "rendered_map_index": None}
                ti = SimpleNamespace(dag_id=run.dag_id, run_id=run.run_id, task_id=task_id, try_number=tries, **index)
                context: Any = {"dag_run": run, "ti": ti, "exception": error}
                if isinstance(error, PermanentError) or tries == TRIES:
                    callbacks.task_failed(context)
                    return None
                callbacks.task_retried(context)
                self.now += timedelta(minutes=7)
