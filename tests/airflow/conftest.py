"""A real Airflow, with a sandbox as the dashboard and a separate database of an institution.

``make test`` runs only the first evening of an institution; other tests take minutes and are marked ``system``. They share an
Airflow without disturbing each other: each has its own months, days and prefix of request ids, and its
faults match that prefix only.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.engine import URL

from sandbox.settings import DEFAULT_CLIENT
from sandbox.testing import Handle, running_sandbox
from tests.airflow.client import Client
from tests.airflow.credentials import SECRETS
from tests.airflow.dashboard import Dashboard
from tests.airflow.institution import Institution
from tests.airflow.nights import Nights
from tests.airflow.server import Airflow
from tests.postgres import PostgresServer

#: Tries after the first one.
RETRIES = 2

#: Minutes from the start of Airflow to the first run of daily_send that becomes due while it runs; the others are for
#: slower machines.
DAILY_IN = (4, 10, 30)

#: Modules that ``make test`` runs completely.
QUICK = ("test_integrity", "test_first_evening")

#: In file order: first those with an Airflow of their own, before the shared one starts; then the two nights, since a night
#: sends whatever is pending, of any test, and reads every day never read.
ORDER = {"test_first_evening": -2, "test_alerts_and_hours": -1, "test_daily_send": 0, "test_late_rows": 1}

SETTINGS = {
    "xroad_client": DEFAULT_CLIENT,
    "batch_size": 20,
    "retries": RETRIES,
    "retry_delay": 2,
    # Long, for busy machines. The lease of a dead worker is a minute longer than a call, and the longest delay
    # is longer than that, so that the next try can take over its batches.
    "connect_timeout": 10,
    "read_timeout": 20,
    "max_retry_delay": 120,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("airflow")
            if item.path.stem not in QUICK:
                item.add_marker("system")
    items.sort(key=lambda item: ORDER.get(item.path.stem, 2) if here in item.path.parents else 2)


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handle]:
    """The dashboard behind its security server."""
    with running_sandbox(tmp_path_factory.mktemp("sandbox") / "sandbox.db") as handle:
        yield handle


@pytest.fixture(scope="session")
def institution(tmp_path_factory: pytest.TempPathFactory) -> Institution:
    """The database of the connection ``tablero_source``."""
    return Institution(tmp_path_factory.mktemp("institution") / "source.db", ZoneInfo("America/Santo_Domingo"))


@pytest.fixture(scope="session")
def new_metadata() -> Iterator[Callable[[], URL]]:
    """Creates an empty PostgreSQL database for an Airflow, with the driver in its URL."""
    with PostgresServer("psycopg2") as postgres:
        yield postgres.database


class Started(NamedTuple):
    """A running Airflow.

    :ivar daily_at: when the next daily_send becomes due, local time, to the minute; so the last one due was for the day
        before yesterday.
    """

    server: Airflow
    client: Client
    daily_at: datetime


@pytest.fixture(scope="session")
def started(
    tmp_path_factory: pytest.TempPathFactory, new_metadata: Callable[[], URL], institution: Institution
) -> Iterator[Started]:
    """Airflow, started well before a night."""
    metadata = new_metadata()
    with ExitStack() as stack:
        for minutes in DAILY_IN:
            daily_at = _today_in(minutes, institution.zone)
            settings = {**SETTINGS, "daily_at": f"{daily_at:%H:%M}", "deadline": "23:59"}
            server = Airflow(tmp_path_factory.mktemp("airflow"), metadata, settings)
            stack.callback(server.stop)
            client = server.start()
            # On any machine the first night takes less time than a start of Airflow; it may be busier then.
            if datetime.now(institution.zone) < daily_at - 2 * server.starting:
                break
            server.stop()
        yield Started(server, client, daily_at)


def _today_in(minutes: int, zone: tzinfo) -> datetime:
    """That many minutes from now, but still today: what yesterday means must not change between two tests."""
    while (due := datetime.now(zone) + timedelta(minutes=minutes)).date() != datetime.now(zone).date():
        time.sleep(5)
    return due.replace(second=0, microsecond=0)


@pytest.fixture(scope="session")
def server(started: Started) -> Airflow:
    """The processes of Airflow."""
    return started.server


@pytest.fixture(scope="session")
def airflow(started: Started, sandbox: Handle, institution: Institution) -> Client:
    """Airflow, ready to use: connections exist, and ``historical_load`` is switched on."""
    client = started.client
    client.connect("tablero_source", **institution.connection)
    client.connect("tablero_api", conn_type="http", host=sandbox.url, **SECRETS.connection)
    client.unpause("historical_load")
    return client


@pytest.fixture(scope="session")
def nights(airflow: Client, institution: Institution, sandbox: Handle, started: Started) -> Nights:
    """``daily_send`` is switched on, the first of its two nights is over, and the second one is prepared."""
    return Nights.prepare(airflow, institution, Dashboard(sandbox, "nights/"), started.daily_at)


@pytest.fixture
def dashboard(request: pytest.FixtureRequest, sandbox: Handle) -> Iterator[Dashboard]:
    """The sandbox, with a request id prefix of the test's own: its name."""
    dashboard = Dashboard(sandbox, re.sub(r"\W+", "-", request.node.name.removeprefix("test_")) + "/")
    yield dashboard
    dashboard.heal()
