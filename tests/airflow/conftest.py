"""One real Airflow for all tests here, with a sandbox as the dashboard and an institution's database of the tests' own.

Tests share them and must not disturb each other: each has months, days and a prefix of request ids of its own, and its
faults match only that prefix.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from sandbox.dashboard import Row
from sandbox.settings import DEFAULT_CLIENT
from sandbox.testing import Handle, running_sandbox
from tests.airflow.client import Client
from tests.airflow.institution import Change, Institution
from tests.airflow.server import Airflow

#: Tries after the first one.
RETRIES = 2

SETTINGS = {
    "xroad_client": DEFAULT_CLIENT,
    "batch_size": 20,
    "retries": RETRIES,
    "retry_delay": 2,
    "max_retry_delay": 8,
    "connect_timeout": 2,
    "read_timeout": 5,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("airflow")


class Dashboard:
    """The sandbox, seen by one test: only rows whose request id begins with its prefix."""

    def __init__(self, sandbox: Handle, prefix: str) -> None:
        self.sandbox = sandbox
        self.prefix = prefix
        self._faults: set[int] = set()

    def counts(self) -> Counter[Row]:
        """How many times each row was accepted."""
        return Counter({row: count for row, count in self.sandbox.counts().items() if row[1].startswith(self.prefix)})

    def add_fault(self, beginning: str = "", **fields: object) -> int:
        """A fault for calls with rows whose request id begins with the prefix and ``beginning``."""
        number = self.sandbox.add_fault(match={"request_id": f"^{self.prefix}{beginning}"}, **fields)
        self._faults.add(number)
        return number

    def remove_fault(self, number: int) -> None:
        """Disarm one of them."""
        self._faults.remove(number)
        self.sandbox.remove_fault(number)

    def heal(self) -> None:
        """Disarm them all."""
        while self._faults:
            self.sandbox.remove_fault(self._faults.pop())


def once(*groups: Iterable[Change]) -> Counter[Row]:
    """What the dashboard holds if each of these rows was accepted exactly once."""
    return Counter({change.wire: 1 for group in groups for change in group})


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handle]:
    """The dashboard behind its security server."""
    with running_sandbox(tmp_path_factory.mktemp("sandbox") / "sandbox.db") as handle:
        yield handle


@pytest.fixture(scope="session")
def institution(tmp_path_factory: pytest.TempPathFactory) -> Institution:
    """The database behind connection ``tablero_source``."""
    return Institution(tmp_path_factory.mktemp("institution") / "source.db", ZoneInfo("America/Santo_Domingo"))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    """The processes of Airflow."""
    server = Airflow(tmp_path_factory.mktemp("airflow"), SETTINGS)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def airflow(server: Airflow, sandbox: Handle, institution: Institution) -> Client:
    """Airflow, ready: connections made, both DAGs switched on."""
    client = server.start()
    client.connect("tablero_source", conn_type="sqlite", host=str(institution.path))
    client.connect("tablero_api", conn_type="http", host=sandbox.url)
    client.unpause("historical_load")
    client.unpause("daily_send")
    return client


@pytest.fixture
def dashboard(request: pytest.FixtureRequest, sandbox: Handle) -> Iterator[Dashboard]:
    """The sandbox, with the test's own prefix: its name."""
    dashboard = Dashboard(sandbox, request.node.originalname.removeprefix("test_"))
    yield dashboard
    dashboard.heal()
