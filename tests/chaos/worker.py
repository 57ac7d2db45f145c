"""A worker in its own process: what the tasks of a DAG do, in order, and death at a chosen moment.

It runs the use cases against the real client; only Airflow is left out. Processes are forked from a server that has
imported everything, since importing Airflow takes longer than a round.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import signal
import sqlite3
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from threading import Lock
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Engine
from tablero.contract.windows import Window
from tablero.dashboard.answer import Answer
from tablero.dashboard.client import Dashboard
from tablero.delivery import sending
from tablero.delivery.loading import load
from tablero.delivery.planning import plan_night
from tablero.delivery.reconciling import reconcile, require_settled
from tablero.delivery.run import Run
from tablero.delivery.sending import send
from tablero.delivery.staging import stage
from tablero.errors import (
    DashboardError,
    DashboardUnavailable,
    PermanentError,
    RowsLeased,
    TableroError,
    TransientError,
    WindowBusy,
)
from tablero.outbox.engine import connect
from tablero.outbox.upgrade import migrate
from tablero.settings import Settings
from tablero.source.reader import Source

from tests.chaos.institution import outage_of

#: Steps of SQLite's virtual machine after which a reading checks for the source: one or two rows.
_LOOK_EVERY = 40

#: Moments at which a worker can be made to die, when it reaches one for the n-th time.
MOMENTS = ("before_post", "after_answer", "before_commit", "after_transaction")

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([__name__])


@dataclass(frozen=True)
class Job:
    """The job of a worker.

    :ivar windows: as a DAG's plan gives them; of a daily run, its own day.
    :ivar healing: whether it is a scheduled daily run, which also covers earlier days.
    :ivar tries: of each task.
    :ivar now: what its clock shows at ``started`` (``time.monotonic``).
    :ivar death: a moment, and at which of its occurrences the worker dies.
    :ivar margin: seconds by which its leases are longer than a call.
    :ivar cut: the number of checks by readings after which the source restarts during one; ``None``: it does not.
    """

    name: str
    outbox: str
    source: Path
    api: str
    settings: dict[str, Any]
    windows: list[dict[str, str]]
    healing: bool
    tries: int
    now: datetime
    started: float
    death: tuple[str, int] | None
    cut: int | None
    margin: float
    log: Path


@dataclass
class Worker:
    """A worker from the point of view of those who started it.

    :ivar news: its messages, oldest first; see :class:`_Run`.
    """

    job: Job
    process: ForkServerProcess
    connection: Connection
    news: list[tuple[Any, ...]] = field(default_factory=list)

    def listen(self) -> None:
        """Read the messages received so far."""
        try:
            while not self.connection.closed and self.connection.poll():
                self.news.append(self.connection.recv())
        except (EOFError, OSError):  # it has ended, perhaps in the middle of a message
            self.connection.close()

    @property
    def finished(self) -> bool:
        """Whether it finished its job."""
        return ("done",) in self.news

    def events(self, kind: str) -> Iterator[tuple[Any, ...]]:
        """The messages of a kind, without its name."""
        return (item[1:] for item in self.news if item[0] == kind)


def start(job: Job) -> Worker:
    """Start a worker; the caller joins or kills its process."""
    here, there = _context.Pipe(duplex=False)
    process = _context.Process(target=_main, args=(job, there), name=job.name, daemon=True)
    process.start()
    there.close()
    return Worker(job, process, here)


def _main(job: Job, connection: Connection) -> None:
    logging.basicConfig(
        filename=job.log, level=logging.INFO, force=True, format="%(asctime)s %(name)s %(levelname)s %(message)s"
    )
    address = sa.make_url(job.api)
    os.environ["AIRFLOW_CONN_TABLERO_API"] = json.dumps({"conn_type": "http", "host": address.host, "port": address.port})
    sending._LEASE_MARGIN = job.margin
    run = _Run(job, connection)
    try:
        run.all_tasks()
    except Exception:
        # Every error other than TableroError is a bug, whatever faults occurred.
        run.report("bug", traceback.format_exc())
    run.report("done")
    connection.close()


class _Run:
    """The tasks of one run.

    Sends ``("staged", window, when it began)``, ``("proved", window, settled, when the recount began)``, ``("error", class,
    words)``, ``("cut",)`` when the source restarts under a reading, ``("bug", traceback)`` and ``("done",)``.
    """

    def __init__(self, job: Job, connection: Connection) -> None:
        self._job = job
        self._connection = connection
        self._settings = Settings.read(job.settings)
        self._engine = connect(job.outbox)
        self._fate = _Fate(job.death)
        self._fate.watch(self._engine)
        _break_with(outage_of(Path(self._engine.url.database or "")), self._engine)
        source = sa.create_engine(f"sqlite:///{job.source}", poolclass=sa.NullPool)
        _Outages(job.source, job.cut, lambda: self.report("cut")).befall(source)
        self._source = Source(
            source,
            table="tablero_status_changes",
            sql=None,
            zone=self._settings.source_zone,
            day_zone=self._settings.timezone,
        )
        # Retry-After as a date is a date of the sandbox's clock.
        self._poster = _Mortal(Dashboard(self._settings, clock=lambda: datetime.now(timezone.utc)), self._fate)

    def report(self, *news: Any) -> None:
        self._connection.send(news)

    def clock(self) -> datetime:
        return self._job.now + timedelta(seconds=time.monotonic() - self._job.started)

    def all_tasks(self) -> None:
        if not self._try(lambda: migrate(self._engine)):
            return
        windows = [Window.from_json(data) for data in self._job.windows]
        if self._job.healing:
            self._daily(windows)
        else:
            self._historical(windows)

    def _historical(self, windows: list[Window]) -> None:
        for window in windows:
            self._try(lambda window=window: self._load(window))
        self._try(lambda: self._prove(windows))

    def _load(self, window: Window) -> None:
        began = time.monotonic()
        try:
            load(
                self._engine,
                self._source,
                lambda: self._poster,
                self._settings,
                [window],
                Run(self._job.name, self.clock),
            )
        except (DashboardError, DashboardUnavailable, RowsLeased, WindowBusy):
            # Everything was read nevertheless; errors of reading come first.
            self.report("staged", window.to_json(), began)
            raise
        self.report("staged", window.to_json(), began)

    def _daily(self, own: list[Window]) -> None:
        windows = list(own)

        def extract() -> None:
            windows[:] = plan_night(self._engine, self._settings, own[0]).windows
            for window in windows:
                self._stage(window)

        if self._try(extract):
            self._try(lambda: self._send(windows))
        self._try(lambda: self._prove(windows))

    def _try(self, task: Callable[[], None]) -> bool:
        for _ in range(self._job.tries):
            try:
                task()
            except TransientError as error:
                self._tell_error(error)
                time.sleep(0.05)
            except PermanentError as error:
                self._tell_error(error)
                return False
            else:
                return True
        return False

    def _tell_error(self, error: TableroError) -> None:
        self.report("error", type(error).__name__, str(error))

    def _stage(self, window: Window) -> None:
        began = time.monotonic()
        stage(self._engine, self._source, self._settings, window, Run(self._job.name, self.clock))
        self.report("staged", window.to_json(), began)

    def _send(self, windows: list[Window]) -> None:
        send(self._engine, lambda: self._poster, self._settings, windows, Run(self._job.name, self.clock))

    def _prove(self, windows: list[Window]) -> None:
        began = time.monotonic()
        accounts, failure = reconcile(
            self._engine,
            self._source,
            self._settings,
            windows,
            Run(self._job.name, self.clock),
            send=lambda window: self._send([window]),
        )
        for account in accounts:
            if account.recount is not None:
                self.report("staged", account.window.to_json(), began)
            self.report("proved", account.window.to_json(), account.settled, began)
        if failure is not None:
            raise failure
        require_settled(accounts)


class _Fate:
    """Counts the moments and kills the process at the chosen one, as the kernel's out-of-memory killer would."""

    def __init__(self, death: tuple[str, int] | None) -> None:
        self._moment, self._left = death or ("", 0)
        self._lock = Lock()

    def comes_to(self, moment: str) -> None:
        if moment != self._moment:
            return
        with self._lock:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def watch(self, engine: Engine) -> None:
        event.listen(engine, "commit", lambda _: self.comes_to("before_commit"))
        event.listen(engine, "checkin", lambda *_: self.comes_to("after_transaction"))


