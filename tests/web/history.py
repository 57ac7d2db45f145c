"""An institution's short history, staged, sent and proved by the project's own use cases, which the pages show.

================  ==========================================================================================
``2026-08``       half of it is pending: the dashboard was down
``2026-09``       complete
``2026-10``       complete except invalid rows and two that the dashboard refused
``2026-11``       complete up to the day before yesterday, the last days by ``daily_send``
everything else   never read
================  ==========================================================================================
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import orjson
import pendulum
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from tablero.contract.reasons import Reason
from tablero.contract.windows import NO_DATE, Window, day_window, month_windows
from tablero.dashboard.answer import Answer, Outcome
from tablero.delivery.reconciling import reconcile
from tablero.delivery.run import Run
from tablero.delivery.sending import send
from tablero.delivery.staging import stage
from tablero.errors import TransientError
from tablero.outbox import target
from tablero.outbox.engine import connect
from tablero.outbox.schema import attempt, batch, rejection
from tablero.settings import Settings
from tablero.source.reader import Source

ZONE = pendulum.timezone("America/Santo_Domingo")

#: When the pages are requested: in the night after 2026-11-23, before its daily send.
NOW = datetime(2026, 11, 24, 5, 0, tzinfo=timezone.utc)

#: When the months were loaded: in the middle of a day.
LOADED = datetime(2026, 11, 20, 16, 0, tzinfo=timezone.utc)

SETTINGS = Settings.read({"xroad_client": "DO/GOB/12345/TRAMITES", "batch_size": 20})

#: The dashboard's answer about a service that it does not know.
WORDS = "service_id 9999 is <unknown>"

#: A request whose id, service and texts would do harm in a page or a spreadsheet without escaping.
HOSTILE = '<script>alert("1")</script>'
FORMULA = '=HYPERLINK("http://example.invalid","x")'

Row = tuple[Any, ...]


class Dashboard:
    """Accepts everything except service 9999, and nothing at all while it is down."""

    def __init__(self) -> None:
        self.down_after: int | None = None
        self.knows_9999 = False

    def post(self, body: bytes, *, message_id: str, issue: str) -> Answer:
        if self.down_after is not None:
            if self.down_after == 0:
                return Answer(Outcome.TRANSIENT, status=503, seconds=1.5, error="HTTP 503", message="maintenance")
            self.down_after -= 1
        bad = [number for number, row in enumerate(orjson.loads(body)["requests"]) if row["service_id"] == "9999"]
        if bad and not self.knows_9999:
            return Answer(Outcome.REFUSED, status=400, seconds=0.3, error="HTTP 400", message=WORDS, named=tuple(bad))
        return Answer(Outcome.DELIVERED, status=201, seconds=0.25, xroad_request_id=f"req-{message_id[:8]}")


class History:
    """The source, the dashboard and the outbox between them.

    :param engine: of an outbox with its schema.
    :param folder: where the source's file may be.
    """

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.dashboard = Dashboard()
        self._database = sa.create_engine(f"sqlite:///{folder / 'source.db'}")
        with self._database.begin() as connection:
            connection.exec_driver_sql(
                "CREATE TABLE IF NOT EXISTS tablero_status_changes"
                " (service_id TEXT, request_id TEXT, opening_date TEXT, status_id INTEGER, last_modified_date TEXT)"
            )
        self.source = Source(self._database, table="tablero_status_changes", sql=None, zone=ZONE, day_zone=ZONE)

    def copy(self, folder: Path) -> History:
        """The same history as far as it goes, in files of its own; that of an outbox in SQLite."""
        outbox = folder / "outbox.db"
        for database, copied in ((self.engine, outbox), (self._database, folder / "source.db")):
            assert database.url.database is not None
            with closing(sqlite3.connect(database.url.database)) as one, closing(sqlite3.connect(copied)) as other:
                one.backup(other)
        return History(connect(f"sqlite:///{outbox}"), folder)

    def add(self, *rows: Row) -> None:
        """Insert rows into the source."""
        with self._database.begin() as connection:
            connection.exec_driver_sql("INSERT INTO tablero_status_changes VALUES (?, ?, ?, ?, ?)", list(rows))

    def correct(self, statement: str, *values: Any) -> None:
        """Change the source."""
        with self._database.begin() as connection:
            connection.exec_driver_sql(statement, tuple(values))

    def put_undated(self, request_id: str) -> None:
        """Store an undated row, as a reading of the undated window rejects it."""
        values = dict.fromkeys(("service_id", "opening_date", "status_id", "last_modified_date"))
        with self.engine.begin() as connection:
            connection.execute(
                sa.insert(rejection).values(
                    **values,
                    digest=f"{len(request_id):032x}",
                    reason=Reason.CHANGE_MISSING.value,
                    request_id=request_id,
                    changed_at=NO_DATE,
                    extraction_id=1,
                )
            )

    def run(self, *windows: Window, run_id: str, now: datetime, prove: bool = True, settings: Settings = SETTINGS) -> None:
        """What a run does with some windows: read, send, reconcile. Failures are ignored."""
        this_run = Run(run_id, lambda: now)
        for window in windows:
            stage(self.engine, self.source, settings, window, this_run)
        begun = datetime.now(timezone.utc)
        with suppress(TransientError):
            send(self.engine, lambda: self.dashboard, settings, windows, this_run)
        date_back(self.engine, begun, now)
        if prove:
            reconcile(self.engine, self.source, settings, windows, this_run, send=lambda window: None, unsent=windows)

    def live(self) -> None:
        """Create the history of the table above."""
        target.remember(self.engine, target.name_of(SETTINGS, "https://dashboard.test"), LOADED)
        self.add(*requests("AUG", date(2026, 8, 3), 60))
        self.add(*requests("SEP", date(2026, 9, 1), 45))
        self.add(*requests("OCT", date(2026, 10, 5), 40))
        self.add(
            ("9999", "OCT-REFUSED-1", "2026-10-07 08:00:00", 1, "2026-10-07 09:00:00"),
            ("9999", "OCT-REFUSED-2", "2026-10-07 08:00:00", 1, "2026-10-08 09:00:00"),
            ("1041", HOSTILE, "2026-10-09 08:00:00", 99, "2026-10-09 09:00:00"),
            (FORMULA, "OCT-FORMULA", "2026-10-09 08:00:00", 99, "2026-10-09 10:00:00"),
            ("", "OCT-NO-SERVICE", "2026-10-09 08:00:00", 1, "2026-10-09 11:00:00"),
            ("1041", "OCT-OLD", "2019-12-31 23:00:00", 7, "2026-10-10 09:00:00"),
            ("1041", "OCT-TWICE", "2026-10-11 08:00:00", 2, "2026-10-11 09:00:00"),
            ("1041", "OCT-TWICE", "2026-10-11 08:00:00", 2, "2026-10-11 09:00:00"),
            ("1042", HOSTILE, "2026-10-12 08:00:00", 2, "2026-10-12 09:00:00"),
        )
        self.add(*requests("NOV", date(2026, 11, 2), 30))
        for day in range(20, 24):
            self.add(*requests(f"N{day}", date(2026, 11, day), 5))
        self.add(
            ("1041", "REQ-77", "2026-11-18 08:00:00", 9, "2026-11-18 08:00:00"),
            ("1041", "REQ-77", "2026-11-18 08:00:00", 2, "2026-11-19 09:30:00"),
            ("1041", "REQ-77", "2026-11-18 08:00:00", 7, "2026-11-22 15:00:00.25"),
        )
        months = month_windows(date(2026, 8, 1), date(2026, 11, 1), ZONE, LOADED)
        self.dashboard.down_after = 1
        self.run(months[0], run_id="manual__august", now=LOADED - timedelta(hours=2))
        self.dashboard.down_after = None
        self.run(*months[1:], run_id="manual__history", now=LOADED)
        for day in range(20, 23):
            own = day_window(date(2026, 11, day), ZONE)
            self.run(own, run_id=f"scheduled__2026-11-{day + 1}", now=own.end + timedelta(hours=2, minutes=1))


def date_back(engine: Engine, begun: datetime, now: datetime) -> None:
    """Move everything answered since ``begun``, by the outbox's own clock, to its time in the history."""
    with engine.begin() as connection:
        for table, column in ((batch, batch.c.settled_at), (attempt, attempt.c.started_at)):
            connection.execute(sa.update(table).where(column >= begun).values({column.name: now}))


def requests(prefix: str, first: date, count: int) -> Iterator[Row]:
    """Status changes of ``count`` requests, ten minutes apart, from eight in the morning of the given day on."""
    start = datetime.combine(first, datetime.min.time()) + timedelta(hours=8)
    for number in range(count):
        moment = start + timedelta(minutes=10 * number)
        yield ("1041", f"{prefix}-{number:04d}", start.isoformat(" "), 1 + number % 3, moment.isoformat(" "))
