"""10,000 hostile rows of each type of date, some undated, from a real server through the outbox to a dashboard.

Each sum must match three times: over the view, in the outbox, and against what the dashboard received.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from tablero.contract.status_change import StatusChange
from tablero.contract.windows import month_windows, undated_window
from tablero.dashboard.client import Dashboard
from tablero.delivery import loading
from tablero.delivery.counting import compare, require_whole
from tablero.delivery.reconciling import Reconciled, reconcile, require_settled
from tablero.delivery.run import Run
from tablero.outbox.schema import rejection
from tablero.settings import Settings
from tablero.source.reader import Source

from sandbox.settings import DEFAULT_CLIENT
from sandbox.testing import Handle
from tests.integration.conftest import (  # noqa: F401 fixtures
    _shared_sandbox,
    backend,
    outbox,
    sandbox,
)
from tests.integration.samples import ZONE, check_books, staged
from tests.sources.mariadb import MariaDb
from tests.sources.spanish import Server

pytestmark = pytest.mark.system

VIEW = "tablero_status_changes"
ROWS = 10_000

#: The planning instant of the load; later rows are in the future.
NOW = datetime(2020, 7, 1, 4, tzinfo=timezone.utc)
SETTINGS = Settings.read({"xroad_client": DEFAULT_CLIENT, "batch_size": "500"})
WINDOWS = [*month_windows(date(2020, 1, 1), date(2020, 6, 1), ZONE, NOW), undated_window(date(2020, 1, 1), ZONE)]

#: For each column, mostly valid values and some that no institution should have.
SERVICES = ["'1041'", "'1042'", "' 7 '", "'1041'", "NULL", "''", "'SERVICIO ñandú'", "repeat('9', 300)"]
REQUESTS = ["{id}", "{id}", "{id}", "' ' || {id}", "'ñ€😀' || {id}", "'R-repetida'", "NULL", "''", "repeat('x', 300)"]
STATUSES = ["'2'", "'14'", "'9'", "'21'", "' 3 '", "'22'", "'0'", "'abc'", "NULL", "'2.5'", "'-1'"]
OPENED = ["2020-01-01 00:00:00", "2020-01-01 00:00:00", "2020-01-01", "2019-12-31 23:59:59", "2030-01-01", None]

#: Dates of every kind that the type can hold; text can hold all.
COMMON = [
    *(f"2020-{month:02}-{day:02} 10:{day:02}:00" for month in range(1, 7) for day in (1, 15, 28)),
    *("2020-01-01 00:00:00", "2020-01-31 23:59:59.999999", "2020-02-29 23:59:59", "2020-06-30 23:59:59.999999"),
    *("2019-12-31 23:59:59", "1999-01-01", "2020-07-01 00:00:00", "2031-01-01", None),
]
TEXTS = [
    *("2020-02-15T10:00:00Z", " 2020-03-05", "2020-02-30 10:00", "15/01/2020 09:00:00", "2020/01/15", "20200115", "1579078800"),
    *("infinity", "", "pendiente", "2020-13-01", "0000-00-00", "2020-01-15 25:00", "2020-01-1", "ñ", "~", "2020-06-31"),
]
INFINITE = ["infinity", "-infinity", "0044-03-15 BC", "20020-01-01", "1850-01-01"]
ZERO = ["0000-00-00", "2020-02-00", "2020-00-00"]


def quoted(value: str | None, cast: str = "") -> str:
    return "NULL" if value is None else f"'{value}'{cast}"


def postgresql(server: Server, kind: str) -> Source:
    """A view over columns of this type, filled by SQL alone."""
    dates = COMMON + (TEXTS if kind == "text" else INFINITE)
    database = server.database()

    def choice(values: list[str], step: int) -> str:
        return f"(ARRAY[{', '.join(values)}])[1 + mod(n * {step} + n / {len(values)}, {len(values)})]"

    requests = choice([one.format(id="'R-' || n") for one in REQUESTS], 11)
    with server.admin(database) as connection:
        connection.exec_driver_sql(
            f"CREATE VIEW {VIEW} AS SELECT {choice(SERVICES, 7)} service_id, {requests} request_id,"
            f" {choice([quoted(one, f'::{kind}') for one in OPENED], 5)} opening_date, {choice(STATUSES, 13)} status_id,"
            f" {choice([quoted(one, f'::{kind}') for one in dates], 17)} last_modified_date"
            f" FROM generate_series(1, {ROWS}) n"
        )
    return Source(
        sa.create_engine(server.address(database), poolclass=sa.NullPool), table=VIEW, sql=None, zone=ZONE, day_zone=ZONE
    )


def mariadb_source(server: MariaDb, driver: str, kind: str) -> Source:
    """The same in MariaDB, in a table, since zero dates need a session that allows them."""
    dates = COMMON + (TEXTS if kind == "text" else ZERO)
    address = server.database(driver)

    def choice(values: list[str], step: int) -> str:
        return f"elt(1 + (seq * {step} + seq DIV {len(values)}) MOD {len(values)}, {', '.join(values)})"

    requests = choice([one.format(id="concat('R-', seq)").replace("' ' || ", "") for one in REQUESTS if "€" not in one], 11)
    with server.admin(address.database or "") as connection:
        connection.exec_driver_sql("SET sql_mode = '', time_zone = '-04:00'")
        connection.exec_driver_sql(
            f"CREATE TABLE h (service_id text, request_id text, opening_date {kind} NULL, status_id text,"
            f" last_modified_date {kind} NULL)"
        )
        connection.exec_driver_sql(
            f"INSERT INTO h SELECT {choice(SERVICES, 7)}, {requests}, {choice([quoted(one) for one in OPENED], 5)},"
            f" {choice(STATUSES, 13)}, {choice([quoted(one) for one in dates], 17)} FROM seq_1_to_{ROWS}"
        )
        connection.exec_driver_sql(f"CREATE VIEW {VIEW} AS SELECT * FROM h")
    engine = sa.create_engine(address, poolclass=sa.NullPool)
    return Source(engine, table=VIEW, sql=None, zone=ZONE, day_zone=ZONE)


SOURCES: dict[str, Callable[[pytest.FixtureRequest], Source]] = {
    **{
        f"postgresql {kind}": lambda request, kind=kind: postgresql(request.getfixturevalue("spanish"), kind)
        for kind in ("text", "timestamp", "timestamptz", "date")
    },
    **{
        f"mariadb {kind}": lambda request, kind=kind: mariadb_source(request.getfixturevalue("mariadb"), "pymysql", kind)
        for kind in ("text", "datetime(6)", "date")
    },
}


@pytest.fixture(params=[pytest.param(name, id=name) for name in SOURCES])
def source(request: pytest.FixtureRequest) -> Source:
    return SOURCES[request.param](request)


@pytest.fixture
def dashboard(sandbox: Handle, monkeypatch: pytest.MonkeyPatch) -> Dashboard:  # noqa: F811
    """The sandbox, over HTTP as the tasks call it."""
    monkeypatch.setenv("AIRFLOW_CONN_TABLERO_API", json.dumps({"conn_type": "http", "host": "127.0.0.1", "port": sandbox.port}))
    return Dashboard(SETTINGS, clock=lambda: NOW)


@pytest.mark.parametrize("backend", ["sqlite", pytest.param("postgresql", marks=pytest.mark.endurance)])
def test_every_sum_closes(source: Source, outbox: Engine, dashboard: Dashboard, sandbox: Handle, tmp_path: Path) -> None:  # noqa: F811
    """No row is lost, sent twice, or causes a crash, and each bad row has its reason."""

    def load(window: object) -> None:
        loading.load(outbox, source, lambda: dashboard, SETTINGS, [window], Run("run", lambda: NOW))  # type: ignore[list-item]

    def proved(windows: object) -> Reconciled:
        return reconcile(outbox, source, SETTINGS, windows, Run("run", lambda: NOW), send=load)  # type: ignore[arg-type]

    for window in WINDOWS:
        load(window)
    counted = compare(source, proved(WINDOWS), proved, pytest.fail)
    require_settled(counted.reconciled.accounts)
    require_whole(counted)
    check_books(outbox)

    accounts = counted.reconciled.accounts
    census = source.census(WINDOWS[-1], NOW)
    assert census is not None
    with source.engine.connect() as connection:
        assert connection.exec_driver_sql(f"SELECT count(*) FROM {VIEW}").scalar() == census.rows == ROWS
    read = sum(one.read or 0 for one in accounts)
    delivered = sum(one.delivered for one in accounts)
    rejected: Counter[str] = sum((one.rejected for one in accounts), Counter())
    assert read + census.future == ROWS
    assert read == delivered + rejected.total() + sum(one.excluded + one.duplicates for one in accounts)
    assert accounts[-1].read == census.undated + census.older > 0
    assert (census.undated > 0, census.future > 0, delivered > 100, len(rejected) > 5) == (True,) * 4

    received = sandbox.counts()
    assert set(received.values()) == {1}
    assert len(received) == delivered
    assert received.keys() == {_as_received(change) for change in staged(outbox)}
    with outbox.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(rejection)) <= rejected.total()
        kept = {row.reason for row in connection.execute(sa.select(rejection.c.reason).distinct())}
    assert kept == set(rejected)


def _as_received(change: StatusChange) -> tuple[str, str, str, int, str]:
    moments = (change.opening_date, change.last_modified_date)
    opened, changed = (f"{moment.replace(tzinfo=None).isoformat()}Z" for moment in moments)
    return (change.service_id, change.request_id, opened, change.status_id, changed)
