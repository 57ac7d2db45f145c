"""Airflow's own API application with the page mounted in it, for tests and measurements."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from sqlalchemy.engine import Engine
from tablero.errors import TableroError

from tests.web.history import NOW, SETTINGS

ROOT = Path(__file__).resolve().parents[2]

_ROLES = {"admin": "ADMIN", "uma": "USER", "vera": "VIEWER"}


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


def prepare_airflow() -> None:
    """Create Airflow's own database, containing the project's two DAGs, under ``AIRFLOW_HOME``."""
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


def mount_page(site: Site) -> Any:
    """Airflow's application with the page mounted, and the page's own application as ``.state.page``."""
    from airflow.api_fastapi.app import create_app, purge_cached_app
    from starlette.routing import Mount
    from tablero.web.app import build_app

    purge_cached_app()
    app = create_app("core")
    page = build_app(site.outbox, site.read_settings, lambda: site.now, site.ask_source)
    # Mounted like a plugin's, before Airflow's own last route, which matches every address.
    app.router.routes.insert(0, Mount("/tablero", page))
    app.state.page, app.state.site = page, site
    return app


def browser_of(app: Any, name: str | None) -> Any:
    """A browser with a logged-in user, or none; it does not follow redirects."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from fastapi.testclient import TestClient

    browser = TestClient(app, base_url="http://airflow.test", follow_redirects=False)
    browser.headers["accept-language"] = "en"
    if name is not None:
        token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username=name, role=_ROLES[name]))
        browser.cookies.set("_token", token)
    return browser


def sealed(path: str) -> str:
    """A path of the page; of a request, ``request?id=REQ-77`` with further parameters, as the page itself links it."""
    from tablero.web.access import seal

    before, found, query = path.partition("request?")
    given = dict(parse_qsl(query, keep_blank_values=True))
    if "id" not in given:
        return path
    return f"{before}{found}{urlencode({'of': seal(given.pop('id')), **given})}"
