"""A real headless Chromium, looking at a real Airflow over the history that ``prepared.py`` made; the sandbox is the dashboard.

Needs Debian's ``chromium`` and, for axe-core, ``npm``.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest
import sqlalchemy as sa

from sandbox.settings import DEFAULT_CLIENT
from sandbox.testing import Handle, running_sandbox
from tests.airflow.client import Client
from tests.airflow.server import Airflow
from tests.browser.prepared import Prepared, prepare

HERE = Path(__file__).parent

#: Users by role, and their passwords.
USERS = {"admin": "admin", "vera": "viewer"}

#: Rows of the institution: enough for months of several batches, and for pictures that look like life.
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
    }
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session")
def airflow(server: Airflow, sandbox: Handle, prepared: Prepared) -> Client:
    """Airflow, ready: connections made, both DAGs switched on (``daily_send`` without a run that is due)."""
    client = server.start()
    client.connect("tablero_source", conn_type="sqlite", host=str(prepared.source))
    client.connect("tablero_api", conn_type="http", host=sandbox.url)
    client.connect("tablero_outbox", conn_type="sqlite", host=str(prepared.outbox))
    client.unpause("historical_load")
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


@pytest.fixture(scope="session")
def logged_in(chromium: Any, airflow: Client, server: Airflow) -> dict[str, list[Any]]:
    """The cookies of each user, who logged in as people do: by Airflow's own form."""
    cookies = {}
    for name in USERS:
        context = chromium.new_context(base_url=server.url)
        page = context.new_page()
        page.goto("/", timeout=PATIENCE)
        page.get_by_label("Username").fill(name)
        page.get_by_label("Password").fill(name)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda url: "/auth/login" not in url, timeout=PATIENCE)
        cookies[name] = context.cookies()
        context.close()
    return cookies


@pytest.fixture
def visit(chromium: Any, logged_in: dict[str, list[Any]], server: Airflow) -> Iterator[Open]:
    """Opens a browser window in which a user is logged in; nothing may be written to its console."""
    contexts = []
    complaints: list[str] = []

    def open_window(user: str | None = "admin", **options: Any) -> Any:
        context = chromium.new_context(base_url=server.url, **{"locale": "en-US", **options})
        context.set_default_timeout(PATIENCE)
        if user is not None:
            context.add_cookies(logged_in[user])
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if _is_ours(said) else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield open_window
    for context in contexts:
        context.close()
    assert not complaints


def _is_ours(said: Any) -> bool:
    """Airflow's own pages have complaints of their own; a page that answers 401 or 404 does so on purpose; and the sandbox
    of the frame is Airflow's choice.
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
