"""The page in Airflow's own API application, requested by users of each role; the outbox is that of ``history.py``.

Airflow is real: its application, its authentication, its database. Only the server around it is the test client.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import Engine
from tablero.errors import TableroError
from tablero.outbox.engine import connect
from tablero.outbox.upgrade import migrate

from tests.web.history import NOW, SETTINGS, History

ROOT = Path(__file__).resolve().parents[2]

#: Tests of modules that do not depend on Airflow.
_PURE = ("test_web_coverage", "test_web_texts", "test_web_small")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and item.path.stem not in _PURE:
            item.add_marker("airflow")


class Site:
    """The page's dependencies, which tests can change."""

    def __init__(self) -> None:
        self.engine: Engine | None = None
        self.problem: TableroError | None = None
        self.settings: Any = SETTINGS
        self.now: datetime = NOW
        #: The source's rows of a request, or the error that it raises, and the time limits of the queries.
        self.source: list[tuple[Any, ...]] | TableroError | None = None
        self.patience: list[float] = []

    def ask_source(self, request_id: str, seconds: float) -> list[tuple[Any, ...]] | None:
        self.patience.append(seconds)
        if isinstance(self.source, TableroError):
            raise self.source
        return self.source

    def outbox(self) -> Engine:
        if self.problem is not None:
            raise self.problem
        assert self.engine is not None
        return self.engine

    def read_settings(self) -> Any:
        if isinstance(self.settings, TableroError):
            raise self.settings
        return self.settings


@pytest.fixture(scope="session")
def airflow_database() -> None:
    """Airflow's own database, containing the project's two DAGs."""
    os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"] = "admin:admin,uma:user,vera:viewer"
    os.environ["AIRFLOW__API_AUTH__JWT_SECRET"] = "for tests only " * 8
    # 503 pages are requested on purpose, so they are not logged.
    os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "ERROR")
    from airflow import plugins_manager, settings
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.db import initdb
    from airflow.utils.session import create_session

    # The setting is read when Airflow is first imported, possibly by another test.
    settings.PLUGINS_FOLDER = str(ROOT / "plugins")
    for kept in (plugins_manager._get_plugins, plugins_manager.get_timetables_plugins, plugins_manager.get_fastapi_plugins):
        kept.cache_clear()
    plugins_manager.get_deadline_references_plugins.cache_clear()

    initdb()
    with create_session() as session:
        if session.get(DagBundleModel, "tablero-web-tests") is None:
            session.add(DagBundleModel(name="tablero-web-tests"))
    bag = DagBag(dag_folder=ROOT / "dags", bundle_path=ROOT / "dags", bundle_name="tablero-web-tests")
    assert not bag.import_errors
    sync_bag_to_db(bag, "tablero-web-tests", None)


@pytest.fixture(scope="session")
def whole_app(airflow_database: None) -> Any:
    """Airflow's application with the page mounted, and the page's own application as ``.state.page``."""
    from airflow.api_fastapi.app import create_app, purge_cached_app
    from starlette.routing import Mount
    from tablero.web.app import build_app

    purge_cached_app()
    app = create_app("core")
    site = Site()
    page = build_app(site.outbox, site.read_settings, lambda: site.now, site.ask_source)
    # Mounted like a plugin's, before Airflow's own last route, which matches every address.
    app.router.routes.insert(0, Mount("/tablero", page))
    app.state.page, app.state.site = page, site
    return app


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    """A shared outbox that is only read."""
    folder = tmp_path_factory.mktemp("history")
    return make_history(f"sqlite:///{folder / 'outbox.db'}", folder)


@pytest.fixture
def own_history(tmp_path: Path, site: Site) -> History:
    """An outbox that the test may change."""
    made = make_history(f"sqlite:///{tmp_path / 'outbox.db'}", tmp_path)
    site.engine = made.engine
    return made


def make_history(address: str, folder: Path) -> History:
    """An outbox with the whole history."""
    engine = connect(address)
    migrate(engine)
    made = History(engine, folder)
    made.live()
    return made


@pytest.fixture
def site(whole_app: Any, history: History) -> Site:
    """The page's dependencies for this test."""
    given: Site = whole_app.state.site
    given.__init__()  # type: ignore[misc] # the same object, which the application holds
    given.engine = history.engine
    return given


@pytest.fixture
def as_user(whole_app: Any, site: Site) -> Callable[[str | None], Any]:
    """A browser with a logged-in user, or none; it does not follow redirects."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from fastapi.testclient import TestClient

    def open_browser(name: str | None) -> Any:
        browser = TestClient(whole_app, base_url="http://airflow.test", follow_redirects=False)
        browser.headers["accept-language"] = "en"
        if name is not None:
            role = {"admin": "ADMIN", "uma": "USER", "vera": "VIEWER"}[name]
            token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username=name, role=role))
            browser.cookies.set("_token", token)
        return browser

    return open_browser


@pytest.fixture
def admin(as_user: Callable[[str | None], Any]) -> Any:
    """The browser of a user with all permissions."""
    return as_user("admin")


@pytest.fixture
def viewer(as_user: Callable[[str | None], Any]) -> Any:
    """The browser of a user who may only read."""
    return as_user("vera")