class _Outages:
    """A source that goes down: connections are refused, and current readings are cut off, with the driver's own errors.

    :param cut: the check at which a reading is cut off by a restart, though the source answers again at once.
    :param restarted: called then.
    """

    def __init__(self, source: Path, cut: int | None, restarted: Callable[[], None]) -> None:
        self._away = outage_of(source)
        self._left = cut
        self._restarted = restarted

    def befall(self, engine: Engine) -> None:
        event.listen(engine, "do_connect", self._connect)
        event.listen(engine, "connect", lambda connection, _: connection.set_progress_handler(self._look, _LOOK_EVERY))

    def _connect(self, *_: Any) -> None:
        if self._away.exists():
            raise sqlite3.OperationalError("the source does not answer")

    def _look(self) -> bool:
        """True interrupts the current statement of the source."""
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                self._restarted()
                return True
        return self._away.exists()


def _break_with(away: Path, outbox: Engine) -> None:
    """Let every statement fail with the driver's own error as long as there is a file ``away``: the disk does not answer."""

    def fail(*_: Any) -> None:
        if away.exists():
            raise sqlite3.OperationalError("disk I/O error")

    if outbox.dialect.name == "sqlite":
        for moment in ("do_connect", "do_execute", "do_execute_no_params", "do_executemany"):
            event.listen(outbox, moment, fail)


class _Mortal:
    """The dashboard's client, in a process that may die on both sides of a call."""

    def __init__(self, dashboard: Dashboard, fate: _Fate) -> None:
        self._dashboard = dashboard
        self._fate = fate

    def post(self, body: bytes, *, message_id: str, issue: str) -> Answer:
        self._fate.comes_to("before_post")
        answer = self._dashboard.post(body, message_id=message_id, issue=issue)
        self._fate.comes_to("after_answer")
        return answer
