"""A sample institution's whole history, over real HTTP, into a strict dashboard behind a stand-in for X-Road."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from tablero.contract.windows import Window
from tablero.dashboard.client import Dashboard
from tablero.delivery import loading
from tablero.delivery.planning import plan_history
from tablero.delivery.reconciling import reconcile, require_settled
from tablero.delivery.run import Run
from tablero.errors import DashboardError, DashboardUnavailable
from tablero.outbox.ledger import Account
from tablero.settings import Settings

from sandbox.institution import Summary, add_changes, create
from sandbox.settings import DEFAULT_CLIENT
from sandbox.testing import Handle
from tests.integration.institution import reading
from tests.integration.samples import ZONE, check_books

#: The instant at which the load is planned; the history ends there too.
NOW = datetime(2021, 3, 10, 4, tzinfo=timezone.utc)
SETTINGS = Settings.read({"xroad_client": DEFAULT_CLIENT, "batch_size": "50"})
MONTHS = plan_history(SETTINGS, start_month="2020-01", end_month=None, now=NOW)


class Load:
    """A historical load made of its use cases, as the tasks call them."""

    def __init__(self, engine: Engine, database: Path, dashboard: Dashboard) -> None:
        self._engine = engine
        self._source = reading(sa.create_engine(f"sqlite:///{database}"))
        self._dashboard = dashboard

    def month(self, window: Window) -> int:
        """Load a month; returns the rows delivered."""
        _, delivery = loading.load(
            self._engine, self._source, lambda: self._dashboard, SETTINGS, [window], Run("run", lambda: NOW)
        )
        return delivery.rows

    def run(self) -> int:
        """Load all months."""
        return sum(map(self.month, MONTHS))

    def prove(self) -> list[Account]:
        """Reconcile; the sum must match."""
        accounts, failure = reconcile(self._engine, self._source, SETTINGS, MONTHS, Run("run", lambda: NOW), send=self.month)
        assert failure is None
        require_settled(accounts)
        check_books(self._engine)
        return accounts


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    database = tmp_path_factory.mktemp("institution") / "institution.db"
    return database, create(database, rows=1500, seed=7, now=NOW)


@pytest.fixture
def load(
    outbox: Engine, sandbox: Handle, history: tuple[Path, Summary], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Load:
    monkeypatch.setenv("AIRFLOW_CONN_TABLERO_API", json.dumps({"conn_type": "http", "host": "127.0.0.1", "port": sandbox.port}))
    mine = tmp_path / "mine.db"
    mine.write_bytes(history[0].read_bytes())
    return Load(outbox, mine, Dashboard(SETTINGS, clock=lambda: NOW))


def sums(accounts: list[Account]) -> Counter[str]:
    names = ("read", "delivered", "excluded", "duplicates", "pending", "recount", "gone")
    return Counter({name: sum(getattr(one, name) for one in accounts) for name in names})


def test_every_row_is_accounted_for(load: Load, sandbox: Handle, history: tuple[Path, Summary]) -> None:
    """Read = delivered + rejected + excluded + duplicate, with the expected numbers; each valid row arrived once."""
    summary = history[1]
    assert load.run() == summary.valid
    accounts = load.prove()
    assert sums(accounts) == {
        "read": summary.total,
        "delivered": summary.valid,
        "excluded": summary.excluded,
        "duplicates": summary.duplicates,
        "pending": 0,
        "recount": summary.total,
        "gone": 0,
    }
    assert sum((one.rejected for one in accounts), Counter()) == summary.wrong
    stats = sandbox.stats(distinct=True)
    assert stats["entries_accepted"] == stats["distinct_entries"] == summary.valid
    assert not stats["violations"]
    assert stats["max_in_flight"] <= SETTINGS.concurrency


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_the_changes_of_a_request_arrive_in_order(load: Load, sandbox: Handle) -> None:
    """The changes of a request in a month arrive in one call, ordered by date."""
    load.run()
    calls: dict[tuple[Any, ...], list[Any]] = {}
    for entry in sandbox.entries():
        calls.setdefault((entry["call_id"], entry["request_id"]), []).append(entry["last_modified_date"])
    assert all(dates == sorted(dates) for dates in calls.values())
    homes: dict[tuple[str, str], set[int]] = {}
    for entry in sandbox.entries():
        moment = datetime.fromisoformat(entry["last_modified_date"].replace("Z", "+00:00"))
        homes.setdefault((entry["request_id"], f"{moment.astimezone(ZONE):%Y-%m}"), set()).add(entry["call_id"])
    assert all(len(home) == 1 for home in homes.values())


def test_again_sends_only_what_is_new(load: Load, sandbox: Handle, history: tuple[Path, Summary]) -> None:
    """A second load sends nothing; after some requests changed, it sends these changes, including back-dated ones."""
    load.run()
    assert load.run() == 0
    database = Path(str(load._source._engine.url.database))
    for when in (NOW - timedelta(hours=1), NOW - timedelta(days=200)):
        add_changes(database, 7, when)
    assert load.run() == 14
    load.prove()
    assert sandbox.stats(distinct=True)["distinct_entries"] == history[1].valid + 14 == sandbox.stats()["entries_accepted"]


FAULTS = [
    {"kind": "status", "status": 503, "times": 4},
    {"kind": "drop_before", "times": 4},
    {"kind": "status", "status": 429, "times": 2, "retry_after": "7"},
]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault['kind']} {fault.get('status', '')}")
def test_through_trouble(load: Load, sandbox: Handle, history: tuple[Path, Summary], fault: dict[str, Any]) -> None:
    """With retries as Airflow makes them, each valid row arrives once, since failed calls accepted nothing."""
    sandbox.add_fault(**fault)
    for _ in range(8):
        try:
            load.run()
            break
        except DashboardUnavailable:
            continue
    load.prove()
    stats = sandbox.stats(distinct=True)
    assert stats["by_fault"], "the fault was met"
    assert stats["entries_accepted"] == stats["distinct_entries"] == history[1].valid


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_an_answer_that_was_lost(load: Load, sandbox: Handle, history: tuple[Path, Summary]) -> None:
    """Rows whose acknowledgement was lost are posted again, and each repeated row belongs to a call recorded as unknown."""
    sandbox.add_fault(kind="drop_after", times=2)
    for _ in range(5):
        try:
            load.run()
            break
        except DashboardUnavailable:
            continue
    load.prove()
    counts = sandbox.counts()
    assert len(counts) == history[1].valid
    assert set(counts.values()) == {1, 2}


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_wrong_address(outbox: Engine, history: tuple[Path, Summary], sandbox: Handle, monkeypatch: Any) -> None:
    """A subsystem unknown to the security server is a permanent error at the first call, which says whom to contact."""
    connection = {"conn_type": "http", "host": "127.0.0.1", "port": sandbox.port}
    monkeypatch.setenv("AIRFLOW_CONN_TABLERO_API", json.dumps(connection))
    stranger = SETTINGS.model_copy(update={"xroad_client": "DO/GOB/INST/OTRO"})
    make: Callable[[], Load] = lambda: Load(outbox, history[0], Dashboard(stranger, clock=lambda: NOW))  # noqa: E731
    with pytest.raises(DashboardError, match="Your subsystem is not registered"):
        make().run()
    assert sandbox.stats()["calls"] == 1
