"""An institution in operation: almost seven years sent, some rows wrong, some refused, three months never read.

The rows are the demonstration's (``sandbox.institution``); the project's own use cases stage, send and prove them, so the
pages have data to show as soon as Airflow runs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path

import orjson
import pendulum
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from tablero.contract.windows import Window, day_window, month_windows, undated_window
from tablero.dashboard.answer import Answer, Outcome
from tablero.delivery import dry_run
from tablero.delivery.reconciling import reconcile
from tablero.delivery.run import Run
from tablero.delivery.sending import send
from tablero.delivery.staging import stage
from tablero.errors import TransientError
from tablero.outbox.engine import connect
from tablero.outbox.findings import Degradation, keep_degradations
from tablero.outbox.schema import batch, reconciliation, rejection
from tablero.outbox.upgrade import migrate
from tablero.settings import Settings
from tablero.source.reader import Source

from sandbox import institution
from tests.web.history import date_back

ZONE = pendulum.timezone("America/Santo_Domingo")

#: Months that were never read.
NEVER = ("2021-05", "2021-06", "2021-07")

#: The month whose second half was not accepted because the dashboard was down.
PENDING = "2023-12"

#: The month that was changed at the source after it was read.
MISMATCH = "2022-08"

#: The month in which the dashboard refused some rows.
REFUSED = "2024-03"

#: A request that is completely delivered, and one that was never read.
DELIVERED, UNREAD = "LCM-2024-000077", "LCM-LATE"

#: The dry run that is on record.
DRY_RUN = "manual__2026-11-20"

#: How many requests they belong to.
REFUSALS = 4

WORDS = "service_id must be one of the registered services"

_SEED = 7


@dataclass(frozen=True)
class Prepared:
    """Where everything is.

    :ivar source: the institution's database, an SQLite file.
    :ivar outbox: the outbox, an SQLite file.
    :ivar last_day: the last one that was sent.
    """

    source: Path
    outbox: Path
    last_day: date

    def engine(self) -> Engine:
        """The outbox."""
        return connect(f"sqlite:///{self.outbox}")

    def loads(self) -> list[str]:
        """The runs that loaded the months, by id."""
        loads = sa.select(reconciliation.c.run_id).distinct().where(reconciliation.c.run_id.startswith("manual__"))
        with self.engine().connect() as connection:
            return sorted(connection.scalars(loads))

    def correct_a_row(self) -> tuple[str, date]:
        """Correct, in the source, one row whose status the dashboard does not know; returns its request and its day."""
        with self.engine().connect() as connection:
            wrong = connection.execute(
                sa.select(rejection.c.request_id, rejection.c.changed_at)
                .where(rejection.c.reason == "unknown_status", ~rejection.c.resolved)
                .order_by(rejection.c.changed_at)
                .limit(1)
            ).one()
        with closing(sqlite3.connect(self.source)) as database, database:
            database.execute(
                "update historial_solicitudes set codigo_estado = 'COM'"
                " where no_solicitud = ? and codigo_estado in ('ARC', 'MIG')",
                (wrong.request_id,),
            )
        return wrong.request_id, wrong.changed_at.astimezone(ZONE).date()


class _Dashboard:
    """Accepts everything, but can be down, and can refuse some rows."""

    def __init__(self) -> None:
        self.calls_left: int | None = None
        self.to_refuse = 0
        self._refused: set[str] = set()

    def post(self, body: bytes, *, message_id: str, issue: str) -> Answer:
        seconds = 0.18 + int(message_id[:4], 16) % 400 / 1000
        if self.calls_left is not None:
            self.calls_left -= 1
            if self.calls_left < 0:
                return Answer(Outcome.TRANSIENT, status=503, seconds=3.2, error="HTTP 503", message="Service Unavailable")
        requests = [row["request_id"] for row in orjson.loads(body)["requests"]]
        if self.to_refuse:
            self._refused |= set(requests[: self.to_refuse])
            self.to_refuse = 0
        bad = tuple(number for number, request in enumerate(requests) if request in self._refused)
        if bad:
            return Answer(Outcome.REFUSED, status=400, seconds=seconds, error="HTTP 400", message=WORDS, named=bad)
        return Answer(Outcome.DELIVERED, status=201, seconds=seconds, xroad_request_id=f"{message_id[:8]}-xroad")


def prepare(folder: Path, *, rows: int, now: datetime) -> Prepared:
    """Create the institution's database and its outbox.

    :param rows: status changes in the source.
    :param now: the present; the last day that was sent is the one before yesterday.
    """
    today = now.astimezone(ZONE).date()
    made = Prepared(folder / "institution.db", folder / "outbox.db", today - timedelta(days=2))
    institution.create(made.source, rows=rows, seed=_SEED, now=_at(today, 0))
    with closing(sqlite3.connect(made.source)) as database, database:
        database.executemany(
            "insert into historial_solicitudes (id_servicio, no_solicitud, fecha_solicitud, codigo_estado, fecha_estado, canal)"
            f" values (1, '{DELIVERED}', '2024-02-05 09:12:00', ?, ?, 'WEB')",
            [("REC", "2024-02-05 09:12:00"), ("COM", "2024-02-12 15:40:00")],
        )
    engine = made.engine()
    migrate(engine)
    work = _Work(engine, Source(sa.create_engine(f"sqlite:///{made.source}"), **_VIEW))
    loaded = _at(today - timedelta(days=4), 22)
    months = month_windows(date(2020, 1, 1), today - timedelta(days=4), ZONE, loaded)
    # One after the other over the last weeks, as the nights of a historical load.
    for number, month in enumerate(window for window in months if window.label not in NEVER):
        at = loaded - timedelta(hours=6) * (len(months) - len(NEVER) - 1 - number)
        work.dashboard.calls_left = 1 if month.label == PENDING else None
        work.dashboard.to_refuse = REFUSALS if month.label == REFUSED else 0
        work.run(month, run_id=f"manual__{at:%Y-%m-%d}T22:00:00+00:00", now=at)
    with closing(sqlite3.connect(made.source)) as database, database:
        database.execute(
            "insert into historial_solicitudes (id_servicio, no_solicitud, fecha_solicitud, codigo_estado, fecha_estado, canal)"
            f" values (1, '{UNREAD}', ?, 'REC', ?, 'WEB')",
            (f"{MISMATCH}-10 09:00:00",) * 2,
        )
        # Rows that lie in no month: their date is blank.
        database.executemany(
            "insert into historial_solicitudes (id_servicio, no_solicitud, fecha_solicitud, codigo_estado, fecha_estado, canal)"
            " values (1, ?, '2024-01-05 08:00:00', 'REC', '', 'WEB')",
            [(f"SIN-FECHA-{number}",) for number in range(4)],
        )
    work.run(undated_window(date(2020, 1, 1), ZONE), run_id=f"manual__{loaded:%Y-%m-%d}T22:00:00+00:00", now=loaded)
    for back in (4, 3, 2):
        day = day_window(today - timedelta(days=back), ZONE)
        at = day.end + timedelta(hours=2, minutes=3)
        work.run(day, run_id=f"scheduled__{at:%Y-%m-%d}T06:00:00+00:00", now=at)
    february = next(month for month in months if month.label == "2024-02")
    run = Run(DRY_RUN, _always(now - timedelta(days=1)))
    dry_run.run(engine, work.source, _SETTINGS, february, run, dag_id="historical_load")
    keep_what_is_rare(engine, day, now=now)
    engine.dispose()
    return made


def keep_what_is_rare(engine: Engine, last_day: Window, *, now: datetime) -> None:
    """What normally takes a bad night: a proof that did not add up, a batch that needs a decision, and a day with
    few rows.
    """
    found = [Degradation.of("few_rows", last_day, 3, 180), Degradation.of("unknown", last_day, 3, 25)]
    keep_degradations(engine, "daily_send", f"scheduled__{now:%Y-%m-%d}T06:00:00+00:00", found, now=now - timedelta(hours=3))
    with engine.begin() as connection:
        connection.execute(
            sa.update(reconciliation)
            .where(reconciliation.c.label == MISMATCH)
            .values(settled=False, recount=reconciliation.c.recount + 1)
        )
        first = sa.select(sa.func.min(batch.c.id)).where(batch.c.state == "pending").scalar_subquery()
        connection.execute(sa.update(batch).where(batch.c.id == first).values(ever_unknown=True, cuts=1))


_VIEW = {"table": "tablero_status_changes", "sql": None, "zone": ZONE, "day_zone": ZONE}

_SETTINGS = Settings.read({"api_path": "/api/load", "batch_size": 200})


class _Work:
    def __init__(self, engine: Engine, source: Source) -> None:
        self._engine = engine
        self.source = source
        self.dashboard = _Dashboard()

    def run(self, window: Window, *, run_id: str, now: datetime) -> None:
        run = Run(run_id, _always(now))
        stage(self._engine, self.source, _SETTINGS, window, run)
        begun = datetime.now(timezone.utc)
        with suppress(TransientError):
            send(self._engine, lambda: self.dashboard, _SETTINGS, [window], run)
        date_back(self._engine, begun, now)
        self.prove(window, run_id=run_id, now=now)

    def prove(self, window: Window, *, run_id: str, now: datetime) -> None:
        run = Run(run_id, _always(now))
        reconcile(self._engine, self.source, _SETTINGS, [window], run, send=lambda _: None, unsent=[window])


def _always(now: datetime) -> Callable[[], datetime]:
    return lambda: now


def _at(day: date, hour: int) -> datetime:
    return datetime.combine(day, time(hour), ZONE).astimezone(timezone.utc)
