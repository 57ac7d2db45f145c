"""A real headless Chromium with a real Airflow over the history created by ``prepared.py``; the sandbox is the dashboard.

Needs Debian's ``chromium`` and, for axe-core, ``npm``.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import orjson
import pytest
import sqlalchemy as sa

from sandbox.settings import DEFAULT_CLIENT
from sandbox.testing import Handle, running_sandbox
from tests.airflow.client import DAGS, Client
from tests.airflow.server import Airflow
from tests.browser.prepared import Prepared, prepare

HERE = Path(__file__).parent

HISTORY = "historical_load"

#: Users by role, and their passwords.
USERS = {"admin": "admin", "vera": "viewer"}

#: Rows of the institution: enough for months of several batches, and for realistic pictures.
ROWS = 60_000

#: Milliseconds that the slowest page may take on a busy machine.
PATIENCE = 60_000

SETTINGS = {
    "xroad_client": DEFAULT_CLIENT,
    "batch_size": 50,
    "retries": 1,
    "retry_delay": 2,
    "max_retry_delay": 4,
    "concurrency": 1,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("system")
            item.add_marker("slow")


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handle]:
    """The dashboard behind its security server."""
    with running_sandbox(tmp_path_factory.mktemp("sandbox") / "sandbox.db") as handle:
        yield handle


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """The institution's database and its outbox."""
    return prepare(tmp_path_factory.mktemp("prepared"), rows=ROWS, now=datetime.now(timezone.utc))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, prepared: Prepared) -> Iterator[Airflow]:
    """The processes of Airflow."""
    home = tmp_path_factory.mktemp("airflow")
    made = Airflow(home, sa.make_url(f"sqlite:///{home / 'airflow.db'}"), SETTINGS)
    passwords = home / "browser-passwords.json"
    passwords.write_bytes(orjson.dumps({name: name for name in USERS}))
    made.environment |= {
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in USERS.items()),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        # No scheduled night: it would close every gap and post everything pending, which these tests need.
        "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",
    }
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session")
def airflow(server: Airflow, sandbox: Handle, prepared: Prepared) -> Client:
    """Airflow, ready to use: connections exist, both DAGs are switched on. It runs only what a test triggers."""
    client = server.start()
    client.connect("tablero_source", conn_type="sqlite", host=str(prepared.source))
    client.connect("tablero_api", conn_type="http", host=sandbox.url)
    client.connect("tablero_outbox", conn_type="sqlite", host=str(prepared.outbox))
    # Airflow knows the runs of the history, to which pages link. They are over before the DAG is switched on.
    for run_id in prepared.loads():
        client.ask("POST", f"/dags/{HISTORY}/dagRuns", json={"dag_run_id": run_id, "logical_date": None})
        client.ask("PATCH", f"/dags/{HISTORY}/dagRuns/{quote(run_id, safe='')}", json={"state": "success"})
    for dag_id in DAGS:
        client.unpause(dag_id)
    return client


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The browser."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="skipped: no playwright")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("skipped: no chromium (apt-get install chromium)")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


Open = Callable[..., Any]


class Windows:
    """The browser's windows for logged-in users.

    Pages of one user in one language share a window, whose cache has the style sheets and Airflow's own scripts; a page with
    other options (no scripts, a theme) gets a window of its own.
    """

    def __init__(self, chromium: Any, server: Airflow) -> None:
        self._chromium = chromium
        self._url = server.url
        self._kept: dict[tuple[str, str], Any] = {}

    def open(self, user: str | None, options: dict[str, Any]) -> Any:
        """A new page."""
        if user is None or options.keys() - {"locale"}:
            return self._make(user, options).new_page()
        key = user, options.get("locale", "")
        if key not in self._kept:
            self._kept[key] = self._make(user, options)
        return self._kept[key].new_page()

    def close(self, page: Any) -> None:
        """Close a page, and its window if the window has no other pages."""
        if page.context in self._kept.values():
            page.close()
        else:
            page.context.close()

    def _make(self, user: str | None, options: dict[str, Any]) -> Any:
        context = self._chromium.new_context(base_url=self._url, **{"locale": "en-US", **options})
        context.set_default_timeout(PATIENCE)
        if user is not None:
            answer = context.request.post("/auth/token", data={"username": user, "password": user})
            context.add_cookies([{"name": "_token", "value": answer.json()["access_token"], "url": self._url}])
        return context


@pytest.fixture(scope="session")
def windows(chromium: Any, airflow: Client, server: Airflow) -> Windows:
    """The windows of the one browser."""
    return Windows(chromium, server)


@pytest.fixture
def visit(windows: Windows) -> Iterator[Open]:
    """Opens a page for a logged-in user, or for none; nothing may be written to its console."""
    opened = []
    complaints: list[str] = []

    def open_page(user: str | None = "admin", **options: Any) -> Any:
        page = windows.open(user, options)
        opened.append(page)
        page.on("console", lambda said: complaints.append(said.text) if _is_ours(said) else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield open_page
    for page in opened:
        windows.close(page)
    assert not complaints


def _is_ours(said: Any) -> bool:
    """Airflow's own pages log messages of their own; a page that answers 401 or 404 does so on purpose; and the sandbox
    of the frame is chosen by Airflow.
    """
    ours = urlsplit(said.location.get("url", "")).path.startswith("/tablero/")
    expected = said.text.startswith(("Failed to load resource", "An iframe which has both allow-scripts"))
    return ours and said.type in ("error", "warning") and not expected


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The program axe-core."""
    if shutil.which("npm") is None:
        pytest.skip("skipped: no npm")
    folder = tmp_path_factory.mktemp("axe")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder)
    subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, check=True, capture_output=True)
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
